//! Measurements with counted instructions: under `-icount` a nanosecond of the guest is an instruction.

use anyhow::Result;

use super::Reporter;
use crate::protocol::{Event, Plan};

/// Measures the rows of the plan.
pub fn rows(_plan: &Plan, reporter: &mut Reporter) -> Result<()> {
    reporter.send(Event::Done {
        passed: 0,
        failed: 0,
        skipped: 0,
    })
}
