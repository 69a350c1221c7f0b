//! A line of JSON: an event that reads as itself when written, and whose compact form commands no terminal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tetra::compact::{Compact, Options, escape};
use tetragon_api::json::{parse_event, write_event};

fuzz_target!(|line: &str| {
    let Ok(event) = parse_event(line) else { return };
    let mut written = Vec::new();
    write_event(&event, &mut written);
    let written = String::from_utf8(written).expect("JSON is text");
    assert_eq!(written.find('\n'), Some(written.len() - 1), "one line");
    // Written once, an event is in the form that is written again.
    let again = parse_event(&written).expect("our own line");
    let mut rewritten = Vec::new();
    write_event(&again, &mut rewritten);
    assert_eq!(String::from_utf8_lossy(&rewritten), written);

    let options = Options {
        colour: false,
        timestamps: true,
        stack_traces: true,
        ima_hash: true,
    };
    let mut compact = String::new();
    if Compact::new(options).encode(&event, &mut compact).is_ok() {
        for line in compact.lines() {
            assert_eq!(escape(line), line);
        }
    }
});
