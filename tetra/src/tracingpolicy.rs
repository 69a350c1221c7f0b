//! `tetra tracingpolicy`: policies of the agent.
//!
//! | command | what it does |
//! | --- | --- |
//! | `add FILE` | loads the policies of a file |
//! | `delete NAME` | unloads one |
//! | `list` | shows them, as a table or as JSON |

mod table;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use tetragon_api::json;
use tetragon_api::v1::{AddTracingPolicyRequest, DeleteTracingPolicyRequest, ListTracingPoliciesRequest};

use crate::compact::escape;
use crate::connection::Connection;
use crate::getevents::output;

/// Largest file that is sent, in bytes.
const SIZE: u64 = 16 << 20;

/// What to do with policies.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Load the policies of a file
    Add {
        /// The file
        file: PathBuf,
        /// Where the policy comes from, which is part of its identity [default: grpc]
        #[arg(long, default_value = "", hide_default_value = true)]
        domain: String,
    },
    /// Unload a policy
    Delete {
        /// Its name
        name: String,
        /// Namespace of the policy
        #[arg(short, long, default_value = "", hide_default_value = true)]
        namespace: String,
        /// Where the policy came from [default: grpc]
        #[arg(long, default_value = "", hide_default_value = true)]
        domain: String,
    },
    /// Show the policies that are loaded
    List {
        /// Form of the list
        #[arg(short, long, value_enum, default_value_t = Format::Text)]
        output: Format,
        /// Only those that came from there
        #[arg(long, default_value = "", hide_default_value = true)]
        domain: String,
    },
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
        Command::Add { file, domain } => add(connection, &file, &domain)?,
        Command::Delete {
            name,
            namespace,
            domain,
        } => delete(
            connection,
            &DeleteTracingPolicyRequest {
                name,
                namespace,
                domain,
            },
        )?,
        Command::List { output, domain } => list(connection, output, domain)?,
    };
    output::print(printed.as_bytes())?;
    Ok(())
}

fn add(connection: &Connection, file: &Path, domain: &str) -> anyhow::Result<String> {
    let name = file.display().to_string();
    let kind = std::fs::metadata(file).with_context(|| format!("read {name}"))?;
    anyhow::ensure!(
        kind.len() <= SIZE,
        "{name}: more than 16 MiB, that is no policy: give a smaller file"
    );
    let yaml = std::fs::read_to_string(file).with_context(|| format!("read {name}"))?;
    let request = AddTracingPolicyRequest {
        yaml,
        domain: domain.to_owned(),
    };
    let call = connection.call("add the policy", async |mut client| {
        client.add_tracing_policy(request.clone()).await
    });
    output::runtime()?.block_on(call)?;
    Ok(format!("tracing policy \"{}\" added\n", escape(&name)))
}

fn delete(connection: &Connection, request: &DeleteTracingPolicyRequest) -> anyhow::Result<String> {
    let call = connection.call("delete the policy", async |mut client| {
        client.delete_tracing_policy(request.clone()).await
    });
    output::runtime()?.block_on(call)?;
    Ok(format!("tracing policy \"{}\" deleted\n", escape(&request.name)))
}

fn list(connection: &Connection, format: Format, domain: String) -> anyhow::Result<String> {
    let request = ListTracingPoliciesRequest { domain };
    let call = connection.call("list the policies", async |mut client| {
        client.list_tracing_policies(request.clone()).await
    });
    let answer = output::runtime()?.block_on(call)?;
    Ok(match format {
        Format::Text => table::text(&answer.policies),
        Format::Json => {
            let mut line = Vec::new();
            json::write(&answer, &mut line);
            line.push(b'\n');
            String::from_utf8_lossy(&line).into_owned()
        }
    })
}
