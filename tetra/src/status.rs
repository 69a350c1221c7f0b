//! `tetra status`: whether the agent runs. Meant for probes too, so it fails when the agent cannot be reached.

use tetragon_api::v1::{GetHealthStatusRequest, GetHealthStatusResponse, HealthStatusType};

use crate::compact::escape;
use crate::connection::Connection;
use crate::getevents::output;

/// Prints the agent's health.
pub fn run(connection: &Connection) -> anyhow::Result<()> {
    let answer = output::runtime()?.block_on(health(connection))?;
    output::print(text(&answer).as_bytes())?;
    Ok(())
}

/// The agent's health.
pub async fn health(connection: &Connection) -> anyhow::Result<GetHealthStatusResponse> {
    let request = GetHealthStatusRequest {
        event_set: vec![HealthStatusType::Status.into()],
    };
    connection
        .call("get the agent's health", async |mut client| {
            client.get_health(request.clone()).await
        })
        .await
}

/// What is printed about `answer`.
pub fn text(answer: &GetHealthStatusResponse) -> String {
    let details = answer
        .health_status
        .first()
        .map_or("no status available", |status| &status.details);
    format!("Health Status: {}\n", escape(details))
}
