//! Where things are: the checkout, what is built in it, and the cache outside of it.

use anyhow::{Context as _, Result};
use std::env;
use std::path::{Path, PathBuf};

/// The triple of user space.
pub(crate) const USER_TARGET: &str = "x86_64-unknown-linux-gnu";

/// Root of the checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate is a folder of the checkout")
}

/// Folder of everything that is built.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The kernel programs, where the agent's build script looks for them.
pub(crate) fn object() -> PathBuf {
    root().join("target/bpf/tetragon.bpf.o")
}

/// What `cargo xtask build` leaves for the user.
pub(crate) fn out() -> PathBuf {
    root().join("target/out")
}

/// Folder for what is downloaded or built once: `$XTASK_CACHE`, else `tetragon` in the user's cache folder.
pub(crate) fn cache() -> Result<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XTASK_CACHE")
        .or_else(|| Some(absolute("XDG_CACHE_HOME")?.join("tetragon")))
        .or_else(|| Some(absolute("HOME")?.join(".cache/tetragon")))
        .context("no cache folder: set XTASK_CACHE to an absolute path")
}

/// The folders of a colon-separated variable that exist.
pub(crate) fn folders(variable: &str) -> Vec<PathBuf> {
    let Some(value) = env::var_os(variable) else {
        return Vec::new();
    };
    env::split_paths(&value).filter(|path| path.is_dir()).collect()
}
