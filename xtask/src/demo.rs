//! `cargo xtask demo`: the newest kernel, the agent in it, and its events on your terminal.

use crate::protocol::Mode;
use crate::{build, kernel, setup, shell};
use anyhow::Result;

/// Arguments of `cargo xtask demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Take the programs as they were built last.
    #[arg(long)]
    no_build: bool,
    /// Another kernel of the matrix.
    #[arg(long, value_name = "NAME")]
    kernel: Option<String>,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    setup::for_machines()?;
    let kernel = match &args.kernel {
        Some(name) => kernel::named(name)?,
        None => kernel::newest()?,
    };
    shell::run(&kernel, &build::payload(args.no_build)?, Mode::Demo)
}
