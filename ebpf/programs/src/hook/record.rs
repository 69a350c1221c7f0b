//! Runtime functions that put a record together and send it.

use aya_ebpf::helpers::{
    bpf_get_current_pid_tgid,
    generated::{bpf_ktime_get_boot_ns, bpf_probe_read_kernel},
};
use ebpf_abi::{
    event::{Header, HookArg, HookEvent, hook_flag},
    hook::SLOT_LEN,
    map::Outcome,
};

use crate::{
    maps::{HookRecord, LAST_ARG, RECORDS},
    output, task,
};

/// Counts an event that there is no scratch for: see [`runtime::LOST`](ebpf_abi::hook::runtime::LOST).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_lost(op: u32) -> u32 {
    output::count(op as u8, Outcome::NoScratch);
    0
}

/// Begins a record: see [`runtime::BEGIN`](ebpf_abi::hook::runtime::BEGIN).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_begin(claimed: u32, op: u32, hook: u32, word: u32) -> u32 {
    let Some(record) = RECORDS.get_ptr_mut(claimed) else {
        output::count(op as u8, Outcome::NoScratch);
        return 0;
    };
    // SAFETY: a record of this CPU, larger than its head; the helper cannot fail.
    unsafe {
        let event = (&raw mut (*record).bytes).cast::<HookEvent>();
        let mut flags = (op >> 8) as u16;
        (*event).header = Header::new(0, op as u8, bpf_ktime_get_boot_ns());
        if flags & hook_flag::OWNED != 0
            && let Some(scratch) = super::scratch(claimed)
            && (*scratch).owner.known != 0
        {
            task::copy_key(&raw const (*scratch).owner.process, &raw mut (*event).process);
            (*event).tid = (*scratch).owner.tid;
        } else {
            flags &= !hook_flag::OWNED;
            task::current_identity(&raw mut (*event).process);
            (*event).tid = bpf_get_current_pid_tgid() as u32;
        }
        (*event).hook = hook;
        (*event).selector = (word >> 16) as u16;
        (*event).action = word as u16;
        (*event).args = 0;
        (*event).flags = flags;
        (*event).since = 0;
        if flags & hook_flag::RETURN != 0
            && let Some(scratch) = super::scratch(claimed)
        {
            (*event).since = (*scratch).since;
            (*event).tid = (*scratch).tid;
        }
        (*record).end = size_of::<HookEvent>() as u32;
    }
    1
}

/// Adds flags: see [`runtime::FLAG`](ebpf_abi::hook::runtime::FLAG).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_flag(claimed: u32, flags: u32) -> u32 {
    let Some(record) = RECORDS.get_ptr_mut(claimed) else {
        return 0;
    };
    // SAFETY: a record of this CPU, larger than its head.
    unsafe { (*(&raw mut (*record).bytes).cast::<HookEvent>()).flags |= flags as u16 };
    1
}

/// Counts an action that could not be done: see [`runtime::FAILED`](ebpf_abi::hook::runtime::FAILED).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_failed(op: u32) -> u32 {
    output::count(op as u8, Outcome::ActionFailed);
    0
}

/// Where the next argument goes; counts it. Nothing when there is no room, which policy code sees to.
#[inline(always)]
pub(super) fn next(claimed: u32) -> Option<(*mut HookRecord, *mut HookArg, u32)> {
    let record = RECORDS.get_ptr_mut(claimed)?;
    // SAFETY: a record of this CPU; the offset is checked.
    unsafe {
        let end = (&raw const (*record).end).read_volatile();
        if end > LAST_ARG {
            return None;
        }
        let bytes = (&raw mut (*record).bytes).cast::<u8>();
        (*bytes.cast::<HookEvent>()).args += 1;
        Some((record, bytes.add(end as usize).cast(), end))
    }
}

/// Adds a number: see [`runtime::NUMBER`](ebpf_abi::hook::runtime::NUMBER).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_number(claimed: u32, kind: u32, value: u64) -> u32 {
    let Some((record, arg, end)) = next(claimed) else {
        return 0;
    };
    // SAFETY: there is room for a slot behind `arg`.
    unsafe {
        head(arg, kind, 0, 8);
        arg.add(1).cast::<u64>().write(value);
        (*record).end = end + size_of::<HookArg>() as u32 + 8;
    }
    1
}

/// Adds an argument that could not be read: see [`runtime::ERROR`](ebpf_abi::hook::runtime::ERROR).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_error(claimed: u32, kind: u32, status: u32) -> u32 {
    let Some((record, arg, end)) = next(claimed) else {
        return 0;
    };
    // SAFETY: as above.
    unsafe {
        head(arg, kind, status as i32, 0);
        (*record).end = end + size_of::<HookArg>() as u32;
    }
    1
}

/// Adds what is in a slot: see [`runtime::SLOT`](ebpf_abi::hook::runtime::SLOT).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_slot(claimed: u32, kind: u32, slot: u32) -> u32 {
    let Some(slot) = super::slot(claimed, slot) else {
        return 0;
    };
    let Some((record, arg, end)) = next(claimed) else {
        return 0;
    };
    // SAFETY: a slot of this CPU, and there is room for it behind `arg`.
    unsafe {
        let len = (&raw const (*slot).len).read_volatile() & (SLOT_LEN as u32 - 1);
        head(arg, kind, 0, len);
        (*arg).flags = (*slot).flags as u16;
        (*arg).whole = (*slot).whole;
        (*arg).mode = (*slot).mode;
        bpf_probe_read_kernel(arg.add(1).cast(), len, (&raw const (*slot).bytes).cast());
        (*record).end = end + size_of::<HookArg>() as u32 + ((len + 7) & !7);
    }
    1
}

#[inline(always)]
pub(super) unsafe fn head(arg: *mut HookArg, kind: u32, status: i32, len: u32) {
    // SAFETY: the caller's. Volatile, lest the zeroes become a call to `memset`.
    unsafe {
        (&raw mut (*arg).kind).write_volatile(kind as u16);
        (&raw mut (*arg).flags).write_volatile(0);
        (&raw mut (*arg).status).write_volatile(status);
        (&raw mut (*arg).len).write_volatile(len);
        (&raw mut (*arg).whole).write_volatile(0);
        (&raw mut (*arg).mode).write_volatile(0);
        (&raw mut (*arg).reserved).write_volatile(0);
    }
}

/// Sends the record, unless it is the return of a call whose entry was not reported: see [`runtime::SEND`](ebpf_abi::hook::runtime::SEND).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_send(claimed: u32) -> u32 {
    let Some(record) = RECORDS.get_ptr_mut(claimed) else {
        return 0;
    };
    // SAFETY: a record of this CPU; the length is checked against its room.
    unsafe {
        let event = (&raw mut (*record).bytes).cast::<HookEvent>();
        if (*event).flags & hook_flag::RETURN != 0
            && let Some(scratch) = super::scratch(claimed)
            && (*scratch).quiet != 0
        {
            return 0;
        }
        let size = (&raw const (*record).end).read_volatile();
        if size > LAST_ARG + SLOT_LEN as u32 {
            return 0;
        }
        (*event).header.size = size;
        u32::from(output::send((*event).header.op, event.cast(), u64::from(size)))
    }
}
