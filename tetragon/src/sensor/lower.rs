//! From a policy to hooks at hook points.

use std::fmt;

use ebpf_abi::{
    event::{CALL, op},
    hook::scope,
};
use ebpf_codegen::{
    Action, Arg, Context, Filter, Hook, Length, Limit, NumberTest, Post, Read, Selector, Source, Stage, Subject,
};
use policy::{
    arg_type::ArgType,
    model::{self, Functions, HookKind, Policy, ProcessFilter, Target},
    syscalls::{Abi, Syscall},
};

use ebpf_loader::probe;
use policy_btf::LSM;

use crate::procfs::Procfs;

use super::{
    Error,
    argument::{Role, argument},
    elf::{Place, Program},
    filter::{self, NotYet},
    functions,
    images::Conditions,
    loader,
    running::Running,
    table::{ArgInfo, HookInfo},
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
            Self::Function(_) => "fentry",
            Self::Modify(_) => "fmod_ret",
            Self::FunctionReturn(_) => "fexit",
            Self::Lsm(_) | Self::Security(_) => "lsm",
            Self::RawTracepoint => "raw_tracepoint",
            Self::Tracepoint | Self::Syscalls => "tracepoint",
            Self::Uprobe(_) => "uprobe",
            Self::Usdt(_) => "usdt",
        }
    }

    /// What sees the return of what this sees.
    const fn returned(self) -> Option<Self> {
        match self {
            Self::Kprobe | Self::Syscall { .. } => Some(Self::KprobeReturn),
            Self::Function(parameters) | Self::Modify(parameters) => Some(Self::FunctionReturn(parameters)),
            Self::KprobeReturn
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
        matches!(self, Self::KprobeReturn | Self::FunctionReturn(_))
    }

    /// Whether addresses among the arguments are of user space.
    pub(super) const fn is_of_user(self) -> bool {
        matches!(
            self,
            Self::Syscall { .. } | Self::Syscalls | Self::Uprobe(_) | Self::Usdt(_)
        )
    }
}

/// One hook of a policy at one place: its program, or, where the return is observed, both of them.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Their numbers are given later. What sees the return comes first, so that there is no entry without one.
    pub(super) parts: Vec<(PointKey, Hook)>,
    pub(super) info: HookInfo,
    /// Position of the hook in its section of the policy.
    pub(super) position: usize,
    /// Names of its selectors, empty for none.
    pub(super) labels: Vec<String>,
}

/// Everything that `policy` wants. Conditions on executables that hold beyond the moment are added to `conditions`.
pub(super) fn policy(
    policy: &Policy,
    kernel: &Running<'_>,
    procfs: &Procfs,
    conditions: &mut Conditions,
) -> Result<Vec<Wanted>, Error> {
    let not_yet = |what: String| Error::NotYet {
        policy: policy.name.clone(),
        what,
    };
    if let Some(reason) = policy.needs_workload() {
        return Err(Error::Workload {
            policy: policy.name.clone(),
            reason,
        });
    }
    if policy.enforcer.is_some() {
        return Err(not_yet("enforcers".into()));
    }
    let namespaces = crate::procfs::namespaces(&procfs.file(1, "ns"));
    let mut process = |condition: &ProcessFilter| {
        let host = |position| namespaces.at(position);
        filter::process(condition, host, conditions)
    };
    let failed = |hook: &dyn fmt::Display, reason| match reason {
        Reason::NotYet(what) => not_yet(what),
        Reason::Kernel(reason) => Error::Hook {
            policy: policy.name.clone(),
            hook: hook.to_string(),
            reason,
        },
    };
    let mut wanted = vec![];
    if policy.loader {
        wanted.push(loader::wanted(policy, kernel).map_err(|reason| failed(&"spec.loader", reason))?);
    }
    for hook in &policy.hooks {
        let failed = |reason| failed(&hook.place.path, reason);
        for point in points(hook, kernel).map_err(failed)? {
            wanted.push(lower(policy, hook, point, kernel, &mut process).map_err(failed)?);
        }
    }
    if let Some(first) = wanted.first_mut() {
        // Before anything that asks for them.
        first.parts.splice(0..0, conditions.parts());
    }
    Ok(wanted)
}

/// Makes a condition on the process one for code.
type LowerProcess<'a> = dyn FnMut(&ProcessFilter) -> Result<Vec<Filter>, NotYet> + 'a;

/// Why a hook cannot be.
pub(super) enum Reason {
    NotYet(NotYet),
    Kernel(String),
}

impl From<NotYet> for Reason {
    fn from(what: NotYet) -> Self {
        Self::NotYet(what)
    }
}

/// The hook points of `hook`: the cheapest kind that can do what it asks for.
fn points(hook: &model::Hook, kernel: &Running<'_>) -> Result<Vec<PointKey>, Reason> {
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
                    Some(symbol) => points.push(key(syscall_kind(syscall), "", &symbol)),
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
fn function_kind<'a>(hook: &'a model::Hook, kernel: &'a Running<'_>) -> impl Fn(&str) -> PointKind + 'a {
    let actions = |selector: &'a model::Selector| selector.actions.iter().chain(&selector.return_actions);
    let overrides = hook
        .selectors
        .iter()
        .flat_map(actions)
        .any(|action| matches!(action, model::Action::Override(_)));
    let registers = hook
        .data
        .iter()
        .any(|arg| matches!(arg.source, model::Source::Register(_)));
    move |name: &str| match kernel.parameters(name) {
        Some(count @ 0..=6) if !registers && (!overrides || name.starts_with(SECURITY)) => {
            let parameters = Parameters::of(kernel, name, count as u8);
            if overrides && !hook.needs_return() && has_lsm_hook(kernel, name) {
                // Preferred: while a program at a trampoline runs, calls of others on its CPU may pass it unseen
                // (`bpf_prog_enter_recur`, kernel/bpf/trampoline.c); programs of security hooks are always run.
                PointKind::Security(parameters)
            } else if overrides {
                PointKind::Modify(parameters)
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

fn syscall_kind(syscall: &Syscall) -> PointKind {
    PointKind::Syscall {
        compat: syscall.abi.is_32_bit(),
    }
}

fn lower(
    policy: &Policy,
    hook: &model::Hook,
    point: PointKey,
    kernel: &Running<'_>,
    process: &mut LowerProcess<'_>,
) -> Result<Wanted, Reason> {
    let read = |arg, role| argument(hook, arg, &point, role, kernel);
    let (mut args, mut late, mut infos, mut positions) = (vec![], vec![], vec![], vec![]);
    for (arg, data) in hook
        .args
        .iter()
        .map(|arg| (arg, false))
        .chain(hook.data.iter().map(|arg| (arg, true)))
    {
        if arg.arg_type == ArgType::Nop {
            positions.push(None);
            continue;
        }
        let (mut lowered, arg_type) = read(arg, Role::Argument)?;
        lowered.kind = infos.len() as u16;
        infos.push(ArgInfo {
            arg_type,
            label: arg.label.clone().unwrap_or_default(),
            data,
            at_return: arg.return_copy,
        });
        if arg.return_copy {
            positions.push(None);
            late.push(lowered);
        } else {
            positions.push(Some(args.len()));
            args.push(lowered);
        }
    }
    let returns = hook.returns.as_ref();
    let returned = returns.map(|returns| read(&returns.arg, Role::Returned)).transpose()?;
    let selectors = hook
        .selectors
        .iter()
        .map(|selector| lower_selector(selector, hook, &args, &positions, &point, process))
        .collect::<Result<Vec<_>, Reason>>()?;
    let (provider, name) = match &hook.target {
        Target::Usdt { provider, name, .. } => (provider.clone(), name),
        _ => (String::new(), &point.name),
    };
    let mut selectors = selectors;
    if point.kind == PointKind::Syscalls {
        native_calls(&mut args, &mut selectors);
    }
    let mut info = HookInfo {
        loader: false,
        syscalls: point.kind == PointKind::Syscalls,
        policy: policy.name.clone(),
        name: name.clone(),
        subsystem: point.group.clone(),
        provider,
        place: match point.kind {
            PointKind::Uprobe(place) => (place.offset, place.counter),
            _ => (0, 0),
        },
        args: infos,
        returns: None,
        message: hook.message.clone().unwrap_or_default(),
        tags: hook.tags.clone(),
    };
    let mut entry = Hook {
        number: 0,
        args,
        selectors,
        ..Hook::default()
    };
    let mut parts = vec![];
    if hook.needs_return() {
        if let PointKind::Uprobe(_) = point.kind {
            return Err(Reason::NotYet("the return of a function of a program".into()));
        }
        let Some(kind) = point.kind.returned() else {
            return Err(Reason::Kernel("its return cannot be observed".into()));
        };
        // Programs at the return that a trampoline calls still see the parameters.
        let saved = match kind {
            PointKind::KprobeReturn => save(&mut late)?,
            _ => vec![],
        };
        entry.stage = Stage::Entry { saved };
        let mut args = vec![];
        if let Some((lowered, arg_type)) = returned {
            info.returns = Some(ArgInfo {
                arg_type,
                label: returns
                    .and_then(|returns| returns.arg.label.clone())
                    .unwrap_or_default(),
                data: false,
                at_return: true,
            });
            args.push(lowered);
        }
        args.extend(late);
        let mut selectors = vec![];
        for selector in &hook.selectors {
            let mut filters = vec![];
            for condition in &selector.return_args {
                let Some(arg) = args.get(condition.position) else {
                    return Err(Reason::Kernel("a filter is on a result that is not read".into()));
                };
                filters.extend(filter::arg(condition, condition.position, arg.read)?);
            }
            let actions = selector
                .return_actions
                .iter()
                .map(|action| lower_action(action, &point))
                .collect::<Result<Vec<_>, Reason>>()?;
            selectors.push(Selector { filters, actions });
        }
        let key = PointKey { kind, ..point.clone() };
        let hook = Hook {
            number: 0,
            args,
            selectors,
            stage: Stage::Return,
            ..Hook::default()
        };
        parts.push((key, hook));
    }
    parts.push((point, entry));
    Ok(Wanted {
        parts,
        info,
        position: hook.position,
        labels: hook
            .selectors
            .iter()
            .map(|selector| selector.label.clone().unwrap_or_default())
            .collect(),
    })
}

/// Adds the number of the system call to `args`, and lets `selectors` pass only those that 64-bit programs have: whatever
/// number a program asks for passes the tracepoint, and that of a 32-bit program is marked.
fn native_calls(args: &mut Vec<Arg>, selectors: &mut Vec<Selector>) {
    let mut numbers: Vec<u64> = Abi::NATIVE.syscalls().map(|(_, number)| number.into()).collect();
    numbers.sort_unstable();
    let mut ranges: Vec<(u64, u64)> = vec![];
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 >= number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let native = Filter::Number(Subject::Arg(args.len()), NumberTest::In { ranges, not: false });
    args.push(Arg {
        source: SYSCALL_NUMBER,
        way: vec![],
        read: Read::Syscall,
        kind: CALL,
        beside: false,
    });
    if selectors.is_empty() {
        selectors.push(Selector::default());
    }
    for selector in selectors {
        selector.filters.insert(0, native.clone());
    }
}

/// What the tracepoint `raw_syscalls:sys_enter` records (include/trace/events/syscalls.h): the number of the call, behind
/// what all tracepoints have, and its six arguments.
const SYSCALL_NUMBER: Source = Source::Field { offset: 8, bytes: 8 };

/// Argument `index` of a system call in what `raw_syscalls:sys_enter` records.
pub(super) const fn syscall_argument(index: u32) -> Source {
    Source::Field {
        offset: 16 + 8 * index as u16,
        bytes: 8,
    }
}

/// Makes arguments that are read at the return of a function begin at what its entry kept. Returns what that is.
fn save(args: &mut [Arg]) -> Result<Vec<Source>, Reason> {
    let mut saved = vec![];
    for arg in args {
        let mut keep = |source: &mut Source| {
            if let Source::Parameter(_) = source {
                let known = saved.iter().position(|known| known == source);
                let index = known.unwrap_or_else(|| {
                    saved.push(*source);
                    saved.len() - 1
                });
                *source = Source::Saved(index as u8);
            }
        };
        keep(&mut arg.source);
        if let Read::Bytes {
            len: Length::Word { source, .. },
            ..
        }
        | Read::Pieces(_, Length::Word { source, .. }) = &mut arg.read
        {
            keep(source);
        }
    }
    if saved.len() > ebpf_abi::hook::SAVED {
        return Err(Reason::NotYet("returnCopy of so many arguments".into()));
    }
    Ok(saved)
}

fn lower_selector(
    selector: &model::Selector,
    hook: &model::Hook,
    args: &[Arg],
    positions: &[Option<usize>],
    point: &PointKey,
    process: &mut LowerProcess<'_>,
) -> Result<Selector, Reason> {
    let mut filters = vec![];
    for condition in &selector.process {
        filters.extend(process(condition)?);
    }
    // Data comes behind the arguments.
    let of_args = selector.args.iter().map(|filter| (filter, filter.position));
    let of_data = selector
        .data
        .iter()
        .map(|filter| (filter, filter.position + hook.args.len()));
    for (condition, position) in of_args.chain(of_data) {
        let place = |position: usize| match positions.get(position) {
            Some(&Some(position)) => Ok(position),
            _ => Err(Reason::Kernel(
                "matchArgs is on an argument with returnCopy, which is not there yet: use matchReturnArgs".into(),
            )),
        };
        let position = place(position)?;
        if let model::Test::CapabilitiesGained { second } = condition.test {
            filters.push(Filter::Gained {
                old: position,
                new: place(second)?,
            });
            continue;
        }
        filters.extend(filter::arg(condition, position, args[position].read)?);
    }
    let actions = selector
        .actions
        .iter()
        .map(|action| lower_action(action, point))
        .collect::<Result<Vec<_>, Reason>>()?;
    Ok(Selector { filters, actions })
}

fn lower_action(action: &model::Action, point: &PointKey) -> Result<Action, Reason> {
    Ok(match action {
        model::Action::Post(post) if (post.kernel_stack || post.user_stack) && point.kind.op() != op::KPROBE => {
            return Err(Reason::Kernel(
                "only events of kprobes and fentries have stack traces".into(),
            ));
        }
        model::Action::Post(post) if post.ima_hash => return Err(Reason::NotYet("imaHash".into())),
        model::Action::Post(post) => Action::Post(Post {
            limit: post.rate_limit.map(|limit| Limit {
                window: u64::try_from(limit.window.as_millis()).unwrap_or(u64::MAX),
                scope: match limit.scope {
                    model::Scope::Thread => scope::THREAD,
                    model::Scope::Process => scope::PROCESS,
                    model::Scope::Global => scope::GLOBAL,
                },
            }),
            kernel_stack: post.kernel_stack,
            user_stack: post.user_stack,
        }),
        model::Action::NoPost => Action::NoPost,
        model::Action::Signal(number) => Action::Signal(*number),
        model::Action::Sigkill => Action::Signal(9),
        model::Action::Override(model::Override::Return(value)) => match point.kind {
            // Another number would not be an error to the function's callers, and 0 would let it run.
            PointKind::Lsm(_) | PointKind::Security(_) | PointKind::Modify(_) if !(-4_095..0).contains(value) => {
                return Err(Reason::Kernel(format!(
                    "Override with argError {value}: a security hook denies with -4095 to -1"
                )));
            }
            PointKind::Kprobe | PointKind::Syscall { .. } if !probe::override_return() => {
                return Err(Reason::Kernel(
                    "this kernel cannot override what functions return: it was built without \
                     CONFIG_BPF_KPROBE_OVERRIDE; use a security_ function or an LSM hook, or Sigkill"
                        .into(),
                ));
            }
            PointKind::Lsm(_)
            | PointKind::Security(_)
            | PointKind::Modify(_)
            | PointKind::Kprobe
            | PointKind::Syscall { .. } => Action::Override(*value),
            _ => return Err(Reason::Kernel("Override cannot be done here".into())),
        },
        other => return Err(Reason::NotYet(format!("action {}", other.kind().name()))),
    })
}
