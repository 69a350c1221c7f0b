//! The agent.

#![forbid(unsafe_code)]

pub mod observer;
pub mod sink;
