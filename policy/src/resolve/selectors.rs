//! Selectors.

use super::hooks::{Draft, Shared};
use super::{Context, actions, filters, macros, process, workload};
use crate::model::{Action, HookKind, Post, Selector};
use crate::spec;

/// Resolves the selectors of a hook.
pub(super) fn resolve(
    selectors: &[spec::Selector],
    draft: &Draft<'_>,
    shared: &Shared<'_>,
    cx: &mut Context<'_>,
) -> Vec<Selector> {
    cx.at_most(
        cx.limits.selectors,
        selectors.iter().map(|selector| &selector.place),
        "selectors",
    );
    let resolved: Vec<Selector> = selectors
        .iter()
        .map(|selector| one(selector, draft, shared, cx))
        .collect();
    unreachable(selectors, &resolved, cx);
    resolved
}

/// Warns of a selector behind one that always passes.
fn unreachable(written: &[spec::Selector], resolved: &[Selector], cx: &mut Context<'_>) {
    let Some(first) = resolved.iter().position(Selector::always_passes) else {
        return;
    };
    // A filter that was left out because it is wrong is not there to fail.
    if written[..=first].iter().any(|selector| selector.broken) || cx.diagnostics.errors() > 0 {
        return;
    }
    // Which of them is meant is decided once more when returned values are there.
    let decides_on_return = |selector: &Selector| !selector.return_args.is_empty();
    if let Some(next) = written.get(first + 1)
        && !resolved[first..].iter().any(decides_on_return)
    {
        cx.warning(
            &next.place,
            format!("never reached: selectors[{first}] before it always passes"),
        );
    }
}

fn one(written: &spec::Selector, draft: &Draft<'_>, shared: &Shared<'_>, cx: &mut Context<'_>) -> Selector {
    let merged = macros::expand(written, shared.macros, cx);
    let workload = merged
        .match_workloads
        .as_ref()
        .map(|workloads| workload::selector(workloads, cx));
    let process = process::resolve(&merged, cx);

    let places = merged
        .match_args
        .iter()
        .chain(&merged.match_data)
        .map(|filter| &filter.place);
    cx.at_most(cx.limits.filters, places, "filters on arguments and data");
    let args = filters::args(&merged.match_args, draft, shared, cx);
    let data = filters::data(&merged.match_data, draft, shared, cx);
    let actions = actions::resolve(&merged.match_actions, actions::Moment::Entry, draft, shared, cx);

    let returned = merged
        .match_return_args
        .first()
        .map(|filter| ("matchReturnArgs", &filter.place));
    let acting = merged
        .match_return_actions
        .first()
        .map(|action| ("matchReturnActions", &action.place));
    if let Some((name, place)) = returned.or(acting)
        && draft.returns.is_none()
    {
        if matches!(draft.kind, HookKind::Kprobe | HookKind::Fentry | HookKind::Uprobe) {
            cx.error(place, format!("{name} needs `return: true` and a returnArg"));
        } else {
            cx.error(
                place,
                format!("{name} cannot be had here: {} do not return", draft.kind),
            );
        }
    }
    let return_args = filters::returned(&merged.match_return_args, draft, shared, cx);
    let return_actions = actions::resolve(&merged.match_return_actions, actions::Moment::Return, draft, shared, cx);

    Selector {
        label: merged.label.as_ref().map(|label| label.value.clone()),
        workload: workload.unwrap_or_default(),
        process,
        args,
        data,
        actions: or_post(actions),
        return_args,
        return_actions: or_post(return_actions),
    }
}

/// A selector without actions posts.
fn or_post(actions: Vec<Action>) -> Vec<Action> {
    if actions.is_empty() {
        vec![Action::Post(Post::default())]
    } else {
        actions
    }
}
