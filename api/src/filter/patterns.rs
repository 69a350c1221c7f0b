//! Patterns within bounds of memory.

use regex::{Error, RegexSet, RegexSetBuilder};

use super::FilterError;

/// Compiled patterns of one list take at most this many bytes; matching them needs at most as much again.
pub const PATTERN_MEMORY: usize = 4 << 20;

/// Lists of patterns in the filters of one client at most.
pub const PATTERN_LISTS: usize = 64;

/// What is left for the filters of one client.
#[derive(Debug)]
pub(super) struct Budget {
    lists: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { lists: PATTERN_LISTS }
    }
}

impl Budget {
    pub(super) fn compile(&mut self, field: &'static str, patterns: &[String]) -> Result<RegexSet, FilterError> {
        self.lists = self.lists.checked_sub(1).ok_or(FilterError::PatternLists)?;
        // The error about a list does not name the pattern that is wrong.
        build(patterns).map_err(|error| {
            let alone = patterns
                .iter()
                .find_map(|pattern| Some((pattern, build(&[pattern]).err()?)));
            match alone {
                Some((pattern, error)) => FilterError::Pattern {
                    field,
                    pattern: pattern.clone(),
                    reason: reason(&error),
                },
                None if matches!(error, Error::CompiledTooBig(_)) => FilterError::PatternMemory(field),
                None => FilterError::Pattern {
                    field,
                    pattern: patterns.join(" "),
                    reason: reason(&error),
                },
            }
        })
    }
}

fn build(patterns: &[impl AsRef<str>]) -> Result<RegexSet, Error> {
    RegexSetBuilder::new(patterns)
        .size_limit(PATTERN_MEMORY)
        .dfa_size_limit(PATTERN_MEMORY)
        .build()
}

/// One line: the report of a syntax error draws the pattern first and says what is wrong last.
fn reason(error: &Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}
