//! What of BPF a case leaves behind, and of what programs are attached by.
//!
//! Uprobes are not looked for: the kernel tells nobody of those that belong to a file descriptor. They go with it, and
//! whoever had it is gone.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use crate::sys::bpf::{self, Kind};

/// Breakpoints in the kernel, those that programs are called by included.
const BREAKPOINTS: &str = "/sys/kernel/debug/kprobes/list";

/// Functions in the kernel that something is called before, trampolines included.
const ENTERED: &str = "/sys/kernel/tracing/enabled_functions";

/// Objects that are loaded, pins, and places in the kernel that are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    objects: BTreeSet<(Kind, u32)>,
    pins: BTreeSet<String>,
    places: BTreeSet<String>,
}

impl Snapshot {
    /// What is there now.
    pub fn take() -> Self {
        let objects = Kind::ALL
            .into_iter()
            .flat_map(|kind| bpf::ids(kind).into_iter().map(move |id| (kind, id)))
            .collect();
        let mut pins = BTreeSet::new();
        collect_pins(Path::new("/sys/fs/bpf"), &mut pins);
        // Behind the address and the kind, and in the beginning.
        let mut places = watched(BREAKPOINTS, 2);
        places.append(&mut watched(ENTERED, 0));
        Self { objects, pins, places }
    }

    /// What is there now and was not there then; empty when nothing. The kernel frees what nobody holds a moment later
    /// (after an RCU grace period), so this waits for a few seconds before it complains.
    pub fn leaks(&self) -> String {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let now = Self::take();
            let mut text = String::new();
            for (kind, id) in now.objects.difference(&self.objects) {
                let _ = writeln!(text, "{kind:?} {id} is still loaded");
            }
            for pin in now.pins.difference(&self.pins) {
                let _ = writeln!(text, "{pin} is still there");
            }
            for place in now.places.difference(&self.places) {
                let _ = writeln!(text, "{place} is still watched");
            }
            if text.is_empty() || Instant::now() > deadline {
                return text;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The functions in a list, of which each line has one at this position; none where the kernel has no such list.
fn watched(list: &str, position: usize) -> BTreeSet<String> {
    let text = fs::read_to_string(list).unwrap_or_default();
    let function = |line: &str| line.split_ascii_whitespace().nth(position).map(str::to_owned);
    text.lines().filter_map(function).collect()
}

fn collect_pins(folder: &Path, pins: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect_pins(&path, pins);
        }
        pins.insert(path.display().to_string());
    }
}
