//! A tree of values to text, always in the same form.

use std::fmt::Write as _;

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    /// A number or a boolean, as it is.
    Plain(String),
    /// A string, quoted when it could be read as something else.
    Text(String),
    /// A list.
    List(Vec<Out>),
    /// A mapping.
    Map(Vec<(String, Out)>),
}

/// The text of a document, without `---`.
pub fn emit(out: &Out) -> String {
    let mut text = String::new();
    block(out, 0, false, &mut text);
    text
}

fn block(out: &Out, indent: usize, in_list: bool, text: &mut String) {
    match out {
        Out::Plain(value) => text.push_str(value),
        Out::Text(value) => text.push_str(&quoted(value)),
        Out::List(items) if items.is_empty() => text.push_str("[]"),
        Out::Map(entries) if entries.is_empty() => text.push_str("{}"),
        Out::List(items) => {
            for (i, item) in items.iter().enumerate() {
                if i > 0 || !in_list {
                    pad(indent, text);
                }
                text.push_str("- ");
                block(item, indent + 2, true, text);
                end_line(text);
            }
        }
        Out::Map(entries) => {
            for (i, (key, value)) in entries.iter().enumerate() {
                if i > 0 || !in_list {
                    pad(indent, text);
                }
                text.push_str(&quoted(key));
                text.push(':');
                match value {
                    Out::List(items) if !items.is_empty() => {
                        text.push('\n');
                        block(value, indent, false, text);
                    }
                    Out::Map(entries) if !entries.is_empty() => {
                        text.push('\n');
                        block(value, indent + 2, false, text);
                    }
                    _ => {
                        text.push(' ');
                        block(value, indent, false, text);
                    }
                }
                end_line(text);
            }
        }
    }
}

fn pad(indent: usize, text: &mut String) {
    for _ in 0..indent {
        text.push(' ');
    }
}

fn end_line(text: &mut String) {
    if !text.ends_with('\n') {
        text.push('\n');
    }
}

/// A string as YAML: without quotes only where every reader of YAML takes it for a string.
fn quoted(value: &str) -> String {
    let first = value.chars().next();
    let safe_start = first.is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '/' | '.'));
    let safe = value
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'));
    let word = matches!(
        value.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "null" | ".nan" | ".inf"
    );
    let number = first == Some('.') && value.chars().nth(1).is_none_or(|c| c.is_ascii_digit());
    if safe_start && safe && !word && !number {
        return value.into();
    }
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            c if (c as u32) < 0x20 || (0x7f..0xa0).contains(&(c as u32)) => {
                let _ = write!(text, "\\x{:02x}", c as u32);
            }
            c if matches!(c as u32, 0xa0 | 0x2028 | 0x2029 | 0xfeff | 0xfffe | 0xffff) => {
                let _ = write!(text, "\\u{:04x}", c as u32);
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
