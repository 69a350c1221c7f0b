//! `cargo xtask bench`: costs in executed instructions, against the budgets of `vmtests/budgets.toml`.
//!
//! Guest time counts instructions, one a nanosecond, so results are the same on any machine, however busy.

use crate::kernel;
use crate::protocol::{Event, Mode, Plan, Verdict};
use crate::vm::folder::Folder;
use crate::vm::machine::{MEMORY, Run};
use crate::{budget, build, setup, tool, vmtest};
use anyhow::{Result, bail};
use std::fmt::Write as _;
use std::time::Duration;

/// Time for all rows of a kernel. Counting makes emulation some three times slower.
const LIMIT: Duration = Duration::from_mins(30);

/// Arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Take the programs as they were built last.
    #[arg(long)]
    no_build: bool,
    /// Kernels of the matrix. Budgets exist for the default.
    #[arg(long, value_delimiter = ',', value_name = "NAMES", default_value = "6.12")]
    kernel: Vec<String>,
    /// Keep everything of the runs in target/vm/KERNEL-bench.
    #[arg(long)]
    keep: bool,
    /// Parts of names of rows to measure; all when none is given.
    rows: Vec<String>,
}

/// A measured value.
#[derive(Clone, Debug, PartialEq)]
struct Value {
    row: String,
    quantity: String,
    number: f64,
    unit: String,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let rows = vmtest::names(&budget::ROWS.map(str::to_owned), &args.rows)?;
    let budgets = budget::parse(budget::TEXT)?;
    setup::for_machines()?;
    let entries = kernel::select(&args.kernel)?;
    let kernels = entries.iter().map(kernel::Entry::require).collect::<Result<Vec<_>>>()?;
    let payload = build::payload(args.no_build)?;
    let mut good = true;
    for kernel in &kernels {
        tool::step(&format!("measuring on {}", kernel.description));
        let mut values = Vec::new();
        let folder = Folder::claim(&format!("{}-bench", kernel.name))?;
        let run = Run {
            kernel,
            payload: &payload,
            // It does not watch itself: time of the guest says nothing about time of the host here.
            plan: Plan::new(Mode::Bench, &kernel.name, rows.clone()),
            memory: MEMORY,
            counted: true,
            limit: LIMIT,
            folder: &folder,
            keep: args.keep,
        };
        let report = run.run(|event| {
            if let Event::Measure {
                name,
                quantity,
                value,
                unit,
            } = event
            {
                let (row, quantity, unit) = (name.clone(), quantity.clone(), unit.clone());
                values.push(Value {
                    row,
                    quantity,
                    number: *value,
                    unit,
                });
            }
        })?;
        let limit = |value: &Value| {
            let of_value = budgets
                .iter()
                .find(|budget| budget.row == value.row && budget.quantity == value.quantity);
            of_value.and_then(|budget| budget.at_most.get(&kernel.name)).copied()
        };
        println!("{}\n{}", kernel.description, table(&values, limit));
        for outcome in report
            .outcomes
            .iter()
            .filter(|outcome| outcome.verdict == Verdict::Failed)
        {
            println!("{}: {} failed: {}", kernel.name, outcome.name, outcome.detail);
        }
        // A budget whose quantity was not measured is not kept.
        for budget in budgets.iter().filter(|budget| rows.contains(&budget.row)) {
            let measured = values
                .iter()
                .any(|value| value.row == budget.row && value.quantity == budget.quantity);
            if budget.at_most.contains_key(&kernel.name) && !measured {
                println!(
                    "{}: {} {} has a budget, but was not measured",
                    kernel.name, budget.row, budget.quantity
                );
                good = false;
            }
        }
        good &= report.count(Verdict::Failed) == 0;
        if report.count(Verdict::Failed) == 0 && !args.keep {
            folder.discard()?;
        }
        good &= values
            .iter()
            .all(|value| limit(value).is_none_or(|limit| value.number <= limit));
    }
    if !good {
        bail!("not all is measured and within its budget");
    }
    Ok(())
}

/// The values with their budgets, in columns.
fn table(values: &[Value], limit: impl Fn(&Value) -> Option<f64>) -> String {
    let mut text = format!(
        "{:24} {:18} {:>16} {:13} {:>16}\n",
        "row", "quantity", "value", "unit", "budget"
    );
    for value in values {
        let Value {
            row,
            quantity,
            number,
            unit,
        } = value;
        let limit = limit(value);
        let note = if limit.is_some_and(|limit| *number > limit) {
            "  EXCEEDED"
        } else {
            ""
        };
        let limit = limit.map(grouped).unwrap_or_default();
        let _ = writeln!(
            text,
            "{row:24} {quantity:18} {:>16} {unit:13} {limit:>16}{note}",
            grouped(*number)
        );
    }
    text
}

/// A number, rounded, with commas between thousands; small ones with two digits behind the point.
fn grouped(number: f64) -> String {
    if number.abs() < 100.0 && number.fract() != 0.0 {
        return format!("{number:.2}");
    }
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0.0 && digits != "0" {
        format!("-{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, grouped, table};
    use expect_test::expect;

    #[test]
    fn columns_and_budgets() {
        let value = |quantity: &str, number| Value {
            row: "exec-exit-kernel".into(),
            quantity: quantity.into(),
            number,
            unit: "instructions".into(),
        };
        let values = [value("pair", 80_001.0), value("exec", 60_000.4)];
        expect![[r#"
            row                      quantity                      value unit                    budget
            exec-exit-kernel         pair                         80,001 instructions            80,000  EXCEEDED
            exec-exit-kernel         exec                         60,000 instructions                  
        "#]]
        .assert_eq(&table(&values, |value| (value.quantity == "pair").then_some(80_000.0)));
    }

    #[test]
    fn thousands() {
        assert_eq!(grouped(0.0), "0");
        assert_eq!(grouped(1.636), "1.64");
        assert_eq!(grouped(-0.4), "-0.40");
        assert_eq!(grouped(999.4), "999");
        assert_eq!(grouped(1_500_000_000.0), "1,500,000,000");
        assert_eq!(grouped(-1234.0), "-1,234");
    }
}
