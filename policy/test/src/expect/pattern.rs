//! Partial patterns of JSON values.
//!
//! In data, a table of fields matches an object that has at least these; a list matches a list of the same length, element
//! by element; a string matches the equal string after `${…}` is replaced; and a table of operators
//! ([`super::operator`]) matches what satisfies all of them. Numbers and strings of digits compare alike, because
//! ProtoJSON writes 64-bit numbers as strings.

use serde_json::Value;

use super::{
    operator::{self, Operator},
    scope::{Scope, plain},
};

/// A pattern.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// A number or a boolean.
    Scalar(Value),
    /// A string with references.
    Text(String),
    /// Fields of an object.
    Fields(Vec<(String, Self)>),
    /// All elements of a list, in order.
    List(Vec<Self>),
    /// Conditions.
    Operators(Vec<Operator>),
}

/// Why a value does not match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// Where in the value, dotted.
    pub path: String,
    /// What is wrong there.
    pub reason: String,
    /// The pattern itself is at fault: no value whatever could tell.
    pub nonsense: bool,
    /// Leaves that matched before; the higher, the nearer the miss.
    pub score: usize,
}

/// What a match has found out.
#[derive(Debug, Default)]
pub struct Bindings {
    /// Captured values.
    pub captured: Vec<(String, Value)>,
    /// Leaves that matched.
    pub score: usize,
}

impl Pattern {
    /// Reads a pattern from data.
    pub fn parse(data: &Value) -> Result<Self, String> {
        Ok(match data {
            Value::Null => return Err("null is no pattern; say { absent = true }".to_owned()),
            Value::Bool(_) | Value::Number(_) => Self::Scalar(data.clone()),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::parse).collect::<Result<_, _>>()?),
            Value::Object(table) if table.is_empty() => return Err("an empty table matches everything".to_owned()),
            Value::Object(table) => match operator::parse(table) {
                Some(operators) => Self::Operators(operators?),
                None => Self::Fields(
                    table
                        .iter()
                        .map(|(name, value)| {
                            let pattern = Self::parse(value).map_err(|error| format!("{name}: {error}"))?;
                            Ok((name.clone(), pattern))
                        })
                        .collect::<Result<_, String>>()?,
                ),
            },
        })
    }

    /// Whether `value` matches (`None` stands for a field that is not there); captures go to `bindings`.
    pub fn check(&self, value: Option<&Value>, scope: &Scope, bindings: &mut Bindings) -> Result<(), Mismatch> {
        let fail = |reason: String, nonsense: bool, bindings: &Bindings| {
            Err(Mismatch {
                path: String::new(),
                reason,
                nonsense,
                score: bindings.score,
            })
        };
        if let Self::Operators(operators) = self {
            for operator in operators {
                check_operator(operator, value, scope, bindings)?;
                bindings.score += 1;
            }
            return Ok(());
        }
        let Some(value) = value else {
            return fail("not there".to_owned(), false, bindings);
        };
        match (self, value) {
            (Self::Fields(fields), Value::Object(object)) => {
                for (name, pattern) in fields {
                    pattern
                        .check(object.get(name), scope, bindings)
                        .map_err(|mismatch| mismatch.inside(name))?;
                }
                Ok(())
            }
            (Self::List(patterns), Value::Array(items)) => {
                if patterns.len() != items.len() {
                    return fail(
                        format!("{} elements, expected {}", items.len(), patterns.len()),
                        false,
                        bindings,
                    );
                }
                for (index, (pattern, item)) in patterns.iter().zip(items).enumerate() {
                    pattern
                        .check(Some(item), scope, bindings)
                        .map_err(|mismatch| mismatch.inside(&index.to_string()))?;
                }
                Ok(())
            }
            (Self::Fields(_) | Self::List(_), _) => fail(format!("{value} is of another kind"), true, bindings),
            (_, Value::Object(_) | Value::Array(_)) => fail("a scalar expected".to_owned(), true, bindings),
            (Self::Scalar(expected), _) => equal(expected, value, bindings),
            (Self::Text(text), _) => match scope.expand(text) {
                Ok(expected) => equal(&expected, value, bindings),
                Err(error) => fail(error, true, bindings),
            },
            (Self::Operators(_), _) => Ok(()),
        }
    }

    /// Whether `value` matches.
    pub fn matches(&self, value: &Value, scope: &Scope) -> Result<Bindings, Mismatch> {
        let mut bindings = Bindings::default();
        self.check(Some(value), scope, &mut bindings).map(|()| bindings)
    }

    /// The pattern at a dotted path.
    pub fn at(&self, path: &str) -> Option<&Self> {
        let (name, rest) = path
            .split_once('.')
            .map_or((path, None), |(name, rest)| (name, Some(rest)));
        let Self::Fields(fields) = self else { return None };
        let (_, pattern) = fields.iter().find(|(field, _)| field == name)?;
        rest.map_or(Some(pattern), |rest| pattern.at(rest))
    }

    /// Paths of all fields that the pattern looks at and that must be there for it to match.
    pub fn paths(&self) -> Vec<String> {
        match self {
            Self::Fields(fields) => fields
                .iter()
                .flat_map(|(name, pattern)| {
                    let inner = pattern.paths();
                    let optional = matches!(pattern, Self::Operators(operators)
                        if operators.iter().any(|operator| matches!(operator, Operator::Absent(_) | Operator::Not(_))));
                    if optional {
                        Vec::new()
                    } else if inner.is_empty() {
                        vec![name.clone()]
                    } else {
                        inner.iter().map(|path| format!("{name}.{path}")).collect()
                    }
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}

impl Mismatch {
    fn inside(mut self, name: &str) -> Self {
        self.path = if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{name}.{}", self.path)
        };
        self
    }
}

fn equal(expected: &Value, value: &Value, bindings: &mut Bindings) -> Result<(), Mismatch> {
    require(
        plain(expected) == plain(value),
        bindings,
        || format!("{} expected", brief(expected)),
        value,
    )?;
    bindings.score += 1;
    Ok(())
}

fn require(holds: bool, bindings: &Bindings, expected: impl FnOnce() -> String, value: &Value) -> Result<(), Mismatch> {
    if holds {
        return Ok(());
    }
    Err(Mismatch {
        path: String::new(),
        reason: format!("{}, got {}", expected(), brief(value)),
        nonsense: false,
        score: bindings.score,
    })
}

/// A value short enough for a line.
pub(super) fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 200 {
        return text;
    }
    format!("{}… ({} bytes)", text.chars().take(200).collect::<String>(), text.len())
}

fn check_operator(
    operator: &Operator,
    value: Option<&Value>,
    scope: &Scope,
    bindings: &mut Bindings,
) -> Result<(), Mismatch> {
    let nonsense = |reason: String| Mismatch {
        reason,
        nonsense: true,
        ..Mismatch::default()
    };
    if let Operator::Absent(absent) = operator {
        let shown = value.cloned().unwrap_or_default();
        return require(
            value.is_none() == *absent,
            bindings,
            || format!("absent = {absent}"),
            &shown,
        );
    }
    if let Operator::Not(pattern) = operator {
        return match pattern.check(value, scope, &mut Bindings::default()) {
            Ok(()) => require(
                false,
                bindings,
                || format!("not {pattern:?}"),
                &value.cloned().unwrap_or_default(),
            ),
            Err(mismatch) if mismatch.nonsense => Err(mismatch),
            Err(_) => Ok(()),
        };
    }
    let Some(value) = value else {
        return Err(Mismatch {
            reason: "not there".to_owned(),
            score: bindings.score,
            ..Mismatch::default()
        });
    };
    let text = || {
        value
            .as_str()
            .ok_or_else(|| nonsense(format!("{} is no text", brief(value))))
    };
    let number = || {
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        number.ok_or_else(|| nonsense(format!("{} is no number", brief(value))))
    };
    let expand = |text: &str| scope.expand_text(text).map_err(nonsense);
    match operator {
        Operator::Prefix(part) => {
            let part = expand(part)?;
            require(
                text()?.starts_with(&part),
                bindings,
                || format!("prefix {part:?}"),
                value,
            )
        }
        Operator::Suffix(part) => {
            let part = expand(part)?;
            require(text()?.ends_with(&part), bindings, || format!("suffix {part:?}"), value)
        }
        Operator::Contains(part) => {
            let part = expand(part)?;
            require(
                text()?.contains(&part),
                bindings,
                || format!("{part:?} somewhere"),
                value,
            )
        }
        Operator::Regex(regex) => require(regex.is_match(text()?), bindings, || format!("match of {regex}"), value),
        Operator::Length(length) => {
            let got = match value {
                Value::Array(items) => items.len(),
                _ => text()?.len(),
            };
            require(
                got as u64 == *length,
                bindings,
                || format!("length {length} and not {got}"),
                value,
            )
        }
        Operator::AtLeast(least) => require(number()? >= *least, bindings, || format!("at least {least}"), value),
        Operator::AtMost(most) => require(number()? <= *most, bindings, || format!("at most {most}"), value),
        Operator::Capture(name) => {
            let known = bindings
                .captured
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value);
            if let Some(known) = known.or_else(|| scope.captured(name)) {
                let expected = format!("{} (captured as {name})", brief(known));
                require(plain(known) == plain(value), bindings, || expected, value)
            } else {
                bindings.captured.push((name.clone(), value.clone()));
                Ok(())
            }
        }
        Operator::Unordered(patterns) | Operator::Subset(patterns) => {
            let items = value
                .as_array()
                .ok_or_else(|| nonsense(format!("{} is no list", brief(value))))?;
            if matches!(operator, Operator::Unordered(_)) {
                let expected = || format!("{} elements and not {}", patterns.len(), items.len());
                require(patterns.len() == items.len(), bindings, expected, value)?;
            }
            assign(patterns, items, &mut vec![false; items.len()], scope, bindings)
        }
        Operator::Absent(_) | Operator::Not(_) => Ok(()),
    }
}

/// Finds another element for each pattern.
fn assign(
    patterns: &[Pattern],
    items: &[Value],
    used: &mut [bool],
    scope: &Scope,
    bindings: &mut Bindings,
) -> Result<(), Mismatch> {
    let Some((first, rest)) = patterns.split_first() else {
        return Ok(());
    };
    let mut nearest = Mismatch {
        reason: "no element left".to_owned(),
        ..Mismatch::default()
    };
    for (index, item) in items
        .iter()
        .enumerate()
        .filter(|(index, _)| !used[*index])
        .collect::<Vec<_>>()
    {
        let mark = bindings.captured.len();
        let result = first.check(Some(item), scope, bindings).and_then(|()| {
            used[index] = true;
            assign(rest, items, used, scope, bindings)
        });
        match result {
            Ok(()) => return Ok(()),
            Err(mismatch) => {
                used[index] = false;
                bindings.captured.truncate(mark);
                if mismatch.nonsense {
                    return Err(mismatch);
                }
                if mismatch.score >= nearest.score {
                    nearest = mismatch;
                }
            }
        }
    }
    Err(nearest)
}

#[cfg(test)]
mod tests;
