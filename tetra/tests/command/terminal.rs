//! Colours on a terminal, and without one.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::Command;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::support::{Child, tetra};

const EXIT: &str = r#"{"process_exit":{"process":{"binary":"/bin/true"},"status":3},"node_name":"n"}"#;
const PLAIN: &str = "💥 exit    n /bin/true  3\r\n";
const COLOURED: &str =
    "\x1b[34m💥 exit   \x1b[0m \x1b[32mn\x1b[0m \x1b[35m/bin/true\x1b[0m \x1b[36m\x1b[0m \x1b[31m3\x1b[0m\r\n";

/// What `command` writes to a terminal, given one event.
fn on_terminal(mut command: Command) -> String {
    let terminal: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&terminal).expect("ours");
    unlockpt(&terminal).expect("ours");
    let name = ptsname(&terminal, vec![])
        .expect("a name")
        .into_string()
        .expect("ASCII");
    let other = File::options()
        .read(true)
        .write(true)
        .open(&name)
        .expect("it is unlocked");
    let directory = tempfile::tempdir().expect("a directory");
    let input = directory.path().join("events");
    std::fs::write(&input, EXIT).expect("a file");
    let mut child = command
        .stdin(File::open(&input).expect("a file"))
        .stdout(other)
        .spawn()
        .expect("it starts");
    // The command holds another end of the terminal, which would keep it open.
    drop(command);
    assert_eq!(child.wait().expect("a child").code(), Some(0));
    let mut written = Vec::new();
    // Ends with an error, once nobody holds the other end.
    let _ = File::from(terminal).read_to_end(&mut written);
    String::from_utf8(written).expect("text")
}

#[test]
fn colours_on_a_terminal_that_shows_them_to_a_user_who_wants_them() {
    let compact = |more: &[&str], environment: &[(&str, &str)]| {
        let mut command = tetra(&[&["getevents", "-o", "compact"], more].concat());
        command.envs(environment.iter().copied());
        on_terminal(command)
    };
    assert_eq!(compact(&[], &[]), COLOURED);
    assert_eq!(compact(&[], &[("NO_COLOR", "")]), COLOURED);
    assert_eq!(compact(&[], &[("NO_COLOR", "1")]), PLAIN);
    assert_eq!(compact(&[], &[("TERM", "dumb")]), PLAIN);
    assert_eq!(compact(&["--color", "never"], &[]), PLAIN);
    assert_eq!(
        compact(&["--color", "always"], &[("NO_COLOR", "1"), ("TERM", "dumb")]),
        COLOURED
    );
    // JSON has none.
    assert_eq!(
        on_terminal(tetra(&["getevents", "--color=always"])),
        format!("{EXIT}\r\n")
    );
}

#[test]
fn no_colours_in_a_pipe_unless_asked_for() {
    let piped = |arguments: &[&str]| Child::run(tetra(arguments), EXIT).stdout;
    assert_eq!(piped(&["getevents", "-o", "compact"]), PLAIN.replace('\r', ""));
    let coloured = piped(&["getevents", "-o", "compact", "--color", "always"]);
    assert_eq!(coloured, COLOURED.replace('\r', ""));
}
