//! `cargo xtask test`: everything that CI does, what fails fast first.

use crate::{build, paths, setup, tool, vmtest};
use anyhow::{Context as _, Result};
use std::env;
use std::process::Command;
use std::time::Instant;

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the test machines.
    #[arg(long)]
    no_vm: bool,
}

/// A step: what it does, for the user, and how.
type Step = (&'static str, fn() -> Result<()>);

const STEPS: &[Step] = &[
    ("format", format),
    ("kernel programs", kernel_programs),
    ("clippy", clippy),
    ("tests on the host", host_tests),
    ("examples in the documentation", doc_tests),
    ("documentation", documentation),
    ("Vagrantfile", vagrantfile),
];

pub(crate) fn main(args: &Args) -> Result<()> {
    for (name, step) in STEPS {
        tool::step(name);
        let begin = Instant::now();
        step().with_context(|| format!("{name} failed"))?;
        tool::step(&format!("{name}: done in {} s", begin.elapsed().as_secs()));
    }
    if args.no_vm {
        return Ok(());
    }
    tool::step("cases on the kernels of the matrix");
    vmtest::main(&vmtest::Args::whole())
}

fn format() -> Result<()> {
    tool::run(tool::cargo().args(["fmt", "--all", "--check"]))?;
    tool::run(
        tool::cargo()
            .args(["fmt", "--check"])
            .current_dir(paths::root().join("ebpf/programs")),
    )
}

/// Builds them, as the agent wants them embedded, and checks them as everything else is checked.
fn kernel_programs() -> Result<()> {
    setup::for_build()?;
    build::bpf::build()?;
    let mut clippy = build::bpf::cargo()?;
    tool::building(&mut clippy, "clippy");
    clippy.args(["--release", "--target-dir"]).arg(build::bpf::target_dir());
    tool::run(clippy.args(["--", "-Dwarnings"]))
}

fn clippy() -> Result<()> {
    let mut clippy = tool::cargo();
    tool::building(&mut clippy, "clippy");
    tool::run(clippy.args(["--workspace", "--all-targets", "--", "-Dwarnings"]))
}

fn host_tests() -> Result<()> {
    let mut nextest = setup::nextest::command()?;
    tool::run(nextest.args(["run", "--workspace", "--no-fail-fast", "--status-level", "fail"]))
}

fn doc_tests() -> Result<()> {
    tool::run(tool::cargo().args(["test", "--workspace", "--doc", "--quiet"]))
}

fn documentation() -> Result<()> {
    let mut doc = tool::cargo();
    tool::building(&mut doc, "doc");
    doc.args(["--workspace", "--no-deps", "--document-private-items"]);
    tool::run(doc.env("RUSTDOCFLAGS", "-Dwarnings"))
}

/// Checked where there is a Vagrant. CI installs Debian's; a developer's machine is not made to have one.
fn vagrantfile() -> Result<()> {
    if env::var_os("CI").is_some() {
        setup::for_vagrant()?;
    }
    if tool::which("vagrant").is_none() {
        tool::step("no vagrant on this machine: the Vagrantfile is not checked");
        return Ok(());
    }
    // The provider need not be here for that.
    let mut vagrant = Command::new("vagrant");
    vagrant
        .args(["validate", "--ignore-provider"])
        .current_dir(paths::root());
    tool::read(&mut vagrant).map(drop)
}
