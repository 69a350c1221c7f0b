//! The text of a file to the documents in it.

use std::rc::Rc;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::object::Value as _;
use crate::place::{Path, Place};
use crate::spec::{Document, Kind};
use crate::suggest;
use crate::yaml::{self, Budget, Node, NodeKind};

/// The group and version of policies.
pub const API_VERSION: &str = "cilium.io/v1alpha1";

/// Reads all policies of a file.
///
/// Documents of other kinds of object, such as the Pod that a policy is shown with, are passed over with a warning.
/// A document that is returned may still be [broken](Document::broken): then at least one diagnostic is an error.
pub fn parse(text: &str, budget: Budget) -> (Vec<Document>, Vec<Diagnostic>) {
    let mut diagnostics = Diagnostics::default();
    let documents = parse_into(text, budget, &mut diagnostics);
    (documents, diagnostics.into_sorted())
}

pub(crate) fn parse_into(text: &str, budget: Budget, diagnostics: &mut Diagnostics) -> Vec<Document> {
    let nodes = yaml::documents(text, budget, diagnostics);
    if nodes.is_empty() && diagnostics.errors() == 0 {
        diagnostics.error(&Place::default(), "the file holds no policy");
    }
    let mut documents = Vec::new();
    for node in &nodes {
        if is_ours(node, diagnostics) {
            documents.push(read(node, diagnostics));
        }
    }
    documents
}

/// Whether a document is meant to be a policy.
fn is_ours(node: &Rc<Node>, diagnostics: &mut Diagnostics) -> bool {
    let text = |name| match node.get(name).map(|node| &node.kind) {
        Some(NodeKind::Scalar { text, .. }) => text.as_str(),
        _ => "",
    };
    let (version, kind) = (text("apiVersion"), text("kind"));
    let foreign = !version.is_empty()
        && !kind.is_empty()
        && !version.starts_with("cilium.io/")
        && suggest::nearest(kind, Kind::ALL.iter().map(|kind| kind.name())).is_none();
    if foreign {
        diagnostics.warning(
            &node.place(Path::ROOT),
            format!("a {kind}, which is no policy, is passed over"),
        );
    }
    !foreign
}

fn read(node: &Rc<Node>, diagnostics: &mut Diagnostics) -> Document {
    let document = Document::read(node, &Path::ROOT, diagnostics);
    let version = &document.api_version;
    if !version.is_empty() && version.value != API_VERSION {
        diagnostics
            .error(
                &version.place,
                format!("`{}` is no version of policies", yaml::shorten(version)),
            )
            .help(format!("write {API_VERSION}"));
    }
    document
}

/// The canonical text of a document: fields in the order of the tables, without those that have their default.
pub fn print(document: &Document) -> String {
    yaml::emit(&document.write())
}
