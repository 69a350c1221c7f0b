//! The memory of a ring buffer, shared with the kernel.
//!
//! Layout (kernel/bpf/ringbuf.c): a page with the consumer's position, a page with the producer's, and the data, mapped
//! twice in a row so that a record that wraps around is contiguous.

use std::{
    os::fd::{AsRawFd as _, BorrowedFd},
    ptr::NonNull,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use super::{Syscall, syscall};
use crate::error::SysError;

/// The two mappings and where they come from.
#[derive(Debug)]
pub(crate) struct Region {
    consumer: NonNull<u8>,
    producer: NonNull<u8>,
    page: usize,
    /// Bytes of data, a power of two; mapped twice.
    size: usize,
    #[cfg(test)]
    fake: Option<std::sync::Arc<fake::Memory>>,
}

// SAFETY: the memory belongs to the process, not to a thread, and everything shared in it is accessed atomically.
unsafe impl Send for Region {}

impl Region {
    /// Maps the ring buffer `map` of `size` bytes.
    pub(crate) fn map(map: BorrowedFd<'_>, size: usize) -> Result<Self, SysError> {
        // SAFETY: sysconf(3) takes a number.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
        let fd = map.as_raw_fd();
        // SAFETY: a new mapping.
        let consumer = unsafe {
            syscall(Syscall::Mmap {
                fd,
                offset: 0,
                len: page,
                writable: true,
            })
        }?;
        let len = page + 2 * size;
        // SAFETY: a new mapping. Writing to these pages is the kernel's alone.
        let producer = unsafe {
            syscall(Syscall::Mmap {
                fd,
                offset: page as u64,
                len,
                writable: false,
            })
        };
        let producer = producer.inspect_err(|_| {
            // SAFETY: the mapping was just made and nobody has seen it.
            let _gone = unsafe {
                syscall(Syscall::Munmap {
                    address: consumer as usize,
                    len: page,
                })
            };
        })?;
        let pointer = |address: u64| NonNull::new(address as usize as *mut u8).unwrap_or(NonNull::dangling());
        Ok(Self {
            consumer: pointer(consumer),
            producer: pointer(producer),
            page,
            size,
            #[cfg(test)]
            fake: None,
        })
    }

    /// Bytes of data.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    fn consumer_word(&self) -> &AtomicU64 {
        // SAFETY: the page begins with an aligned position, lives as long as `self`, and is accessed atomically only.
        unsafe { self.consumer.cast().as_ref() }
    }

    fn producer_word(&self) -> &AtomicU64 {
        // SAFETY: as above.
        unsafe { self.producer.cast().as_ref() }
    }

    /// How far this side has read.
    pub(crate) fn consumer(&self) -> u64 {
        self.consumer_word().load(Ordering::Relaxed)
    }

    /// Gives back everything before `position`. What was read of it is read before this is seen.
    pub(crate) fn set_consumer(&self, position: u64) {
        self.consumer_word().store(position, Ordering::Release);
    }

    /// How far the kernel has reserved. Headers before that are seen after this.
    pub(crate) fn producer(&self) -> u64 {
        self.producer_word().load(Ordering::Acquire)
    }

    /// The first word of the record header at `position`. What a header without the busy bit covers is seen after it.
    pub(crate) fn header(&self, position: u64) -> u32 {
        // Records begin at multiples of 8; a corrupt position is rounded rather than read unaligned.
        let offset = position as usize & (self.size - 1) & !7;
        // SAFETY: the offset is below `size`, which is a multiple of the page size, and a multiple of 8; the word lives
        // as long as `self` and the kernel writes it atomically.
        let word: &AtomicU32 = unsafe { self.producer.add(self.page + offset).cast().as_ref() };
        word.load(Ordering::Acquire)
    }

    /// `len` bytes of data from `position` on; `None` when they are more than the buffer has. The kernel leaves them
    /// alone until [`Self::set_consumer`] passes them.
    pub(crate) fn data(&self, position: u64, len: usize) -> Option<&[u8]> {
        let offset = position as usize & (self.size - 1);
        if len > self.size {
            return None;
        }
        // SAFETY: the data is mapped twice, so `offset + len` stays below `2 * size`; the bytes are initialised (pages
        // of zeroes to begin with), and a committed record is not written to before it is given back, for which the
        // consumer needs `self` after this borrow has ended.
        Some(unsafe { std::slice::from_raw_parts(self.producer.as_ptr().add(self.page + offset), len) })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        #[cfg(test)]
        if self.fake.is_some() {
            return;
        }
        let mappings = [(self.consumer, self.page), (self.producer, self.page + 2 * self.size)];
        for (address, len) in mappings {
            // SAFETY: the mapping was made by `map` and nothing borrows from it any more.
            let _gone = unsafe {
                syscall(Syscall::Munmap {
                    address: address.as_ptr() as usize,
                    len,
                })
            };
        }
    }
}

#[cfg(test)]
pub(crate) mod fake {
    //! A ring buffer without a kernel: the producer's side for tests.

    use std::{
        ptr::NonNull,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
    };

    use super::Region;

    const PAGE: usize = 4096;

    /// Consumer page, producer page and twice the data, as words that both sides may write.
    #[derive(Debug)]
    pub(crate) struct Memory {
        words: Box<[AtomicU64]>,
        size: usize,
    }

    impl Memory {
        pub(crate) fn new(size: usize) -> Arc<Self> {
            let words = (0..(2 * PAGE + 2 * size) / 8).map(|_| AtomicU64::new(0)).collect();
            Arc::new(Self { words, size })
        }

        pub(crate) fn region(self: &Arc<Self>) -> Region {
            let start = NonNull::from(&*self.words).cast::<u8>();
            Region {
                consumer: start,
                // SAFETY: the words begin with two pages.
                producer: unsafe { start.add(PAGE) },
                page: PAGE,
                size: self.size,
                fake: Some(Arc::clone(self)),
            }
        }

        pub(crate) fn consumer(&self) -> u64 {
            self.words[0].load(Ordering::Acquire)
        }

        pub(crate) fn set_positions(&self, consumer: u64, producer: u64) {
            self.words[0].store(consumer, Ordering::Release);
            self.set_producer(producer);
        }

        pub(crate) fn set_producer(&self, position: u64) {
            self.words[PAGE / 8].store(position, Ordering::Release);
        }

        pub(crate) fn producer(&self) -> u64 {
            self.words[PAGE / 8].load(Ordering::Acquire)
        }

        /// Writes the word at `position` to both images of the data.
        pub(crate) fn write(&self, position: u64, word: u64) {
            let index = (position as usize & (self.size - 1)) / 8;
            let data = 2 * PAGE / 8;
            self.words[data + index].store(word, Ordering::Release);
            self.words[data + self.size / 8 + index].store(word, Ordering::Release);
        }

        /// Adds a record with `flags` in its header.
        pub(crate) fn push(&self, bytes: &[u8], flags: u32) {
            let start = self.producer();
            for (index, chunk) in bytes.chunks(8).enumerate() {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                self.write(start + 8 + 8 * index as u64, u64::from_le_bytes(word));
            }
            self.write(start, u64::from(bytes.len() as u32 | flags));
            self.set_producer(start + 8 + bytes.len().next_multiple_of(8) as u64);
        }
    }
}
