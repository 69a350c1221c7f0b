//! Hashes of files (`imaHash`): the programs that run behind the one with the policies.
//!
//! Only a program that may sleep can ask the kernel's integrity subsystem for a hash, and such a program can neither be behind
//! a dispatcher nor be relied on to be run. So it is attached beside, as is a third one, which sends what was found out and
//! returns the verdict. The kernel runs what was attached last first (`bpf_trampoline_link_prog`,
//! kernel/bpf/trampoline.c): the third one is attached first. Both are the same whatever the policies want.
//!
//! A file that may never be read to its end is not read (`ebpf_codegen::hash`): as long as a program sleeps, the kernel lets go
//! of no program that may sleep, on the whole machine. Any other it lets go of whether or not somebody sleeps in the second,
//! behind which it is to be run. So the third one, though it does not sleep, is loaded as one that may: whatever becomes of the
//! agent, it is there for whoever is led to it. Others at the same function are kept until nobody reads ([`Kept`]).

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use ebpf_abi::hook::{Awaited, awaited_state, runtime};
use ebpf_codegen::{FileOffsets, Hashed, Hook, hashed};
use ebpf_loader::{Link, Loaded, Map, Maps, Pins, Program, ProgramKind, probe};
use policy_btf::LSM;

use super::{Error, argument::member, lower::Reason, point::Keeping, points::PointKey, running::Running};

/// How long a chain that is detached is kept at most for a file that is being read.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it is kept when none is read any more: whoever has read goes on to the last program, and a chain that was pinned is
/// detached a grace period after its pins are gone.
const GRACE: Duration = Duration::from_secs(1);

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// A function of kernels whose trampolines run a program of a security module whatever else runs it (6.2, and late ones of 6.1).
/// Others leave out one that is running on the same CPU already, and have one function for both cases.
const UNGUARDED: &str = "__bpf_prog_enter_sleepable_recur";

/// The programs, attached while this lives. Dropped behind what waits for them. What they miss is hashes, not events.
#[derive(Debug)]
pub(super) struct Chain {
    /// In the order in which they are detached, the reverse of that in which they were attached.
    links: Vec<Link>,
    programs: Kept,
}

/// Programs at a security hook that whoever has a file read there is led to, also when they are detached. Where somebody has
/// when this is dropped, they stay in memory until nobody does. Dropped behind what attaches them.
#[derive(Debug)]
pub(super) struct Kept {
    programs: Vec<Arc<Program>>,
    /// Which security hook it is.
    point: u32,
    /// If they are to outlive the agent.
    pins: Option<Arc<Pins>>,
    outlasting: Arc<Outlasting>,
}

/// Programs of hook points that are gone, for those who sleep in front of them.
#[derive(Debug)]
pub(super) struct Outlasting {
    /// Has the map that says who does.
    maps: Arc<Maps>,
    programs: Mutex<Vec<Outlasted>>,
}

/// Programs at the security hook `point`.
#[derive(Debug)]
struct Outlasted {
    point: u32,
    /// When somebody was last seen there, or they were detached.
    last: Instant,
    #[allow(dead_code, reason = "held as long as somebody may be led there")]
    programs: Vec<Arc<Program>>,
}

impl Outlasting {
    pub(super) fn new(maps: Arc<Maps>) -> Self {
        Self {
            maps,
            programs: Mutex::default(),
        }
    }

    /// The state of each thread that has passed the first program at `point` and not the last one.
    fn states(&self, point: u32) -> Vec<u32> {
        let Ok(awaited) = self.maps.get(runtime::HASHES) else {
            return vec![];
        };
        // What cannot be found out may be so.
        within(awaited, point).map_or_else(
            |_| vec![awaited_state::READING],
            |threads| threads.iter().map(|(_, noted)| noted.state).collect(),
        )
    }

    fn is_read(&self, point: u32) -> bool {
        self.states(point).contains(&awaited_state::READING)
    }

    /// Keeps `programs` until nobody is led there any more from `point`, of which they were just detached.
    fn add(&self, point: u32, programs: Vec<Arc<Program>>) {
        let mut all = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Outlasted {
            point,
            last: Instant::now(),
            programs,
        });
    }

    /// Lets go of those that nobody is led to any more. Whether somebody is still reading in front of others.
    pub(super) fn sweep(&self) -> bool {
        let mut all = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_read = false;
        all.retain_mut(|outlasted| {
            if self.is_read(outlasted.point) {
                is_read = true;
                outlasted.last = Instant::now();
            }
            outlasted.last.elapsed() < GRACE
        });
        is_read
    }

    /// Waits until nobody is led to any: what ends the agent ends them.
    pub(super) fn wait(&self) {
        if self.sweep() {
            tracing::warn!("A file is still being read for its hash: the agent ends when that is over");
        }
        while !self.is_empty() {
            thread::sleep(PAUSE);
            self.sweep();
        }
    }

    fn is_empty(&self) -> bool {
        let all = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        all.is_empty()
    }
}

impl Drop for Outlasting {
    fn drop(&mut self) {
        self.wait();
    }
}

impl Kept {
    /// `program`, which is attached as `kind`: `None` if that is not at a security hook.
    pub(super) fn new(program: &Arc<Program>, kind: ProgramKind, keeping: &Keeping) -> Option<Self> {
        let ProgramKind::Lsm { btf_id: point, .. } = kind else {
            return None;
        };
        Some(Self {
            programs: vec![Arc::clone(program)],
            point,
            pins: keeping.pins.clone(),
            outlasting: Arc::clone(&keeping.outlasting),
        })
    }

    /// Keeps them also if nobody is seen there: somebody may be, any moment, who finds them still attached.
    pub(super) fn outlast(mut self) {
        let programs = std::mem::take(&mut self.programs);
        self.outlasting.add(self.point, programs);
    }

    /// Whether they stay attached.
    fn stays(&self) -> bool {
        self.pins.as_ref().is_some_and(|pins| pins.are_left())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.programs.is_empty() || self.stays() {
            return;
        }
        // What was pinned is detached a grace period later.
        if self.pins.is_some() || !self.outlasting.states(self.point).is_empty() {
            let programs = std::mem::take(&mut self.programs);
            self.outlasting.add(self.point, programs);
        }
    }
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
        let (Some(hashed), ProgramKind::Lsm { btf_id, .. }) = (hashed(hooks), kind) else {
            return Ok(None);
        };
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
        let sleepable = ProgramKind::Lsm {
            btf_id,
            sleepable: true,
        };
        let last = Arc::new(loaded.load_with("hook_lsm", sleepable, &replaced, &[])?);
        let second = Arc::new(loaded.load_code("hook_hash", sleepable, &hash)?);
        // What an earlier chain left there is of nobody, until the first program is attached.
        forget(loaded.map(runtime::HASHES)?, hashed.point)?;
        let attach = |program: &Program, what| {
            let mut link = program.attach()?;
            if let Some(pins) = &keeping.pins {
                link.pin(pins, &format!("{key}:{what}"))?;
            }
            Ok::<_, Error>(link)
        };
        let last_link = attach(&last, "verdict")?;
        let second_link = attach(&second, "hash")?;
        Ok(Some(Self {
            links: vec![second_link, last_link],
            programs: Kept {
                programs: vec![second, last],
                point: hashed.point,
                pins: keeping.pins.clone(),
                outlasting: Arc::clone(&keeping.outlasting),
            },
        }))
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.links.clear();
        let Kept {
            point,
            ref pins,
            ref outlasting,
            ..
        } = self.programs;
        if self.programs.stays() || pins.is_none() && outlasting.states(point).is_empty() {
            return;
        }
        let begin = Instant::now();
        let mut last_read = begin;
        while begin.elapsed() < PATIENCE {
            let states = outlasting.states(point);
            if states.contains(&awaited_state::READING) {
                last_read = Instant::now();
            } else if last_read.elapsed() >= GRACE || states.is_empty() && pins.is_none() {
                self.programs.programs.clear();
                return;
            }
            thread::sleep(PAUSE);
        }
        tracing::warn!(
            "A file is still being read for its hash: the programs that wait for it stay in memory until then"
        );
    }
}

/// Removes what is noted at security hook `point`, but for what somebody is still writing to.
fn forget(awaited: &Map, point: u32) -> Result<(), Error> {
    for (thread, noted) in within(awaited, point)? {
        if noted.state != awaited_state::READING {
            awaited.remove(&thread)?;
        }
    }
    Ok(())
}

/// Threads that are between the programs at security hook `point`, and what is noted of them.
fn within(awaited: &Map, point: u32) -> Result<Vec<(u64, Awaited)>, Error> {
    let mut threads = vec![];
    for thread in awaited.keys::<u64>() {
        let thread = thread?;
        let noted: Option<Awaited> = awaited.get(&thread)?;
        threads.extend(noted.filter(|noted| noted.point == point).map(|noted| (thread, noted)));
    }
    Ok(threads)
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
    let offset = |structure, name| {
        let offset = member(kernel, structure, name)?;
        i16::try_from(offset).map_err(|_| failed(&format!("{name} is too far within {structure}")))
    };
    let member = if point.name.starts_with("bprm_") {
        Some(offset("linux_binprm", "file")?)
    } else {
        None
    };
    let offsets = FileOffsets {
        mode: offset("file", "f_mode")?,
        inode: offset("file", "f_inode")?,
        kind: offset("inode", "i_mode")?,
        size: offset("inode", "i_size")?,
        super_block: offset("inode", "i_sb")?,
        magic: offset("super_block", "s_magic")?,
        user_ns: offset("super_block", "s_user_ns")?,
        level: offset("user_namespace", "level")?,
    };
    let point = number(&point.name).ok_or_else(|| failed("the kernel has no such security hook"))?;
    Ok(Hashed {
        point,
        member,
        offsets,
        defers: kernel.is_function(UNGUARDED),
    })
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
