//! Files that a guest sends in pieces.

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

/// Writes what comes into a folder.
pub(crate) struct Blobs {
    folder: PathBuf,
    /// Names of files that are not complete.
    open: BTreeSet<String>,
}

impl Blobs {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            open: BTreeSet::new(),
        }
    }

    /// Takes the next piece of a file. A piece after the last one begins the file anew.
    pub(crate) fn piece(&mut self, name: &str, data: &str, last: bool) -> Result<()> {
        let relative = Path::new(name);
        if name.is_empty() || !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            bail!("the guest sends a file named {name:?}, which would lie outside of its folder");
        }
        let bytes = STANDARD
            .decode(data)
            .with_context(|| format!("file {name} of the guest is not base64"))?;
        let path = self.folder.join(relative);
        fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        let fresh = self.open.insert(name.to_owned());
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(fresh).append(!fresh);
        options
            .open(&path)
            .with_context(|| format!("create {}", path.display()))?
            .write_all(&bytes)?;
        if last {
            self.open.remove(name);
        }
        Ok(())
    }

    /// Names of files of which the last piece is missing.
    pub(crate) fn incomplete(&self) -> impl Iterator<Item = &str> {
        self.open.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::Blobs;
    use std::fs;

    #[test]
    fn pieces_make_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut blobs = Blobs::new(folder.path());
        blobs.piece("a/b", "aGVs", false).unwrap();
        assert_eq!(blobs.incomplete().collect::<Vec<_>>(), ["a/b"]);
        blobs.piece("a/b", "bG8=", true).unwrap();
        assert_eq!(fs::read(folder.path().join("a/b")).unwrap(), b"hello");
        blobs.piece("a/b", "", true).unwrap();
        assert_eq!(fs::read(folder.path().join("a/b")).unwrap(), b"");
        assert_eq!(blobs.incomplete().count(), 0);
    }

    #[test]
    fn names_stay_inside() {
        let mut blobs = Blobs::new("/nonexistent".as_ref());
        for name in ["", "..", "a/../../b", "/etc/passwd"] {
            assert!(blobs.piece(name, "", true).is_err(), "{name}");
        }
    }
}
