//! Runtime functions that read memory in pieces: what readv(2), writev(2) and the kernel's own iterators describe.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use ebpf_abi::hook::{SLOT_LEN, Slot, pieces};

use super::read::is_user;
use crate::{
    globals::offset,
    read::{Plain, read_optional},
    task,
};

/// Pieces that are read at most.
const MAX_PIECES: u32 = 16;

/// Bytes that a slot takes.
const LIMIT: u32 = SLOT_LEN as u32 - 1;

/// Where the pieces are, and what has been read of them. In the slot, where the verifier does not follow it.
struct Cursor {
    slot: *mut Slot,
}

impl Cursor {
    /// Adds `len` bytes at `address`. False when they cannot be read.
    #[inline(always)]
    unsafe fn add(&self, address: u64, len: u64) -> bool {
        // SAFETY: a slot of this CPU. It begins before `LIMIT`, and what is read is less than `SLOT_LEN`: there is as much
        // room behind the last slot.
        unsafe {
            let at = (&raw const (*self.slot).len).read_volatile() & LIMIT;
            let room = LIMIT.wrapping_sub(at);
            (&raw mut (*self.slot).mode).write_volatile(if len < u64::from(room) { len as u32 } else { room });
            let taken = (&raw const (*self.slot).mode).read_volatile() & LIMIT;
            let to = (&raw mut (*self.slot).bytes)
                .cast::<u8>()
                .add(at as usize)
                .cast::<c_void>();
            let from = address as *const c_void;
            let result = if is_user(address) {
                bpf_probe_read_user(to, taken, from)
            } else {
                bpf_probe_read_kernel(to, taken, from)
            };
            if result != 0 {
                return false;
            }
            (&raw mut (*self.slot).len).write_volatile(at.wrapping_add(taken));
            let whole = (&raw const (*self.slot).whole).read_volatile();
            (&raw mut (*self.slot).whole).write_volatile(whole.wrapping_add(len as u32));
            true
        }
    }

    /// The event says how long it is when that is more than it carries.
    #[inline(always)]
    unsafe fn finish(&self) {
        // SAFETY: as above.
        unsafe {
            if (&raw const (*self.slot).whole).read_volatile() == (&raw const (*self.slot).len).read_volatile() {
                (*self.slot).whole = 0;
            }
            (*self.slot).mode = 0;
        }
    }
}

/// Pieces of memory: see [`runtime::PIECES`](ebpf_abi::hook::runtime::PIECES).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_pieces(claimed: u32, slot: u32, what: u32, address: u64, count: u64) -> u32 {
    let Some(slot) = super::slot(claimed, slot) else {
        return 0;
    };
    let cursor = Cursor { slot };
    // SAFETY: a slot of this CPU.
    unsafe {
        (&raw mut (*slot).len).write_volatile(0);
        (&raw mut (*slot).whole).write_volatile(0);
        (*slot).flags = 0;
    }
    let (mut vector, mut count, mut skipped, mut left) = (address, count, 0, u64::MAX);
    if what == pieces::ITERATOR {
        let start: u64 = read_optional!(address, iov_iter_iov);
        left = read_optional!(address, iov_iter_count);
        skipped = read_optional!(address, iov_iter_offset);
        match shape(address) {
            Shape::Buffer => {
                // SAFETY: as above.
                unsafe {
                    let read = cursor.add(start.wrapping_add(skipped), left);
                    cursor.finish();
                    return u32::from(read);
                }
            }
            Shape::Vector => {
                vector = start;
                count = read_optional!(address, iov_iter_segments);
            }
            Shape::Other => return 0,
        }
    }
    if (count as i64) < 0 {
        return 0;
    }
    let mut index = 0;
    let mut all = 1;
    while index < MAX_PIECES {
        if u64::from(index) >= count || left == 0 {
            break;
        }
        let piece: [u64; 2] = either(vector.wrapping_add(u64::from(index) * 16));
        let mut len = piece[1].wrapping_sub(skipped);
        if len > left {
            len = left;
        }
        // SAFETY: as above.
        if !unsafe { cursor.add(piece[0].wrapping_add(skipped), len) } {
            all = 0;
            break;
        }
        left = left.wrapping_sub(len);
        skipped = 0;
        index += 1;
    }
    // SAFETY: as above.
    unsafe { cursor.finish() };
    all
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

/// A value of user space or of the kernel, as the address says.
#[inline(always)]
fn either<T: Plain>(address: u64) -> T {
    if is_user(address) {
        super::structure::user_read(address, 0)
    } else {
        crate::read::read(address, 0)
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
