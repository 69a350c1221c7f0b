//! Hooks of policies: what runs at a function, tracepoint or security hook that a policy names.
//!
//! A program here writes down what it was called with and calls the policy code, [`policies_of_hook`], which the agent
//! puts in place of the function below when it loads the program for a hook. Policy code calls the functions of
//! [`read`] and [`record`].

mod count;
mod entry;
mod fact;
mod read;
mod record;
mod structure;

use core::{ffi::c_void, mem::MaybeUninit};

use ebpf_abi::hook::{HookScratch, SLOTS, Slot};

use crate::maps::HOOKS;

/// Where policy code goes. What is here is never run; it has to be opaque to the compiler, which must not conclude
/// anything from it for the callers.
#[inline(never)]
fn policies_of_hook(scratch: *mut HookScratch, context: *mut c_void) -> u64 {
    // SAFETY: see above.
    unsafe { (&raw const (*scratch).state).read_volatile() ^ context.cast::<u64>().read_volatile() }
}

/// This CPU's scratch for programs that use `heap`.
#[inline(always)]
fn scratch(heap: u32) -> Option<*mut HookScratch> {
    HOOKS.get_ptr_mut(heap)
}

/// Slot number `index` of the scratch of `heap`.
#[inline(always)]
fn slot(heap: u32, index: u32) -> Option<*mut Slot> {
    let scratch = scratch(heap)?;
    let mut place = MaybeUninit::<u64>::uninit();
    // SAFETY: written before it is read. The detour gives the verifier one register that is compared and used; the
    // compiler would compare one copy and use another.
    let index = unsafe {
        place.as_mut_ptr().write_volatile(u64::from(index));
        place.as_ptr().read_volatile()
    };
    if index >= SLOTS as u64 {
        return None;
    }
    // SAFETY: an index below the length of the array.
    Some(unsafe { (&raw mut (*scratch).slots).cast::<Slot>().add(index as usize) })
}
