//! What can go wrong, with the call and the object in it.

use std::{fmt, io, path::PathBuf};

/// A system call that failed.
#[derive(Debug)]
pub struct SysError {
    /// Name of the call as manual pages and kernel sources have it.
    pub call: &'static str,
    /// What the kernel answered.
    pub error: io::Error,
    /// What to do about it, if something is known.
    pub hint: Option<String>,
}

impl SysError {
    /// Number of the error (`errno`), 0 if there is none.
    pub fn errno(&self) -> i32 {
        self.error.raw_os_error().unwrap_or(0)
    }
}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, error, hint } = self;
        write!(f, "{call}: {error}")?;
        hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for SysError {}

/// Why an object, a map, a program or a link could not be had.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum Error {
    #[error("read kernel program object: {0}")]
    Parse(String),
    #[error(
        "kernel program object is of version {found}, this program needs {expected}: use the object that came with it"
    )]
    Version { found: u32, expected: u32 },
    #[error("kernel program object has no global {0}")]
    NoGlobal(String),
    #[error("global {name} has {expected} bytes, not {given}: the object is of another version")]
    GlobalSize { name: String, expected: u64, given: usize },
    #[error("kernel program object has no map {0}")]
    NoMap(String),
    #[error("kernel program object has no program {name}, it has {}", there.join(", "))]
    NoProgram { name: String, there: Vec<String> },
    #[error("map {0:?} is not a ring buffer")]
    NotRing(String),
    #[error("create map {map:?}: {source}")]
    CreateMap { map: String, source: SysError },
    #[error("initialise map {map:?}: {source}")]
    InitialiseMap { map: String, source: SysError },
    #[error("map {map:?}: {source}")]
    Map { map: String, source: SysError },
    #[error("map {map:?} has {part}s of {expected} bytes, not {given}")]
    MapSize {
        map: String,
        part: &'static str,
        expected: usize,
        given: usize,
    },
    #[error("kernel program object has no function {0}, or several of that name")]
    NoFunction(String),
    #[error("relocate: {0}")]
    Relocate(String),
    #[error("load program {program:?} on {release}: {source}{}", tail(log))]
    Load {
        program: String,
        release: String,
        source: SysError,
        log: String,
    },
    #[error("attach program {program:?} to {target}: {source}")]
    Attach {
        program: String,
        target: String,
        source: SysError,
    },
    #[error("pin {}: {source}", path.display())]
    Pin { path: PathBuf, source: SysError },
    #[error("open what is pinned as {}: {source}", path.display())]
    Pinned { path: PathBuf, source: SysError },
    #[error("program {program:?} was loaded as {kind}, which cannot be attached this way")]
    Kind { program: String, kind: &'static str },
    #[error("run program {program:?}: {source}")]
    TestRun { program: String, source: SysError },
    #[error("start a process that ends at once: {source}")]
    Doomed { source: SysError },
    #[error("map ring buffer {map:?}: {source}")]
    MapRing { map: String, source: SysError },
    #[error("read {path}: {source}")]
    Read { path: String, source: io::Error },
    #[error("{name:?} has a NUL byte in it")]
    Nul { name: String },
}

impl Error {
    /// Whether a map has no room for another element (`E2BIG`).
    pub fn is_full(&self) -> bool {
        self.is_of_map(libc::E2BIG)
    }

    /// Whether a map has an element of that key already (`EEXIST`).
    pub fn is_taken(&self) -> bool {
        self.is_of_map(libc::EEXIST)
    }

    fn is_of_map(&self, errno: i32) -> bool {
        matches!(self, Self::Map { source, .. } if source.errno() == errno)
    }
}

impl Error {
    /// What `aya-obj` says of a relocation, with its cause.
    pub(crate) fn relocation(error: &aya_obj::relocation::EbpfRelocationError) -> Self {
        let cause = std::error::Error::source(error)
            .map(|cause| format!(": {cause}"))
            .unwrap_or_default();
        Self::Relocate(format!("{error}{cause}"))
    }
}

/// Lines of the verifier's log that an error shows: the reason is at its end.
const LOG_LINES: usize = 15;

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let start = lines.len().saturating_sub(LOG_LINES);
    lines[start..]
        .iter()
        .fold(String::new(), |shown, line| shown + "\n  " + line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_error_shows_the_end_of_the_log() {
        let log = (1..=40).fold(String::new(), |log, line| log + &format!("line {line}\n\n"));
        let source = SysError {
            call: "BPF_PROG_LOAD",
            error: io::Error::from_raw_os_error(13),
            hint: None,
        };
        let error = Error::Load {
            program: "exec".to_owned(),
            release: "5.10.0".to_owned(),
            source,
            log,
        };
        let text = error.to_string();
        assert!(
            text.starts_with("load program \"exec\" on 5.10.0: BPF_PROG_LOAD: Permission denied"),
            "{text}"
        );
        assert!(text.ends_with("\n  line 39\n  line 40"), "{text}");
        assert!(!text.contains("line 25\n"), "{text}");
    }
}
