//! Events on standard input.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use expect_test::expect;
use rustix::process::Signal;

use super::support::{Child, Output, tetra};

const EXEC: &str = r#"{"process_exec":{"process":{"binary":"/usr/bin/curl","arguments":"-s x","pod":{"namespace":"shop","name":"cart"}},"parent":{"binary":"/bin/sh"}},"node_name":"n","time":"2031-02-03T04:05:06Z"}
"#;
const EXIT: &str = r#"{"process_exit":{"process":{"binary":"/bin/true"},"status":3},"node_name":"n","time":"2031-02-03T04:05:07.5Z"}
"#;

/// The end of a run of `getevents` with `arguments` on `input`.
fn getevents(arguments: &[&str], input: impl AsRef<[u8]>) -> Output {
    Child::run(tetra(&[&["getevents"], arguments].concat()), input)
}

fn printed(stdout: impl Into<String>) -> Output {
    Output {
        code: Some(0),
        stdout: stdout.into(),
        stderr: String::new(),
    }
}

#[test]
fn json_comes_out_as_it_went_in() {
    let lines = [EXEC, EXIT].concat();
    // The end of the last line may be missing, empty lines and ends of lines of other systems do not matter.
    for input in [
        lines.clone(),
        lines.trim_end().to_owned(),
        format!("\n{EXEC}  \n\n{EXIT}"),
        lines.replace('\n', "\r\n"),
    ] {
        assert_eq!(
            getevents(&[], &input),
            printed(lines.replace(".5Z", ".500Z")),
            "{input:?}"
        );
    }
    assert_eq!(getevents(&[], ""), printed(""));
}

#[test]
fn compact() {
    assert_eq!(
        getevents(&["-o", "compact", "--timestamps"], [EXEC, EXIT].concat()),
        printed(
            "2031-02-03T04:05:06.000000000Z 🚀 process shop/cart /usr/bin/curl \"-s x\"\n\
             2031-02-03T04:05:07.500000000Z 💥 exit    n /bin/true  3\n"
        )
    );
}

#[test]
fn filters_apply_here_as_they_would_at_the_agent() {
    let exec = "🚀 process shop/cart /usr/bin/curl \"-s x\"\n";
    let exit = "💥 exit    n /bin/true  3\n";
    let cases: &[(&[&str], &[&str])] = &[
        (&[], &[exec, exit]),
        (&["-e", "PROCESS_EXEC"], &[exec]),
        (&["--event-types", "process_exit"], &[exit]),
        (&["-e", "PROCESS_EXEC,PROCESS_EXIT"], &[exec, exit]),
        (&["-e", "PROCESS_KPROBE"], &[]),
        (&["--process", "curl$"], &[exec]),
        (&["--processes", "curl,true"], &[exec, exit]),
        (&["--process", "^curl"], &[]),
        (&["-n", "shop"], &[exec]),
        (&["--namespaces", "other"], &[]),
        (&["-n", ""], &[exec, exit]),
        (&["--namespace-regex", "^sh"], &[exec]),
        (&["--pod", "^cart$"], &[exec]),
        (&["--pods", "x"], &[]),
        (&["--host"], &[exit]),
        (&["--host", "-n", "shop"], &[exec, exit]),
        (&["--host", "-e", "PROCESS_EXEC"], &[]),
        (&["--policy-names", "p"], &[]),
    ];
    for (arguments, expected) in cases {
        let output = getevents(&[*arguments, &["-o", "compact"]].concat(), [EXEC, EXIT].concat());
        assert_eq!(output, printed(expected.concat()), "{arguments:?}");
    }
}

#[test]
fn field_filters() {
    assert_eq!(
        getevents(&["-f", "process.binary,status"], [EXEC, EXIT].concat()),
        printed(
            "{\"process_exec\":{\"process\":{\"binary\":\"/usr/bin/curl\"}},\"node_name\":\"n\",\"time\":\"2031-02-03T04:05:06Z\"}\n\
             {\"process_exit\":{\"process\":{\"binary\":\"/bin/true\"},\"status\":3},\"node_name\":\"n\",\"time\":\"2031-02-03T04:05:07.500Z\"}\n"
        )
    );
    assert_eq!(
        getevents(&["-F", "process.pod", "-F", "parent,process.arguments"], EXEC),
        printed(
            "{\"process_exec\":{\"process\":{\"binary\":\"/usr/bin/curl\"}},\"node_name\":\"n\",\"time\":\"2031-02-03T04:05:06Z\"}\n"
        )
    );
}

#[test]
fn lines_that_are_not_events_are_told_and_passed_over() {
    let input = [
        b"I0101 started\n".as_slice(),
        EXEC.as_bytes(),
        b"{\"process_exec\":{\"process\":{\"pid\":-1}}}\n",
        b"\n",
        b"\xff\xfe\n",
        b"[1]\n",
        b"{\"process_exec\":{},\"x\x1b[2J\n",
        b"{\"process_new\":{}}\n{\"process_new\":{}}\n",
        EXIT.as_bytes(),
        b"{\"process_exec\":{\"pro",
    ]
    .concat();
    let output = getevents(&["-o", "compact"], input);
    assert_eq!(output.code, Some(1));
    expect![[r#"
        🚀 process shop/cart /usr/bin/curl "-s x"
        💥 exit    n /bin/true  3
    "#]]
    .assert_eq(&output.stdout);
    expect![[r#"
        line 1: expected value at column 1
        line 3: -1 is out of range for `pid` at column 36
        line 5: not UTF-8: invalid utf-8 sequence of 1 bytes from index 0
        line 6: invalid type: sequence, expected an object (GetEventsResponse)
        line 7: control character (\u0000-\u001F) found while parsing a string at column 22
        line 8: an event of a type that this version does not know: use a newer tetra (said once)
        line 11: EOF while parsing a string at column 21
        Error: standard input: 6 of 11 lines are not events, they were passed over
    "#]]
    .assert_eq(&output.stderr);
}

#[test]
fn long_lines_are_passed_over() {
    let long = EXEC.replace("-s x", &"x".repeat(1000));
    let input = [EXIT, &long, EXIT].concat();
    let output = getevents(&["-o", "compact", "--max-recv-size", "500"], &input);
    assert_eq!(output.code, Some(1));
    assert_eq!(output.stdout, "💥 exit    n /bin/true  3\n".repeat(2));
    assert_eq!(
        output.stderr,
        "line 2: longer than 500 bytes, see --max-recv-size\n\
         Error: standard input: 1 of 3 lines are not events, they were passed over\n"
    );
    // The limit itself is not too long.
    let length = (EXIT.len() - 1).to_string();
    assert_eq!(getevents(&["--max-recv-size", &length], EXIT).code, Some(0));
    let length = (EXIT.len() - 2).to_string();
    assert_eq!(getevents(&["--max-recv-size", &length], EXIT).code, Some(1));
}

#[test]
fn events_are_printed_before_the_input_is_waited_for() {
    let mut command = tetra(&["getevents", "-o", "compact"]);
    command.stdin(Stdio::piped());
    let mut child = Child::start(command);
    for _ in 0..3 {
        let stdin = child.stdin.as_mut().expect("a pipe");
        // The next line has begun already.
        write!(stdin, "{EXEC}{}", &EXIT[..10]).expect("it reads");
        assert_eq!(child.line(), "🚀 process shop/cart /usr/bin/curl \"-s x\"");
        let stdin = child.stdin.as_mut().expect("a pipe");
        write!(stdin, "{}", &EXIT[10..]).expect("it reads");
        assert_eq!(child.line(), "💥 exit    n /bin/true  3");
    }
    child.signal(Signal::INT);
    assert_eq!(child.finish().code, Some(0));
}

#[test]
fn memory_does_not_grow_with_the_input() {
    const LINES: usize = 60_000;
    let mut command = tetra(&["getevents", "-o", "compact", "-e", "PROCESS_EXIT"]);
    command.stdin(Stdio::piped());
    let mut child = Child::start(command);
    let line = EXEC.replace("-s x", &"x".repeat(1000));
    let mut first = 0;
    for lines in [100, LINES] {
        let stdin = child.stdin.as_mut().expect("a pipe");
        for _ in 0..lines {
            stdin.write_all(line.as_bytes()).expect("it reads");
        }
        stdin.write_all(EXIT.as_bytes()).expect("it reads");
        child.line();
        let peak = child.peak_memory();
        if first == 0 {
            first = peak;
        }
        // The input has 70 MB.
        assert!(
            peak < first + 2048,
            "{peak} KiB after {lines} lines, {first} KiB before"
        );
    }
}

#[test]
fn a_reader_that_goes_is_no_error() {
    let mut command = tetra(&["getevents"]);
    command.stdin(Stdio::piped());
    let (reader, writer) = std::io::pipe().expect("a pipe");
    command.stdout(writer);
    drop(reader);
    let mut child = command.spawn().expect("it starts");
    drop(command);
    // Might end before it has read everything.
    let _ = child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(EXEC.repeat(1000).as_bytes());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .expect("a pipe")
        .read_to_string(&mut stderr)
        .expect("text");
    assert_eq!((child.wait().expect("a child").code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let mut command = tetra(&["getevents"]);
    command.stdin(Stdio::piped());
    command.stdout(File::options().write(true).open("/dev/full").expect("Linux has it"));
    let mut child = command.spawn().expect("it starts");
    let _ = child.stdin.take().expect("a pipe").write_all(EXEC.as_bytes());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .expect("a pipe")
        .read_to_string(&mut stderr)
        .expect("text");
    assert_eq!(child.wait().expect("a child").code(), Some(1));
    assert_eq!(
        stderr,
        "Error: write to standard output: No space left on device (os error 28)\n"
    );
}

#[test]
fn files_are_read_and_directories_are_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tetragon.log");
    std::fs::write(&path, [EXEC, EXIT].concat()).expect("a file");
    let mut command = tetra(&["getevents", "--host", "-o", "compact"]);
    command.stdin(File::open(&path).expect("a file"));
    assert_eq!(Child::start(command).finish(), printed("💥 exit    n /bin/true  3\n"));
    let mut command = tetra(&["getevents"]);
    command.stdin(File::open(directory.path()).expect("a directory"));
    let output = Child::start(command).finish();
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (Some(1), "Error: read standard input: Is a directory (os error 21)\n")
    );
}

#[test]
fn filters_that_cannot_be_used_here() {
    let error = |arguments: &[&str]| {
        let output = getevents(arguments, EXEC);
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""));
        output.stderr
    };
    expect![[r#"
        Error: filter: binary_regex: pattern "(": unclosed group
        Error: field filter: no event type that it applies to has a field "process.nope"
        Error: --cel-expression works only on events of the agent, not on standard input: use the other filters
        Error: --event-types: no event type "PROCESS_NOPE": give some of PROCESS_EXEC,PROCESS_EXIT,PROCESS_KPROBE,PROCESS_TRACEPOINT,PROCESS_LOADER,PROCESS_UPROBE,PROCESS_THROTTLE,PROCESS_LSM,PROCESS_USDT,TEST,RATE_LIMIT_INFO
    "#]]
    .assert_eq(
        &[
            error(&["--process", "("]),
            error(&["-f", "process.nope"]),
            error(&["--cel-expression", "true"]),
            error(&["-e", "PROCESS_NOPE"]),
        ]
        .concat(),
    );
}

#[test]
fn bytes_of_a_terminal() {
    let write = |path: &str, bytes: &str| {
        format!(
            r#"{{"process_kprobe":{{"function_name":"tty_write","args":[{{"file_arg":{{"path":"{path}"}}}},{{"bytes_arg":"{bytes}"}}]}}}}"#
        ) + "\n"
    };
    let input = [
        &write("/dev/pts/1", "aGkN"),
        EXEC,
        &write("/dev/pts/2", "AAAA"),
        &write("/dev/pts/1", "Cg=="),
    ];
    assert_eq!(getevents(&["-t", "/dev/pts/1"], input.concat()), printed("hi\r\n"));
}
