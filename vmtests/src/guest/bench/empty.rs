//! Programs that do nothing: what a hook costs before anybody looks at anything.

use anyhow::{Context as _, Result};
use btf::Btf;
use ebpf_loader::{Link, Program, ProgramKind, TracingAttach};

/// A hook point.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// A raw tracepoint.
    RawTracepoint(&'static str),
    /// A tracepoint, by group and name.
    Tracepoint(&'static str, &'static str),
    /// A function, by breakpoint.
    Kprobe(&'static str),
    /// A function, through a trampoline.
    Function(&'static str),
    /// A security hook.
    Lsm(&'static str),
}

/// Attaches an empty program, until the value is dropped.
pub fn attach(place: Place) -> Result<Link> {
    let program = |kind| Program::empty("empty", kind);
    Ok(match place {
        Place::RawTracepoint(name) => program(ProgramKind::RawTracepoint)?.attach_raw_tracepoint(name)?,
        Place::Tracepoint(group, name) => program(ProgramKind::Tracepoint)?.attach_tracepoint(group, name)?,
        Place::Kprobe(name) => program(ProgramKind::Kprobe)?.attach_kprobe(name, 0, false)?,
        Place::Function(name) => program(ProgramKind::Tracing {
            attach: TracingAttach::Entry,
            btf_id: number(name)?,
            sleepable: false,
        })?
        .attach()?,
        Place::Lsm(name) => program(ProgramKind::Lsm {
            btf_id: number(&format!("bpf_lsm_{name}"))?,
            sleepable: false,
        })?
        .attach()?,
    })
}

/// The number of a function in the kernel's type information.
fn number(function: &str) -> Result<u32> {
    let types = std::fs::read("/sys/kernel/btf/vmlinux").context("read the kernel's type information")?;
    let types = Btf::parse(&types).context("the kernel's type information")?;
    let found = types.function(function);
    Ok(found.with_context(|| format!("the kernel has no {function}"))?.id.0)
}
