//! `tetra version`: versions of this command and of the agent.

use tetragon_api::v1::GetVersionRequest;

use crate::compact::escape;
use crate::connection::Connection;
use crate::getevents::output;

/// Flags of `tetra version`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Arguments {
    /// Print the version of the agent too
    #[arg(short, long)]
    pub server: bool,
    /// Print how tetra was built
    #[arg(short, long)]
    pub build: bool,
}

/// Prints what `arguments` ask for.
pub fn run(connection: &Connection, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { server, build } = arguments;
    output::print(format!("CLI version: v{}\n", env!("CARGO_PKG_VERSION")).as_bytes())?;
    if server {
        let version = output::runtime()?.block_on(agent(connection))?;
        output::print(format!("Server version: {}\n", escape(&version)).as_bytes())?;
    }
    if build {
        output::print(BUILD.as_bytes())?;
    }
    Ok(())
}

/// Keys are those of Tetragon's tetra, except the name of the compiler. Values come from the build script.
const BUILD: &str = concat!(
    "RustVersion: ",
    env!("TETRA_RUST_VERSION"),
    "\nDate: ",
    env!("TETRA_DATE"),
    "\nGitCommit: ",
    env!("TETRA_COMMIT"),
    "\nGitTreeState: ",
    env!("TETRA_TREE_STATE"),
    "\n",
);

/// The agent's version.
pub async fn agent(connection: &Connection) -> anyhow::Result<String> {
    let call = connection.call("get the agent's version", async |mut client| {
        client.get_version(GetVersionRequest {}).await
    });
    Ok(call.await?.version)
}
