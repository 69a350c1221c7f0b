//! Who has which counters of the kernel programs.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use ebpf_abi::hook::counters::{COUNT, FIRST, MAP};
use ebpf_loader::{Maps, Update};

use super::Error;

/// The counters of all policies: see [`ebpf_abi::hook::counters`].
#[derive(Debug)]
pub(super) struct Counters {
    maps: Arc<Maps>,
    free: Free,
}

impl Counters {
    pub(super) fn new(maps: Arc<Maps>) -> Self {
        Self {
            maps,
            free: Free::new(FIRST, COUNT),
        }
    }

    /// `count` counters in a row, all at zero. `None` when there are no more.
    pub(super) fn take(&mut self, count: u32) -> Result<Option<Range<u32>>, Error> {
        let Some(range) = self.free.take(count) else {
            return Ok(None);
        };
        for counter in range.clone() {
            self.maps.get(MAP)?.set(&counter, &0_u64, Update::Any)?;
        }
        Ok(Some(range))
    }

    /// Takes counters back that no program uses any more.
    pub(super) fn give_back(&mut self, range: Range<u32>) {
        self.free.give_back(range);
    }

    /// The value of a counter.
    pub(super) fn read(&self, counter: u32) -> Result<u64, Error> {
        Ok(self.maps.get(MAP)?.get(&counter)?.unwrap_or_default())
    }
}

/// Numbers that nobody has: ends by beginnings.
///
/// They are handed out in turn, so that those given back stay unused for as long as possible: a program that has just
/// been replaced may still run and count.
#[derive(Debug)]
struct Free {
    ranges: BTreeMap<u32, u32>,
    /// Where to look first.
    next: u32,
}

impl Free {
    fn new(from: u32, to: u32) -> Self {
        Self {
            ranges: BTreeMap::from([(from, to)]),
            next: from,
        }
    }

    fn take(&mut self, count: u32) -> Option<Range<u32>> {
        let (from, to) = self.find(count).or_else(|| {
            self.join();
            self.find(count)
        })?;
        self.ranges.remove(&from);
        self.next = from + count;
        if self.next < to {
            self.ranges.insert(self.next, to);
        }
        Some(from..self.next)
    }

    fn find(&self, count: u32) -> Option<(u32, u32)> {
        let fits = |(&from, &to): (&u32, &u32)| (to - from >= count).then_some((from, to));
        let ahead = self.ranges.range(self.next..).find_map(fits);
        ahead.or_else(|| self.ranges.iter().find_map(fits))
    }

    /// Makes one range of those that touch.
    fn join(&mut self) {
        let mut joined: Vec<(u32, u32)> = vec![];
        for (&from, &to) in &self.ranges {
            match joined.last_mut() {
                Some(last) if last.1 == from => last.1 = to,
                _ => joined.push((from, to)),
            }
        }
        self.ranges = joined.into_iter().collect();
    }

    fn give_back(&mut self, range: Range<u32>) {
        if !range.is_empty() {
            self.ranges.insert(range.start, range.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_given_back_is_handed_out_last() {
        let mut free = Free::new(0, 10);
        assert_eq!(free.take(3), Some(0..3));
        free.give_back(0..3);
        assert_eq!(free.take(3), Some(3..6));
        assert_eq!(free.take(4), Some(6..10));
        assert_eq!(free.take(2), Some(0..2));
        assert_eq!(free.take(2), None);
        free.give_back(3..6);
        assert_eq!(free.take(4), Some(2..6));
    }

    proptest! {
        #[test]
        fn nobody_shares_and_nothing_is_lost(steps in prop::collection::vec((any::<bool>(), 1_u32..9), 0..200)) {
            let mut free = Free::new(0, 64);
            let mut taken: Vec<Range<u32>> = vec![];
            for (take, count) in steps {
                if take {
                    let Some(range) = free.take(count) else { continue };
                    prop_assert_eq!(range.len(), count as usize);
                    prop_assert!(taken.iter().all(|other| other.end <= range.start || range.end <= other.start));
                    taken.push(range);
                } else if !taken.is_empty() {
                    let range = taken.remove(count as usize % taken.len());
                    free.give_back(range);
                }
                let free: u32 = free.ranges.iter().map(|(from, to)| to - from).sum();
                prop_assert_eq!(free as usize + taken.iter().map(ExactSizeIterator::len).sum::<usize>(), 64);
            }
        }
    }
}
