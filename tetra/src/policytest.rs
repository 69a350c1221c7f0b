//! `tetra policytest`: tests of policies, on the machine of a running agent.
//!
//! A test is a file `NAME.test.toml` beside the policy `NAME.yaml` ([`policy_test`]): it says what to do, and which events
//! must come and which must not.
//! Each test adds its policy, does its steps, waits until the agent has told of everything up to then, and deletes the
//! policy.
//!
//! | command | what it does | talks to the agent |
//! | --- | --- | --- |
//! | `list PATH…` | shows the tests | no |
//! | `run PATH…` | runs them | yes |
//! | `dump-policy PATH` | prints the policy of a test as the agent would get it | no |

mod events;
mod outcome;
mod run;
mod workload;

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use policy_test::PolicyTest;

use crate::compact::escape;
use crate::connection::Connection;
use crate::getevents::output::{print, runtime};

use outcome::Verdict;
use run::Runner;

/// What to do with tests of policies.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Show the tests in files and folders
    List {
        /// Tests, policies that have tests beside them, or folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Run tests against the agent on this machine
    Run(Box<Options>),
    /// Print the policy of a test as the agent would get it
    DumpPolicy {
        /// The test, or its policy
        path: PathBuf,
    },
    /// Do nothing. The agent tells of it when it has told of everything before.
    #[command(hide = true)]
    Mark {
        /// What to know it by
        name: String,
    },
}

/// How to run tests.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Tests, policies that have tests beside them, or folders
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Folder with programs that tests run, besides those in PATH
    #[arg(long, value_name = "FOLDER")]
    pub bindir: Option<PathBuf>,
    /// Run each test again without its policy: it must fail then, or it proves nothing
    #[arg(long)]
    pub control: bool,
    /// Run tests as well that disturb a machine which is used for something else: each says how
    #[arg(long)]
    pub disturb: bool,
    /// Load policies in monitor mode; tests that expect a program to be stopped fail then
    #[arg(long)]
    pub monitor_mode: bool,
    /// Form of the results
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
    /// File for the results, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<PathBuf>,
    /// Time that a test may take
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = crate::duration::parse)]
    pub test_timeout: Duration,
}

/// Form of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line a test
    Text,
    /// A JSON object a test, with the events
    Json,
}

/// Runs the command.
pub fn run(connection: &Connection, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { paths } => {
            let tests = tests(&paths)?;
            let line = |test: &PolicyTest| format!("{}: {}\n", escape(&test.name()), escape(&test.summary));
            Ok(print(tests.iter().map(line).collect::<String>().as_bytes())?)
        }
        Command::Run(options) => tests_run(connection, &options),
        Command::DumpPolicy { path } => {
            let [test] = &tests(std::slice::from_ref(&path))?[..] else {
                bail!("{}: more than one test", path.display());
            };
            // References are to what a run makes.
            let yaml = test.yaml(|to| Ok(to.to_owned()))?;
            Ok(print(yaml.as_bytes())?)
        }
        Command::Mark { name: _ } => Ok(()),
    }
}

/// The tests in `paths`, each once.
fn tests(paths: &[PathBuf]) -> anyhow::Result<Vec<PolicyTest>> {
    let mut files = Vec::new();
    for path in paths {
        let found = policy_test::find(path)?;
        ensure!(
            !found.is_empty(),
            "{}: no file there ends in .test.toml",
            path.display()
        );
        for file in found {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    files.iter().map(|file| PolicyTest::read(file)).collect()
}

fn tests_run(connection: &Connection, options: &Options) -> anyhow::Result<()> {
    let tests = tests(&options.paths)?;
    let mut file = match &options.output_file {
        Some(path) => Some(File::create(path).with_context(|| format!("make {}", path.display()))?),
        None => None,
    };
    let runtime = runtime()?;
    let mut runner = runtime.block_on(Runner::new(connection, options))?;
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for test in &tests {
        let outcome = runtime.block_on(runner.test(test))?;
        match outcome.verdict {
            Verdict::Passed => passed += 1,
            Verdict::Failed => failed += 1,
            Verdict::Skipped => skipped += 1,
        }
        let text = match options.output {
            Format::Text => outcome.line(),
            Format::Json => serde_json::to_string(&outcome)? + "\n",
        };
        match &mut file {
            Some(file) => file.write_all(text.as_bytes()).context("write the results")?,
            None => print(text.as_bytes())?,
        }
    }
    if options.output == Format::Text {
        let sum = format!("{passed} passed, {failed} failed, {skipped} skipped\n");
        match &mut file {
            Some(file) => file.write_all(sum.as_bytes()).context("write the results")?,
            None => print(sum.as_bytes())?,
        }
    }
    ensure!(failed == 0, "{failed} of {} tests failed", tests.len());
    Ok(())
}
