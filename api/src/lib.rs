//! The API of the agent: messages, services, JSON.

#![forbid(unsafe_code)]

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
