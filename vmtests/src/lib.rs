//! What runs inside the test machines, and what host and guest say to each other.
//!
//! The host side, which builds the machine and judges the stream, is `cargo xtask vmtest`. It reads [`protocol`],
//! [`machine`], [`budget`] and [`everyday`]; everything else runs in the guest:
//!
//! - `vm-init` ([`guest`]) is process 1: it sets the machine up, runs each case of its plan and reports.
//! - `tester` ([`tester`]) is what the cases observe: one binary, one behaviour a subcommand.
//! - A case is a folder of data ([`case`]) with what to run and which events to expect ([`policy_test`]).
//!
//! `unsafe` lives in [`sys`] alone.

#![deny(unsafe_code)]

pub mod budget;
pub mod case;
pub mod everyday;
pub mod guest;
pub mod machine;
pub mod protocol;
#[allow(
    unsafe_code,
    reason = "the one module that talks to the kernel beneath the libraries"
)]
pub mod sys;
pub mod tester;
