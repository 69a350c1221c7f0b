//! The agent as something to measure.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use policy_test::expect::scope::Scope;

use crate::{
    case::Start,
    guest::{agent::Agent, cgroup::Cgroup, losses},
};

/// Where its files are.
const FOLDER: &str = "/run/bench";

/// A running agent that writes events to a file.
#[derive(Debug)]
pub struct Subject {
    agent: Agent,
    cgroup: Cgroup,
}

impl Subject {
    /// Starts it, with `flags`, and waits until it is ready.
    pub fn start(flags: &[&str]) -> Result<Self> {
        fs::create_dir_all(FOLDER)?;
        let cgroup = Cgroup::make("bench")?;
        // Files are not rotated: their number of events is counted in the end.
        let usual = ["--export-file-max-size-mb", "1000"];
        let flags = usual.iter().chain(flags).map(|flag| (*flag).to_owned()).collect();
        let start = Start::with_flags(flags);
        let mut agent = Agent::start(&start, &Scope::default(), Path::new(FOLDER), &cgroup, None)?;
        if let Err(error) = agent.wait_ready(in_a_minute()) {
            let (stdout, stderr) = agent.process.output();
            return Err(error.context(format!("{stdout}{stderr}")));
        }
        Ok(Self { agent, cgroup })
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.agent.process.signal(signal)
    }

    /// Waits until it does nothing any more: no thread has run for a while, and the file does not grow.
    pub fn wait_idle(&self) -> Result<()> {
        const STEP: Duration = Duration::from_millis(50);
        let state = || Ok::<_, anyhow::Error>((self.cpu()?, fs::metadata(export()).map_or(0, |file| file.len())));
        let deadline = Instant::now() + Duration::from_mins(10);
        let (mut last, mut quiet) = (state()?, 0);
        while quiet < 4 {
            ensure!(Instant::now() < deadline, "the agent does not come to rest");
            std::thread::sleep(STEP);
            let now = state()?;
            // A timer that only looks around does not count as work.
            quiet = if now.1 == last.1 && now.0 - last.0 < STEP.as_nanos() as u64 / 100 {
                quiet + 1
            } else {
                0
            };
            last = now;
        }
        Ok(())
    }

    /// Nanoseconds that its threads have run.
    pub fn cpu(&self) -> Result<u64> {
        let mut sum = 0;
        for task in fs::read_dir(self.proc().join("task")).context("list threads")? {
            let text = fs::read_to_string(task?.path().join("schedstat")).context("read schedstat")?;
            let ran = text.split(' ').next().context("schedstat is empty")?;
            sum += ran.parse::<u64>().context("schedstat")?;
        }
        Ok(sum)
    }

    /// Bytes of memory that are resident.
    pub fn resident(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most bytes of memory that ever were.
    pub fn peak(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// Stops it, and returns the number of events in its file. Nothing may have been lost.
    pub fn stop(&mut self) -> Result<usize> {
        self.agent.stop(Instant::now() + Duration::from_mins(10))?;
        let (stdout, stderr) = self.agent.process.output();
        let lost = losses::in_log(&format!("{stdout}{stderr}"));
        ensure!(lost.is_empty(), "{}", lost.join("\n"));
        self.cgroup.remove()?;
        let text = fs::read_to_string(export()).unwrap_or_default();
        fs::remove_dir_all(FOLDER)?;
        Ok(text.lines().count())
    }

    fn proc(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.agent.process.pid()))
    }

    fn status(&self, key: &str) -> Result<u64> {
        let text = fs::read_to_string(self.proc().join("status")).context("read status")?;
        let line = text
            .lines()
            .find(|line| line.starts_with(key))
            .context("no such line in status")?;
        let kibibytes = line.split_whitespace().nth(1).context("status")?;
        Ok(kibibytes.parse::<u64>()? * 1024)
    }
}

fn export() -> PathBuf {
    Path::new(FOLDER).join("export/events.json")
}

fn in_a_minute() -> Instant {
    Instant::now() + Duration::from_mins(1)
}
