//! What of BPF a case leaves behind.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use crate::sys::bpf::{self, Kind};

/// Objects that are loaded, and pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    objects: BTreeSet<(Kind, u32)>,
    pins: BTreeSet<String>,
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
        Self { objects, pins }
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
            if text.is_empty() || Instant::now() > deadline {
                return text;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
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
