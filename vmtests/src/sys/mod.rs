//! System calls that no safe library offers: processes and networks made by hand, `bpf(2)` and I/O ports.
//!
//! Everything is small, and safe to call. It leaves out all that rustix and the standard library have.

pub mod bpf;
pub mod network;
pub mod port;
pub mod process;
pub mod ring;
pub mod route;
