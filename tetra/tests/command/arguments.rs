//! The command line itself.

use expect_test::expect;

use super::support::{Child, Output, tetra};

fn run(arguments: &[&str]) -> Output {
    Child::start(tetra(arguments)).finish()
}

#[test]
fn what_is_wrong_with_it_is_one_line() {
    let wrong: [&[&str]; 11] = [
        &["getevent"],
        &["--nope"],
        &["getevents", "-o", "yaml"],
        &["getevents", "--color", "maybe"],
        &["getevents", "--timestamps=maybe"],
        &["getevents", "--reconnect-wait", "5"],
        &["getevents", "-e"],
        &["--timeout", "soon", "status"],
        &["--server-address", "localhost", "--retries", "0", "status"],
        &["completion", "tcsh"],
        &["getevents", "a\x1b[2J"],
    ];
    let mut said = String::new();
    for arguments in wrong {
        let Output { code, stdout, stderr } = run(arguments);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{arguments:?}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        said += &stderr;
    }
    expect![[r#"
        Error: unrecognized subcommand 'getevent'; tip: a similar subcommand exists: 'getevents'
        Error: unexpected argument '--nope' found
        Error: invalid value 'yaml' for '--output <FORM>'; [possible values: json, compact]; For more information, try '--help'.
        Error: invalid value 'maybe' for '--color <WHEN>'; [possible values: auto, always, never]; For more information, try '--help'.
        Error: invalid value 'maybe' for '--timestamps[=<BOOLEAN>]': give true or false; For more information, try '--help'.
        Error: invalid value '5' for '--reconnect-wait <DURATION>': give a duration such as 30s, 1m30s or 500ms; For more information, try '--help'.
        Error: a value is required for '--event-types <TYPES>' but none was supplied; For more information, try '--help'.
        Error: invalid value 'soon' for '--timeout <DURATION>': give a duration such as 30s, 1m30s or 500ms; For more information, try '--help'.
        Error: server address "localhost": give host:port or unix:///path: no host and port
        Error: invalid value 'tcsh' for '<SHELL>'; [possible values: bash, elvish, fish, powershell, zsh]; tip: a similar value exists: 'zsh'; For more information, try '--help'.
        Error: unexpected argument 'a' found
    "#]].assert_eq(&said);
}

#[test]
fn help_is_not_an_error() {
    let bare = run(&[]);
    assert_eq!(bare, run(&["--help"]));
    for arguments in [
        &["help"][..],
        &["getevents", "--help"],
        &["help", "getevents"],
        &["status", "-h"],
    ] {
        let Output { code, stdout, stderr } = run(arguments);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(stdout.contains("Usage: tetra"), "{stdout}");
    }
    // The commands' own flags come first, those that all have in common after them.
    let getevents = run(&["getevents", "-h"]).stdout;
    let places = [
        "-o, --output",
        "--reconnect-wait",
        "How to reach the agent:",
        "--server-address",
        "Examples:",
    ];
    let places: Vec<_> = places.iter().map(|part| getevents.find(part).expect(part)).collect();
    assert!(places.is_sorted(), "{getevents}");
    expect![[r#"
        Observe the security events of a Tetragon agent

        Usage: tetra [OPTIONS] <COMMAND>

        Commands:
          getevents      Print events of the agent, or of standard input when that is a pipe or a file
          info           Print what the agent tells about itself: version, configuration, features of the
                         kernel
          policytest     Test policies: do what they are about, and look whether the agent tells of it
          probe          Print what this kernel can do
          status         Print whether the agent is running; fails when it cannot be reached
          tracingpolicy  Add, delete, change, list, check and generate policies
          version        Print the version of tetra, and of the agent
          completion     Print a completion script for a shell
          help           Print this message or the help of the given subcommand(s)

        Options:
          -d, --debug  Log to standard error what tetra does
          -h, --help   Print help

        How to reach the agent:
              --server-address <ADDRESS>  Address of the agent, host:port or unix:///path [default: the
                                          running agent's, else localhost:54321]
              --timeout <DURATION>        Time that a call may take, with its retries; streams of events
                                          take any time [default: 30s]
              --retries <COUNT>           Further attempts when the agent cannot be reached [default: 1]
              --max-recv-size <BYTES>     Largest message accepted from the agent, and longest line accepted
                                          from standard input, in bytes [default: 10485760]
    "#]]
    .assert_eq(&bare.stdout);
}

#[test]
fn version_without_an_agent() {
    let Output { code, stdout, stderr } = run(&["version", "--build"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let keys: Vec<_> = stdout.lines().filter_map(|line| line.split_once(": ")).collect();
    let names: Vec<_> = keys.iter().map(|(key, _)| *key).collect();
    assert_eq!(
        names,
        ["CLI version", "RustVersion", "Date", "GitCommit", "GitTreeState"]
    );
    assert_eq!(keys[0].1, concat!("v", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completion_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let Output { code, stdout, stderr } = run(&["completion", shell]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{shell}");
        assert!(stdout.contains("getevents") && stdout.contains("reconnect"), "{shell}");
    }
}
