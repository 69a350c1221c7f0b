//! The linker of the kernel programs, built once for the LLVM that the compiler in use has.

use super::debian::Need;
use crate::{paths, tool};
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

/// The release of bpf-linker.
const VERSION: &str = "0.13.0";

/// Major versions of LLVM that this release can be built on.
const SUPPORTED: std::ops::RangeInclusive<u32> = 21..=23;

/// Packages that the linker stands on. What only its build needs is left out once it is built.
pub(super) fn needs() -> Result<Vec<Need>> {
    let major = llvm_major()?;
    let llvm = format!("llvm-{major}-dev");
    let mut needs = vec![Need::file(
        &llvm_prefix()?.join("bin/llvm-config"),
        &llvm,
        "builds the kernel programs",
    )];
    if !path()?.exists() {
        let header = |file: &str, package: &str| {
            let file = Path::new("/usr/include").join(file);
            Need::file(&file, package, "builds the linker of the kernel programs")
        };
        needs.push(header("zlib.h", "zlib1g-dev"));
        needs.push(header("zstd.h", "libzstd-dev"));
        needs.push(header("libxml2", "libxml2-dev"));
    }
    Ok(needs)
}

/// Builds the linker if it is missing.
pub(super) fn ensure() -> Result<()> {
    let path = path()?;
    if path.exists() {
        return Ok(());
    }
    let major = llvm_major()?;
    tool::step(&format!(
        "building bpf-linker {VERSION} for LLVM {major}; this takes some minutes"
    ));
    let cache = paths::cache()?;
    fs::create_dir_all(&cache)?;
    // Built aside and moved as a whole: an interrupted build leaves nothing that looks complete.
    let build = tempfile::tempdir_in(&cache)?;
    let mut cargo = tool::cargo();
    cargo
        .args([
            "install",
            "bpf-linker",
            "--version",
            VERSION,
            "--locked",
            "--quiet",
            "--no-default-features",
        ])
        .args(["--features", &format!("llvm-{major}")])
        .arg("--root")
        .arg(build.path().join("root"))
        .env("CARGO_TARGET_DIR", build.path().join("target"))
        .env("LLVM_PREFIX", llvm_prefix()?)
        .current_dir("/");
    tool::read(&mut cargo)?;
    let home = home()?;
    if let Err(error) = fs::rename(build.path().join("root"), &home)
        && !path.exists()
    {
        return Err(error).with_context(|| format!("create {}", home.display()));
    }
    Ok(())
}

/// The linker; an error if it has not been built.
pub(crate) fn binary() -> Result<PathBuf> {
    let path = path()?;
    if !path.exists() {
        bail!("{} is missing: run `cargo xtask setup`", path.display());
    }
    Ok(path)
}

/// Where LLVM is installed.
pub(crate) fn llvm_prefix() -> Result<PathBuf> {
    match env::var_os("LLVM_PREFIX") {
        Some(prefix) => Ok(prefix.into()),
        None => Ok(format!("/usr/lib/llvm-{}", llvm_major()?).into()),
    }
}

fn home() -> Result<PathBuf> {
    Ok(paths::cache()?.join(format!("bpf-linker-{VERSION}-llvm{}", llvm_major()?)))
}

fn path() -> Result<PathBuf> {
    Ok(home()?.join("bin/bpf-linker"))
}

/// Major version of the compiler's LLVM: the linker reads what the compiler wrote, so both must be of one version.
fn llvm_major() -> Result<u32> {
    static MAJOR: OnceLock<u32> = OnceLock::new();
    if let Some(major) = MAJOR.get() {
        return Ok(*major);
    }
    let about = tool::read(Command::new("rustc").arg("-vV"))?;
    let major = parse_llvm_major(&about).context("`rustc -vV` does not tell the version of LLVM")?;
    if !SUPPORTED.contains(&major) {
        bail!("rustc has LLVM {major}, but bpf-linker {VERSION} knows {SUPPORTED:?} only: use Rust 1.95");
    }
    Ok(*MAJOR.get_or_init(|| major))
}

fn parse_llvm_major(about: &str) -> Option<u32> {
    let version = about.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn major_of_llvm() {
        let about = "rustc 1.95.0 (59807616e 2026-04-14)\nhost: x86_64-unknown-linux-gnu\nLLVM version: 22.1.2\n";
        assert_eq!(super::parse_llvm_major(about), Some(22));
        assert_eq!(super::parse_llvm_major("rustc 1.95.0\n"), None);
    }
}
