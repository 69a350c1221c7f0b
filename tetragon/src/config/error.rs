//! What can be wrong with the configuration. Each error is one line that names where the value came from.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The command line.
    CommandLine,
    /// An environment variable.
    Variable(String),
    /// A file that holds this one value.
    DropIn(PathBuf),
    /// A file with many values.
    Yaml(PathBuf),
}

/// Configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line is not understood.
    #[error("{0}")]
    Usage(String),
    /// A value is not possible.
    #[error("{}: {reason}", Place(.origin, .flag))]
    Value {
        /// Name of the flag, without dashes.
        flag: String,
        /// Where the value is.
        origin: Source,
        /// What is wrong with it and what to give instead.
        reason: String,
    },
    /// A feature is asked for that is not there.
    #[error("--{flag} is not supported yet{}", SetBy(.origin, .flag))]
    NotYet {
        /// Name of the flag, without dashes.
        flag: String,
        /// Where the value is.
        origin: Source,
    },
    /// A file or directory cannot be read.
    #[error("read configuration {}: {error}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is not YAML, or not names with values.
    #[error("configuration {}: {reason}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
}

/// The place of a value, as the beginning of a sentence about it.
struct Place<'a>(&'a Source, &'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(source, flag) = self;
        match source {
            Source::Default | Source::CommandLine => write!(f, "--{flag}"),
            Source::Variable(name) => write!(f, "environment variable {name}"),
            Source::DropIn(path) => write!(f, "{}", path.display()),
            Source::Yaml(path) => write!(f, "{}: {flag}", path.display()),
        }
    }
}

/// The place of a value, as the end of a sentence about its flag.
struct SetBy<'a>(&'a Source, &'a str);

impl fmt::Display for SetBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Source::Default | Source::CommandLine => Ok(()),
            source => write!(f, " (set in {})", Place(source, self.1)),
        }
    }
}
