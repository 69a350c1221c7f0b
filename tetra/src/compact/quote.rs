//! Text of unknown origin on one line: quoted when it must be, and never able to reach the terminal as anything else.
//!
//! Quoted text has the form of a Go string literal. Printable are letters, marks, numbers, punctuation, symbols and the
//! ASCII space, by their Unicode category; so neither control characters nor format characters (such as U+202E, which
//! reverses what follows) nor other spaces.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;

static PRINTABLE: LazyLock<Regex> = LazyLock::new(|| match Regex::new(r"\A[\p{L}\p{M}\p{N}\p{P}\p{S} ]*\z") {
    Ok(regex) => regex,
    Err(error) => unreachable!("the pattern is constant: {error}"),
});

fn printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) || PRINTABLE.is_match(text)
}

/// `text`, quoted if it contains a space or something that is not printable.
pub(super) fn word(text: &str) -> Cow<'_, str> {
    if text.contains(' ') {
        Cow::Owned(quoted(text))
    } else {
        name(text)
    }
}

/// `text`, quoted if it contains something that is not printable.
pub(super) fn name(text: &str) -> Cow<'_, str> {
    if printable(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(quoted(text))
    }
}

/// `text` with what is not printable replaced by its escape sequence, for messages.
pub fn escape(text: &str) -> Cow<'_, str> {
    if printable(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        push(character, &mut out);
    }
    Cow::Owned(out)
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
            out.push(character);
        } else {
            push(character, &mut out);
        }
    }
    out.push('"');
    out
}

fn push(character: char, out: &mut String) {
    if printable(character.encode_utf8(&mut [0; 4])) {
        out.push(character);
        return;
    }
    let code = u32::from(character);
    // Writing to a string cannot fail.
    let _ = match character {
        '\x07' => out.write_str(r"\a"),
        '\x08' => out.write_str(r"\b"),
        '\x0c' => out.write_str(r"\f"),
        '\n' => out.write_str(r"\n"),
        '\r' => out.write_str(r"\r"),
        '\t' => out.write_str(r"\t"),
        '\x0b' => out.write_str(r"\v"),
        '\0'..=' ' | '\x7f' => write!(out, r"\x{code:02x}"),
        '\u{80}'..='\u{ffff}' => write!(out, r"\u{code:04x}"),
        _ => write!(out, r"\U{code:08x}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_like_go_strings() {
        let cases = [
            ("", ""),
            ("plain", "plain"),
            ("say\"hi\"", "say\"hi\""),
            (r"back\slash", r"back\slash"),
            ("two words", r#""two words""#),
            (r#"-c "ls -la""#, r#""-c \"ls -la\"""#),
            (r"a\ b", r#""a\\ b""#),
            ("naïve→日本", "naïve→日本"),
            ("e\u{301}", "e\u{301}"),
            ("\u{fffd}", "\u{fffd}"),
            ("a\nb\tc\rd", r#""a\nb\tc\rd""#),
            ("\x07\x08\x0b\x0c\0\x7f", r#""\a\b\v\f\x00\x7f""#),
            ("\x1b[31mred", r#""\x1b[31mred""#),
            ("\u{85}", r#""\u0085""#),
            ("\u{a0}", r#""\u00a0""#),
            ("gpj\u{202e}exe", r#""gpj\u202eexe""#),
            ("\u{e0001}", r#""\U000e0001""#),
            ("\u{e000}", r#""\ue000""#),
        ];
        for (text, expected) in cases {
            assert_eq!(word(text), expected, "{text:?}");
        }
    }

    #[test]
    fn names_keep_their_spaces_and_messages_their_quotes() {
        assert_eq!(name("two words"), "two words");
        assert_eq!(name("two\nlines"), r#""two\nlines""#);
        assert_eq!(escape("say \"hi\"\x1b[0m"), r#"say "hi"\x1b[0m"#);
    }
}
