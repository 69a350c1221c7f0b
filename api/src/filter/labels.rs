//! Kubernetes label selectors: `app=web,tier in (front, back),!canary`.

use std::collections::BTreeMap;

use super::FilterError;

/// Requirements on labels, all of which must hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, PartialEq, Eq)]
enum Operator {
    Exists,
    NotExists,
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

impl Selector {
    pub(super) fn parse(text: &str) -> Result<Self, FilterError> {
        let fail = |reason| FilterError::Selector {
            selector: text.to_owned(),
            reason,
        };
        let mut requirements = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            // Commas between parentheses separate values, not requirements.
            let from = rest.find(['(', ',']).filter(|&at| rest[at..].starts_with('('));
            let from = match from {
                Some(open) => open + rest[open..].find(')').ok_or_else(|| fail("`(` without `)`"))?,
                None => 0,
            };
            let end = rest[from..].find(',').map(|at| from + at);
            requirements.push(Requirement::parse(rest[..end.unwrap_or(rest.len())].trim()).map_err(fail)?);
            rest = match end {
                Some(end) => rest[end + 1..].trim_start(),
                None => break,
            };
            if rest.is_empty() {
                return Err(fail("nothing after the last comma"));
            }
        }
        Ok(Self(requirements))
    }

    pub(super) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels))
    }
}

impl Requirement {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let of = |key: &str, operator| {
            let key = key.trim();
            let valid = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
            if key.is_empty() || !key.chars().all(valid) {
                return Err("a key is made of letters, digits and - _ . /");
            }
            Ok(Self {
                key: key.to_owned(),
                operator,
            })
        };
        if let Some(key) = text.strip_prefix('!') {
            return of(key, Operator::NotExists);
        }
        if let Some(list) = text.strip_suffix(')') {
            let (head, list) = list.split_once('(').ok_or("`)` without `(`")?;
            let values = list.split(',').map(value).collect::<Result<Vec<_>, _>>()?;
            let (key, operator) = head
                .trim_end()
                .rsplit_once(char::is_whitespace)
                .ok_or("expected `in` or `notin`")?;
            return match operator {
                "in" => of(key, Operator::In(values)),
                "notin" => of(key, Operator::NotIn(values)),
                _ => Err("expected `in` or `notin` before `(`"),
            };
        }
        let number = |text: &str| {
            text.trim()
                .parse()
                .map_err(|_| "expected a whole number after `<` or `>`")
        };
        if let Some((key, text)) = text.split_once("!=") {
            of(key, Operator::NotIn(vec![value(text)?]))
        } else if let Some((key, text)) = text.split_once("==").or_else(|| text.split_once('=')) {
            of(key, Operator::In(vec![value(text)?]))
        } else if let Some((key, text)) = text.split_once('>') {
            of(key, Operator::Greater(number(text)?))
        } else if let Some((key, text)) = text.split_once('<') {
            of(key, Operator::Less(number(text)?))
        } else {
            of(text, Operator::Exists)
        }
    }

    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let label = labels.get(&self.key);
        let number = || label.and_then(|label| label.parse::<i64>().ok());
        match &self.operator {
            Operator::Exists => label.is_some(),
            Operator::NotExists => label.is_none(),
            Operator::In(values) => label.is_some_and(|label| values.contains(label)),
            Operator::NotIn(values) => label.is_none_or(|label| !values.contains(label)),
            Operator::Greater(than) => number().is_some_and(|number| number > *than),
            Operator::Less(than) => number().is_some_and(|number| number < *than),
        }
    }
}

fn value(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let valid = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.chars().all(valid) {
        return Err("a value is made of letters, digits and - _ .");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors() {
        let labels: BTreeMap<String, String> = [
            ("app", "web"),
            ("example.com/tier", "front"),
            ("rank", "5"),
            ("empty", ""),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        for (selector, expected) in [
            ("", true),
            ("app", true),
            ("!app", false),
            ("! none", true),
            ("app=web", true),
            ("app == web", true),
            ("app!=web", false),
            ("none!=web", true),
            ("app in (db, web)", true),
            ("app in (db)", false),
            ("app notin (db,cache)", true),
            ("none notin (db)", true),
            ("none in (db)", false),
            ("empty=", true),
            ("empty in (,x)", true),
            ("rank>4", true),
            ("rank < 5", false),
            ("app>4", false),
            ("app=web,example.com/tier in (front, back),!canary", true),
            ("example.com/tier in (front,back),app=db", false),
            ("app,rank notin (1, 2)", true),
        ] {
            assert_eq!(
                Selector::parse(selector).unwrap().matches(&labels),
                expected,
                "{selector}"
            );
        }
    }

    #[test]
    fn not_selectors() {
        for selector in [
            "=", "a=b,", ",a", "a,,b", "a in (b", "a in b)", "a on (b)", "in (b)", "a b", "a=b c", "a>x", "a=é", "!",
            "a(b)c",
        ] {
            assert!(Selector::parse(selector).is_err(), "{selector}");
        }
    }
}
