//! The file behind a buffer of whole lines: written, rotated, and what happens when that fails.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::backups::Names;
use super::clock::Clock;
use super::housekeeping::Housekeeping;
use super::open::{self, OpenError, Opened};
use super::{Counters, FileOptions, add};

/// The buffer is written when it holds this many bytes.
const BUFFER: usize = 64 << 10;
/// A buffer that one long line has made longer than this is given back.
const BUFFER_MAX: usize = 4 * BUFFER;
/// After a rotation that failed, the file grows by this much before the next attempt.
const RETRY: u64 = 1 << 20;
/// After a failure, this long without another one counts as working again.
const RECOVERED: Duration = Duration::from_secs(10);

/// A rotated file of lines.
pub(super) struct Writer {
    options: FileOptions,
    clock: Box<dyn Clock>,
    names: Names,
    file: File,
    regular: bool,
    /// Bytes in the file.
    size: u64,
    /// Size at which it is rotated.
    limit: u64,
    /// When it was rotated last.
    rotated: Instant,
    /// Whole lines that are not yet in the file.
    buffer: Vec<u8>,
    /// How many.
    lines: u64,
    /// The file ends in part of a line, which the next write must end first.
    torn: bool,
    /// When a write or rotation failed last, until it has been said that it works again.
    failing: Option<Instant>,
    counters: Arc<Counters>,
    housekeeping: Housekeeping,
}

impl Writer {
    pub(super) fn open(
        options: FileOptions,
        clock: Box<dyn Clock>,
        counters: Arc<Counters>,
    ) -> Result<Self, OpenError> {
        let Opened {
            file,
            size,
            regular,
            torn,
        } = open::open(&options.path, options.mode)?;
        let names = Names::of(&options.path);
        let mut housekeeping = Housekeeping::default();
        // A former run may have left something to do.
        if names.list().is_ok_and(|backups| !backups.is_empty()) {
            housekeeping.wake(&options);
        }
        Ok(Self {
            limit: options.max_bytes,
            rotated: clock.now(),
            options,
            clock,
            names,
            file,
            regular,
            size,
            buffer: Vec::new(),
            lines: 0,
            torn,
            failing: None,
            counters,
            housekeeping,
        })
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Adds a line, which `write` appends to what it is given, its end included.
    pub(super) fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.buffer.len();
        write(&mut self.buffer);
        if self.is_due(start, self.buffer.len()) {
            // Without this line, so that it begins the new file.
            let line = self.buffer.split_off(start);
            self.write();
            self.rotate();
            self.buffer.extend_from_slice(&line);
        }
        self.lines += 1;
        if self.buffer.len() >= BUFFER {
            self.write();
        }
    }

    /// Writes what is buffered.
    pub(super) fn flush(&mut self) {
        self.write();
        if self.options.interval.is_some() && self.is_due(0, 0) {
            self.rotate();
        }
    }

    /// Whether to rotate before the buffer grows from `start` to `end` bytes. A file without lines is never rotated.
    fn is_due(&self, start: usize, end: usize) -> bool {
        if !self.regular || self.size + start as u64 == 0 {
            return false;
        }
        let interval = self.options.interval;
        self.size + end as u64 > self.limit
            || interval.is_some_and(|interval| self.clock.now() - self.rotated >= interval)
    }

    /// Writes the buffer. What cannot be written is lost.
    fn write(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let mut result = Ok(());
        let mut whole = 0;
        if self.torn {
            let (written, ended) = write_all(&mut self.file, b"\n");
            self.size += written as u64;
            self.torn = ended.is_err();
            result = ended;
        }
        if result.is_ok() {
            let (written, wrote) = write_all(&mut self.file, &self.buffer);
            result = wrote;
            whole = whole_lines(&self.buffer[..written]);
            self.size += written as u64;
            if whole < written {
                self.cut_off((written - whole) as u64);
            }
        }
        let lost = if result.is_ok() {
            0
        } else {
            count_lines(&self.buffer[whole..])
        };
        add(&self.counters.events, std::mem::take(&mut self.lines) - lost);
        add(&self.counters.bytes, whole as u64);
        add(&self.counters.lost, lost);
        self.buffer.clear();
        if self.buffer.capacity() > BUFFER_MAX {
            self.buffer.shrink_to(BUFFER);
        }
        self.report("write", result);
    }

    /// Takes part of a line away from the end of the file.
    fn cut_off(&mut self, len: u64) {
        let cut = || {
            let metadata = self.file.metadata()?;
            self.file.set_len(metadata.len().saturating_sub(len))
        };
        if self.regular && cut().is_ok() {
            self.size -= len;
        } else {
            self.torn = true;
        }
    }

    /// Gives the file the name of a backup and begins a new one. If that fails, the file goes on as it is.
    fn rotate(&mut self) {
        let result = self.begin_new();
        self.rotated = self.clock.now();
        self.limit = match &result {
            Ok(()) => self.options.max_bytes,
            Err(_) => self.size + RETRY,
        };
        if result.is_ok() {
            self.housekeeping.wake(&self.options);
        }
        self.report("rotate", result);
    }

    fn begin_new(&mut self) -> io::Result<()> {
        let FileOptions { path, mode, .. } = &self.options;
        let old = self.file.metadata()?;
        match std::fs::rename(path, self.names.free(self.clock.wall())) {
            // Somebody else has moved it away.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            result => result?,
        }
        let file = open::create(path, *mode)?;
        // Only root can give files away; the file of anyone else is theirs already.
        let _not_root = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
        self.file = file;
        self.size = 0;
        self.torn = false;
        Ok(())
    }

    /// Says when it begins to fail, and when it has worked again for a while: a disk that is full but for a few bytes
    /// would fill the log.
    fn report(&mut self, operation: &str, result: io::Result<()>) {
        let path = self.options.path.display();
        match (result, self.failing) {
            (Ok(()), None) => {}
            (Ok(()), Some(failed)) => {
                if self.clock.now() - failed >= RECOVERED {
                    self.failing = None;
                    let lost = self.counters.lost.load(Ordering::Relaxed);
                    tracing::info!(%path, lost, "The export file works again");
                }
            }
            (Err(error), failing) => {
                self.failing = Some(self.clock.now());
                if failing.is_none() {
                    tracing::error!(%path, operation, %error, "The export file fails, events that cannot be written are lost");
                }
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.write();
    }
}

/// Writes all of `bytes` if it can. Returns how many were written in any case.
fn write_all(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// Length of the whole lines in `bytes`.
fn whole_lines(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |index| index + 1)
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.split(|&byte| byte == b'\n').count() as u64 - 1
}
