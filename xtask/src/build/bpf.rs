//! The kernel programs: Rust for `bpfel-unknown-none`, built by the stable compiler.
//!
//! `core` has to be built along, and `aya-ebpf` uses inline assembly of an experimental architecture. Both are allowed to
//! the stable compiler by `RUSTC_BOOTSTRAP`, which is set for this one build only.

use super::{calls, install};
use crate::setup::{linker, rust_src};
use crate::{paths, tool};
use anyhow::{Context as _, Result};
use std::{env, fs};

/// Triple of the kernel's virtual machine on little-endian hosts.
const TARGET: &str = "bpfel-unknown-none";

/// Flags of the compiler.
///
/// Debug information comes from here, not from the profile: also `core` must have it, because the verifier refuses an
/// object with a function that lacks type information (`--btf` makes that out of it).
const FLAGS: [&str; 2] = ["-Cdebuginfo=2", "-Clink-arg=--btf"];

/// Builds the object, refuses one that the verifier would, and puts it at [`paths::object`] if it has changed.
pub(crate) fn build() -> Result<()> {
    let mut cargo = cargo()?;
    tool::building(&mut cargo, "build");
    cargo.args(["--release", "--target-dir"]).arg(target_dir());
    tool::run(&mut cargo).context("the kernel programs do not build")?;

    let built = target_dir().join(TARGET).join("release/tetragon");
    let bytes = fs::read(&built).with_context(|| format!("read {}", built.display()))?;
    calls::check(&bytes).context("the kernel's verifier would refuse the kernel programs")?;

    let object = paths::object();
    let folder = object.parent().context("the object is in a folder")?;
    fs::create_dir_all(folder)?;
    // A temporary file of its own: another build may be doing the same.
    let small = tempfile::NamedTempFile::new_in(folder)?.into_temp_path();
    let strip = linker::llvm_prefix()?.join("bin/llvm-strip");
    tool::read(
        std::process::Command::new(strip)
            .arg("--strip-debug")
            .arg("-o")
            .arg(&small)
            .arg(&built),
    )?;
    if fs::read(&object).ok() != Some(fs::read(&small)?) {
        install(&small, &object)?;
    }
    Ok(())
}

/// Folder of what is built on the way.
pub(crate) fn target_dir() -> std::path::PathBuf {
    paths::root().join("target/ebpf")
}

/// Cargo in the workspace of the kernel programs, with everything set but the subcommand.
pub(crate) fn cargo() -> Result<std::process::Command> {
    let linker = linker::binary()?;
    let mut search = vec![linker.parent().context("the linker is in a folder")?.to_path_buf()];
    search.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));

    let mut cargo = tool::cargo();
    cargo
        .current_dir(paths::root().join("ebpf/programs"))
        .env("PATH", env::join_paths(search)?)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("AYA_BPF_TARGET_ARCH", "x86_64")
        .env("CARGO_BUILD_TARGET", TARGET)
        .env("CARGO_UNSTABLE_BUILD_STD", "core")
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .env_remove("CARGO_TARGET_DIR");
    if let Some(library) = rust_src::library()? {
        cargo.env("__CARGO_TESTS_ONLY_SRC_ROOT", library);
    }
    Ok(cargo)
}
