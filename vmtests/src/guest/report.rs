//! The stream of records to the host.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustix::termios::{OptionalActions, tcdrain, tcgetattr, tcsetattr};

use crate::protocol::{Event, REPORT_DEVICE, Record};

/// Most bytes of one log record: the port passes 0.3 MB a second.
const LOG_LIMIT: usize = 24 * 1024;

/// Bytes of a file in one blob record.
const BLOB_PART: usize = 32 * 1024;

/// Writes records, one a line.
#[derive(Debug)]
pub struct Reporter {
    port: File,
    seq: u64,
}

impl Reporter {
    /// Opens the report device, in raw mode so that the terminal layer changes no byte.
    pub fn open() -> Result<Self> {
        let port = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(REPORT_DEVICE)
            .with_context(|| format!("open {REPORT_DEVICE}"))?;
        let mut mode = tcgetattr(&port).with_context(|| format!("{REPORT_DEVICE} is no terminal"))?;
        mode.make_raw();
        tcsetattr(&port, OptionalActions::Now, &mode).with_context(|| format!("set {REPORT_DEVICE} raw"))?;
        Ok(Self { port, seq: 0 })
    }

    /// Sends `event` and waits until it has left.
    pub fn send(&mut self, event: Event) -> Result<()> {
        let mut line = serde_json::to_vec(&Record { seq: self.seq, event })?;
        line.push(b'\n');
        self.seq += 1;
        self.port.write_all(&line).context("write a record")?;
        tcdrain(&self.port).context("drain the report device")
    }

    /// Sends `text`, shortened in the middle to what the port passes quickly.
    pub fn log(&mut self, name: &str, source: &str, text: &str) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.send(Event::Log {
            name: name.to_owned(),
            source: source.to_owned(),
            text: shorten(text, LOG_LIMIT),
        })
    }

    /// Sends a file in parts.
    pub fn blob(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let parts = bytes.len().div_ceil(BLOB_PART).max(1);
        for index in 0..parts {
            let part = &bytes[index * BLOB_PART..bytes.len().min((index + 1) * BLOB_PART)];
            self.send(Event::Blob {
                name: name.to_owned(),
                data: STANDARD.encode(part),
                last: index + 1 == parts,
            })?;
        }
        Ok(())
    }
}

/// `text` if it has at most `limit` bytes, else its beginning and its end.
pub fn shorten(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let half = limit / 2;
    let mut head = half;
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    let mut tail = text.len() - half;
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    format!(
        "{}\n… {} bytes left out …\n{}",
        &text[..head],
        tail - head,
        &text[tail..]
    )
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn long_text_loses_its_middle_between_characters() {
        assert_eq!(shorten("short", 10), "short");
        assert_eq!(shorten("ééééé", 5), "é\n… 6 bytes left out …\né");
    }
}
