//! Budgets of counted costs: `budgets.toml`, which the host compares with what the guest measured.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The committed file.
pub const TEXT: &str = include_str!("../budgets.toml");

/// What a measurement may be at most.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// The row, as in a plan's names.
    pub row: String,
    /// The quantity of the row.
    pub quantity: String,
    /// The most it may be, by name of the kernel, in the unit of the measurement.
    pub at_most: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    budget: Vec<Budget>,
}

/// Reads the text of `budgets.toml`.
pub fn parse(text: &str) -> Result<Vec<Budget>, toml::de::Error> {
    toml::from_str::<File>(text).map(|file| file.budget)
}

/// Every row that `vm-init` can measure, in the order in which to run them.
pub const ROWS: [&str; 14] = [
    "raw-tracepoint-empty",
    "startup",
    "memory-idle",
    "exec-exit-kernel",
    "exec-exit-agent",
    "memory-after-20000",
    "hook-miss-kprobe",
    "hook-miss-syscall",
    "hook-miss-fentry",
    "hook-miss-lsm",
    "hook-miss-tracepoint",
    "hook-miss-path",
    "hook-hit",
    "hook-policies-64",
];

#[cfg(test)]
mod tests {
    use super::{ROWS, TEXT, parse};

    #[test]
    fn the_committed_file_is_of_rows_that_exist() {
        for budget in parse(TEXT).unwrap() {
            assert!(ROWS.contains(&budget.row.as_str()), "{} is no row", budget.row);
            assert!(!budget.at_most.is_empty(), "{} has no limit", budget.row);
        }
    }
}
