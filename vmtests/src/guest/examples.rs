//! The tests of example policies: `tetra policytest` runs them, one after the other, against one agent.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use policy_test::expect::scope::Scope;
use regex::Regex;
use rustix::mount::{MountFlags, mount};
use serde::Deserialize;

use super::{
    Reporter,
    agent::{self, Agent, SOCKET},
    cgroup::Cgroup,
    leak::Snapshot,
    losses, report,
    run::{FOLDER, clean_up},
    runner::{AGAIN, REASON_LIMIT, tried_again},
    spawn,
};
use crate::{
    case::Start,
    protocol::{EXAMPLES, Event, PROJECT, Plan, Verdict},
    sys::process,
};

/// Flags of the agent. Addresses of canaries are the machine's own.
const FLAGS: [&str; 3] = [
    "--allow-action-private-addresses",
    "--enable-process-cred",
    "--enable-process-ns",
];

/// What the agent may complain of: tests say which policies a kernel cannot have, some policies come with the pod that they
/// are shown with, and the name server of a canary knows no name.
const ALLOWED: [&str; 3] = [
    "tracing policy .* not loaded",
    "a Pod, which is no policy, is passed over",
    r"An errand of a policy failed: resolve canary\.example\.org",
];

/// A line of `tetra policytest run --output json`.
#[derive(Debug, Deserialize)]
struct Outcome {
    name: String,
    verdict: Verdict,
    reason: String,
    millis: u64,
}

/// Runs the tests called `names`, which are paths in the project without `.test.toml`, and returns what [`Event::Done`] counts.
pub fn run(names: &[String], plan: &Plan, reporter: &mut Reporter) -> Result<[u64; 3]> {
    let mut counts = BTreeMap::new();
    let mut left: Vec<String> = names.to_vec();
    let mut findings = Vec::new();
    let mut results = String::new();
    for attempt in 0..=AGAIN {
        let Attempt {
            failed,
            complaints,
            log,
        } = attempt_all(&left, attempt, reporter, &mut counts, &mut results)?;
        findings.extend(complaints);
        let again = attempt < AGAIN && !failed.is_empty() && losses::preempted(&log);
        if !again {
            for outcome in failed {
                reporter.log(&outcome.name, "agent", &log)?;
                send(reporter, &mut counts, outcome)?;
            }
            break;
        }
        left = failed.into_iter().map(|outcome| outcome.name).collect();
    }
    if plan.report {
        reporter.blob(&format!("{EXAMPLES}.jsonl"), results.as_bytes())?;
    }
    let whole = Outcome {
        name: EXAMPLES.to_owned(),
        verdict: if findings.is_empty() {
            Verdict::Passed
        } else {
            Verdict::Failed
        },
        reason: findings.join("\n"),
        millis: 0,
    };
    reporter.send(Event::Start {
        name: EXAMPLES.to_owned(),
    })?;
    send(reporter, &mut counts, whole)?;
    Ok([Verdict::Passed, Verdict::Failed, Verdict::Skipped].map(|verdict| *counts.get(&verdict).unwrap_or(&0)))
}

/// How all tests went once.
struct Attempt {
    failed: Vec<Outcome>,
    /// What is wrong with the agent.
    complaints: Vec<String>,
    log: String,
}

/// Runs tests against one agent. What passed or was skipped is reported.
fn attempt_all(
    names: &[String],
    attempt: u32,
    reporter: &mut Reporter,
    counts: &mut BTreeMap<Verdict, u64>,
    results: &mut String,
) -> Result<Attempt> {
    let folder = Path::new(FOLDER);
    fs::create_dir_all(folder)?;
    mount("tmpfs", folder, "tmpfs", MountFlags::empty(), c"mode=755").context("mount a folder")?;
    let before = Snapshot::take();
    let cgroup = Cgroup::make(&format!("{EXAMPLES}-{attempt}"))?;
    let start = Start::with_flags(FLAGS.map(str::to_owned).to_vec());
    let mut agent = Agent::start(&start, &Scope::default(), folder, &cgroup, None)?;
    agent.wait_ready(Instant::now() + Duration::from_mins(1))?;

    let mut command = spawn::command(&format!("{PROJECT}/bin/tetra"));
    command.args(["policytest", "run", "--control", "--disturb", "--output", "json"]);
    command.args(["--server-address", SOCKET, "--bindir", &format!("{PROJECT}/bin")]);
    command.args(names.iter().map(|name| format!("{PROJECT}/{name}.test.toml")));
    command
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(fs::File::create(folder.join("tetra.stderr"))?);
    process::prepare_child(&mut command, Some(cgroup.procs()), false);
    let mut tetra = command.spawn().context("start tetra")?;
    let mut lines = BufReader::new(tetra.stdout.take().context("no output")?).lines();
    let mut failed = Vec::new();
    let mut complaints = Vec::new();
    for name in names {
        if attempt == 0 {
            reporter.send(Event::Start { name: name.clone() })?;
        }
        let Some(line) = lines.next() else {
            failed.push(Outcome {
                name: name.clone(),
                verdict: Verdict::Failed,
                reason: format!(
                    "tetra has no result\n{}",
                    fs::read_to_string(folder.join("tetra.stderr")).unwrap_or_default()
                ),
                millis: 0,
            });
            continue;
        };
        let line = line.context("read what tetra prints")?;
        let mut outcome: Outcome = serde_json::from_str(&line).with_context(|| format!("tetra printed {line}"))?;
        outcome.name = relative(&outcome.name);
        ensure!(outcome.name == *name, "{} came instead of {name}", outcome.name);
        if outcome.verdict == Verdict::Failed {
            failed.push(outcome);
            continue;
        }
        results.push_str(&line);
        results.push('\n');
        if attempt > 0 {
            outcome.reason = tried_again(attempt);
        }
        send(reporter, counts, outcome)?;
    }
    tetra.wait().context("wait for tetra")?;
    if let Err(error) = agent.stop(Instant::now() + Duration::from_mins(1)) {
        complaints.push(format!("{error:#}"));
    }
    let (stdout, stderr) = agent.process.output();
    let log = format!("{stdout}{stderr}");
    let allowed = ALLOWED.map(|pattern| Regex::new(pattern).expect("a constant"));
    for complaint in agent::complaints(&log, &allowed) {
        complaints.push(format!("the agent logged: {complaint}"));
    }
    if !losses::preempted(&log) {
        complaints.extend(losses::in_log(&log));
    }
    cgroup.remove()?;
    let leaks = before.leaks();
    if !leaks.is_empty() {
        complaints.push(format!("left behind:\n{leaks}"));
    }
    clean_up()?;
    Ok(Attempt {
        failed,
        complaints,
        log,
    })
}

/// A test's name in the plan.
fn relative(path: &str) -> String {
    let root = format!("{PROJECT}/");
    path.strip_prefix(&root).unwrap_or(path).to_owned()
}

fn send(reporter: &mut Reporter, counts: &mut BTreeMap<Verdict, u64>, outcome: Outcome) -> Result<()> {
    let Outcome {
        name,
        verdict,
        reason,
        millis,
    } = outcome;
    *counts.entry(verdict).or_default() += 1;
    reporter.send(Event::Outcome {
        name,
        verdict,
        reason: report::shorten(&reason, REASON_LIMIT),
        millis,
    })
}
