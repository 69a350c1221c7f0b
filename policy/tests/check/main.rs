//! The rules of policies, case by case: what is reported, and where.

#![allow(clippy::needless_raw_string_hashes, reason = "written by expect-test")]
#![allow(clippy::needless_pass_by_value, reason = "the form of expect-test")]

mod actions;
mod args;
#[path = "../common/mod.rs"]
mod common;
mod document;
mod hooks;
mod selectors;
