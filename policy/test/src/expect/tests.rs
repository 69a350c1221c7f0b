use serde_json::json;

use super::{Expectations, Facts};

fn facts() -> Facts {
    let mut facts = Facts {
        events: vec![
            json!({"process_exec": {"process": {"pid": 1, "binary": "/bin/a"}}}),
            json!({"process_exec": {"process": {"pid": 2, "binary": "/bin/b"}}}),
            json!({"process_exit": {"process": {"pid": 2, "binary": "/bin/b"}}}),
        ],
        ..Facts::default()
    };
    facts.scope.set("spawn", json!([{"pid": 1}, {"pid": 2}]));
    facts
        .outputs
        .insert("spawn".to_owned(), ("out\n".to_owned(), String::new()));
    facts
}

fn failures(text: &str) -> Vec<String> {
    Expectations::parse(text).unwrap().check(&mut facts())
}

fn holds(text: &str) {
    assert_eq!(failures(text), Vec::<String>::new());
}

fn fails(text: &str, expected: &str) {
    let failures = failures(text);
    assert!(failures.len() == 1 && failures[0].contains(expected), "{failures:?}");
}

#[test]
fn nothing_expected_is_an_error() {
    assert_eq!(Expectations::parse("").unwrap_err(), "expects nothing");
    assert!(Expectations::parse("evnt = []").is_err());
}

#[test]
fn events_in_order() {
    holds("[[event]]\nprocess_exec.process.binary = '/bin/b'\n[[event]]\nprocess_exit.process.pid = 2");
    fails(
        "[[event]]\nprocess_exit.process.pid = 2\n[[event]]\nprocess_exec.process.binary = '/bin/b'",
        "expectation 2 of 2 has no event",
    );
    holds(
        "ordered = false\n[[event]]\nprocess_exit.process.pid = 2\n[[event]]\nprocess_exec.process.binary = '/bin/b'",
    );
}

#[test]
fn none_must_be_able_to_match() {
    holds("[[none]]\nprocess_exec.process.binary = '/bin/c'");
    fails("[[none]]\nprocess_exec.process.binary = '/bin/a'", "event 0 matches");
    fails(
        "[[none]]\nprocess_exec.process.binry = '/bin/c'",
        "no event has process_exec.process.binry",
    );
}

#[test]
fn counts() {
    holds("[[count]]\nof.process_exec.process.pid = { at_least = 1 }\nis = 2");
    fails(
        "[[count]]\nof.process_exec.process.pid = { at_least = 1 }\nis = 3",
        "2 events match",
    );
    fails("[[count]]\nof.process_exec.process.pid = 1", "gives no number");
}

#[test]
fn one_event_for_each_line() {
    holds("[[each]]\nof = 'spawn'\nby = 'process_exec.process.pid'\nevent.process_exec.process.pid = '${line.pid}'");
    fails(
        "[[each]]\nof = 'spawn'\nby = 'process_exit.process.pid'\nevent.process_exit.process.pid = '${line.pid}'",
        "1 of 2 lines:\n  0 of 0 events match for {\"pid\":1}",
    );
    fails(
        "[[each]]\nof = 'other'\nby = 'process_exit.process.pid'\nevent.process_exit.process.pid = '${line.pid}'",
        "step other printed no JSON lines",
    );
}

#[test]
fn outputs() {
    holds("[[output]]\nof = 'spawn'\nlines = ['out']");
    holds("[[output]]\nof = 'spawn'\nstream = 'stderr'\nlines = []");
    fails(
        "[[output]]\nof = 'spawn'\nlines = ['in']",
        "\"in\" expected, got \"out\"",
    );
    fails("[[output]]\nof = 'walk'\nlines = ['in']", "no step is named walk");
}

#[test]
fn printed_events_are_a_gapless_part_of_the_exported() {
    let check = |printed: &[usize], with: &str| {
        let mut facts = facts();
        let lines: Vec<_> = printed.iter().map(|index| facts.events[*index].to_string()).collect();
        let text = lines.join(
            "
",
        );
        facts.outputs.insert("stream".to_owned(), (text, String::new()));
        Expectations::parse(&format!("[[same]]\nof = 'stream'\nwith.{with}"))
            .unwrap()
            .check(&mut facts)
    };
    let last = "process_exit.process.pid = 2";
    assert_eq!(check(&[1, 2], last), Vec::<String>::new());
    assert!(check(&[0, 2], last)[0].contains("event 1 differs"));
    assert!(check(&[0, 1], last)[0].contains("lacks event 2"));
    assert!(check(&[], last)[0].contains("printed no event"));
    assert!(check(&[1], "process_exit.process.pid = 3")[0].contains("no event of the export file"));
}

#[test]
fn golden_events_are_those_that_match() {
    let expectations = Expectations::parse("[[golden]]\nprocess_exec.process.pid = 2").unwrap();
    let facts = facts();
    assert_eq!(expectations.golden_events(&facts).unwrap(), [&facts.events[1]]);
    let expectations = Expectations::parse("[[golden]]\nprocess_exec.process.pid = 9").unwrap();
    assert!(
        expectations
            .golden_events(&facts)
            .unwrap_err()
            .contains("no event matches")
    );
}
