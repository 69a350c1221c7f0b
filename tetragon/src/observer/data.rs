//! The data cache: long arguments and environments, put together from the records that come before their event.

use std::collections::{HashMap, VecDeque};

use ebpf_abi::{event::DataEvent, map::ProcessKey};

/// Bytes that wait at most, whatever the number of entries: a few executions with the longest arguments there are.
const BYTES: usize = 32 << 20;

type Id = (ProcessKey, u32);

/// Bounded by number and by bytes; the oldest goes first. Nothing waits here longer than it takes its event to come
/// unless that was lost.
#[derive(Debug)]
pub(super) struct DataCache {
    capacity: usize,
    entries: HashMap<Id, Vec<u8>>,
    /// In the order in which they began. May name entries that are gone.
    order: VecDeque<Id>,
    bytes: usize,
    evicted: u64,
}

impl DataCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            entries: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            evicted: 0,
        }
    }

    /// Adds a part. One that does not continue what is there is dropped: its event will lack the rest.
    pub(super) fn add(&mut self, head: &DataEvent, bytes: &[u8]) {
        let id = (head.process, head.kind);
        if head.offset == 0 {
            self.remove(id);
            self.order.push_back(id);
            self.entries.insert(id, Vec::new());
        }
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.len() != head.offset as usize {
            return;
        }
        entry.extend_from_slice(bytes);
        self.bytes += bytes.len();
        self.shrink();
    }

    /// Takes what was collected for `process`.
    pub(super) fn take(&mut self, process: ProcessKey, kind: u32) -> Option<Vec<u8>> {
        let entry = self.remove((process, kind));
        if self.entries.is_empty() {
            self.order.clear();
        }
        entry
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Entries dropped because there were too many.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    fn remove(&mut self, id: Id) -> Option<Vec<u8>> {
        let entry = self.entries.remove(&id)?;
        self.bytes -= entry.len();
        Some(entry)
    }

    fn shrink(&mut self) {
        while self.entries.len() > self.capacity || self.bytes > BYTES {
            let Some(oldest) = self.order.pop_front() else { return };
            self.evicted += u64::from(self.remove(oldest).is_some());
        }
        // Names of entries that are gone must not pile up while others come and go.
        if self.order.len() > 2 * self.capacity {
            let entries = &self.entries;
            self.order.retain(|id| entries.contains_key(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(pid: u32, offset: u32) -> DataEvent {
        DataEvent {
            process: ProcessKey::new(pid, 1),
            offset,
            ..Default::default()
        }
    }

    #[test]
    fn parts_in_order_make_a_whole() {
        let mut cache = DataCache::new(2);
        cache.add(&part(1, 0), b"abc");
        cache.add(&part(2, 0), b"xyz");
        cache.add(&part(1, 3), b"def");
        // One was lost in between.
        cache.add(&part(2, 9), b"uvw");
        assert_eq!(
            cache.take(ProcessKey::new(1, 1), 0).as_deref(),
            Some(b"abcdef".as_slice())
        );
        assert_eq!(cache.take(ProcessKey::new(2, 1), 0).as_deref(), Some(b"xyz".as_slice()));
        assert_eq!(cache.take(ProcessKey::new(2, 1), 0), None);
        cache.add(&part(3, 5), b"beginning lost");
        assert_eq!((cache.len(), cache.bytes, cache.order.len()), (0, 0, 0));
    }

    #[test]
    fn bounded_by_number_and_by_bytes() {
        let mut cache = DataCache::new(3);
        for pid in 1..=100 {
            cache.add(&part(pid, 0), b"abc");
            // Its event comes for every second one.
            if pid % 2 == 0 {
                cache.take(ProcessKey::new(pid, 1), 0);
            }
            assert!(cache.len() <= 3 && cache.order.len() <= 7);
        }
        assert_eq!(cache.evicted(), 48);
        let big = vec![0; BYTES];
        cache.add(&part(200, 0), &big);
        cache.add(&part(200, BYTES as u32), b"x");
        assert_eq!((cache.len(), cache.bytes), (0, 0));
    }
}
