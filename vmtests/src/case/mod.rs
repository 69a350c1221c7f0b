//! What a case does: `case.toml`.
//!
//! A case is a folder of `vmtests/cases` with this file, `expect.toml` ([`policy_test::expect`]) and perhaps a golden file.
//! The steps are run one after the other; then whatever agent still runs is stopped, which drains its ring buffer, and
//! the events are judged. When no step starts the agent, it is started before the first one.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use policy_test::{expect::Expectations, step::check_names};

pub use policy_test::step::{Run, Start, Step};

use crate::machine::Machine;

/// The content of `case.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "each says one thing of the case")]
pub struct Case {
    /// What it shows, in a line.
    pub summary: String,
    /// Kernels that cannot run it, with the reason.
    #[serde(default)]
    pub skip: BTreeMap<String, String>,
    /// What it asks of its machine. The host has seen to it.
    #[serde(default)]
    pub machine: Machine,
    /// The kernel programs that the agent logs (at level debug) are compared with `vmtests/verifier.toml`.
    #[serde(default)]
    pub verifier: bool,
    /// Seconds after which it has failed.
    #[serde(default = "default_timeout")]
    pub timeout_s: u64,
    /// Its ring buffer records are among those that are recorded.
    #[serde(default)]
    pub record: bool,
    /// Whether [`policy_test::expect::invariants`] hold: not when events are filtered on the way to the file.
    #[serde(default = "yes")]
    pub invariants: bool,
    /// Whether events may be lost.
    #[serde(default)]
    pub losses: bool,
    /// Regular expressions of warnings and errors that the agent may log.
    #[serde(default)]
    pub log_allow: Vec<String>,
    /// Flags of the agent that is started without a step for it.
    #[serde(default)]
    pub flags: Vec<String>,
    /// What to do.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

fn default_timeout() -> u64 {
    300
}

fn yes() -> bool {
    true
}

impl Case {
    /// Reads the case and its expectations from `folder`.
    pub fn read(folder: &Path) -> Result<(Self, Expectations)> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
        };
        let mut case: Self =
            toml::from_str(&read("case.toml")?).with_context(|| format!("{}/case.toml", folder.display()))?;
        let expectations = Expectations::parse(&read("expect.toml")?).map_err(anyhow::Error::msg);
        let expectations = expectations.with_context(|| format!("{}/expect.toml", folder.display()))?;
        case.complete()
            .with_context(|| format!("{}/case.toml", folder.display()))?;
        Ok((case, expectations))
    }

    /// Adds what goes without saying, and refuses what cannot be.
    fn complete(&mut self) -> Result<()> {
        if !self.steps.iter().any(|step| matches!(step, Step::Start(_))) {
            let flags = std::mem::take(&mut self.flags);
            self.steps.insert(0, Step::Start(Start::with_flags(flags)));
        }
        ensure!(self.flags.is_empty(), "flags belong to the step that starts the agent");
        for pattern in &self.log_allow {
            regex::Regex::new(pattern).context("log_allow")?;
        }
        ensure!(
            !self.steps.iter().any(|step| matches!(step, Step::Load)),
            "a case gives policies to the agent with tetra or a flag"
        );
        check_names(&self.steps)
    }
}

/// Folders of all cases below `root`, by name, in order.
pub fn list(root: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut cases = BTreeMap::new();
    for entry in std::fs::read_dir(root).with_context(|| format!("list {}", root.display()))? {
        let path = entry?.path();
        if path.join("case.toml").exists() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            cases.insert(name, path);
        }
    }
    Ok(cases)
}

#[cfg(test)]
mod tests;
