//! Records as they were, in a file: what decoders are tested with.
//!
//! Each record is its length (`u32`, little endian) and its bytes. The agent writes such a file when the environment
//! variable `TETRAGON_RECORD_RAW` names one.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
};

/// Writes records to a file.
#[derive(Debug)]
pub struct RawWriter(BufWriter<File>);

impl RawWriter {
    /// Begins the file `path`, which may not exist yet or is emptied.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::new(File::create(path)?)))
    }

    /// Adds a record.
    pub fn write(&mut self, record: &[u8]) -> io::Result<()> {
        self.0.write_all(&(record.len() as u32).to_le_bytes())?;
        self.0.write_all(record)
    }

    /// Hands what was written to the kernel.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Records in the bytes of such a file. Ends before a record that is not whole.
#[derive(Clone, Debug)]
pub struct RawReader<'a>(pub &'a [u8]);

impl<'a> Iterator for RawReader<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first_chunk::<4>()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        self.0 = rest;
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records");
        let records: [&[u8]; 3] = [b"abc", b"", b"12345678"];
        let mut writer = RawWriter::create(&path).unwrap();
        for record in records {
            writer.write(record).unwrap();
        }
        writer.flush().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(RawReader(&bytes).collect::<Vec<_>>(), records);
        // The last one cut short.
        assert_eq!(RawReader(&bytes[..bytes.len() - 1]).count(), 2);
    }
}
