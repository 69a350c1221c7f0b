//! Event filters: which events a client, or the export file, gets.
//!
//! What holds inside one filter is joined by *and*, values of one of its lists by *or*; filters of a list by *or*. An
//! event passes that some filter of the allow list matches (an empty list matches all) and none of the deny list.
//!
//! A condition on a process, its parent or its pod does not hold for events without one, whatever it asks.
//!
//! Patterns are those of the `regex` crate, searched for anywhere in the text. They differ from Go's in that `\d`, `\w`,
//! `\s` and `\b` know all of Unicode. Filters come from clients: patterns are compiled within [`PATTERN_MEMORY`] for each
//! list of them and [`PATTERN_LISTS`] lists, and what a filter learns about processes is bounded too.
//!
//! ```
//! use tetragon_api::{filter::Filters, json, v1::Filter};
//!
//! let allow: Vec<Filter> = json::parse_all(r#"{"binary_regex":["/curl$"]}"#, json::Unknown::Reject)?;
//! let filters = Filters::compile(&allow, &[])?;
//! let event = json::parse_event(r#"{"process_exec":{"process":{"binary":"/usr/bin/curl"}}}"#)?;
//! assert!(filters.matches(&event));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod capabilities;
mod condition;
mod descendants;
pub mod fields;
mod labels;
mod patterns;

use crate::v1::{EventType, Filter, GetEventsResponse};
use condition::Conditions;
pub use patterns::{PATTERN_LISTS, PATTERN_MEMORY};

/// Compiled allow and deny lists.
#[derive(Debug, Default)]
pub struct Filters {
    allow: Vec<Conditions>,
    deny: Vec<Conditions>,
}

/// What the agent adds to events only when told to; filters that need more than that are refused.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    /// Credentials and capabilities of processes.
    pub process_cred: bool,
    /// Event types with ancestors.
    pub ancestors: Vec<EventType>,
}

impl Captured {
    /// Everything: for readers of events from elsewhere.
    pub fn all() -> Self {
        Self {
            process_cred: true,
            ancestors: condition::WITH_ANCESTORS.to_vec(),
        }
    }
}

/// A filter that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FilterError {
    /// A pattern that is not a regular expression.
    #[error("filter: {field}: pattern {pattern:?}: {reason}")]
    Pattern {
        /// Field of the filter.
        field: &'static str,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Patterns that together need more than [`PATTERN_MEMORY`].
    #[error("filter: {0}: the patterns compile to more than {PATTERN_MEMORY} bytes, use fewer or simpler ones")]
    PatternMemory(&'static str),
    /// More than [`PATTERN_LISTS`] lists of patterns.
    #[error("filter: more than {PATTERN_LISTS} lists of patterns, put patterns of one kind into one list")]
    PatternLists,
    /// A label selector that is not one.
    #[error("filter: labels: selector {selector:?}: {reason}")]
    Selector {
        /// The selector.
        selector: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Not exactly one list in a capability set.
    #[error("filter: capabilities: {0}: give exactly one of any, all, exactly, none")]
    CapabilitySet(&'static str),
    /// No set at all.
    #[error("filter: capabilities: give at least one of permitted, effective, inheritable")]
    NoCapabilitySet,
    /// Capabilities are not in the events.
    #[error("filter: capabilities: events have none, start the agent with --enable-process-cred")]
    NoCredentials,
    /// Ancestors are not in the events.
    #[error("filter: ancestor_binary_regex: {0} events have no ancestors, start the agent with --enable-ancestors")]
    NoAncestors(&'static str),
    /// Expressions are not understood.
    #[error("filter: cel_expression is not supported yet, use the other fields")]
    CelExpression,
}

impl Filters {
    /// Compiles the lists for events that may hold everything.
    pub fn compile(allow: &[Filter], deny: &[Filter]) -> Result<Self, FilterError> {
        Self::compile_for(allow, deny, &Captured::all())
    }

    /// Compiles the lists for events of an agent that captures `captured`.
    pub fn compile_for(allow: &[Filter], deny: &[Filter], captured: &Captured) -> Result<Self, FilterError> {
        let mut budget = patterns::Budget::default();
        let mut list = |filters: &[Filter]| {
            let compiled = filters
                .iter()
                .map(|filter| Conditions::compile(filter, captured, &mut budget));
            compiled.collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            allow: list(allow)?,
            deny: list(deny)?,
        })
    }

    /// Whether there are none, so that all events pass.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// Whether `event` passes. Events must be given in their order: `pid_set` learns from those before.
    pub fn matches(&self, event: &GetEventsResponse) -> bool {
        let Self { allow, deny } = self;
        for conditions in allow.iter().chain(deny) {
            conditions.learn(event);
        }
        let any = |list: &[Conditions]| list.iter().any(|conditions| conditions.hold(event));
        (allow.is_empty() || any(allow)) && !any(deny)
    }
}

#[cfg(test)]
mod tests;
