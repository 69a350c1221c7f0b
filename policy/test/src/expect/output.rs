//! What a step printed, line by line.

use serde::Deserialize;
use serde_json::Value;

use super::{pattern::Pattern, scope::Scope};

/// An expectation of the output of a step.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputExpectation {
    /// Name of the step.
    pub of: String,
    /// Which of its outputs.
    #[serde(default)]
    pub stream: Stream,
    /// Patterns of lines, in order.
    pub lines: Vec<Value>,
    /// Other lines may be between them.
    #[serde(default)]
    pub among_others: bool,
}

/// The outputs of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
    /// Standard output, then standard error.
    Both,
}

/// Checks `text` against the expectation.
pub fn check(expectation: &OutputExpectation, text: &str, scope: &Scope) -> Result<(), String> {
    let lines: Vec<&str> = text.lines().collect();
    let patterns = expectation
        .lines
        .iter()
        .map(Pattern::parse)
        .collect::<Result<Vec<_>, _>>()?;
    if patterns.is_empty() && expectation.among_others {
        return Err("an expectation of no lines among others expects nothing".to_owned());
    }
    let mut next = 0;
    for pattern in &patterns {
        loop {
            let Some(line) = lines.get(next) else {
                return Err(format!("no line for {pattern:?} in:\n{text}"));
            };
            next += 1;
            match pattern.matches(&Value::String((*line).to_owned()), scope) {
                Ok(_) => break,
                Err(mismatch) if mismatch.nonsense || !expectation.among_others => {
                    return Err(format!("line {next}: {}", mismatch.reason));
                }
                Err(_) => {}
            }
        }
    }
    match lines.get(next) {
        Some(line) if !expectation.among_others => Err(format!("line {}, not expected: {line}", next + 1)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{OutputExpectation, Stream, check};
    use crate::expect::scope::Scope;

    #[allow(clippy::needless_pass_by_value, reason = "called with literals")]
    fn run(lines: Value, among_others: bool, text: &str) -> Result<(), String> {
        let lines = lines.as_array().unwrap().clone();
        let expectation = OutputExpectation {
            of: "step".to_owned(),
            stream: Stream::Stdout,
            lines,
            among_others,
        };
        check(&expectation, text, &Scope::default())
    }

    #[test]
    fn all_lines_or_some() {
        assert_eq!(run(json!(["a", {"prefix": "b"}]), false, "a\nbc\n"), Ok(()));
        assert_eq!(run(json!(["bc"]), true, "a\nbc\nd\n"), Ok(()));
        assert_eq!(
            run(json!(["a"]), false, "a\nb\n"),
            Err("line 2, not expected: b".to_owned())
        );
        assert_eq!(
            run(json!(["b"]), false, "a\n"),
            Err("line 1: \"b\" expected, got \"a\"".to_owned())
        );
        assert!(run(json!(["d"]), true, "a\n").unwrap_err().starts_with("no line for"));
        assert!(run(json!([]), true, "a\n").is_err());
    }

    #[test]
    fn no_lines_means_nothing_was_printed() {
        assert_eq!(run(json!([]), false, ""), Ok(()));
        assert!(run(json!([]), false, "a\n").is_err());
    }
}
