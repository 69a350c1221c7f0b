//! The API of the agent: messages and services, JSON, filters.
//!
//! Shared by the agent, the `tetra` command line and the tests, so that all of them agree on every byte.
//!
//! - [`v1`]: messages, enums, clients and servers, generated from `proto/tetragon/*.proto`;
//! - [`json`]: the line that an event is in a file or a pipe;
//! - [`flags`] and [`exec_id`]: the text of two fields of a process;
//! - [`event`]: what all events have in common;
//! - [`filter`]: which events a client wants, and which of their fields.
//!
//! No I/O and no state of the agent here.

#![forbid(unsafe_code)]

pub mod event;
pub mod exec_id;
pub mod filter;
pub mod flags;
pub mod json;

/// Messages, enums, clients and servers generated from `proto/tetragon/*.proto`.
#[allow(
    missing_docs,
    unused_qualifications,
    deprecated,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("tetragon");
}
