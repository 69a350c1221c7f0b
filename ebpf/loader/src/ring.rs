//! Consumer of a ring buffer map (kernel 5.8, `BPF_MAP_TYPE_RINGBUF`).
//!
//! Records are read where the kernel wrote them, without a copy. Any number of CPUs write; this is the only reader.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{Ordering, fence},
};

use crate::{
    error::Error,
    map::Map,
    sys::{self, Region},
};

/// The record is still being written.
const BUSY: u32 = 1 << 31;
/// The record was given up by its writer.
const DISCARDED: u32 = 1 << 30;
/// Bytes before each record.
const HEADER: u64 = 8;

/// What is in a ring buffer cannot have been written by the kernel. Nothing more can be read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("corrupt ring buffer: {len} bytes announced at position {position}, {available} are there")]
pub struct RingError {
    /// Position of the record.
    pub position: u64,
    /// Its length by its header, that not included.
    pub len: u32,
    /// Bytes between the record's beginning and the producer's position.
    pub available: u64,
}

/// The reading side of a ring buffer.
#[derive(Debug)]
pub struct RingBuffer {
    region: Region,
    fd: OwnedFd,
}

impl RingBuffer {
    /// Maps the memory of `map`, which may be dropped afterwards. There must be no other consumer.
    pub fn new(map: &Map) -> Result<Self, Error> {
        if map.map_type() != sys::RINGBUF {
            return Err(Error::NoMap(format!("{} that is a ring buffer", map.name())));
        }
        let failed = |source| Error::MapRing {
            map: map.name().to_owned(),
            source,
        };
        let fd = map.as_fd().try_clone_to_owned().map_err(|error| {
            failed(crate::SysError {
                call: "fcntl(F_DUPFD_CLOEXEC)",
                error,
                hint: None,
            })
        })?;
        let region = Region::map(fd.as_fd(), map.max_entries() as usize).map_err(failed)?;
        Ok(Self { region, fd })
    }

    /// Bytes that it holds.
    pub fn size(&self) -> usize {
        self.region.size()
    }

    /// Bytes reserved by the kernel and not yet read, headers included.
    pub fn used(&self) -> u64 {
        self.region.producer().wrapping_sub(self.region.consumer())
    }

    /// Hands up to `max` records to `read`, in the order in which their space was reserved, and gives their space back
    /// one by one. Returns how many there were.
    ///
    /// Stops before a record that is still being written, as those behind it came later. When fewer than `max` are
    /// returned, the kernel makes the file descriptor readable for the next one.
    pub fn consume(&mut self, max: usize, mut read: impl FnMut(&[u8])) -> Result<usize, RingError> {
        let region = &self.region;
        let mut position = region.consumer();
        let mut records = 0;
        loop {
            let before = position;
            let producer = region.producer();
            while records < max && position < producer {
                let header = region.header(position);
                if header & BUSY != 0 {
                    break;
                }
                let len = header & !(BUSY | DISCARDED);
                let available = producer - position;
                let whole = (u64::from(len) + HEADER).next_multiple_of(8);
                let corrupt = RingError {
                    position,
                    len,
                    available,
                };
                if whole > available || available > region.size() as u64 || !position.is_multiple_of(8) {
                    return Err(corrupt);
                }
                if header & DISCARDED == 0 {
                    read(region.data(position + HEADER, len as usize).ok_or(corrupt)?);
                    records += 1;
                }
                position += whole;
                region.set_consumer(position);
            }
            if position == before || records >= max {
                return Ok(records);
            }
            // The kernel signals a record only if the reader had caught up with it. Our position must therefore be
            // visible before we look once more and find nothing.
            fence(Ordering::SeqCst);
        }
    }
}

impl AsFd for RingBuffer {
    /// Readable (`POLLIN`) when there are records.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
