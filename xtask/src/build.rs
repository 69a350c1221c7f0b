//! `cargo xtask build`: the kernel programs, then user space for release.

pub(crate) mod bpf;
mod calls;
pub(crate) mod user;

use crate::initramfs::Payload;
use crate::{paths, setup, tool};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::PathBuf;

/// Arguments of `cargo xtask build`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build only the kernel programs.
    #[arg(long)]
    bpf: bool,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    setup::for_build()?;
    bpf::build()?;
    if args.bpf {
        return Ok(());
    }
    let programs = user::build()?;
    let out = paths::out();
    fs::create_dir_all(out.join("bpf"))?;
    // What tests of policies run.
    for name in ["tetragon", "tetra", "tester"] {
        install(&programs.join(name), &out.join(name))?;
    }
    install(&paths::object(), &out.join("bpf/tetragon.bpf.o"))?;
    tool::step(&format!(
        "built {0}/tetragon, {0}/tetra, {0}/tester and {0}/bpf/tetragon.bpf.o",
        out.display()
    ));
    Ok(())
}

/// Builds everything and packs it for test machines; with `as_built`, packs what was built last.
pub(crate) fn payload(as_built: bool) -> Result<Payload> {
    Payload::new(&programs(as_built)?)
}

/// The folder of the programs, which are built unless what was built last will do.
pub(crate) fn programs(as_built: bool) -> Result<PathBuf> {
    if as_built {
        return Ok(user::folder());
    }
    setup::for_build()?;
    bpf::build()?;
    user::build()
}

/// Copies a file by replacing it, so that a program that runs from there goes on undisturbed.
pub(crate) fn install(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    let fresh = to.with_extension("new");
    fs::copy(from, &fresh).with_context(|| format!("copy {} to {}", from.display(), fresh.display()))?;
    fs::rename(&fresh, to).with_context(|| format!("replace {}", to.display()))
}
