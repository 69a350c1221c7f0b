//! From a policy to hooks at hook points.

use std::{fmt, sync::Arc};

use ebpf_abi::{
    event::{CALL, op},
    hook::{scope, structure},
};
use ebpf_codegen::{
    Action, Arg, Change, Filter, Hook, Length, Limit, NumberTest, Ownership, Post, Read, Selector, Socket, Source,
    Stage, Subject,
};
use policy::{
    arg_type::ArgType,
    model::{self, Policy, ProcessFilter, Target, Track},
    syscalls::{Abi, Syscall},
};

use ebpf_loader::probe;
use tetragon_api::v1::HookStatus;

use crate::{errand::Request, procfs::Procfs};

use super::{
    Error,
    argument::{Role, argument},
    change, enforcer,
    filter::{self, NotYet},
    hash,
    images::Conditions,
    loader,
    points::{self, CANNOT_SKIP, PointKey, PointKind, SECURITY},
    running::Running,
    spared, status,
    table::{ArgInfo, Errand, HookInfo},
};

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

impl Wanted {
    /// What reports nothing.
    fn silent(parts: Vec<(PointKey, Hook)>) -> Self {
        Self {
            parts,
            info: HookInfo::default(),
            position: 0,
            labels: vec![],
        }
    }
}

/// Everything that `policy` wants, and what its hooks come to; `agent` is the id of the agent. Conditions on executables that hold
/// beyond the moment are added to `conditions`.
pub(super) fn policy(
    policy: &Policy,
    kernel: &Running<'_>,
    procfs: &Procfs,
    agent: u32,
    conditions: &mut Conditions,
) -> Result<(Vec<Wanted>, Vec<HookStatus>), Error> {
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
    let (mut wanted, mut statuses) = (vec![], vec![]);
    if let Some(enforcer) = &policy.enforcer {
        // Before anything that tells it what to do.
        let parts = enforcer::parts(policy, enforcer, kernel);
        let parts = parts.map_err(|reason| failed(&"spec.enforcers[0]", reason))?;
        wanted.push(Wanted::silent(parts));
    }
    if policy.loader {
        wanted.push(loader::wanted(policy, kernel).map_err(|reason| failed(&"spec.loader", reason))?);
    }
    for hook in &policy.hooks {
        let failed = |reason| failed(&hook.place.path, reason);
        let points = points::of(hook, policy.options.override_method, kernel).map_err(failed)?;
        statuses.push(status::of(hook, &points));
        for point in points {
            let mut lowered = lower(policy, hook, point, kernel, &mut process).map_err(failed)?;
            for (_, part) in &mut lowered.parts {
                spared::mark(hook, agent, part);
            }
            wanted.push(lowered);
        }
    }
    if let Some(first) = wanted.first_mut() {
        // Before anything that asks for them.
        first.parts.splice(0..0, conditions.parts());
    }
    Ok((wanted, statuses))
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

fn lower(
    policy: &Policy,
    hook: &model::Hook,
    point: PointKey,
    kernel: &Running<'_>,
    process: &mut LowerProcess<'_>,
) -> Result<Wanted, Reason> {
    let read = |arg, role| argument(hook, arg, &point, role, kernel);
    let (mut args, mut late, mut infos, mut positions) = (vec![], vec![], vec![], vec![]);
    let mut sockets = Sockets::default();
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
        sockets.add(positions.len(), arg.return_copy, &lowered);
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
    let mut changes = vec![];
    let mut selectors = hook
        .selectors
        .iter()
        .map(|selector| {
            let read = (&args[..], &positions[..], &sockets);
            lower_selector(selector, hook, read, (&point, kernel), (process, &mut changes))
        })
        .collect::<Result<Vec<_>, Reason>>()?;
    let (provider, name) = match &hook.target {
        Target::Usdt { provider, name, .. } => (provider.clone(), name),
        _ => (String::new(), &point.name),
    };
    if point.kind == PointKind::Syscalls {
        native_calls(&mut args, &mut selectors, hook.needs_return());
    }
    let mut info = HookInfo {
        loader: false,
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
        errands: errands(hook)?,
        message: hook.message.clone().unwrap_or_default(),
        tags: hook.tags.clone(),
    };
    let mut entry = Hook {
        number: 0,
        args,
        selectors,
        sockets: sockets.at_entry(),
        changes,
        ..Hook::default()
    };
    let mut parts = vec![];
    if hook.needs_return() {
        let Some(key) = point.returned() else {
            return Err(Reason::Kernel("its return cannot be observed".into()));
        };
        let (mut args, mut touched) = (vec![], vec![]);
        if let Some((lowered, arg_type)) = returned {
            info.returns = Some(ArgInfo {
                arg_type,
                label: returns
                    .and_then(|returns| returns.arg.label.clone())
                    .unwrap_or_default(),
                data: false,
                at_return: true,
            });
            touched.extend(socket(&lowered));
            args.push(lowered);
        }
        let ownership = match returns.and_then(|returns| returns.track) {
            Some(_) if touched.is_empty() => {
                return Err(Reason::Kernel(
                    "returnArgAction is on a result that is no socket".into(),
                ));
            }
            Some(Track::Start) => vec![Ownership::Track(0)],
            Some(Track::Stop) => vec![Ownership::Untrack(0)],
            None => vec![],
        };
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
            let mut place = |position| {
                touched.push(sockets.of(position)?.clone());
                Some(touched.len() - 1)
            };
            let actions = selector
                .return_actions
                .iter()
                .map(|action| lower_action(action, &point, &mut place))
                .collect::<Result<Vec<_>, Reason>>()?;
            selectors.push(Selector {
                filters,
                actions,
                ..Selector::default()
            });
        }
        // Programs at the return that a trampoline calls still see the parameters, but execve(2) changes the registers.
        let saved = match key.kind {
            PointKind::KprobeReturn
            | PointKind::UprobeReturn(_)
            | PointKind::SyscallReturn { .. }
            | PointKind::SyscallsReturn => save(&mut args, &mut touched)?,
            _ => vec![],
        };
        entry.stage = Stage::Entry { saved };
        let hook = Hook {
            number: 0,
            args,
            selectors,
            sockets: touched,
            ownership,
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

/// What the selectors of `hook` send the agent for.
fn errands(hook: &model::Hook) -> Result<Vec<Errand>, Reason> {
    let mut errands = vec![];
    for (position, selector) in hook.selectors.iter().enumerate() {
        for (at_return, actions) in [(false, &selector.actions), (true, &selector.return_actions)] {
            for action in actions {
                let request = match action {
                    model::Action::GetUrl(url) if url.starts_with("https:") => {
                        return Err(Reason::NotYet("action GetUrl with https".into()));
                    }
                    model::Action::GetUrl(url) => Request::get(url),
                    model::Action::DnsLookup(name) => Request::look_up(name),
                    _ => continue,
                };
                let failed = |reason| Reason::Kernel(format!("{}: {reason}", action.kind()));
                if actions.contains(&model::Action::NoPost) {
                    return Err(failed("what is not reported, by NoPost, asks for nothing".into()));
                }
                errands.push(Errand {
                    at_return,
                    selector: position as u16,
                    request: Arc::new(request.map_err(failed)?),
                });
            }
        }
    }
    Ok(errands)
}

/// The sockets among the arguments of a policy.
#[derive(Debug, Default)]
struct Sockets(Vec<SocketArg>);

#[derive(Debug)]
struct SocketArg {
    /// Position in the policy, data behind the arguments.
    position: usize,
    /// Whether it is there only when the function returns.
    late: bool,
    socket: Socket,
}

impl Sockets {
    fn add(&mut self, position: usize, late: bool, arg: &Arg) {
        let socket = socket(arg);
        self.0.extend(socket.map(|socket| SocketArg { position, late, socket }));
    }

    fn early(&self) -> impl Iterator<Item = &SocketArg> {
        self.0.iter().filter(|arg| !arg.late)
    }

    /// Those that are there when the hook is reached.
    fn at_entry(&self) -> Vec<Socket> {
        self.early().map(|arg| arg.socket.clone()).collect()
    }

    /// Which of these the one at `position` is.
    fn index(&self, position: usize) -> Option<usize> {
        self.early().position(|arg| arg.position == position)
    }

    /// The one at `position`.
    fn of(&self, position: usize) -> Option<&Socket> {
        let arg = self.0.iter().find(|arg| arg.position == position);
        arg.map(|arg| &arg.socket)
    }
}

/// The socket that `arg` is, if it is one.
fn socket(arg: &Arg) -> Option<Socket> {
    let Read::Structure(structure @ (structure::SOCK | structure::SOCKET)) = arg.read else {
        return None;
    };
    Some(Socket {
        source: arg.source,
        way: arg.way.clone(),
        structure,
    })
}

/// Adds the number of the system call to `args`, and lets `selectors` pass only those that 64-bit programs ask for: the number
/// of a 32-bit program is marked by bit 31. All others pass, whether the kernel has them or not: those of x32, which bit 30
/// marks, run the same functions.
///
/// Where their return is observed (`returns`), those that have none do not pass: the thread that gets the memory of one that
/// ended begins with a return, from the call that made it.
fn native_calls(args: &mut Vec<Arg>, selectors: &mut Vec<Selector>, returns: bool) {
    let subject = Subject::Arg(args.len());
    let ranges = vec![(0, (1 << 31) - 1)];
    let mut filters = vec![Filter::Number(subject, NumberTest::In { ranges, not: false })];
    if returns {
        let numbers = points::ENDLESS.iter().filter_map(|name| Syscall::parse(name));
        let numbers = numbers.flat_map(|syscall| [0, Abi::X32].map(|mark| u64::from(mark | syscall.number)));
        let ranges = numbers.map(|number| (number, number)).collect();
        filters.push(Filter::Number(subject, NumberTest::In { ranges, not: true }));
    }
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
        selector.filters.splice(0..0, filters.iter().cloned());
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

/// Makes arguments and sockets that are read at the return of a function begin at what its entry kept. Returns what that
/// is.
fn save(args: &mut [Arg], sockets: &mut [Socket]) -> Result<Vec<Source>, Reason> {
    let mut saved = vec![];
    let mut keep = |source: &mut Source| {
        if let Source::Parameter(_) | Source::Field { .. } = source {
            let known = saved.iter().position(|known| known == source);
            let index = known.unwrap_or_else(|| {
                saved.push(*source);
                saved.len() - 1
            });
            *source = Source::Saved(index as u8);
        }
    };
    for socket in sockets {
        keep(&mut socket.source);
    }
    for arg in args {
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
        return Err(Reason::NotYet("so many arguments at the return of a function".into()));
    }
    Ok(saved)
}

fn lower_selector(
    selector: &model::Selector,
    hook: &model::Hook,
    (args, positions, sockets): (&[Arg], &[Option<usize>], &Sockets),
    (point, kernel): (&PointKey, &Running<'_>),
    (process, changes): (&mut LowerProcess<'_>, &mut Vec<Vec<Change>>),
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
        .map(|action| match (action, point.kind) {
            (model::Action::Set { position, value }, _) => {
                let arg = positions.get(*position).copied().flatten();
                change::set(*position, arg.map(|index| &args[index]), *value)
            }
            (model::Action::Override(what), PointKind::Uprobe(place)) => {
                changes.push(change::registers(what, point, place)?);
                Ok(Action::Change(changes.len() - 1))
            }
            _ => {
                let mut lowered = lower_action(action, point, &mut |position| sockets.index(position))?;
                if let (Action::Post(lowered), model::Action::Post(model::Post { ima_hash: true, .. })) =
                    (&mut lowered, action)
                {
                    lowered.hash = Some(hash::of(point, kernel)?);
                }
                Ok(lowered)
            }
        })
        .collect::<Result<Vec<_>, Reason>>()?;
    Ok(Selector {
        filters,
        actions,
        ..Selector::default()
    })
}

/// Tetragon's numbers of the actions that the agent takes.
const GET_URL: u16 = 6;
const DNS_LOOKUP: u16 = 7;

/// `socket` gives the socket at a position in the policy a place among those of the hook.
fn lower_action(
    action: &model::Action,
    point: &PointKey,
    socket: &mut dyn FnMut(usize) -> Option<usize>,
) -> Result<Action, Reason> {
    Ok(match action {
        model::Action::Post(post) if (post.kernel_stack || post.user_stack) && point.kind.op() != op::KPROBE => {
            return Err(Reason::Kernel(
                "only events of kprobes and fentries have stack traces".into(),
            ));
        }
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
            hash: None,
        }),
        model::Action::NoPost => Action::NoPost,
        model::Action::Signal(number) => Action::Signal(*number),
        model::Action::Sigkill => Action::Signal(9),
        model::Action::Override(model::Override::Return(value)) => {
            may_return(*value, "Override", point)?;
            Action::Override(*value)
        }
        model::Action::NotifyEnforcer { error, signal } => Action::Notify {
            error: error.unwrap_or(0),
            signal: signal.unwrap_or(0),
        },
        model::Action::Track(track, position) => {
            let Some(socket) = socket(*position) else {
                return Err(Reason::Kernel(format!(
                    "{}: argument {position} is no socket, or one with returnCopy, which is not there yet",
                    action.kind()
                )));
            };
            Action::Ownership(match track {
                Track::Start => Ownership::Track(socket),
                Track::Stop => Ownership::Untrack(socket),
            })
        }
        model::Action::GetUrl(_) => Action::Ask(GET_URL),
        model::Action::DnsLookup(_) => Action::Ask(DNS_LOOKUP),
        model::Action::CleanupEnforcerNotification => Action::Withdraw,
        other => return Err(Reason::NotYet(format!("action {}", other.kind().name()))),
    })
}

/// Why `action` cannot make the function at `point` return `value` instead of being run, if it cannot.
pub(super) fn may_return(value: i32, action: &str, point: &PointKey) -> Result<(), Reason> {
    match point.kind {
        // Another number would not be an error to the function's callers, and 0 would let it run.
        PointKind::Lsm(_) | PointKind::Security(_) | PointKind::Modify(_) if !(-4_095..0).contains(&value) => {
            Err(Reason::Kernel(format!(
                "{action} with argError {value}: a security hook denies with -4095 to -1"
            )))
        }
        PointKind::ModifySyscall { .. } if !(-4_095..0).contains(&value) => Err(Reason::Kernel(format!(
            "{action} with argError {value}: what is skipped through a trampoline (fmod_ret) returns -4095 to -1"
        ))),
        PointKind::Kprobe if point.name.starts_with(SECURITY) => Err(Reason::Kernel(format!(
            "{action} of {}: it can be skipped through a trampoline only, where there are no registers (data with source pt_regs), \
             and no parameters but the first six, of types that the kernel describes; deny in a hook of its own",
            point.name
        ))),
        PointKind::Kprobe | PointKind::Syscall { .. } if !probe::override_return() => {
            Err(Reason::Kernel(format!("{action} of {}: {CANNOT_SKIP}", point.name)))
        }
        PointKind::Lsm(_)
        | PointKind::Security(_)
        | PointKind::Modify(_)
        | PointKind::ModifySyscall { .. }
        | PointKind::Kprobe
        | PointKind::Syscall { .. } => Ok(()),
        _ => Err(Reason::Kernel(format!("{action} cannot be done here"))),
    }
}
