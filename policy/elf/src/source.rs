//! Where bytes come from.

use std::{fs::File, io, os::unix::fs::FileExt};

use crate::Error;

/// A file, or what stands for one.
pub trait Source {
    /// Reads bytes from `offset` on. Returns how many, 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Source for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

impl Source for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let left = self.get(start..).unwrap_or_default();
        let len = left.len().min(buffer.len());
        buffer[..len].copy_from_slice(&left[..len]);
        Ok(len)
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }
}

/// Reads from `offset` on until `buffer` is full or the file ends. Returns how many bytes.
pub(crate) fn fill(source: &impl Source, buffer: &mut [u8], offset: u64) -> Result<usize, Error> {
    let mut filled = 0;
    while filled < buffer.len() {
        let Some(at) = offset.checked_add(filled as u64) else {
            break;
        };
        match source.read_at(&mut buffer[filled..], at) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Behind the greatest offset that a file can have.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filled)
}

/// Fills `buffer` with what is at `offset`: the file's `what`.
pub(crate) fn exactly(source: &impl Source, buffer: &mut [u8], offset: u64, what: &'static str) -> Result<(), Error> {
    if fill(source, buffer, offset)? == buffer.len() {
        Ok(())
    } else {
        Err(Error::Truncated(what))
    }
}

/// Hands the records of `width` bytes in a table of `len` bytes at `offset` to `visit`, one after the other.
pub(crate) fn records(
    source: &impl Source,
    (offset, len): (u64, u64),
    width: usize,
    what: &'static str,
    mut visit: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    /// Records that are read at once.
    const AT_ONCE: u64 = 1 << 10;
    let mut buffer = vec![0; AT_ONCE as usize * width];
    let (mut at, mut left) = (offset, len / width as u64);
    while left > 0 {
        let bytes = left.min(AT_ONCE) as usize * width;
        exactly(source, &mut buffer[..bytes], at, what)?;
        buffer[..bytes].chunks_exact(width).try_for_each(&mut visit)?;
        left -= left.min(AT_ONCE);
        at = at.saturating_add(bytes as u64);
    }
    Ok(())
}
