//! What processes are doing, for a case that did not end in time.

use std::{fmt::Write as _, fs};

/// State, kernel stack and command line of the processes given; of all when `None`.
pub fn processes(only: Option<&[i32]>) -> String {
    let mut text = String::new();
    let pids = match only {
        Some(pids) => pids.to_vec(),
        None => all(),
    };
    for pid in pids {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let command = read("cmdline").replace('\0', " ");
        if command.is_empty() && only.is_none() {
            continue; // A kernel thread.
        }
        let _ = writeln!(text, "--- {pid} {command}");
        for line in read("status").lines() {
            if ["State:", "Tgid:", "PPid:", "VmRSS:", "Threads:", "SigBlk:"]
                .iter()
                .any(|key| line.starts_with(key))
            {
                let _ = writeln!(text, "{line}");
            }
        }
        let _ = write!(text, "{}", read("stack"));
    }
    text
}

fn all() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}
