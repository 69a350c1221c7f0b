//! Images that nobody refers to any more, in the order in which that came to be.

use std::collections::VecDeque;

use super::cache::Slot;

/// Ended images that are kept at most: late events of a process come soon, and memory is for the living.
const KEPT: usize = 1_024;

/// Names one death. An image that came back to life, or another one in its place, is not the one that died it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Death(u64);

/// Queue of what garbage collection takes next. Whether an image is still dead is for the cache to say.
#[derive(Debug, Default)]
pub(super) struct Dead {
    /// With the round in which each died.
    queue: VecDeque<(Slot, Death, u64)>,
    deaths: u64,
    round: u64,
}

impl Dead {
    /// Adds `slot`.
    pub(super) fn push(&mut self, slot: Slot) -> Death {
        self.deaths += 1;
        let death = Death(self.deaths);
        self.queue.push_back((slot, death, self.round));
        death
    }

    /// The oldest, if there are more than are kept.
    pub(super) fn surplus(&mut self) -> Option<(Slot, Death)> {
        if self.queue.len() > KEPT { self.oldest() } else { None }
    }

    /// The oldest.
    pub(super) fn oldest(&mut self) -> Option<(Slot, Death)> {
        self.queue.pop_front().map(|(slot, death, _)| (slot, death))
    }

    /// Begins a new round.
    pub(super) fn tick(&mut self) {
        self.round += 1;
    }

    /// The oldest, if it has seen a whole round.
    pub(super) fn ripe(&mut self) -> Option<(Slot, Death)> {
        let &(_, _, died) = self.queue.front()?;
        if died + 2 <= self.round { self.oldest() } else { None }
    }
}
