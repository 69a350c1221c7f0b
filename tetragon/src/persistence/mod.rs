//! Enforcement that outlives the agent (`--keep-sensors-on-exit`), and what a former agent has left
//! (`--release-pinned-bpf`).
//!
//! ```text
//! /sys/fs/bpf/tetragon/            0700
//!   agent -> tetragon v… with ABI …      whose pins these are
//!   complete -> policies are loaded      an agent died before that, if it is missing
//!   spared                               the map that says which process the agent is
//!   __base__/0-sched_process_exit …      links of what follows processes
//!   hooks/1-lsm:file_open                links of hook points
//!   hooks/0-lsm:file_open-programs       what is behind them, which the kernel would forget
//! /sys/fs/bpf/tetragon_old/        what a former agent has left, until the policies of this one are loaded
//! ```
//!
//! Promises: everything is pinned as soon as it is attached, so that an agent has no time to need; what is left by one that
//! had its policies in force stays in force until another one has.
//!
//! Leaves out: using what was left. The next agent loads everything anew and has maps of its own; only that it is the agent
//! now it tells the programs that were left, lest they kill it.

mod directory;
mod root;
mod spared;

pub use directory::Directory;
pub use spared::introduce;

use std::{io, path::PathBuf};

/// Why some attachments end with the agent.
pub(crate) const NO_PERF_LINKS: &str =
    "the kernel has no links on perf events, which came with 5.15, and nothing else of them can be kept";

/// What becomes of pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Name of the directory (`--bpf-dir`).
    pub directory: String,
    /// Pin what is attached (`--keep-sensors-on-exit`).
    pub keep: bool,
    /// Remove what a former agent has left at once (`--release-pinned-bpf`), not when the policies are loaded.
    pub release: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            directory: "tetragon".to_owned(),
            keep: false,
            release: true,
        }
    }
}

/// Pins cannot be had, or not be removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no file system for them.
    #[error(
        "mount a BPF file system on {}: {error}; mount one there, or leave out --keep-sensors-on-exit",
        path.display()
    )]
    Mount {
        /// Where.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Other file systems are where it belongs.
    #[error("{} are no BPF file systems: unmount one of them, or leave out --keep-sensors-on-exit", paths.join(" and "))]
    Occupied {
        /// The places.
        paths: Vec<String>,
    },
    /// Something in it failed.
    #[error("{operation} {}: {error}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}
