//! Sending records, and counting what became of each.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_ringbuf_output;
use ebpf_abi::map::{Outcome, stats_index};

use crate::maps::{EVENTS, STATS};

/// Adds one to the counter of events of type `op` that ended as `outcome`.
#[inline(always)]
pub fn count(op: u8, outcome: Outcome) {
    if let Some(counter) = STATS.get_ptr_mut(stats_index(op, outcome)) {
        // SAFETY: the map element lives as long as the program and belongs to this CPU.
        unsafe { *counter += 1 };
    }
}

/// Sends `size` bytes from `data` as a record of type `op`; false when the ring is full. Counted either way.
///
/// # Safety
///
/// `data` must be valid for `size` bytes in the verifier's eyes: a map value with `size` within its bounds.
#[inline(always)]
pub unsafe fn send(op: u8, data: *const c_void, size: u64) -> bool {
    // SAFETY: the caller vouches for the memory; the map is a ring buffer.
    let sent = unsafe { bpf_ringbuf_output((&raw const EVENTS).cast_mut().cast(), data.cast_mut(), size, 0) } == 0;
    count(op, if sent { Outcome::Sent } else { Outcome::RingFull });
    sent
}
