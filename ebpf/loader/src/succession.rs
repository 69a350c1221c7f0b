//! Successions: how programs that override what functions return follow each other at a kprobe.
//!
//! Such a program cannot be called by another one (`bpf_prog_map_compatible`, kernel/bpf/core.c), so there is no dispatcher
//! in front of it. Instead, its successor is attached before it is detached. The kernel runs what was attached last first
//! (`add_new_kprobe`, kernel/kprobes.c), with preemption disabled. Each program writes down on its CPU which generation it
//! is, and does nothing when it finds a later one there: then that one has run for this very call. So no call passes
//! unseen, and none is seen twice.

use crate::{
    bytes::kernel_name,
    error::Error,
    map::Map,
    sys::{MapFd, MapSpec},
};

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
        let spec = MapSpec {
            name: kernel_name(name),
            map_type: PERCPU_ARRAY,
            key_size: 4,
            value_size: 8,
            max_entries: 1,
            ..Default::default()
        };
        let fd = MapFd::create(spec, None).map_err(|source| Error::CreateMap {
            map: name.to_owned(),
            source,
        })?;
        Ok(Self {
            map: Map {
                name: name.to_owned(),
                fd,
            },
        })
    }

    /// The map in which it is written down: a word.
    pub fn map(&self) -> &Map {
        &self.map
    }
}
