//! Conditions on executables that hold beyond the moment: of what a process and its ancestors ran, and of what its parent
//! runs. Each is a bit of [`Images`], which the code of policies sets when a process executes.
//!
//! Processes that were there before the policy get theirs from their parents in `/proc`: of a parent or ancestor that has
//! ended, or has become another program, nothing is known then.

use std::collections::HashMap;

use ebpf_abi::map::{Images, ProcessEntry};
use ebpf_codegen::{Action, Filter, Hook, Selector, Subject, TextTest};
use ebpf_loader::{Map, Program};

use super::{
    Error,
    points::{PointKey, PointKind},
};
use crate::{executables, procfs::Procfs};

/// Looks at all processes at most, until one finds nothing to change: processes come and go meanwhile.
const PASSES: u32 = 8;

/// A condition on the path of an executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// Its bit.
    pub(super) bit: u64,
    /// What the path must be.
    pub(super) test: TextTest,
}

/// The conditions of a policy.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    /// Bits that are left.
    free: u64,
    pub(super) taken: Vec<Condition>,
}

impl Conditions {
    /// None yet, with the bits `free` to take.
    pub(super) fn new(free: u64) -> Self {
        Self {
            free: free & !Images::KNOWN,
            taken: vec![],
        }
    }

    /// The bit of a condition; `None` when there is none left.
    pub(super) fn bit(&mut self, test: &TextTest) -> Option<u64> {
        if let Some(known) = self.taken.iter().find(|known| known.test == *test) {
            return Some(known.bit);
        }
        let bit = self.free & self.free.wrapping_neg();
        if bit == 0 {
            return None;
        }
        self.free &= !bit;
        let test = test.clone();
        self.taken.push(Condition { bit, test });
        Some(bit)
    }

    /// All of its bits.
    pub(super) fn mask(&self) -> u64 {
        self.taken.iter().fold(0, |mask, condition| mask | condition.bit)
    }

    /// What notes them at executions: where, and what there.
    pub(super) fn parts(&self) -> Vec<(PointKey, Hook)> {
        let part = |condition: &Condition| {
            let selector = Selector {
                filters: vec![Filter::Text(Subject::Binary, condition.test.clone())],
                actions: vec![Action::Mark(condition.bit)],
                ..Selector::default()
            };
            let hook = Hook {
                selectors: vec![selector],
                ..Hook::default()
            };
            (point(), hook)
        };
        self.taken.iter().map(part).collect()
    }
}

/// Where executions are noted. The perf event, during which nothing is preempted, whatever the kernel; the base programs
/// are attached before, so they have made the process's entry.
pub(super) fn point() -> PointKey {
    PointKey::new(PointKind::Tracepoint, "sched", "sched_process_exec")
}

/// The processes of the kernel's map, and what changes their [`Images`].
#[derive(Debug)]
pub(super) struct Processes<'a> {
    pub(super) map: &'a Map,
    /// The paths of executables.
    pub(super) executables: &'a Map,
    /// `hook_images` of the object.
    pub(super) program: Program,
}

impl Processes<'_> {
    /// Gives the processes that run what `conditions` say of them.
    pub(super) fn seed(&self, procfs: &Procfs, conditions: &[Condition]) -> Result<(), Error> {
        if conditions.is_empty() {
            return Ok(());
        }
        until_settled(|| {
            let all = self.scan(procfs, conditions)?;
            let mut changed = false;
            for (&pid, process) in &all {
                changed |= self.change(pid, &process.entry, u64::MAX, wanted(process, &all))?;
            }
            Ok(changed)
        })
    }

    /// Takes the bits `mask` from all processes. Nothing sets them any more.
    pub(super) fn clear(&self, mask: u64) -> Result<(), Error> {
        if mask == 0 {
            return Ok(());
        }
        until_settled(|| {
            let mut changed = false;
            for pid in self.pids()? {
                if let Some(entry) = self.map.get::<u32, ProcessEntry>(&pid)? {
                    changed |= self.change(pid, &entry, !mask, Images::default())?;
                }
            }
            Ok(changed)
        })
    }

    fn pids(&self) -> Result<Vec<u32>, Error> {
        Ok(self.map.keys::<u32>().collect::<Result<_, _>>()?)
    }

    /// Makes what a process has keep the bits `keep` and take those of `add`, if that changes anything. Whether it did.
    fn change(&self, pid: u32, entry: &ProcessEntry, keep: u64, add: Images) -> Result<bool, Error> {
        if merge(entry.images, keep, add) == entry.images {
            return Ok(false);
        }
        let Images {
            image,
            followed,
            parent,
            parent_followed,
        } = add;
        let arguments = [
            u64::from(pid),
            entry.key.ktime,
            keep,
            image,
            followed,
            parent,
            parent_followed,
        ];
        Ok(self.program.test_run(&arguments)? != 0)
    }

    fn scan(&self, procfs: &Procfs, conditions: &[Condition]) -> Result<HashMap<u32, Process>, Error> {
        let mut all = HashMap::new();
        for pid in self.pids()? {
            // In this order: an execution in between shows, as the entry is then another one.
            let Some(entry) = self.map.get::<u32, ProcessEntry>(&pid)? else {
                continue;
            };
            let path = match executables::path(self.executables, entry.executable)? {
                // Too long to be remembered, or there was no room.
                None if entry.images.image & Images::KNOWN != 0 => procfs.executable(pid),
                path => path,
            };
            let image = path.map_or(0, |path| {
                let fitting = conditions.iter().filter(|condition| condition.test.passes(&path));
                fitting.fold(0, |bits, condition| bits | condition.bit)
            });
            let parent = procfs.stat(pid).map_or(0, |stat| stat.ppid);
            all.insert(pid, Process { entry, image, parent });
        }
        Ok(all)
    }
}

/// Looks at all processes again and again, until `pass` says that it changed nothing.
fn until_settled(mut pass: impl FnMut() -> Result<bool, Error>) -> Result<(), Error> {
    for _ in 0..PASSES {
        if !pass()? {
            break;
        }
    }
    Ok(())
}

/// A process that runs.
#[derive(Debug)]
struct Process {
    entry: ProcessEntry,
    /// Conditions that its executable fits.
    image: u64,
    /// Its parent at this moment.
    parent: u32,
}

/// What a process should have.
fn wanted(process: &Process, all: &HashMap<u32, Process>) -> Images {
    let parent = all.get(&process.parent);
    Images {
        image: process.image,
        followed: followed(process, all),
        parent: parent.map_or(0, |parent| parent.image),
        parent_followed: parent.map_or(0, |parent| followed(parent, all)),
    }
}

/// What a process and its ancestors fit, as far as it is known.
fn followed<'a>(mut process: &'a Process, all: &'a HashMap<u32, Process>) -> u64 {
    let mut bits = 0;
    // No deeper than there are processes: the parents may have changed while they were read.
    for _ in 0..all.len() {
        bits |= process.image | process.entry.images.followed & !Images::KNOWN;
        match all.get(&process.parent) {
            Some(parent) => process = parent,
            None => break,
        }
    }
    bits
}

fn merge(images: Images, keep: u64, add: Images) -> Images {
    Images {
        image: images.image & keep | add.image,
        followed: images.followed & keep | add.followed,
        parent: images.parent & keep | add.parent,
        parent_followed: images.parent_followed & keep | add.parent_followed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(path: &str) -> TextTest {
        TextTest {
            equal: vec![path.into()],
            ..TextTest::default()
        }
    }

    #[test]
    fn bits_are_handed_out_once_until_none_is_left() {
        let mut conditions = Conditions::new(0b101 | Images::KNOWN);
        assert_eq!(conditions.bit(&is("/a")), Some(1));
        assert_eq!(conditions.bit(&is("/b")), Some(4));
        assert_eq!(conditions.bit(&is("/a")), Some(1));
        assert_eq!(conditions.bit(&is("/c")), None);
        assert_eq!(conditions.mask(), 0b101);
        assert_eq!(conditions.parts().len(), 2);
    }

    #[test]
    fn what_processes_inherit() {
        let process = |image, parent, followed| Process {
            entry: ProcessEntry {
                images: Images {
                    followed,
                    ..Images::default()
                },
                ..ProcessEntry::default()
            },
            image,
            parent,
        };
        // 1 ── 2 (fits 1) ── 3 ── 4 (fits 2); 3 once followed 4.
        let all = HashMap::from([
            (1, process(0, 0, 0)),
            (2, process(1, 1, 0)),
            (3, process(0, 2, 4)),
            (4, process(2, 3, 0)),
        ]);
        let of = |pid: u32| {
            let images = wanted(&all[&pid], &all);
            [images.image, images.followed, images.parent, images.parent_followed]
        };
        assert_eq!(of(1), [0, 0, 0, 0]);
        assert_eq!(of(2), [1, 1, 0, 0]);
        assert_eq!(of(3), [0, 5, 1, 1]);
        assert_eq!(of(4), [2, 7, 0, 5]);
    }
}
