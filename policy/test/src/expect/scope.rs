//! Names that expectations refer to: what testers printed, what earlier expectations captured.

use serde_json::{Map, Value};

/// A tree of values, addressed by dotted paths such as `spawn.0.pid`, and captures, addressed by their name alone.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    root: Map<String, Value>,
    captures: Map<String, Value>,
}

impl Scope {
    /// Gives `name` a value.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.root.insert(name.to_owned(), value.into());
    }

    /// Gives what was captured as `name` its value.
    pub fn capture(&mut self, name: &str, value: Value) {
        self.captures.insert(name.to_owned(), value);
    }

    /// What was captured as `name`.
    pub fn captured(&self, name: &str) -> Option<&Value> {
        self.captures.get(name)
    }

    /// The capture called `path`, or else the value at `path`.
    pub fn get(&self, path: &str) -> Option<&Value> {
        if let Some(captured) = self.captured(path) {
            return Some(captured);
        }
        let mut parts = path.split('.');
        let mut value = self.root.get(parts.next()?)?;
        for part in parts {
            value = match value {
                Value::Object(fields) => fields.get(part)?,
                Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// Replaces each `${path}` in `text`. Text that is nothing but one reference becomes the value itself, so that numbers
    /// stay numbers.
    pub fn expand(&self, text: &str) -> Result<Value, String> {
        if let Some(path) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'))
            && !path.contains('}')
        {
            return self
                .get(path)
                .cloned()
                .ok_or_else(|| format!("${{{path}}} has no value"));
        }
        self.expand_text(text).map(Value::String)
    }

    /// As [`Scope::expand`], as text in any case.
    pub fn expand_text(&self, text: &str) -> Result<String, String> {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (path, after) = after
                .split_once('}')
                .ok_or_else(|| format!("no }} after ${{ in {text:?}"))?;
            result.push_str(before);
            let value = self.get(path).ok_or_else(|| format!("${{{path}}} has no value"))?;
            result.push_str(&plain(value));
            rest = after;
        }
        result.push_str(rest);
        Ok(result)
    }
}

/// A scalar as text without quotes; anything else as JSON.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Scope;

    #[test]
    fn references_are_replaced_in_place_and_keep_their_type() {
        let mut scope = Scope::default();
        scope.set("spawn", json!([{ "pid": 7 }]));
        scope.set("dir", "/run/case");
        assert_eq!(scope.expand("${spawn.0.pid}"), Ok(json!(7)));
        assert_eq!(scope.expand("${dir}/${spawn.0.pid}.x"), Ok(json!("/run/case/7.x")));
        assert_eq!(scope.expand("$HOME {}"), Ok(json!("$HOME {}")));
        assert_eq!(
            scope.expand("${spawn.1.pid}"),
            Err("${spawn.1.pid} has no value".to_owned())
        );
        assert!(scope.expand("a ${spawn").is_err());
    }
}
