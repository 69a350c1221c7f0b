//! What is wrong with a file, all of it.
//!
//! A bad policy is normal input. Reading never stops at the first problem: whatever can still be understood is
//! checked too, so that a user fixes a file once.

use std::fmt;

use crate::place::Place;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The policy loads; what is said should be known.
    Warning,
    /// The policy is refused.
    Error,
}

/// One problem of a file.
///
/// Displays as `line:column: path: message (help)`; the caller puts the file's name in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it keeps the policy from being loaded.
    pub severity: Severity,
    /// Where it is.
    pub place: Place,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What is allowed, or what to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Adds what is allowed or what to do.
    pub fn help(&mut self, help: impl Into<String>) {
        self.help = Some(help.into());
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            severity,
            place,
            message,
            help,
        } = self;
        if place.line > 0 {
            write!(f, "{}:{}: ", place.line, place.column)?;
        }
        if *severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        let path = place.path.to_string();
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        f.write_str(message)?;
        match help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// The problems found so far.
#[derive(Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    errors: usize,
    full: bool,
    overflow: Option<Diagnostic>,
}

impl Diagnostics {
    /// At most this many problems of a file are kept. A file with more has one mistake repeated, or is no policy.
    pub const MAX: usize = 200;

    /// Notes an error.
    pub fn error(&mut self, place: &Place, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Error, place, message.into())
    }

    /// Notes something that does not keep the policy from being loaded.
    pub fn warning(&mut self, place: &Place, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Warning, place, message.into())
    }

    fn push(&mut self, severity: Severity, place: &Place, message: String) -> &mut Diagnostic {
        let diagnostic = Diagnostic {
            severity,
            place: place.clone(),
            message,
            help: None,
        };
        if severity == Severity::Error {
            self.errors += 1;
        }
        if self.list.len() < Self::MAX {
            self.list.push(diagnostic);
            let last = self.list.len() - 1;
            &mut self.list[last]
        } else {
            self.full = true;
            self.overflow.insert(diagnostic)
        }
    }

    /// How many errors were noted, also those that were not kept.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Whether no more problems are kept, so that looking for more is of no use.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// The problems in the order of the file.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|d| (d.place.line, d.place.column));
        if self.full {
            self.list.push(Diagnostic {
                severity: Severity::Error,
                place: Place::default(),
                message: "more problems are not shown".into(),
                help: None,
            });
        }
        self.list
    }
}
