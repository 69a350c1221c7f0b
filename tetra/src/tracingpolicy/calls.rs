//! What is asked of the agent.

use std::path::Path;

use tetragon_api::json::{self, Json};
use tetragon_api::v1::{
    AddTracingPolicyRequest, ConfigureTracingPolicyRequest, DeleteTracingPolicyRequest, ListDomainsRequest,
    ListTracingPoliciesRequest, TracingPolicyMode,
};

use super::{Format, Mode, Which, file, modify, table};
use crate::compact::escape;
use crate::connection::Connection;
use crate::getevents::output;

pub(super) fn add(connection: &Connection, path: &Path, mode: Option<Mode>, domain: String) -> anyhow::Result<String> {
    let yaml = match mode {
        Some(mode) => modify::with_mode(path, mode)?,
        None => file::read(path)?,
    };
    let request = AddTracingPolicyRequest { yaml, domain };
    let call = connection.call("add the policy", async |mut client| {
        client.add_tracing_policy(request.clone()).await
    });
    output::runtime()?.block_on(call)?;
    let name = path.display().to_string();
    Ok(format!("tracing policy \"{}\" added\n", escape(&name)))
}

pub(super) fn delete(connection: &Connection, which: Which) -> anyhow::Result<String> {
    let Which {
        name,
        namespace,
        domain,
    } = which;
    let request = DeleteTracingPolicyRequest {
        name,
        namespace,
        domain,
    };
    let call = connection.call("delete the policy", async |mut client| {
        client.delete_tracing_policy(request.clone()).await
    });
    output::runtime()?.block_on(call)?;
    Ok(format!("tracing policy \"{}\" deleted\n", escape(&request.name)))
}

/// Enables or disables a policy.
pub(super) fn enable(connection: &Connection, which: Which, enable: bool) -> anyhow::Result<String> {
    let (verb, done) = if enable {
        ("enable the policy", "enabled")
    } else {
        ("disable the policy", "disabled")
    };
    let request = ConfigureTracingPolicyRequest {
        enable: Some(enable),
        ..about(which)
    };
    configure(connection, verb, &request)?;
    Ok(format!("tracing policy \"{}\" {done}\n", escape(&request.name)))
}

pub(super) fn set_mode(connection: &Connection, which: Which, mode: Mode) -> anyhow::Result<String> {
    let wanted = match mode {
        Mode::Enforce => TracingPolicyMode::TpModeEnforce,
        Mode::Monitor => TracingPolicyMode::TpModeMonitor,
    };
    let request = ConfigureTracingPolicyRequest {
        mode: Some(wanted.into()),
        ..about(which)
    };
    configure(connection, "set the mode of the policy", &request)?;
    let name = escape(&request.name);
    Ok(format!("tracing policy \"{name}\" set to mode \"{}\"\n", mode.name()))
}

fn about(which: Which) -> ConfigureTracingPolicyRequest {
    let Which {
        name,
        namespace,
        domain,
    } = which;
    ConfigureTracingPolicyRequest {
        name,
        namespace,
        domain,
        ..ConfigureTracingPolicyRequest::default()
    }
}

fn configure(connection: &Connection, verb: &str, request: &ConfigureTracingPolicyRequest) -> anyhow::Result<()> {
    let call = connection.call(verb, async |mut client| {
        client.configure_tracing_policy(request.clone()).await
    });
    output::runtime()?.block_on(call)?;
    Ok(())
}

pub(super) fn list(connection: &Connection, format: Format, domain: String) -> anyhow::Result<String> {
    let request = ListTracingPoliciesRequest { domain };
    let call = connection.call("list the policies", async |mut client| {
        client.list_tracing_policies(request.clone()).await
    });
    let answer = output::runtime()?.block_on(call)?;
    Ok(match format {
        Format::Text => table::text(&answer.policies),
        Format::Json => line(&answer),
    })
}

pub(super) fn domains(connection: &Connection, format: Format) -> anyhow::Result<String> {
    let call = connection.call("list the domains", async |mut client| {
        client.list_domains(ListDomainsRequest {}).await
    });
    let answer = output::runtime()?.block_on(call)?;
    Ok(match format {
        Format::Text => format!("[{}]\n", escape(&answer.domains.join(" "))),
        Format::Json => line(&answer),
    })
}

/// An answer as JSON.
fn line(answer: &impl Json) -> String {
    let mut line = Vec::new();
    json::write(answer, &mut line);
    line.push(b'\n');
    String::from_utf8_lossy(&line).into_owned()
}
