//! Events from recorded records: no kernel, no clock, the same result each time.

use std::sync::Arc;

use ebpf_abi::map::{Namespaces, ProcessKey};

use super::{Options, pipeline::Pipeline, start, stats::Counters};
use crate::{clock::Clock, sink::Sink};

/// Handles records as an [`Observer`](super::Observer) does, which knows no process but the kernel's own to begin with
/// and for which the machine was booted in 1970.
#[derive(Debug)]
pub struct Replay(Pipeline);

impl Replay {
    /// Nothing happened yet. What `options` say about the kernel is ignored.
    pub fn new(options: Options) -> Self {
        let mut pipeline = start::pipeline(options, None, Arc::new(Counters::default()), Clock::at_epoch());
        pipeline.builder.host = Namespaces::default();
        let kernel = pipeline.builder.kernel(pipeline.clock);
        pipeline.cache.insert(ProcessKey::KERNEL, ProcessKey::KERNEL, kernel);
        Self(pipeline)
    }

    /// Handles one record of the ring.
    pub fn handle(&mut self, record: &[u8], sink: &mut dyn Sink) {
        self.0.handle(record, sink);
    }

    /// One round of garbage collection.
    pub fn collect(&mut self) {
        self.0.cache.collect();
    }

    /// Emits what still waits for something that it lacks.
    pub fn finish(mut self, sink: &mut dyn Sink) {
        self.0.retry(true, sink);
        sink.flush();
    }
}
