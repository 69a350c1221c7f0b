//! Names of rotated files: `tetragon.log` becomes `tetragon-2031-02-03T04-05-06.789.log`, with the time of the rotation
//! in UTC, and `.gz` behind it once compressed. Their order is that of time.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use prost_types::Timestamp;

/// What compressed files end in.
pub(super) const GZ: &str = ".gz";
/// What files end in that are being compressed.
pub(super) const PARTIAL: &str = ".gz.tmp";

/// What names of the backups of one file have around the time.
#[derive(Debug)]
pub(super) struct Names {
    directory: PathBuf,
    prefix: String,
    extension: String,
}

/// A rotated file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Backup {
    /// The time in its name.
    pub(super) time: String,
    /// What follows its extension: nothing, [`GZ`] or [`PARTIAL`].
    pub(super) suffix: String,
    pub(super) path: PathBuf,
}

impl Names {
    /// Of the backups of the file at `path`.
    pub(super) fn of(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (stem, extension) = match name.rfind('.') {
            Some(dot) => name.split_at(dot),
            None => (&*name, ""),
        };
        Self {
            directory: directory(path).to_owned(),
            prefix: format!("{stem}-"),
            extension: extension.to_owned(),
        }
    }

    /// A name for a file rotated at `now`, or as soon after as there is one that is free.
    pub(super) fn free(&self, now: SystemTime) -> PathBuf {
        let mut now = now;
        loop {
            let name = format!("{}{}{}", self.prefix, stamp(now), self.extension);
            let path = self.directory.join(&name);
            let compressed = self.directory.join(format!("{name}{GZ}"));
            if path.symlink_metadata().is_err() && compressed.symlink_metadata().is_err() {
                return path;
            }
            now += Duration::from_millis(1);
        }
    }

    /// All backups there are, oldest first.
    pub(super) fn list(&self) -> io::Result<Vec<Backup>> {
        let mut backups = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let entry = entry?;
            if let Some((time, suffix)) = self.parse(&entry.file_name()) {
                backups.push(Backup {
                    time,
                    suffix,
                    path: entry.path(),
                });
            }
        }
        backups.sort();
        Ok(backups)
    }

    /// Time and suffix in `name`, if it is the name of a backup.
    fn parse(&self, name: &OsStr) -> Option<(String, String)> {
        const FORM: &str = "0000-00-00T00-00-00.000";
        let rest = name.to_str()?.strip_prefix(&self.prefix)?;
        let (time, rest) = rest.split_at_checked(FORM.len())?;
        let fits = |(c, form): (u8, u8)| if form == b'0' { c.is_ascii_digit() } else { c == form };
        let suffix = rest.strip_prefix(&self.extension)?;
        let known = ["", GZ, PARTIAL].contains(&suffix);
        (known && time.bytes().zip(FORM.bytes()).all(fits)).then(|| (time.to_owned(), suffix.to_owned()))
    }
}

/// The directory that the file at `path` is in.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// `now` in UTC to the millisecond, without the colons that some file systems refuse.
fn stamp(now: SystemTime) -> String {
    let time = Timestamp::from(now);
    let seconds = Timestamp { nanos: 0, ..time }.to_string();
    format!(
        "{}.{:03}",
        seconds.trim_end_matches('Z').replace(':', "-"),
        time.nanos / 1_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_927_857_906_009);
        for (path, expected) in [
            ("/nowhere/tetragon.log", "/nowhere/tetragon-2031-02-03T04-05-06.009.log"),
            ("/nowhere/a.b.c", "/nowhere/a.b-2031-02-03T04-05-06.009.c"),
            ("/nowhere/events", "/nowhere/events-2031-02-03T04-05-06.009"),
            ("events", "./events-2031-02-03T04-05-06.009"),
        ] {
            let names = Names::of(Path::new(path));
            let name = names.free(now);
            assert_eq!(name, Path::new(expected));
            let parsed = names.parse(name.file_name().unwrap());
            assert_eq!(parsed, Some(("2031-02-03T04-05-06.009".into(), String::new())));
        }
    }

    #[test]
    fn only_backups_are_backups() {
        let names = Names::of(Path::new("/x/t.log"));
        let parse = |name: &str| names.parse(OsStr::new(name)).map(|(_, suffix)| suffix);
        assert_eq!(parse("t-2031-02-03T04-05-06.009.log.gz").as_deref(), Some(".gz"));
        for other in [
            "t.log",
            "t-2031-02-03T04-05-06.009",
            "t-2031-02-03T04-05-06.009.log.old",
            "t-2031-02-03T04:05:06.009.log",
            "t-x.log",
            "u-2031-02-03T04-05-06.009.log",
            "t-é031-02-03T04-05-06.009.log",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
