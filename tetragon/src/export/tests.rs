//! The exporter on real files.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use expect_test::{Expect, expect};
use tempfile::TempDir;
use tetragon_api::filter::Filters;
use tetragon_api::filter::fields::FieldFilters;
use tetragon_api::json;
use tetragon_api::v1::GetEventsResponse;

use super::clock::FakeClock;
use super::exporter::Exporter;
use super::{FileOptions, Options};

/// An event of about `len` bytes.
fn event(name: &str, len: usize) -> GetEventsResponse {
    let arguments = "x".repeat(len);
    json::parse_event(&format!(
        r#"{{"process_exec":{{"process":{{"binary":"{name}","arguments":"{arguments}"}}}}}}"#
    ))
    .unwrap()
}

fn options(path: &Path) -> Options {
    Options {
        file: FileOptions {
            path: path.to_owned(),
            max_bytes: 1000,
            interval: None,
            max_backups: 0,
            compress: false,
            mode: 0o600,
        },
        rate_limit: None,
        filters: Filters::default(),
        fields: FieldFilters::default(),
        node_name: "n".into(),
        cluster_name: String::new(),
    }
}

fn open(options: Options) -> (Exporter, FakeClock) {
    let clock = FakeClock::new();
    (Exporter::open_with(options, Box::new(clock.clone())).unwrap(), clock)
}

/// The files in `directory` with their permissions and the binaries that their lines name.
fn check(directory: &TempDir, expected: &Expect) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let describe = |file: &PathBuf| {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let content = std::fs::read(file).unwrap();
        let text = if file.extension().is_some_and(|extension| extension == "gz") {
            std::io::read_to_string(flate2::read::GzDecoder::new(content.as_slice())).unwrap()
        } else {
            String::from_utf8(content).unwrap()
        };
        let lines: Vec<String> = text
            .split_terminator('\n')
            .map(|line| match json::parse_event(line) {
                Ok(event) => tetragon_api::event::process(&event).map_or_else(|| line.to_owned(), |p| p.binary.clone()),
                Err(_) => format!("{line:?}"),
            })
            .collect();
        format!("{name} {mode:o}: {}\n", lines.join(" "))
    };
    expected.assert_eq(&files.iter().map(describe).collect::<String>());
}

#[test]
fn rotates_by_size() {
    let directory = tempfile::tempdir().unwrap();
    let (mut exporter, clock) = open(options(&directory.path().join("t.log")));
    for name in ["a", "b", "c", "d", "e"] {
        exporter.emit(&event(name, 400));
        clock.advance(Duration::from_secs(1));
    }
    // Longer than a file may be: it gets one of its own.
    exporter.emit(&event("huge", 2000));
    exporter.emit(&event("f", 1));
    exporter.flush();
    check(
        &directory,
        &expect![[r"
        t-2031-02-03T04-05-08.789.log 600: a b
        t-2031-02-03T04-05-10.789.log 600: c d
        t-2031-02-03T04-05-11.789.log 600: e
        t-2031-02-03T04-05-11.790.log 600: huge
        t.log 600: f
    "]],
    );
}

#[test]
fn appends_to_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.log");
    for name in ["a", "b"] {
        let (mut exporter, _) = open(options(&path));
        exporter.emit(&event(name, 1));
    }
    check(
        &directory,
        &expect![[r"
        t.log 600: a b
    "]],
    );
    // The rest of a line that was never finished stays alone.
    let mut content = std::fs::read_to_string(&path).unwrap();
    content.truncate(content.len() - 10);
    std::fs::write(&path, content).unwrap();
    let (mut exporter, _) = open(options(&path));
    exporter.emit(&event("c", 1));
    exporter.flush();
    check(
        &directory,
        &expect![[r#"
        t.log 600: a "{\"process_exec\":{\"process\":{\"binary\":\"b\",\"argument" c
    "#]],
    );
}

#[test]
fn rotates_by_time_but_never_an_empty_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(&directory.path().join("t.log"));
    options.file.interval = Some(Duration::from_mins(1));
    let (mut exporter, clock) = open(options);
    clock.advance(Duration::from_mins(5));
    exporter.flush();
    exporter.emit(&event("a", 1));
    exporter.flush();
    clock.advance(Duration::from_secs(59));
    exporter.emit(&event("b", 1));
    clock.advance(Duration::from_mins(1));
    exporter.emit(&event("c", 1));
    clock.advance(Duration::from_mins(1));
    exporter.flush();
    exporter.flush();
    check(
        &directory,
        &expect![[r"
        t-2031-02-03T04-10-06.789.log 600: a
        t-2031-02-03T04-12-05.789.log 600: b
        t-2031-02-03T04-13-05.789.log 600: c
        t.log 600: 
    "]],
    );
}

#[test]
fn keeps_so_many_backups_and_compresses_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.log");
    std::fs::write(directory.path().join("t-2000-01-01T00-00-00.000.log"), "").unwrap();
    std::fs::write(directory.path().join("t-2000-01-01T00-00-01.000.log.gz.tmp"), "").unwrap();
    std::fs::write(directory.path().join("t-2000-01-01.log"), "").unwrap();
    let mut options = options(&path);
    options.file.max_backups = 2;
    options.file.compress = true;
    options.file.mode = 0o640;
    let (mut exporter, _) = open(options);
    for name in ["a", "b", "c", "d"] {
        exporter.emit(&event(name, 900));
    }
    // Waits for the thread.
    drop(exporter);
    check(
        &directory,
        &expect![[r"
        t-2000-01-01.log 644: 
        t-2031-02-03T04-05-06.790.log.gz 640: b
        t-2031-02-03T04-05-06.791.log.gz 640: c
        t.log 640: d
    "]],
    );
}

#[test]
fn a_missing_or_unwritable_directory_is_an_error_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let error = |path: &Path| match Exporter::open(options(path)) {
        Ok(_) => "opened".to_owned(),
        Err(error) => error.to_string().replace(directory.path().to_str().unwrap(), "DIR"),
    };
    std::fs::write(directory.path().join("file"), "").unwrap();
    symlink("nowhere/else", directory.path().join("link")).unwrap();
    let errors = ["a/b/t.log", "file/t.log", ".", "link", "new/t.log"].map(|path| error(&directory.path().join(path)));
    expect![[r"
        export file DIR/a/b/t.log: its directory is missing: No such file or directory (os error 2); create the directory
        export file DIR/file/t.log: create: Not a directory (os error 20); give --export-filename a file in a directory that can be written
        export file DIR/.: open: Is a directory (os error 21); give --export-filename a file in a directory that can be written
        export file DIR/link: open: No such file or directory (os error 2); give --export-filename a file in a directory that can be written
        opened"]].assert_eq(&errors.join("\n"));
    let mode = directory.path().join("new").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn a_full_disk_loses_events_and_counts_them() {
    let (mut exporter, _) = open(options(Path::new("/dev/full")));
    let counters = exporter.counters();
    for name in ["a", "b", "c"] {
        exporter.emit(&event(name, 2000));
    }
    exporter.flush();
    assert_eq!(counters.lost.load(Ordering::Relaxed), 3);
    assert_eq!(counters.events.load(Ordering::Relaxed), 0);
}

#[test]
fn a_rotation_that_fails_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    let (mut exporter, _) = open(options(&inside.join("t.log")));
    exporter.emit(&event("a", 900));
    exporter.flush();
    let counters = exporter.counters();
    // Nothing can be created where nothing is.
    std::fs::rename(inside.join("t.log"), directory.path().join("moved")).unwrap();
    std::fs::remove_dir(&inside).unwrap();
    exporter.emit(&event("b", 900));
    exporter.emit(&event("c", 900));
    exporter.flush();
    check(
        &directory,
        &expect![[r"
        moved 600: a b c
    "]],
    );
    assert_eq!(counters.lost.load(Ordering::Relaxed), 0);
}

#[test]
fn filters_fields_and_the_rate_limit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.log");
    let mut options = options(&path);
    let deny = json::parse_all(r#"{"binary_regex":["^no"]}"#, json::Unknown::Reject).unwrap();
    options.filters = Filters::compile(&[], &deny).unwrap();
    let fields = json::parse_all(r#"{"fields":"process.binary"}"#, json::Unknown::Reject).unwrap();
    options.fields = FieldFilters::compile(&fields).unwrap();
    options.rate_limit = Some(2);
    let (mut exporter, clock) = open(options);
    for name in ["no", "a", "no", "b", "c", "d"] {
        exporter.emit(&event(name, 1));
    }
    clock.advance(Duration::from_mins(1));
    exporter.flush();
    exporter.flush();
    let counters = exporter.counters();
    assert_eq!(counters.rate_limited.load(Ordering::Relaxed), 2);
    assert_eq!(counters.events.load(Ordering::Relaxed), 3);
    let content = std::fs::read_to_string(&path).unwrap();
    assert_eq!(counters.bytes.load(Ordering::Relaxed), content.len() as u64);
    expect![[r#"
        {"process_exec":{"process":{"binary":"a"}}}
        {"process_exec":{"process":{"binary":"b"}}}
        {"rate_limit_info":{"number_of_dropped_process_events":"2"},"node_name":"n","time":"2031-02-03T04:06:06.789Z"}
    "#]]
    .assert_eq(&content);
}
