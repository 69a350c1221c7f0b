//! `tetra`, the command line of the agent.
//!
//! | command | module | talks to the agent |
//! | --- | --- | --- |
//! | `getevents` | [`getevents`] | unless events come from standard input |
//! | `info` | [`info`] | yes |
//! | `policytest` | [`policytest`] | to run tests |
//! | `probe` | [`probe`] | no |
//! | `status` | [`status`] | yes |
//! | `tracingpolicy` | [`tracingpolicy`] | to change and to list |
//! | `version` | [`version`] | with `--server` |
//! | `completion` | [`cli`] | no |
//!
//! Results go to standard output, everything else to standard error. Errors begin with `Error: …`, and the exit
//! code is then 1; what is wrong with a policy takes a line each. When the reader of standard output goes away, `tetra` ends quietly.
//!
//! Whatever comes from events, files or the agent is made printable before it reaches a terminal (see [`compact`]).

#![forbid(unsafe_code)]

pub mod cli;
pub mod compact;
pub mod connection;
pub mod duration;
pub mod getevents;
pub mod info;
pub mod list;
pub mod policytest;
pub mod probe;
pub mod retry;
pub mod status;
pub mod tracingpolicy;
pub mod version;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use cli::{Cli, Command};
use getevents::output::WriteError;

/// Runs the command that `arguments` ask for, the program's own name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Cli {
        debug,
        connection,
        command,
    } = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    if debug {
        let filter = tracing_subscriber::EnvFilter::new("tetra=debug");
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_env_filter(filter)
            .init();
    }
    let result = match command {
        Command::Getevents(arguments) => getevents::run(&connection, &arguments),
        Command::Info => info::run(&connection),
        Command::Policytest(command) => policytest::run(&connection, command),
        Command::Probe { command } => probe::run(command),
        Command::Status => status::run(&connection),
        Command::Tracingpolicy(command) => tracingpolicy::run(&connection, command),
        Command::Version(arguments) => version::run(&connection, arguments),
        Command::Completion { shell } => cli::completion(shell),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    if error
        .downcast_ref::<WriteError>()
        .is_some_and(WriteError::reader_is_gone)
    {
        return ExitCode::SUCCESS;
    }
    complain(&format!("{error:#}"));
    ExitCode::FAILURE
}

/// Help that was asked for, or what is wrong with the command line.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Help: nobody to tell when it cannot be written.
        let _ = write!(std::io::stdout(), "{}", error.render());
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    let message = text.strip_prefix("error: ").unwrap_or(&text);
    let lines = message.lines().take_while(|line| !line.starts_with("Usage:"));
    let lines: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    complain(&lines.join("; "));
    ExitCode::FAILURE
}

fn complain(message: &str) {
    // Without standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "Error: {}", escaped(message));
}

/// Says something that does not keep a command from its work.
fn warn(message: &str) {
    // As above.
    let _ = writeln!(std::io::stderr(), "Warning: {}", escaped(message));
}

/// A message, its lines made printable.
fn escaped(message: &str) -> String {
    let lines = message.lines().map(compact::escape);
    lines.collect::<Vec<_>>().join("\n")
}
