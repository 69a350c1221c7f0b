//! The machine for people: events on the console, and a shell.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use policy_test::expect::scope::Scope;
use rustix::termios::{Winsize, tcsetwinsize};

use super::{
    agent::{Agent, SOCKET},
    cgroup::Cgroup,
    spawn,
};
use crate::{
    case::Start,
    protocol::{PROJECT, Terminal},
    sys::process,
};

/// Where the agent of the demo has its files.
const FOLDER: &str = "/run/demo";

/// Shows events of a small workload on the console, then gives a shell if somebody is there for it and the kernel's
/// command line does not say `tetragon.noshell`.
pub fn demo(terminal: Option<Terminal>) -> Result<()> {
    fs::create_dir_all(FOLDER)?;
    let cgroup = Cgroup::make("demo")?;
    let start = Start::with_flags(Vec::new());
    let mut agent = Agent::start(&start, &Scope::default(), Path::new(FOLDER), &cgroup, None)?;
    let deadline = Instant::now() + Duration::from_mins(1);
    if let Err(error) = agent.wait_ready(deadline) {
        let (stdout, stderr) = agent.process.output();
        anyhow::bail!("{error:#}\n{stdout}{stderr}");
    }
    let mut events = follow()?;
    let workload = "whoami; ls /; cat /etc/passwd; sh -c 'kill -9 $$'";
    println!("\n$ {workload}");
    let status = spawn::command("bash")
        .args(["-c", workload])
        .stdout(Stdio::null())
        .status();
    status.context("run the workload")?;
    let noshell = fs::read_to_string("/proc/cmdline")?
        .split_whitespace()
        .any(|word| word == "tetragon.noshell");
    if noshell || terminal.is_none() {
        // The stream ends when the agent has drained its ring and stopped.
        agent.stop(Instant::now() + Duration::from_mins(1))?;
        events.wait()?;
        return Ok(());
    }
    println!("\nA shell in the machine: events go on while you use it. End it with `exit`.");
    shell(terminal)?;
    agent.stop(Instant::now() + Duration::from_mins(1))?;
    events.wait()?;
    Ok(())
}

/// Starts `tetra getevents` and passes its lines on to the console once they are of what happens from now on.
fn follow() -> Result<Child> {
    let mut child = Command::new(format!("{PROJECT}/bin/tetra"))
        .args([
            "--server-address",
            SOCKET,
            "getevents",
            "-o",
            "compact",
            "--color",
            "always",
        ])
        .stdin(Stdio::from(OpenOptions::new().read(true).open("/dev/console")?))
        .stdout(Stdio::piped())
        .spawn()
        .context("start tetra")?;
    let lines = BufReader::new(child.stdout.take().context("tetra has no output")?).lines();
    let (connected, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            // The first events only show that the stream is there.
            if line.contains(MARK) {
                let _ = connected.send(());
            } else {
                let _ = writeln!(std::io::stdout(), "{line}");
            }
        }
    });
    let deadline = Instant::now() + Duration::from_mins(1);
    while wait.recv_timeout(Duration::from_millis(100)).is_err() {
        anyhow::ensure!(Instant::now() < deadline, "tetra shows no events");
        spawn::command(&format!("{PROJECT}/bin/tester"))
            .args(["noop", MARK])
            .status()?;
    }
    Ok(child)
}

/// Argument of the processes that are started only to see whether events arrive.
const MARK: &str = "is-the-stream-there";

/// An interactive bash on the console, with job control; returns when it ends.
pub fn shell(terminal: Option<Terminal>) -> Result<()> {
    let port = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/ttyS0")
            .context("open /dev/ttyS0")
    };
    if let Some(Terminal { rows, columns }) = terminal {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(port()?, size).context("set the size of the terminal")?;
    }
    let mut command = Command::new("/bin/bash");
    command
        .arg("-i")
        .env_clear()
        .env("PATH", spawn::PATH)
        .env("HOME", "/root")
        .env("TERM", "xterm")
        .env("PS1", "vm# ")
        .current_dir(if Path::new("/root").exists() { "/root" } else { "/" })
        .stdin(port()?)
        .stdout(port()?)
        .stderr(port()?);
    process::prepare_child(&mut command, None, true);
    command.status().context("run bash")?;
    Ok(())
}
