//! The parent and the ancestors of a process, on loan from the process cache for one event.

use ebpf_abi::map::ProcessKey;
use tetragon_api::v1::Process;

use crate::process::{Cache, Slot};

/// Ancestors in one event at most.
const ANCESTORS: usize = 256;

/// What was lent, and where it goes back to.
#[derive(Debug)]
pub(super) struct Family {
    parent: Process,
    /// From the grandparent up, nearest first.
    ancestors: Vec<Process>,
    parent_slot: Option<Slot>,
    slots: Vec<Slot>,
}

impl Family {
    /// Takes the parent out of the cache, or what `unknown` makes of its identity, and the ancestors above it if they
    /// are wanted, up to the first process of the system.
    pub(super) fn lend(
        cache: &mut Cache,
        parent: ProcessKey,
        with_ancestors: bool,
        unknown: impl FnOnce(ProcessKey) -> Process,
    ) -> Self {
        let mut family = Self {
            parent: Process::default(),
            ancestors: Vec::new(),
            parent_slot: cache.find(parent),
            slots: Vec::new(),
        };
        let Some(slot) = family.parent_slot else {
            family.parent = unknown(parent);
            return family;
        };
        family.parent = cache.lend(slot).unwrap_or_default();
        if !with_ancestors {
            return family;
        }
        let mut next = cache.parent(slot).filter(|_| parent.pid != 0);
        while let Some(slot) = next
            .filter(|key| key.pid != 0 && family.slots.len() < ANCESTORS)
            .and_then(|key| cache.find(key))
        {
            next = cache.parent(slot);
            family.ancestors.extend(cache.lend(slot));
            family.slots.push(slot);
        }
        family
    }

    /// The parent, for the event.
    pub(super) fn take_parent(&mut self) -> Process {
        std::mem::take(&mut self.parent)
    }

    /// The ancestors, for the event.
    pub(super) fn take_ancestors(&mut self) -> Vec<Process> {
        std::mem::take(&mut self.ancestors)
    }

    /// Puts back what was lent.
    pub(super) fn give_back(self, cache: &mut Cache, parent: Option<Process>, ancestors: Vec<Process>) {
        if let (Some(slot), Some(parent)) = (self.parent_slot, parent) {
            cache.give_back(slot, parent);
        }
        for (slot, ancestor) in self.slots.into_iter().zip(ancestors) {
            cache.give_back(slot, ancestor);
        }
    }
}
