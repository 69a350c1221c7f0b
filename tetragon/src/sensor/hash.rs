//! Hashes of files (`imaHash`): the programs that run behind the one with the policies.
//!
//! Only a program that may sleep can ask the kernel's integrity subsystem for a hash, and such a program can neither be behind
//! a dispatcher nor be relied on to be run. So it is attached beside, as is a third one, which sends what was found out and
//! returns the verdict. The kernel runs what was attached last first (`bpf_trampoline_link_prog`,
//! kernel/bpf/trampoline.c): the third one is attached first. Both are the same whatever the policies want.

use std::sync::Arc;

use ebpf_abi::hook::runtime;
use ebpf_codegen::{Action, Hashed, Hook};
use ebpf_loader::{Link, Loaded, Program, ProgramKind, probe};
use policy_btf::LSM;

use super::{
    Error,
    argument::member,
    lower::Reason,
    point::{Keeping, Watched},
    points::PointKey,
    running::Running,
};

/// The programs, attached while this lives. Dropped behind what waits for them.
#[derive(Debug)]
pub(super) struct Chain {
    /// In the order in which they are detached, the reverse of that in which they were attached.
    _links: [Watched<Link>; 2],
    _programs: [Watched<Program>; 2],
}

impl Chain {
    /// Attaches what `hooks` need behind them at the security hook `key`, if they need anything.
    pub(super) fn attach(
        key: &PointKey,
        kind: ProgramKind,
        hooks: &[Hook],
        loaded: &Loaded,
        keeping: &Keeping,
    ) -> Result<Option<Self>, Error> {
        let (Some(hashed), ProgramKind::Lsm { btf_id, .. }) = (wanted(hooks), kind) else {
            return Ok(None);
        };
        let op = key.kind.op();
        let failed = |error| Error::TooLong {
            hook: key.name.clone(),
            error,
        };
        let (hash, settle) = (
            ebpf_codegen::hash(hashed).map_err(failed)?,
            ebpf_codegen::settle(hashed).map_err(failed)?,
        );
        let claim = ebpf_codegen::claim(probe::atomic_exchange()).map_err(failed)?;
        let replaced = [(runtime::POLICIES, &settle), (runtime::CLAIM, &claim)];
        let last = Arc::new(loaded.load_with("hook_lsm", kind, &replaced, &[])?);
        let sleepable = ProgramKind::Lsm {
            btf_id,
            sleepable: true,
        };
        let second = Arc::new(loaded.load_code("hook_hash", sleepable, &hash)?);
        let attach = |program: &Program, what| {
            let mut link = program.attach()?;
            if let Some(pins) = &keeping.pins {
                link.pin(pins, &format!("{key}:{what}"))?;
            }
            Ok::<_, Error>(keeping.watch(Arc::new(link), op))
        };
        let last_link = attach(&last, "verdict")?;
        let second_link = attach(&second, "hash")?;
        Ok(Some(Self {
            _links: [second_link, last_link],
            _programs: [keeping.watch(second, op), keeping.watch(last, op)],
        }))
    }
}

/// What the hash is of that `hooks`, which are at one point, report.
pub(super) fn wanted(hooks: &[Hook]) -> Option<Hashed> {
    let mut actions = hooks.iter().flat_map(Hook::actions);
    actions.find_map(|action| match action {
        Action::Post(post) => post.hash,
        _ => None,
    })
}

/// What the hash is of at `point`, a security hook that has a file.
pub(super) fn of(point: &PointKey, kernel: &Running<'_>) -> Result<Hashed, Reason> {
    let failed = |what: &str| Reason::Kernel(format!("imaHash: {what}"));
    let number = |hook: &str| {
        let function = kernel.types.function(&format!("{LSM}{hook}"));
        function.map(|function| function.id.0)
    };
    if !probe::ima() {
        return Err(failed(
            "the kernel's integrity measurement does not run: it was built without CONFIG_IMA, or started without it \
             (/sys/kernel/security/ima)",
        ));
    }
    if !number("file_open").is_some_and(probe::file_hash) {
        return Err(failed(
            "this kernel tells programs no hashes (bpf_ima_file_hash, kernel 5.18)",
        ));
    }
    let member = if point.name.starts_with("bprm_") {
        let offset = member(kernel, "linux_binprm", "file")?;
        Some(i16::try_from(offset).map_err(|_| failed("the file is too far within linux_binprm"))?)
    } else {
        None
    };
    let point = number(&point.name).ok_or_else(|| failed("the kernel has no such security hook"))?;
    Ok(Hashed { point, member })
}

/// A hash as events show it: the name of the algorithm (`enum hash_algo`, `include/uapi/linux/hash_info.h`) and the digits.
pub(crate) fn shown(algorithm: u16, digest: &[u8]) -> String {
    let (name, len) = match algorithm {
        1 => ("md5", 16),
        2 => ("sha1", 20),
        4 => ("sha256", 32),
        5 => ("sha384", 48),
        6 => ("sha512", 64),
        7 => ("sha224", 28),
        13 => ("wp512", 64),
        17 => ("sm3", 32),
        _ => return String::new(),
    };
    let digits = digest.iter().take(len).map(|byte| format!("{byte:02x}"));
    format!("{name}:{}", digits.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_as_long_as_their_algorithm_makes_them() {
        let digest: Vec<u8> = (0..64).collect();
        assert_eq!(shown(1, &digest), "md5:000102030405060708090a0b0c0d0e0f");
        assert_eq!(shown(4, &digest).len(), "sha256:".len() + 64);
        assert_eq!(shown(6, &digest).len(), "sha512:".len() + 128);
        assert_eq!(shown(99, &digest), "");
    }
}
