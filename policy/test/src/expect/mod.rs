//! What a case expects: `expect.toml`.
//!
//! ```toml
//! ordered = true                      # whether [[event]]s come in this order; the default
//!
//! [[event]]                           # a partial event; see `pattern`
//! process_exec.process = { binary = "/bin/cat", pid = "${cat.0.pid}", exec_id = { capture = "cat" } }
//!
//! [[none]]                            # no event may match
//! process_exec.process.binary = "/bin/dog"
//!
//! [[count]]                           # this many events match
//! of.process_exec.process.binary = "/bin/cat"
//! is = 1
//!
//! [[each]]                            # for each line that a step printed, one event (or `count`) matches
//! of = "spawn"
//! by = "process_exec.process.pid"     # looked up in an index of this field
//! event.process_exec.process = { pid = "${line.pid}", parent_exec_id = "${spawner}" }
//!
//! [[output]]                          # what a step printed
//! of = "compact"
//! lines = ["🚀 process vm /bin/cat "]
//!
//! [[same]]                            # the step printed events: a gapless part of those in the export file,
//! of = "stream"                       # with all that match
//! with.process_exec.process.binary = "/bin/cat"
//!
//! [[golden]]                          # events that match are compared whole with golden.json, or golden/KERNEL.json
//! process_exec.process.binary = "/bin/cat"
//! ```
//!
//! Every expectation can fail: a file without any is refused, and so is a `none` that looks at fields which no event has.

pub mod invariants;
pub mod mutants;
pub mod normal;
pub mod operator;
pub mod output;
pub mod pattern;
pub mod scope;

mod check;
pub mod sequence;

use serde::Deserialize;
use serde_json::Value;

pub use check::Facts;
use output::OutputExpectation;

/// The content of `expect.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// Whether events come in the order of the file.
    #[serde(default = "yes")]
    pub ordered: bool,
    /// Events that must be there.
    #[serde(default)]
    pub event: Vec<Value>,
    /// Events that must not be there.
    #[serde(default)]
    pub none: Vec<Value>,
    /// Numbers of events.
    #[serde(default)]
    pub count: Vec<Count>,
    /// Events for each line of a step's output.
    #[serde(default)]
    pub each: Vec<Each>,
    /// Outputs of steps.
    #[serde(default)]
    pub output: Vec<OutputExpectation>,
    /// Steps that print events.
    #[serde(default)]
    pub same: Vec<Same>,
    /// Events that are compared whole.
    #[serde(default)]
    pub golden: Vec<Value>,
}

fn yes() -> bool {
    true
}

/// A number of events. One of the limits must be given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// Which events.
    pub of: Value,
    /// Exactly so many.
    pub is: Option<usize>,
    /// So many or more.
    pub at_least: Option<usize>,
    /// So many or less.
    pub at_most: Option<usize>,
}

/// Events for each line, a JSON object named `line`, of a step's output.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Each {
    /// Name of the step.
    pub of: String,
    /// Path of a field of `event` by which events are looked up.
    pub by: String,
    /// The event.
    pub event: Value,
    /// How many events match for each line.
    #[serde(default = "one")]
    pub count: usize,
}

fn one() -> usize {
    1
}

/// A step that prints events as JSON.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Same {
    /// Name of the step.
    pub of: String,
    /// Events of the export file that must be among them.
    pub with: Value,
}

impl Expectations {
    /// Reads `expect.toml`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let this: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let Self {
            ordered: _,
            event,
            none,
            count,
            each,
            output,
            same,
            golden,
        } = &this;
        if event.is_empty()
            && none.is_empty()
            && count.is_empty()
            && each.is_empty()
            && output.is_empty()
            && same.is_empty()
            && golden.is_empty()
        {
            return Err("expects nothing".to_owned());
        }
        let counted = count.iter().map(|count| &count.of);
        let each = each.iter().map(|each| &each.event);
        let same = same.iter().map(|same| &same.with);
        let lines = output.iter().flat_map(|output| &output.lines);
        for data in event
            .iter()
            .chain(none)
            .chain(golden)
            .chain(counted)
            .chain(each)
            .chain(same)
            .chain(lines)
        {
            pattern::Pattern::parse(data)?;
        }
        Ok(this)
    }
}

#[cfg(test)]
mod tests;
