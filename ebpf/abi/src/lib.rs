//! What the kernel programs and user space agree on, byte for byte.
//!
//! Three things cross the kernel boundary and each has one module here:
//!
//! - [`event`]: the records in the ring buffer, kernel to user space;
//! - [`map`]: keys and values of the maps both sides touch;
//! - [`config`] and [`field`]: the frozen `.rodata` globals, user space to kernel.
//!
//! [`executable`] is how both sides name the path of an executable.
//!
//! [`hook`] is what policy code, written at run time, and the runtime in the object say to each other.
//!
//! Everything is `#[repr(C)]`, little endian by the target's choice (`bpfel`), free of implicit padding (proved at
//! compile time by the `zerocopy` derives) and the same whatever the kernel. The crate makes no system call and
//! allocates nothing.
#![no_std]
#![forbid(unsafe_code)]

pub mod config;
pub mod event;
pub mod executable;
pub mod field;
pub mod hook;
pub mod map;

/// Version of everything in this crate. The object carries it in its `ABI_VERSION` global and the agent refuses an
/// object with another value, so that a `--bpf-lib` left over from another release cannot be misread.
pub const ABI_VERSION: u32 = 9;
