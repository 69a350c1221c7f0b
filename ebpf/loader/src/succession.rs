//! Successions: how programs that override what functions return follow each other at a kprobe.
//!
//! Such a program cannot be called by another one (`bpf_prog_map_compatible`, kernel/bpf/core.c), so there is no dispatcher
//! in front of it. Instead, its successor is attached before it is detached. The kernel runs what was attached last first
//! (`add_new_kprobe`, kernel/kprobes.c), with preemption disabled. Each program writes down on its CPU which generation it
//! is, and does nothing when it finds a later one there: then that one has run for this very call. So no call passes
//! unseen, and none is seen twice.

use crate::{error::Error, map::Map};

/// `BPF_MAP_TYPE_PERCPU_ARRAY`.
const PERCPU_ARRAY: u32 = 6;

/// The generation that ran last, for each CPU.
#[derive(Debug)]
pub struct Succession {
    map: Map,
}

impl Succession {
    /// One for one hook point. No program has run.
    pub fn new(name: &str) -> Result<Self, Error> {
        Ok(Self {
            map: Map::single(name, PERCPU_ARRAY, 8)?,
        })
    }

    /// The map in which it is written down: a word.
    pub fn map(&self) -> &Map {
        &self.map
    }
}
