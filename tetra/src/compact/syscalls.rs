//! Names and parameters of system calls, for the tracepoint `raw_syscalls/sys_enter`.
//!
//! Parameters are of the system calls of 64-bit kernels, in the names and types that the kernel itself uses.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use policy::syscalls::Abi;
use tetragon_api::v1::KprobeArgument;
use tetragon_api::v1::kprobe_argument::Arg;

/// Names by number, for each ABI in the order of [`Abi::ALL`].
static NAMES: LazyLock<Vec<HashMap<i64, &'static str>>> = LazyLock::new(|| {
    let names = |abi: &Abi| abi.syscalls().map(|(name, number)| (i64::from(number), name)).collect();
    Abi::ALL.iter().map(names).collect()
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
        Some(Arg::LongArg(number)) => (Some(Abi::NATIVE), *number),
        Some(Arg::SyscallId(call)) => (Abi::from_name(&call.abi), i64::from(call.id)),
        _ => return "unknown".into(),
    };
    let known = abi.and_then(|abi| Some((abi, NAMES[abi as usize].get(&number)?)));
    let Some((abi, name)) = known else {
        return "unknown".into();
    };
    // Not worth a mention when it is that of this machine.
    if abi != Abi::NATIVE {
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
    fn every_line_of_the_prototypes_is_understood() {
        let prototypes = include_str!("syscalls/prototypes.txt");
        assert_eq!(PARAMETERS.len(), prototypes.lines().count());
        for (name, parameters) in &*PARAMETERS {
            assert!(
                NAMES.iter().any(|names| names.values().any(|known| known == name)),
                "{name}"
            );
            assert!(parameters.split(", ").count() <= 6, "{name}");
        }
    }
}
