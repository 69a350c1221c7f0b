//! Tests of policies, as data: what to do, and which events to expect.
//!
//! Two runners read the same language. `tetra policytest` runs a [`PolicyTest`] against an agent that is running, on any
//! machine; the cases of the project's own test machines, which also start and stop agents, are made of the same
//! [`step`]s and [`expect`]ations.
//!
//! Starts no process and asks no kernel: those are the runners' part.

#![forbid(unsafe_code)]

pub mod act;
pub mod expect;
pub mod signal;
pub mod step;

mod file;

pub use file::{PolicyTest, Unless, find};
