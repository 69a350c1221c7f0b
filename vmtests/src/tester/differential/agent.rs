//! The running agent, through its command line.

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// A selector: name of the policy, and position.
pub(super) type Selector = (String, u64);

/// Adds policies.
pub(super) fn add(texts: &[String]) -> Result<()> {
    fs::write("policies.yaml", texts.join("\n---\n")).context("write policies")?;
    tetra(&["tracingpolicy", "add", "policies.yaml", "--timeout", "5m"]).map(|_| ())
}

/// How often each selector has matched.
pub(super) fn counts() -> Result<BTreeMap<Selector, u64>> {
    let text = tetra(&["tracingpolicy", "list", "-o", "json"])?;
    let list: Value = serde_json::from_str(&text).context("the list of policies")?;
    let number = |value: &Value| {
        value
            .as_u64()
            .or_else(|| value.as_str()?.parse().ok())
            .unwrap_or_default()
    };
    let mut counts = BTreeMap::new();
    for policy in list["policies"].as_array().context("policies")? {
        let name = policy["name"].as_str().context("name")?;
        let selectors = policy["stats"]["selector_action_counters"].as_array();
        for selector in selectors.into_iter().flatten() {
            let counters = &selector["action_counters"];
            let count = number(&counters["post"]) + number(&counters["nopost"]);
            counts.insert((name.to_owned(), number(&selector["selector_index"])), count);
        }
    }
    Ok(counts)
}

fn tetra(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("tetra");
    // Without a file that this process would have to open.
    command.args(arguments).stdin(Stdio::inherit());
    let output = command.output().context("tetra")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "tetra {}: {stderr}", arguments.join(" "));
    String::from_utf8(output.stdout).context("what tetra says")
}
