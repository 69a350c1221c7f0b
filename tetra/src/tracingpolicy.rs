//! `tetra tracingpolicy`: policies.
//!
//! | command | what it does | talks to the agent |
//! | --- | --- | --- |
//! | `add FILE` | loads the policies of a file | yes |
//! | `delete NAME` | unloads one | yes |
//! | `enable NAME`, `disable NAME` | brings a policy back, or leaves it out | yes |
//! | `set-mode NAME MODE` | lets a policy enforce, or only report what it would have done | yes |
//! | `list` | shows them, as a table or as JSON | yes |
//! | `domains` | shows where they came from | yes |
//! | `check FILE…` | finds what is wrong with files, for one kernel or for any | no |
//! | `modify FILE` | prints the policies of a file with another mode | no |
//! | `generate …` | prints a policy to begin with | no |

mod calls;
mod check;
mod file;
mod generate;
mod modify;
mod table;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::connection::Connection;
use crate::getevents::output;

pub(crate) use modify::text_with_mode;

/// What to do with policies.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Load the policies of a file
    Add {
        /// The file
        file: PathBuf,
        /// Mode of the policies, instead of what the file says
        #[arg(short, long, value_enum)]
        mode: Option<Mode>,
        /// Where the policy comes from, which is part of its identity [default: grpc]
        #[arg(long, default_value = "", hide_default_value = true)]
        domain: String,
    },
    /// Unload a policy
    Delete(Which),
    /// Let a policy that is disabled work again
    Enable(Which),
    /// Let a policy do nothing, but keep it
    Disable(Which),
    /// Let a policy enforce, or only report what it would have done
    SetMode {
        /// The policy.
        #[command(flatten)]
        which: Which,
        /// The mode
        #[arg(value_enum)]
        mode: Mode,
    },
    /// Show the policies that were added
    List {
        /// Form of the list
        #[arg(short, long, value_enum, default_value_t = Format::Text)]
        output: Format,
        /// Only those that came from there
        #[arg(long, default_value = "", hide_default_value = true)]
        domain: String,
    },
    /// Show where policies came from
    Domains {
        /// Form of the list
        #[arg(short, long, value_enum, default_value_t = Format::Text)]
        output: Format,
    },
    /// Find what is wrong with policies, without an agent
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Type information (BTF) of the kernel that they are for, such as its /sys/kernel/btf/vmlinux: what they name must
        /// be there
        #[arg(long, value_name = "FILE")]
        btf: Option<PathBuf>,
    },
    /// Print the policies of a file with another mode
    Modify {
        /// The file
        file: PathBuf,
        /// The mode
        #[arg(short, long, value_enum)]
        mode: Mode,
    },
    /// Print a policy to begin with
    Generate {
        /// What it observes.
        #[command(subcommand)]
        what: generate::What,
        /// Only what this executable does
        #[arg(short, long, global = true, value_name = "PATH")]
        match_binary: Option<String>,
    },
}

/// Which policy.
#[derive(Clone, Debug, Args)]
pub struct Which {
    /// Its name
    pub name: String,
    /// Namespace of the policy
    #[arg(short, long, default_value = "", hide_default_value = true)]
    pub namespace: String,
    /// Where the policy came from [default: grpc]
    #[arg(long, default_value = "", hide_default_value = true)]
    pub domain: String,
}

/// Whether a policy acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Send signals and override calls
    Enforce,
    /// Only report what would have been done
    Monitor,
}

impl Mode {
    /// As it is written in policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Monitor => "monitor",
        }
    }
}

/// Forms of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table.
    Text,
    /// The agent's answer, in a line.
    Json,
}

/// Does what `command` says.
pub fn run(connection: &Connection, command: Command) -> anyhow::Result<()> {
    let printed = match command {
        Command::Add { file, mode, domain } => calls::add(connection, &file, mode, domain)?,
        Command::Delete(which) => calls::delete(connection, which)?,
        Command::Enable(which) => calls::enable(connection, which, true)?,
        Command::Disable(which) => calls::enable(connection, which, false)?,
        Command::SetMode { which, mode } => calls::set_mode(connection, which, mode)?,
        Command::List { output, domain } => calls::list(connection, output, domain)?,
        Command::Domains { output } => calls::domains(connection, output)?,
        Command::Check { files, btf } => return check::run(&files, btf.as_deref()),
        Command::Modify { file, mode } => modify::with_mode(&file, mode)?,
        Command::Generate { what, match_binary } => generate::policy(&what, match_binary.as_deref())?,
    };
    output::print(printed.as_bytes())?;
    Ok(())
}
