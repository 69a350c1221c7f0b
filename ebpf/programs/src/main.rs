//! The kernel programs: what runs at each hook, compiled once for every kernel.
//!
//! Nothing here depends on the layout of a kernel structure: every offset comes from the [`globals::OFFSETS`] global,
//! which user space resolves against the running kernel's type information and freezes before the verifier sees the
//! program. To the verifier it is a constant, so whatever a kernel lacks costs nothing on it.
//!
//! Rules of this crate: no panics, no indexing, no formatting, no recursion; every loop has a constant bound; large
//! buffers live in per-CPU maps. A kernel read that fails gives zeroes, never an error path of its own: the record says
//! in its flags what could not be read.
#![no_std]
#![feature(asm_experimental_arch)]
#![no_main]

mod binprm;
mod exec;
mod executable;
mod exit;
mod fork;
mod globals;
mod hook;
mod maps;
mod output;
mod path;
mod read;
mod task;

/// Helpers reserved for GPL programs (reading kernel memory among them) need this declaration (`bpf(2)`).
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // Never reached: `cargo xtask build` refuses an object in which a call to this is left.
    loop {}
}
