//! Hook points: where they are, and how the kernel calls programs there.

use std::{collections::BTreeSet, fmt};

use ebpf_abi::event::op;
use ebpf_codegen::Context;
use ebpf_loader::probe;
use policy::{
    model::{self, Enforcer, Functions, HookKind, OverrideMethod, Target},
    syscalls::{Abi, Syscall},
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

impl PointKey {
    /// What sees the return of what this sees.
    pub(super) fn returned(&self) -> Option<Self> {
        let kind = self.kind.returned()?;
        let name = match kind {
            PointKind::SyscallsReturn => "sys_exit".to_owned(),
            _ => self.name.clone(),
        };
        Some(Self {
            kind,
            name,
            ..self.clone()
        })
    }

    /// Of a place that says nothing of arguments.
    pub(super) fn new(kind: PointKind, group: &str, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            group: group.to_owned(),
            operands: String::new(),
        }
    }
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
    /// Their returns, likewise.
    SyscallsReturn,
    /// The return of a function, by breakpoint.
    KprobeReturn,
    /// A function, through a trampoline.
    Function(Parameters),
    /// A function that may be skipped, through a trampoline.
    Modify(Parameters),
    /// The same with a system call.
    ModifySyscall {
        /// As above.
        compat: bool,
    },
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
    /// The return of a function that begins there.
    UprobeReturn(Place),
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
            Self::Kprobe | Self::KprobeReturn => Context::Registers,
            Self::Uprobe(_) | Self::UprobeReturn(_) | Self::Usdt(_) => Context::Program,
            Self::Syscall { compat } => Context::SyscallRegisters { compat },
            Self::SyscallFunction { compat } | Self::SyscallReturn { compat } => {
                Context::SyscallFunction { compat, skips: false }
            }
            Self::ModifySyscall { compat } => Context::SyscallFunction { compat, skips: true },
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
            Self::Tracepoint | Self::Syscalls | Self::SyscallsReturn => Context::Record,
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
            | Self::SyscallsReturn
            | Self::KprobeReturn
            | Self::Function(_)
            | Self::Modify(_)
            | Self::ModifySyscall { .. }
            | Self::Security(_)
            | Self::FunctionReturn(_) => op::KPROBE,
            Self::Lsm(_) => op::LSM,
            Self::RawTracepoint | Self::Tracepoint => op::TRACEPOINT,
            Self::Uprobe(_) | Self::UprobeReturn(_) => op::UPROBE,
            Self::Usdt(_) => op::USDT,
        }
    }

    /// What it is called where the choice is shown.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kprobe | Self::Syscall { .. } => "kprobe",
            Self::KprobeReturn => "kretprobe",
            Self::Function(_) | Self::SyscallFunction { .. } => "fentry",
            Self::Modify(_) | Self::ModifySyscall { .. } => "fmod_ret",
            Self::FunctionReturn(_) | Self::SyscallReturn { .. } => "fexit",
            Self::Lsm(_) | Self::Security(_) => "lsm",
            Self::RawTracepoint => "raw_tracepoint",
            Self::Tracepoint | Self::Syscalls | Self::SyscallsReturn => "tracepoint",
            Self::Uprobe(_) => "uprobe",
            Self::UprobeReturn(_) => "uretprobe",
            Self::Usdt(_) => "usdt",
        }
    }

    /// What sees the return of what this sees.
    const fn returned(self) -> Option<Self> {
        match self {
            Self::Kprobe | Self::Syscall { .. } => Some(Self::KprobeReturn),
            Self::SyscallFunction { compat } | Self::ModifySyscall { compat } => Some(Self::SyscallReturn { compat }),
            Self::Function(parameters) | Self::Modify(parameters) => Some(Self::FunctionReturn(parameters)),
            Self::Syscalls => Some(Self::SyscallsReturn),
            Self::Uprobe(place) => Some(Self::UprobeReturn(place)),
            Self::KprobeReturn
            | Self::SyscallReturn { .. }
            | Self::SyscallsReturn
            | Self::FunctionReturn(_)
            | Self::UprobeReturn(_)
            | Self::Lsm(_)
            | Self::Security(_)
            | Self::RawTracepoint
            | Self::Tracepoint
            | Self::Usdt(_) => None,
        }
    }

    /// Whether it may skip a function in a program that the kernel does not run while it is preempted in one.
    pub(super) fn lets_pass(self) -> bool {
        matches!(self, Self::Modify(_) | Self::ModifySyscall { .. }) && probe::preemptible()
    }

    /// Whether it is the return of a function.
    pub(super) const fn sees_return(self) -> bool {
        matches!(
            self,
            Self::KprobeReturn
                | Self::SyscallReturn { .. }
                | Self::SyscallsReturn
                | Self::FunctionReturn(_)
                | Self::UprobeReturn(_)
        )
    }

    /// Whether it is in a program or library.
    pub(super) const fn is_in_program(self) -> bool {
        matches!(self, Self::Uprobe(_) | Self::UprobeReturn(_) | Self::Usdt(_))
    }

    /// Whether addresses among the arguments are of user space.
    pub(super) const fn is_of_user(self) -> bool {
        matches!(
            self,
            Self::Syscall { .. } | Self::SyscallFunction { .. } | Self::ModifySyscall { .. } | Self::Syscalls
        ) || self.is_in_program()
    }
}

/// The hook points of `hook`: the cheapest kind that can do what it asks for, and that overrides by `method`, if one is given.
pub(super) fn of(
    hook: &model::Hook,
    method: Option<OverrideMethod>,
    kernel: &Running<'_>,
) -> Result<Vec<PointKey>, Reason> {
    Ok(match &hook.target {
        Target::Functions(Functions::Named(names)) => {
            let kind = function_kind(Needs::of(hook, method), kernel);
            // The policy was checked: what is missing now may be missing.
            let mut there: Vec<&String> = names.iter().filter(|name| kernel.is_function(name)).collect();
            if hook.may_be_missing {
                functions::retain_traceable(&mut there);
            }
            let there = there.into_iter();
            there.map(|name| PointKey::new(kind(name), "", name)).collect()
        }
        Target::Functions(Functions::Syscalls(syscalls)) => {
            let mut points = vec![];
            for syscall in syscalls {
                match syscall_point(&Needs::of(hook, method), syscall, kernel) {
                    Err(_) if hook.may_be_missing => {}
                    point => points.push(point?),
                }
            }
            points
        }
        Target::Functions(Functions::AllSyscalls) => {
            let needs = Needs::of(hook, method);
            if needs.overrides || needs.registers {
                each_syscall(&needs, kernel)?
            } else {
                vec![all_syscalls_at_once()]
            }
        }
        Target::Functions(Functions::Matching(pattern)) => {
            let kind = function_kind(Needs::of(hook, method), kernel);
            let names = functions::matching(pattern).map_err(Reason::Kernel)?;
            names.iter().map(|name| PointKey::new(kind(name), "", name)).collect()
        }
        Target::Lsm { hook } => {
            let function = format!("{LSM}{hook}");
            let parameters = Parameters::of(kernel, &function, kernel.parameters(&function).unwrap_or(0) as u8);
            vec![PointKey::new(PointKind::Lsm(parameters), "", hook)]
        }
        Target::Tracepoint { subsystem, event } => {
            let kind = if hook.kind == HookKind::RawTracepoint {
                PointKind::RawTracepoint
            } else {
                PointKind::Tracepoint
            };
            vec![PointKey::new(kind, subsystem, event)]
        }
        Target::Uprobe {
            path,
            places,
            reference_counters,
            digests,
            ..
        } => {
            let program = Program::open(path).map_err(Reason::Kernel)?;
            if !program.is_one_of(digests).map_err(Reason::Kernel)? {
                return if hook.may_be_missing {
                    tracing::info!(path, "A program has none of the digests that its hook is for");
                    Ok(vec![])
                } else {
                    Err(Reason::Kernel(format!(
                        "{path} has none of the binaryDigests: it is another version, or not what it was (with \
                         ignore.digestVerificationFailure the policy loads without this hook)"
                    )))
                };
            }
            let places = program.places(places, reference_counters).map_err(Reason::Kernel)?;
            if hook.needs_return() {
                program.check_returns(&places).map_err(Reason::Kernel)?;
            }
            if hook.actions().any(skips) {
                program.check_beginnings(&places, SKIP).map_err(Reason::Kernel)?;
            }
            let point = |(symbol, place): (String, Place)| PointKey::new(PointKind::Uprobe(place), path, &symbol);
            places.into_iter().map(point).collect()
        }
        Target::Usdt {
            path, provider, name, ..
        } => {
            let program = Program::open(path).map_err(Reason::Kernel)?;
            let places = program.probe(provider, name).map_err(Reason::Kernel)?;
            let point = |(operands, place)| PointKey {
                operands,
                ..PointKey::new(PointKind::Usdt(place), path, &format!("{provider}:{name}"))
            };
            places.into_iter().map(point).collect()
        }
    })
}

/// What only the beginning of a function can be asked for.
const SKIP: &str = "Override with argError returns from a function as if nothing of it had been run";

/// Whether `action` returns from a function of a program instead of running it.
fn skips(action: &model::Action) -> bool {
    matches!(action, model::Action::Override(model::Override::Return(_)))
}

/// The hook points of `enforcer`, each once; `overrides`: that it may be told to return an error.
pub(super) fn of_enforcer(
    enforcer: &Enforcer,
    overrides: bool,
    method: Option<OverrideMethod>,
    kernel: &Running<'_>,
) -> Result<BTreeSet<PointKey>, Reason> {
    let Enforcer {
        syscalls,
        all_syscalls,
        functions,
    } = enforcer;
    let needs = Needs {
        overrides,
        method,
        ..Needs::default()
    };
    let kind = function_kind(needs.clone(), kernel);
    let function = |name: &String| {
        let point = kernel.is_function(name).then(|| PointKey::new(kind(name), "", name));
        point.ok_or_else(|| Reason::Kernel(format!("the kernel has no function `{name}`")))
    };
    // Not the tracepoint that all of them pass: what is told at the function of a call would come too late there.
    let all = if *all_syscalls {
        each_syscall(&needs, kernel)?
    } else {
        vec![]
    };
    let syscalls = syscalls.iter().map(|syscall| syscall_point(&needs, syscall, kernel));
    let named = syscalls.chain(functions.iter().map(function));
    all.into_iter().map(Ok).chain(named).collect()
}

/// What is asked for at a function.
#[derive(Clone, Debug, Default)]
struct Needs {
    /// To skip it.
    overrides: bool,
    /// By what means; none for the best.
    method: Option<OverrideMethod>,
    /// To see its return.
    returns: bool,
    /// Registers by name.
    registers: bool,
    /// Parameters, by position.
    parameters: Vec<u32>,
}

impl Needs {
    fn of(hook: &model::Hook, method: Option<OverrideMethod>) -> Self {
        let read = hook.args.iter().chain(&hook.data);
        let parameters = read.filter(|arg| matches!(arg.source, model::Source::Parameter));
        let parameters = parameters.flat_map(|arg| {
            let size = arg.size_index.and_then(|size| size.checked_sub(1));
            [Some(arg.index), size]
        });
        Self {
            parameters: parameters.flatten().collect(),
            overrides: hook
                .actions()
                .any(|action| matches!(action, model::Action::Override(_))),
            method,
            returns: hook.needs_return(),
            registers: hook
                .data
                .iter()
                .any(|arg| matches!(arg.source, model::Source::Register(_))),
        }
    }
}

/// The kind of hook point for each function by name, which is no system call. Trampolines are cheaper, but have no registers, and
/// can skip only the functions of security hooks.
///
/// While a program at a trampoline is preempted, the calls of others on its CPU pass it unseen (`bpf_prog_enter_recur`,
/// kernel/bpf/trampoline.c): where that may be, it is for returns only. Programs of kprobes are not preempted. Those of
/// security hooks are always run, if no security module before has denied: so they are for denials only.
fn function_kind<'a>(needs: Needs, kernel: &'a Running<'_>) -> impl Fn(&str) -> PointKind + 'a {
    let (overrides, returns) = (needs.overrides, needs.returns);
    move |name: &str| match kernel.parameters(name) {
        Some(count @ 0..=6)
            if can_be_trampoline(&needs, &needs.parameters, kernel, name)
                && (!overrides || name.starts_with(SECURITY)) =>
        {
            let parameters = Parameters::of(kernel, name, count as u8);
            let modify = needs.method == Some(OverrideMethod::FmodRet);
            if overrides && !returns && !modify && has_lsm_hook(kernel, name) {
                PointKind::Security(parameters)
            } else if overrides {
                PointKind::Modify(parameters)
            } else if probe::preemptible() && !returns {
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

/// Whether what is asked for can be done at a trampoline of function `name`: no registers by name, and none of
/// `parameters`, which are those that are read, of a type that the verifier does not know.
///
/// Not one that can be skipped either (`bpf_override_return`): its trampoline would run the function all the same, or
/// spoil the value that is returned instead (seen on 6.12).
fn can_be_trampoline(needs: &Needs, parameters: &[u32], kernel: &Running<'_>, name: &str) -> bool {
    let mut parameters = parameters.iter();
    !needs.registers && parameters.all(|&index| kernel.is_readable(name, index)) && !probe::can_be_skipped(name)
}

/// The tracepoint that all system calls pass.
fn all_syscalls_at_once() -> PointKey {
    PointKey::new(PointKind::Syscalls, "raw_syscalls", "sys_enter")
}

/// The hook points of all system calls that the kernel has, each by itself: some hundreds. If they are to be skipped, those that
/// can be: not the functions of calls that the kernel was built without, which do nothing but fail, nor, through trampolines,
/// those that do not return.
fn each_syscall(needs: &Needs, kernel: &Running<'_>) -> Result<Vec<PointKey>, Reason> {
    let (mut points, mut left_out) = (vec![], vec![]);
    for syscall in Syscall::all(Abi::NATIVE) {
        if !syscall.symbols().iter().any(|symbol| kernel.is_function(symbol)) {
            continue;
        }
        match syscall_point(needs, &syscall, kernel) {
            Ok(point) if !needs.overrides || is_skipped(&point) => points.push(point),
            Err(reason) if !needs.overrides || needs.registers => return Err(reason),
            _ => left_out.push(syscall.to_string()),
        }
    }
    if points.is_empty() {
        return Err(Reason::Kernel(format!("all system calls: {CANNOT_SKIP}")));
    }
    if !left_out.is_empty() {
        tracing::info!(calls = ?left_out, "No program can skip these, of all system calls");
    }
    Ok(points)
}

/// Whether the kernel lets a program skip the system call at `point`.
fn is_skipped(point: &PointKey) -> bool {
    matches!(point.kind, PointKind::ModifySyscall { .. }) || probe::can_be_skipped(&point.name)
}

/// What kernels lack that cannot skip a system call.
pub(super) const CANNOT_SKIP: &str = "this kernel cannot skip it: it was built without CONFIG_BPF_KPROBE_OVERRIDE, and only \
    newer ones let programs skip system calls through trampolines (fmod_ret), those of 64-bit programs; use a security_ function \
    or an LSM hook, or a signal";

/// System calls that do not return to who makes them.
pub(super) const ENDLESS: [&str; 2] = ["exit", "exit_group"];

fn returns(syscall: &Syscall) -> bool {
    !ENDLESS.contains(&syscall.name)
}

/// The hook point of a system call.
///
/// Where returns are seen by breakpoints, the kernel keeps so many calls in mind as it has processors, or ten
/// (`register_kretprobe`, kernel/kprobes.c): as long as others wait in the same call, a return passes unseen. Trampolines
/// have no such limit; but of a call that never returns they would be held for ever.
fn syscall_point(needs: &Needs, syscall: &Syscall, kernel: &Running<'_>) -> Result<PointKey, Reason> {
    let name = syscall.symbols().into_iter().find(|symbol| kernel.is_function(symbol));
    let name = name.ok_or_else(|| Reason::Kernel(format!("the kernel has no system call `{syscall}`")))?;
    let compat = syscall.abi.is_32_bit();
    let returns = returns(syscall);
    let better = needs.returns || !probe::preemptible();
    // The only parameter are the registers of the call.
    let trampoline = kernel.parameters(&name) == Some(1) && can_be_trampoline(needs, &[0], kernel, &name);
    if needs.overrides && !returns && needs.method == Some(OverrideMethod::FmodRet) {
        return Err(Reason::Kernel(format!(
            "{syscall} does not return, so it cannot be skipped through a trampoline (fmod_ret)"
        )));
    }
    let kind = if needs.overrides && is_modified(needs.method, &name, kernel)? {
        if needs.registers {
            return Err(Reason::Kernel(format!(
                "{syscall} is skipped through a trampoline here (fmod_ret), where there are no registers (data with source pt_regs)"
            )));
        }
        PointKind::ModifySyscall { compat }
    } else if returns && better && trampoline && !needs.overrides {
        PointKind::SyscallFunction { compat }
    } else {
        PointKind::Syscall { compat }
    };
    Ok(PointKey::new(kind, "", &name))
}

/// Whether the function `name` of a system call is skipped through a trampoline: where a policy asks for it, or the kernel has
/// nothing else.
///
/// By breakpoint is better where the kernel itself can be preempted: the program is run for each call.
fn is_modified(method: Option<OverrideMethod>, name: &str, kernel: &Running<'_>) -> Result<bool, Reason> {
    let can_be = || {
        let function = kernel.types.function(name);
        function.is_some_and(|function| probe::can_be_modified(function.id.0))
    };
    match method {
        Some(OverrideMethod::OverrideReturn) => Ok(false),
        None => Ok(!probe::override_return() && can_be()),
        Some(OverrideMethod::FmodRet) if can_be() => Ok(true),
        Some(OverrideMethod::FmodRet) => Err(Reason::Kernel(format!(
            "override-method fmod-ret: this kernel lets no program skip {name}: newer ones do, for 64-bit programs, and those \
             built with CONFIG_FUNCTION_ERROR_INJECTION; use a security_ function or an LSM hook, or a signal"
        ))),
    }
}
