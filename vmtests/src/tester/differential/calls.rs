//! Calls that reach hooks, with everything that a filter can look at.

pub(super) mod files;
pub(super) mod numbers;
pub(super) mod sockets;
pub(super) mod tasks;
pub(super) mod texts;

use std::{
    env, fs,
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicI64, Ordering},
};

use anyhow::{Context as _, Result};
use policy::{
    eval::{Process, Value},
    syscalls::Syscall,
};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::facts;
use crate::tester::calls::perform;

/// What a call is made of; what the parts are is up to the kind of call.
#[derive(Clone, Debug, Default)]
pub(super) struct Input {
    pub(super) words: Vec<u64>,
    pub(super) texts: Vec<String>,
    pub(super) addresses: Vec<SocketAddr>,
}

/// A value that filters look at.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    /// A word; which of its bits count depends on the type that a policy gives it.
    Word(u64),
    /// As the reference evaluator has it.
    Value(Value),
}

/// A call that is yet to be made.
pub(super) struct Prepared {
    pub(super) values: Vec<Raw>,
    /// Who makes it.
    pub(super) process: Process,
    /// The same when it has executed the program that the call is about.
    pub(super) executed: Option<Process>,
    /// Makes it; returns the id of the process that made it.
    pub(super) act: Box<dyn FnOnce() -> Result<u32>>,
}

/// What all calls share.
pub(super) struct World {
    /// Where files are.
    pub(super) folder: PathBuf,
    /// The root of the file system that they are in.
    pub(super) mount: PathBuf,
    /// A copy of this program.
    pub(super) program: PathBuf,
    pub(super) own: Process,
}

impl World {
    pub(super) fn new() -> Result<Self> {
        let mount = env::current_dir()?;
        let folder = mount.join("work");
        fs::create_dir_all(&folder)?;
        env::set_current_dir(&folder)?;
        let program = folder.join("program");
        fs::copy("/proc/self/exe", &program).context("copy this program")?;
        let limit = Rlimit {
            current: Some(4096),
            maximum: Some(4096),
        };
        setrlimit(Resource::Nofile, limit).context("allow more files")?;
        Ok(Self {
            folder,
            mount,
            program,
            own: facts::of(std::process::id())?,
        })
    }

    /// A call by this process.
    pub(super) fn call(&self, values: Vec<Raw>, act: impl FnOnce() + 'static) -> Prepared {
        let pid = self.own.pid;
        Prepared {
            values,
            process: self.own.clone(),
            executed: None,
            act: Box::new(move || {
                act();
                Ok(pid)
            }),
        }
    }
}

impl Input {
    /// The same made a little simpler, in several ways.
    pub(super) fn smaller(&self) -> Vec<Self> {
        let mut all = vec![];
        for (index, word) in self.words.iter().enumerate() {
            for simpler in [0, word & 0xffff_ffff, word >> 1, word & word.wrapping_sub(1)] {
                if simpler < *word {
                    let mut input = self.clone();
                    input.words[index] = simpler;
                    all.push(input);
                }
            }
        }
        for (index, text) in self.texts.iter().enumerate() {
            let letters: Vec<char> = text.chars().collect();
            let half = letters.len() / 2;
            for (from, to) in [
                (0, half),
                (half, letters.len()),
                (0, 1),
                (letters.len().saturating_sub(1), letters.len()),
            ] {
                if from < to && letters.len() > 1 {
                    let kept = letters[..from].iter().chain(&letters[to..]);
                    let mut input = self.clone();
                    input.texts[index] = kept.collect();
                    all.push(input);
                }
            }
        }
        all
    }
}

/// Makes a system call that may fail.
pub(super) fn system_call(name: &str, arguments: [u64; 6]) -> i64 {
    match Syscall::parse(name) {
        Some(syscall) => perform(&syscall, arguments),
        None => -i64::from(libc::ENOSYS),
    }
}

/// Makes the call that the marker policy reports; returns what it says.
pub(super) fn marker() -> i64 {
    static LAST: AtomicI64 = AtomicI64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    // There is no such kind of priority.
    system_call("getpriority", [99, number as u64, 0, 0, 0, 0]);
    number
}
