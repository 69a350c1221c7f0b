//! A run of the command. What it prints is read line by line while it runs: nothing waits for time to pass.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// After this long the test has failed.
const DEADLINE: Duration = Duration::from_mins(1);

/// The command with `arguments`, without standard input and without the environment's wishes about colours and width.
pub(crate) fn tetra(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tetra"));
    command
        .args(arguments)
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a run has printed, and its exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A run.
pub(crate) struct Child {
    process: std::process::Child,
    pub(crate) stdin: Option<ChildStdin>,
    stdout: Lines,
    stderr: Lines,
}

/// Lines of a pipe, read by a thread as they come.
struct Lines {
    lines: Receiver<String>,
    reader: Option<JoinHandle<()>>,
}

impl Child {
    /// Starts `command`.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut process = command.spawn().expect("the command was built with the tests");
        Self {
            stdin: process.stdin.take(),
            stdout: Lines::of(process.stdout.take().expect("a pipe")),
            stderr: Lines::of(process.stderr.take().expect("a pipe")),
            process,
        }
    }

    /// Runs `command` to its end with `input`.
    pub(crate) fn run(mut command: Command, input: impl AsRef<[u8]>) -> Output {
        command.stdin(Stdio::piped());
        let mut child = Self::start(command);
        // A command that does not want all of it has ended before: what it printed tells.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_ref());
        child.finish()
    }

    /// The next line on standard output.
    pub(crate) fn line(&self) -> String {
        self.stdout.next()
    }

    /// The next line on standard error.
    pub(crate) fn note(&self) -> String {
        self.stderr.next()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("a child of ours");
    }

    /// The most memory that it has used so far, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid().as_raw_nonzero()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("a number of kB")
    }

    /// The lines that were not read yet, after the end of the run.
    pub(crate) fn finish(mut self) -> Output {
        drop(self.stdin.take());
        // First what it prints: it may wait for room in the pipes.
        let (stdout, stderr) = (self.stdout.rest(), self.stderr.rest());
        let status: ExitStatus = self.process.wait().expect("a child of ours");
        Output {
            code: status.code(),
            stdout,
            stderr,
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Of a test that failed. One that was waited for is not there any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        let read = move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8(std::mem::take(&mut line)).expect("tetra prints text");
                // The test may have seen enough.
                let _ = sender.send(text);
            }
        };
        Self {
            lines,
            reader: Some(std::thread::spawn(read)),
        }
    }

    fn next(&self) -> String {
        let line = self.lines.recv_timeout(DEADLINE).expect("one more line");
        line.strip_suffix('\n').expect("whole lines").to_owned()
    }

    fn rest(&mut self) -> String {
        let mut rest = String::new();
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) => rest += &line,
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("still running after {rest:?}"),
            }
        }
        if let Some(reader) = self.reader.take() {
            reader.join().expect("readers do not panic");
        }
        rest
    }
}
