//! The test runner: what is installed, else one built into the cache.

use crate::{paths, tool};
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

/// A release that the minimum compiler of this workspace builds.
const VERSION: &str = "0.9.143";

/// `cargo nextest`, built first if there is none.
pub(crate) fn command() -> Result<Command> {
    let mut cargo = tool::cargo();
    if tool::which("cargo-nextest").is_none() {
        let folder = build()?;
        let mut search = vec![folder];
        search.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        cargo.env("PATH", env::join_paths(search)?);
    }
    cargo.arg("nextest");
    Ok(cargo)
}

/// Builds the runner if there is none.
pub(super) fn ensure() -> Result<()> {
    if tool::which("cargo-nextest").is_none() {
        build()?;
    }
    Ok(())
}

/// Builds the runner into the cache unless it is there; gives its folder.
fn build() -> Result<PathBuf> {
    let cache = paths::cache()?;
    let home = cache.join(format!("cargo-nextest-{VERSION}"));
    let folder = home.join("bin");
    if folder.join("cargo-nextest").exists() {
        return Ok(folder);
    }
    tool::step(&format!("building cargo-nextest {VERSION}; this takes some minutes"));
    fs::create_dir_all(&cache)?;
    let work = tempfile::tempdir_in(&cache)?;
    let mut cargo = tool::cargo();
    cargo
        .args([
            "install",
            "cargo-nextest",
            "--version",
            VERSION,
            "--locked",
            "--quiet",
            "--no-default-features",
        ])
        .args(["--features", "default-no-update"])
        .arg("--root")
        .arg(work.path().join("root"))
        .env("CARGO_TARGET_DIR", work.path().join("target"))
        // Time matters more than speed here: it only starts other programs.
        .args(["--profile", "dev"])
        .current_dir("/");
    tool::read(&mut cargo)?;
    fs::rename(work.path().join("root"), &home).with_context(|| format!("create {}", home.display()))?;
    Ok(folder)
}
