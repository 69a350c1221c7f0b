//! Selectors by name, and what they add to the selectors that refer to them.

use super::Context;
use crate::object::Entries;
use crate::place::Place;
use crate::spec::{ArgFilter, BinaryFilter, CapabilityFilter, Selector};
use crate::suggest;

/// Checks what macros may not have.
pub(super) fn check(macros: &Entries<Selector>, cx: &mut Context<'_>) {
    cx.at_most(cx.limits.lists, macros.0.iter().map(|(name, _)| &name.place), "macros");
    for (_, selector) in &macros.0 {
        if let Some(name) = selector.macros.first() {
            cx.error(&name.place, "a macro cannot refer to macros");
        }
    }
}

/// The selector with the fields of its macros.
///
/// A field stands in the selector or in one macro, never in two. A label of its own goes before that of a macro.
pub(super) fn expand(selector: &Selector, macros: &Entries<Selector>, cx: &mut Context<'_>) -> Selector {
    let mut merged = selector.clone();
    for name in &selector.macros {
        let Some((_, other)) = macros
            .0
            .iter()
            .take(cx.limits.lists)
            .find(|(key, _)| key.value == name.value)
        else {
            let names = macros.0.iter().map(|(key, _)| key.value.as_str());
            let help = if macros.0.is_empty() {
                "spec.selectorsMacros has none".into()
            } else {
                suggest::allowed(name, names)
            };
            cx.error(
                &name.place,
                format!("no macro has the name `{}`", crate::yaml::shorten(name)),
            )
            .help(help);
            merged.broken = true;
            continue;
        };
        if !cx.refer(size(other), &name.place) {
            return merged;
        }
        merged.broken |= other.broken;
        merge(&mut merged, other, &name.place, name, cx);
    }
    merged
}

/// How many values a macro has.
fn size(selector: &Selector) -> usize {
    let filters = |filters: &[ArgFilter]| filters.iter().map(|filter| 1 + filter.values.len()).sum::<usize>();
    let binaries = |filters: &[BinaryFilter]| filters.iter().map(|filter| 1 + filter.values.len()).sum::<usize>();
    let capabilities =
        |filters: &[CapabilityFilter]| filters.iter().map(|filter| 1 + filter.values.len()).sum::<usize>();
    filters(&selector.match_args)
        + filters(&selector.match_data)
        + filters(&selector.match_return_args)
        + binaries(&selector.match_binaries)
        + binaries(&selector.match_parent_binaries)
        + capabilities(&selector.match_capabilities)
        + capabilities(&selector.match_capability_changes)
        + selector
            .match_pids
            .iter()
            .map(|filter| 1 + filter.values.len())
            .sum::<usize>()
        + selector
            .match_namespaces
            .iter()
            .map(|filter| 1 + filter.values.len())
            .sum::<usize>()
        + selector
            .match_namespace_changes
            .iter()
            .map(|filter| 1 + filter.values.len())
            .sum::<usize>()
        + selector.match_actions.len()
        + selector.match_return_actions.len()
        + 1
}

fn merge(into: &mut Selector, from: &Selector, place: &Place, name: &str, cx: &mut Context<'_>) {
    let Selector {
        label,
        macros: _,
        match_workloads,
        match_binaries,
        match_parent_binaries,
        match_pids,
        match_namespaces,
        match_capabilities,
        match_namespace_changes,
        match_capability_changes,
        match_args,
        match_data,
        match_actions,
        match_return_args,
        match_return_actions,
        place: _,
        broken: _,
    } = from;
    if into.label.is_none() {
        into.label.clone_from(label);
    }
    let mut twice = |field: &str| {
        cx.error(
            place,
            format!("macro `{name}` has {field}, which the selector or another macro has too"),
        );
    };
    if match_workloads.is_some() {
        if into.match_workloads.is_some() {
            twice("matchWorkloads");
        }
        into.match_workloads.clone_from(match_workloads);
    }
    macro_rules! list {
        ($field:ident, $name:literal) => {
            if !$field.is_empty() {
                if !into.$field.is_empty() {
                    twice($name);
                }
                into.$field.clone_from($field);
            }
        };
    }
    list!(match_binaries, "matchBinaries");
    list!(match_parent_binaries, "matchParentBinaries");
    list!(match_pids, "matchPIDs");
    list!(match_namespaces, "matchNamespaces");
    list!(match_capabilities, "matchCapabilities");
    list!(match_namespace_changes, "matchNamespaceChanges");
    list!(match_capability_changes, "matchCapabilityChanges");
    list!(match_args, "matchArgs");
    list!(match_data, "matchData");
    list!(match_actions, "matchActions");
    list!(match_return_args, "matchReturnArgs");
    list!(match_return_actions, "matchReturnActions");
}
