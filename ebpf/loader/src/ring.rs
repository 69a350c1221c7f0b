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
            return Err(Error::NotRing(map.name().to_owned()));
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sys::ring_memory::Memory;

    const SIZE: usize = 4096;

    fn ring(memory: &Arc<Memory>) -> RingBuffer {
        let fd = std::fs::File::open("/dev/null").unwrap().into();
        RingBuffer {
            region: memory.region(),
            fd,
        }
    }

    fn records(ring: &mut RingBuffer, max: usize) -> Vec<Vec<u8>> {
        let mut records = vec![];
        let count = ring.consume(max, |record| records.push(record.to_vec())).unwrap();
        assert_eq!(count, records.len());
        records
    }

    #[test]
    fn records_come_in_order_and_are_given_back() {
        let memory = Memory::new(SIZE);
        let mut ring = ring(&memory);
        assert_eq!(records(&mut ring, 10), Vec::<Vec<u8>>::new());
        memory.push(b"first", 0);
        memory.push(b"", 0);
        memory.push(b"second!!", 0);
        assert_eq!(ring.used(), 16 + 8 + 16);
        assert_eq!(records(&mut ring, 10), [&b"first"[..], b"", b"second!!"]);
        assert_eq!((memory.consumer(), ring.used()), (memory.producer(), 0));
    }

    #[test]
    fn no_more_than_asked_for() {
        let memory = Memory::new(SIZE);
        let mut ring = ring(&memory);
        for byte in 0..5 {
            memory.push(&[byte], 0);
        }
        assert_eq!(records(&mut ring, 0), Vec::<Vec<u8>>::new());
        assert_eq!(records(&mut ring, 2), [[0], [1]]);
        assert_eq!(memory.consumer(), 32);
        assert_eq!(records(&mut ring, 9), [[2], [3], [4]]);
    }

    #[test]
    fn discarded_records_are_skipped_and_do_not_count() {
        let memory = Memory::new(SIZE);
        let mut ring = ring(&memory);
        memory.push(b"no", DISCARDED);
        memory.push(b"yes", 0);
        memory.push(b"no", DISCARDED);
        assert_eq!(records(&mut ring, 1), [b"yes"]);
        assert_eq!(records(&mut ring, 1), Vec::<Vec<u8>>::new());
        assert_eq!(ring.used(), 0);
    }

    #[test]
    fn a_busy_record_holds_back_those_behind_it() {
        let memory = Memory::new(SIZE);
        let mut ring = ring(&memory);
        memory.push(b"done", 0);
        memory.push(b"slow", BUSY);
        memory.push(b"fast", 0);
        assert_eq!(records(&mut ring, 9), [b"done"]);
        assert_eq!(memory.consumer(), 16);
        memory.write(16, 4);
        assert_eq!(records(&mut ring, 9), [b"slow", b"fast"]);
    }

    #[test]
    fn what_comes_while_reading_is_read_too() {
        let memory = Memory::new(SIZE);
        let mut ring = ring(&memory);
        memory.push(b"one", 0);
        let mut seen = vec![];
        ring.consume(9, |record| {
            if seen.is_empty() {
                memory.push(b"two", 0);
            }
            seen.push(record.to_vec());
        })
        .unwrap();
        assert_eq!(seen, [b"one", b"two"]);
    }

    #[test]
    fn records_wrap_around_whole() {
        let memory = Memory::new(SIZE);
        let mut ring = ring(&memory);
        let record: Vec<u8> = (0..1000_u32).map(|byte| byte as u8).collect();
        for turn in 0..50 {
            memory.push(&record, 0);
            memory.push(&[turn], 0);
            assert_eq!(records(&mut ring, 9), [record.clone(), vec![turn]], "turn {turn}");
        }
        assert!(memory.producer() > 10 * SIZE as u64);
    }

    #[test]
    fn corrupt_lengths_are_refused() {
        for len in [9, 4096, 0x3fff_ffff] {
            let memory = Memory::new(SIZE);
            let mut ring = ring(&memory);
            memory.push(b"12345678", 0);
            memory.write(0, len);
            let error = ring.consume(9, |_| panic!("read a record of {len} bytes")).unwrap_err();
            assert_eq!(
                error,
                RingError {
                    position: 0,
                    len: len as u32,
                    available: 16
                }
            );
            assert_eq!(memory.consumer(), 0);
        }
    }

    #[test]
    fn corrupt_positions_are_refused() {
        let memory = Memory::new(SIZE);
        let mut ring = ring(&memory);
        memory.set_positions(0, 3 * SIZE as u64);
        memory.write(0, 2 * SIZE as u64);
        assert!(ring.consume(9, |_| panic!("read past the end")).is_err());
        memory.set_positions(3, 64);
        assert!(ring.consume(9, |_| panic!("read between records")).is_err());
        memory.set_positions(64, 0);
        assert_eq!(records(&mut ring, 9), Vec::<Vec<u8>>::new());
    }
}
