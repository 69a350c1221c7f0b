//! The JSON file of events.
//!
//! An event passes the filters, loses the fields that are not wanted, passes the rate limit, and is then serialised
//! once, behind the ones before it in a buffer that goes to the file when it is full or when nothing more comes for a
//! moment. All of that happens on the thread that reads the ring buffer. Rotated files are compressed and deleted on
//! another one.
//!
//! What cannot be written is lost, counted, and said once: when writing begins to fail and when it works again.

mod backups;
mod clock;
mod exporter;
mod housekeeping;
mod limit;
mod open;
mod writer;

pub use exporter::Exporter;
pub use open::OpenError;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tetragon_api::filter::Filters;
use tetragon_api::filter::fields::FieldFilters;

/// Which events to write, and where.
#[derive(Debug)]
pub struct Options {
    /// The file.
    pub file: FileOptions,
    /// Events a minute at most; any number when `None`.
    pub rate_limit: Option<u64>,
    /// Which events.
    pub filters: Filters,
    /// Which fields of them.
    pub fields: FieldFilters,
    /// Name of the node, for events about the export itself.
    pub node_name: String,
    /// Name of the cluster; empty for none.
    pub cluster_name: String,
}

/// A file that is rotated.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// Its path.
    pub path: PathBuf,
    /// No line begins that would make the file longer than this, in bytes. A single longer line gets a file of its own.
    pub max_bytes: u64,
    /// Rotate as well when this time has passed since the last rotation.
    pub interval: Option<Duration>,
    /// Rotated files to keep; 0 for all.
    pub max_backups: usize,
    /// Compress rotated files.
    pub compress: bool,
    /// Permissions of new files.
    pub mode: u32,
}

/// What became of events here. Written by one thread, read by any.
#[derive(Debug, Default)]
pub struct Counters {
    /// Lines written.
    pub events: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
    /// Lines lost because they could not be written.
    pub lost: AtomicU64,
    /// Events left out because of the rate limit.
    pub rate_limited: AtomicU64,
}

/// Adds to a counter that only the calling thread writes to: no locked instruction is needed.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
