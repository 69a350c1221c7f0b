//! Stack traces: addresses of code, with the names of the functions that they are in.
//!
//! Promises: whatever is in the files of a process, they are read with bounds on bytes and memory, and never mapped: a file
//! that is cut while it is mapped kills whoever reads it. The file system that they are on may still never answer, so
//! what looks into them ([`Processes`]) is for a thread that nobody waits for.
//!
//! Leaves out: inlined functions and lines of source, which are not in symbol tables.

mod kernel;
mod process;

use std::time::{Duration, Instant};

pub(crate) use process::{Processes, place};
use tetragon_api::v1::StackTraceEntry;

use crate::procfs::Procfs;

/// The kernel's functions change, with modules and programs: how long they are taken for what they were.
const KERNEL_KNOWN: Duration = Duration::from_mins(1);

/// What the kernel's code is called.
#[derive(Debug)]
pub(crate) struct Names {
    procfs: Procfs,
    /// Whether addresses are shown, which tell where the kernel is.
    expose: bool,
    kernel: Option<Kernel>,
}

#[derive(Debug)]
struct Kernel {
    functions: kernel::Functions,
    since: Instant,
    /// Changes of policies that were known then.
    changes: u64,
}

impl Names {
    /// Nothing is known yet. With `expose`, addresses are shown.
    pub(crate) fn new(procfs: Procfs, expose: bool) -> Self {
        Self {
            procfs,
            expose,
            kernel: None,
        }
    }

    /// The code of the kernel at `addresses`, 8 bytes each. `changes` counts those of policies, which are functions too.
    pub(crate) fn kernel(&mut self, addresses: &[u8], changes: u64) -> Vec<StackTraceEntry> {
        let old = |known: &Kernel| known.changes != changes || known.since.elapsed() > KERNEL_KNOWN;
        if self.kernel.as_ref().is_none_or(old) {
            self.kernel = Some(Kernel {
                functions: kernel::Functions::read(&self.procfs.root().join("kallsyms")),
                since: Instant::now(),
                changes,
            });
        }
        let functions = self.kernel.as_ref().map(|known| &known.functions);
        let entry = |address| {
            let (symbol, offset) = functions
                .and_then(|functions| functions.find(address))
                .unwrap_or_default();
            StackTraceEntry {
                address: if self.expose { address } else { 0 },
                offset,
                symbol: symbol.to_owned(),
                module: String::new(),
            }
        };
        words(addresses).map(entry).collect()
    }

    /// The code of a process at `addresses`, of which nothing else is known yet.
    pub(crate) fn unnamed(&self, addresses: &[u8]) -> Vec<StackTraceEntry> {
        let entry = |address| StackTraceEntry {
            address: if self.expose { address } else { 0 },
            ..StackTraceEntry::default()
        };
        words(addresses).map(entry).collect()
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let words = bytes.chunks_exact(8).filter_map(|word| word.try_into().ok());
    words.map(u64::from_le_bytes).take_while(|&address| address != 0)
}
