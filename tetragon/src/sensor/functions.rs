//! Functions of the running kernel by pattern.

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
    let mut failed = String::new();
    for path in LISTS {
        match File::open(path) {
            Ok(file) => return select(BufReader::new(file), &regex),
            Err(error) => failed = format!("{path}: {error}: mount tracefs"),
        }
    }
    Err(failed)
}

fn select(list: impl BufRead, regex: &Regex) -> Result<Vec<String>, String> {
    let mut names = BTreeSet::new();
    for line in list.lines().map_while(Result::ok) {
        // Behind it, in brackets, the module. Places whose name the kernel has lost are no functions.
        let name = line.split_ascii_whitespace().next().unwrap_or_default();
        if !name.starts_with("__ftrace_invalid_address___") && regex.is_match(name) {
            names.insert(name.to_owned());
        }
    }
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
