//! What policies want of a hook point that others rule out.

use ebpf_codegen::Hook;

use super::{
    Error,
    change::moves_stack,
    point,
    points::{PointKey, PointKind},
    resident::Resident,
};

/// Checks that `hooks`, all that policies want at `point`, can be. `at` says what they want elsewhere; `enabled` are the policies.
pub(super) fn check<'a>(
    point: &PointKey,
    hooks: &[Hook],
    at: impl Fn(&PointKey) -> Vec<Hook>,
    enabled: impl Iterator<Item = &'a Resident>,
) -> Result<(), Error> {
    let reason = match point.kind {
        PointKind::ModifySyscall { .. } | PointKind::Syscall { .. } | PointKind::Kprobe => rival(point, hooks, at),
        PointKind::Uprobe(_) | PointKind::UprobeReturn(_) => stack(point.kind, hooks, enabled),
        _ => None,
    };
    let Some(reason) = reason else { return Ok(()) };
    Err(Error::Hook {
        policy: String::new(),
        hook: point.name.clone(),
        reason,
    })
}

/// Whether another policy skips the system call as well, one of them at its breakpoint and one through a trampoline: the
/// trampoline would run the function all the same, or spoil what is returned instead (seen on 6.12).
fn rival(point: &PointKey, hooks: &[Hook], at: impl Fn(&PointKey) -> Vec<Hook>) -> Option<String> {
    let of_kind = |kind| PointKey { kind, ..point.clone() };
    // A policy may name the function without saying that it is a system call.
    let other = match point.kind {
        PointKind::ModifySyscall { compat } => [PointKind::Syscall { compat }, PointKind::Kprobe]
            .map(of_kind)
            .iter()
            .any(|other| point::overrides(other, &at(other)))
            .then_some("override-return"),
        _ if point::overrides(point, hooks) => [false, true]
            .map(|compat| of_kind(PointKind::ModifySyscall { compat }))
            .iter()
            .any(|other| !at(other).is_empty())
            .then_some("fmod-ret"),
        _ => None,
    };
    other.map(|other| {
        format!("another policy skips it by override-method {other}, and both spoil each other: give both the same")
    })
}

/// Whether somebody moves the stack at the beginning of a function of a program whose return somebody observes: the kernel would
/// take whatever is on top of it then for the address to return to, and put another one in its place.
fn stack<'a>(kind: PointKind, hooks: &[Hook], enabled: impl Iterator<Item = &'a Resident>) -> Option<String> {
    let moves = |hook: &Hook| hook.changes_registers() && hook.changes.iter().any(|changes| moves_stack(changes));
    let placed = enabled.flat_map(|policy| policy.hooks.iter().map(|hook| (hook, policy.mode)));
    // Places have several names, and files change.
    let mut there = placed.filter_map(|(hook, mode)| Some((hook.point.kind, hook.in_mode(mode)?)));
    let clash = match kind {
        PointKind::Uprobe(place) => {
            let returns = |kind| matches!(kind, PointKind::UprobeReturn(other) if other.is_where(&place));
            hooks.iter().any(moves) && there.any(|(kind, _)| returns(kind))
        }
        PointKind::UprobeReturn(place) => {
            let enters = |kind| matches!(kind, PointKind::Uprobe(other) if other.is_where(&place));
            there.any(|(kind, hook)| enters(kind) && moves(&hook))
        }
        _ => false,
    };
    let why = "one policy observes its return, and one changes rsp (argRegs): together they would crash the program";
    clash.then(|| why.to_owned())
}
