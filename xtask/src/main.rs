//! `cargo xtask …`: everything a developer or CI does with this repository.
//!
//! Each subcommand is one module. Whatever a subcommand needs and the machine lacks is fetched by [`setup`] first.
#![forbid(unsafe_code)]

mod build;
mod paths;
mod setup;
mod tool;

use anyhow::Result;
use clap::Parser;

/// Build, test and show the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
enum Xtask {
    /// Get what the build and the tests need; silent when nothing is missing.
    Setup(setup::Args),
    /// Build the agent, the command line and the kernel programs for release.
    Build(build::Args),
}

fn main() -> Result<()> {
    match Xtask::parse() {
        Xtask::Setup(args) => setup::main(&args),
        Xtask::Build(args) => build::main(&args),
    }
}
