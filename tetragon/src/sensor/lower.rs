//! From a policy to hooks at hook points.

use std::fmt;

use ebpf_abi::{
    event::op,
    hook::{path_kind, structure},
};
use ebpf_codegen::{Action, Arg, Context, Hook, Read, Selector, Source};
use policy::{
    arg_type::ArgType,
    kernel::Root,
    model::{self, Functions, HookKind, Policy, Target},
};

use super::{
    Error,
    filter::{self, NotYet},
    running::Running,
    table::{ArgInfo, HookInfo},
    way,
};

/// Where in the kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PointKey {
    pub(super) kind: PointKind,
    /// Function, LSM hook or tracepoint.
    pub(super) name: String,
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
    Syscall,
    /// A function with so many parameters, through a trampoline.
    Function(u8),
    /// A security hook.
    Lsm,
    /// A tracepoint, with the parameters that the kernel hands to it.
    RawTracepoint,
}

impl PointKind {
    pub(super) const fn context(self) -> Context {
        match self {
            Self::Kprobe => Context::Registers,
            Self::Syscall => Context::SyscallRegisters,
            Self::Function(parameters) => Context::Function { parameters },
            Self::Lsm => Context::Lsm,
            Self::RawTracepoint => Context::Words,
        }
    }

    /// Type of the records.
    pub(super) const fn op(self) -> u8 {
        match self {
            Self::Kprobe | Self::Syscall | Self::Function(_) => op::KPROBE,
            Self::Lsm => op::LSM,
            Self::RawTracepoint => op::TRACEPOINT,
        }
    }

    /// What it is called where the choice is shown.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kprobe | Self::Syscall => "kprobe",
            Self::Function(_) => "fentry",
            Self::Lsm => "lsm",
            Self::RawTracepoint => "raw_tracepoint",
        }
    }
}

/// One hook of a policy at one point.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) point: PointKey,
    /// Its number is given later.
    pub(super) hook: Hook,
    pub(super) info: HookInfo,
    /// Position of the hook in its section of the policy.
    pub(super) position: usize,
    /// Names of its selectors, empty for none.
    pub(super) labels: Vec<String>,
}

/// Everything that `policy` wants.
pub(super) fn policy(policy: &Policy, kernel: &Running<'_>) -> Result<Vec<Wanted>, Error> {
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
    if policy.loader {
        return Err(not_yet("loader".into()));
    }
    let mut wanted = vec![];
    for hook in &policy.hooks {
        for point in points(hook, kernel).map_err(not_yet)? {
            let lowered = lower(policy, hook, point, kernel).map_err(|reason| match reason {
                Reason::NotYet(what) => not_yet(what),
                Reason::Kernel(reason) => Error::Hook {
                    policy: policy.name.clone(),
                    hook: hook.place.path.to_string(),
                    reason,
                },
            })?;
            wanted.push(lowered);
        }
    }
    Ok(wanted)
}

/// Why a hook cannot be.
enum Reason {
    NotYet(NotYet),
    Kernel(String),
}

impl From<NotYet> for Reason {
    fn from(what: NotYet) -> Self {
        Self::NotYet(what)
    }
}

/// The hook points of `hook`: the cheapest kind that can do what it asks for.
fn points(hook: &model::Hook, kernel: &Running<'_>) -> Result<Vec<PointKey>, NotYet> {
    if hook.needs_return() {
        return Err("observing the return of a function".into());
    }
    let key = |kind, name: &str| PointKey {
        kind,
        name: name.to_owned(),
    };
    Ok(match &hook.target {
        Target::Functions(Functions::Named(names)) => {
            let overrides = hook
                .selectors
                .iter()
                .flat_map(|selector| &selector.actions)
                .any(|action| matches!(action, model::Action::Override(_)));
            let registers = hook
                .data
                .iter()
                .any(|arg| matches!(arg.source, model::Source::Register(_)));
            // Trampolines are cheaper, but have no registers and cannot skip the function.
            let kind = |name: &str| match kernel.parameters(name) {
                Some(parameters @ 0..=6) if !overrides && !registers => PointKind::Function(parameters as u8),
                _ => PointKind::Kprobe,
            };
            names.iter().map(|name| key(kind(name), name)).collect()
        }
        Target::Functions(Functions::Syscalls(syscalls)) => syscalls
            .iter()
            .flat_map(policy::syscalls::Syscall::symbols)
            .filter(|symbol| kernel.parameters(symbol).is_some() || kernel.is_function(symbol))
            .take(syscalls.len())
            .map(|symbol| key(PointKind::Syscall, &symbol))
            .collect(),
        Target::Functions(Functions::AllSyscalls | Functions::Matching(_)) => {
            return Err("generated lists of functions".into());
        }
        Target::Lsm { hook } => vec![key(PointKind::Lsm, hook)],
        Target::Tracepoint { event, .. } if hook.kind == HookKind::RawTracepoint => {
            vec![key(PointKind::RawTracepoint, event)]
        }
        Target::Tracepoint { .. } => return Err("tracepoints without `raw: true`".into()),
        Target::Uprobe { .. } => return Err("uprobes".into()),
        Target::Usdt { .. } => return Err("usdts".into()),
    })
}

fn lower(policy: &Policy, hook: &model::Hook, point: PointKey, kernel: &Running<'_>) -> Result<Wanted, Reason> {
    let mut args = vec![];
    let mut infos = vec![];
    for (arg, data) in hook
        .args
        .iter()
        .map(|arg| (arg, false))
        .chain(hook.data.iter().map(|arg| (arg, true)))
    {
        if arg.arg_type == ArgType::Nop {
            return Err(Reason::NotYet("type nop".into()));
        }
        let (lowered, arg_type) = argument(hook, arg, &point, kernel, args.len())?;
        args.push(lowered);
        infos.push(ArgInfo {
            arg_type,
            label: arg.label.clone().unwrap_or_default(),
            data,
        });
    }
    let selectors = hook
        .selectors
        .iter()
        .map(|selector| lower_selector(selector, hook, &args, &point))
        .collect::<Result<Vec<_>, Reason>>()?;
    let subsystem = match &hook.target {
        Target::Tracepoint { subsystem, .. } => subsystem.clone(),
        _ => String::new(),
    };
    Ok(Wanted {
        info: HookInfo {
            policy: policy.name.clone(),
            name: point.name.clone(),
            subsystem,
            args: infos,
            message: hook.message.clone().unwrap_or_default(),
            tags: hook.tags.clone(),
        },
        hook: Hook {
            number: 0,
            args,
            selectors,
            ..Hook::default()
        },
        point,
        position: hook.position,
        labels: hook
            .selectors
            .iter()
            .map(|selector| selector.label.clone().unwrap_or_default())
            .collect(),
    })
}

fn lower_selector(
    selector: &model::Selector,
    hook: &model::Hook,
    args: &[Arg],
    point: &PointKey,
) -> Result<Selector, Reason> {
    let mut filters = vec![];
    for condition in &selector.process {
        filters.extend(filter::process(condition, host_namespace)?);
    }
    // Data comes behind the arguments.
    let data = selector.data.iter().map(|filter| {
        let mut filter = filter.clone();
        filter.position += hook.args.len();
        filter
    });
    for condition in selector.args.iter().cloned().chain(data) {
        let Some(arg) = args.get(condition.position) else {
            return Err(Reason::Kernel("a filter is on an argument that is not there".into()));
        };
        filters.extend(filter::arg(&condition, arg.read)?);
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
        model::Action::Post(post) if post.rate_limit.is_some() => return Err(Reason::NotYet("rateLimit".into())),
        model::Action::Post(post) if post.kernel_stack || post.user_stack => {
            return Err(Reason::NotYet("stack traces".into()));
        }
        model::Action::Post(post) if post.ima_hash => return Err(Reason::NotYet("imaHash".into())),
        model::Action::Post(_) => Action::Post,
        model::Action::NoPost => Action::NoPost,
        model::Action::Signal(number) => Action::Signal(*number),
        model::Action::Sigkill => Action::Signal(9),
        model::Action::Override(model::Override::Return(value)) => match point.kind {
            // A verdict of LSM is a negated errno.
            PointKind::Lsm => Action::Override((*value).clamp(-4_095, 0)),
            PointKind::Kprobe | PointKind::Syscall => Action::Override(*value),
            PointKind::Function(_) | PointKind::RawTracepoint => {
                return Err(Reason::Kernel("Override cannot be done here".into()));
            }
        },
        other => return Err(Reason::NotYet(format!("action {}", other.kind().name()))),
    })
}

/// The argument for code, and its type as far as the kernel knows better than the policy.
fn argument(
    hook: &model::Hook,
    arg: &model::Arg,
    point: &PointKey,
    kernel: &Running<'_>,
    position: usize,
) -> Result<(Arg, ArgType), Reason> {
    if arg.max_data {
        return Err(Reason::NotYet("maxData".into()));
    }
    let source = match &arg.source {
        model::Source::Parameter => Source::Parameter(arg.index as u8),
        model::Source::CurrentTask => Source::Task,
        model::Source::Register(name) => return Err(Reason::NotYet(format!("register {name} of pt_regs"))),
    };
    let mut arg_type = arg.arg_type;
    let mut way = vec![];
    if !arg.resolve.0.is_empty() {
        let root = match (&arg.source, &arg.btf_type, &hook.target) {
            (model::Source::CurrentTask, ..) => Root::CurrentTask,
            (_, Some(name), _) => Root::Structure(name),
            (_, None, Target::Lsm { hook }) => Root::LsmHook(hook, arg.index),
            (_, None, Target::Tracepoint { event, .. }) => Root::RawTracepoint(event, arg.index),
            (..) => Root::Function(&point.name, arg.index),
        };
        let (ty, address) = kernel
            .root(&root)
            .ok_or_else(|| Reason::NotYet("resolve from what this argument is".into()))?;
        let end = way::walk(kernel.types, ty, address, &arg.resolve).map_err(Reason::Kernel)?;
        arg_type = end.arg_type.unwrap_or(arg_type);
        way = end.way;
    }
    let user = point.kind == PointKind::Syscall && way.is_empty();
    let read = read(arg, arg_type, user, kernel, &mut way)?;
    let kind = position as u16;
    Ok((
        Arg {
            source,
            way,
            read,
            kind,
        },
        arg_type,
    ))
}

/// How a value of type `arg_type` is read; what has to be followed for that is added to `way`.
fn read(
    arg: &model::Arg,
    arg_type: ArgType,
    user: bool,
    kernel: &Running<'_>,
    way: &mut Vec<i32>,
) -> Result<Read, Reason> {
    use ArgType as T;
    let number = |bytes, signed| Ok(Read::Number { bytes, signed });
    match arg_type {
        T::Int8 => number(1, true),
        T::Uint8 => number(1, false),
        T::Int16 => number(2, true),
        T::Uint16 => number(2, false),
        T::Int | T::Capability | T::BpfCmd => number(4, true),
        T::Uint32 => number(4, false),
        T::Int64 => number(8, true),
        T::Uint64 | T::SizeT => number(8, false),
        T::KernelCapT | T::CapInheritable | T::CapPermitted | T::CapEffective => {
            // The value is a pointer to the set, unless the way ends at the set.
            if way.is_empty() {
                way.push(0);
            }
            number(8, false)
        }
        T::String => Ok(Read::Text { user }),
        T::Filename => {
            follow(way, member(kernel, "filename", "name")?, true);
            Ok(Read::Text { user: false })
        }
        T::NetDevice => {
            follow(way, member(kernel, "net_device", "name")?, false);
            Ok(Read::Text { user: false })
        }
        T::CharBuf => {
            let Some(size) = arg.size_index else {
                return Err(Reason::NotYet("char_buf without sizeArgIndex".into()));
            };
            if !user {
                return Err(Reason::NotYet("char_buf in the memory of the kernel".into()));
            }
            Ok(Read::Bytes(Source::Parameter(size as u8)))
        }
        T::Fd => Ok(Read::Path(path_kind::FD)),
        T::File => Ok(Read::Path(path_kind::FILE)),
        T::Path => Ok(Read::Path(path_kind::PATH)),
        T::Kiocb => Ok(Read::Path(path_kind::KIOCB)),
        T::LinuxBinprm => Ok(Read::Path(path_kind::BINPRM)),
        T::Sock => Ok(Read::Structure(structure::SOCK)),
        T::Socket => Ok(Read::Structure(structure::SOCKET)),
        T::Skb => Ok(Read::Structure(structure::SKB)),
        T::Sockaddr => Ok(Read::Structure(structure::SOCKADDR)),
        T::Cred => Ok(Read::Structure(structure::CRED)),
        other => Err(Reason::NotYet(format!("type {}", other.name()))),
    }
}

/// Goes on to a member of the structure that the way leads to; with `pointer`, to what the member points to.
fn follow(way: &mut Vec<i32>, offset: i32, pointer: bool) {
    // The way ends at the structure: its last offset is not followed.
    let last = way.pop().unwrap_or(0);
    way.push(last + offset);
    if pointer {
        way.push(0);
    }
}

fn member(kernel: &Running<'_>, structure: &str, member: &str) -> Result<i32, Reason> {
    let lacks = || Reason::Kernel(format!("the kernel has no {structure}.{member}"));
    let ty = kernel.types.structure(structure).ok_or_else(lacks)?;
    let found = kernel.types.member(ty, member).ok_or_else(lacks)?;
    i32::try_from(found.byte_offset()).map_err(|_| lacks())
}

/// Inode number of a namespace of process 1, by its position in [`Namespaces`](ebpf_abi::map::Namespaces).
fn host_namespace(position: u32) -> u32 {
    let host = crate::procfs::namespaces(std::path::Path::new("/proc/1/ns"));
    let all = [
        host.uts,
        host.ipc,
        host.mnt,
        host.pid,
        host.pid_for_children,
        host.net,
        host.time,
        host.time_for_children,
        host.cgroup,
        host.user,
    ];
    all.get(position as usize).copied().unwrap_or(0)
}
