//! Hooks of policies: what runs at a function, tracepoint or security hook that a policy names.
//!
//! A program here calls the policy code, [`policies_of_hook`], which the agent puts in place of the function below when it
//! loads the program for a hook. Policy code calls the functions of [`read`], [`record`], [`pair`] and [`owner`].

mod count;
mod data;
mod enforce;
mod entry;
mod fact;
mod hash;
mod limit;
mod owner;
mod pair;
mod pieces;
mod read;
mod record;
mod search;
mod structure;

use core::{ffi::c_void, mem::MaybeUninit};

use ebpf_abi::hook::{HookScratch, SLOTS, Slot};

use crate::{globals, maps::HOOKS};

/// Where policy code goes. What is here is never run; it has to be opaque to the compiler, which must not conclude
/// anything from it for the callers.
#[inline(never)]
fn policies_of_hook(context: *mut c_void) -> u64 {
    // SAFETY: see above.
    unsafe { (&raw const (*claim_scratch()).state).read_volatile() ^ context.cast::<u64>().read_volatile() }
}

/// Where the code that claims a scratch goes, which differs between kernels: some cannot exchange a word atomically. Not
/// run either.
#[inline(never)]
fn claim_scratch() -> *mut HookScratch {
    scratch(globals::copy()).unwrap_or(core::ptr::null_mut())
}

/// Scratch number `claimed` of this CPU.
#[inline(always)]
fn scratch(claimed: u32) -> Option<*mut HookScratch> {
    HOOKS.get_ptr_mut(claimed)
}

/// `number` after a detour that gives the verifier one register that is compared and used; the compiler would compare one
/// copy and use another.
#[inline(always)]
fn opaque(number: u32) -> u64 {
    let mut place = MaybeUninit::<u64>::uninit();
    // SAFETY: written before it is read.
    unsafe {
        place.as_mut_ptr().write_volatile(u64::from(number));
        place.as_ptr().read_volatile()
    }
}

/// Slot number `index` of scratch `claimed`.
#[inline(always)]
fn slot(claimed: u32, index: u32) -> Option<*mut Slot> {
    let slot = slot_at(claimed, index);
    if slot.is_null() { None } else { Some(slot) }
}

/// The same; null if there is none.
///
/// A function of its own, so small that the compiler compares the very register that it adds: verifiers before 5.11 do not
/// know that a copy is bounded when the other one is. The product is compared, lest it multiplies before.
#[inline(never)]
fn slot_at(claimed: u32, index: u32) -> *mut Slot {
    const SIZE: u32 = size_of::<Slot>() as u32;
    let Some(scratch) = scratch(claimed) else {
        return core::ptr::null_mut();
    };
    let at = opaque(index.wrapping_mul(SIZE));
    if at > (SLOTS as u64 - 1) * u64::from(SIZE) {
        return core::ptr::null_mut();
    }
    // SAFETY: where a slot of the array begins.
    unsafe { (&raw mut (*scratch).slots).byte_add(at as usize).cast() }
}
