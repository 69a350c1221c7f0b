//! Hooks on functions of the kernel: `kprobes` and `fentries`.

use super::Context;
use super::args::{self, Parameters};
use super::hooks::{Common, Draft, Shared, finish, missing, returns};
use super::lists::{self, Call};
use crate::arg_type::Class;
use crate::kernel::{Answer, Prototype};
use crate::model::{Arg, Functions, Hook, HookKind, Returns, Target, Track};
use crate::place::{Place, Spanned};
use crate::spec::{Kprobe, Str};
use crate::suggest;
use crate::syscalls::Syscall;

/// A function of the kernel, or a list of them.
pub(super) fn function(
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
    let names = match &functions {
        Some(Functions::Named(names)) => names.as_slice(),
        _ => &[],
    };
    let parameters = Parameters {
        kind,
        max: cx.limits.function_index,
        count: prototype.unwrap_or_default().parameters,
        names,
        syscalls: functions.as_ref().is_some_and(Functions::are_syscalls),
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
                && let Some(syscalls) = names.iter().map(|name| Syscall::parse(name)).collect()
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
        Call::One(name) if written.syscall.value => {
            let syscall = Syscall::parse(name);
            if syscall.is_none() {
                let near = Syscall::nearest(name)
                    .map(|near| format!("did you mean `{near}`? "))
                    .unwrap_or_default();
                cx.error(place, format!("`{}` is no system call", crate::yaml::shorten(name)))
                    .help(format!("{near}a plain function needs `syscall: false`"));
            }
            Some(Functions::Syscalls(vec![syscall?]))
        }
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
        Functions::Syscalls(syscalls) if !may_be_missing => {
            for syscall in syscalls {
                check_syscall(syscall, &written.call.place, cx);
            }
        }
        Functions::Syscalls(_) | Functions::AllSyscalls | Functions::Matching(_) => {}
    }
    common
}

/// Reports a system call that the kernel does not have.
pub(super) fn check_syscall(syscall: &Syscall, place: &Place, cx: &mut Context<'_>) {
    let symbols = syscall.symbols();
    let mut answers = symbols.iter().map(|symbol| cx.kernel.function(symbol));
    if answers.all(|answer| matches!(answer, Answer::Missing { .. })) {
        missing(place, format!("the kernel has no system call {syscall}"), None, cx);
    }
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
