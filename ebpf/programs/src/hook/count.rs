//! Counting what policies do.

use core::arch::asm;

use crate::maps::COUNTERS;

/// Adds one to a counter: see [`runtime::COUNT`](ebpf_abi::hook::runtime::COUNT).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_count(counter: u32) -> u32 {
    if let Some(counter) = COUNTERS.get_ptr_mut(counter) {
        // SAFETY: the map element lives as long as the program and is aligned. The compiler has no atomic operations
        // for this target, the kernel has had this one from the beginning.
        unsafe { asm!("lock *(u64 *)({} + 0) += {}", in(reg) counter, in(reg) 1_u64, options(nostack)) };
    }
    1
}
