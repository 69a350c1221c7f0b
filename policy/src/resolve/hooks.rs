//! Hooks of every kind.

use super::args::{self, Parameters};
use super::lists::{self, Call, Named};
use super::{Context, selectors, text, uprobes};
use crate::arg_type::{ArgType, Class};
use crate::kernel::{Answer, Prototype};
use crate::model::{Action, Arg, Functions, Hook, HookKind, Returns, Selector, Target, Track};
use crate::object::Entries;
use crate::place::{Place, Spanned};
use crate::spec::{self, Kprobe, Spec, Str};
use crate::suggest;
use crate::syscalls::Syscall;

/// What the names of functions begin with that call the security modules.
pub(super) const SECURITY: &str = "security_";

/// What all hooks of a policy may refer to.
pub(super) struct Shared<'a> {
    pub(super) lists: &'a [Named],
    pub(super) macros: &'a Entries<spec::Selector>,
    pub(super) has_enforcer: bool,
}

/// A hook whose selectors are still to be read.
pub(super) struct Draft<'a> {
    pub(super) kind: HookKind,
    pub(super) target: Option<Target>,
    pub(super) args: Vec<Arg>,
    pub(super) data: Vec<Arg>,
    /// What stands in the file for `args` and `data`: whether one is broken matters to what may refer to it.
    pub(super) spec_args: &'a [spec::Arg],
    pub(super) returns: Option<Returns>,
}

impl Draft<'_> {
    /// Whether the functions are system calls or security hooks, so that skipping one is safe. None when not known.
    pub(super) fn can_be_overridden(&self) -> Option<bool> {
        match self.target.as_ref()? {
            Target::Functions(Functions::Named(names)) => Some(names.iter().all(|name| name.starts_with(SECURITY))),
            Target::Functions(Functions::Matching(_)) => Some(false),
            Target::Functions(Functions::Syscalls(_) | Functions::AllSyscalls) => Some(true),
            Target::Tracepoint { .. } | Target::Lsm { .. } | Target::Uprobe { .. } | Target::Usdt { .. } => None,
        }
    }
}

/// Resolves all hooks, in the order of the sections.
pub(super) fn resolve(spec: &Spec, shared: &Shared<'_>, cx: &mut Context<'_>) -> Vec<Hook> {
    let mut hooks = Vec::new();
    for (kind, section) in [(HookKind::Kprobe, &spec.kprobes), (HookKind::Fentry, &spec.fentries)] {
        for (position, kprobe) in section.iter().enumerate() {
            hooks.extend(function(kind, position, kprobe, shared, cx));
        }
    }
    for (position, written) in spec.tracepoints.iter().enumerate() {
        hooks.extend(tracepoint(position, written, shared, cx));
    }
    for (position, written) in spec.lsmhooks.iter().enumerate() {
        hooks.extend(lsm(position, written, shared, cx));
    }
    for (position, written) in spec.uprobes.iter().enumerate() {
        hooks.extend(uprobes::uprobe(position, written, shared, cx));
    }
    for (position, written) in spec.usdts.iter().enumerate() {
        hooks.extend(uprobes::usdt(position, written, shared, cx));
    }
    hooks
}

/// The part that all kinds have in common: selectors and texts.
pub(super) struct Common<'a> {
    pub(super) position: usize,
    pub(super) selectors: &'a [spec::Selector],
    pub(super) message: Option<&'a Str>,
    pub(super) tags: &'a [Str],
    pub(super) may_be_missing: bool,
    pub(super) place: &'a Place,
}

/// Reads the selectors and puts the hook together.
pub(super) fn finish(draft: Draft<'_>, common: &Common<'_>, shared: &Shared<'_>, cx: &mut Context<'_>) -> Option<Hook> {
    let selectors = selectors::resolve(common.selectors, &draft, shared, cx);
    let message = text::message(common.message, cx);
    let tags = text::tags(common.tags, cx);
    Some(Hook {
        kind: draft.kind,
        position: common.position,
        target: draft.target?,
        args: draft.args,
        data: draft.data,
        returns: draft.returns,
        selectors: if selectors.is_empty() {
            vec![everything()]
        } else {
            selectors
        },
        message,
        tags,
        may_be_missing: common.may_be_missing,
        place: common.place.clone(),
    })
}

/// The selector of a hook that has none.
fn everything() -> Selector {
    let post = || vec![Action::Post(crate::model::Post::default())];
    Selector {
        actions: post(),
        return_actions: post(),
        ..Selector::default()
    }
}

fn function(
    kind: HookKind,
    position: usize,
    written: &Kprobe,
    shared: &Shared<'_>,
    cx: &mut Context<'_>,
) -> Option<Hook> {
    let may_be_missing = written
        .ignore
        .as_ref()
        .is_some_and(|ignore| ignore.call_not_found.value);
    let functions = functions(written, shared, cx);
    let prototype = functions
        .as_ref()
        .map(|functions| prototype(functions, written, may_be_missing, cx));
    let symbol = match &functions {
        Some(Functions::Named(names)) => names.first().cloned(),
        _ => None,
    };
    let parameters = Parameters {
        kind,
        max: cx.limits.function_index,
        count: prototype.unwrap_or_default().parameters,
        function: symbol.as_deref(),
        btf_path: None,
        fields: None,
    };
    let (args, data) = args::both(&written.args, &written.data, &parameters, cx);
    let returns = returns(
        written.returns.value,
        written.return_arg.as_ref(),
        &written.place,
        &parameters,
        cx,
    );
    let track = return_action(written.return_arg_action.as_ref(), returns.as_ref(), cx);
    let returns = returns.map(|arg| Returns { arg, track });
    let draft = Draft {
        kind,
        target: functions.map(Target::Functions),
        args,
        data,
        spec_args: &written.args,
        returns,
    };
    let common = Common {
        position,
        selectors: &written.selectors,
        message: written.message.as_ref(),
        tags: &written.tags,
        may_be_missing,
        place: &written.place,
    };
    finish(draft, &common, shared, cx)
}

/// The functions that a `call` names.
fn functions(written: &Kprobe, shared: &Shared<'_>, cx: &mut Context<'_>) -> Option<Functions> {
    let Spanned { value, place } = &written.call;
    if value.is_empty() {
        if !written.broken {
            cx.error(place, "the name is empty");
        }
        return None;
    }
    match lists::call(&written.call, shared.lists, cx) {
        Call::List(functions) => {
            let functions = functions?;
            // Names that are all system calls, and said to be, are system calls.
            if let Functions::Named(names) = functions
                && written.syscall.value
                && let Ok(syscalls) = names.iter().map(|name| Syscall::parse(name)).collect()
            {
                return Some(Functions::Syscalls(syscalls));
            }
            if let (Functions::Syscalls(syscalls), false) = (functions, written.syscall.value) {
                return Some(Functions::Named(
                    syscalls.iter().filter_map(|call| call.symbols().pop()).collect(),
                ));
            }
            Some(functions.clone())
        }
        Call::One(name) if written.syscall.value => match Syscall::parse(name) {
            Ok(syscall) => Some(Functions::Syscalls(vec![syscall])),
            Err(help) => {
                let near = help.starts_with("did you mean");
                let plain = "a plain function needs `syscall: false`";
                cx.error(place, format!("`{}` is no system call", crate::yaml::shorten(name)))
                    .help(if near { format!("{help} {plain}") } else { plain.into() });
                None
            }
        },
        Call::One(name) => {
            lists::function_name(name, place, cx);
            Some(Functions::Named(vec![name.into()]))
        }
    }
}

/// Asks the kernel for the functions. What is common to them is returned.
fn prototype(functions: &Functions, written: &Kprobe, may_be_missing: bool, cx: &mut Context<'_>) -> Prototype {
    let mut common = Prototype::default();
    match functions {
        Functions::Named(names) => {
            for name in names {
                match cx.kernel.function(name) {
                    Answer::Known(Prototype {
                        parameters: Some(count),
                    }) => {
                        common.parameters = Some(common.parameters.map_or(count, |least| least.min(count)));
                    }
                    Answer::Missing { reason, help } if !may_be_missing => {
                        missing(&written.call.place, reason, help, cx);
                    }
                    Answer::Known(_) | Answer::Missing { .. } | Answer::Unknown => {}
                }
            }
        }
        Functions::Syscalls(syscalls) => {
            for syscall in syscalls {
                let symbols = syscall.symbols();
                let answers: Vec<_> = symbols.iter().map(|symbol| cx.kernel.function(symbol)).collect();
                if !may_be_missing && answers.iter().all(|answer| matches!(answer, Answer::Missing { .. })) {
                    let reason = format!("the kernel has no system call {syscall}");
                    missing(&written.call.place, reason, None, cx);
                }
            }
        }
        Functions::AllSyscalls | Functions::Matching(_) => {}
    }
    common
}

fn missing(place: &Place, reason: String, help: Option<String>, cx: &mut Context<'_>) {
    let diagnostic = cx.error(place, reason);
    if let Some(help) = help {
        diagnostic.help(help);
    }
}

/// The returned value, when the return is observed.
pub(super) fn returns(
    wanted: bool,
    written: Option<&spec::Arg>,
    place: &Place,
    parameters: &Parameters<'_>,
    cx: &mut Context<'_>,
) -> Option<Arg> {
    if written.is_none() && wanted {
        cx.error(
            place,
            "`return: true` needs a returnArg, which says the type of the returned value",
        );
    }
    let arg = args::returned(written?, parameters, cx);
    wanted.then_some(arg)
}

fn return_action(action: Option<&Str>, returns: Option<&Arg>, cx: &mut Context<'_>) -> Option<Track> {
    let Spanned { value, place } = action?;
    let track = match value.as_str() {
        "TrackSock" => Track::Start,
        "UntrackSock" => Track::Stop,
        "Post" => {
            cx.error(place, "the returned value is posted without being told to")
                .help("omit returnArgAction or use TrackSock or UntrackSock");
            return None;
        }
        other => {
            let help = suggest::allowed(other, ["TrackSock", "UntrackSock"]);
            cx.error(
                place,
                format!(
                    "`{}` is nothing to do with a returned value",
                    crate::yaml::shorten(other)
                ),
            )
            .help(help);
            return None;
        }
    };
    match returns {
        None => {
            cx.error(
                place,
                format!("{value} needs `return: true` and a returnArg of type sock or socket"),
            );
        }
        Some(arg) if !matches!(arg.arg_type.class(), Class::Sock | Class::Unknown) => {
            cx.error(
                place,
                format!("{value} needs a returnArg of type sock or socket, not {}", arg.arg_type),
            );
        }
        Some(_) => {}
    }
    Some(track)
}

fn tracepoint(position: usize, written: &spec::Tracepoint, shared: &Shared<'_>, cx: &mut Context<'_>) -> Option<Hook> {
    let (subsystem, event) = (&written.subsystem, &written.event);
    let mut complete = true;
    for part in [subsystem, event] {
        if part.is_empty() || part.contains(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.')) {
            complete = false;
            if !written.broken {
                cx.error(
                    &part.place,
                    format!("`{}` is no name of a tracepoint", crate::yaml::shorten(part)),
                )
                .help("as below /sys/kernel/tracing/events");
            }
        }
    }
    let raw = written.raw.value;
    let mut fields = None;
    let mut count = None;
    if complete && raw {
        match cx.kernel.raw_tracepoint(subsystem, event) {
            Answer::Known(prototype) => count = prototype.parameters,
            Answer::Missing { reason, help } => missing(&event.place, reason, help, cx),
            Answer::Unknown => {}
        }
    } else if complete {
        match cx.kernel.tracepoint(subsystem, event) {
            Answer::Known(known) => fields = Some(known),
            Answer::Missing { reason, help } => missing(&event.place, reason, help, cx),
            Answer::Unknown => {}
        }
    }
    let kind = if raw {
        HookKind::RawTracepoint
    } else {
        HookKind::Tracepoint
    };
    let parameters = Parameters {
        kind,
        max: if raw { cx.limits.raw_tracepoint_index } else { u32::MAX },
        count,
        function: Some(event),
        btf_path: None,
        fields: fields.as_deref(),
    };
    let (args, data) = args::both(&written.args, &[], &parameters, cx);
    let target = complete.then(|| Target::Tracepoint {
        subsystem: subsystem.value.clone(),
        event: event.value.clone(),
    });
    let draft = Draft {
        kind,
        target,
        args,
        data,
        spec_args: &written.args,
        returns: None,
    };
    let common = Common {
        position,
        selectors: &written.selectors,
        message: written.message.as_ref(),
        tags: &written.tags,
        may_be_missing: false,
        place: &written.place,
    };
    finish(draft, &common, shared, cx)
}

fn lsm(position: usize, written: &spec::Lsm, shared: &Shared<'_>, cx: &mut Context<'_>) -> Option<Hook> {
    let Spanned { value: hook, place } = &written.hook;
    let complete = !hook.is_empty() && hook.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !complete && !written.broken {
        cx.error(
            place,
            format!("`{}` is no name of an LSM hook", crate::yaml::shorten(hook)),
        )
        .help("such as file_open");
    }
    let mut count = None;
    if complete {
        match cx.kernel.lsm_hook(hook) {
            Answer::Known(prototype) => count = prototype.parameters,
            Answer::Missing { reason, help } => missing(place, reason, help, cx),
            Answer::Unknown => {}
        }
    }
    let parameters = Parameters {
        kind: HookKind::Lsm,
        max: cx.limits.function_index,
        count,
        function: Some(hook),
        btf_path: None,
        fields: None,
    };
    let (args, data) = args::both(&written.args, &[], &parameters, cx);
    let target = complete.then(|| Target::Lsm { hook: hook.clone() });
    let draft = Draft {
        kind: HookKind::Lsm,
        target,
        args,
        data,
        spec_args: &written.args,
        returns: None,
    };
    let common = Common {
        position,
        selectors: &written.selectors,
        message: written.message.as_ref(),
        tags: &written.tags,
        may_be_missing: false,
        place: &written.place,
    };
    finish(draft, &common, shared, cx)
}

/// The type of an argument whose declaration could not be read: nothing is compared with it.
pub(super) const BROKEN: ArgType = ArgType::Auto;
