//! Text, numbers and booleans as a policy writes them.
//!
//! Kubernetes takes YAML 1.1, other tools 1.2. Where both agree there is nothing to say; where they do not, what a user
//! of Kubernetes means is taken: `yes` is true in a boolean field, `0x10` and `010` are numbers in a number field.

use crate::object::{Leaf, Wrong};
use crate::yaml::Out;

/// Whether a plain scalar is a number or a boolean to every reader of YAML, so that it is no string.
fn is_not_text(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
        || text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+'))
            && (number(text).is_some() || text.parse::<f64>().is_ok())
}

/// A whole number: decimal, `0x…` hexadecimal, `0o…` or `0…` octal, `0b…` binary, with or without sign.
///
/// The grammar of Go's `strconv` with base 0, which decides what Tetragon accepts; without underscores.
pub fn number(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(hex) = lower.strip_prefix("0x") {
        (16, hex)
    } else if let Some(octal) = lower.strip_prefix("0o") {
        (8, octal)
    } else if let Some(binary) = lower.strip_prefix("0b") {
        (2, binary)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    // `from_str_radix` would take a second sign.
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

impl Leaf for String {
    const KIND: &'static str = "text";

    fn parse(text: &str, plain: bool) -> Result<Self, Wrong> {
        if plain && is_not_text(text) {
            return Err(Wrong::Value(
                format!("expected text, found `{text}`"),
                format!("write \"{text}\""),
            ));
        }
        Ok(text.into())
    }

    fn print(&self) -> Out {
        Out::Text(self.clone())
    }
}

/// Text that may be a number without quotes: the values of filters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(pub String);

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Leaf for Text {
    const KIND: &'static str = "text";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        Ok(Self(text.into()))
    }

    fn print(&self) -> Out {
        // Quoted by the printer where Kubernetes would take it for a number.
        Out::Text(self.0.clone())
    }
}

impl Leaf for bool {
    const KIND: &'static str = "true or false";

    fn parse(text: &str, plain: bool) -> Result<Self, Wrong> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" if plain => Ok(true),
            "false" | "no" | "off" if plain => Ok(false),
            _ => Err(Wrong::Kind),
        }
    }

    fn print(&self) -> Out {
        Out::Plain(self.to_string())
    }
}

macro_rules! integer {
    ($($type:ty, $kind:literal;)*) => {$(
        impl Leaf for $type {
            const KIND: &'static str = $kind;

            fn parse(text: &str, plain: bool) -> Result<Self, Wrong> {
                let number = number(text).filter(|_| plain).ok_or(Wrong::Kind)?;
                Self::try_from(number).map_err(|_| {
                    Wrong::Value(format!("`{text}` is out of range"), format!("{} to {}", <$type>::MIN, <$type>::MAX))
                })
            }

            fn print(&self) -> Out {
                Out::Plain(self.to_string())
            }
        }
    )*};
}

integer! {
    u32, "a number from 0";
    i32, "a number";
    u64, "a number from 0";
    i64, "a number";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_bases_of_go() {
        for (text, value) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("+7", Some(7)),
            ("0x1F", Some(31)),
            ("-0X10", Some(-16)),
            ("0644", Some(420)),
            ("0o17", Some(15)),
            ("0b101", Some(5)),
            ("18446744073709551615", Some(i128::from(u64::MAX))),
            ("", None),
            ("-", None),
            ("0x", None),
            ("--1", None),
            ("0x-1", None),
            ("08", None),
            ("1_000", None),
            ("1.5", None),
            ("ten", None),
        ] {
            assert_eq!(number(text), value, "{text}");
        }
    }
}
