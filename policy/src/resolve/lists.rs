//! Named lists.

use std::collections::HashSet;

use super::Context;
use crate::model::Functions;
use crate::place::{Place, Spanned};
use crate::spec::{List, ListKind, Str};
use crate::suggest;
use crate::syscalls::Syscall;

/// Bytes of memory that a pattern may need: names of functions are matched by much simpler ones.
const PATTERN_MAX: usize = 256 << 10;

/// A list that can be referred to. Without members when something in it is wrong.
pub(super) struct Named {
    name: String,
    members: Option<Functions>,
}

/// Resolves all lists.
pub(super) fn resolve(lists: &[List], cx: &mut Context<'_>) -> Vec<Named> {
    cx.at_most(cx.limits.lists, lists.iter().map(|list| &list.place), "lists");
    let mut all: Vec<Named> = Vec::new();
    for list in lists.iter().take(cx.limits.lists) {
        if all.iter().any(|other| other.name == list.name.value) && !list.name.is_empty() {
            cx.error(
                &list.name.place,
                format!("another list has the name `{}`", list.name.value),
            );
        }
        let members = if list.broken { None } else { members(list, cx) };
        all.push(Named {
            name: list.name.value.clone(),
            members,
        });
    }
    all
}

fn members(list: &List, cx: &mut Context<'_>) -> Option<Functions> {
    let kind = list.kind.as_ref().map(|kind| kind.value);
    let errors = cx.diagnostics.errors();
    match (&list.pattern, kind) {
        (None, Some(ListKind::GeneratedFtrace)) => {
            cx.error(&list.place, "a list of type generated_ftrace needs a pattern");
        }
        (Some(pattern), Some(ListKind::GeneratedFtrace)) => {
            if let Err(error) = regex::RegexBuilder::new(pattern).size_limit(PATTERN_MAX).build() {
                let reason = error.to_string();
                let reason = reason
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ")
                    .to_owned();
                cx.error(&pattern.place, format!("no regular expression: {reason}"));
            }
        }
        (Some(pattern), _) => {
            cx.error(&pattern.place, "only lists of type generated_ftrace have a pattern");
        }
        (None, _) => {}
    }
    let generated = matches!(kind, Some(ListKind::GeneratedSyscalls | ListKind::GeneratedFtrace));
    match list.values.first() {
        Some(value) if generated => {
            cx.error(&value.place, "a generated list has no values of its own");
        }
        None if !generated => {
            cx.error(&list.place, "the list is empty").help("it needs values");
        }
        _ => {}
    }
    let members = match kind {
        None => {
            let mut seen = HashSet::new();
            let mut names = Vec::new();
            for value in &list.values {
                function_name(&value.0, &value.place, cx);
                if seen.insert(value.0.as_str()) {
                    names.push(value.0.clone());
                }
            }
            Functions::Named(names)
        }
        Some(ListKind::Syscalls) => {
            let mut seen = HashSet::new();
            let syscalls = list
                .values
                .iter()
                .filter_map(|value| syscall(&value.0, &value.place, cx));
            Functions::Syscalls(syscalls.filter(|syscall| seen.insert(syscall.id())).collect())
        }
        Some(ListKind::GeneratedSyscalls) => Functions::AllSyscalls,
        Some(ListKind::GeneratedFtrace) => Functions::Matching(
            list.pattern
                .as_ref()
                .map(|pattern| pattern.value.clone())
                .unwrap_or_default(),
        ),
    };
    (cx.diagnostics.errors() == errors).then_some(members)
}

/// The members of the list of this name. Reports a name that no list has.
pub(super) fn find<'a>(lists: &'a [Named], name: &str, place: &Place, cx: &mut Context<'_>) -> Option<&'a Functions> {
    let Some(list) = lists.iter().find(|list| list.name == name) else {
        let names = lists.iter().map(|list| list.name.as_str());
        let help = if lists.is_empty() {
            "spec.lists has none".into()
        } else {
            suggest::allowed(name, names)
        };
        cx.error(place, format!("no list has the name `{}`", crate::yaml::shorten(name)))
            .help(help);
        return None;
    };
    let members = list.members.as_ref()?;
    cx.refer(members.count(), place).then_some(members)
}

/// A system call by name.
pub(super) fn syscall(text: &str, place: &Place, cx: &mut Context<'_>) -> Option<Syscall> {
    let syscall = Syscall::parse(text);
    if syscall.is_none() {
        let help = if cx.diagnostics.is_full() {
            String::new()
        } else {
            Syscall::help(text)
        };
        cx.error(place, format!("`{}` is no system call", crate::yaml::shorten(text)))
            .help(help);
    }
    syscall
}

/// Checks the form of a function's name.
pub(super) fn function_name(text: &str, place: &Place, cx: &mut Context<'_>) {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$');
    if text.is_empty() {
        cx.error(place, "the name is empty");
    } else if !text.bytes().all(valid) || text.starts_with(|c: char| c.is_ascii_digit()) {
        cx.error(
            place,
            format!("`{}` is no name of a function", crate::yaml::shorten(text)),
        );
    }
}

/// What a `call` of a kprobe or an enforcer names: a list, or the one function itself.
pub(super) enum Call<'a> {
    List(Option<&'a Functions>),
    One(&'a str),
}

/// Takes `list:NAME` apart.
pub(super) fn call<'a>(call: &'a Str, lists: &'a [Named], cx: &mut Context<'_>) -> Call<'a> {
    let Spanned { value, place } = call;
    match value.strip_prefix("list:") {
        Some(name) => Call::List(find(lists, name, place, cx)),
        None => Call::One(value),
    }
}
