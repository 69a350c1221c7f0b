//! Runtime functions that read memory in pieces: what readv(2), writev(2) and the kernel's own iterators describe.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use ebpf_abi::hook::{SLOT_LEN, Slot, pieces};

use super::read::is_user;
use crate::{globals::offset, read::read_optional, task};

/// Pieces that a call has at most (`UIO_MAXIOV`, include/uapi/linux/uio.h).
pub(super) const MAX_PIECES: u32 = 1_024;

/// Bytes that a slot takes.
const LIMIT: u32 = SLOT_LEN as u32 - 1;

/// What became of a piece.
mod piece {
    /// It could not be read.
    pub(super) const UNREADABLE: u32 = 0;
    /// There may be more.
    pub(super) const READ: u32 = 1;
    /// It was the last one.
    pub(super) const LAST: u32 = 2;
}

/// Adds what is at `address`, `len` bytes, in user space if `user` is not 0. What there is no room for counts all the
/// same.
///
/// What has been read so far is in the slot, where the verifier does not follow it.
#[inline(always)]
unsafe fn add(slot: *mut Slot, address: u64, len: u64, user: bool) -> bool {
    // SAFETY: a slot of this CPU. It begins before `LIMIT`, and what is read is less than `SLOT_LEN`: there is as much
    // room behind the last slot.
    unsafe {
        let at = (&raw const (*slot).len).read_volatile() & LIMIT;
        let room = LIMIT.wrapping_sub(at);
        (&raw mut (*slot).mode).write_volatile(if len < u64::from(room) { len as u32 } else { room });
        let taken = (&raw const (*slot).mode).read_volatile() & LIMIT;
        if taken != 0 {
            let to = (&raw mut (*slot).bytes).cast::<u8>().add(at as usize).cast::<c_void>();
            let from = address as *const c_void;
            let result = if user || is_user(address) {
                bpf_probe_read_user(to, taken, from)
            } else {
                bpf_probe_read_kernel(to, taken, from)
            };
            if result != 0 {
                return false;
            }
            (&raw mut (*slot).len).write_volatile(at.wrapping_add(taken));
        }
        let whole = u64::from((&raw const (*slot).whole).read_volatile()).wrapping_add(len);
        let over = whole > u64::from(u32::MAX) || len > u64::from(u32::MAX);
        (&raw mut (*slot).whole).write_volatile(if over { u32::MAX } else { whole as u32 });
    }
    true
}

/// Adds what the `struct iovec` at `place` describes, but for its first `skipped` bytes, up to the number of bytes that are
/// left according to the scratch. `user`: it is in user space, and so is what it describes. Returns one of [`piece`].
///
/// A function of its own, which the verifier checks once, not as often as there may be pieces.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_piece(claimed: u32, slot: u32, place: u64, skipped: u64, user: u32) -> u32 {
    let (Some(slot), Some(scratch)) = (super::slot(claimed, slot), super::scratch(claimed)) else {
        return piece::UNREADABLE;
    };
    // SAFETY: a scratch and a slot of this CPU.
    unsafe {
        let left = (&raw const (*scratch).cell).read_volatile();
        let mut described = MaybeUninit::<[u64; 2]>::uninit();
        let (to, from) = (described.as_mut_ptr().cast(), place as *const c_void);
        let result = if user != 0 {
            bpf_probe_read_user(to, 16, from)
        } else {
            bpf_probe_read_kernel(to, 16, from)
        };
        if result != 0 {
            return piece::UNREADABLE;
        }
        let described = described.assume_init();
        let mut len = described[1].wrapping_sub(skipped);
        if len > left {
            len = left;
        }
        if !add(slot, described[0].wrapping_add(skipped), len, user != 0) {
            return piece::UNREADABLE;
        }
        let left = left.wrapping_sub(len);
        (&raw mut (*scratch).cell).write_volatile(left);
        if left == 0 { piece::LAST } else { piece::READ }
    }
}

/// The event says how long it is when that is more than it carries.
#[inline(always)]
unsafe fn finish(slot: *mut Slot) {
    // SAFETY: the caller's slot.
    unsafe {
        if (&raw const (*slot).whole).read_volatile() == (&raw const (*slot).len).read_volatile() {
            (*slot).whole = 0;
        }
        (*slot).mode = 0;
    }
}

/// Pieces of memory: see [`runtime::PIECES`](ebpf_abi::hook::runtime::PIECES).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_pieces(claimed: u32, number: u32, what: u32, address: u64, count: u64) -> u32 {
    let (Some(slot), Some(scratch)) = (super::slot(claimed, number), super::scratch(claimed)) else {
        return 0;
    };
    // SAFETY: a slot of this CPU.
    unsafe {
        (&raw mut (*slot).len).write_volatile(0);
        (&raw mut (*slot).whole).write_volatile(0);
        (*slot).flags = 0;
    }
    let (mut vector, mut count, mut skipped, mut left) = (address, count, 0, u64::MAX);
    // Whoever wrote the vector chose the addresses in it.
    let mut user = u32::from(what & pieces::USER != 0 || is_user(address));
    if what & !pieces::USER == pieces::ITERATOR {
        // The kernel has checked what it goes over.
        user = 0;
        let Some(iterator) = Iterator::read(address) else {
            return 0;
        };
        (vector, left, skipped) = (iterator.start, iterator.left, iterator.skipped);
        match iterator.count {
            Some(segments) => count = segments,
            None => {
                // SAFETY: as above.
                unsafe {
                    let read = add(slot, vector.wrapping_add(skipped), left, false);
                    finish(slot);
                    return u32::from(read);
                }
            }
        }
    }
    if count > u64::from(MAX_PIECES) {
        // No call has as many.
        return 0;
    }
    if count == 0 || left == 0 {
        return 1;
    }
    // SAFETY: a scratch of this CPU.
    unsafe { (&raw mut (*scratch).cell).write_volatile(left) };
    let mut index = 0;
    while index < MAX_PIECES {
        let place = vector.wrapping_add(u64::from(index) * 16);
        let read = hook_piece(claimed, number, place, skipped, user);
        if read == piece::UNREADABLE {
            if index == 0 {
                return 0;
            }
            // The kernel takes the pieces before it all the same; the event says that it is not all.
            // SAFETY: as above.
            unsafe { (&raw mut (*slot).whole).write_volatile(u32::MAX) };
            break;
        }
        skipped = 0;
        index += 1;
        if read == piece::LAST || u64::from(index) >= count {
            break;
        }
    }
    // SAFETY: as above.
    unsafe { finish(slot) };
    1
}

/// What a `struct iov_iter` goes over.
pub(super) struct Iterator {
    /// Where it is, or the array that says where the pieces are.
    pub(super) start: u64,
    /// Elements of that array; nothing if there is none.
    pub(super) count: Option<u64>,
    /// Bytes at the beginning that are done.
    pub(super) skipped: u64,
    /// Bytes that are left.
    pub(super) left: u64,
}

impl Iterator {
    /// The one at `address`, if it is over memory.
    #[inline(always)]
    pub(super) fn read(address: u64) -> Option<Self> {
        let count = match shape(address) {
            Shape::Buffer => None,
            Shape::Vector => Some(read_optional!(address, iov_iter_segments)),
            Shape::Other => return None,
        };
        Some(Self {
            start: read_optional!(address, iov_iter_iov),
            count,
            skipped: read_optional!(address, iov_iter_offset),
            left: read_optional!(address, iov_iter_count),
        })
    }
}

enum Shape {
    Buffer,
    Vector,
    Other,
}

/// What an iterator goes over. Which number means what differs between kernels.
#[inline(always)]
fn shape(iterator: u64) -> Shape {
    /// Before 5.14: `ITER_IOVEC` and `ITER_KVEC` as bits of a word (include/linux/uio.h).
    const OLD_VECTORS: u32 = 4 | 8;
    let missing = ebpf_abi::field::MISSING;
    let (ubuf, iovec, kvec) = (offset!(iter_ubuf), offset!(iter_iovec), offset!(iter_kvec));
    if iovec != missing && iovec & OLD_VECTORS != 0 && ubuf == missing {
        let word: u32 = read_optional!(iterator, iov_iter_type);
        return if word & OLD_VECTORS != 0 {
            Shape::Vector
        } else {
            Shape::Other
        };
    }
    let byte: u8 = read_optional!(iterator, iov_iter_type);
    let kind = u32::from(byte);
    if ubuf != missing && kind == ubuf {
        Shape::Buffer
    } else if kind == iovec || kind == kvec {
        Shape::Vector
    } else {
        Shape::Other
    }
}

/// `TS_COMPAT` (arch/x86/include/asm/thread_info.h).
const COMPAT: u32 = 2;

/// The id of a system call: see [`runtime::SYSCALL`](ebpf_abi::hook::runtime::SYSCALL).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_syscall(number: u64) -> u64 {
    let status: u32 = read_optional!(task::current(), task_status);
    let number = number & 0xffff_ffff;
    if status & COMPAT != 0 { number | 1 << 31 } else { number }
}
