//! A cgroup a case: what it starts can be found and ended, however it detached itself.

use std::{
    fs::{self, File, OpenOptions},
    os::fd::{AsFd as _, BorrowedFd},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::sys::process;

/// A cgroup of the unified hierarchy, removed when done with.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    procs: &'static File,
}

impl Cgroup {
    /// Makes the cgroup `name` under the root.
    pub fn make(name: &str) -> Result<Self> {
        let path = Path::new("/sys/fs/cgroup").join(name);
        fs::create_dir(&path).with_context(|| format!("make cgroup {}", path.display()))?;
        let procs = OpenOptions::new()
            .write(true)
            .open(path.join("cgroup.procs"))
            .with_context(|| format!("open cgroup.procs of {}", path.display()))?;
        // A few dozen per run: the closures that enter it need it for as long as they may be called.
        let procs = Box::leak(Box::new(procs));
        Ok(Self { path, procs })
    }

    /// For processes to enter it.
    pub fn procs(&self) -> BorrowedFd<'static> {
        self.procs.as_fd()
    }

    /// Processes in it and below.
    pub fn members(&self) -> Vec<i32> {
        folders(&self.path)
            .iter()
            .flat_map(|folder| {
                let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
                text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<_>>()
            })
            .collect()
    }

    /// Kills all members, waits until they are gone and removes the cgroup.
    pub fn remove(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let members = self.members();
            if members.is_empty()
                && folders(&self.path)
                    .iter()
                    .rev()
                    .all(|folder| fs::remove_dir(folder).is_ok())
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("processes {members:?} do not leave cgroup {}", self.path.display());
            }
            for pid in members {
                let _ = process::kill(pid, libc::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// `path` and the cgroups below it, parents first.
fn folders(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    let mut next = 0;
    while next < found.len() {
        if let Ok(entries) = fs::read_dir(&found[next]) {
            found.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()));
        }
        next += 1;
    }
    found
}
