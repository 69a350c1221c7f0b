//! Regular files that belong to whoever may write them: programs and libraries.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use ebpf_codegen::ELSEWHERE;
use policy_elf::Source;
use rustix::fs::{FsWord, OFlags, fstatfs};

/// Which file a path leads to, and in which state: device, inode, length, and when what is in it and what is known of it
/// changed last. The latter cannot be set by whoever may write the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    /// That of the file at `path` at this moment.
    pub(crate) fn of(path: impl AsRef<Path>) -> io::Result<Self> {
        fs::metadata(path).map(|data| Self::from(&data))
    }

    /// Whether both are states of one file.
    pub(crate) const fn is_same_file(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }
}

impl From<&Metadata> for Identity {
    fn from(data: &Metadata) -> Self {
        Self {
            device: data.dev(),
            inode: data.ino(),
            len: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        }
    }
}

/// Opens the file at `path` for reading, with what is known of it as it was opened. `None` if it is no regular file: opening
/// a device may do something, and opening a pipe would wait for a writer.
pub(crate) fn open(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    if !fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)?;
    // Another one may have taken its place.
    let data = file.metadata()?;
    Ok(data.is_file().then_some((file, data)))
}

/// How long a file system may take to open a file: the disk of a machine that is busy takes some seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// As [`open`], but refuses files for which other machines or programs answer: reading one may take for ever. As even opening
/// them may, that is left to a thread, and waited for only so long.
pub(crate) fn open_here(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    let (send, receive) = mpsc::channel();
    let owned = path.to_owned();
    thread::Builder::new().name("open".to_owned()).spawn(move || {
        // Nobody may be waiting any longer.
        let _ = send.send(open_if_here(&owned));
    })?;
    receive
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|_| Err(io::Error::other("its file system does not answer")))
}

fn open_if_here(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    let opened = open(path)?;
    if let Some((file, _)) = &opened {
        check_here(fstatfs(file)?.f_type)?;
    }
    Ok(opened)
}

/// Whether files of a file system of this type are read.
fn check_here(magic: FsWord) -> io::Result<()> {
    if ELSEWHERE.iter().any(|elsewhere| FsWord::from(*elsewhere) == magic) {
        return Err(io::Error::other(
            "it is on a file system that another machine or a program answers for (such as NFS or FUSE), perhaps never: copy it \
             to one of this machine",
        ));
    }
    Ok(())
}

/// How much is read of files for one purpose.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Those that are left.
    bytes: AtomicU64,
    whole: u64,
    until: Instant,
}

impl Budget {
    /// So many bytes, and nothing after `until`.
    pub(crate) fn new(bytes: u64, until: Instant) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicU64::new(bytes),
            whole: bytes,
            until,
        })
    }

    /// Whether nothing has been read yet.
    pub(crate) fn is_whole(&self) -> bool {
        self.bytes.load(Relaxed) == self.whole
    }

    /// Whether nothing is left of it.
    pub(crate) fn is_spent(&self) -> bool {
        self.bytes.load(Relaxed) == 0 || self.is_late()
    }

    /// Whether the time is over.
    pub(crate) fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// A file that is read as long as a budget lasts.
#[derive(Debug)]
pub(crate) struct Limited {
    file: File,
    budget: Arc<Budget>,
}

impl Limited {
    /// `file` within `budget`.
    pub(crate) fn new(file: File, budget: &Arc<Budget>) -> Self {
        Self {
            file,
            budget: Arc::clone(budget),
        }
    }
}

impl Source for Limited {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.budget.is_spent() {
            return Err(io::Error::other("more than is read of a file"));
        }
        let left = self.budget.bytes.load(Relaxed);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let len = Source::read_at(&self.file, &mut buffer[..most], offset)?;
        self.budget.bytes.store(left.saturating_sub(len as u64), Relaxed);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(open(&path).unwrap().is_none());
        assert!(open_here(&path).unwrap().is_none());
    }

    #[test]
    fn a_file_whose_access_changes_is_in_another_state() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        let before = Identity::of(file.path()).unwrap();
        // The clock that times of files are taken from goes in steps.
        let changed = loop {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
            let now = Identity::of(file.path()).unwrap();
            if now != before {
                break now;
            }
        };
        assert_eq!(changed.modified, before.modified);
        assert_ne!(changed.changed, before.changed);
    }

    #[test]
    fn what_others_answer_for_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(open_here(file.path()).unwrap().is_some());
        // ext4, tmpfs, overlayfs.
        for here in [0xef53, 0x0102_1994, 0x794c_7630] {
            assert!(check_here(here).is_ok(), "{here:#x}");
        }
        for elsewhere in ELSEWHERE {
            let error = check_here(elsewhere.into()).unwrap_err().to_string();
            assert!(
                error.starts_with("it is on a file system that another machine"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_budget_ends() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), [7; 100]).unwrap();
        let limited = |bytes, until| {
            let (file, _) = open(file.path()).unwrap().unwrap();
            Limited::new(file, &Budget::new(bytes, until))
        };
        let later = Instant::now() + Duration::from_hours(1);
        let few = limited(60, later);
        assert_eq!(few.read_at(&mut [0; 50], 0).unwrap(), 50);
        assert_eq!(few.read_at(&mut [0; 50], 50).unwrap(), 10);
        assert!(few.budget.is_spent());
        assert!(few.read_at(&mut [0; 50], 60).is_err());
        assert!(limited(60, Instant::now()).read_at(&mut [0; 50], 0).is_err());
    }
}
