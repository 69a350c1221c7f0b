//! What an expectation can ask of a value beyond being equal.

use regex::Regex;
use serde_json::{Map, Value};

use super::pattern::Pattern;

/// One condition. A table of several means all of them.
#[derive(Clone, Debug)]
pub enum Operator {
    /// The string begins with this.
    Prefix(String),
    /// The string ends with this.
    Suffix(String),
    /// The string has this somewhere.
    Contains(String),
    /// The string matches somewhere.
    Regex(Regex),
    /// Bytes of the string, or elements of the list.
    Length(u64),
    /// Whether the field is absent.
    Absent(bool),
    /// The number is this or more.
    AtLeast(f64),
    /// The number is this or less.
    AtMost(f64),
    /// The first time, gives the value a name; from then on the value must be the named one.
    Capture(String),
    /// The pattern does not match.
    Not(Box<Pattern>),
    /// The list has as many elements as there are patterns, each of which matches another element.
    Unordered(Vec<Pattern>),
    /// Each pattern matches another element of the list.
    Subset(Vec<Pattern>),
}

/// Names of operators in data. No field of an event has one of these names.
const NAMES: [&str; 12] = [
    "prefix",
    "suffix",
    "contains",
    "regex",
    "length",
    "absent",
    "at_least",
    "at_most",
    "capture",
    "not",
    "unordered",
    "subset",
];

/// Reads a table of operators; `None` when the table is of fields.
pub fn parse(table: &Map<String, Value>) -> Option<Result<Vec<Operator>, String>> {
    table
        .keys()
        .any(|key| NAMES.contains(&key.as_str()))
        .then(|| table.iter().map(|(name, value)| parse_one(name, value)).collect())
}

fn parse_one(name: &str, value: &Value) -> Result<Operator, String> {
    let text = || {
        let text = value.as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned)
            .ok_or_else(|| format!("{name} needs text, not {value}"))
    };
    let number = || {
        value
            .as_f64()
            .ok_or_else(|| format!("{name} needs a number, not {value}"))
    };
    let patterns = || {
        let items = value
            .as_array()
            .ok_or_else(|| format!("{name} needs a list, not {value}"))?;
        items.iter().map(Pattern::parse).collect::<Result<Vec<_>, _>>()
    };
    Ok(match name {
        "prefix" => Operator::Prefix(text()?),
        "suffix" => Operator::Suffix(text()?),
        "contains" => Operator::Contains(text()?),
        "regex" => Operator::Regex(Regex::new(&text()?).map_err(|error| error.to_string())?),
        "length" => Operator::Length(number()? as u64),
        "absent" => Operator::Absent(value.as_bool().ok_or("absent needs true or false")?),
        "at_least" => Operator::AtLeast(number()?),
        "at_most" => Operator::AtMost(number()?),
        "capture" => Operator::Capture(text()?),
        "not" => Operator::Not(Box::new(Pattern::parse(value)?)),
        "unordered" => Operator::Unordered(patterns()?),
        "subset" => Operator::Subset(patterns()?),
        _ => {
            return Err(format!(
                "{name} is no operator; operators and fields do not mix in one table"
            ));
        }
    })
}
