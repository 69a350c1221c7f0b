//! What guest and host say to each other.
//!
//! The host puts a [`Plan`] into the initramfs as [`PLAN_PATH`]. The guest answers on the second serial port, one
//! [`Record`] a line as JSON. A run has succeeded when the last record is [`Event::Done`] with nothing failed, sequence
//! numbers have no gap, and QEMU ended with [`EXIT_DONE`]: a kernel that panics ends QEMU with 0.

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// Where the plan is in the guest.
pub const PLAN_PATH: &str = "/plan.json";

/// Folder of the guest that the host fills with everything of this project: programs in `bin`, cases in `cases`.
pub const PROJECT: &str = "/tetragon";

/// Folder of the example policies in [`PROJECT`], and how the names of their tests begin. What is true of all of them has it
/// for a name: that the agent has nothing to complain of, lost nothing, and leaves nothing behind.
pub const EXAMPLES: &str = "examples";

/// Second serial port, on which the guest reports.
pub const REPORT_DEVICE: &str = "/dev/ttyS1";

/// I/O port of QEMU's `isa-debug-exit` device. Writing `v` ends QEMU with status `2 * v + 1`.
pub const EXIT_PORT: u16 = 0xf4;

/// Exit status of QEMU when the guest came to the end of its plan, whatever the results.
pub const EXIT_DONE: i32 = 2 * 0x15 + 1;

/// Exit status of QEMU when the guest's init could not go on; the last record or the console says why.
pub const EXIT_BROKEN: i32 = 2 * 0x16 + 1;

/// Exit status of QEMU when the guest's own watchdog ended it.
pub const EXIT_WATCHDOG: i32 = 2 * 0x17 + 1;

/// What the guest is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What kind of run.
    pub mode: Mode,
    /// Name of the kernel in the matrix (`6.12`), which cases refer to.
    pub kernel: String,
    /// Names of the cases, benchmark rows or policies, in this order. The host has applied the user's filter.
    pub names: Vec<String>,
    /// Kernel modules to load first, in this order, as paths in the guest.
    pub modules: Vec<String>,
    /// What the cases ask of the machine.
    pub machine: Machine,
    /// Seconds after which the guest ends itself with [`EXIT_WATCHDOG`]; 0 for never.
    pub watchdog_s: u64,
    /// Send raw ring buffer records of the cases that record them ([`Event::Blob`]).
    pub record: bool,
    /// Send the results of tests of example policies ([`Event::Blob`]), with their events.
    pub report: bool,
    /// The terminal, if somebody sits at the console: if not, [`Mode::Demo`] ends after its workload instead of giving a
    /// shell.
    #[serde(default)]
    pub terminal: Option<Terminal>,
}

impl Plan {
    /// For a machine that is as machines are, and watches itself not: `names` for the kernel called `kernel`.
    pub fn new(mode: Mode, kernel: &str, names: Vec<String>) -> Self {
        Self {
            mode,
            kernel: kernel.to_owned(),
            names,
            modules: Vec::new(),
            machine: Machine::default(),
            watchdog_s: 0,
            record: false,
            report: false,
            terminal: None,
        }
    }
}

/// Size of a terminal in characters. A serial port does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// Lines.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
}

/// Kinds of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Run cases, judge them.
    Test,
    /// Measure rows with counted instructions.
    Bench,
    /// Count what policies tell of on a machine on which nothing is amiss. The initramfs is a whole userland.
    Noise,
    /// Show events of a small workload on the console, then give a shell.
    Demo,
    /// Give a shell on the console, with the agent ready to be started.
    Shell,
}

/// A line from the guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Position in the stream, from 0.
    pub seq: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened in the guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// Init runs.
    Boot {
        /// Release of the kernel (`uname -r`).
        release: String,
    },
    /// A case or row begins.
    Start {
        /// Its name.
        name: String,
    },
    /// Text worth showing when the case fails; the agent's log, the events.
    Log {
        /// The case or row.
        name: String,
        /// What it is: `agent`, `events`, `tester`, …
        source: String,
        /// The text, at most some kilobytes.
        text: String,
    },
    /// A case ended.
    Outcome {
        /// Its name.
        name: String,
        /// How it ended.
        verdict: Verdict,
        /// Why it failed or was skipped, several lines perhaps; empty when passed.
        reason: String,
        /// Guest milliseconds that it took.
        millis: u64,
    },
    /// A measurement.
    Measure {
        /// The row.
        name: String,
        /// What was counted, such as `kernel` or `agent`.
        quantity: String,
        /// The value: instructions for one operation, or bytes.
        value: f64,
        /// `instructions`, `bytes`.
        unit: String,
    },
    /// Part of a file from the guest.
    Blob {
        /// Name of the file on the host, relative, without `..`.
        name: String,
        /// The bytes, base64.
        data: String,
        /// Whether this was the last part.
        last: bool,
    },
    /// The end of the plan.
    Done {
        /// Cases that passed.
        passed: u64,
        /// Cases that failed.
        failed: u64,
        /// Cases that this kernel cannot run, each with a reason in its outcome.
        skipped: u64,
    },
}

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As expected.
    Passed,
    /// Not as expected.
    Failed,
    /// The case's own data says that this kernel cannot run it, and why.
    Skipped,
}
