//! Events of the agent.

use std::future::ready;
use std::io::Write;
use std::time::Duration;

use tetragon_api::v1::GetEventsRequest;
use tokio::sync::Mutex;
use tonic::{Code, Status};

use super::notes::Notes;
use super::output::{Output, WriteError};
use crate::connection::{Client, Connection, explain};
use crate::retry::retry;

const OPERATION: &str = "get events";

/// Why a stream ended early.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The agent, or the way there.
    #[error(transparent)]
    Agent(#[from] Status),
}

/// Prints to `output` the events that `request` asks for, until the agent ends the stream.
///
/// With `reconnect`, connects again after that time whenever the stream ends or fails, and returns only when `output`
/// fails.
pub async fn run(
    connection: &Connection,
    request: &GetEventsRequest,
    reconnect: Option<Duration>,
    output: &Mutex<Output<impl Write>>,
    notes: &mut Notes<impl Write>,
) -> anyhow::Result<()> {
    loop {
        // Found anew each time: an agent that was started again may listen elsewhere.
        let address = connection.address();
        let client = connection.client(&address)?;
        let end = follow(connection, client, request, output, notes).await;
        // Before anything is said about the end.
        output.lock().await.flush()?;
        let error = match end {
            Ok(()) if reconnect.is_none() => return Ok(()),
            Ok(()) => "the agent ended the stream".to_owned(),
            Err(Failure::Write(error)) => return Err(error.into()),
            // What the agent refuses now it refuses for ever.
            Err(Failure::Agent(status)) if reconnect.is_none() || status.code() == Code::InvalidArgument => {
                return Err(explain(OPERATION, &address, &status));
            }
            Err(Failure::Agent(status)) => explain(OPERATION, &address, &status).to_string(),
        };
        let wait = reconnect.unwrap_or_default();
        notes.say("getevents", format_args!("err:{error}, retrying in {wait:?}"));
        tokio::time::sleep(wait).await;
    }
}

/// Prints events until the stream ends. What has been printed is not all handed over then.
async fn follow(
    connection: &Connection,
    client: Client,
    request: &GetEventsRequest,
    output: &Mutex<Output<impl Write>>,
    notes: &mut Notes<impl Write>,
) -> Result<(), Failure> {
    let open = retry(connection.backoff(), async || {
        client.clone().get_events(request.clone()).await
    });
    let mut events = open.await?.into_inner();
    tracing::debug!("connected");
    loop {
        // What has been printed is handed over before the next event is waited for, but not between those that are
        // there already.
        let event = tokio::select! {
            biased;
            event = events.message() => event?,
            () = ready(()) => {
                output.lock().await.flush()?;
                events.message().await?
            }
        };
        let Some(event) = event else { break };
        if let Err(error) = output.lock().await.event(&event)? {
            notes.unprintable("getevents", error);
        }
    }
    Ok(())
}
