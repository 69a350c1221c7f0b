//! `cargo xtask setup`: what the build and the tests need and the machine may lack.
//!
//! Every part first looks whether its thing is there and says nothing if so. Whatever is downloaded is checked against
//! the signed index of the Debian archive or against `xtask/SHA256SUMS`, and lands in the cache folder, not in the
//! checkout. Only Debian packages are installed into the system.

pub(crate) mod archive;
pub(crate) mod checksum;
pub(crate) mod deb822;
mod debian;
pub(crate) mod linker;
pub(crate) mod nextest;
pub(crate) mod rust_src;
pub(crate) mod userland;

use crate::{kernel, tool};
use anyhow::Result;

/// Arguments of `cargo xtask setup`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Look for newer kernels than those in the cache.
    #[arg(long)]
    update: bool,
}

/// Everything.
pub(crate) fn main(args: &Args) -> Result<()> {
    for_build()?;
    for_machines()?;
    if args.update {
        archive::forget()?;
    }
    for entry in kernel::select(&[])? {
        let kernel = entry.get(args.update)?;
        if let (true, Some(kernel)) = (args.update, kernel) {
            tool::step(&format!("kernel {}: {}", kernel.name, kernel.description));
        }
    }
    nextest::ensure()
}

/// What `cargo xtask build` needs.
pub(crate) fn for_build() -> Result<()> {
    debian::ensure(&linker::needs()?)?;
    rust_src::ensure()?;
    linker::ensure()
}

/// What starting a virtual machine needs, kernels aside.
pub(crate) fn for_machines() -> Result<()> {
    debian::ensure(&[
        debian::Need::program("qemu-system-x86_64", "qemu-system-x86", "runs the test machines"),
        debian::Need::program(
            "setpriv",
            "util-linux",
            "ends a test machine together with this program",
        ),
        debian::Need::program("xz", "xz-utils", "unpacks kernel modules"),
    ])
}

/// What checking the Vagrantfile needs.
pub(crate) fn for_vagrant() -> Result<()> {
    debian::ensure(&[debian::Need::program("vagrant", "vagrant", "checks the Vagrantfile")])
}
