//! The processes that run already: from `/proc` into the kernel's map and into the process cache.
//!
//! The kernel programs are attached by now and go on. A process is inserted only where they have no entry, as theirs is
//! newer; and whether it still lives is looked up after the insertion, so that one that exits in between either leaves
//! an exit record behind or is taken out again.

use std::collections::HashMap;

use ebpf_abi::map::{Images, ProcessEntry, ProcessKey, entry_flag};
use ebpf_loader::{Map, Update};

use super::{Error, pipeline::Pipeline};
use crate::{
    executables,
    procfs::{Procfs, Scanned},
};

/// Processes read between two looks at the ring.
const BATCH: usize = 64;

/// Where they go in the kernel.
pub(super) struct Kernel<'a> {
    /// `execve_map`.
    pub(super) processes: &'a Map,
    /// [`executables::MAP`].
    pub(super) executables: &'a Map,
    /// See [`ebpf_abi::executable::id`].
    pub(super) executable_key: [u64; 2],
}

/// Inserts all of them; returns the identities of those to be told of: all but the kernel's threads. Calls `drain` now
/// and then, as the ring fills meanwhile.
pub(super) fn seed(
    procfs: &Procfs,
    kernel: &Kernel<'_>,
    pipeline: &mut Pipeline,
    mut drain: impl FnMut() -> Result<(), Error>,
) -> Result<Vec<ProcessKey>, Error> {
    let map = kernel.processes;
    let idle = ProcessEntry {
        key: ProcessKey::KERNEL,
        parent: ProcessKey::KERNEL,
        flags: entry_flag::PROCFS,
        images: images(false, Known::KERNEL),
        ..ProcessEntry::default()
    };
    let mut full = u64::from(insert(map, &idle)? == Inserted::Full);
    let process = pipeline.builder.kernel(pipeline.clock);
    pipeline.cache.insert(ProcessKey::KERNEL, ProcessKey::KERNEL, process);

    let failed = |error| Error::Procfs {
        path: procfs.root().to_owned(),
        error,
    };
    let mut processes = Vec::new();
    for (index, pid) in procfs.pids().map_err(failed)?.into_iter().enumerate() {
        if index % BATCH == 0 {
            drain()?;
        }
        processes.extend(procfs.read(pid));
    }
    // Parents before their children.
    processes.sort_unstable_by_key(|process| (process.key().ktime, process.pid));
    let mut known: HashMap<u32, Known> = HashMap::with_capacity(processes.len());
    let mut shown = Vec::new();
    for (index, process) in processes.iter().enumerate() {
        if index % BATCH == 0 {
            drain()?;
        }
        let parent = parent(process, &known, map, procfs);
        let in_init_tree = process.nspid == 1 || parent.in_init_tree;
        let key = process.key();
        let mut entry = entry(process, parent, in_init_tree);
        entry.executable = executables::note(kernel.executables, kernel.executable_key, &process.executable)?;
        match insert(map, &entry)? {
            Inserted::New => {}
            Inserted::Known => continue,
            Inserted::Full => full += 1,
        }
        // Whoever removes the entry first has seen the exit: the kernel programs, which tell of it, or this.
        if !lives(procfs, key) && remove(map, key)? {
            continue;
        }
        let built = pipeline
            .builder
            .scanned(process, parent.key, in_init_tree, pipeline.clock);
        pipeline.cache.insert(key, parent.key, built);
        known.insert(process.pid, Known::of(&entry));
        if !process.kernel_thread {
            shown.push(key);
        }
    }
    if full != 0 {
        tracing::warn!(
            processes = full,
            "execve_map is full: give it more room with --execve-map-entries"
        );
    }
    Ok(shown)
}

#[derive(Clone, Copy, Debug)]
struct Known {
    key: ProcessKey,
    in_init_tree: bool,
    images: Images,
}

impl Known {
    /// The kernel, of whose executables it is known that there are none.
    const KERNEL: Self = Self {
        key: ProcessKey::KERNEL,
        in_init_tree: false,
        images: Images {
            image: 0,
            followed: Images::KNOWN,
            parent: 0,
            parent_followed: Images::KNOWN,
        },
    };

    fn of(entry: &ProcessEntry) -> Self {
        Self {
            key: entry.key,
            in_init_tree: entry.flags & entry_flag::IN_INIT_TREE != 0,
            images: entry.images,
        }
    }
}

/// The parent of a process: of those read, of those the kernel programs know, or whoever has adopted it since.
fn parent(process: &Scanned, known: &HashMap<u32, Known>, map: &Map, procfs: &Procfs) -> Known {
    let look_up = |pid: u32| {
        if pid == 0 {
            return Some(Known::KERNEL);
        }
        known.get(&pid).copied().or_else(|| {
            let entry: ProcessEntry = map.get(&pid).ok().flatten()?;
            Some(Known::of(&entry))
        })
    };
    let adopted = || {
        procfs
            .stat(process.pid)
            .and_then(|stat| look_up(stat.ppid))
            .unwrap_or(Known {
                key: ProcessKey::new(process.ppid, 0),
                in_init_tree: false,
                images: Images::default(),
            })
    };
    look_up(process.ppid).unwrap_or_else(adopted)
}

fn entry(process: &Scanned, parent: Known, in_init_tree: bool) -> ProcessEntry {
    let mut flags = entry_flag::PROCFS;
    if in_init_tree {
        flags |= entry_flag::IN_INIT_TREE;
    }
    ProcessEntry {
        key: process.key(),
        parent: parent.key,
        flags,
        nspid: process.nspid,
        ns: process.ns,
        caps: process.caps,
        images: images(!process.kernel_thread, parent),
        ..ProcessEntry::default()
    }
}

/// What is known of the executables of a process and those before it: that no policy asks for them yet.
fn images(has_executable: bool, parent: Known) -> Images {
    Images {
        image: if has_executable { Images::KNOWN } else { 0 },
        // As far as `/proc` tells.
        followed: Images::KNOWN,
        parent: parent.images.image,
        parent_followed: parent.images.followed,
    }
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inserted {
    New,
    /// There is one of that process.
    Known,
    /// There is no room: the process is known to the agent alone, and its end will go unnoticed.
    Full,
}

fn insert(map: &Map, entry: &ProcessEntry) -> Result<Inserted, Error> {
    match map.set(&entry.key.pid, entry, Update::Insert) {
        Ok(()) => Ok(Inserted::New),
        Err(error) if error.is_taken() => Ok(Inserted::Known),
        Err(error) if error.is_full() => Ok(Inserted::Full),
        Err(error) => Err(error.into()),
    }
}

fn lives(procfs: &Procfs, key: ProcessKey) -> bool {
    procfs
        .stat(key.pid)
        .is_some_and(|stat| stat.key() == key && !stat.gone())
}

/// Removes the entry of `key` if it is still there; whether it was.
fn remove(map: &Map, key: ProcessKey) -> Result<bool, Error> {
    let entry: Option<ProcessEntry> = map.get(&key.pid)?;
    Ok(entry.is_some_and(|entry| entry.key == key) && map.remove(&key.pid)?)
}
