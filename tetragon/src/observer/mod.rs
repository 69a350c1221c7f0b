//! What observes: kernel programs in the kernel, the ring buffer they write to, and the loop that reads it.
//!
//! [`Observer::start`] loads, tests and attaches the programs and scans `/proc`; [`Observer::run`] reads the ring on the
//! calling thread, builds events and hands them to a [`Sink`](crate::sink::Sink) until [`Stop::stop`] is called.
//!
//! Promises: nothing stays in the kernel when an [`Observer`] is dropped; every event that the kernel programs made is
//! either handed to the sink or counted in [`Stats`]. Leaves out: files, clients, and what policies mean: that is the
//! business of [`sensor`](crate::sensor).
//!
//! ```no_run
//! # fn demo(sink: &mut dyn tetragon::sink::Sink) -> Result<(), Box<dyn std::error::Error>> {
//! use tetragon::observer::{Observer, Options, Stop};
//!
//! let stop = Stop::new()?;
//! let observer = Observer::start(Options::default())?;
//! let stats = observer.stats_handle();
//! // Elsewhere, on a signal: `stop.clone().stop()`.
//! let total = observer.run(sink, &stop)?;
//! assert_eq!(stats.read().received, total.received);
//! # Ok(())
//! # }
//! ```

mod calls;
mod cgroup;
mod data;
mod emit;
mod errands;
mod error;
mod family;
mod held;
mod hooks;
mod kernel_types;
mod loads;
mod naming;
mod object;
mod options;
mod pipeline;
mod privileges;
mod reconcile;
mod replay;
mod run;
mod seed;
mod self_test;
mod spares;
mod start;
mod stats;
mod stop;
mod waiting;

use std::path::Path;

pub use error::Error;
pub use options::{Options, Redact};
pub use replay::Replay;
pub use run::Observer;
pub use stats::{OpStats, Stats, StatsHandle};
pub use stop::Stop;

/// The object of kernel programs, from `--bpf-lib` or embedded.
pub(crate) fn kernel_object(bpf_lib: Option<&Path>) -> Result<ebpf_loader::Object, Error> {
    object::object(bpf_lib)
}

/// The kernel's type information: the bytes of a file.
pub(crate) fn kernel_types(btf: Option<&Path>, bpf_lib: Option<&Path>) -> Result<Vec<u8>, Error> {
    Ok(kernel_types::find(btf, bpf_lib)?.bytes)
}

#[cfg(test)]
mod tests;
