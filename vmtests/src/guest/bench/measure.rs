//! The rows.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::{
    empty::{self, Place},
    program,
    subject::Subject,
};
use crate::sys::process;

/// A value of a row.
#[derive(Clone, Copy, Debug)]
pub struct Measurement {
    /// What was counted.
    pub quantity: &'static str,
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
}

/// Runs of which the least counts.
pub(super) const RUNS: usize = 5;

pub(super) fn instructions(quantity: &'static str, value: f64) -> Measurement {
    Measurement {
        quantity,
        value,
        unit: "instructions",
    }
}

pub(super) fn bytes(quantity: &'static str, value: u64) -> Measurement {
    Measurement {
        quantity,
        value: float(value),
        unit: "bytes",
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53, which no measurement reaches"
)]
pub(super) fn float(value: u64) -> f64 {
    value as f64
}

/// Instructions of one `operation`: the least of [`RUNS`] runs of `count`, after a warm-up.
pub(super) fn least(count: u32, mut operation: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut least = f64::INFINITY;
    for run in 0..=RUNS {
        let began = Instant::now();
        for _ in 0..count {
            operation()?;
        }
        let each = float(began.elapsed().as_nanos() as u64) / f64::from(count);
        if run > 0 {
            least = least.min(each);
        }
    }
    Ok(least)
}

#[allow(clippy::unnecessary_wraps, reason = "an operation as `least` takes it")]
pub(super) fn seek() -> Result<()> {
    process::lseek_nothing();
    Ok(())
}

/// What an empty program at `sys_enter` adds to a system call.
pub fn raw_tracepoint_empty() -> Result<Vec<Measurement>> {
    let without = least(20_000, seek)?;
    let link = empty::attach(Place::RawTracepoint("sys_enter")).context("attach an empty program")?;
    let with = least(20_000, seek)?;
    drop(link);
    Ok(vec![
        instructions("added", with - without),
        instructions("baseline", without),
    ])
}

/// From the start of the agent to its readiness.
pub fn startup() -> Result<Vec<Measurement>> {
    let mut ready = f64::INFINITY;
    for _ in 0..2 {
        let began = Instant::now();
        let mut subject = Subject::start(&[])?;
        ready = ready.min(float(began.elapsed().as_nanos() as u64));
        subject.stop()?;
    }
    Ok(vec![instructions("ready", ready)])
}

/// Memory of an agent that has seen nothing yet.
pub fn memory_idle() -> Result<Vec<Measurement>> {
    let mut subject = Subject::start(&[])?;
    subject.wait_idle()?;
    let resident = subject.resident()?;
    subject.stop()?;
    Ok(vec![bytes("resident", resident)])
}

/// What the kernel programs add to the life of a process: the agent is stopped, and the ring large enough to hold it all.
pub fn exec_exit_kernel() -> Result<Vec<Measurement>> {
    const COUNT: u32 = 300;
    let before = least(COUNT, program::run)?;
    let mut subject = Subject::start(&["--rb-size", "64M"])?;
    subject.wait_idle()?;
    subject.signal(libc::SIGSTOP)?;
    let with = least(COUNT, program::run);
    subject.signal(libc::SIGCONT)?;
    subject.stop()?;
    // What is measured is the difference of two large numbers: the smaller one is taken twice.
    let without = least(COUNT, program::run)?.min(before);
    Ok(vec![
        instructions("pair", with? - without),
        instructions("baseline", without),
    ])
}

/// What the agent does for the exec and the exit of a process, up to the bytes in the JSON file.
pub fn exec_exit_agent() -> Result<Vec<Measurement>> {
    const COUNT: u32 = 500;
    let mut subject = Subject::start(&["--rb-size", "64M"])?;
    let mut pair = f64::INFINITY;
    for run in 0..=RUNS {
        subject.wait_idle()?;
        let before = subject.cpu()?;
        for _ in 0..COUNT {
            program::run()?;
        }
        subject.wait_idle()?;
        if run > 0 {
            pair = pair.min(float(subject.cpu()? - before) / f64::from(COUNT));
        }
    }
    let events = subject.stop()?;
    let expected = 2 * COUNT as usize * (RUNS + 1);
    ensure!(events >= expected, "{events} events in the file, {expected} expected");
    Ok(vec![instructions("pair", pair)])
}

/// Memory after `count` processes have come and gone, one after the other, with every event in the file.
pub fn memory_after(count: u32) -> Result<Vec<Measurement>> {
    let mut subject = Subject::start(&[])?;
    for _ in 0..count {
        program::run()?;
    }
    subject.wait_idle()?;
    let resident = subject.resident()?;
    let peak = subject.peak()?;
    let (events, expected) = (subject.stop()?, 2 * count as usize);
    ensure!(events >= expected, "{events} events in the file, {expected} expected");
    Ok(vec![bytes("resident", resident), bytes("peak", peak)])
}
