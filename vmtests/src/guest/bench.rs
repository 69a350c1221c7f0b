//! Measurements with counted instructions: under `-icount` a nanosecond of the guest is an instruction.
//!
//! Each is the least of several runs after a warm-up, with what the same work costs without us taken off.

pub mod empty;
pub mod hooks;
pub mod measure;
pub mod program;
pub mod subject;

use anyhow::{Context as _, Result, bail};

use super::Reporter;
use crate::protocol::{Event, Plan, Verdict};
use hooks::Kind;
use measure::Measurement;

/// Measures the rows of the plan.
pub fn rows(plan: &Plan, reporter: &mut Reporter) -> Result<()> {
    // The kernel goes on with work of its own for a while after boot; idle time costs nothing under `-icount`.
    std::thread::sleep(std::time::Duration::from_secs(5));
    program::write()?;
    let (mut passed, mut failed) = (0, 0);
    for name in &plan.names {
        reporter.send(Event::Start { name: name.clone() })?;
        let began = std::time::Instant::now();
        let result = row(name);
        let (verdict, reason) = match &result {
            Ok(_) => (Verdict::Passed, String::new()),
            Err(error) => (Verdict::Failed, format!("{error:#}")),
        };
        for Measurement { quantity, value, unit } in result.unwrap_or_default() {
            reporter.send(Event::Measure {
                name: name.clone(),
                quantity: quantity.to_owned(),
                value,
                unit: unit.to_owned(),
            })?;
        }
        if verdict == Verdict::Passed {
            passed += 1;
        } else {
            failed += 1;
        }
        reporter.send(Event::Outcome {
            name: name.clone(),
            verdict,
            reason,
            millis: began.elapsed().as_millis() as u64,
        })?;
    }
    reporter.send(Event::Done {
        passed,
        failed,
        skipped: 0,
    })
}

/// Measures one row.
fn row(name: &str) -> Result<Vec<Measurement>> {
    match name {
        "raw-tracepoint-empty" => measure::raw_tracepoint_empty(),
        "startup" => measure::startup(),
        "memory-idle" => measure::memory_idle(),
        "exec-exit-kernel" => measure::exec_exit_kernel(),
        "exec-exit-agent" => measure::exec_exit_agent(),
        "memory-after-20000" => measure::memory_after(20_000),
        "hook-miss-kprobe" => hooks::miss(Kind::Kprobe),
        "hook-miss-syscall" => hooks::miss(Kind::Syscall),
        "hook-miss-fentry" => hooks::miss(Kind::Function),
        "hook-miss-lsm" => hooks::miss(Kind::Lsm),
        "hook-miss-tracepoint" => hooks::miss(Kind::Tracepoint),
        "hook-miss-path" => hooks::miss_path(),
        "hook-hit" => hooks::hit(),
        "hook-policies-64" => hooks::policies(64),
        _ => bail!("no row is named {name}"),
    }
    .context("measure")
}
