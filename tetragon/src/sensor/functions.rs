//! Functions of the running kernel that can be traced, by pattern and by name.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader},
};

use regex::Regex;

/// Functions that one pattern may match: each is a hook point.
const FUNCTIONS: usize = 1_024;

/// Where the kernel lists the functions that can be traced: tracefs by itself, and in debugfs.
const LISTS: [&str; 2] = [
    "/sys/kernel/tracing/available_filter_functions",
    "/sys/kernel/debug/tracing/available_filter_functions",
];

/// Names of the functions that can be traced and match `pattern`, in order. The error is a sentence.
pub(super) fn matching(pattern: &str) -> Result<Vec<String>, String> {
    let regex = Regex::new(pattern).map_err(|error| format!("pattern {pattern:?}: {error}"))?;
    select(list()?, &regex)
}

/// The first of `names` that can be traced, if any. The error is a sentence.
pub(super) fn first<'a>(names: &[&'a str]) -> Result<Option<&'a str>, String> {
    Ok(first_in(list()?, names))
}

/// Leaves those of `names` that can be traced. The kernel has copies of inline functions, and others marked `notrace`, that
/// are functions like any other but for that; where it does not say which, all stay.
pub(super) fn retain_traceable(names: &mut Vec<&String>) {
    if names.is_empty() {
        return;
    }
    let Ok(list) = list() else { return };
    let mut there = BTreeSet::new();
    each(list, |name| {
        if names.iter().any(|wanted| *wanted == name) {
            there.insert(name.to_owned());
        }
    });
    names.retain(|name| there.contains(*name));
}

fn list() -> Result<BufReader<File>, String> {
    let mut failed = String::new();
    for path in LISTS {
        match File::open(path) {
            Ok(file) => return Ok(BufReader::new(file)),
            Err(error) => failed = format!("{path}: {error}: mount tracefs"),
        }
    }
    Err(failed)
}

/// Hands each function of the list to `visit`.
fn each(list: impl BufRead, mut visit: impl FnMut(&str)) {
    for line in list.lines().map_while(Result::ok) {
        // Behind it, in brackets, the module. Places whose name the kernel has lost are no functions.
        let name = line.split_ascii_whitespace().next().unwrap_or_default();
        if !name.starts_with("__ftrace_invalid_address___") {
            visit(name);
        }
    }
}

fn first_in<'a>(list: impl BufRead, names: &[&'a str]) -> Option<&'a str> {
    let mut first = names.len();
    each(list, |name| {
        let better = names[..first].iter().position(|wanted| *wanted == name);
        first = better.unwrap_or(first);
    });
    names.get(first).copied()
}

fn select(list: impl BufRead, regex: &Regex) -> Result<Vec<String>, String> {
    let mut names = BTreeSet::new();
    each(list, |name| {
        if regex.is_match(name) {
            names.insert(name.to_owned());
        }
    });
    match names.len() {
        0 => Err(format!("no function of the kernel matches {:?}", regex.as_str())),
        count if count > FUNCTIONS => Err(format!(
            "{count} functions of the kernel match {:?}: at most {FUNCTIONS} can be hooked at once",
            regex.as_str()
        )),
        _ => Ok(names.into_iter().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_choice_that_can_be_traced() {
        let first = |list: &str| first_in(list.as_bytes(), &["best", "good"]);
        assert_eq!(first("other\ngood\nbest [module]\n"), Some("best"));
        assert_eq!(first("best\ngood\n"), Some("best"));
        assert_eq!(first("good\nbest_of_all\n"), Some("good"));
        assert_eq!(first("other\n"), None);
    }

    #[test]
    fn functions_that_match_each_once() {
        let list = "ksys_write\nksys_read\nksys_read [module]\nvfs_read\n__ftrace_invalid_address___ksys_12\n";
        let select = |pattern: &str| select(list.as_bytes(), &Regex::new(pattern).unwrap());
        assert_eq!(select("^ksys_").unwrap(), ["ksys_read", "ksys_write"]);
        assert!(select("^nothing").unwrap_err().starts_with("no function"));
        let many: Vec<String> = (0..2_000).map(|number| format!("f{number}")).collect();
        let error = super::select(many.join("\n").as_bytes(), &Regex::new("f").unwrap()).unwrap_err();
        assert!(error.starts_with("2000 functions"), "{error}");
    }
}
