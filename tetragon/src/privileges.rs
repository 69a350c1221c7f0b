//! Whether this process may do at all what the agent does, so that the answer is one sentence and not that of some
//! system call in the middle.

use std::path::Path;

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{CapabilitySet, CapabilitySets, capabilities},
};

/// Why the agent cannot run here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Not root.
    #[error("not allowed to load kernel programs: run tetragon as root")]
    NotRoot,
    /// Root without its powers, as in a container.
    #[error("not allowed to load kernel programs: capability {0} is missing, add it or run with CAP_SYS_ADMIN")]
    Capability(&'static str),
    /// Root who may not look at others.
    #[error("not allowed to look at processes that run already: capability CAP_SYS_PTRACE is missing, add it")]
    Ptrace,
    /// The kernel gives nobody access to its memory.
    #[error(
        "the kernel is locked down (confidentiality): kernel programs cannot read what they observe; boot with \
         lockdown=integrity or without lockdown"
    )]
    Lockdown,
}

/// Finds out.
pub fn check() -> Result<(), Error> {
    if let Ok(CapabilitySets { effective, .. }) = capabilities(None) {
        check_capabilities(effective, rustix::process::geteuid().is_root())?;
    }
    // Where this file is missing, the kernel has no lockdown or does not say.
    let lockdown = std::fs::read_to_string(Path::new("/sys/kernel/security/lockdown"));
    check_lockdown(&lockdown.unwrap_or_default())
}

/// Lets this process have as many files open as the kernel allows it: each hook of a policy is some, and shells and systemd
/// start programs with a limit of 1,024.
pub fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let most = std::fs::read_to_string("/proc/sys/fs/nr_open").ok();
    let most = most.and_then(|most| most.trim().parse().ok()).or(limit.maximum);
    let raised = |most| {
        let limit = Rlimit {
            current: most,
            maximum: most,
        };
        setrlimit(Resource::Nofile, limit)
    };
    // Only who has CAP_SYS_RESOURCE may exceed the hard limit.
    if let Err(error) = raised(most).or_else(|_| raised(limit.maximum)) {
        tracing::warn!(%error, "The limit of open files stays as it is, and with it that of hooks");
    }
}

fn check_capabilities(effective: CapabilitySet, root: bool) -> Result<(), Error> {
    check_bpf(effective, root)?;
    // For the executables and namespaces of processes (proc(5)).
    if effective.contains(CapabilitySet::SYS_PTRACE) {
        Ok(())
    } else {
        Err(Error::Ptrace)
    }
}

fn check_bpf(effective: CapabilitySet, root: bool) -> Result<(), Error> {
    if effective.contains(CapabilitySet::SYS_ADMIN) {
        return Ok(());
    }
    if !root && !effective.intersects(CapabilitySet::BPF | CapabilitySet::PERFMON) {
        return Err(Error::NotRoot);
    }
    let needed = [(CapabilitySet::BPF, "CAP_BPF"), (CapabilitySet::PERFMON, "CAP_PERFMON")];
    match needed
        .into_iter()
        .find(|(capability, _)| !effective.contains(*capability))
    {
        Some((_, name)) => Err(Error::Capability(name)),
        None => Ok(()),
    }
}

/// `text` names the modes with the current one in brackets: `none [integrity] confidentiality`.
fn check_lockdown(text: &str) -> Result<(), Error> {
    if text.contains("[confidentiality]") {
        return Err(Error::Lockdown);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_that_suffice() {
        let (bpf, perfmon, ptrace) = (CapabilitySet::BPF, CapabilitySet::PERFMON, CapabilitySet::SYS_PTRACE);
        assert_eq!(check_capabilities(CapabilitySet::SYS_ADMIN | ptrace, false), Ok(()));
        assert_eq!(check_capabilities(bpf | perfmon | ptrace, false), Ok(()));
        assert_eq!(check_capabilities(CapabilitySet::SYS_ADMIN, true), Err(Error::Ptrace));
        assert_eq!(check_capabilities(CapabilitySet::empty(), false), Err(Error::NotRoot));
        assert_eq!(
            check_capabilities(CapabilitySet::empty(), true),
            Err(Error::Capability("CAP_BPF"))
        );
        assert_eq!(check_capabilities(bpf, false), Err(Error::Capability("CAP_PERFMON")));
    }

    #[test]
    fn lockdown() {
        assert_eq!(check_lockdown("none [integrity] confidentiality\n"), Ok(()));
        assert_eq!(
            check_lockdown("none integrity [confidentiality]\n"),
            Err(Error::Lockdown)
        );
        assert_eq!(check_lockdown(""), Ok(()));
    }
}
