//! `cargo xtask …`: everything a developer or CI does with this repository.
//!
//! Each subcommand is one module. Whatever a subcommand needs and the machine lacks is fetched by [`setup`] first.
#![forbid(unsafe_code)]

mod build;
mod initramfs;
mod kernel;
mod paths;
// The one thing that host and guest share. Compiled in, so that a guest that does not compile leaves this working.
#[path = "../../vmtests/src/protocol.rs"]
#[allow(dead_code, unreachable_pub, reason = "part of another crate")]
mod protocol;
mod setup;
mod shell;
mod tool;
mod vm;
mod vmtest;

use anyhow::Result;
use clap::Parser;
use std::process::ExitCode;

/// Build, test and show the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
enum Xtask {
    /// Get what the build and the tests need; silent when nothing is missing.
    Setup(setup::Args),
    /// Build the agent, the command line and the kernel programs for release.
    Build(build::Args),
    /// Run the cases on the kernels of the matrix, in emulated machines.
    Vmtest(vmtest::Args),
}

fn main() -> ExitCode {
    let done: Result<()> = match Xtask::parse() {
        Xtask::Setup(args) => setup::main(&args),
        Xtask::Build(args) => build::main(&args),
        Xtask::Vmtest(args) => vmtest::main(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
