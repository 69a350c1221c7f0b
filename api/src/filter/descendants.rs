//! The `pid_set` field of a filter: given processes and all that descend from them.
//!
//! Descendants are learned from the events that pass by, each by the hash of its `exec_id`, so that reuse of process ids
//! does not matter. Only the newest [`MAX_LEARNED`] are remembered; descendants of forgotten ones are not found.

use std::collections::hash_map::RandomState;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::v1::Process;

/// Learned processes at most: about 2 MiB.
const MAX_LEARNED: usize = 65_536;

#[derive(Debug)]
pub(super) struct Descendants {
    roots: Vec<u32>,
    hasher: RandomState,
    learned: Mutex<Learned>,
}

#[derive(Debug, Default)]
struct Learned {
    known: HashSet<u64>,
    /// The same, oldest first.
    order: VecDeque<u64>,
}

impl Descendants {
    pub(super) fn new(roots: &[u32]) -> Self {
        Self {
            roots: roots.to_vec(),
            hasher: RandomState::new(),
            learned: Mutex::default(),
        }
    }

    /// Remembers `process` when it descends from the given ones, by what is known so far.
    pub(super) fn learn(&self, process: Option<&Process>, parent: Option<&Process>) {
        let Some(process) = process.filter(|process| !process.exec_id.is_empty()) else {
            return;
        };
        let mut learned = self.lock();
        let parent_known = self.is_known(&learned, &process.parent_exec_id)
            || parent.is_some_and(|parent| self.is_root(parent) || self.is_known(&learned, &parent.exec_id));
        if !parent_known && !self.is_root(process) {
            return;
        }
        let hash = self.hasher.hash_one(&process.exec_id);
        if !learned.known.insert(hash) {
            return;
        }
        learned.order.push_back(hash);
        if learned.order.len() > MAX_LEARNED
            && let Some(oldest) = learned.order.pop_front()
        {
            learned.known.remove(&oldest);
        }
    }

    /// Whether `process` is one of the given ones or a learned descendant.
    pub(super) fn contains(&self, process: &Process) -> bool {
        self.is_root(process) || self.is_known(&self.lock(), &process.exec_id)
    }

    fn is_root(&self, process: &Process) -> bool {
        process.pid.is_some_and(|pid| self.roots.contains(&pid))
    }

    fn is_known(&self, learned: &Learned, exec_id: &str) -> bool {
        !exec_id.is_empty() && learned.known.contains(&self.hasher.hash_one(exec_id))
    }

    fn lock(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, exec_id: &str, parent_exec_id: &str) -> Process {
        Process {
            pid: Some(pid),
            exec_id: exec_id.into(),
            parent_exec_id: parent_exec_id.into(),
            ..Process::default()
        }
    }

    #[test]
    fn memory_is_bounded() {
        let descendants = Descendants::new(&[1]);
        descendants.learn(Some(&process(1, "root", "")), None);
        for n in 0..=MAX_LEARNED {
            descendants.learn(
                Some(&process(2, &format!("child {n}"), "")),
                Some(&process(1, "root", "")),
            );
        }
        let learned = descendants.lock();
        assert_eq!((learned.known.len(), learned.order.len()), (MAX_LEARNED, MAX_LEARNED));
        drop(learned);
        assert!(!descendants.contains(&process(2, "child 0", "")));
        assert!(descendants.contains(&process(2, &format!("child {MAX_LEARNED}"), "")));
    }
}
