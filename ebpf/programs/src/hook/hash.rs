//! Runtime functions for hashes of files, which only a program that may sleep can ask for.
//!
//! Three programs run at a security hook whose events have hashes. The first one has the policies; it sends events without
//! the hash and notes here that one is awaited. The second one is code alone (`ebpf_codegen::hash`): it may sleep, and
//! writes the hash here. The third one sends the rest of the events, and returns the verdict of the first one, which would
//! have ended the call before the others.
//!
//! What is noted is of the call that the thread is in: the first program begins by forgetting what is there.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use ebpf_abi::{
    event::{HookArg, HookEvent, file_hash, hook_flag, op},
    hook::{AWAITING, Awaited, awaited_state, counters},
};

use super::{
    count::hook_count,
    record::{head, hook_begin, hook_send, next},
};
use crate::maps::{AWAITED, RECORDS};

/// What the current thread waits for, unless it is being read at this moment, when what comes now is part of that.
#[inline(always)]
fn of_thread() -> Option<*mut Awaited> {
    let awaited = AWAITED.get_ptr_mut(&bpf_get_current_pid_tgid())?;
    // SAFETY: a value of the map, which nobody else uses: the key is that of this thread.
    if unsafe { (*awaited).state } == awaited_state::READING {
        return None;
    }
    Some(awaited)
}

/// The same, at the hook `point`.
#[inline(always)]
fn at(point: u32) -> Option<*mut Awaited> {
    let awaited = of_thread()?;
    // SAFETY: as above.
    if unsafe { (*awaited).point } == point {
        Some(awaited)
    } else {
        None
    }
}

/// Forgets what the current thread awaits: see [`runtime::AFRESH`](ebpf_abi::hook::runtime::AFRESH).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_afresh() -> u32 {
    if of_thread().is_some() {
        let _ = AWAITED.remove(bpf_get_current_pid_tgid());
    }
    0
}

/// Notes that the event under construction awaits a hash: see [`runtime::AWAIT`](ebpf_abi::hook::runtime::AWAIT).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_await(claimed: u32, known: u32, point: u32) -> u32 {
    let awaited = note(claimed, known, point);
    if awaited == 0 {
        hook_count(counters::UNHASHED);
    }
    awaited
}

#[inline(always)]
fn note(claimed: u32, known: u32, point: u32) -> u32 {
    let (Some(scratch), Some(record)) = (super::scratch(claimed), RECORDS.get_ptr_mut(claimed)) else {
        return 0;
    };
    let thread = bpf_get_current_pid_tgid();
    if AWAITED.get_ptr(&thread).is_none() {
        // SAFETY: memory of the scratch that is larger. What is in it does not matter.
        let anything = unsafe { &*(&raw const (*scratch).slots).cast::<Awaited>() };
        if AWAITED.insert(thread, anything, 0).is_err() {
            return 0;
        }
        let Some(awaited) = AWAITED.get_ptr_mut(&thread) else {
            return 0;
        };
        // SAFETY: a value of the map, which nobody else uses.
        unsafe { (*awaited).state = awaited_state::AWAITED };
    }
    let Some(awaited) = of_thread() else { return 0 };
    // SAFETY: as above, and a record of this CPU.
    unsafe {
        if known == 0 {
            (*awaited).state = awaited_state::AWAITED;
            (*awaited).point = point;
            (*awaited).count = 0;
            (*awaited).verdict = 0;
            (*awaited).algorithm = -1;
        }
        let count = super::opaque((*awaited).count);
        if count >= AWAITING as u64 {
            return 0;
        }
        let event = (&raw mut (*record).bytes).cast::<HookEvent>();
        let hook = (&raw mut (*awaited).hooks)
            .cast::<ebpf_abi::hook::AwaitedHook>()
            .add(count as usize);
        (*hook).since = (*event).header.ktime;
        (*hook).hook = (*event).hook;
        (*hook).tid = (*event).tid;
        (*awaited).count = count as u32 + 1;
        (*event).flags |= hook_flag::ENTRY;
    }
    1
}

/// Leaves a verdict to the last program: see [`runtime::DEFER`](ebpf_abi::hook::runtime::DEFER).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_defer(verdict: u64) -> u32 {
    let Some(awaited) = of_thread() else { return 0 };
    // SAFETY: as above.
    unsafe { (*awaited).verdict = verdict as i64 };
    1
}

/// How many events the current thread has that await a hash: see [`runtime::HASHED`](ebpf_abi::hook::runtime::HASHED).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_hashed(point: u32) -> u32 {
    // SAFETY: as above.
    at(point).map_or(0, |awaited| unsafe { (*awaited).count })
}

/// Sends the rest of an event: see [`runtime::HASH`](ebpf_abi::hook::runtime::HASH).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_hash(claimed: u32, index: u32, point: u32) -> u32 {
    let (Some(scratch), Some(awaited)) = (super::scratch(claimed), at(point)) else {
        return 0;
    };
    let index = super::opaque(index);
    if index >= AWAITING as u64 {
        return 0;
    }
    // SAFETY: a value of the map, which nobody else uses, and a scratch and a record of this CPU.
    unsafe {
        if index as u32 >= (*awaited).count {
            return 0;
        }
        let hook = (&raw const (*awaited).hooks)
            .cast::<ebpf_abi::hook::AwaitedHook>()
            .add(index as usize);
        (*scratch).since = (*hook).since;
        (*scratch).tid = (*hook).tid;
        (*scratch).quiet = 0;
        hook_begin(
            claimed,
            u32::from(hook_flag::RETURN) << 8 | u32::from(op::LSM),
            (*hook).hook,
            0,
        );
        if (*awaited).state != awaited_state::READ {
            hook_count(counters::UNHASHED);
        } else if (*awaited).algorithm >= 0
            && let Some((record, arg, end)) = next(claimed)
        {
            head(arg, u32::from(file_hash::KIND), 0, file_hash::LEN);
            (*arg).flags = (*awaited).algorithm as u16;
            let (from, to) = ((&raw const (*awaited).digest).cast::<u64>(), arg.add(1).cast::<u64>());
            let mut word = 0;
            while word < file_hash::LEN as usize / 8 {
                to.add(word).write_volatile(from.add(word).read_volatile());
                word += 1;
            }
            (*record).end = end + size_of::<HookArg>() as u32 + file_hash::LEN;
        }
    }
    hook_send(claimed)
}

/// Takes back the verdict of the first program: see [`runtime::SETTLE`](ebpf_abi::hook::runtime::SETTLE).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_settle(point: u32) -> u64 {
    let Some(awaited) = at(point) else { return 0 };
    // SAFETY: as above.
    let verdict = unsafe { (*awaited).verdict };
    let _ = AWAITED.remove(bpf_get_current_pid_tgid());
    verdict as u64
}
