//! Hides secrets in the arguments and environment variables of processes.
//!
//! What a capture group of a pattern matches is replaced by [`MASK`]: `--password[= ](\S+)` turns `--password=x` into
//! `--password=*****`. A pattern without groups hides nothing. Filters apply one after another, each to what the one
//! before has left, and only to processes whose binary one of its `binary_regex` matches, to all when it has none.

use std::ops::Range;

use regex::{Regex, RegexBuilder, RegexSet};
use tetragon_api::v1::{EnvVar, RedactionFilter};

use crate::observer::Redact;

/// What stands for what is hidden.
pub const MASK: &str = "*****";

/// Memory of one compiled pattern, in bytes.
const PATTERN_MEMORY: usize = 4 << 20;

/// Compiled redaction filters.
#[derive(Debug, Default)]
pub struct Redaction(Vec<Compiled>);

#[derive(Debug)]
struct Compiled {
    patterns: Vec<Regex>,
    binaries: RegexSet,
}

/// A pattern that is not a regular expression.
#[derive(Debug, thiserror::Error)]
#[error("{field}: pattern {pattern:?}: {reason}")]
pub struct PatternError {
    field: &'static str,
    pattern: String,
    reason: String,
}

impl Redaction {
    /// Compiles `filters`.
    pub fn compile(filters: &[RedactionFilter]) -> Result<Self, PatternError> {
        let compiled = filters.iter().map(|filter| {
            let patterns = filter.redact.iter().map(|pattern| compile("redact", pattern));
            for pattern in &filter.binary_regex {
                compile("binary_regex", pattern)?;
            }
            let binaries = RegexSet::new(&filter.binary_regex).map_err(|error| PatternError {
                field: "binary_regex",
                pattern: filter.binary_regex.join(" "),
                reason: reason(&error),
            })?;
            Ok(Compiled {
                patterns: patterns.collect::<Result<_, _>>()?,
                binaries,
            })
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn compile(field: &'static str, pattern: &str) -> Result<Regex, PatternError> {
    let regex = RegexBuilder::new(pattern).size_limit(PATTERN_MEMORY).build();
    regex.map_err(|error| PatternError {
        field,
        pattern: pattern.to_owned(),
        reason: reason(&error),
    })
}

/// One line: the report of a syntax error draws the pattern first and says what is wrong last.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

impl Redact for Redaction {
    fn redact(&self, binary: &str, arguments: &mut String, environment: &mut [EnvVar]) {
        for Compiled { patterns, binaries } in &self.0 {
            if !binaries.is_empty() && !binaries.is_match(binary) {
                continue;
            }
            for pattern in patterns {
                if let Some(masked) = mask(pattern, arguments) {
                    *arguments = masked;
                }
                for variable in environment.iter_mut() {
                    let text = format!("{}={}", variable.key, variable.value);
                    if let Some(masked) = mask(pattern, &text) {
                        let (key, value) = masked.split_once('=').unwrap_or((&masked, ""));
                        key.clone_into(&mut variable.key);
                        value.clone_into(&mut variable.value);
                    }
                }
            }
        }
    }
}

/// `text` with what the groups of `pattern` match hidden; `None` when nothing is to hide.
fn mask(pattern: &Regex, text: &str) -> Option<String> {
    let mut hidden: Vec<Range<usize>> = Vec::new();
    for captures in pattern.captures_iter(text) {
        let groups = captures.iter().skip(1).flatten().map(|group| group.range());
        hidden.extend(groups.filter(|range| !range.is_empty()));
    }
    // Groups may lie within each other: the outer one comes first and hides the inner ones.
    hidden.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let mut out = String::new();
    let mut end = 0;
    for range in &hidden {
        if range.start >= end {
            out.push_str(&text[end..range.start]);
            out.push_str(MASK);
        }
        end = end.max(range.end);
    }
    out.push_str(&text[end..]);
    (!hidden.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filters: &str, binary: &str, arguments: &str, expected: &str) {
        let filters = tetragon_api::json::parse_all(filters, tetragon_api::json::Unknown::Reject).unwrap();
        let mut text = arguments.to_owned();
        Redaction::compile(&filters).unwrap().redact(binary, &mut text, &mut []);
        assert_eq!(text, expected);
    }

    #[test]
    fn groups_are_hidden() {
        let password = r#"{"redact":["--pass(?:word)?[= ](\\S+)"]}"#;
        check(
            password,
            "/bin/x",
            "--password=a --pass b c",
            "--password=***** --pass ***** c",
        );
        check(password, "/bin/x", "nothing", "nothing");
        check(r#"{"redact":["secret"]}"#, "/bin/x", "a secret", "a secret");
        check(
            r#"{"redact":["(a(b)c)(d)?"]}"#,
            "/bin/x",
            "xabcdx abcx",
            "x**********x *****x",
        );
        check(r#"{"redact":["x()y"]}"#, "/bin/x", "xy", "xy");
        check(r#"{"redact":["(é+)"]}"#, "/bin/x", "aéé", "a*****");
    }

    #[test]
    fn only_for_the_binaries() {
        let filter = r#"{"redact":["(a)"],"binary_regex":["/curl$","/wget$"]}"#;
        check(filter, "/bin/wget", "a", "*****");
        check(filter, "/bin/cat", "a", "a");
    }

    #[test]
    fn filters_are_chained() {
        check(
            r#"{"redact":["(a)b"]} {"redact":["\\*b(c)"]}"#,
            "",
            "abc",
            "*****b*****",
        );
    }

    #[test]
    fn environment_variables() {
        let filters = tetragon_api::json::parse_all(
            r#"{"redact":["^TOKEN=(.*)","=(p=w)"]}"#,
            tetragon_api::json::Unknown::Reject,
        )
        .unwrap();
        let variable = |key: &str, value: &str| EnvVar {
            key: key.into(),
            value: value.into(),
        };
        let mut environment = [variable("TOKEN", "t"), variable("A", "p=w"), variable("B", "TOKEN=1")];
        Redaction::compile(&filters)
            .unwrap()
            .redact("", &mut String::new(), &mut environment);
        assert_eq!(
            environment,
            [variable("TOKEN", MASK), variable("A", MASK), variable("B", "TOKEN=1")]
        );
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        for (filter, expected) in [
            (r#"{"redact":["("]}"#, r#"redact: pattern "(": unclosed group"#),
            (
                r#"{"binary_regex":["a","["]}"#,
                r#"binary_regex: pattern "[": unclosed character class"#,
            ),
        ] {
            let filters = tetragon_api::json::parse_all(filter, tetragon_api::json::Unknown::Reject).unwrap();
            assert_eq!(Redaction::compile(&filters).unwrap_err().to_string(), expected);
        }
    }
}
