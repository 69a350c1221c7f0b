//! The command line: commands and flags, as they are typed.
//!
//! Flags are those of Tetragon's `tetra`, with its habits: lists are separated by commas or by repeating the flag,
//! booleans may be given a value (`--stack-traces=false`), durations are like `1m30s`.

use clap::builder::styling::Styles;
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::connection::Connection;
use crate::{getevents, policytest, probe, tracingpolicy, version};

/// Observe the security events of a Tetragon agent.
#[derive(Debug, Parser)]
#[command(name = "tetra", styles = Styles::plain(), arg_required_else_help = true, disable_version_flag = true)]
pub struct Cli {
    /// Log to standard error what tetra does
    #[arg(short, long, global = true, display_order = 900)]
    pub debug: bool,
    /// How to reach the agent.
    #[command(flatten)]
    pub connection: Connection,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print events of the agent, or of standard input when that is a pipe or a file
    #[command(long_about = getevents::args::ABOUT, after_help = getevents::args::EXAMPLES)]
    Getevents(Box<getevents::args::Arguments>),
    /// Print what the agent tells about itself: version, configuration, features of the kernel
    Info,
    /// Test policies: do what they are about, and look whether the agent tells of it
    #[command(subcommand, alias = "pt")]
    Policytest(policytest::Command),
    /// Print what this kernel can do
    Probe {
        /// What to print instead.
        #[command(subcommand)]
        command: Option<probe::Command>,
    },
    /// Print whether the agent is running; fails when it cannot be reached
    Status,
    /// Add, delete, change, list, check and generate policies
    #[command(subcommand, alias = "tp")]
    Tracingpolicy(tracingpolicy::Command),
    /// Print the version of tetra, and of the agent
    Version(version::Arguments),
    /// Print a completion script for a shell
    Completion {
        /// The shell
        shell: Shell,
    },
}

/// Writes the completion script for `shell`.
pub fn completion(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tetra", &mut script);
    getevents::output::print(&script)?;
    Ok(())
}

/// A boolean as Go's flags take it.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("give true or false".into()),
    }
}
