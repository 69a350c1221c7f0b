//! Actions: which a hook can do, and with what.

use super::hooks::{Draft, Shared};
use super::{Context, override_, post};
use crate::arg_type::Class;
use crate::model::{Action, HookKind, Track};
use crate::place::{Place, Spanned};
use crate::spec::{self, ActionKind};

/// When actions are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// When the hook is reached.
    Entry,
    /// When the function returns.
    Return,
}

/// Highest signal of Linux (`SIGRTMAX`).
const SIGNAL_MAX: u32 = 64;

/// Resolves the actions of a selector.
pub(super) fn resolve(
    actions: &[spec::Action],
    moment: Moment,
    draft: &Draft<'_>,
    shared: &Shared<'_>,
    cx: &mut Context<'_>,
) -> Vec<Action> {
    cx.at_most(cx.limits.actions, actions.iter().map(|action| &action.place), "actions");
    actions
        .iter()
        .filter(|action| !action.broken)
        .filter_map(|action| one(action, moment, draft, shared, cx))
        .collect()
}

fn one(
    written: &spec::Action,
    moment: Moment,
    draft: &Draft<'_>,
    shared: &Shared<'_>,
    cx: &mut Context<'_>,
) -> Option<Action> {
    let Spanned { value: kind, place } = &written.action;
    if let Some(reason) = refused(*kind, moment, draft.kind) {
        cx.error(place, format!("{kind} is not possible here: {reason}"));
        return None;
    }
    unused(written, cx);
    override_::check(written, cx);
    Some(match kind {
        ActionKind::Post => Action::Post(post::post(written, draft, cx)),
        ActionKind::NoPost => Action::NoPost,
        ActionKind::Sigkill => Action::Sigkill,
        ActionKind::Signal => Action::Signal(signal(written.arg_sig.as_ref(), written, cx)?),
        ActionKind::Override => Action::Override(override_::resolve(written, draft, cx)?),
        ActionKind::GetUrl => Action::GetUrl(needed(written.arg_url.as_ref(), written, "argUrl", cx)?),
        ActionKind::DnsLookup => Action::DnsLookup(needed(written.arg_fqdn.as_ref(), written, "argFqdn", cx)?),
        ActionKind::TrackSock => Action::Track(Track::Start, socket(written, draft, cx)?),
        ActionKind::UntrackSock => Action::Track(Track::Stop, socket(written, draft, cx)?),
        ActionKind::NotifyEnforcer => notify(written, shared, cx)?,
        ActionKind::CleanupEnforcerNotification => Action::CleanupEnforcerNotification,
        ActionKind::Set => set(written, draft, cx)?,
    })
}

/// Why an action cannot be done at a hook of this kind.
fn refused(action: ActionKind, moment: Moment, kind: HookKind) -> Option<&'static str> {
    use ActionKind as A;
    use HookKind as H;
    let enforces = matches!(
        action,
        A::Signal | A::Sigkill | A::Override | A::NotifyEnforcer | A::Set
    );
    match (action, kind) {
        (_, H::Fentry) if enforces => Some("fentries only observe; use kprobes"),
        (A::Override, _) if moment == Moment::Return => Some("the function has run already"),
        (A::Override, H::Tracepoint | H::RawTracepoint) => {
            Some("a tracepoint cannot stop anything; use NotifyEnforcer")
        }
        (A::Override, H::Usdt) => Some("nothing is called"),
        (A::NotifyEnforcer | A::CleanupEnforcerNotification, H::Kprobe | H::Tracepoint | H::RawTracepoint)
        | (A::Set, H::Usdt) => None,
        (A::NotifyEnforcer | A::CleanupEnforcerNotification, _) => {
            Some("only kprobes and tracepoints notify enforcers")
        }
        (A::Set, _) => Some("only the arguments of usdts can be written"),
        (A::GetUrl | A::DnsLookup, H::Uprobe | H::Usdt) => Some("uprobes and usdts cannot"),
        (A::GetUrl | A::DnsLookup | A::TrackSock | A::UntrackSock, H::Lsm) => {
            Some("LSM hooks have Post, NoPost, Signal, Sigkill and Override")
        }
        (A::TrackSock | A::UntrackSock, H::Uprobe | H::Usdt) => Some("programs do not have the kernel's sockets"),
        _ => None,
    }
}

/// Warns of fields that another action has.
fn unused(written: &spec::Action, cx: &mut Context<'_>) {
    use ActionKind as A;
    let action = written.action.value;
    let fields: [(&str, Option<&Place>, &[A]); 11] = [
        (
            "argError",
            written.arg_error.as_ref().map(|it| &it.place),
            &[A::Override, A::NotifyEnforcer],
        ),
        (
            "argSig",
            written.arg_sig.as_ref().map(|it| &it.place),
            &[A::Signal, A::NotifyEnforcer],
        ),
        ("argUrl", written.arg_url.as_ref().map(|it| &it.place), &[A::GetUrl]),
        (
            "argFqdn",
            written.arg_fqdn.as_ref().map(|it| &it.place),
            &[A::DnsLookup],
        ),
        (
            "argSock",
            written.arg_sock.as_ref().map(|it| &it.place),
            &[A::TrackSock, A::UntrackSock],
        ),
        ("argIndex", written.arg_index.as_ref().map(|it| &it.place), &[A::Set]),
        ("argValue", written.arg_value.as_ref().map(|it| &it.place), &[A::Set]),
        ("argRegs", written.arg_regs.first().map(|it| &it.place), &[A::Override]),
        (
            "argNewSymbol",
            written.arg_new_symbol.as_ref().map(|it| &it.place),
            &[A::Override],
        ),
        (
            "argNewAddr",
            written.arg_new_addr.as_ref().map(|it| &it.place),
            &[A::Override],
        ),
        (
            "argNewOffset",
            written.arg_new_offset.as_ref().map(|it| &it.place),
            &[A::Override],
        ),
    ];
    for (name, place, users) in fields {
        if let Some(place) = place
            && !users.contains(&action)
        {
            cx.warning(place, format!("{action} has no {name}: it is without effect"));
        }
    }
    let posts: [(&str, bool, &Place); 4] = [
        (
            "rateLimit",
            written.rate_limit.is_some(),
            written.rate_limit.as_ref().map_or(&written.place, |it| &it.place),
        ),
        (
            "kernelStackTrace",
            written.kernel_stack_trace.value,
            &written.kernel_stack_trace.place,
        ),
        (
            "userStackTrace",
            written.user_stack_trace.value,
            &written.user_stack_trace.place,
        ),
        ("imaHash", written.ima_hash.value, &written.ima_hash.place),
    ];
    for (name, given, place) in posts {
        if given && action != A::Post {
            cx.error(place, format!("{action} has no {name}")).help("Post has");
        }
    }
    if let Some(scope) = &written.rate_limit_scope
        && written.rate_limit.is_none()
    {
        cx.error(&scope.place, "rateLimitScope needs rateLimit");
    }
}

fn signal(signal: Option<&Spanned<u32>>, written: &spec::Action, cx: &mut Context<'_>) -> Option<u8> {
    let Some(Spanned { value, place }) = signal else {
        cx.error(&written.place, format!("{} needs argSig", written.action.value))
            .help("a signal number");
        return None;
    };
    if *value == 0 || *value > SIGNAL_MAX {
        cx.error(place, format!("no signal has the number {value}"))
            .help(format!("1 to {SIGNAL_MAX}"));
        return None;
    }
    Some(*value as u8)
}

fn needed(value: Option<&spec::Str>, written: &spec::Action, name: &str, cx: &mut Context<'_>) -> Option<String> {
    match value {
        Some(value) if !value.is_empty() => Some(value.value.clone()),
        _ => {
            cx.error(&written.place, format!("{} needs {name}", written.action.value));
            None
        }
    }
}

/// The position of a socket; the first argument when nothing is said.
fn socket(written: &spec::Action, draft: &Draft<'_>, cx: &mut Context<'_>) -> Option<usize> {
    let (position, place) = match &written.arg_sock {
        Some(Spanned { value, place }) => (*value as usize, place),
        None => (0, &written.place),
    };
    match draft.args.get(position).map(|arg| arg.arg_type) {
        Some(arg_type) if matches!(arg_type.class(), Class::Sock | Class::Unknown) => Some(position),
        Some(arg_type) => {
            cx.error(
                place,
                format!("{} needs an argument of type sock or socket", written.action.value),
            )
            .help(format!("entry {position} of args is of type {arg_type}"));
            None
        }
        None => {
            cx.error(place, format!("args has no entry {position}"))
                .help("argSock is the position of a sock in args");
            None
        }
    }
}

fn notify(written: &spec::Action, shared: &Shared<'_>, cx: &mut Context<'_>) -> Option<Action> {
    if !shared.has_enforcer {
        cx.error(
            &written.action.place,
            "NotifyEnforcer needs spec.enforcers, which says what can be stopped",
        );
    }
    let error = written.arg_error.as_ref().and_then(|error| override_::error(error, cx));
    let signal = match &written.arg_sig {
        Some(Spanned { value: 0, .. }) | None => None,
        given => Some(signal(given.as_ref(), written, cx)?),
    };
    if written.arg_error.as_ref().is_none_or(|error| error.value == 0) && signal.is_none() {
        cx.error(&written.place, "NotifyEnforcer does nothing without argError or argSig");
    }
    Some(Action::NotifyEnforcer {
        error: error.filter(|error| *error != 0),
        signal,
    })
}

fn set(written: &spec::Action, draft: &Draft<'_>, cx: &mut Context<'_>) -> Option<Action> {
    let (Some(index), Some(value)) = (&written.arg_index, &written.arg_value) else {
        cx.error(&written.place, "Set needs argIndex and argValue");
        return None;
    };
    let position = index.value as usize;
    let Some(arg) = draft.args.get(position) else {
        cx.error(&index.place, format!("args has no entry {position}"));
        return None;
    };
    match arg.arg_type.class() {
        Class::Int { bits: 32, .. } | Class::Unknown => {}
        _ => {
            cx.error(
                &index.place,
                format!("values of type {} cannot be written", arg.arg_type),
            )
            .help("those of 4 bytes can: int32, uint32");
        }
    }
    Some(Action::Set {
        position,
        value: value.value,
    })
}
