//! Colours of the compact form: when to use them, and how.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write as _;

/// Value of `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColourMode {
    /// When standard output is a terminal that shows colours and whose user wants them.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What is known of the place that output goes to.
#[derive(Clone, Debug, Default)]
pub struct Terminal<'a> {
    /// Standard output is a terminal.
    pub is_terminal: bool,
    /// The environment variable `NO_COLOR` (<https://no-color.org>): colours are unwanted when it is not empty.
    pub no_color: Option<Cow<'a, OsStr>>,
    /// The environment variable `TERM`: a `dumb` terminal has no colours.
    pub term: Option<Cow<'a, OsStr>>,
}

impl Terminal<'static> {
    /// Standard output and the environment of this process.
    pub fn of_process() -> Self {
        let variable = |name| std::env::var_os(name).map(Cow::Owned);
        Self {
            is_terminal: std::io::IsTerminal::is_terminal(&std::io::stdout()),
            no_color: variable("NO_COLOR"),
            term: variable("TERM"),
        }
    }
}

impl ColourMode {
    /// Whether to write colours to `terminal`.
    pub fn resolve(self, terminal: &Terminal<'_>) -> bool {
        let Terminal {
            is_terminal,
            no_color,
            term,
        } = terminal;
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                *is_terminal
                    && no_color.as_ref().is_none_or(|value| value.is_empty())
                    && term.as_deref() != Some(OsStr::new("dumb"))
            }
        }
    }
}

/// A foreground colour, by its number in the escape sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Blue = 34,
    Magenta = 35,
    Cyan = 36,
}

/// Writes text in colours, or without them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    enabled: bool,
}

impl Paint {
    pub(super) fn new(enabled: bool) -> Self {
        Self { enabled }
    }

    /// Appends `text`, in which nothing may be unprintable.
    pub(super) fn write(self, colour: Colour, text: impl std::fmt::Display, out: &mut String) {
        // Writing to a string cannot fail.
        let _ = if self.enabled {
            write!(out, "\x1b[{}m{text}\x1b[0m", colour as u8)
        } else {
            write!(out, "{text}")
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_wants_a_terminal_with_colours_and_a_user_who_does_not_object() {
        let terminal = |is_terminal, no_color: Option<&'static str>, term: Option<&'static str>| Terminal {
            is_terminal,
            no_color: no_color.map(|value| Cow::Borrowed(OsStr::new(value))),
            term: term.map(|value| Cow::Borrowed(OsStr::new(value))),
        };
        let colours = terminal(true, None, Some("xterm"));
        let cases = [
            (colours.clone(), true),
            (terminal(true, Some(""), Some("xterm")), true),
            (terminal(true, Some("1"), Some("xterm")), false),
            (terminal(true, None, Some("dumb")), false),
            (terminal(true, None, None), true),
            (terminal(false, None, Some("xterm")), false),
        ];
        for (terminal, expected) in cases {
            assert_eq!(ColourMode::Auto.resolve(&terminal), expected, "{terminal:?}");
            assert!(ColourMode::Always.resolve(&terminal));
            assert!(!ColourMode::Never.resolve(&terminal));
        }
    }
}
