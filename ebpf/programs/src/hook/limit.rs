//! Runtime function that leaves out repetitions.

use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use ebpf_abi::{
    event::{HookArg, HookEvent, hook_flag},
    hook::scope,
};

use crate::{
    maps::{LAST_ARG, LIMITS, RECORDS},
    read::field,
    task,
};

/// Bytes of each argument that make records alike.
const COMPARED: u32 = 40;

/// Arguments that make records alike.
const ARGS: u32 = 8;

/// Whether a record like this one was let through a short while ago: see
/// [`runtime::LIMITED`](ebpf_abi::hook::runtime::LIMITED).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_limited(claimed: u32, window: u64, scope: u32) -> u32 {
    let Some(record) = RECORDS.get_ptr_mut(claimed) else {
        return 0;
    };
    // SAFETY: a record of this CPU, claimed by the caller.
    unsafe {
        let bytes = (&raw const (*record).bytes).cast::<u8>();
        let event = bytes.cast::<HookEvent>();
        // Ids are used again: the process is told apart by when it began, and so is the thread, unless it is that of the
        // owner of a socket, which need not be the current one.
        let (owner, began) = match scope {
            scope::THREAD => ((*event).tid, (*event).process.ktime),
            scope::PROCESS => ((*event).process.pid, (*event).process.ktime),
            _ => (0, 0),
        };
        let what = u64::from((*event).hook) << 32 | u64::from((*event).action);
        let mut hash = mix(mix(mix(u64::from((*event).flags), what), owner.into()), began);
        if scope == scope::THREAD && (*event).flags & hook_flag::OWNED == 0 {
            hash = mix(hash, field!(task::current(), task_start_boottime));
        }
        let count = u32::from((*event).args);
        let mut at = size_of::<HookEvent>() as u32;
        let mut index = 0;
        while index < ARGS {
            let place = super::opaque(at);
            if index >= count || place > u64::from(LAST_ARG) {
                break;
            }
            let arg = bytes.add(place as usize).cast::<HookArg>();
            let len = (&raw const (*arg).len).read_volatile();
            let status = (&raw const (*arg).status).read_volatile() as u32;
            let flags = (&raw const (*arg).flags).read_volatile();
            hash = mix(mix(hash, u64::from(flags)), u64::from(status) << 32 | u64::from(len));
            let words = arg.add(1).cast::<u64>();
            let mut word = 0;
            while word < COMPARED / 8 {
                if word * 8 >= len {
                    break;
                }
                let value = words.add(word as usize).read_volatile();
                // What is behind the end is undefined.
                let rest = len - word * 8;
                hash = mix(hash, if rest < 8 { value << (64 - 8 * rest) } else { value });
                word += 1;
            }
            at = at
                .wrapping_add(size_of::<HookArg>() as u32)
                .wrapping_add((len + 7) & !7);
            index += 1;
        }
        let now = bpf_ktime_get_boot_ns();
        if let Some(last) = LIMITS.get_ptr_mut(&hash) {
            if now.wrapping_sub(*last) < window.wrapping_mul(1_000_000) {
                return 1;
            }
            *last = now;
        } else {
            let _ = LIMITS.insert(&hash, &now, 0);
        }
    }
    0
}

/// A hash of a word and what came before. 64 bits: among thousands of records, two that are not alike share one as good as
/// never.
#[inline(always)]
fn mix(hash: u64, word: u64) -> u64 {
    let hash = (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ hash >> 29
}
