//! What runs inside the test machines, and what host and guest say to each other.
//!
//! The host side, which builds the machine and judges the stream, is `cargo xtask vmtest`.

pub mod protocol;
