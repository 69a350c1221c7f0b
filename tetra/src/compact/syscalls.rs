//! Names and parameters of system calls, for the tracepoint `raw_syscalls/sys_enter`.
//!
//! Numbers are those of Linux 6.18 and older, one file an ABI: their values never change, new ones are added at the
//! end. Parameters are of the system calls of 64-bit kernels, in the names and types that the kernel itself uses.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use tetragon_api::v1::KprobeArgument;
use tetragon_api::v1::kprobe_argument::Arg;

/// The ABI of numbers that come without one, and the one not worth a mention.
const DEFAULT: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };

const TABLES: [(&str, &str); 4] = [
    ("x64", include_str!("syscalls/x64.txt")),
    ("i386", include_str!("syscalls/i386.txt")),
    ("arm64", include_str!("syscalls/arm64.txt")),
    ("arm32", include_str!("syscalls/arm32.txt")),
];

type Names = HashMap<i64, &'static str>;

/// Names by number, for each ABI. A line is a number, a space, a name.
static NAMES: LazyLock<HashMap<&'static str, Names>> = LazyLock::new(|| {
    let entry = |line: &'static str| {
        let (number, name) = line.split_once(' ')?;
        Some((number.parse().ok()?, name))
    };
    TABLES
        .into_iter()
        .map(|(abi, table)| (abi, table.lines().filter_map(entry).collect()))
        .collect()
});

/// Parameters by name: those between the parentheses of a line.
static PARAMETERS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let line = |line: &'static str| line.strip_suffix(')')?.split_once('(');
    include_str!("syscalls/prototypes.txt")
        .lines()
        .filter_map(line)
        .collect()
});

/// The call that `args`, of an event of `sys_enter`, stand for: the system call's number, then its own arguments.
pub(super) fn call(args: &[KprobeArgument]) -> String {
    let (abi, number) = match args.first().and_then(|argument| argument.arg.as_ref()) {
        Some(Arg::LongArg(number)) => (DEFAULT, *number),
        Some(Arg::SyscallId(call)) => (call.abi.as_str(), i64::from(call.id)),
        _ => return "unknown".into(),
    };
    let Some(name) = NAMES.get(abi).and_then(|names| names.get(&number)) else {
        return "unknown".into();
    };
    if abi != DEFAULT {
        return format!("{abi}/{name}");
    }
    let Some(parameters) = PARAMETERS.get(name) else {
        return (*name).into();
    };
    let mut out = format!("{name}(");
    for (index, parameter) in parameters
        .split(", ")
        .filter(|parameter| !parameter.is_empty())
        .enumerate()
    {
        if index > 0 {
            out.push_str(", ");
        }
        let value = args.get(index + 1).and_then(|argument| argument.arg.as_ref());
        let space = parameter.rfind(['*', ' ']).map_or(0, |at| at + 1);
        let (kind, name) = parameter.split_at(space);
        // Writing to a string cannot fail.
        let _ = match value {
            Some(Arg::SizeArg(value)) if kind.ends_with('*') => write!(out, "{kind}{name}={value:#x}"),
            Some(Arg::SizeArg(value)) => write!(out, "{} {name}={value}", kind.trim_end()),
            _ => write!(out, "{} {name}=?", kind.trim_end()),
        };
    }
    out.push(')');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_tables_is_understood() {
        for (abi, table) in TABLES {
            assert_eq!(NAMES[abi].len(), table.lines().count(), "{abi}");
        }
        let prototypes = include_str!("syscalls/prototypes.txt");
        assert_eq!(PARAMETERS.len(), prototypes.lines().count());
        for (name, parameters) in &*PARAMETERS {
            assert!(
                TABLES
                    .iter()
                    .any(|(abi, _)| NAMES[abi].values().any(|known| known == name)),
                "{name}"
            );
            assert!(parameters.split(", ").count() <= 6, "{name}");
        }
    }
}
