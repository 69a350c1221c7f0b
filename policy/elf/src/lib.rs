//! What policies ask of a program or library, answered from its file: where a function is, which probes it declares.
//!
//! Files of programs belong to whoever runs them, and may say anything. Symbols are looked at one by one as they are
//! read, and none is kept.
//!
//! Promises: reads nothing but the [`Source`] it is given; any bytes give a value or an error, never a panic; memory has a
//! bound that does not depend on the file, and work one that is proportional to its length.
//!
//! Leaves out: programs of other machines than x86-64, and what only debuggers know.
//!
//! ```
//! use policy_elf::{Operand, Place};
//!
//! let mut operands = policy_elf::split("-4@%eax 8@-8(%rbp)");
//! let first = Operand::parse(operands.next().unwrap_or_default())?;
//! assert_eq!((first.bytes, first.signed), (4, true));
//! assert_eq!(first.place, Place::Register("eax"));
//! # Ok::<(), &str>(())
//! ```
#![forbid(unsafe_code)]

mod error;
mod file;
mod functions;
mod operand;
mod probes;
mod source;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use file::Elf;
pub use functions::{Found, Function};
pub use operand::{OPERANDS, Operand, Place, split};
pub use probes::{Probe, Probes};
pub use source::Source;
