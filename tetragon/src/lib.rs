//! The agent.

#![forbid(unsafe_code)]

pub mod clock;
pub mod container;
pub mod event;
pub mod observer;
pub mod process;
pub mod procfs;
pub mod record;
pub mod sink;
pub mod text;
pub mod users;
