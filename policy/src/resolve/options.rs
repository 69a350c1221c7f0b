//! Settings and enforcers.

use std::collections::HashSet;

use super::functions::check_syscall;
use super::lists::{self, Call, Named};
use super::{Context, hooks};
use crate::kernel::Answer;
use crate::leaf::number;
use crate::model::{Enforcer, Functions, Mode, Options, OverrideMethod};
use crate::place::Spanned;
use crate::spec;
use crate::suggest;
use crate::syscalls::Syscall;

const NAMES: [&str; 5] = [
    "disable-kprobe-multi",
    "disable-uprobe-multi",
    "override-method",
    "policy-mode",
    "sleepable-preload-size",
];

/// Reads the settings. An unknown one is only warned of, as Tetragon takes no notice of it.
pub(super) fn options(settings: &[spec::Setting], cx: &mut Context<'_>) -> Options {
    let mut options = Options::default();
    let mut seen = HashSet::new();
    for setting in settings {
        let name = setting.name.value.as_str();
        if !seen.insert(name) {
            cx.error(&setting.name.place, format!("option `{name}` stands twice"));
        }
        let value = setting.value.0.as_str();
        let wrong = match name {
            "disable-kprobe-multi" => boolean(value, &mut options.disable_kprobe_multi),
            "disable-uprobe-multi" => boolean(value, &mut options.disable_uprobe_multi),
            "override-method" => match value {
                "fmod-ret" => set(&mut options.override_method, OverrideMethod::FmodRet),
                "override-return" => set(&mut options.override_method, OverrideMethod::OverrideReturn),
                _ => Some("fmod-ret or override-return"),
            },
            "policy-mode" => match value {
                "enforce" => set(&mut options.mode, Mode::Enforce),
                "monitor" => set(&mut options.mode, Mode::Monitor),
                _ => Some("enforce or monitor"),
            },
            "sleepable-preload-size" => match number(value).and_then(|size| u32::try_from(size).ok()) {
                Some(size) if size > 0 => set(&mut options.sleepable_preload_size, size),
                _ => Some("a number of bytes"),
            },
            _ => {
                if !setting.broken {
                    cx.warning(
                        &setting.name.place,
                        format!("option `{name}` is unknown and without effect"),
                    )
                    .help(suggest::allowed(name, NAMES));
                }
                None
            }
        };
        if let Some(allowed) = wrong
            && !setting.broken
        {
            cx.error(&setting.value.place, format!("`{value}` is no value of option {name}"))
                .help(allowed);
        }
    }
    options
}

fn set<T>(option: &mut Option<T>, value: T) -> Option<&'static str> {
    *option = Some(value);
    None
}

/// The booleans of Go's `strconv`.
fn boolean(text: &str, option: &mut bool) -> Option<&'static str> {
    *option = match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
        "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
        _ => return Some("true or false"),
    };
    None
}

/// What the enforcer can stop: system calls and `security_` functions.
pub(super) fn enforcer(enforcers: &[spec::Enforcer], lists: &[Named], cx: &mut Context<'_>) -> Option<Enforcer> {
    cx.at_most(1, enforcers.iter().map(|enforcer| &enforcer.place), "enforcers");
    let written = enforcers.first()?;
    let mut enforcer = Enforcer::default();
    if written.calls.is_empty() && !written.broken {
        cx.error(&written.place, "the enforcer has no calls");
    }
    for call in &written.calls {
        let one;
        let functions = match lists::call(call, lists, cx) {
            Call::One(name) => {
                one = Functions::Named(vec![name.into()]);
                &one
            }
            Call::List(Some(functions)) => functions,
            Call::List(None) => continue,
        };
        match functions {
            Functions::Named(names) => {
                for name in names {
                    if name.starts_with(hooks::SECURITY) {
                        add_function(name, call, &mut enforcer, cx);
                    } else if let Some(syscall) = lists::syscall(name, &call.place, cx) {
                        add_syscall(&syscall, call, &mut enforcer, cx);
                    }
                }
            }
            Functions::Syscalls(syscalls) => {
                for syscall in syscalls {
                    add_syscall(syscall, call, &mut enforcer, cx);
                }
            }
            Functions::AllSyscalls => enforcer.all_syscalls = true,
            Functions::Matching(_) => {
                cx.error(
                    &call.place,
                    "an enforcer stops system calls and security_ functions only",
                )
                .help("a list of type generated_ftrace may hold others");
            }
        }
    }
    Some(enforcer)
}

fn add_function(name: &str, call: &Spanned<String>, enforcer: &mut Enforcer, cx: &mut Context<'_>) {
    if let Answer::Missing { reason, help } = cx.kernel.function(name) {
        hooks::missing(&call.place, reason, help, cx);
    }
    enforcer.functions.push(name.to_owned());
}

fn add_syscall(syscall: &Syscall, call: &Spanned<String>, enforcer: &mut Enforcer, cx: &mut Context<'_>) {
    check_syscall(syscall, &call.place, cx);
    enforcer.syscalls.push(syscall.clone());
}
