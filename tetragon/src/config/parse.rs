//! From the command line, the environment and files to [`Flags`], each value knowing where it came from.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::environment::Environment;
use super::flags::{Flags, command, takes_empty};
use super::layers::{self, Layers};
use super::settings::{Setting, settings};
use super::{Error, Source, not_yet};

/// Values and where they came from.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) flags: Flags,
    pub(super) sources: Sources,
    /// The directory of `--config-dir`.
    pub(super) config_dir: Option<PathBuf>,
    /// Names in files that are no flags, with their place.
    pub(super) unknown: Vec<String>,
    /// Every flag with its value.
    pub(super) settings: Vec<(String, Setting)>,
}

/// Help or the version was asked for: this text.
#[derive(Debug)]
pub(super) enum Outcome {
    Text(String),
    Parsed(Box<Parsed>),
}

/// Where the values that are not defaults came from, by flag.
#[derive(Debug, Default)]
pub(super) struct Sources(BTreeMap<String, Source>);

impl Sources {
    pub(super) fn of(&self, flag: &str) -> Source {
        self.0.get(flag).cloned().unwrap_or(Source::Default)
    }

    /// An error about the value of `flag`.
    pub(super) fn error(&self, flag: &str, reason: impl Display) -> Error {
        Error::Value {
            flag: flag.to_owned(),
            origin: self.of(flag),
            reason: reason.to_string(),
        }
    }
}

/// Reads all layers. `arguments` begin with the program's name.
pub(super) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &dyn Environment,
) -> Result<Outcome, Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let command = command();
    let typed = match command.clone().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Outcome::Text(error.render().to_string())),
        Err(error) => return Err(usage(&error)),
    };
    let is_typed = |flag: &str| typed.value_source(id(&command, flag)) == Some(ValueSource::CommandLine);

    let mut layers = Layers::default();
    layers.read_defaults(environment)?;
    let config_dir = if is_typed("config-dir") {
        (typed.get_one::<String>("config_dir").cloned(), Source::CommandLine)
    } else if let Some((name, value)) = variable(environment, "config-dir") {
        (Some(text("config-dir", &name, value)?), Source::Variable(name))
    } else {
        match layers.get("config-dir") {
            Some((value, source)) => (Some(value.to_owned()), source.clone()),
            None => (None, Source::Default),
        }
    };
    let (config_dir, source) = config_dir;
    let config_dir = config_dir.filter(|directory| !directory.is_empty()).map(PathBuf::from);
    if let Some(directory) = &config_dir {
        layers.read_required(directory, &source, environment)?;
    }

    let mut sources = Sources::default();
    let mut words: Vec<OsString> = arguments.first().cloned().into_iter().collect();
    let mut unknown = Vec::new();
    let mut set_in_files = layers.into_settings();
    for arg in command.get_arguments() {
        let Some(flag) = arg.get_long() else { continue };
        let from_files = set_in_files.remove(flag);
        if is_typed(flag) {
            sources.0.insert(flag.to_owned(), Source::CommandLine);
            continue;
        }
        let set = match variable(environment, flag) {
            Some((name, value)) => Some((text(flag, &name, value)?, Source::Variable(name))),
            None => from_files,
        };
        if let Some((value, source)) = set
            && (takes_empty(arg) || !value.is_empty())
        {
            words.push(word(flag, &value));
            sources.0.insert(flag.to_owned(), source);
        }
    }
    for (name, (_, source)) in set_in_files {
        unknown.push(layers::place(&name, &source));
    }

    let set = words.len();
    words.extend(arguments.into_iter().skip(1));
    let matches = match command.clone().try_get_matches_from(&words) {
        Ok(matches) => matches,
        // What was typed is fine by itself, so one of the others is wrong.
        Err(error) => return Err(culprit(&command, &words[1..set], &sources).unwrap_or(Error::Usage(line(&error)))),
    };
    if let Some(flag) = not_yet::asked_for(&matches) {
        return Err(Error::NotYet {
            flag: flag.to_owned(),
            origin: sources.of(flag),
        });
    }
    Ok(Outcome::Parsed(Box::new(Parsed {
        flags: Flags::from_matches(&matches)?,
        sources,
        config_dir,
        unknown,
        settings: settings(&command, &matches),
    })))
}

/// Name by which clap knows `flag`.
fn id<'a>(command: &'a Command, flag: &str) -> &'a str {
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(flag));
    arg.map_or("", |arg| arg.get_id().as_str())
}

/// The environment variable of `flag`, when it is there and not empty.
fn variable(environment: &dyn Environment, flag: &str) -> Option<(String, OsString)> {
    let name = format!("TETRAGON_{}", flag.to_ascii_uppercase().replace('-', "_"));
    let value = environment.variable(&name).filter(|value| !value.is_empty())?;
    Some((name, value))
}

fn text(flag: &str, variable: &str, value: OsString) -> Result<String, Error> {
    value.into_string().map_err(|_| Error::Value {
        flag: flag.to_owned(),
        origin: Source::Variable(variable.to_owned()),
        reason: "not UTF-8".into(),
    })
}

fn word(flag: &str, value: &str) -> OsString {
    format!("--{flag}={value}").into()
}

/// The first of `words`, each a flag with its value, that is wrong.
fn culprit(command: &Command, words: &[OsString], sources: &Sources) -> Option<Error> {
    let alone = |word: &OsString| -> Result<ArgMatches, clap::Error> {
        command
            .clone()
            .try_get_matches_from([OsStr::new("tetragon"), word.as_os_str()])
    };
    words.iter().find_map(|word| {
        let error = alone(word).err()?;
        let (flag, _) = word.to_str()?.strip_prefix("--")?.split_once('=')?;
        Some(sources.error(flag, reason(&error)))
    })
}

/// An error about the command line, in the form that errors about other places have, if it is about a value.
fn usage(error: &clap::Error) -> Error {
    let flag = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(arg)) => arg.strip_prefix("--").and_then(|arg| arg.split([' ', '=', '[']).next()),
        _ => None,
    };
    match flag.filter(|_| std::error::Error::source(error).is_some()) {
        Some(flag) => Error::Value {
            flag: flag.to_owned(),
            origin: Source::CommandLine,
            reason: reason(error),
        },
        None => Error::Usage(line(error)),
    }
}

/// What is wrong with a value.
fn reason(error: &clap::Error) -> String {
    let cause = std::error::Error::source(error);
    match (error.get(ContextKind::InvalidValue), cause) {
        (Some(ContextValue::String(value)), Some(cause)) => format!("{value:?}: {cause}"),
        _ => line(error),
    }
}

/// `error` in one line, without usage and help.
pub(super) fn line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let message = text.strip_prefix("error: ").unwrap_or(&text);
    let lines = message
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let lines: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}
