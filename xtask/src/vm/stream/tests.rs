//! Streams as guests send them, whole and broken.

use super::{Ended, GoodEnd, Report, Stream};
use crate::protocol::{EXIT_BROKEN, EXIT_DONE, EXIT_WATCHDOG};
use expect_test::{Expect, expect};
use std::fmt::Write as _;

const BOOT: &str = r#"{"seq":0,"kind":"boot","release":"6.12.0"}"#;
const START: &str = r#"{"seq":1,"kind":"start","name":"a"}"#;
const PASSED: &str = r#"{"seq":2,"kind":"outcome","name":"a","verdict":"passed","reason":"","millis":5}"#;
const DONE: &str = r#"{"seq":3,"kind":"done","passed":1,"failed":0,"skipped":0}"#;

fn check(lines: &[&str], planned: &[&str], ended: Ended, trouble: &[&str], expected: &Expect) {
    let mut stream = Stream::default();
    for line in lines {
        stream.line(line);
    }
    let planned: Vec<String> = planned.iter().map(|name| (*name).to_owned()).collect();
    let trouble: Vec<String> = trouble.iter().map(|text| (*text).to_owned()).collect();
    expected.assert_eq(&show(&stream.judge(&planned, ended, GoodEnd::Done, &trouble)));
}

fn show(report: &Report) -> String {
    let mut text = String::new();
    for outcome in &report.outcomes {
        writeln!(text, "{:?} {}: {}", outcome.verdict, outcome.name, outcome.detail).unwrap();
    }
    text + &report.line() + "\n"
}

#[test]
fn whole() {
    check(
        &[BOOT, START, PASSED, DONE],
        &["a"],
        Ended::Status(EXIT_DONE),
        &[],
        &expect![[r#"
        Passed a: 
        1 passed, 0 failed
    "#]],
    );
}

#[test]
fn failures_come_with_their_logs() {
    let log = r#"{"seq":2,"kind":"log","name":"a","source":"agent","text":"boom\n"}"#;
    let failed = r#"{"seq":3,"kind":"outcome","name":"a","verdict":"failed","reason":"no event","millis":5}"#;
    let skipped = r#"{"seq":4,"kind":"outcome","name":"b","verdict":"skipped","reason":"no LSM","millis":0}"#;
    let done = r#"{"seq":5,"kind":"done","passed":0,"failed":1,"skipped":1}"#;
    check(
        &[BOOT, START, log, failed, skipped, done],
        &["a", "b"],
        Ended::Status(EXIT_DONE),
        &[],
        &expect![[r#"
        Failed a: no event
        --- agent
        boom
        Skipped b: no LSM
        0 passed, 1 failed, 1 skipped
    "#]],
    );
}

#[test]
fn panic_in_a_case() {
    check(
        &[BOOT, START],
        &["a", "b"],
        Ended::Status(0),
        &["[ 1.0] Kernel panic"],
        &expect![[r#"
        Failed a: the machine ended while this ran
        Failed b: the machine ended before this was run
        Failed (machine): the stream of records has no end
        the machine ended as after a panic or a reboot
        the kernel says on the console:
        [ 1.0] Kernel panic
        0 passed, 3 failed
    "#]],
    );
}

#[test]
fn trouble_of_the_kernel_fails_a_run_in_which_all_passed() {
    check(
        &[BOOT, START, PASSED, DONE],
        &["a"],
        Ended::Status(EXIT_DONE),
        &["[ 1.0] BUG: x"],
        &expect![[r#"
        Passed a: 
        Failed (machine): the kernel says on the console:
        [ 1.0] BUG: x
        1 passed, 1 failed
    "#]],
    );
}

#[test]
fn gaps_and_broken_records() {
    let late = r#"{"seq":5,"kind":"done","passed":1,"failed":0,"skipped":0}"#;
    check(
        &[BOOT, r#"{"seq":1,"kind":"st"#, PASSED, late],
        &["a"],
        Ended::Status(EXIT_DONE),
        &[],
        &expect![[r#"
        Passed a: 
        Failed (machine): record 1 is broken (EOF while parsing a string at line 1 column 19): {"seq":1,"kind":"st
        record 3 was expected, 5 came
        1 passed, 1 failed
    "#]],
    );
}

#[test]
fn counts_that_do_not_match_and_cases_that_were_not_asked_for() {
    let done = r#"{"seq":3,"kind":"done","passed":2,"failed":0,"skipped":0}"#;
    check(
        &[BOOT, START, PASSED, done],
        &[],
        Ended::Status(EXIT_DONE),
        &[],
        &expect![[r#"
        Failed (machine): the guest counts (2, 0, 0) as passed, failed and skipped, but reported (1, 0, 0)
        a was reported twice, or was not in the plan
        0 passed, 1 failed
    "#]],
    );
}

#[test]
fn ends_that_are_none() {
    for (ended, expected) in [
        (
            Ended::Status(EXIT_BROKEN),
            expect!["the guest could not go on; its console says why"],
        ),
        (
            Ended::Status(EXIT_WATCHDOG),
            expect!["the guest's watchdog ended the machine"],
        ),
        (Ended::Status(1), expect!["QEMU ended with status 1"]),
        (Ended::Signal, expect!["QEMU was ended by a signal"]),
        (Ended::Deadline, expect!["the machine did not end in time"]),
    ] {
        let mut stream = Stream::default();
        for line in [BOOT, START, PASSED, DONE] {
            stream.line(line);
        }
        let report = stream.judge(&["a".to_owned()], ended, GoodEnd::Done, &[]);
        expected.assert_eq(&report.outcomes[1].detail);
    }
}

#[test]
fn records_after_the_end() {
    let more = r#"{"seq":4,"kind":"boot","release":"again"}"#;
    check(
        &[BOOT, START, PASSED, DONE, more],
        &["a"],
        Ended::Status(EXIT_DONE),
        &[],
        &expect![[r#"
        Passed a: 
        Failed (machine): record 4 came after the end
        1 passed, 1 failed
    "#]],
    );
}

#[test]
fn power_off_is_an_end_only_after_the_stream_has_one() {
    let judge = |lines: &[&str]| {
        let mut stream = Stream::default();
        for line in lines {
            stream.line(line);
        }
        show(&stream.judge(&["a".to_owned()], Ended::Status(0), GoodEnd::PowerOff, &[]))
    };
    expect![[r#"
        Passed a: 
        1 passed, 0 failed
    "#]]
    .assert_eq(&judge(&[BOOT, START, PASSED, DONE]));
    expect![[r#"
        Passed a: 
        Failed (machine): the stream of records has no end
        the machine ended as after a panic or a reboot
        1 passed, 1 failed
    "#]]
    .assert_eq(&judge(&[BOOT, START, PASSED]));
}
