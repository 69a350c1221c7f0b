//! Runtime function that sends bytes which are too long for a record.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use ebpf_abi::{
    event::{DataEvent, HOOK_DATA, Header, HookArg, HookEvent, IN_DATA, data_kind, op},
    hook::{SLOT_LEN, Slot},
};

use super::{read::is_user, record};
use crate::{maps::RECORDS, output};

/// Bytes in one record.
const PART: u32 = SLOT_LEN as u32;

/// Records for one argument.
const PARTS: u32 = HOOK_DATA.div_ceil(PART);

const _: () = assert!(
    size_of::<DataEvent>() + PART as usize <= size_of::<Slot>(),
    "a record is put together in a slot"
);

/// Bit of `what`: in user space, whatever the address.
const USER: u32 = 1 << 16;

/// Where the number of the slot is in `what`.
const SLOT: u32 = 17;

/// Sends part number `part` of the `len` bytes at `address`. Returns how many bytes that is; 0 when there are none, or they
/// could not be sent.
///
/// A function of its own, which the verifier checks once.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_data_part(claimed: u32, what: u32, address: u64, len: u64, part: u32) -> u32 {
    let (Some(slot), Some(record)) = (super::slot(claimed, what >> SLOT), RECORDS.get_ptr_mut(claimed)) else {
        return 0;
    };
    let limit = if len < u64::from(HOOK_DATA) {
        len as u32
    } else {
        HOOK_DATA
    };
    let offset = part.wrapping_mul(PART);
    if offset >= limit {
        return 0;
    }
    let left = limit.wrapping_sub(offset);
    let size = super::opaque(if left < PART { left } else { PART });
    if size > u64::from(PART) {
        return 0;
    }
    let from = address.wrapping_add(u64::from(offset));
    // SAFETY: a slot and a record of this CPU; the size is checked against the room in the slot.
    unsafe {
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
        (*head).offset = offset;
        (*head).reserved = 0;
        if output::send(op::DATA, head.cast(), size_of::<DataEvent>() as u64 + size) {
            size as u32
        } else {
            0
        }
    }
}

/// Bytes beside the record: see [`runtime::DATA`](ebpf_abi::hook::runtime::DATA).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_data(claimed: u32, what: u32, address: u64, len: u64) -> u32 {
    if (len as i64) < SLOT_LEN as i64 {
        return 0;
    }
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
