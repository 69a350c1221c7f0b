//! Names as Kubernetes takes them.

use super::Context;
use crate::place::Place;
use crate::spec::{Document, Kind};

/// Checks name and namespace.
pub(super) fn check(document: &Document, cx: &mut Context<'_>) {
    let metadata = &document.metadata;
    let name = &metadata.name;
    if name.place.line > 0 && !metadata_name_missing(document) {
        subdomain(name, &name.place, cx);
    }
    match (&metadata.namespace, document.kind.value) {
        (None, Kind::TracingPolicyNamespaced) if !metadata.broken => {
            let place = Place {
                path: metadata.place.path.field("namespace"),
                ..metadata.place.clone()
            };
            cx.error(
                &place,
                "missing: a TracingPolicyNamespaced is for the pods of one namespace",
            );
        }
        (Some(namespace), Kind::TracingPolicy) if !document.broken => {
            cx.error(
                &namespace.place,
                "a TracingPolicy is for the whole machine: it has no namespace",
            )
            .help("write kind: TracingPolicyNamespaced");
        }
        (Some(namespace), Kind::TracingPolicyNamespaced) if namespace.len() > 63 || namespace.contains('.') => {
            cx.error(&namespace.place, "no name of a namespace")
                .help("at most 63 lower-case letters, digits and `-`");
        }
        (Some(namespace), _) => subdomain(namespace, &namespace.place, cx),
        (None, _) => {}
    }
}

/// A missing name was reported when the document was read.
fn metadata_name_missing(document: &Document) -> bool {
    document.metadata.broken && document.metadata.name.is_empty()
}

/// A DNS-1123 subdomain.
fn subdomain(name: &str, place: &Place, cx: &mut Context<'_>) {
    const MAX: usize = 253;
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.is_empty() {
        cx.error(place, "the name is empty");
    } else if name.len() > MAX {
        cx.error(place, format!("a name of {} characters", name.len()))
            .help(format!("at most {MAX}"));
    } else if !name.split('.').all(label) {
        cx.error(
            place,
            format!("`{}` is no name of an object", crate::yaml::shorten(name)),
        )
        .help("lower-case letters, digits, `-` and `.`, with a letter or digit at both ends of each part between dots");
    }
}
