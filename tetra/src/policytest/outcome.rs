//! How tests ended.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::compact::escape;

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Passed,
    Failed,
    Skipped,
}

/// What is known of a test that was run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outcome {
    /// The test.
    pub(super) name: String,
    /// What it shows.
    pub(super) summary: String,
    /// How it ended.
    pub(super) verdict: Verdict,
    /// Why it failed or was skipped, several lines perhaps; empty when passed.
    pub(super) reason: String,
    /// How long it took.
    pub(super) millis: u64,
    /// Events of the policy, the first ones.
    pub(super) events: Vec<Value>,
}

impl Outcome {
    /// For reading.
    pub(super) fn line(&self) -> String {
        let icon = match self.verdict {
            Verdict::Passed => "✅",
            Verdict::Failed => "❌",
            Verdict::Skipped => "⏭️",
        };
        let mut text = format!("{icon} {}", escape(&self.name));
        let mut lines = self.reason.lines();
        if let Some(first) = lines.next() {
            let _ = write!(text, ": {}", escape(first));
        }
        text.push('\n');
        for line in lines {
            let _ = writeln!(text, "   {}", escape(line));
        }
        text
    }
}
