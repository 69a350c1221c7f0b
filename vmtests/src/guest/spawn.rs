//! A program under a deadline, with its output in files.

use std::{
    fs::{self, File},
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, anyhow};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

use super::cgroup::Cgroup;
use crate::sys::process;

/// Where programs are looked for.
pub const PATH: &str = "/tetragon/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that was started.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pidfd: OwnedFd,
    stdout: PathBuf,
    stderr: PathBuf,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts `command` in `cgroup`, in a process group of its own; its output goes to files in `folder` called `name`.
    pub fn start(command: &mut Command, name: &str, folder: &Path, cgroup: &Cgroup) -> Result<Self> {
        use std::os::unix::process::CommandExt as _;

        let stdout = folder.join(format!("{name}.stdout"));
        let stderr = folder.join(format!("{name}.stderr"));
        command
            .stdout(File::create(&stdout).with_context(|| format!("make {}", stdout.display()))?)
            .stderr(File::create(&stderr).with_context(|| format!("make {}", stderr.display()))?)
            .process_group(0);
        process::prepare_child(command, Some(cgroup.procs()), false);
        let program = command.get_program().to_owned();
        let child = command
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).context("pidfd_open")?;
        Ok(Self {
            child,
            pidfd,
            stdout,
            stderr,
            status: None,
        })
    }

    /// Process id.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Readable when the process has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self, deadline: Instant) -> Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        if !readable(&[self.pidfd.as_fd()], deadline)?[0] {
            return Err(anyhow!("did not end in time"));
        }
        let status = self.child.wait().context("wait")?;
        self.status = Some(status);
        Ok(status)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) -> Result<()> {
        process::kill(self.pid(), signal).context("kill")
    }

    /// What it wrote to standard output and error so far; invalid UTF-8 shows as U+FFFD.
    pub fn output(&self) -> (String, String) {
        let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        (read(&self.stdout), read(&self.stderr))
    }
}

/// A command with nothing inherited: an environment of `PATH` alone, no standard input.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).stdin(Stdio::null());
    command
}

/// Waits until one of the descriptors is readable or the deadline has passed; says which are.
pub fn readable(fds: &[BorrowedFd<'_>], deadline: Instant) -> Result<Vec<bool>> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        match poll(&mut polled, Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("poll"),
            Ok(_) => return Ok(polled.iter().map(|fd| !fd.revents().is_empty()).collect()),
        }
    }
}
