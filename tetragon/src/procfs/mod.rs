//! The processes that run already, from `/proc`.
//!
//! Reads one process at a time and promises nothing about two of them: processes come and go meanwhile. What it says of
//! one process is of one moment to within the few system calls it takes. Knows nothing of the kernel programs; who
//! decides which of the two sides is right is the observer.

mod namespaces;
mod process;
mod stat;
mod status;

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use ebpf_abi::map::ProcessKey;

pub use namespaces::namespaces;
pub use process::{Cgroup, Scanned};
pub use stat::Stat;

/// A mounted `/proc`.
#[derive(Clone, Debug)]
pub struct Procfs {
    root: PathBuf,
    /// Which line of `/proc/<pid>/cgroup` counts.
    pub cgroup: Cgroup,
    /// Whether to read environments.
    pub environ: bool,
}

impl Procfs {
    /// The `/proc` that is mounted at `root`.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            cgroup: Cgroup::Unified,
            environ: false,
        }
    }

    /// Where it is mounted.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file `path` of process `pid`.
    pub fn file(&self, pid: u32, path: &str) -> PathBuf {
        self.root.join(pid.to_string()).join(path)
    }

    /// The file itself that process `pid` has mapped at these addresses, whatever has become of its path.
    pub fn mapped(&self, pid: u32, Range { start, end }: &Range<u64>) -> PathBuf {
        self.file(pid, &format!("map_files/{start:x}-{end:x}"))
    }

    /// Process ids of all processes at about this moment.
    pub fn pids(&self) -> io::Result<Vec<u32>> {
        let mut pids = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            pids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
        }
        Ok(pids)
    }

    /// This process as it is numbered there, which may be another pid namespace.
    pub fn own_pid(&self) -> io::Result<u32> {
        let link = fs::read_link(self.root.join("self"))?;
        let pid = link.to_str().and_then(|pid| pid.parse().ok());
        pid.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Number of this process there, and when it started.
    pub fn own_key(&self) -> io::Result<ProcessKey> {
        let stat = self.stat(self.own_pid()?).ok_or(io::ErrorKind::NotFound)?;
        Ok(stat.key())
    }

    /// What `/proc/<pid>/stat` says at this moment; `None` when there is no such process.
    pub fn stat(&self, pid: u32) -> Option<Stat> {
        Stat::parse(&fs::read(self.file(pid, "stat")).ok()?)
    }
}
