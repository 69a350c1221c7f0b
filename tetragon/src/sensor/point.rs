//! A hook point: one attachment, one program.

use ebpf_abi::hook::runtime;
use ebpf_codegen::{Hook, Point};
use ebpf_loader::{Dispatcher, Link, Loaded, Program, ProgramKind, TracingAttach};

use super::{
    Error, elf,
    lower::{PointKey, PointKind},
    running::Running,
};

/// A hook point that policies want something of.
#[derive(Debug)]
pub(super) struct Attached {
    key: PointKey,
    kind: ProgramKind,
    /// Detaches when dropped, before what is behind it goes.
    _link: Link,
    dispatcher: Dispatcher,
    /// What runs now.
    program: Program,
}

impl Attached {
    /// Loads the program for `hooks` and attaches it.
    pub(super) fn attach(key: &PointKey, kind: ProgramKind, hooks: Vec<Hook>, loaded: &Loaded) -> Result<Self, Error> {
        let program = load(key, kind, hooks, loaded)?;
        let dispatcher = Dispatcher::new(&key.name, kind)?;
        // Before it is attached: the first hit finds a program.
        dispatcher.set(&program)?;
        let stub = dispatcher.program();
        let link = match key.kind {
            PointKind::Kprobe | PointKind::Syscall { .. } => stub.attach_kprobe(&key.name, 0, false)?,
            PointKind::KprobeReturn => stub.attach_kprobe(&key.name, 0, true)?,
            PointKind::Function(_) | PointKind::Modify(_) | PointKind::FunctionReturn(_) | PointKind::Lsm(_) => {
                stub.attach()?
            }
            PointKind::RawTracepoint => stub.attach_raw_tracepoint(&key.name)?,
            PointKind::Tracepoint => stub.attach_tracepoint(&key.group, &key.name)?,
            PointKind::Uprobe { offset, counter, file } => {
                // A breakpoint in the middle of an instruction is the end of whoever runs it.
                if elf::Identity::of(&key.group) != Ok(file) {
                    return Err(Error::Hook {
                        policy: String::new(),
                        hook: key.name.clone(),
                        reason: format!(
                            "{} is no longer the file that it was: delete the policy and add it again",
                            key.group
                        ),
                    });
                }
                stub.attach_uprobe(&key.group, offset, counter)?
            }
        };
        Ok(Self {
            key: key.clone(),
            kind,
            _link: link,
            dispatcher,
            program,
        })
    }

    /// Replaces what the point does. Not one hit of it is missed, and none is seen by both programs.
    pub(super) fn exchange(&mut self, hooks: Vec<Hook>, loaded: &Loaded) -> Result<(), Error> {
        let program = load(&self.key, self.kind, hooks, loaded)?;
        self.dispatcher.set(&program)?;
        self.program = program;
        Ok(())
    }

    /// Bytes of the program, translated and as machine code.
    pub(super) fn memory(&self) -> u64 {
        u64::from(self.program.xlated_len()) + u64::from(self.program.jited_len())
    }
}

fn load(key: &PointKey, kind: ProgramKind, hooks: Vec<Hook>, loaded: &Loaded) -> Result<Program, Error> {
    let point = Point {
        context: key.kind.context(),
        op: key.kind.op(),
        hooks,
    };
    let too_long = |error| Error::TooLong {
        hook: key.name.clone(),
        error,
    };
    let code = ebpf_codegen::compile(&point).map_err(too_long)?;
    let name = match key.kind {
        PointKind::Kprobe | PointKind::Syscall { .. } | PointKind::KprobeReturn | PointKind::Uprobe { .. } => {
            "hook_kprobe"
        }
        PointKind::Function(_) | PointKind::FunctionReturn(_) => "hook_function",
        PointKind::Lsm(_) | PointKind::Modify(_) => "hook_lsm",
        PointKind::RawTracepoint => "hook_raw_tracepoint",
        PointKind::Tracepoint => "hook_tracepoint",
    };
    let claim = ebpf_codegen::claim(ebpf_loader::probe::atomic_exchange()).map_err(too_long)?;
    let program = loaded.load_with(name, kind, &[(runtime::POLICIES, &code), (runtime::CLAIM, &claim)])?;
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
        PointKind::Kprobe | PointKind::Syscall { .. } | PointKind::KprobeReturn | PointKind::Uprobe { .. } => {
            ProgramKind::Kprobe
        }
        PointKind::RawTracepoint => ProgramKind::RawTracepoint,
        PointKind::Tracepoint => ProgramKind::Tracepoint,
        PointKind::Function(_) => ProgramKind::Tracing {
            attach: TracingAttach::Entry,
            btf_id: btf_id(&key.name)?,
            sleepable: false,
        },
        PointKind::Modify(_) => ProgramKind::Tracing {
            attach: TracingAttach::ModifyReturn,
            btf_id: btf_id(&key.name)?,
            sleepable: false,
        },
        PointKind::FunctionReturn(_) => ProgramKind::Tracing {
            attach: TracingAttach::Exit,
            btf_id: btf_id(&key.name)?,
            sleepable: false,
        },
        PointKind::Lsm(_) => {
            // Programs attach all the same when the module is off, and never run.
            if ebpf_loader::probe::lsm_enabled("bpf") != Some(true) {
                return Err(Error::Hook {
                    policy: String::new(),
                    hook: key.name.clone(),
                    reason:
                        "bpf is not among the active security modules: boot with lsm=…,bpf (/sys/kernel/security/lsm)"
                            .into(),
                });
            }
            ProgramKind::Lsm {
                btf_id: btf_id(&format!("bpf_lsm_{}", key.name))?,
                sleepable: false,
            }
        }
    })
}
