//! Regular files that belong to whoever may write them: programs and libraries.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::fs::OFlags;

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
