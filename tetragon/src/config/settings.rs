//! The configuration as it came out, for those who ask the running agent.

use std::any::TypeId;

use clap::{ArgAction, ArgMatches, Command};

use super::flags::is_switch;

/// The value of a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Of a switch.
    Switch(bool),
    /// Of a flag that takes a number.
    Number(i64),
    /// Of a flag that can be given several times.
    List(Vec<String>),
    /// Of any other.
    Text(String),
}

/// Every flag of `command` with its value, in alphabetical order.
pub(super) fn settings(command: &Command, matches: &ArgMatches) -> Vec<(String, Setting)> {
    let mut settings: Vec<_> = command
        .get_arguments()
        .filter_map(|arg| Some((arg.get_long()?.to_owned(), setting(arg, matches)?)))
        .collect();
    settings.sort_by(|(a, _), (b, _)| a.cmp(b));
    settings
}

fn setting(arg: &clap::Arg, matches: &ArgMatches) -> Option<Setting> {
    let id = arg.get_id().as_str();
    let kind = arg.get_value_parser().type_id();
    // Help and version have no value.
    let raw = matches.try_get_raw(id).ok()??;
    Some(if is_switch(arg) {
        Setting::Switch(*matches.get_one(id)?)
    } else if kind == TypeId::of::<u64>() {
        Setting::Number(i64::try_from(*matches.get_one::<u64>(id)?).unwrap_or(i64::MAX))
    } else if kind == TypeId::of::<i64>() {
        Setting::Number(*matches.get_one(id)?)
    } else {
        let texts = raw.map(|text| text.to_string_lossy().into_owned());
        let texts: Vec<String> = texts.filter(|text| !text.is_empty()).collect();
        if matches!(arg.get_action(), ArgAction::Append) {
            Setting::List(texts)
        } else {
            Setting::Text(texts.join(","))
        }
    })
}
