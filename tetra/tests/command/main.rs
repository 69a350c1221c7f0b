//! The command as it is built, against an agent that speaks the API, on pipes and on a terminal.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them so")]

mod agent;
mod arguments;
mod lines;
mod policies;
mod support;
mod terminal;
