//! Events, health and version of an agent.

use std::path::PathBuf;

use expect_test::expect;
use rustix::process::Signal;
use tempfile::TempDir;
use tonic::Status;

use super::support::{Agent, Child, Output, Script, event, tetra};

/// A place for a socket.
fn socket() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tetragon.sock");
    (directory, path)
}

/// Runs the command against `agent`, to its end.
fn run(agent: &Agent, arguments: &[&str]) -> Output {
    Child::start(tetra(&[&["--server-address", agent.address()], arguments].concat())).finish()
}

fn printed(stdout: &str) -> Output {
    Output {
        code: Some(0),
        stdout: stdout.into(),
        stderr: String::new(),
    }
}

#[test]
fn health_and_version_over_both_kinds_of_sockets() {
    let (_directory, path) = socket();
    for agent in [Agent::at(&path, vec![]), Agent::on_tcp(vec![])] {
        assert_eq!(run(&agent, &["status"]), printed("Health Status: running\n"));
        let version = run(&agent, &["version", "--server"]);
        let own = env!("CARGO_PKG_VERSION");
        // What the agent says of itself does not command the terminal.
        let expected = format!("CLI version: v{own}\nServer version: v9.9.9\\x1b[2J\n");
        assert_eq!(version, printed(&expected));
    }
}

#[test]
fn events_in_both_forms() {
    let (_directory, path) = socket();
    let script = || Script::End(vec![event("/bin/a"), event("/bin/b")]);
    let agent = Agent::at(&path, vec![script(), script()]);
    assert_eq!(
        run(&agent, &["getevents"]),
        printed(
            "{\"process_exec\":{\"process\":{\"binary\":\"/bin/a\"}},\"node_name\":\"n\"}\n\
             {\"process_exec\":{\"process\":{\"binary\":\"/bin/b\"}},\"node_name\":\"n\"}\n"
        )
    );
    assert_eq!(
        run(&agent, &["getevents", "-o", "compact"]),
        printed("🚀 process n /bin/a \n🚀 process n /bin/b \n")
    );
}

#[test]
fn flags_become_one_filter() {
    let (_directory, path) = socket();
    let agent = Agent::at(&path, vec![]);
    let requests = |arguments: &[&str]| {
        assert_eq!(run(&agent, &[&["getevents"], arguments].concat()), printed(""));
        let mut out = Vec::new();
        tetragon_api::json::write(agent.requests().last().expect("it was called"), &mut out);
        String::from_utf8(out).expect("JSON is text") + "\n"
    };
    expect![[r#"
        {"allow_list":[{}]}
        {"allow_list":[{}]}
        {"allow_list":[{"namespace":["",""],"event_set":["PROCESS_EXEC","PROCESS_EXIT"]}]}
        {"allow_list":[{"binary_regex":["curl$","^/usr/","{1,2}"],"namespace":["shop","till"],"pod_regex":["^cart"],"policy_names":["a","b"],"cel_expression":["true"],"container_name_regex":["main"],"namespace_regex":["^s"]}],"field_filters":[{"fields":"process.execId,parent"},{"fields":"process.pod","action":"EXCLUDE"}]}
    "#]]
    .assert_eq(
        &[
            requests(&[]),
            requests(&["--namespace", "", "-f", "", "--host=false"]),
            requests(&["--host", "--namespace", "\"\"", "-e", "PROCESS_EXEC,process_exit"]),
            requests(&[
                "--process", "curl$,^/usr/", "--process", "\"{1,2}\"", "-n", "shop,till", "--pods", "^cart",
                "--policy-names", "a,b", "--cel-expression", "true", "--containers", "main", "--namespace-regex", "^s",
                "-f", "process.exec_id,parent", "-F", "process.pod",
            ]),
        ]
        .concat(),
    );
}

#[test]
fn an_agent_that_is_not_there() {
    let (_directory, path) = socket();
    let address = format!("unix://{}", path.display());
    for arguments in [&["status"][..], &["version", "--server"], &["getevents"]] {
        let flags = ["--server-address", &address, "--retries", "0"];
        let output = Child::start(tetra(&[&flags[..], arguments].concat())).finish();
        assert_eq!(output.code, Some(1), "{output:?}");
        let said = output.stderr.strip_suffix('\n').expect("a line");
        assert!(!said.contains('\n'), "{said}");
        let what = match arguments[0] {
            "status" => "get the agent's health",
            "version" => "get the agent's version",
            _ => "get events",
        };
        let expected = format!(
            "Error: {what}: cannot reach the agent at {address}: No such file or directory (os error 2); \
             start tetragon (as root), or give its address with --server-address"
        );
        assert_eq!(said, expected);
    }
}

#[test]
fn one_more_attempt_is_made() {
    let (_directory, path) = socket();
    let address = format!("unix://{}", path.display());
    let child = Child::start(tetra(&["--debug", "--server-address", &address, "status"]));
    // Said before the wait for the second attempt, which takes most of a second.
    while !child.note().contains("trying again") {}
    let _agent = Agent::at(&path, vec![]);
    assert_eq!(child.line(), "Health Status: running");
    assert_eq!(child.finish().code, Some(0));
}

#[test]
fn what_the_agent_refuses_is_told_once() {
    let (_directory, path) = socket();
    let refuse = || {
        Script::Refuse(Status::invalid_argument(
            "filter: binary_regex: pattern \"(\": unclosed group",
        ))
    };
    let agent = Agent::at(&path, vec![refuse(), refuse()]);
    for reconnect in [&[][..], &["--reconnect"]] {
        let output = run(&agent, &[&["getevents", "--process", "("], reconnect].concat());
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""));
        let address = agent.address();
        assert_eq!(
            output.stderr,
            format!(
                "Error: get events: agent at {address}: filter: binary_regex: pattern \"(\": unclosed group \
                 (InvalidArgument)\n"
            )
        );
    }
}

#[test]
fn a_stream_that_fails_is_an_error_after_its_events() {
    let (_directory, path) = socket();
    let agent = Agent::at(
        &path,
        vec![Script::Fail(vec![event("/bin/a")], Status::internal("no more"))],
    );
    let output = run(&agent, &["getevents", "-o", "compact"]);
    assert_eq!(
        output,
        Output {
            code: Some(1),
            stdout: "🚀 process n /bin/a \n".into(),
            stderr: format!("Error: get events: agent at {}: no more (Internal)\n", agent.address()),
        }
    );
}

#[test]
fn an_agent_that_dies_is_an_error_after_its_events() {
    let (_directory, path) = socket();
    let agent = Agent::at(&path, vec![Script::Stay(vec![event("/bin/a")])]);
    let address = agent.address().to_owned();
    let child = Child::start(tetra(&["--server-address", &address, "getevents", "-o", "compact"]));
    assert_eq!(child.line(), "🚀 process n /bin/a ");
    drop(agent);
    let output = child.finish();
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""));
    let expected = format!("Error: get events: lost the connection to the agent at {address}: ");
    assert!(output.stderr.starts_with(&expected), "{}", output.stderr);
}

#[test]
fn messages_have_a_limit() {
    let (_directory, path) = socket();
    let agent = Agent::at(&path, vec![Script::End(vec![event(&"x".repeat(5000))])]);
    let output = run(&agent, &["getevents", "--max-recv-size", "4000"]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""));
    assert!(
        output.stderr.ends_with(" (OutOfRange); see --max-recv-size\n"),
        "{}",
        output.stderr
    );
}

#[test]
fn reconnects_when_the_stream_ends_fails_or_the_agent_goes() {
    let (_directory, path) = socket();
    let scripts = vec![
        Script::End(vec![event("/bin/a")]),
        Script::Fail(vec![event("/bin/b")], Status::unavailable("going away")),
        Script::Stay(vec![event("/bin/c")]),
    ];
    let agent = Agent::at(&path, scripts);
    let address = agent.address().to_owned();
    let flags = [
        "--retries",
        "0",
        "--reconnect",
        "--reconnect-wait",
        "1ms",
        "-o",
        "compact",
    ];
    let child = Child::start(tetra(
        &[&["--server-address", &address, "getevents"], &flags[..]].concat(),
    ));
    assert_eq!(child.line(), "🚀 process n /bin/a ");
    assert_eq!(
        child.note(),
        "getevents: err:the agent ended the stream, retrying in 1ms"
    );
    assert_eq!(child.line(), "🚀 process n /bin/b ");
    assert_eq!(
        child.note(),
        format!("getevents: err:get events: agent at {address}: going away (Unavailable), retrying in 1ms")
    );
    assert_eq!(child.line(), "🚀 process n /bin/c ");
    drop(agent);
    // As often as it takes.
    for _ in 0..3 {
        let note = child.note();
        assert!(
            note.starts_with("getevents: err:get events: ") && note.ends_with(", retrying in 1ms"),
            "{note}"
        );
    }
    let agent = Agent::at(&path, vec![Script::Stay(vec![event("/bin/d")])]);
    assert_eq!(child.line(), "🚀 process n /bin/d ");
    assert_eq!(agent.requests().len(), 1);
    child.signal(Signal::INT);
    let Output { code, stdout, .. } = child.finish();
    assert_eq!((code, stdout.as_str()), (Some(0), ""));
}

#[test]
fn signals_end_a_stream_cleanly() {
    let (_directory, path) = socket();
    for signal in [Signal::INT, Signal::TERM] {
        let agent = Agent::at(&path, vec![Script::Stay(vec![event("/bin/a"), event("/bin/b")])]);
        let child = Child::start(tetra(&[
            "--server-address",
            agent.address(),
            "getevents",
            "-o",
            "compact",
        ]));
        assert_eq!(child.line(), "🚀 process n /bin/a ");
        assert_eq!(child.line(), "🚀 process n /bin/b ");
        child.signal(signal);
        assert_eq!(child.finish(), printed(""), "{signal:?}");
    }
}

#[test]
fn what_has_no_compact_form_is_said_once() {
    let (_directory, path) = socket();
    let nameless = || {
        let line = r#"{"process_exec":{},"node_name":"n"}"#;
        tetragon_api::json::parse_event(line).expect("an event")
    };
    let agent = Agent::at(&path, vec![Script::End(vec![nameless(), event("/bin/a"), nameless()])]);
    assert_eq!(
        run(&agent, &["getevents", "-o", "compact"]),
        Output {
            code: Some(0),
            stdout: "🚀 process n /bin/a \n".into(),
            stderr:
                "getevents: an event without a process has no compact form: keep the field `process`, or use -o json \
                 (said once)\n"
                    .into(),
        }
    );
}
