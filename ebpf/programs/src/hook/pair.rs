//! Runtime functions that make one event of the entry of a function and its return.
//!
//! Both are told apart from other calls by an address that only this call has on the stack of its thread, so that a function
//! may call itself. The stacks of programs are at the same addresses in many of them: there, the thread is part of what tells
//! calls apart. That of the kernel is not, as execve(2) changes its number within a call.
//!
//! Which of both a call is of, the code says that asks. The address does not: a program sets its stack pointer to whatever it
//! likes.

use ebpf_abi::{
    event::{HookEvent, hook_flag},
    hook::SAVED,
};

use aya_ebpf::{helpers::bpf_get_current_pid_tgid, maps::LruHashMap};

use super::{owner, read::is_user, scratch};
use crate::maps::{CALLS, Call, CallKey, PROGRAM_CALLS, RECORDS};

/// What tells a call of a function from others, be it one `of_program` or of the kernel.
#[inline(always)]
fn key(hook: u32, key: u64, of_program: u32) -> CallKey {
    let thread = if of_program != 0 {
        bpf_get_current_pid_tgid() as u32
    } else {
        0
    };
    CallKey { key, hook, thread }
}

/// Where calls are kept.
#[inline(always)]
fn calls(of_program: u32) -> &'static LruHashMap<CallKey, Call> {
    if of_program != 0 { &PROGRAM_CALLS } else { &CALLS }
}

/// Keeps what the return needs to know of the entry: see [`runtime::KEEP`](ebpf_abi::hook::runtime::KEEP).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_keep(claimed: u32, hook: u32, address: u64, quiet: u32, of_program: u32) -> u32 {
    // No stack of a program is there.
    if of_program != 0 && !is_user(address) {
        return 0;
    }
    let (Some(scratch), Some(record)) = (scratch(claimed), RECORDS.get_ptr_mut(claimed)) else {
        return 0;
    };
    // SAFETY: a scratch and a record of this CPU, claimed by the caller.
    unsafe {
        let event = (&raw mut (*record).bytes).cast::<HookEvent>();
        let call = Call {
            since: (*event).header.ktime,
            tid: (*event).tid,
            quiet,
            saved: (*scratch).saved,
            owner: (*scratch).owner,
        };
        if calls(of_program)
            .insert(key(hook, address, of_program), call, 0)
            .is_err()
        {
            return 0;
        }
        (*event).flags |= hook_flag::ENTRY;
    }
    1
}

/// Forgets what an earlier call kept whose return was missed: see
/// [`runtime::FORGET`](ebpf_abi::hook::runtime::FORGET).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_forget(hook: u32, address: u64, of_program: u32) -> u32 {
    let _ = calls(of_program).remove(key(hook, address, of_program));
    0
}

/// Takes back what was kept: see [`runtime::RESUME`](ebpf_abi::hook::runtime::RESUME).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_resume(claimed: u32, hook: u32, address: u64, of_program: u32) -> u64 {
    let Some(scratch) = scratch(claimed) else { return 0 };
    let (calls, key) = (calls(of_program), key(hook, address, of_program));
    let Some(call) = calls.get_ptr(&key) else { return 0 };
    // SAFETY: a value of the map, which nobody else uses: the key is that of this call. Word by word, as a whole it would
    // become a call to `memcpy`.
    let since = unsafe {
        let since = (*call).since;
        (*scratch).since = since;
        (*scratch).tid = (*call).tid;
        (*scratch).quiet = (*call).quiet;
        let mut index = 0;
        while index < SAVED {
            let word = (&raw const (*call).saved).cast::<u64>().add(index).read_volatile();
            (&raw mut (*scratch).saved)
                .cast::<u64>()
                .add(index)
                .write_volatile(word);
            index += 1;
        }
        owner::copy(&raw const (*call).owner, &raw mut (*scratch).owner);
        since
    };
    let _ = calls.remove(key);
    since
}
