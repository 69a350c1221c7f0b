//! Hook points: where they are, and how the kernel calls programs there.

use std::fmt;

use ebpf_abi::event::op;
use ebpf_codegen::Context;
use ebpf_loader::probe;
use policy::{
    model::{self, Functions, HookKind, Target},
    syscalls::Syscall,
};
use policy_btf::LSM;

use super::{
    elf::{Place, Program},
    functions,
    lower::Reason,
    running::Running,
};

/// Prefix of the functions that call security hooks.
pub(super) const SECURITY: &str = "security_";

/// Where in the kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PointKey {
    pub(super) kind: PointKind,
    /// Function, LSM hook, tracepoint, or a probe's provider and name.
    pub(super) name: String,
    /// Group of a tracepoint, or file.
    pub(super) group: String,
    /// What the program says of the arguments at this place of a probe.
    pub(super) operands: String,
}

impl fmt::Display for PointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.name)
    }
}

/// How the kernel calls programs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PointKind {
    /// A function, by breakpoint.
    Kprobe,
    /// A system call, by breakpoint.
    Syscall {
        /// Whether it is one of 32-bit programs.
        compat: bool,
    },
    /// A system call, through a trampoline.
    SyscallFunction {
        /// As above.
        compat: bool,
    },
    /// All system calls, by the tracepoint that each of them passes.
    Syscalls,
    /// The return of a function, by breakpoint.
    KprobeReturn,
    /// A function, through a trampoline.
    Function(Parameters),
    /// A function that may be skipped, through a trampoline.
    Modify(Parameters),
    /// The return of a function, through a trampoline.
    FunctionReturn(Parameters),
    /// The return of a system call, through a trampoline.
    SyscallReturn {
        /// As above.
        compat: bool,
    },
    /// A security hook.
    Lsm(Parameters),
    /// The function that calls the programs of a security hook, by that hook.
    Security(Parameters),
    /// A tracepoint, with the parameters that the kernel hands to it.
    RawTracepoint,
    /// A tracepoint, with the fields that it records.
    Tracepoint,
    /// Code of a program or library.
    Uprobe(Place),
    /// A probe that a program or library declares.
    Usdt(Place),
}

/// What the kernel's types say of the parameters of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Parameters {
    count: u8,
    /// A bit for each, and for the result behind them, that is no plain number.
    pointers: u16,
}

impl Parameters {
    /// Those of function `name`, which has `count`.
    pub(super) fn of(kernel: &Running<'_>, name: &str, count: u8) -> Self {
        Self {
            count,
            pointers: kernel.pointers(name),
        }
    }
}

impl PointKind {
    /// How programs find what they are called with.
    pub(super) const fn context(self) -> Context {
        match self {
            Self::Kprobe | Self::KprobeReturn | Self::Uprobe(_) | Self::Usdt(_) => Context::Registers,
            Self::Syscall { compat } => Context::SyscallRegisters { compat },
            Self::SyscallFunction { compat } | Self::SyscallReturn { compat } => Context::SyscallFunction { compat },
            Self::Function(Parameters { count, pointers }) | Self::FunctionReturn(Parameters { count, pointers }) => {
                Context::Function {
                    parameters: count,
                    pointers,
                }
            }
            Self::Lsm(Parameters { pointers, .. })
            | Self::Security(Parameters { pointers, .. })
            | Self::Modify(Parameters { pointers, .. }) => Context::Lsm { pointers },
            Self::RawTracepoint => Context::Words,
            Self::Tracepoint | Self::Syscalls => Context::Record,
        }
    }

    /// Type of the records.
    pub(super) const fn op(self) -> u8 {
        match self {
            Self::Kprobe
            | Self::Syscall { .. }
            | Self::SyscallFunction { .. }
            | Self::SyscallReturn { .. }
            | Self::Syscalls
            | Self::KprobeReturn
            | Self::Function(_)
            | Self::Modify(_)
            | Self::Security(_)
            | Self::FunctionReturn(_) => op::KPROBE,
            Self::Lsm(_) => op::LSM,
            Self::RawTracepoint | Self::Tracepoint => op::TRACEPOINT,
            Self::Uprobe(_) => op::UPROBE,
            Self::Usdt(_) => op::USDT,
        }
    }

    /// What it is called where the choice is shown.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kprobe | Self::Syscall { .. } => "kprobe",
            Self::KprobeReturn => "kretprobe",
            Self::Function(_) | Self::SyscallFunction { .. } => "fentry",
            Self::Modify(_) => "fmod_ret",
            Self::FunctionReturn(_) | Self::SyscallReturn { .. } => "fexit",
            Self::Lsm(_) | Self::Security(_) => "lsm",
            Self::RawTracepoint => "raw_tracepoint",
            Self::Tracepoint | Self::Syscalls => "tracepoint",
            Self::Uprobe(_) => "uprobe",
            Self::Usdt(_) => "usdt",
        }
    }

    /// What sees the return of what this sees.
    pub(super) const fn returned(self) -> Option<Self> {
        match self {
            Self::Kprobe | Self::Syscall { .. } => Some(Self::KprobeReturn),
            Self::SyscallFunction { compat } => Some(Self::SyscallReturn { compat }),
            Self::Function(parameters) | Self::Modify(parameters) => Some(Self::FunctionReturn(parameters)),
            Self::KprobeReturn
            | Self::SyscallReturn { .. }
            | Self::FunctionReturn(_)
            | Self::Lsm(_)
            | Self::Security(_)
            | Self::RawTracepoint
            | Self::Tracepoint
            | Self::Syscalls
            | Self::Uprobe(_)
            | Self::Usdt(_) => None,
        }
    }

    /// Whether it is the return of a function.
    pub(super) const fn sees_return(self) -> bool {
        matches!(
            self,
            Self::KprobeReturn | Self::SyscallReturn { .. } | Self::FunctionReturn(_)
        )
    }

    /// Whether addresses among the arguments are of user space.
    pub(super) const fn is_of_user(self) -> bool {
        matches!(
            self,
            Self::Syscall { .. } | Self::SyscallFunction { .. } | Self::Syscalls | Self::Uprobe(_) | Self::Usdt(_)
        )
    }
}

/// The hook points of `hook`: the cheapest kind that can do what it asks for.
pub(super) fn of(hook: &model::Hook, kernel: &Running<'_>) -> Result<Vec<PointKey>, Reason> {
    let key = |kind, group: &str, name: &str| PointKey {
        kind,
        name: name.to_owned(),
        group: group.to_owned(),
        operands: String::new(),
    };
    Ok(match &hook.target {
        Target::Functions(Functions::Named(names)) => {
            let kind = function_kind(hook, kernel);
            // The policy was checked: what is missing now may be missing.
            let there = names.iter().filter(|name| kernel.is_function(name));
            there.map(|name| key(kind(name), "", name)).collect()
        }
        Target::Functions(Functions::Syscalls(syscalls)) => {
            let mut points = vec![];
            for syscall in syscalls {
                match syscall.symbols().into_iter().find(|symbol| kernel.is_function(symbol)) {
                    Some(symbol) => points.push(key(syscall_kind(hook, kernel, syscall, &symbol), "", &symbol)),
                    None if hook.may_be_missing => {}
                    None => return Err(Reason::Kernel(format!("the kernel has no system call `{syscall}`"))),
                }
            }
            points
        }
        Target::Functions(Functions::AllSyscalls) => {
            let mut actions = hook.selectors.iter().flat_map(|selector| &selector.actions);
            if actions.any(|action| matches!(action, model::Action::Override(_))) {
                return Err(Reason::Kernel(
                    "all system calls cannot be overridden at once: name those that are to be".into(),
                ));
            }
            vec![key(PointKind::Syscalls, "raw_syscalls", "sys_enter")]
        }
        Target::Functions(Functions::Matching(pattern)) => {
            let kind = function_kind(hook, kernel);
            let names = functions::matching(pattern).map_err(Reason::Kernel)?;
            names.iter().map(|name| key(kind(name), "", name)).collect()
        }
        Target::Lsm { hook } => {
            let function = format!("{LSM}{hook}");
            let parameters = Parameters::of(kernel, &function, kernel.parameters(&function).unwrap_or(0) as u8);
            vec![key(PointKind::Lsm(parameters), "", hook)]
        }
        Target::Tracepoint { subsystem, event } => {
            let kind = if hook.kind == HookKind::RawTracepoint {
                PointKind::RawTracepoint
            } else {
                PointKind::Tracepoint
            };
            vec![key(kind, subsystem, event)]
        }
        Target::Uprobe { digests, .. } if !digests.is_empty() => {
            return Err(Reason::NotYet("binaryDigests".into()));
        }
        Target::Uprobe {
            path,
            places,
            reference_counters,
            ..
        } => {
            let program = Program::open(path).map_err(Reason::Kernel)?;
            let places = program.places(places, reference_counters).map_err(Reason::Kernel)?;
            let point = |(symbol, place): (String, Place)| key(PointKind::Uprobe(place), path, &symbol);
            places.into_iter().map(point).collect()
        }
        Target::Usdt {
            path, provider, name, ..
        } => {
            let program = Program::open(path).map_err(Reason::Kernel)?;
            let places = program.probe(provider, name).map_err(Reason::Kernel)?;
            let point = |(operands, place)| PointKey {
                operands,
                ..key(PointKind::Usdt(place), path, &format!("{provider}:{name}"))
            };
            places.into_iter().map(point).collect()
        }
    })
}

/// The kind of hook point for each function by name. Trampolines are cheaper, but have no registers, and can skip only the
/// functions of security hooks.
///
/// While a program at a trampoline is preempted, the calls of others on its CPU pass it unseen (`bpf_prog_enter_recur`,
/// kernel/bpf/trampoline.c): where that may be, it is for returns only. Programs of kprobes are not preempted. Those of
/// security hooks are always run, if no security module before has denied: so they are for denials only.
fn function_kind<'a>(hook: &'a model::Hook, kernel: &'a Running<'_>) -> impl Fn(&str) -> PointKind + 'a {
    let overrides = overrides(hook);
    move |name: &str| match kernel.parameters(name) {
        Some(count @ 0..=6) if can_be_trampoline(hook, kernel, name) && (!overrides || name.starts_with(SECURITY)) => {
            let parameters = Parameters::of(kernel, name, count as u8);
            if overrides && !hook.needs_return() && has_lsm_hook(kernel, name) {
                PointKind::Security(parameters)
            } else if overrides {
                PointKind::Modify(parameters)
            } else if probe::preemptible() && !hook.needs_return() {
                PointKind::Kprobe
            } else {
                PointKind::Function(parameters)
            }
        }
        _ => PointKind::Kprobe,
    }
}

/// Whether programs can be attached to the security hook that function `name` calls, with the same parameters.
fn has_lsm_hook(kernel: &Running<'_>, name: &str) -> bool {
    name.strip_prefix(SECURITY)
        .is_some_and(|hook| kernel.same_parameters(name, &format!("{LSM}{hook}")))
        && probe::lsm_enabled("bpf") == Some(true)
}

/// Whether `hook` skips what it is at.
fn overrides(hook: &model::Hook) -> bool {
    let selectors = hook.selectors.iter();
    let mut actions = selectors.flat_map(|selector| selector.actions.iter().chain(&selector.return_actions));
    actions.any(|action| matches!(action, model::Action::Override(_)))
}

/// Whether what `hook` looks at can be read at a trampoline of function `name`: no registers by name, and no parameter of a
/// type that the verifier does not know.
///
/// Not one that can be skipped either (`bpf_override_return`): its trampoline would run the function all the same, or
/// spoil the value that is returned instead (seen on 6.12).
fn can_be_trampoline(hook: &model::Hook, kernel: &Running<'_>, name: &str) -> bool {
    let readable = |arg: &model::Arg| match arg.source {
        model::Source::Register(_) => false,
        model::Source::CurrentTask => true,
        model::Source::Parameter => {
            let size = arg.size_index.and_then(|size| size.checked_sub(1));
            [Some(arg.index), size]
                .into_iter()
                .flatten()
                .all(|index| kernel.is_readable(name, index))
        }
    };
    hook.args.iter().chain(&hook.data).all(readable) && !probe::can_be_skipped(name)
}

/// The kind of hook point for a system call whose function is `name`.
///
/// Where returns are seen by breakpoints, the kernel keeps so many calls in mind as it has processors, or ten
/// (`register_kretprobe`, kernel/kprobes.c): as long as others wait in the same call, a return passes unseen. Trampolines
/// have no such limit; but of a call that never returns they would be held for ever.
fn syscall_kind(hook: &model::Hook, kernel: &Running<'_>, syscall: &Syscall, name: &str) -> PointKind {
    let compat = syscall.abi.is_32_bit();
    let returns = !matches!(syscall.name, "exit" | "exit_group");
    let better = hook.needs_return() || !probe::preemptible();
    // The only parameter are the registers.
    let trampoline = kernel.parameters(name) == Some(1) && kernel.is_readable(name, 0) && !probe::can_be_skipped(name);
    let registers = hook
        .data
        .iter()
        .any(|arg| matches!(arg.source, model::Source::Register(_)));
    if returns && better && trampoline && !overrides(hook) && !registers {
        PointKind::SyscallFunction { compat }
    } else {
        PointKind::Syscall { compat }
    }
}
