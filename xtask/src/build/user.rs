//! User space for release, linked statically: the same file runs on any distribution and as the only file of a machine.

use crate::{paths, tool};
use anyhow::Result;
use std::path::PathBuf;

/// Builds the agent, the command line and what runs inside test machines. Gives the folder with the programs.
///
/// The triple is named although it is the host's own: flags then apply to the programs alone, not to build scripts and
/// procedural macros, which cannot be static.
pub(crate) fn build() -> Result<PathBuf> {
    let mut cargo = tool::cargo();
    tool::building(&mut cargo, "build");
    cargo
        .args(["--release", "--bins", "--target", paths::USER_TARGET])
        .args(["--package", "tetragon", "--package", "tetra", "--package", "vmtests"])
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    tool::run(&mut cargo)?;
    Ok(folder())
}

/// Where the programs are.
pub(crate) fn folder() -> PathBuf {
    paths::target().join(paths::USER_TARGET).join("release")
}
