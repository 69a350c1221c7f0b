//! The kernels that tests run on.

mod custom;
mod fetch;
mod image;
mod matrix;
mod modules;
mod natural;

pub(crate) use custom::custom;
pub(crate) use matrix::{Entry, named, newest, select};

use std::path::PathBuf;

/// A kernel ready to boot.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// Name in the matrix, such as `6.12`; cases refer to it.
    pub(crate) name: String,
    /// What it is, for people: its exact release and where it comes from.
    pub(crate) description: String,
    /// The bootable image.
    pub(crate) image: PathBuf,
    /// Whether programs of the guest can reach QEMU's exit device. If not, a machine ends with status 0 as after a panic.
    pub(crate) exit_device: bool,
    /// Modules to load before anything else, in this order, not compressed.
    pub(crate) modules: Vec<PathBuf>,
}
