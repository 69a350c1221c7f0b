//! Records of real kernels, recorded by `cargo xtask vmtest --record` into `tests/raw/KERNEL/CASE.bin`: they decode, and
//! lead to the events that the file beside each says.
//!
//! `tests/raw/manifest.txt` names all recordings, so that one that gets lost is noticed. After recording anew,
//! `UPDATE_EXPECT=1 cargo test --test raw` writes the events.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use expect_test::expect_file;
use tetragon::{
    observer::{Options, Replay},
    record::{RawReader, Record, decode},
    sink::Sink,
};
use tetragon_api::{json, v1::GetEventsResponse};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/raw")
}

/// Names of the recordings, such as `6.12/whoami`.
fn recordings() -> BTreeSet<String> {
    let manifest = fs::read_to_string(folder().join("manifest.txt")).unwrap();
    manifest
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

fn read(recording: &str) -> Vec<u8> {
    let path = format!("{}/{recording}.bin", folder().display());
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

struct Lines(Vec<u8>);

impl Sink for Lines {
    fn emit(&mut self, event: &GetEventsResponse) {
        json::write_event(event, &mut self.0);
    }

    fn flush(&mut self) {}
}

#[test]
fn every_recording_is_in_the_manifest() {
    let mut there = BTreeSet::new();
    for kernel in fs::read_dir(folder()).unwrap().map(Result::unwrap) {
        if !kernel.file_type().unwrap().is_dir() {
            continue;
        }
        for file in fs::read_dir(kernel.path()).unwrap().map(Result::unwrap) {
            let name = file.file_name().into_string().unwrap();
            if let Some(case) = name.strip_suffix(".bin") {
                there.insert(format!("{}/{case}", kernel.file_name().to_str().unwrap()));
            }
        }
    }
    assert_eq!(there, recordings());
}

#[test]
fn every_record_decodes() {
    let mut kernels: BTreeSet<(String, &str)> = BTreeSet::new();
    for recording in recordings() {
        let bytes = read(&recording);
        let kernel = recording.split('/').next().unwrap().to_owned();
        let mut left = bytes.len();
        for record in RawReader(&bytes) {
            left -= 4 + record.len();
            let kind = match decode(record).unwrap_or_else(|error| panic!("{recording}: {error}")) {
                Record::Exec(_) => "exec",
                Record::Exit(_) => "exit",
                Record::Clone(_) => "clone",
                Record::Data(_) => "data",
                Record::Hook(_) => "hook",
            };
            kernels.insert((kernel.clone(), kind));
        }
        assert_eq!(left, 0, "{recording}: cut");
    }
    for recording in recordings() {
        let kernel = recording.split('/').next().unwrap();
        for kind in ["exec", "exit", "clone", "data"] {
            assert!(kernels.contains(&(kernel.to_owned(), kind)), "no {kind} of {kernel}");
        }
    }
}

#[test]
fn events_are_those_recorded() {
    for recording in recordings() {
        let mut lines = Lines(Vec::new());
        let mut replay = Replay::new(Options {
            node_name: "vm".to_owned(),
            ..Options::default()
        });
        for record in RawReader(&read(&recording)) {
            replay.handle(record, &mut lines);
        }
        replay.finish(&mut lines);
        expect_file![format!("{}/{recording}.json", folder().display())]
            .assert_eq(&String::from_utf8(lines.0).unwrap());
    }
}
