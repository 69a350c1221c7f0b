//! `io_uring(7)`, one operation at a time.

use std::{
    io::{Error, Result},
    sync::atomic::{AtomicU32, Ordering::Release},
};

/// Of `enum io_uring_op` (`include/uapi/linux/io_uring.h`).
const CONNECT: u8 = 16;
const WRITE: u8 = 23;

/// `IOSQE_ASYNC`.
const BY_WORKER: u8 = 1 << 4;

/// `IORING_OFF_SQES`, and the one flag of `io_uring_enter(2)` that is used here.
const OFFSET_OF_ENTRIES: i64 = 0x1000_0000;
const GET_EVENTS: u32 = 1;

/// What is asked for. Addresses have to stay valid meanwhile.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    /// `write(2)`, at the file's position.
    Write {
        /// The file.
        fd: i32,
        /// Where the bytes are.
        address: u64,
        /// How many.
        len: u32,
    },
    /// `connect(2)`.
    Connect {
        /// The socket.
        fd: i32,
        /// Where the address is.
        address: u64,
        /// Its length.
        len: u32,
    },
}

/// `struct io_uring_params`.
#[repr(C)]
#[derive(Default)]
struct Parameters {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
    rest: [u32; 7],
    sq: Offsets,
    cq: Offsets,
}

/// `struct io_sqring_offsets`, and `struct io_cqring_offsets`, whose sixth is where the entries are.
#[repr(C)]
#[derive(Default)]
struct Offsets {
    head: u32,
    tail: u32,
    mask: u32,
    entries: u32,
    lost: u32,
    flags_or_entries: u32,
    array: u32,
    reserved: u32,
    address: u64,
}

/// `struct io_uring_sqe`.
#[repr(C)]
#[derive(Default)]
struct Submission {
    opcode: u8,
    flags: u8,
    priority: u16,
    fd: i32,
    offset: u64,
    address: u64,
    len: u32,
    of_operation: u32,
    data: u64,
    rest: [u64; 3],
}

/// `struct io_uring_cqe`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Completion {
    data: u64,
    result: i32,
    flags: u32,
}

/// Has the kernel do `operation` and returns its result, an error as its negated number; `by_worker`: by a thread of the
/// kernel's, without trying first in this one.
pub fn perform(operation: Operation, by_worker: bool) -> Result<i32> {
    let mut parameters = Parameters::default();
    // SAFETY: a pointer to the structure that the call fills in.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, &raw mut parameters) };
    if ring < 0 {
        return Err(Error::last_os_error());
    }
    let ring = ring as i32;
    let Parameters { sq, cq, cq_entries, .. } = &parameters;
    let completions = cq.flags_or_entries as usize;
    let rings = map(ring, completions + *cq_entries as usize * size_of::<Completion>(), 0)?;
    let entry: *mut Submission = map(ring, size_of::<Submission>(), OFFSET_OF_ENTRIES)?.cast();
    let (opcode, fd, offset, address, len) = match operation {
        Operation::Write { fd, address, len } => (WRITE, fd, u64::MAX, address, len),
        Operation::Connect { fd, address, len } => (CONNECT, fd, len.into(), address, 0),
    };
    let submission = Submission {
        opcode,
        flags: if by_worker { BY_WORKER } else { 0 },
        fd,
        offset,
        address,
        len,
        ..Submission::default()
    };
    // SAFETY: the entry that was mapped, and words of the mapped ring where the kernel says that they are. It has one
    // entry, so both indices are 0. The tail is written last.
    unsafe {
        entry.write(submission);
        rings.byte_add(sq.array as usize).cast::<u32>().write(0);
        AtomicU32::from_ptr(rings.byte_add(sq.tail as usize).cast()).store(1, Release);
    }
    loop {
        // SAFETY: takes numbers. It has waited for a completion when it returns without an error.
        let done = unsafe { libc::syscall(libc::SYS_io_uring_enter, ring, 1, 1, GET_EVENTS, 0, 0) };
        if done >= 0 {
            break;
        }
        let error = Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: the completion that was waited for is the first one.
    let Completion { result, .. } = unsafe { rings.byte_add(completions).cast::<Completion>().read_volatile() };
    Ok(result)
}

/// Maps a part of the ring, for as long as the process lives.
fn map(ring: i32, len: usize, offset: i64) -> Result<*mut u64> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), len, access, libc::MAP_SHARED, ring, offset) };
    if at == libc::MAP_FAILED {
        return Err(Error::last_os_error());
    }
    Ok(at.cast())
}
