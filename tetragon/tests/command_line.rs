//! What the program says and how it ends before it observes anything.

use std::process::{Command, Output};

fn tetragon(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tetragon"));
    // Whatever this machine has set.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TETRAGON_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).output().expect("the program can be run")
}

fn check(arguments: &[&str], status: i32, stdout: &str, stderr: &str) {
    let output = tetragon(arguments);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    assert_eq!(
        (
            output.status.code(),
            text(&output.stdout).as_str(),
            text(&output.stderr).as_str()
        ),
        (Some(status), stdout, stderr),
        "{arguments:?}"
    );
}

#[test]
fn what_is_wrong_is_one_line_on_standard_error() {
    check(
        &["--no-such-flag"],
        1,
        "",
        "Error: unexpected argument '--no-such-flag' found\n",
    );
    check(
        &["--rb-size=much\nmore"],
        1,
        "",
        "Error: --rb-size: \"much\\nmore\": give a number of bytes, such as 65536, 64K or 1M\n",
    );
    check(
        &["--config-dir", "/no/such/directory"],
        1,
        "",
        "Error: --config-dir: read /no/such/directory: No such file or directory (os error 2)\n",
    );
    check(
        &["--log-file", "/no/such/directory/log"],
        255,
        "",
        "Error: --log-file: create /no/such/directory/log: No such file or directory (os error 2); give a file that can be \
         written\n",
    );
}

#[test]
fn help_and_version_are_results() {
    check(
        &["--version"],
        0,
        concat!("tetragon v", env!("CARGO_PKG_VERSION"), "\n"),
        "",
    );
    let help = tetragon(&["--help"]);
    assert!(help.status.success() && help.stderr.is_empty());
    let help = String::from_utf8(help.stdout).unwrap();
    // Every flag that does something is there, those that cannot are not.
    for flag in [
        "--export-filename",
        "--server-address",
        "--process-cache-size",
        "-d, --debug",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
    assert!(!help.contains("--metrics-server"));
}
