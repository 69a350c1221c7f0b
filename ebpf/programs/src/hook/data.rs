//! Runtime functions that send bytes which are too long for a record.
//!
//! How many were sent so far is in the cell of the scratch. Each of the functions is one of its own, which the verifier
//! checks once and not as often as it is called.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use ebpf_abi::{
    event::{DataEvent, HOOK_DATA, Header, HookArg, HookEvent, IN_DATA, data_kind, op},
    hook::{SLOT_LEN, Slot},
};

use super::{
    pieces::{Iterator, MAX_PIECES},
    read::is_user,
    record,
};
use crate::{maps::RECORDS, output};

/// Bytes in one record.
const PART: u32 = SLOT_LEN as u32;

/// Records for one stretch of memory.
const PARTS: u32 = HOOK_DATA.div_ceil(PART);

const _: () = assert!(
    size_of::<DataEvent>() + PART as usize <= size_of::<Slot>(),
    "a record is put together in a slot"
);

/// Bit of `what`: in user space, whatever the address.
const USER: u32 = 1 << 16;

/// Where the number of the slot is in `what`.
const SLOT: u32 = 17;

/// Bit of what [`hook_data_piece`] returns: not all could be sent.
const CUT: u64 = 1 << 32;

/// Bytes beside the record: see [`runtime::DATA`](ebpf_abi::hook::runtime::DATA).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_data(claimed: u32, what: u32, address: u64, len: u64) -> u32 {
    let Some(scratch) = super::scratch(claimed) else {
        return 0;
    };
    if (len as i64) < SLOT_LEN as i64 {
        return 0;
    }
    // SAFETY: a scratch of this CPU.
    unsafe { (&raw mut (*scratch).cell).write_volatile(0) };
    add(claimed, what, hook_data_parts(claimed, what, address, len), len)
}

/// What an iterator goes over, beside the record: see [`runtime::DATA_PIECES`](ebpf_abi::hook::runtime::DATA_PIECES).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_data_pieces(claimed: u32, what: u32, address: u64) -> u32 {
    let Some(scratch) = super::scratch(claimed) else {
        return 0;
    };
    let Some(iterator) = Iterator::read(address) else {
        return 0;
    };
    let all = iterator.left;
    if (all as i64) < SLOT_LEN as i64 {
        return 0;
    }
    // SAFETY: a scratch of this CPU.
    let cell = unsafe { &raw mut (*scratch).cell };
    // SAFETY: as above.
    unsafe { cell.write_volatile(0) };
    let Some(count) = iterator.count else {
        let start = iterator.start.wrapping_add(iterator.skipped);
        return add(claimed, what, hook_data_parts(claimed, what, start, all), all);
    };
    let (mut skipped, mut left, mut index) = (iterator.skipped, all, 0);
    while index < MAX_PIECES {
        if u64::from(index) >= count || left == 0 {
            break;
        }
        let place = iterator.start.wrapping_add(u64::from(index) * 16);
        let sent = hook_data_piece(claimed, what, place, skipped, left);
        let bytes = sent & (CUT - 1);
        // SAFETY: as above.
        unsafe { cell.write_volatile(cell.read_volatile().wrapping_add(bytes)) };
        left = left.wrapping_sub(bytes);
        skipped = 0;
        index += 1;
        if sent & CUT != 0 {
            break;
        }
    }
    // SAFETY: as above.
    add(claimed, what, unsafe { cell.read_volatile() } as u32, all)
}

/// Adds an argument of `len` bytes of which `sent` were sent. Returns whether it did.
#[inline(always)]
fn add(claimed: u32, what: u32, sent: u32, len: u64) -> u32 {
    if sent == 0 {
        return 0;
    }
    let Some((record, arg, end)) = record::next(claimed) else {
        return 0;
    };
    // SAFETY: there is room for a slot behind `arg`.
    unsafe {
        record::head(arg, what & 0xffff, 0, 8);
        (*arg).flags = IN_DATA;
        (*arg).whole = if u64::from(sent) == len {
            0
        } else if len > u64::from(u32::MAX) {
            u32::MAX
        } else {
            len as u32
        };
        arg.add(1).cast::<u64>().write(u64::from(sent));
        (*record).end = end + size_of::<HookArg>() as u32 + 8;
    }
    1
}

/// Sends what the `struct iovec` at `place` describes, but for its first `skipped` bytes and what is beyond `left`. Returns
/// how many bytes, with [`CUT`] when that is not all.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_data_piece(claimed: u32, what: u32, place: u64, skipped: u64, left: u64) -> u64 {
    let described: [u64; 2] = crate::read::read(place, 0);
    let len = described[1].wrapping_sub(skipped);
    let len = if len < left { len } else { left };
    let sent = u64::from(hook_data_parts(claimed, what, described[0].wrapping_add(skipped), len));
    if sent == len { sent } else { sent | CUT }
}

/// Sends the `len` bytes at `address` in parts. Returns how many.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_data_parts(claimed: u32, what: u32, address: u64, len: u64) -> u32 {
    let mut sent = 0_u32;
    let mut part = 0;
    while part < PARTS {
        let size = hook_data_part(claimed, what, address, len, part);
        sent = sent.wrapping_add(size);
        part += 1;
        if size != PART {
            break;
        }
    }
    sent
}

/// Sends part number `part` of the `len` bytes at `address`, behind what was sent before. Returns how many bytes that is; 0
/// when there are none, or they could not be sent.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_data_part(claimed: u32, what: u32, address: u64, len: u64, part: u32) -> u32 {
    let (Some(slot), Some(record), Some(scratch)) = (
        super::slot(claimed, what >> SLOT),
        RECORDS.get_ptr_mut(claimed),
        super::scratch(claimed),
    ) else {
        return 0;
    };
    // SAFETY: a slot, a record and a scratch of this CPU; the size is checked against the room in the slot.
    unsafe {
        let before = (&raw const (*scratch).cell).read_volatile();
        let room = u64::from(HOOK_DATA).wrapping_sub(before);
        let limit = if len < room { len } else { room };
        let within = u64::from(part.wrapping_mul(PART));
        if before > u64::from(HOOK_DATA) || within >= limit {
            return 0;
        }
        let left = limit.wrapping_sub(within);
        let size = super::opaque(if left < u64::from(PART) { left as u32 } else { PART });
        if size > u64::from(PART) {
            return 0;
        }
        let from = address.wrapping_add(within);
        let head = slot.cast::<DataEvent>();
        let (to, source) = (head.add(1).cast::<c_void>(), from as *const c_void);
        let result = if what & USER != 0 || is_user(from) {
            bpf_probe_read_user(to, size as u32, source)
        } else {
            bpf_probe_read_kernel(to, size as u32, source)
        };
        if result != 0 {
            return 0;
        }
        let event = (&raw const (*record).bytes).cast::<HookEvent>();
        let total = size_of::<DataEvent>() as u32 + size as u32;
        (*head).header = Header::new(total, op::DATA, (*event).header.ktime);
        (*head).process.pid = (*event).tid;
        (*head).process.reserved = (*event).hook;
        (*head).process.ktime = (*event).header.ktime;
        (*head).kind = data_kind::HOOK + (what & 0xffff);
        (*head).len = size as u32;
        (*head).offset = before.wrapping_add(within) as u32;
        (*head).reserved = 0;
        if output::send(op::DATA, head.cast(), size_of::<DataEvent>() as u64 + size) {
            size as u32
        } else {
            0
        }
    }
}
