//! The agent.

#![forbid(unsafe_code)]

pub mod app;
pub mod clock;
pub mod config;
pub mod container;
pub mod errand;
pub mod event;
mod executables;
pub mod export;
pub mod health;
pub mod logging;
pub mod notify;
pub mod observer;
pub mod outputs;
pub mod persistence;
pub mod privileges;
pub mod process;
pub mod procfs;
pub mod record;
pub mod redaction;
mod regular;
pub mod run_dir;
pub mod sensor;
pub mod server;
pub mod sink;
mod stack;
pub mod text;
pub mod users;

/// Version of the agent, as it tells clients.
pub const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// Where the socket, the pid file and the information file are.
pub const RUN_DIR: &str = "/var/run/tetragon";
