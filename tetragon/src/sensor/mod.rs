//! Policies in the kernel.
//!
//! ```text
//! policy::model::Policy ──▶ lower ──▶ one Hook for each hook point ──▶ point: all policies' hooks as one program
//!                              │
//!                              └────▶ table: number of a hook ──▶ what its events are called
//! ```
//!
//! A hook point is a function, tracepoint or security hook. It has one attachment, whatever the number of
//! policies, and behind it one program that is compiled anew when a policy comes or goes; the exchange takes effect
//! between two hits. Maps are those of the base sensors, shared by everything.
//!
//! A policy that is disabled stays, and what it wants is left out of the programs. In monitor mode its code does
//! everything but what its enforcing actions would do. Both are exchanges of programs like any other change.
//!
//! Promises: a policy is loaded whole or not at all; while one comes or goes, the others miss nothing.
//!
//! Leaves out: what a policy says (the `policy` crate), what code looks like (`ebpf-codegen`).

mod argument;
mod change;
mod conflict;
mod counters;
mod digest;
mod elf;
mod enforcer;
mod error;
mod files;
mod filter;
mod functions;
mod hash;
mod images;
pub(crate) mod loader;
mod lower;
mod misses;
mod point;
mod points;
mod program_types;
mod resident;
mod running;
mod sensors;
mod spared;
mod status;
mod table;
mod tracepoint;

use policy_btf::way;

pub use error::Error;
pub use files::Files;
pub(crate) use hash::shown as shown_hash;
pub use resident::Id;
pub use sensors::{Sensors, Source};
pub use table::{ArgInfo, Errand, HookInfo, Reader, Table};
