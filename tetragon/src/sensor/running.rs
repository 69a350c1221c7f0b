//! The running kernel: what of it is not in its type information.

use std::{
    cell::OnceCell,
    collections::HashSet,
    fs::File,
    io::{BufRead, BufReader},
};

/// The running kernel, asked for what policies name.
pub(super) type Running<'a> = policy_btf::TypedKernel<'a>;

/// The functions of the running kernel and its modules that a breakpoint can be set in.
///
/// Most policies name functions that the kernel has types of: the list, some megabytes, is read when the first one is
/// missing there, and once.
#[derive(Debug, Default)]
pub(super) struct Symbols(OnceCell<HashSet<Box<str>>>);

impl Symbols {
    /// Whether there is a function `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.get_or_init(read).contains(name)
    }
}

fn read() -> HashSet<Box<str>> {
    match File::open("/proc/kallsyms") {
        Ok(file) => functions(BufReader::new(file)),
        Err(error) => {
            tracing::warn!(%error, "/proc/kallsyms cannot be read: functions without type information are not found");
            HashSet::new()
        }
    }
}

/// The functions in a list of symbols.
fn functions(list: impl BufRead) -> HashSet<Box<str>> {
    let function = |line: String| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let kind = words.next()?;
        matches!(kind, "t" | "T" | "w" | "W").then(|| words.next().map(Box::from))?
    };
    list.lines().map_while(Result::ok).filter_map(function).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_kernel_and_modules_but_no_data() {
        let list = "ffffffff81000000 T startup_64\n\
                    ffffffff81000010 t helper\n\
                    ffffffff82000000 D jiffies\n\
                    ffffffffc0000000 t ext4_sync_fs\t[ext4]\n\
                    \n\
                    ffffffff81000020 W\n";
        let mut names: Vec<_> = functions(list.as_bytes()).into_iter().collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["ext4_sync_fs".into(), "helper".into(), Box::<str>::from("startup_64")]
        );
    }
}
