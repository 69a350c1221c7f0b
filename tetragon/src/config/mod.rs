//! Configuration: from flags, environment variables and files to one typed [`Config`].
//!
//! `flags.rs` is the one definition of all names. A value on the command line is stronger than one in the environment
//! (`TETRAGON_EXPORT_FILENAME`), that is stronger than one in a file (see `layers.rs`), and that than the default. Only
//! the strongest value counts; if it is wrong, the error names the place that it is in.
//!
//! What was typed stays apart from what it means: `Flags` holds values, [`Config`] holds what the parts of the
//! agent are to do, checked together and destructured in one place.

mod environment;
mod error;
mod flags;
mod layers;
mod not_yet;
mod parse;
mod resolve;
mod settings;
#[cfg(test)]
mod tests;
mod values;
mod yaml;

pub use environment::{Environment, System};
pub use error::{Error, Source};
pub use resolve::Config;
pub use settings::Setting;

use std::ffi::OsString;

/// Where policies are looked for unless told otherwise.
pub const POLICY_DIR: &str = "/etc/tetragon/tetragon.tp.d";

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// To print this text, the help or the version, and to end.
    Print(String),
    /// To run.
    Run(Box<Config>),
}

/// Reads the configuration. `arguments` begin with the program's name.
pub fn load(arguments: impl IntoIterator<Item = OsString>, environment: &dyn Environment) -> Result<Command, Error> {
    Ok(match parse::parse(arguments, environment)? {
        parse::Outcome::Text(text) => Command::Print(text),
        parse::Outcome::Parsed(parsed) => Command::Run(Box::new(resolve::resolve(*parsed, environment)?)),
    })
}
