//! Sources of the standard library, of the very compiler in use: `core` is compiled for the kernel's virtual machine.

use super::archive::Archive;
use super::checksum;
use crate::{paths, tool};
use anyhow::{Context as _, Result, anyhow, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Seconds that rustup gets to answer.
const RUSTUP_SECONDS: &str = "120";

/// The `library` folder to hand to Cargo; none when the toolchain has its own.
pub(crate) fn library() -> Result<Option<PathBuf>> {
    if in_toolchain()? {
        return Ok(None);
    }
    let library = unpacked(&rustc_version()?)?;
    if !library.exists() {
        bail!("sources of the standard library are missing: run `cargo xtask setup`");
    }
    Ok(Some(library))
}

/// Gets the sources: from rustup, else from Debian's archive, else from the folders in `XTASK_DEB_PATH`.
pub(super) fn ensure() -> Result<()> {
    let version = rustc_version()?;
    let library = unpacked(&version)?;
    if in_toolchain()? || library.exists() {
        return Ok(());
    }
    tool::step(&format!("getting sources of Rust {version}'s standard library"));
    let rustup = from_rustup();
    if rustup.is_ok() && in_toolchain()? {
        return Ok(());
    }
    let cache = paths::cache()?;
    fs::create_dir_all(&cache)?;
    let work = tempfile::tempdir_in(&cache)?;
    let package = from_archive(&version, work.path()).or_else(|archive| {
        from_folders(&version).map_err(|folders| {
            let rustup = rustup.err().map_or_else(
                || "component added, but not there".to_owned(),
                |error| error.to_string(),
            );
            anyhow!(
                "sources of Rust {version}'s standard library (rust-src) are not to be had\n\
                rustup: {rustup}\nDebian's archive: {archive:#}\nXTASK_DEB_PATH: {folders:#}"
            )
        })
    })?;

    let tree = work.path().join("tree");
    tool::read(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(&tree))?;
    let home = home(&version)?;
    if let Err(error) = fs::rename(&tree, &home)
        && !library.exists()
    {
        return Err(error).with_context(|| format!("create {}", home.display()));
    }
    if !library.exists() {
        bail!("{} has no {}", package.display(), library.display());
    }
    Ok(())
}

/// Whether the toolchain has the sources as a component.
fn in_toolchain() -> Result<bool> {
    let sysroot = tool::read(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(Path::new(sysroot.trim())
        .join("lib/rustlib/src/rust/library/core")
        .exists())
}

/// The version of the compiler, such as `1.95.0`.
fn rustc_version() -> Result<String> {
    let about = tool::read(Command::new("rustc").arg("-vV"))?;
    let release = about.lines().find_map(|line| line.strip_prefix("release: "));
    Ok(release.context("`rustc -vV` does not tell its release")?.to_owned())
}

fn home(version: &str) -> Result<PathBuf> {
    Ok(paths::cache()?.join(format!("rust-src-{version}")))
}

fn unpacked(version: &str) -> Result<PathBuf> {
    Ok(home(version)?.join(format!("usr/src/rustc-{version}/library")))
}

fn from_rustup() -> Result<()> {
    if tool::which("rustup").is_none() {
        bail!("there is no rustup");
    }
    let mut command = Command::new("timeout");
    command.args([RUSTUP_SECONDS, "rustup", "component", "add", "rust-src"]);
    let output = command.env("RUST_BACKTRACE", "0").stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let error = said.lines().find(|line| line.starts_with("error: "));
        // A chain of causes: what failed, and why in the end.
        let causes: Vec<&str> = error.unwrap_or("no answer").split(": ").collect();
        bail!(
            "{}: {}",
            causes[..causes.len().min(2)].join(": "),
            causes[causes.len() - 1]
        );
    }
    Ok(())
}

fn from_archive(version: &str, folder: &Path) -> Result<PathBuf> {
    let archive = Archive::open()?;
    let prefix = format!("{version}+");
    let package = archive
        .show(&["rust-src"])?
        .into_iter()
        .find(|package| package.version.starts_with(&prefix));
    archive.download(
        &package.with_context(|| format!("Debian has no rust-src {version}"))?,
        folder,
    )
}

fn from_folders(version: &str) -> Result<PathBuf> {
    let prefix = format!("rust-src_{version}+");
    for folder in paths::folders("XTASK_DEB_PATH") {
        for entry in fs::read_dir(&folder)? {
            let file = entry?.path();
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(&prefix) && name.ends_with(".deb") {
                let sum = checksum::recorded(&name)?;
                checksum::verify(&file, &sum.with_context(|| format!("no checksum of {name} is known"))?)?;
                return Ok(file);
            }
        }
    }
    bail!("no {prefix}….deb in the folders of XTASK_DEB_PATH")
}
