//! The hook at which privileges gained by an exec are seen: the cheapest that this kernel has.

use btf::Btf;
use ebpf_loader::{Error, Link, Loaded, Program, ProgramKind, TracingAttach, probe};

use super::start;

/// The function that is hooked (security/security.c), and its LSM hook in the kernel's type information.
const FUNCTION: &str = "security_bprm_committing_creds";
const LSM_HOOK: &str = "bpf_lsm_bprm_committing_creds";

/// Loads and attaches the program for it: as LSM, else through a trampoline, else through a breakpoint. `None`, with a
/// warning, when the kernel takes none of them: events then lack what changed.
pub(super) fn attach(loaded: &Loaded, types: &Btf<'_>) -> Option<Link> {
    let mut refused = Vec::new();
    for (name, attempt) in [
        ("LSM", lsm as fn(&Loaded, &Btf<'_>) -> Result<Link, Refused>),
        ("fentry", fentry),
        ("kprobe", kprobe),
    ] {
        match attempt(loaded, types) {
            Ok(link) => {
                tracing::info!(hook = name, "privileges gained by executions are observed");
                return Some(link);
            }
            Err(reason) => {
                let reason = reason.to_string();
                // The verifier's log belongs to developers.
                tracing::debug!("{name}: {reason}");
                refused.push(format!("{name}: {}", reason.lines().next().unwrap_or_default()));
            }
        }
    }
    tracing::warn!(
        "privileges gained by executions are not observed, binary_properties will lack them: {}",
        refused.join("; ")
    );
    None
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("bpf is not among the active security modules (/sys/kernel/security/lsm)")]
    Inactive,
    #[error("the kernel's type information has no {0}")]
    NoFunction(&'static str),
    #[error("{0}")]
    Loader(#[from] Error),
}

fn lsm(loaded: &Loaded, types: &Btf<'_>) -> Result<Link, Refused> {
    // Programs attach all the same when the module is off, and never run.
    if probe::lsm_enabled("bpf") != Some(true) {
        return Err(Refused::Inactive);
    }
    let kind = ProgramKind::Lsm {
        btf_id: function(types, LSM_HOOK)?,
        sleepable: false,
    };
    Ok(load(loaded, "lsm_bprm_committing_creds", kind)?.attach()?)
}

fn fentry(loaded: &Loaded, types: &Btf<'_>) -> Result<Link, Refused> {
    let kind = ProgramKind::Tracing {
        attach: TracingAttach::Entry,
        btf_id: function(types, FUNCTION)?,
        sleepable: false,
    };
    Ok(load(loaded, "fentry_bprm_committing_creds", kind)?.attach()?)
}

fn kprobe(loaded: &Loaded, _types: &Btf<'_>) -> Result<Link, Refused> {
    let program = load(loaded, "kprobe_bprm_committing_creds", ProgramKind::Kprobe)?;
    Ok(program.attach_kprobe(FUNCTION, 0, false)?)
}

fn function(types: &Btf<'_>, name: &'static str) -> Result<u32, Refused> {
    types
        .function(name)
        .map(|function| function.id.0)
        .ok_or(Refused::NoFunction(name))
}

fn load(loaded: &Loaded, name: &str, kind: ProgramKind) -> Result<Program, Error> {
    loaded.load(name, kind).inspect(start::tell)
}
