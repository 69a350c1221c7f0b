//! The loop that reads the ring.

use std::sync::Arc;

use super::{Error, Options, Stats, StatsHandle, Stop, stats::Counters};
use crate::sink::Sink;

/// Kernel programs attached and a ring to read.
#[derive(Debug)]
pub struct Observer {
    counters: Arc<Counters>,
}

impl Observer {
    /// Loads the kernel programs, tests them, attaches them, and scans `/proc` for the processes that run already.
    pub fn start(_options: Options) -> Result<Self, Error> {
        Err(Error::NoObject)
    }

    /// Counters, readable while the observer runs and after.
    pub fn stats_handle(&self) -> Arc<StatsHandle> {
        Arc::new(StatsHandle {
            counters: Arc::clone(&self.counters),
        })
    }

    /// Emits the processes that run already, then every event, until stopped. Then detaches, reads what is left in the
    /// ring, and returns the final counters.
    pub fn run(self, _sink: &mut dyn Sink, _stop: &Stop) -> Result<Stats, Error> {
        Ok(self.stats_handle().read())
    }
}
