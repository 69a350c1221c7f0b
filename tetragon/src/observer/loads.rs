//! Programs and libraries that were mapped.

use std::{
    collections::{HashSet, VecDeque},
    fs::Metadata,
    ops::Range,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::Arc,
};

use ebpf_abi::map::ProcessKey;
use policy_elf::Elf;

use crate::{procfs::Procfs, record, regular, sensor::loader::value};

/// Files of processes that are remembered, so that each is told of once: a program has several mappings.
const TOLD: usize = 1_024;

/// A file that was mapped.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    pub(super) path: Vec<u8>,
    range: Range<u64>,
    inode: u64,
    /// As the kernel numbers it: 20 bits for the minor number.
    device: u64,
}

impl Mapped {
    /// What a record says. Nothing if it has no path.
    pub(super) fn read(record: &record::Hook<'_>) -> Option<Self> {
        let mut mapped = Self::default();
        for value in record.args.values() {
            let number = value.number();
            match value.head.kind {
                value::PATH if value.head.status == 0 => mapped.path = value.bytes.to_vec(),
                value::START => mapped.range.start = number.unwrap_or(0),
                value::END => mapped.range.end = number.unwrap_or(0),
                value::INODE => mapped.inode = number.unwrap_or(0),
                value::DEVICE => mapped.device = number.unwrap_or(0),
                _ => {}
            }
        }
        (!mapped.path.is_empty()).then_some(mapped)
    }

    /// Whether this is it.
    fn is(&self, data: &Metadata) -> bool {
        let device = rustix::fs::makedev((self.device >> 20) as u32, self.device as u32 & 0xf_ffff);
        data.ino() == self.inode && data.dev() == device
    }
}

/// A process and a path.
type Told = Arc<(ProcessKey, Vec<u8>)>;

/// What was told of.
#[derive(Debug)]
pub(super) struct Loads {
    procfs: Procfs,
    told: HashSet<Told>,
    order: VecDeque<Told>,
}

impl Loads {
    /// Nothing was told of.
    pub(super) fn new(procfs: Procfs) -> Self {
        Self {
            procfs,
            told: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    /// Whether it was not told yet that `process` has mapped `path`; it is now.
    pub(super) fn is_new(&mut self, process: ProcessKey, path: &[u8]) -> bool {
        let entry = Arc::new((process, path.to_vec()));
        if !self.told.insert(Arc::clone(&entry)) {
            return false;
        }
        self.order.push_back(entry);
        if self.order.len() > TOLD
            && let Some(oldest) = self.order.pop_front()
        {
            self.told.remove(&oldest);
        }
        true
    }

    /// The note by which builds are told apart: of the mapped file itself, or, when the process is gone, of what is at its
    /// path if that is the same file.
    pub(super) fn build_id(&self, pid: u32, mapped: &Mapped) -> Option<Vec<u8>> {
        let own = self.procfs.mapped(pid, &mapped.range);
        let path = Path::new(std::str::from_utf8(&mapped.path).ok()?);
        let file = [own.as_path(), path].into_iter().find_map(|path| {
            let (file, data) = regular::open(path).ok()??;
            mapped.is(&data).then_some(file)
        });
        Elf::read(file?).ok()?.build_id()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn a_file_is_told_of_once_for_each_process() {
        let mut loads = Loads::new(Procfs::new("/proc".as_ref()));
        let process = |pid| ProcessKey::new(pid, 1);
        assert!(loads.is_new(process(1), b"/lib/a"));
        assert!(!loads.is_new(process(1), b"/lib/a"));
        assert!(loads.is_new(process(2), b"/lib/a"));
        for pid in 3..3 + TOLD as u32 {
            assert!(loads.is_new(process(pid), b"/lib/b"));
        }
        assert_eq!((loads.told.len(), loads.order.len()), (TOLD, TOLD));
        assert!(loads.is_new(process(1), b"/lib/a"));
    }

    #[test]
    fn the_build_id_of_the_very_file() {
        let path = std::env::current_exe().unwrap();
        let data = fs::metadata(&path).unwrap();
        let (major, minor) = (rustix::fs::major(data.dev()), rustix::fs::minor(data.dev()));
        let mut mapped = Mapped {
            path: path.to_str().unwrap().as_bytes().to_vec(),
            inode: data.ino(),
            device: u64::from(major) << 20 | u64::from(minor),
            ..Mapped::default()
        };
        let loads = Loads::new(Procfs::new("/proc".as_ref()));
        let expected = Elf::read(File::open(&path).unwrap()).unwrap().build_id();
        assert_eq!(loads.build_id(0, &mapped), expected);
        mapped.inode += 1;
        assert_eq!(loads.build_id(0, &mapped), None);
    }
}
