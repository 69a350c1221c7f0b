//! Writes one event as JSON many times, to count what that costs:
//!
//! ```text
//! cargo build --release -p tetragon-api --example write_event
//! for n in 1000 2000; do
//!     valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/write_event exec $n
//! done
//! ```
//!
//! A thousandth of the difference between the two numbers of instructions is the cost of one event. `exit` and
//! `parse` (an exec event, the other way) are counted likewise.

#![forbid(unsafe_code)]

use std::hint::black_box;

use tetragon_api::json;

const EXEC: &str = r#"{"process_exec":{"process":{"exec_id":"bm9kZS1hOjkxMDAwMDAwMDAwMTo0MjQy","pid":4242,"uid":1000,"cwd":"/srv/demo","binary":"/usr/bin/tar","arguments":"-xf \"my file.tgz\" --directory /srv/demo/unpacked","flags":"execve clone","start_time":"2031-02-03T04:05:06.000000007Z","auid":1000,"docker":"0a1b2c3d4e5f60718293a4b5c6d7e8f","parent_exec_id":"bm9kZS1hOjkwMDAwMDAwMDAwMDo0MjAw","refcnt":1,"tid":4242,"in_init_tree":false},"parent":{"exec_id":"bm9kZS1hOjkwMDAwMDAwMDAwMDo0MjAw","pid":4200,"uid":1000,"cwd":"/srv/demo","binary":"/usr/bin/bash","arguments":"-l","flags":"procFS","start_time":"2031-02-03T04:00:00.120Z","auid":1000,"parent_exec_id":"bm9kZS1hOjE6MA==","refcnt":2,"tid":4200,"in_init_tree":false}},"node_name":"node-a","time":"2031-02-03T04:05:06.000000011Z"}"#;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (kind, count) = (arguments.next(), arguments.next());
    let count: usize = count.and_then(|count| count.parse().ok()).expect("how often");
    let exit = EXEC.replacen("process_exec", "process_exit", 1).replacen(
        "},\"node_name\"",
        r#","signal":"SIGTERM","time":"2031-02-03T04:05:06.000000011Z"},"node_name""#,
        1,
    );
    let line = match kind.as_deref() {
        Some("exec" | "parse") => EXEC,
        Some("exit") => &exit,
        _ => panic!("give exec, exit or parse"),
    };
    let mut out = Vec::with_capacity(4096);
    let event = json::parse_event(line).expect("an event");
    for _ in 0..count {
        if kind.as_deref() == Some("parse") {
            black_box(json::parse_event(black_box(line)).expect("an event"));
            continue;
        }
        out.clear();
        json::write_event(black_box(&event), &mut out);
        black_box(&out);
    }
    println!("{} bytes", line.len());
}
