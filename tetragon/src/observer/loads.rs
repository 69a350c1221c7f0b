//! Programs and libraries that were mapped.

use std::{
    collections::{HashSet, VecDeque},
    ffi::OsStr,
    fs::Metadata,
    ops::Range,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    sync::Arc,
    time::Instant,
};

use ebpf_abi::map::ProcessKey;
use policy_elf::Elf;

use crate::{
    procfs::Procfs,
    record,
    regular::{self, Budget, Limited},
    sensor::loader::value,
};

/// Files of processes that are remembered, so that each is told of once: a program has several mappings.
const TOLD: usize = 1_024;

/// Files that executions have mapped which have no event yet: two each, mostly.
const EXECUTING: usize = 256;

/// Bytes that are read to find a build id: of tables of segments and sections, of which a library has some dozens.
const BUILD_ID_LEN: u64 = 8 << 20;

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

/// A process, the device, the inode and the path: a file that takes the place of another one is told of as well.
type Told = Arc<(ProcessKey, u64, u64, Vec<u8>)>;

/// A file that waits for the event of the execution that mapped it.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The image before it.
    pub(super) process: ProcessKey,
    pub(super) tid: u32,
    pub(super) ktime: u64,
    pub(super) mapped: Mapped,
}

/// What was told of, and what waits.
#[derive(Debug, Default)]
pub(super) struct Loads {
    told: HashSet<Told>,
    order: VecDeque<Told>,
    waiting: VecDeque<Waiting>,
}

impl Loads {
    /// Keeps a file until the process is known that it is of. When too many wait, returns the oldest, which is then of the image
    /// before.
    pub(super) fn wait(&mut self, waiting: Waiting) -> Option<Waiting> {
        self.waiting.push_back(waiting);
        if self.waiting.len() > EXECUTING {
            self.waiting.pop_front()
        } else {
            None
        }
    }

    /// The next file that waits and was mapped when the process was still `process`.
    pub(super) fn next_of(&mut self, process: ProcessKey) -> Option<Waiting> {
        let at = self.waiting.iter().position(|waiting| waiting.process == process)?;
        self.waiting.remove(at)
    }

    /// Whether it was not told yet that `process` has mapped this file; it is now.
    pub(super) fn is_new(&mut self, process: ProcessKey, mapped: &Mapped) -> bool {
        let entry = Arc::new((process, mapped.device, mapped.inode, mapped.path.clone()));
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
}

/// The note by which builds are told apart: of the mapped file itself, or, when the process is gone, of what is at its
/// path if that is the same file. Reads files of others, which may never answer.
///
/// The kernel hands out the very file that is mapped, so nothing is compared: on btrfs and overlayfs what `stat(2)` says
/// of it is not what the kernel says. There, files of processes that are gone have no build id.
pub(super) fn build_id(procfs: &Procfs, pid: u32, mapped: &Mapped, until: Instant) -> Option<Vec<u8>> {
    let own = || regular::open(&procfs.mapped(pid, &mapped.range)).ok()?;
    let path = || {
        let opened = regular::open(OsStr::from_bytes(&mapped.path).as_ref()).ok()?;
        opened.filter(|(_, data)| mapped.is(data))
    };
    let (file, _) = own().or_else(path)?;
    let file = Limited::new(file, &Budget::new(BUILD_ID_LEN, until));
    Elf::read(file).ok()?.build_id()
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        path::Path,
        process::Command,
        time::Duration,
    };

    use super::*;

    #[test]
    fn a_file_is_told_of_once_for_each_process() {
        let mut loads = Loads::default();
        let process = |pid| ProcessKey::new(pid, 1);
        let file = |path: &str, inode| Mapped {
            path: path.into(),
            inode,
            ..Mapped::default()
        };
        let file_a = file("/lib/a", 1);
        assert!(loads.is_new(process(1), &file_a));
        assert!(!loads.is_new(process(1), &file_a));
        assert!(loads.is_new(process(2), &file_a));
        assert!(loads.is_new(process(2), &file("/lib/a", 2)));
        for pid in 3..3 + TOLD as u32 {
            assert!(loads.is_new(process(pid), &file("/lib/b", 3)));
        }
        assert_eq!((loads.told.len(), loads.order.len()), (TOLD, TOLD));
        assert!(loads.is_new(process(1), &file_a));
    }

    #[test]
    fn what_waits_is_of_one_process_and_bounded() {
        let mut loads = Loads::default();
        let waiting = |pid, ktime| Waiting {
            process: ProcessKey::new(pid, 1),
            tid: pid,
            ktime,
            mapped: Mapped::default(),
        };
        for (pid, ktime) in [(1, 1), (2, 2), (1, 3)] {
            assert!(loads.wait(waiting(pid, ktime)).is_none());
        }
        let mut next = |pid| loads.next_of(ProcessKey::new(pid, 1)).map(|waiting| waiting.ktime);
        assert_eq!([next(1), next(1), next(1), next(2)], [Some(1), Some(3), None, Some(2)]);
        let all = (0..=EXECUTING as u64).filter_map(|ktime| loads.wait(waiting(1, ktime)));
        assert_eq!(all.map(|waiting| waiting.ktime).collect::<Vec<_>>(), [0]);
    }

    /// The file at `path`, as the kernel tells of it.
    fn mapped(path: &Path) -> Mapped {
        let data = fs::metadata(path).unwrap();
        let (major, minor) = (rustix::fs::major(data.dev()), rustix::fs::minor(data.dev()));
        Mapped {
            path: path.as_os_str().as_bytes().to_vec(),
            inode: data.ino(),
            device: u64::from(major) << 20 | u64::from(minor),
            ..Mapped::default()
        }
    }

    #[test]
    fn the_build_id_of_the_very_file() {
        let path = std::env::current_exe().unwrap();
        let mut mapped = mapped(&path);
        let procfs = Procfs::new("/proc".as_ref());
        let build_id = |mapped: &Mapped, until| build_id(&procfs, 0, mapped, until);
        let later = Instant::now() + Duration::from_hours(1);
        let expected = Elf::read(File::open(&path).unwrap()).unwrap().build_id();
        assert!(expected.is_some());
        assert_eq!(build_id(&mapped, later), expected);
        assert_eq!(build_id(&mapped, Instant::now()), None);
        mapped.inode += 1;
        assert_eq!(build_id(&mapped, later), None);
    }

    #[test]
    fn what_the_kernel_hands_out_is_the_file_whatever_its_device_is_called() {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let executable = std::env::current_exe().unwrap();
        let line = maps.lines().find(|line| line.ends_with(executable.to_str().unwrap()));
        let (start, end) = line.unwrap().split_once(' ').unwrap().0.split_once('-').unwrap();
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        let mapped = Mapped {
            path: b"/nowhere".to_vec(),
            range: number(start)..number(end),
            ..Mapped::default()
        };
        let procfs = Procfs::new("/proc".as_ref());
        let pid = procfs.own_pid().unwrap();
        // `map_files` is for root alone.
        if fs::metadata(procfs.mapped(pid, &mapped.range)).is_ok() {
            assert!(build_id(&procfs, pid, &mapped, Instant::now() + Duration::from_hours(1)).is_some());
        }
    }

    #[test]
    fn paths_are_bytes_and_pipes_are_passed_by() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(OsStr::from_bytes(b"lib\xff.so"));
        fs::copy(std::env::current_exe().unwrap(), &path).unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let procfs = Procfs::new("/proc".as_ref());
        let build_id = |path| build_id(&procfs, 0, &mapped(path), Instant::now() + Duration::from_hours(1));
        assert!(build_id(&path).is_some());
        assert_eq!(build_id(&pipe), None);
    }
}
