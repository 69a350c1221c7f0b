//! Filters on the process.

use super::Context;
use crate::leaf::{Text, number};
use crate::model::{
    BinaryFilter, CapabilityFilter, NamespaceChangeFilter, NamespaceFilter, NamespaceId, PathTest, PidFilter,
    ProcessFilter,
};
use crate::names::CAPABILITIES;
use crate::place::{Place, Spanned};
use crate::spec::{self, PathOperator, SetOperator};

/// The filters of a selector, in the order in which they are checked.
pub(super) fn resolve(selector: &spec::Selector, cx: &mut Context<'_>) -> Vec<ProcessFilter> {
    let mut filters = Vec::new();
    cx.at_most(
        1,
        selector.match_binaries.iter().map(|filter| &filter.place),
        "entries of matchBinaries",
    );
    cx.at_most(
        1,
        selector.match_parent_binaries.iter().map(|filter| &filter.place),
        "entries of matchParentBinaries",
    );
    for filter in &selector.match_binaries {
        filters.extend(binary(filter, cx).map(ProcessFilter::Binary));
    }
    for filter in &selector.match_parent_binaries {
        filters.extend(binary(filter, cx).map(ProcessFilter::ParentBinary));
    }
    for filter in &selector.match_pids {
        filters.extend(pid(filter, cx).map(ProcessFilter::Pid));
    }
    for filter in &selector.match_namespaces {
        filters.extend(namespace(filter, cx).map(ProcessFilter::Namespace));
    }
    for filter in &selector.match_capabilities {
        filters.extend(capability(filter, cx).map(ProcessFilter::Capability));
    }
    for filter in &selector.match_namespace_changes {
        filters.extend(namespace_change(filter, cx).map(ProcessFilter::NamespaceChange));
    }
    for filter in &selector.match_capability_changes {
        filters.extend(capability(filter, cx).map(ProcessFilter::CapabilityChange));
    }
    filters
}

/// Whether there are values, and not too many. Reports when not.
fn has_values<T>(values: &[Spanned<T>], broken: bool, place: &Place, cx: &mut Context<'_>) -> bool {
    cx.at_most(cx.limits.values, values.iter().map(|value| &value.place), "values");
    if values.is_empty() && !broken {
        cx.error(place, "the filter has no values");
    }
    !values.is_empty() && !broken
}

fn negated(operator: &Spanned<SetOperator>) -> bool {
    operator.value == SetOperator::NotIn
}

fn binary(written: &spec::BinaryFilter, cx: &mut Context<'_>) -> Option<BinaryFilter> {
    if !has_values(&written.values, written.broken, &written.place, cx) {
        return None;
    }
    let operator = written.operator.value;
    let (test, negated) = match operator {
        PathOperator::In => (PathTest::Equal, false),
        PathOperator::NotIn => (PathTest::Equal, true),
        PathOperator::Prefix => (PathTest::Prefix, false),
        PathOperator::NotPrefix => (PathTest::Prefix, true),
        PathOperator::Postfix => (PathTest::Postfix, false),
        PathOperator::NotPostfix => (PathTest::Postfix, true),
    };
    if written.follow_children.value && test != PathTest::Equal {
        cx.error(
            &written.follow_children.place,
            format!("{operator} cannot follow children"),
        )
        .help("In and NotIn can");
    }
    let max = match test {
        PathTest::Equal => cx.limits.binary,
        PathTest::Prefix => cx.limits.binary.min(cx.limits.prefix),
        PathTest::Postfix => cx.limits.binary.min(cx.limits.postfix),
    };
    for Spanned { value, place } in &written.values {
        if value.is_empty() {
            cx.error(place, "the path is empty: no executable has it");
        } else if value.len() > max {
            cx.error(place, format!("a path of {} bytes", value.len()))
                .help(format!("at most {max} for {operator}"));
        } else if value.contains('\0') {
            cx.error(place, "no path holds a zero byte");
        } else if test != PathTest::Postfix && !value.starts_with('/') {
            cx.error(
                place,
                format!(
                    "`{}` never fits: paths of executables begin with `/`",
                    crate::yaml::shorten(value)
                ),
            );
        }
    }
    Some(BinaryFilter {
        test,
        negated,
        values: written.values.iter().map(|value| value.value.clone()).collect(),
        follow_children: written.follow_children.value,
        place: written.place.clone(),
    })
}

fn pid(written: &spec::PidFilter, cx: &mut Context<'_>) -> Option<PidFilter> {
    has_values(&written.values, written.broken, &written.place, cx).then(|| PidFilter {
        negated: negated(&written.operator),
        values: written.values.iter().map(|value| value.value).collect(),
        namespaced: written.is_namespace_pid.value,
        follow_forks: written.follow_forks.value,
    })
}

fn namespace(written: &spec::NamespaceFilter, cx: &mut Context<'_>) -> Option<NamespaceFilter> {
    if !has_values(&written.values, written.broken, &written.place, cx) {
        return None;
    }
    let mut id = |Spanned {
                      value: Text(text),
                      place,
                  }: &Spanned<Text>| {
        if text == "host_ns" {
            return Some(NamespaceId::Host);
        }
        let inode = number(text)
            .and_then(|inode| u32::try_from(inode).ok())
            .filter(|inode| *inode > 0);
        if inode.is_none() {
            cx.error(place, format!("`{}` is no namespace", crate::yaml::shorten(text)))
                .help("host_ns, or an inode number as in /proc/PID/ns");
        }
        inode.map(NamespaceId::Inode)
    };
    Some(NamespaceFilter {
        namespace: written.namespace.value,
        negated: negated(&written.operator),
        values: written.values.iter().filter_map(&mut id).collect(),
    })
}

fn namespace_change(written: &spec::NamespaceChangeFilter, cx: &mut Context<'_>) -> Option<NamespaceChangeFilter> {
    has_values(&written.values, written.broken, &written.place, cx).then(|| NamespaceChangeFilter {
        negated: negated(&written.operator),
        values: written.values.iter().map(|value| value.value).collect(),
    })
}

fn capability(written: &spec::CapabilityFilter, cx: &mut Context<'_>) -> Option<CapabilityFilter> {
    if !has_values(&written.values, written.broken, &written.place, cx) {
        return None;
    }
    let mut mask = 0;
    for Spanned { value, place } in &written.values {
        match CAPABILITIES.parse(value) {
            Ok(number) => mask |= 1 << number,
            Err((message, help)) => cx.error(place, message).help(help),
        }
    }
    Some(CapabilityFilter {
        set: written.set.value,
        negated: negated(&written.operator),
        mask,
        namespaced: written.is_namespace_capability.value,
    })
}
