//! Filters on arguments, data and returned values.

use super::hooks::{Draft, Shared};
use super::{Context, values};
use crate::arg_type::{ArgType, Class};
use crate::model::{Arg, ArgFilter, HookKind};
use crate::operator::Operator;
use crate::place::{Place, Spanned};
use crate::spec;
use crate::suggest;

/// The filters of `matchArgs`.
pub(super) fn args(
    filters: &[spec::ArgFilter],
    draft: &Draft<'_>,
    shared: &Shared<'_>,
    cx: &mut Context<'_>,
) -> Vec<ArgFilter> {
    let by_field = matches!(draft.kind, HookKind::Tracepoint | HookKind::RawTracepoint);
    let incomplete = draft.spec_args.iter().any(|arg| arg.broken);
    let set = Set {
        args: &draft.args,
        name: "args",
        by_index: true,
        also_by_position: by_field,
        incomplete,
    };
    filters
        .iter()
        .filter_map(|filter| one(filter, &set, shared, cx))
        .collect()
}

/// The filters of `matchData`.
pub(super) fn data(
    filters: &[spec::ArgFilter],
    draft: &Draft<'_>,
    shared: &Shared<'_>,
    cx: &mut Context<'_>,
) -> Vec<ArgFilter> {
    let set = Set {
        args: &draft.data,
        name: "data",
        by_index: false,
        also_by_position: true,
        incomplete: false,
    };
    filters
        .iter()
        .filter_map(|filter| one(filter, &set, shared, cx))
        .collect()
}

/// The filters of `matchReturnArgs`. There is one returned value, so nothing is said of which.
pub(super) fn returned(
    filters: &[spec::ArgFilter],
    draft: &Draft<'_>,
    shared: &Shared<'_>,
    cx: &mut Context<'_>,
) -> Vec<ArgFilter> {
    let Some(returns) = &draft.returns else {
        return Vec::new();
    };
    filters
        .iter()
        .filter(|filter| !filter.broken)
        .filter_map(|filter| {
            check_operator(filter, &returns.arg, cx)?;
            if filter.operator.value == Operator::CapabilitiesGained {
                cx.error(
                    &filter.operator.place,
                    "CapabilitiesGained compares two arguments; one value is returned",
                );
                return None;
            }
            let test = values::test(filter, &returns.arg, shared, cx)?;
            Some(ArgFilter {
                position: 0,
                operator: filter.operator.value,
                test,
                place: filter.place.clone(),
            })
        })
        .collect()
}

/// What filters refer to.
struct Set<'a> {
    args: &'a [Arg],
    name: &'static str,
    by_index: bool,
    also_by_position: bool,
    /// Whether an entry could not be read, so that a reference may be right.
    incomplete: bool,
}

fn one(filter: &spec::ArgFilter, set: &Set<'_>, shared: &Shared<'_>, cx: &mut Context<'_>) -> Option<ArgFilter> {
    if filter.broken {
        return None;
    }
    let position = position(filter, set, cx)?;
    let arg = &set.args[position];
    if arg.return_copy {
        let place = filter.index.as_ref().map_or(&filter.place, |index| &index.place);
        cx.error(
            place,
            "the argument is read when the function returns, and the filter is decided before",
        );
    }
    check_operator(filter, arg, cx)?;
    let gained = filter.operator.value == Operator::CapabilitiesGained;
    let test = if gained {
        let second = filter.args.get(1).map(|second| (second.value as usize, &second.place));
        values::capabilities_gained(filter, second.filter(|_| filter.args.len() == 2), set.args, cx)?
    } else {
        if let Some(second) = filter.args.get(1) {
            cx.error(
                &second.place,
                format!("{} compares one argument", filter.operator.value),
            );
        }
        values::test(filter, arg, shared, cx)?
    };
    Some(ArgFilter {
        position,
        operator: filter.operator.value,
        test,
        place: filter.place.clone(),
    })
}

/// The position of the argument that a filter is on.
fn position(filter: &spec::ArgFilter, set: &Set<'_>, cx: &mut Context<'_>) -> Option<usize> {
    let unknown = |place: &Place, what: String, cx: &mut Context<'_>| {
        if set.incomplete {
            return;
        }
        let help = if set.args.is_empty() {
            format!("{} has no entries", set.name)
        } else if set.by_index && what.contains("index") {
            let indexes = set.args.iter().map(|arg| arg.index.to_string()).collect::<Vec<_>>();
            format!("declared: {}", suggest::list(indexes.iter().map(String::as_str)))
        } else {
            format!("0 to {}", set.args.len() - 1)
        };
        cx.error(place, what).help(help);
    };
    if let Some(first) = filter.args.first() {
        for Spanned { value, place } in &filter.args {
            if *value as usize >= set.args.len() {
                unknown(place, format!("{} has no entry {value}", set.name), cx);
            }
        }
        return Some(first.value as usize).filter(|position| *position < set.args.len());
    }
    let (index, place) = match &filter.index {
        Some(Spanned { value, place }) => (*value, place),
        None => (0, &filter.place),
    };
    if set.by_index
        && let Some(position) = set.args.iter().position(|arg| arg.index == index)
    {
        return Some(position);
    }
    if set.also_by_position && (index as usize) < set.args.len() {
        return Some(index as usize);
    }
    let what = if set.by_index {
        format!("no entry of {} has index {index}", set.name)
    } else {
        format!("{} has no entry {index}", set.name)
    };
    unknown(place, what, cx);
    None
}

/// Whether the operator compares values of this type.
fn check_operator(filter: &spec::ArgFilter, arg: &Arg, cx: &mut Context<'_>) -> Option<()> {
    let Spanned { value: operator, place } = &filter.operator;
    let class = arg.arg_type.class();
    if operator.compares(class) {
        return Some(());
    }
    let allowed = Operator::ALL
        .iter()
        .filter(|other| **other != Operator::CelExpr && other.compares(class));
    let allowed = suggest::list(allowed.map(|operator| operator.name()));
    let message = if class == Class::Opaque {
        format!("values of type {} cannot be compared", arg.arg_type)
    } else {
        format!("{operator} cannot compare values of type {}", arg.arg_type)
    };
    let diagnostic = cx.error(place, message);
    if !allowed.is_empty() {
        diagnostic.help(format!("allowed: {allowed}"));
    } else if arg.arg_type == ArgType::Cred {
        diagnostic.help("use `resolve`, such as `resolve: uid.val` with type uint32");
    }
    None
}
