//! Images that nobody refers to any more, in the order in which that came to be.

use std::collections::VecDeque;

use super::cache::Slot;

/// Ended images that are kept at most: late events of a process come soon, and memory is for the living.
const KEPT: usize = 1_024;

/// Queue of what garbage collection takes next. An image that comes back to life stays in the queue; whether it is still
/// dead is for the cache to say.
#[derive(Debug, Default)]
pub(super) struct Dead {
    /// With the round in which each died.
    queue: VecDeque<(Slot, u64)>,
    round: u64,
}

impl Dead {
    /// Adds `slot`; returns the round it died in.
    pub(super) fn push(&mut self, slot: Slot) -> u64 {
        self.queue.push_back((slot, self.round));
        self.round
    }

    /// The oldest, if there are more than are kept.
    pub(super) fn surplus(&mut self) -> Option<(Slot, u64)> {
        if self.queue.len() > KEPT { self.oldest() } else { None }
    }

    /// The oldest.
    pub(super) fn oldest(&mut self) -> Option<(Slot, u64)> {
        self.queue.pop_front()
    }

    /// Begins a new round.
    pub(super) fn tick(&mut self) {
        self.round += 1;
    }

    /// The oldest, if it has seen a whole round.
    pub(super) fn ripe(&mut self) -> Option<(Slot, u64)> {
        let &(_, died) = self.queue.front()?;
        if died + 2 <= self.round { self.oldest() } else { None }
    }
}
