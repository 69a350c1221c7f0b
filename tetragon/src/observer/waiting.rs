//! The event cache: events that lack their process or its parent.
//!
//! What they lack was lost on the way, or is about to come from another source. They are tried again a number of times
//! and then go out marked as incomplete; when too many wait, the oldest goes out at once.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use ebpf_abi::map::ProcessKey;
use tetragon_api::v1::Process;

/// Events that wait at most.
const CAPACITY: usize = 4_096;

/// An event that waits.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A process with all that is known of it, whose parent is not.
    Exec {
        key: ProcessKey,
        process: Box<Process>,
        parent: ProcessKey,
    },
    /// The end of a process that is not known, or whose exec waits.
    Exit { key: ProcessKey, status: u32, ktime: u64 },
}

impl Event {
    fn key(&self) -> ProcessKey {
        match self {
            Self::Exec { key, .. } | Self::Exit { key, .. } => *key,
        }
    }
}

/// Queue of events in the order in which they came.
#[derive(Debug)]
pub(super) struct Waiting {
    queue: VecDeque<(Event, u32)>,
    retries: u32,
    delay: Duration,
    next: Option<Instant>,
}

impl Waiting {
    /// Each event is tried `retries` times, `delay` apart.
    pub(super) fn new(retries: u32, delay: Duration) -> Self {
        Self {
            queue: VecDeque::new(),
            retries,
            delay,
            next: None,
        }
    }

    /// Adds an event; returns one that must go out now, as too many wait.
    pub(super) fn push(&mut self, event: Event) -> Option<Event> {
        self.put_back(event, 0);
        if self.queue.len() > CAPACITY {
            self.queue.pop_front().map(|(event, _)| event)
        } else {
            None
        }
    }

    /// Whether an event of process `key` waits.
    pub(super) fn has(&self, key: ProcessKey) -> bool {
        self.queue.iter().any(|(event, _)| event.key() == key)
    }

    /// When events are to be tried again; `None` when none waits.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Takes all events with the number of times they were tried. Those that still lack something are to be put back.
    pub(super) fn take(&mut self) -> VecDeque<(Event, u32)> {
        self.next = None;
        std::mem::take(&mut self.queue)
    }

    /// Puts back an event that was tried `tries` times.
    pub(super) fn put_back(&mut self, event: Event, tries: u32) {
        self.next.get_or_insert_with(|| Instant::now() + self.delay);
        self.queue.push_back((event, tries));
    }

    /// Whether an event that was tried `tries` times goes out whatever it lacks.
    pub(super) fn is_last(&self, tries: u32) -> bool {
        tries >= self.retries
    }

    /// Number of events that wait.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}
