//! A hook point: one attachment, one program.

use std::{os::fd::AsFd as _, sync::Arc};

use ebpf_abi::hook::runtime;
use ebpf_codegen::{Hook, Point, hashed};
use ebpf_loader::{Dispatcher, Link, Loaded, Pins, Program, ProgramKind, Succession, TracingAttach, probe};

use policy_btf::LSM;

use crate::regular::{self, Identity};

use super::{
    Error, Table, functions,
    hash::{Chain, Kept, Outlasting},
    misses::Misser,
    points::{PointKey, PointKind, SECURITY},
    running::Running,
};

/// A hook point that policies want something of.
#[derive(Debug)]
pub(super) struct Attached {
    key: PointKey,
    kind: ProgramKind,
    means: Means,
    /// What runs behind it.
    chain: Option<Chain>,
    /// What is attached, for whoever is led there when it no longer is.
    kept: Option<Kept>,
    /// What runs now.
    program: Watched<Program>,
    /// What it does, where that must be known to replace it.
    hooks: Vec<Hook>,
    keeping: Keeping,
}

/// What is known of attachments elsewhere, and what keeps them.
#[derive(Clone, Debug)]
pub(super) struct Keeping {
    pub(super) table: Arc<Table>,
    /// Where they are pinned, if they are to outlive the agent.
    pub(super) pins: Option<Arc<Pins>>,
    /// What is kept of those that are gone.
    pub(super) outlasting: Arc<Outlasting>,
}

impl Keeping {
    pub(super) fn watch<T: Misser + 'static>(&self, what: Arc<T>, op: u8) -> Watched<T> {
        Watched::new(what, op, &self.table)
    }
}

/// How programs are exchanged.
#[derive(Debug)]
enum Means {
    /// Behind a dispatcher.
    Dispatcher {
        /// Detaches when dropped, before what is behind it goes.
        link: Watched<Link>,
        dispatcher: Dispatcher,
        /// What is attached.
        _stub: Watched<Program>,
    },
    /// By attaching the next one beside: programs that override.
    Succession {
        link: Watched<Link>,
        succession: Succession,
        generation: u32,
    },
}

/// A program or attachment whose misses are counted, also when it is gone.
#[derive(Debug)]
pub(super) struct Watched<T: Misser + 'static> {
    what: Arc<T>,
    op: u8,
    table: Arc<Table>,
}

impl<T: Misser + 'static> Watched<T> {
    fn new(what: Arc<T>, op: u8, table: &Arc<Table>) -> Self {
        table.misses().watch(op, Arc::clone(&what) as Arc<dyn Misser>);
        Self {
            what,
            op,
            table: Arc::clone(table),
        }
    }
}

impl<T: Misser + 'static> Drop for Watched<T> {
    fn drop(&mut self) {
        let what = Arc::clone(&self.what) as Arc<dyn Misser>;
        self.table.misses().leave(self.op, &what);
    }
}

impl Attached {
    /// Loads the program for `hooks` and attaches it.
    pub(super) fn attach(
        key: &PointKey,
        kind: ProgramKind,
        hooks: Vec<Hook>,
        loaded: &Loaded,
        keeping: Keeping,
    ) -> Result<Self, Error> {
        let watched = |program| keeping.watch::<Program>(program, key.kind.op());
        // What waits for it comes later.
        let chain = Chain::attach(key, kind, &hooks, loaded, &keeping)?;
        let first = overrides(key, &hooks).then_some(1);
        let point = wanted(key, hooks, first);
        let (means, program) = if let Some(first) = first {
            succeed(key, kind, &point, loaded, Succession::new(&key.name)?, first, &keeping)?
        } else {
            let program = load(key, kind, &point, loaded, None)?;
            let mut dispatcher = Dispatcher::new(&key.name, kind)?;
            // Before it is attached: the first hit finds a program.
            dispatcher.set(&program)?;
            if let Some(pins) = &keeping.pins {
                dispatcher.pin(pins, &key.to_string())?;
            }
            let means = Means::Dispatcher {
                link: link(key, dispatcher.program(), &keeping)?,
                _stub: watched(Arc::clone(dispatcher.program())),
                dispatcher,
            };
            (means, program)
        };
        let kept = match &means {
            Means::Dispatcher { dispatcher, .. } => Kept::new(dispatcher.program(), kind, &keeping),
            Means::Succession { .. } => None,
        };
        Ok(Self {
            key: key.clone(),
            kind,
            means,
            chain,
            kept,
            program: watched(Arc::new(program)),
            hooks: known(key, point.hooks),
            keeping,
        })
    }

    /// Replaces what the point does. Not one hit of it is missed, and none is seen by both programs, but for the moment in
    /// which the first hook comes that wants a hash: what waits for one has to be attached after it.
    pub(super) fn exchange(&mut self, hooks: Vec<Hook>, loaded: &Loaded) -> Result<(), Error> {
        if self.chain.is_none() && hashed(&hooks).is_some() {
            let next = Self::attach(&self.key, self.kind, hooks, loaded, self.keeping.clone())?;
            let kept = std::mem::replace(self, next).kept.take();
            // What was attached is last now, behind those who sleep.
            kept.into_iter().for_each(Kept::outlast);
            return Ok(());
        }
        let Self { key, kind, keeping, .. } = self;
        let (point, program) = match &mut self.means {
            Means::Dispatcher { dispatcher, .. } if !overrides(key, &hooks) => {
                let point = wanted(key, hooks, None);
                let program = load(key, *kind, &point, loaded, None)?;
                dispatcher.set(&program)?;
                (point, program)
            }
            Means::Dispatcher { dispatcher, .. } => {
                let succession = Succession::new(&key.name)?;
                // What runs now learns to give way first.
                let before = wanted(key, std::mem::take(&mut self.hooks), Some(0));
                let giving_way = load(key, *kind, &before, loaded, Some(&succession));
                self.hooks = before.hooks;
                dispatcher.set(&giving_way?)?;
                let point = wanted(key, hooks, Some(1));
                let (means, program) = succeed(key, *kind, &point, loaded, succession, 1, keeping)?;
                self.means = means;
                (point, program)
            }
            Means::Succession {
                link,
                succession,
                generation,
            } => {
                let next = *generation + 1;
                let point = wanted(key, hooks, Some(next));
                let program = load(key, *kind, &point, loaded, Some(succession))?;
                let before = std::mem::replace(link, self::link(key, &program, keeping)?);
                *generation = next;
                drop(before);
                (point, program)
            }
        };
        self.program = keeping.watch(Arc::new(program), key.kind.op());
        self.hooks = known(&self.key, point.hooks);
        Ok(())
    }

    /// Whether it is pinned.
    pub(super) fn is_pinned(&self) -> bool {
        let (Means::Dispatcher { link, .. } | Means::Succession { link, .. }) = &self.means;
        link.what.is_pinned()
    }

    /// Bytes of the program, translated and as machine code.
    pub(super) fn memory(&self) -> u64 {
        let program = &self.program.what;
        u64::from(program.xlated_len()) + u64::from(program.jited_len())
    }
}

/// Whether one of `hooks` skips the function at its breakpoint, by overriding what it returns.
pub(super) fn overrides(key: &PointKey, hooks: &[Hook]) -> bool {
    matches!(key.kind, PointKind::Kprobe | PointKind::Syscall { .. }) && hooks.iter().any(Hook::overrides)
}

/// What must be known of what runs: what may have to give way to programs that override.
fn known(key: &PointKey, hooks: Vec<Hook>) -> Vec<Hook> {
    match key.kind {
        PointKind::Kprobe | PointKind::Syscall { .. } if probe::override_return() => hooks,
        _ => vec![],
    }
}

/// What a program does at the point; of those that follow each other, it is this generation.
fn wanted(key: &PointKey, hooks: Vec<Hook>, generation: Option<u32>) -> Point {
    Point {
        context: key.kind.context(),
        op: key.kind.op(),
        hooks,
        generation,
    }
}

/// Attaches the program for `point`, which is generation `generation`.
fn succeed(
    key: &PointKey,
    kind: ProgramKind,
    point: &Point,
    loaded: &Loaded,
    succession: Succession,
    generation: u32,
    keeping: &Keeping,
) -> Result<(Means, Program), Error> {
    let program = load(key, kind, point, loaded, Some(&succession))?;
    let means = Means::Succession {
        link: link(key, &program, keeping)?,
        succession,
        generation,
    };
    Ok((means, program))
}

/// Attaches `program`, and pins it if it is to outlive the agent.
fn link(key: &PointKey, program: &Program, keeping: &Keeping) -> Result<Watched<Link>, Error> {
    let mut link = attach(key, program).map_err(|error| match key.kind {
        PointKind::Kprobe | PointKind::KprobeReturn | PointKind::Function(_) | PointKind::FunctionReturn(_)
            if functions::first(&[&key.name]) == Ok(None) =>
        {
            Error::Hook {
                policy: String::new(),
                hook: key.name.clone(),
                reason: "the kernel has this function, but nothing of it can be traced: it is a copy of an inline one, or marked \
                         notrace (available_filter_functions lacks it)"
                    .into(),
            }
        }
        _ => error,
    })?;
    if let Some(pins) = &keeping.pins {
        link.pin(pins, &key.to_string())?;
    }
    Ok(keeping.watch(Arc::new(link), key.kind.op()))
}

fn attach(key: &PointKey, program: &Program) -> Result<Link, Error> {
    Ok(match key.kind {
        PointKind::Kprobe | PointKind::Syscall { .. } => program.attach_kprobe(&key.name, 0, false)?,
        PointKind::KprobeReturn => program.attach_kprobe(&key.name, 0, true)?,
        PointKind::Function(_)
        | PointKind::SyscallFunction { .. }
        | PointKind::SyscallReturn { .. }
        | PointKind::Modify(_)
        | PointKind::ModifySyscall { .. }
        | PointKind::FunctionReturn(_)
        | PointKind::Lsm(_)
        | PointKind::Security(_) => program.attach()?,
        PointKind::RawTracepoint => program.attach_raw_tracepoint(&key.name)?,
        PointKind::Tracepoint | PointKind::Syscalls | PointKind::SyscallsReturn => {
            program.attach_tracepoint(&key.group, &key.name)?
        }
        PointKind::Uprobe(place) | PointKind::UprobeReturn(place) | PointKind::Usdt(place) => {
            // A breakpoint in the middle of an instruction is the end of whoever runs it. What is compared is what is
            // attached to: the path may lead elsewhere a moment later.
            let opened = regular::open_here(key.group.as_ref()).ok().flatten();
            let Some((file, _)) = opened.filter(|(_, data)| Identity::from(data) == place.file) else {
                return Err(Error::Hook {
                    policy: String::new(),
                    hook: key.name.clone(),
                    reason: format!(
                        "{} is no longer the file that it was: delete the policy and add it again",
                        key.group
                    ),
                });
            };
            let at = (place.offset, key.kind.sees_return());
            program.attach_uprobe(file.as_fd(), &key.group, at, place.counter)?
        }
    })
}

fn load(
    key: &PointKey,
    kind: ProgramKind,
    point: &Point,
    loaded: &Loaded,
    succession: Option<&Succession>,
) -> Result<Program, Error> {
    let too_long = |error| Error::TooLong {
        hook: key.name.clone(),
        error,
    };
    let code = ebpf_codegen::compile(point).map_err(too_long)?;
    let name = match key.kind {
        PointKind::Kprobe
        | PointKind::Syscall { .. }
        | PointKind::KprobeReturn
        | PointKind::Uprobe(_)
        | PointKind::UprobeReturn(_)
        | PointKind::Usdt(_) => "hook_kprobe",
        PointKind::Function(_)
        | PointKind::FunctionReturn(_)
        | PointKind::SyscallFunction { .. }
        | PointKind::SyscallReturn { .. } => "hook_function",
        PointKind::Lsm(_) | PointKind::Modify(_) | PointKind::ModifySyscall { .. } | PointKind::Security(_) => {
            "hook_lsm"
        }
        PointKind::RawTracepoint => "hook_raw_tracepoint",
        PointKind::Tracepoint | PointKind::Syscalls | PointKind::SyscallsReturn => "hook_tracepoint",
    };
    let claim = ebpf_codegen::claim(probe::atomic_exchange()).map_err(too_long)?;
    let own: Vec<_> = succession
        .iter()
        .map(|succession| (runtime::LATEST, succession.map()))
        .collect();
    let replaced = [(runtime::POLICIES, &code), (runtime::CLAIM, &claim)];
    let program = loaded.load_with(name, kind, &replaced, &own)?;
    tracing::debug!(
        hook = key.name,
        verified = program.verified_insns(),
        bytes = program.xlated_len(),
        "policies compiled"
    );
    Ok(program)
}

/// What programs at a hook point are loaded as.
pub(super) fn program_kind(key: &PointKey, kernel: &Running<'_>) -> Result<ProgramKind, Error> {
    let btf_id = |name: &str| {
        let function = kernel.types.function(name).ok_or_else(|| Error::Hook {
            policy: String::new(),
            hook: key.name.clone(),
            reason: format!("the kernel's type information has no {name}"),
        });
        function.map(|function| function.id.0)
    };
    Ok(match key.kind {
        PointKind::Kprobe
        | PointKind::Syscall { .. }
        | PointKind::KprobeReturn
        | PointKind::Uprobe(_)
        | PointKind::UprobeReturn(_)
        | PointKind::Usdt(_) => ProgramKind::Kprobe,
        PointKind::RawTracepoint => ProgramKind::RawTracepoint,
        PointKind::Tracepoint | PointKind::Syscalls | PointKind::SyscallsReturn => ProgramKind::Tracepoint,
        PointKind::Function(_) | PointKind::SyscallFunction { .. } => ProgramKind::Tracing {
            attach: TracingAttach::Entry,
            btf_id: btf_id(&key.name)?,
            sleepable: false,
        },
        PointKind::Modify(_) | PointKind::ModifySyscall { .. } => ProgramKind::Tracing {
            attach: TracingAttach::ModifyReturn,
            btf_id: btf_id(&key.name)?,
            sleepable: false,
        },
        PointKind::FunctionReturn(_) | PointKind::SyscallReturn { .. } => ProgramKind::Tracing {
            attach: TracingAttach::Exit,
            btf_id: btf_id(&key.name)?,
            sleepable: false,
        },
        PointKind::Security(_) => ProgramKind::Lsm {
            btf_id: btf_id(&format!("{LSM}{}", key.name.trim_start_matches(SECURITY)))?,
            sleepable: false,
        },
        PointKind::Lsm(_) => {
            // Programs attach all the same when the module is off, and never run.
            if probe::lsm_enabled("bpf") != Some(true) {
                return Err(Error::Hook {
                    policy: String::new(),
                    hook: key.name.clone(),
                    reason:
                        "bpf is not among the active security modules: boot with lsm=…,bpf (/sys/kernel/security/lsm)"
                            .into(),
                });
            }
            ProgramKind::Lsm {
                btf_id: btf_id(&format!("{LSM}{}", key.name))?,
                sleepable: false,
            }
        }
    })
}
