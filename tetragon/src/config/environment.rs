//! What configuration comes from besides the command line, as a trait, so that tests need none of it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// Environment variables, files, and the few facts about the machine that defaults depend on.
pub trait Environment {
    /// Value of an environment variable.
    fn variable(&self, name: &str) -> Option<OsString>;

    /// Content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The regular files in a directory and what links there lead to regular files, sorted by name.
    fn files(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;

    /// Name of this host.
    fn host_name(&self) -> String;

    /// Number of CPUs that may be online at some time.
    fn cpus(&self) -> u64;
}

/// The real one.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Environment for System {
    fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn files(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            // Also false for links that lead nowhere.
            if path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    fn host_name(&self) -> String {
        let name = rustix::system::uname();
        name.nodename().to_string_lossy().into_owned()
    }

    fn cpus(&self) -> u64 {
        let possible = std::fs::read_to_string("/sys/devices/system/cpu/possible");
        let highest = possible.ok().and_then(|list| {
            let last = list.trim().rsplit([',', '-']).next()?;
            last.parse::<u64>().ok()
        });
        match highest {
            Some(highest) => highest + 1,
            None => std::thread::available_parallelism().map_or(1, |n| n.get() as u64),
        }
    }
}
