//! What policies ask of a kernel, answered from its type information.
//!
//! The agent asks the running kernel, `tetra tracingpolicy check --btf` the file of any: the answers are the same, as
//! far as types tell them.
//!
//! Promises: no I/O; whatever the type information says, there is an answer.
//!
//! Leaves out: what only the running kernel knows: functions without type information, and the fields of those tracepoints that
//! types do not tell (see [`TypedKernel`] and [`tracepoint`]), which are in files of tracefs.
#![forbid(unsafe_code)]

mod kernel;
pub mod tracepoint;
pub mod way;

pub use kernel::{LSM, Programs, TypedKernel};
