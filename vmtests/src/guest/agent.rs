//! The agent: started, awaited, stopped, and what its log says.

use std::{
    io::ErrorKind,
    os::{fd::AsFd as _, unix::net::UnixDatagram},
    path::Path,
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};
use policy_test::{act::ending, expect::scope::Scope};
use regex::Regex;
use serde_json::Value;

use super::{
    cgroup::Cgroup,
    spawn::{self, Process},
};
use crate::{case::Start, protocol::PROJECT};

/// Where it listens unless told otherwise.
pub const SOCKET: &str = "unix:///var/run/tetragon/tetragon.sock";

/// A started agent.
#[derive(Debug)]
pub struct Agent {
    /// Its process.
    pub process: Process,
    ready: UnixDatagram,
}

impl Agent {
    /// Starts the agent as `start` says; `folder` is the case's own. With `raw`, it also writes ring buffer records there.
    pub fn start(start: &Start, scope: &Scope, folder: &Path, cgroup: &Cgroup, raw: Option<&Path>) -> Result<Self> {
        let expand = |text: &String| scope.expand_text(text).map_err(anyhow::Error::msg);
        let program = format!("{PROJECT}/bin/tetragon");
        let mut argv = start.wrap.iter().map(expand).collect::<Result<Vec<_>>>()?;
        argv.push(program);
        let flags = start.flags.iter().map(expand).collect::<Result<Vec<_>>>()?;
        if !start.bare {
            let usual = [
                ("--bpf-lib", format!("{PROJECT}/bpf")),
                (
                    "--export-filename",
                    folder.join("export/events.json").display().to_string(),
                ),
                ("--server-address", SOCKET.to_owned()),
                ("--log-format", "json".to_owned()),
            ];
            for (flag, value) in usual {
                let given = |argument: &String| argument == flag || argument.starts_with(&format!("{flag}="));
                if !flags.iter().any(given) {
                    argv.extend([flag.to_owned(), value]);
                }
            }
        }
        argv.extend(flags);

        let socket = folder.join(format!("{}.notify", start.name));
        if let Err(error) = std::fs::remove_file(&socket) {
            ensure!(
                error.kind() == ErrorKind::NotFound,
                "remove {}: {error}",
                socket.display()
            );
        }
        let ready = UnixDatagram::bind(&socket).with_context(|| format!("bind {}", socket.display()))?;
        ready.set_nonblocking(true)?;
        let mut command = spawn::command(&argv[0]);
        command
            .args(&argv[1..])
            .current_dir(folder)
            .env("NODE_NAME", "vm")
            .env("NOTIFY_SOCKET", &socket);
        if let Some(raw) = raw {
            command.env("TETRAGON_RECORD_RAW", raw);
        }
        for (name, value) in &start.env {
            command.env(name, expand(value)?);
        }
        let process = Process::start(&mut command, &start.name, folder, cgroup)?;
        Ok(Self { process, ready })
    }

    /// Waits until the agent says that it is ready.
    pub fn wait_ready(&mut self, deadline: Instant) -> Result<()> {
        let mut message = [0_u8; 4096];
        loop {
            match self.ready.recv(&mut message) {
                Ok(length) => {
                    let text = String::from_utf8_lossy(&message[..length]);
                    if text.lines().any(|line| line == "READY=1") {
                        return Ok(());
                    }
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("receive from the agent"),
            }
            let readable = spawn::readable(&[self.ready.as_fd(), self.process.pidfd()], deadline)?;
            match readable[..] {
                [true, _] => {}
                [_, true] => bail!(
                    "the agent ended before it was ready: {}",
                    ending(self.process.wait(deadline)?)
                ),
                _ => bail!("the agent is not ready in time"),
            }
        }
    }

    /// Asks it to stop and waits for its end, which must be a success.
    pub fn stop(&mut self, deadline: Instant) -> Result<()> {
        self.process.signal(libc::SIGTERM)?;
        let status = self.process.wait(deadline).context("the agent, after SIGTERM")?;
        ensure!(status.success(), "the agent stopped with {}", ending(status));
        Ok(())
    }
}

/// What the agent warns of wherever the kernel is as it is: see `PointKind::lets_pass` in `tetragon/src/sensor/points.rs`.
const OF_THE_KERNEL: &str = "Calls may pass hooks of a policy while the kernel has preempted another one there";

/// Lines of a JSON log that are warnings or worse and that none of `allowed` matches; and lines that are no JSON.
pub fn complaints(log: &str, allowed: &[Regex]) -> Vec<String> {
    log.lines()
        .filter(|line| !line.is_empty() && !line.contains(OF_THE_KERNEL))
        .filter(|line| !allowed.iter().any(|pattern| pattern.is_match(line)))
        .filter(|line| {
            let Ok(entry) = serde_json::from_str::<Value>(line) else {
                return true;
            };
            let level = entry
                .get("level")
                .and_then(Value::as_str)
                .unwrap_or("none")
                .to_lowercase();
            !["trace", "debug", "info"].contains(&level.as_str())
        })
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::complaints;

    #[test]
    fn warnings_and_what_is_no_log_are_complaints() {
        let log = "{\"level\":\"INFO\",\"msg\":\"a\"}\n{\"level\":\"warn\",\"msg\":\"b\"}\npanicked at\n";
        assert_eq!(
            complaints(log, &[]),
            ["{\"level\":\"warn\",\"msg\":\"b\"}", "panicked at"]
        );
        let allowed = [Regex::new("\"b\"").unwrap(), Regex::new("^panicked").unwrap()];
        assert!(complaints(log, &allowed).is_empty());
    }
}
