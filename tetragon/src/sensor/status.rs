//! What the hooks of a policy came to: which of them are in place.

use policy::model::{self, Functions, HookKind, Target, UprobePlaces};
use tetragon_api::v1::{HookState, HookStatus};

use super::points::PointKey;

/// What `hook` came to, which has programs at `points`. Only what the policy lets be missing can be.
pub(super) fn of(hook: &model::Hook, points: &[PointKey]) -> HookStatus {
    let wanted = match &hook.target {
        Target::Functions(functions @ (Functions::Named(_) | Functions::Syscalls(_))) => functions.count(),
        Target::Uprobe {
            places: UprobePlaces::Symbols(symbols),
            ..
        } => symbols.len(),
        _ => 1,
    };
    let state = match points.len() {
        // It is the file that was another one.
        0 if hook.kind == HookKind::Uprobe => HookState::StatusDigestRejected,
        0 => HookState::StatusCallNotFound,
        there if there < wanted => HookState::StatusPartialCallNotFound,
        _ => HookState::StatusLoaded,
    };
    HookStatus {
        section: section(hook.kind).to_owned(),
        state: state.into(),
        hook_description: description(&hook.target),
        hook_idx: hook.position as u32,
    }
}

/// Where hooks of this kind stand in a policy.
fn section(kind: HookKind) -> &'static str {
    match kind {
        HookKind::Kprobe => "kprobes",
        HookKind::Fentry => "fentries",
        HookKind::Tracepoint | HookKind::RawTracepoint => "tracepoints",
        HookKind::Lsm => "lsmhooks",
        HookKind::Uprobe => "uprobes",
        HookKind::Usdt => "usdts",
    }
}

/// What is hooked, in short.
fn description(target: &Target) -> String {
    let several = |first: String, count: usize| match count {
        1 => first,
        _ => format!("{first} and {} more", count - 1),
    };
    match target {
        Target::Functions(Functions::Named(names)) => {
            several(names.first().cloned().unwrap_or_default(), names.len().max(1))
        }
        Target::Functions(Functions::Syscalls(calls)) => several(
            calls.first().map(ToString::to_string).unwrap_or_default(),
            calls.len().max(1),
        ),
        Target::Functions(Functions::AllSyscalls) => "all system calls".into(),
        Target::Functions(Functions::Matching(pattern)) => pattern.clone(),
        Target::Tracepoint { subsystem, event } => format!("{subsystem}/{event}"),
        Target::Lsm { hook } => hook.clone(),
        Target::Uprobe { path, .. } => path.clone(),
        Target::Usdt {
            path, provider, name, ..
        } => format!("{path} {provider}:{name}"),
    }
}
