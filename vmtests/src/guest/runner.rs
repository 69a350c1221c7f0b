//! The plan, from its first name to `done`.

use std::{path::Path, time::Instant};

use anyhow::{Context as _, Result};

use super::{
    Reporter, bench, examples, init, interactive, noise, report,
    run::{self, Ran},
    setup,
};
use crate::{
    case::{self, Case},
    protocol::{EXAMPLES, EXIT_BROKEN, EXIT_DONE, Event, Mode, PROJECT, Plan, Verdict},
};

/// Most bytes of the reason of a failure.
pub(super) const REASON_LIMIT: usize = 16 * 1024;

/// How often a case is run again that failed and lost events for no other reason than that the kernel did not run programs.
pub(super) const AGAIN: u32 = 3;

/// Runs the plan; 0 when it came to its end.
pub fn main() -> i32 {
    match plan() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("vm-init: {error:#}");
            1
        }
    }
}

fn plan() -> Result<()> {
    let plan = init::read_plan()?;
    match plan.mode {
        Mode::Test => tests(&plan),
        Mode::Bench => bench::rows(&plan, &mut boot()?),
        Mode::Noise => match boot().and_then(|mut reporter| noise::measure(&plan, &mut reporter)) {
            // Process 1 is not this project's, and waits for nobody.
            Ok(()) => init::end(EXIT_DONE),
            Err(error) => {
                eprintln!("vm-init: {error:#}");
                init::end(EXIT_BROKEN)
            }
        },
        Mode::Demo => interactive::demo(plan.terminal),
        Mode::Shell => interactive::shell(plan.terminal),
    }
}

/// Opens the report and says that init runs.
fn boot() -> Result<Reporter> {
    let mut reporter = Reporter::open()?;
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    reporter.send(Event::Boot { release })?;
    Ok(reporter)
}

fn tests(plan: &Plan) -> Result<()> {
    let mut reporter = boot()?;
    let cases = case::list(&Path::new(PROJECT).join("cases"))?;
    let locked = plan.machine.lockdown.map_or(Ok(()), setup::lock_down);
    let unfit = locked.err().map(|error| format!("{error:#}"));
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let (examples, names): (Vec<_>, Vec<_>) =
        (plan.names.iter().cloned()).partition(|name| name.split('/').next() == Some(EXAMPLES));
    for name in &names {
        reporter.send(Event::Start { name: name.clone() })?;
        let began = Instant::now();
        let folder = cases.get(name).with_context(|| format!("no case is named {name}"))?;
        let (verdict, reason) = match Case::read(folder) {
            Err(error) => (Verdict::Failed, format!("{error:#}")),
            Ok((case, _)) if case.skip.contains_key(&plan.kernel) => {
                (Verdict::Skipped, case.skip[&plan.kernel].clone())
            }
            Ok((case, expectations)) => {
                let mut run = || match &unfit {
                    None => run::case(name, folder, &case, &expectations, plan, &mut reporter),
                    Some(reason) => Ok(Ran {
                        failures: vec![reason.clone()],
                        preempted: false,
                    }),
                };
                let (mut ran, mut again) = (run()?, 0);
                while !ran.failures.is_empty() && ran.preempted && again < AGAIN {
                    ran = run()?;
                    again += 1;
                }
                let failures = report::shorten(&ran.failures.join("\n"), REASON_LIMIT);
                match (ran.failures.is_empty(), again) {
                    (false, _) => (Verdict::Failed, failures),
                    (true, 0) => (Verdict::Passed, String::new()),
                    (true, _) => (Verdict::Passed, tried_again(again)),
                }
            }
        };
        match verdict {
            Verdict::Passed => passed += 1,
            Verdict::Failed => failed += 1,
            Verdict::Skipped => skipped += 1,
        }
        reporter.send(Event::Outcome {
            name: name.clone(),
            verdict,
            reason,
            millis: began.elapsed().as_millis() as u64,
        })?;
    }
    let examples: Vec<String> = examples.into_iter().filter(|name| name != EXAMPLES).collect();
    if !examples.is_empty() {
        let counts = examples::run(&examples, plan, &mut reporter)?;
        passed += counts[0];
        failed += counts[1];
        skipped += counts[2];
    }
    reporter.send(Event::Done {
        passed,
        failed,
        skipped,
    })
}

/// What is said of a case that passed after `again` tries that did not.
pub(super) fn tried_again(again: u32) -> String {
    format!(
        "in try {}: the kernel had not run all programs, which the agent counted",
        again + 1
    )
}
