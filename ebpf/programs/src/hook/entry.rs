//! The programs, one for each kind of hook.
//!
//! What a hook was called with stays in its context, from which policy code takes what it needs.

use aya_ebpf::{
    EbpfContext as _,
    macros::{fentry, kprobe, lsm, raw_tracepoint, tracepoint},
    programs::{FEntryContext, LsmContext, ProbeContext, RawTracePointContext, TracePointContext},
};

use super::policies_of_hook;

/// Entry or return of a function by breakpoint; the context is a `struct pt_regs`.
#[kprobe]
pub fn hook_kprobe(ctx: ProbeContext) -> u32 {
    policies_of_hook(ctx.as_ptr());
    0
}

/// A raw tracepoint; the context is its arguments, a word each.
#[raw_tracepoint]
pub fn hook_raw_tracepoint(ctx: RawTracePointContext) -> i32 {
    policies_of_hook(ctx.as_ptr());
    0
}

/// The perf event of a tracepoint; the context is what it records.
#[tracepoint]
pub fn hook_tracepoint(ctx: TracePointContext) -> u32 {
    policies_of_hook(ctx.as_ptr());
    0
}

/// Entry or return of a function through a trampoline; the context is its parameters and, at the return, its result. The
/// section's name is for the object's sake: the loader decides where the program is attached.
#[fentry]
pub fn hook_function(ctx: FEntryContext) -> i32 {
    policies_of_hook(ctx.as_ptr());
    0
}

/// A security hook; the context is its parameters, the result the verdict.
#[lsm]
pub fn hook_lsm(ctx: LsmContext) -> i32 {
    policies_of_hook(ctx.as_ptr()) as i32
}
