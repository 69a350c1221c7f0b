//! The way to the agent: its address, the channel, calls that answer once, and what to say when nobody does.
//!
//! The address is the one given, else the one that the agent left in its information file, else `localhost:54321`.
//! `Connection::channel` is the one place where a channel is made, and where encryption would be set up.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tetragon_api::v1::fine_guidance_sensors_client::FineGuidanceSensorsClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

use crate::retry::{Backoff, retry};

/// Where the agent writes, as JSON, how it can be reached.
pub const INFO_FILE: &str = "/var/run/tetragon/tetragon-info.json";
/// Where an agent without configuration listens.
pub const DEFAULT_ADDRESS: &str = "localhost:54321";

/// After this long without a word, ask whether the agent's machine is still there: a stream of events may be silent
/// for days, and one whose other end is gone would be for ever.
const KEEPALIVE: Duration = Duration::from_mins(1);

/// Client of the agent's main service.
pub type Client = FineGuidanceSensorsClient<Channel>;

/// Title of the flags below, in help.
const HEADING: &str = "How to reach the agent";

/// Flags on how to reach the agent.
#[derive(Clone, Debug, clap::Args)]
#[expect(
    clippy::doc_markdown,
    reason = "what documents a flag is its help text, shown as it stands"
)]
pub struct Connection {
    /// Address of the agent, host:port or unix:///path [default: the running agent's, else localhost:54321]
    #[arg(long, global = true, help_heading = HEADING, value_name = "ADDRESS", default_value = "", hide_default_value = true)]
    pub server_address: String,
    /// Time that a call may take, with its retries; streams of events take any time
    #[arg(long, global = true, help_heading = HEADING, value_name = "DURATION", default_value = "30s", value_parser = crate::duration::parse)]
    pub timeout: Duration,
    /// Further attempts when the agent cannot be reached
    #[arg(long, global = true, help_heading = HEADING, value_name = "COUNT", default_value_t = 1)]
    pub retries: u32,
    /// Largest message accepted from the agent, and longest line accepted from standard input, in bytes
    #[arg(long, global = true, help_heading = HEADING, value_name = "BYTES", default_value_t = 10 * 1024 * 1024)]
    pub max_recv_size: usize,
}

impl Connection {
    /// The address to use.
    pub fn address(&self) -> String {
        if self.server_address.is_empty() {
            discover(Path::new(INFO_FILE))
        } else {
            self.server_address.clone()
        }
    }

    /// Waits between attempts.
    pub fn backoff(&self) -> Backoff {
        Backoff::new(self.retries)
    }

    /// A client of the agent at `address`. Nothing is sent before the first call.
    pub fn client(&self, address: &str) -> anyhow::Result<Client> {
        Ok(FineGuidanceSensorsClient::new(self.channel(address)?).max_decoding_message_size(self.max_recv_size))
    }

    fn channel(&self, address: &str) -> anyhow::Result<Channel> {
        let invalid = || format!("server address {address:?}: give host:port or unix:///path");
        let endpoint = Endpoint::from_shared(uri(address).with_context(invalid)?).with_context(invalid)?;
        let endpoint = endpoint.connect_timeout(self.timeout).tcp_keepalive(Some(KEEPALIVE));
        Ok(endpoint.connect_lazy())
    }

    /// The answer to one call, within the time allowed, tried again as often as allowed. `operation` names the call in
    /// errors.
    pub async fn call<T>(
        &self,
        operation: &str,
        call: impl AsyncFn(Client) -> Result<Response<T>, Status>,
    ) -> anyhow::Result<T> {
        let address = self.address();
        let client = self.client(&address)?;
        let answer = retry(self.backoff(), async || call(client.clone()).await);
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(explain(operation, &address, &status)),
            Err(_) => bail!(
                "{operation}: no answer from the agent at {address} within {:?}, see --timeout and --server-address",
                self.timeout
            ),
        }
    }
}

/// The address that the agent left in `info_file`, or the default.
fn discover(info_file: &Path) -> String {
    #[derive(serde::Deserialize)]
    struct Info {
        server_address: String,
    }
    let read = || -> anyhow::Result<Info> { Ok(serde_json::from_slice(&std::fs::read(info_file)?)?) };
    match read() {
        Ok(Info { server_address }) if !server_address.is_empty() => server_address,
        Ok(_) => DEFAULT_ADDRESS.into(),
        Err(error) => {
            tracing::debug!(%error, ?info_file, "no address of a running agent");
            DEFAULT_ADDRESS.into()
        }
    }
}

/// `address`, in the forms that gRPC clients understand, as a URI.
fn uri(address: &str) -> anyhow::Result<String> {
    if let Some(path) = address.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            bail!("no path");
        }
        return Ok(format!("unix:{path}"));
    }
    let prefixes = [
        "dns:///",
        "passthrough:///",
        "dns:",
        "ipv4:",
        "ipv6:",
        "http://",
        "tcp://",
    ];
    let host = prefixes
        .iter()
        .find_map(|prefix| address.strip_prefix(prefix))
        .unwrap_or(address);
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.parse::<u16>().is_ok() => Ok(format!("http://{host}")),
        _ => bail!("no host and port"),
    }
}

/// What went wrong, and what to do about it.
pub(crate) fn explain(operation: &str, address: &str, status: &Status) -> anyhow::Error {
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(status);
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    let cause = match (cause, status.code()) {
        (Some(cause), Code::Unavailable) => cause,
        (Some(cause), _) => return anyhow!("{operation}: lost the connection to the agent at {address}: {cause}"),
        (None, code) => {
            let advice = if code == Code::OutOfRange {
                "; see --max-recv-size"
            } else {
                ""
            };
            let message = status.message();
            return anyhow!("{operation}: agent at {address}: {message} ({code:?}){advice}");
        }
    };
    let denied = |error: &std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
    let advice = if cause.downcast_ref::<std::io::Error>().is_some_and(denied) {
        "run tetra as root, or as a user who may open the socket"
    } else {
        "start tetragon (as root), or give its address with --server-address"
    };
    anyhow!("{operation}: cannot reach the agent at {address}: {cause}; {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let cases = [
            ("localhost:54321", Some("http://localhost:54321")),
            ("[::1]:54321", Some("http://[::1]:54321")),
            ("dns:///agent:1", Some("http://agent:1")),
            ("ipv4:10.0.0.1:1", Some("http://10.0.0.1:1")),
            ("unix:///run/t.sock", Some("unix:/run/t.sock")),
            ("unix:/run/t.sock", Some("unix:/run/t.sock")),
            ("unix:t.sock", Some("unix:t.sock")),
            ("unix://", None),
            ("localhost", None),
            (":54321", None),
            ("localhost:99999", None),
            ("", None),
        ];
        for (address, expected) in cases {
            assert_eq!(uri(address).ok().as_deref(), expected, "{address:?}");
        }
    }

    #[test]
    fn the_running_agent_is_found_by_its_information_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tetragon-info.json");
        assert_eq!(discover(&file), DEFAULT_ADDRESS);
        for (content, expected) in [
            (
                r#"{"pid":1,"server_address":"unix:///run/t.sock"}"#,
                "unix:///run/t.sock",
            ),
            (r#"{"server_address":""}"#, DEFAULT_ADDRESS),
            ("not JSON", DEFAULT_ADDRESS),
        ] {
            std::fs::write(&file, content).unwrap();
            assert_eq!(discover(&file), expected);
        }
    }
}
