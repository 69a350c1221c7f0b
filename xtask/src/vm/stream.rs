//! The stream of records of one machine, and what follows from it. Pure.

use crate::protocol::{EXIT_BROKEN, EXIT_DONE, EXIT_WATCHDOG, Event, Record, Verdict};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What came so far.
#[derive(Default)]
pub(crate) struct Stream {
    /// Records that came.
    next: u64,
    /// The last case that began and has not ended.
    running: Option<String>,
    logs: BTreeMap<String, Vec<(String, String)>>,
    outcomes: Vec<Outcome>,
    done: Option<(u64, u64, u64)>,
    /// What is wrong with the stream itself.
    faults: Vec<String>,
}

/// The end of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Its name.
    pub(crate) name: String,
    /// How it ended.
    pub(crate) verdict: Verdict,
    /// Why it did not pass, and everything that was logged if it failed.
    pub(crate) detail: String,
}

/// Statuses of QEMU that a good run may end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GoodEnd {
    /// [`EXIT_DONE`] only.
    Done,
    /// Also 0: the guest cannot reach the exit device and powers off. Its stream must have an end all the same.
    PowerOff,
}

/// How QEMU ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with a status.
    Status(i32),
    /// By a signal.
    Signal,
    /// By this program, for it took too long.
    Deadline,
}

/// The judgement of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// One for each planned case, in the order of the plan, and one for the machine itself if something was wrong.
    pub(crate) outcomes: Vec<Outcome>,
}

impl Report {
    /// How many cases ended that way.
    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        self.outcomes
            .iter()
            .filter(|outcome| outcome.verdict == verdict)
            .count()
    }

    /// Adds a failure of `name` that says all that was found; nothing when nothing was.
    pub(crate) fn add(&mut self, name: &str, findings: &[String]) {
        if !findings.is_empty() {
            self.outcomes.push(Outcome {
                name: name.to_owned(),
                verdict: Verdict::Failed,
                detail: findings.join("\n"),
            });
        }
    }

    /// The closing line without the kernel's name.
    pub(crate) fn line(&self) -> String {
        let (passed, failed) = (self.count(Verdict::Passed), self.count(Verdict::Failed));
        match self.count(Verdict::Skipped) {
            0 => format!("{passed} passed, {failed} failed"),
            skipped => format!("{passed} passed, {failed} failed, {skipped} skipped"),
        }
    }
}

/// Name under which trouble of a machine is listed among the cases.
const MACHINE: &str = "(machine)";

impl Stream {
    /// Takes a line of the guest; gives what it says unless it is broken.
    pub(crate) fn line(&mut self, line: &str) -> Option<Event> {
        let line = line.trim();
        if line.is_empty() {
            return None;
        }
        let record: Record = match serde_json::from_str(line) {
            Ok(record) => record,
            Err(error) => {
                self.faults
                    .push(format!("record {} is broken ({error}): {}", self.next, cut(line, 200)));
                self.next += 1;
                return None;
            }
        };
        if record.seq != self.next {
            self.faults
                .push(format!("record {} was expected, {} came", self.next, record.seq));
        }
        self.next = record.seq + 1;
        if self.done.is_some() {
            self.faults.push(format!("record {} came after the end", record.seq));
        }
        match &record.event {
            Event::Start { name } => self.running = Some(name.clone()),
            Event::Log { name, source, text } => {
                self.logs
                    .entry(name.clone())
                    .or_default()
                    .push((source.clone(), text.clone()));
            }
            Event::Outcome {
                name, verdict, reason, ..
            } => {
                self.running = None;
                let detail = self.detail(name, *verdict, reason);
                self.outcomes.push(Outcome {
                    name: name.clone(),
                    verdict: *verdict,
                    detail,
                });
            }
            Event::Done {
                passed,
                failed,
                skipped,
            } => self.done = Some((*passed, *failed, *skipped)),
            Event::Boot { .. } | Event::Measure { .. } | Event::Blob { .. } => {}
        }
        Some(record.event)
    }

    /// Adds a fault that was found elsewhere.
    pub(crate) fn fault(&mut self, text: String) {
        self.faults.push(text);
    }

    /// Judges the run: `planned` are the names of the plan, `trouble` is what the console scan found.
    pub(crate) fn judge(mut self, planned: &[String], ended: Ended, good: GoodEnd, trouble: &[String]) -> Report {
        self.check_end(ended, good);
        self.faults.extend(
            trouble
                .iter()
                .map(|lines| format!("the kernel says on the console:\n{lines}")),
        );

        let mut outcomes = Vec::new();
        let mut reported = std::mem::take(&mut self.outcomes);
        for name in planned {
            if let Some(at) = reported.iter().position(|outcome| outcome.name == *name) {
                outcomes.push(reported.remove(at));
                continue;
            }
            let reason = if self.running.as_ref() == Some(name) {
                "the machine ended while this ran"
            } else {
                "the machine ended before this was run"
            };
            let detail = self.detail(name, Verdict::Failed, reason);
            outcomes.push(Outcome {
                name: name.clone(),
                verdict: Verdict::Failed,
                detail,
            });
        }
        for outcome in reported {
            self.faults
                .push(format!("{} was reported twice, or was not in the plan", outcome.name));
        }
        if !self.faults.is_empty() {
            let detail = self.faults.join("\n");
            outcomes.push(Outcome {
                name: MACHINE.to_owned(),
                verdict: Verdict::Failed,
                detail,
            });
        }
        Report { outcomes }
    }

    /// A stream and its machine end in one way only; all others are faults.
    fn check_end(&mut self, ended: Ended, good: GoodEnd) {
        let count = |verdict| {
            self.outcomes
                .iter()
                .filter(|outcome| outcome.verdict == verdict)
                .count() as u64
        };
        let counted = (count(Verdict::Passed), count(Verdict::Failed), count(Verdict::Skipped));
        match self.done {
            Some(done) if done != counted => self.faults.push(format!(
                "the guest counts {done:?} as passed, failed and skipped, but reported {counted:?}"
            )),
            Some(_) => {}
            None => self.faults.push("the stream of records has no end".to_owned()),
        }
        let fault = match ended {
            Ended::Status(EXIT_DONE) => return,
            Ended::Status(0) if good == GoodEnd::PowerOff && self.done.is_some() => return,
            Ended::Status(EXIT_BROKEN) => "the guest could not go on; its console says why".to_owned(),
            Ended::Status(EXIT_WATCHDOG) => "the guest's watchdog ended the machine".to_owned(),
            Ended::Status(0) => "the machine ended as after a panic or a reboot".to_owned(),
            Ended::Status(status) => format!("QEMU ended with status {status}"),
            Ended::Signal => "QEMU was ended by a signal".to_owned(),
            Ended::Deadline => "the machine did not end in time".to_owned(),
        };
        self.faults.push(fault);
    }

    fn detail(&mut self, name: &str, verdict: Verdict, reason: &str) -> String {
        let logs = self.logs.remove(name).unwrap_or_default();
        let mut detail = reason.trim_end().to_owned();
        if verdict == Verdict::Failed {
            for (source, text) in logs {
                let _ = write!(detail, "\n--- {source}\n{}", text.trim_end());
            }
        }
        detail
    }
}

/// The beginning of a text.
fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

#[cfg(test)]
mod tests;
