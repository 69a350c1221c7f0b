//! What is said, on standard error, about events that cannot be printed.
//!
//! What would be said of every event is said once.

use std::fmt::Display;
use std::io::Write;

use crate::compact::{self, escape};

/// The notes of one run.
#[derive(Debug)]
pub struct Notes<W> {
    to: W,
    said: Vec<compact::Error>,
}

impl<W: Write> Notes<W> {
    /// Notes that go to `to`.
    pub fn new(to: W) -> Self {
        Self { to, said: Vec::new() }
    }

    /// Says `note` about `what`.
    pub fn say(&mut self, what: impl Display, note: impl Display) {
        let line = format!("{what}: {note}");
        // Without standard error there is nobody to tell.
        let _ = writeln!(self.to, "{}", escape(&line));
    }

    /// Says that the event of `what` has no compact form. Does not repeat itself.
    pub fn unprintable(&mut self, what: impl Display, error: compact::Error) {
        if self.said.contains(&error) {
            return;
        }
        match error {
            compact::Error::RateLimited { .. } => self.say(what, error),
            compact::Error::MissingProcess | compact::Error::UnknownType => {
                self.said.push(error);
                self.say(what, format_args!("{error} (said once)"));
            }
        }
    }
}
