//! The folder of a machine, for one run at a time.

use crate::{paths, tool};
use anyhow::{Context as _, Result};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// A folder that nobody else uses as long as this lives.
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// `target/vm/NAME`, emptied. Waits until a run that uses it has ended.
    pub(crate) fn claim(name: &str) -> Result<Self> {
        let all = paths::target().join("vm");
        fs::create_dir_all(&all)?;
        let lock = File::create(all.join(format!("{name}.lock")))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                tool::step(&format!("{name}: waiting for another run to end"));
                lock.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error).context("lock the folder of a machine"),
        }
        let path = all.join(name);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("empty {}", path.display()))?;
        }
        fs::create_dir_all(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with everything in it.
    pub(crate) fn discard(self) -> Result<()> {
        fs::remove_dir_all(&self.path).with_context(|| format!("remove {}", self.path.display()))
    }
}
