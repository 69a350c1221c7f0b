//! `cargo xtask …`: everything a developer or CI does with this repository.
//!
//! Each subcommand is one module. Whatever a subcommand needs and the machine lacks is fetched by [`setup`] first.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them so")
)]

mod bench;
// Shared with the crate that runs in the guest, and compiled in: a guest that does not compile leaves this working.
#[path = "../../vmtests/src/budget.rs"]
#[allow(dead_code, unreachable_pub, reason = "part of another crate")]
mod budget;
mod build;
mod demo;
// As above.
#[path = "../../vmtests/src/everyday.rs"]
#[allow(dead_code, unreachable_pub, reason = "part of another crate")]
mod everyday;
mod examples;
mod initramfs;
mod kernel;
// As above.
#[path = "../../vmtests/src/machine.rs"]
#[allow(dead_code, unreachable_pub, reason = "part of another crate")]
mod machine;
mod noise;
mod paths;
// As above.
#[path = "../../vmtests/src/protocol.rs"]
#[allow(dead_code, unreachable_pub, reason = "part of another crate")]
mod protocol;
mod setup;
mod shell;
mod test;
mod tool;
mod verifier;
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
    /// Measure costs in executed instructions, and compare them with their budgets.
    Bench(bench::Args),
    /// Count what the policies of the library tell of on an everyday machine.
    Noise(noise::Args),
    /// Show the agent at work on the newest kernel, in an emulated machine.
    Demo(demo::Args),
    /// Write the list of example policies, from what they say of themselves.
    Examples(examples::Args),
    /// Do everything that CI does.
    Test(test::Args),
}

fn main() -> ExitCode {
    let done: Result<()> = match Xtask::parse() {
        Xtask::Setup(args) => setup::main(&args),
        Xtask::Build(args) => build::main(&args),
        Xtask::Vmtest(args) => vmtest::main(&args),
        Xtask::Bench(args) => bench::main(&args),
        Xtask::Noise(args) => noise::main(&args),
        Xtask::Demo(args) => demo::main(&args),
        Xtask::Examples(args) => examples::main(&args),
        Xtask::Test(args) => test::main(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
