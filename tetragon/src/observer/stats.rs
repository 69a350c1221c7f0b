//! What became of every event, in numbers.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use ebpf_abi::event::op;

/// Event types that the kernel programs send, with the names that logs and metrics give them.
pub const OPS: [(u8, &str); 4] = [
    (op::EXECVE, "exec"),
    (op::EXIT, "exit"),
    (op::CLONE, "clone"),
    (op::DATA, "data"),
];

/// A counter with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        // One thread writes, so that no locked instruction is needed.
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Live counters of an observer, written by the thread that reads the ring.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Records read from the ring, in the order of [`OPS`].
    pub(crate) received: [Counter; OPS.len()],
    pub(crate) malformed: Counter,
    pub(crate) emitted: Counter,
    pub(crate) process_cache: Counter,
    pub(crate) process_cache_evicted: Counter,
    pub(crate) event_cache: Counter,
    pub(crate) event_cache_full: Counter,
    pub(crate) event_cache_incomplete: Counter,
    pub(crate) data_cache: Counter,
    pub(crate) data_cache_evicted: Counter,
    pub(crate) data_lost: Counter,
}

/// Reads the counters, from any thread.
#[derive(Debug)]
pub struct StatsHandle {
    pub(crate) counters: Arc<Counters>,
}

impl StatsHandle {
    /// The counters of this moment, those of the kernel programs included.
    pub fn read(&self) -> Stats {
        let counters = &self.counters;
        let mut ops = Vec::with_capacity(OPS.len());
        for ((op, name), received) in OPS.iter().zip(&counters.received) {
            ops.push(OpStats {
                op: *op,
                name,
                received: received.get(),
                ..OpStats::default()
            });
        }
        Stats {
            received: ops.iter().map(|op| op.received).sum(),
            ops,
            malformed: counters.malformed.get(),
            emitted: counters.emitted.get(),
            process_cache: counters.process_cache.get(),
            process_cache_evicted: counters.process_cache_evicted.get(),
            event_cache: counters.event_cache.get(),
            event_cache_full: counters.event_cache_full.get(),
            event_cache_incomplete: counters.event_cache_incomplete.get(),
            data_cache: counters.data_cache.get(),
            data_cache_evicted: counters.data_cache_evicted.get(),
            data_lost: counters.data_lost.get(),
        }
    }
}

/// Counters at one moment. Once the ring is drained, `generated = received + lost` holds for each event type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// By event type.
    pub ops: Vec<OpStats>,
    /// Records read from the ring.
    pub received: u64,
    /// Records that could not be decoded. Never seen; a record of another version would be one.
    pub malformed: u64,
    /// Events handed to the sink, those for processes found in `/proc` included.
    pub emitted: u64,
    /// Processes in the process cache.
    pub process_cache: u64,
    /// Processes dropped from the process cache because it was full.
    pub process_cache_evicted: u64,
    /// Events that wait for their process or its parent.
    pub event_cache: u64,
    /// Events that went out without waiting because too many waited already.
    pub event_cache_full: u64,
    /// Events that went out without their process or its parent after waiting in vain.
    pub event_cache_incomplete: u64,
    /// Long arguments and environments that wait for the rest of their event.
    pub data_cache: u64,
    /// Those dropped because too many waited already.
    pub data_cache_evicted: u64,
    /// Events whose long arguments or environment did not arrive in whole.
    pub data_lost: u64,
}

/// Counters of one event type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpStats {
    /// Number of the type, see [`ebpf_abi::event::op`].
    pub op: u8,
    /// Its name: `exec`, `exit`, `clone` or `data`.
    pub name: &'static str,
    /// Written to the ring by the kernel programs.
    pub sent: u64,
    /// Read from the ring.
    pub received: u64,
    /// Lost because the ring was full.
    pub ring_full: u64,
    /// Sent, but the process could not be remembered because `execve_map` was full.
    pub map_full: u64,
    /// Lost for another reason within the kernel programs.
    pub no_scratch: u64,
}
