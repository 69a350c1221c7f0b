//! Opening the file, at start and after a rotation.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::backups::directory;

/// The export file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("export file {}: {reason}: {error}; {advice}", path.display())]
pub struct OpenError {
    path: PathBuf,
    reason: &'static str,
    error: io::Error,
    advice: &'static str,
}

/// A file to append to.
pub(super) struct Opened {
    pub(super) file: File,
    /// Bytes in it.
    pub(super) size: u64,
    /// Whether it is one that can be rotated: not a pipe or a device.
    pub(super) regular: bool,
    /// Whether its last line lacks its end.
    pub(super) torn: bool,
}

/// Opens the file at `path` to append to it, or creates it with `mode`. Creates the directory that it is in, but not
/// the one that that is in.
pub(super) fn open(path: &Path, mode: u32) -> Result<Opened, OpenError> {
    let failed = |reason, advice| {
        move |error: io::Error| OpenError {
            path: path.to_owned(),
            reason,
            error,
            advice,
        }
    };
    let advice = "give --export-filename a file in a directory that can be written";
    let directory = directory(path);
    match DirBuilder::new().mode(0o755).create(directory) {
        Ok(()) => {}
        // What is there may still be no directory: opening will tell.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(failed("its directory is missing", "create the directory")(error));
        }
        Err(error) if directory.is_dir() => drop(error),
        Err(error) => return Err(failed("create its directory", advice)(error)),
    }
    match create(path, mode) {
        Ok(file) => Ok(Opened {
            file,
            size: 0,
            regular: true,
            torn: false,
        }),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => existing(path).map_err(failed("open", advice)),
        Err(error) => Err(failed("create", advice)(error)),
    }
}

/// A new file. Whatever the process's mask takes away, `mode` is what it gets.
pub(super) fn create(path: &Path, mode: u32) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create_new(true).mode(mode).open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

fn existing(path: &Path) -> io::Result<Opened> {
    let kind = fs::metadata(path)?.file_type();
    // `create_new` has met a link that leads to nothing, or what is there is a directory: opening says so.
    let file = OpenOptions::new().append(true).open(path)?;
    let metadata = file.metadata()?;
    if kind.is_fifo() || kind.is_char_device() || kind.is_socket() || !metadata.is_file() {
        return Ok(Opened {
            file,
            size: 0,
            regular: false,
            torn: false,
        });
    }
    Ok(Opened {
        file,
        size: metadata.len(),
        regular: true,
        torn: metadata.len() > 0 && last_byte(path).is_ok_and(|byte| byte != b'\n'),
    })
}

fn last_byte(path: &Path) -> io::Result<u8> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}
