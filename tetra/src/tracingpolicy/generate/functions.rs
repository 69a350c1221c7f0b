//! Policies on functions of the kernel.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use anyhow::Context as _;
use policy::leaf::Text;
use policy::place::Spanned;
use policy::spec::{Document, Kprobe, List, ListKind};
use policy::syscalls::{Abi, Syscall};
use regex::Regex;

/// Where the kernel lists the functions that can be traced.
const TRACEABLE: [&str; 2] = [
    "/sys/kernel/tracing/available_filter_functions",
    "/sys/kernel/debug/tracing/available_filter_functions",
];

/// Types of the running kernel.
const TYPES: &str = "/sys/kernel/btf/vmlinux";

/// A hook for each system call.
pub(super) fn syscalls() -> Document {
    let mut document = Document::new("syscalls");
    document.spec.kprobes = names().map(|name| kprobe(name, true)).collect();
    document
}

/// A hook for a list of all system calls.
pub(super) fn syscall_list() -> Document {
    let mut document = Document::new("syscalls");
    document
        .spec
        .lists
        .push(list("syscalls", Some(ListKind::Syscalls), names()));
    document.spec.kprobes.push(kprobe("list:syscalls".into(), true));
    document
}

/// A hook for a list of functions that can be traced and match `pattern`.
pub(super) fn traceable(pattern: &str) -> anyhow::Result<Document> {
    let pattern = Regex::new(pattern).context("--regex")?;
    let path = TRACEABLE
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or(TRACEABLE[0]);
    let text =
        std::fs::read_to_string(path).with_context(|| format!("read {path}: run as root, with tracefs mounted"))?;
    let names = matching(&text, &pattern);
    anyhow::ensure!(!names.is_empty(), "no function that can be traced matches --regex");
    let mut document = Document::new("ftrace");
    document
        .spec
        .lists
        .push(list("ftrace", None, names.into_iter().map(str::to_owned)));
    document.spec.kprobes.push(kprobe("list:ftrace".into(), false));
    Ok(document)
}

/// Functions in the kernel's list: a name a line, behind it the module in brackets.
fn matching<'a>(list: &'a str, pattern: &Regex) -> BTreeSet<&'a str> {
    let names = list.lines().filter_map(|line| line.split_ascii_whitespace().next());
    names.filter(|name| pattern.is_match(name)).collect()
}

/// The system calls by number: those of the running kernel, if that can be told.
fn names() -> impl Iterator<Item = String> {
    let bytes = std::fs::read(TYPES).unwrap_or_default();
    let types = btf::Btf::parse(&bytes).ok();
    let functions: Option<HashSet<&str>> = types.as_ref().map(|types| types.functions().collect());
    let is_there = |name: &str| {
        let (Some(functions), Some(call)) = (&functions, Syscall::parse(name)) else {
            return true;
        };
        call.symbols().iter().any(|symbol| functions.contains(symbol.as_str()))
    };
    let mut calls: Vec<(u32, &str)> = Abi::NATIVE.syscalls().map(|(name, number)| (number, name)).collect();
    calls.retain(|(_, name)| is_there(name));
    calls.sort_unstable();
    calls.into_iter().map(|(_, name)| format!("sys_{name}"))
}

fn kprobe(call: String, syscall: bool) -> Kprobe {
    Kprobe {
        call: Spanned::nowhere(call),
        syscall: Spanned::nowhere(syscall),
        ..Kprobe::default()
    }
}

fn list(name: &str, kind: Option<ListKind>, values: impl Iterator<Item = String>) -> List {
    List {
        name: Spanned::nowhere(name.to_owned()),
        kind: kind.map(Spanned::nowhere),
        values: values.map(|value| Spanned::nowhere(Text(value))).collect(),
        ..List::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_listed_once_and_without_their_module() {
        let list = "ksys_read\nksys_write\next4_sync_fs [ext4]\nksys_read\n";
        let matching: Vec<_> = matching(list, &Regex::new("^ksys_|ext4").unwrap())
            .into_iter()
            .collect();
        assert_eq!(matching, ["ext4_sync_fs", "ksys_read", "ksys_write"]);
    }
}
