//! Events with everything that differs from run to run replaced by tokens.
//!
//! Tokens are given in the order of first appearance, one series a kind: the second process id is `PID#2` wherever it
//! stands, so that relations (parent of, same image) stay visible.

use std::{collections::HashMap, fmt::Write as _};

use serde_json::Value;

/// Fields and the kind of token their values become.
const KINDS: [(&str, &str); 12] = [
    ("pid", "PID"),
    ("tid", "PID"),
    ("exec_id", "EXEC"),
    ("parent_exec_id", "EXEC"),
    ("start_time", "TIME"),
    ("time", "TIME"),
    ("inum", "NS"),
    ("number", "INODE"),
    ("refcnt", "REFCNT"),
    ("docker", "DOCKER"),
    ("cgroup_id", "CGROUP"),
    ("auid", "AUID"),
];

/// Gives tokens.
#[derive(Debug, Default)]
pub struct Normaliser {
    tokens: HashMap<(&'static str, String), String>,
    given: HashMap<&'static str, usize>,
}

impl Normaliser {
    /// `value` with tokens in place of what differs between runs.
    pub fn normalise(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| {
                    let kind = KINDS.iter().find(|(field, _)| field == name).map(|(_, kind)| *kind);
                    let value = match kind {
                        // How many others hold on to a process depends on when they let go.
                        Some("REFCNT") => Value::String("REFCNT".to_owned()),
                        Some(kind) if !value.is_object() && !value.is_array() => self.token(kind, value),
                        _ => self.normalise(value),
                    };
                    (name.clone(), value)
                })
                .collect(),
            Value::Array(items) => items.iter().map(|item| self.normalise(item)).collect(),
            scalar => scalar.clone(),
        }
    }

    fn token(&mut self, kind: &'static str, value: &Value) -> Value {
        let key = (kind, value.to_string());
        if let Some(token) = self.tokens.get(&key) {
            return Value::String(token.clone());
        }
        let number = self.given.entry(kind).or_default();
        *number += 1;
        let token = format!("{kind}#{number}");
        self.tokens.insert(key, token.clone());
        Value::String(token)
    }
}

/// The events, normalised, as the text of a golden file.
pub fn golden_text(events: &[&Value]) -> String {
    let mut normaliser = Normaliser::default();
    let events: Vec<Value> = events.iter().map(|event| normaliser.normalise(event)).collect();
    let mut text = serde_json::to_string_pretty(&events).unwrap_or_default();
    text.push('\n');
    text
}

/// The lines in which two texts differ, `-` for what was expected and `+` for what came; `None` when they are equal.
pub fn difference(expected: &str, got: &str) -> Option<String> {
    if expected == got {
        return None;
    }
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), got.lines().collect());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(a, b)| a == b).count();
    let head = same(&mut old.iter().zip(&new));
    let limit = old.len().min(new.len()) - head;
    let tail = same(&mut old.iter().rev().zip(new.iter().rev())).min(limit);
    let mut text = String::new();
    for line in &old[head..old.len() - tail] {
        let _ = writeln!(text, "-{line}");
    }
    for line in &new[head..new.len() - tail] {
        let _ = writeln!(text, "+{line}");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::{difference, golden_text};

    #[test]
    fn tokens_keep_relations() {
        let exec = json!({"process": {"exec_id": "YQ==", "pid": 7, "tid": 7, "parent_exec_id": "Yg==", "uid": 0}});
        let exit = json!({"process": {"exec_id": "YQ==", "pid": 7, "refcnt": 3}, "time": "2030-01-01T00:00:00Z"});
        expect![[r#"
            [
              {
                "process": {
                  "exec_id": "EXEC#1",
                  "parent_exec_id": "EXEC#2",
                  "pid": "PID#1",
                  "tid": "PID#1",
                  "uid": 0
                }
              },
              {
                "process": {
                  "exec_id": "EXEC#1",
                  "pid": "PID#1",
                  "refcnt": "REFCNT"
                },
                "time": "TIME#1"
              }
            ]
        "#]]
        .assert_eq(&golden_text(&[&exec, &exit]));
    }

    #[test]
    fn differences_are_the_lines_between_what_is_equal() {
        assert_eq!(difference("a\nb\nc\n", "a\nb\nc\n"), None);
        assert_eq!(difference("a\nb\nc\n", "a\nx\nc\n").as_deref(), Some("-b\n+x\n"));
        assert_eq!(difference("a\n", "a\na\n").as_deref(), Some("+a\n"));
    }
}
