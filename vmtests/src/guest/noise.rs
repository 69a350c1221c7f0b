//! How much policies tell of on a machine on which nothing is amiss ([`crate::everyday`]).
//!
//! The initramfs is a whole Debian with this project added. `vm-init` hands process 1 over to Debian's own, which starts
//! `vm-init runner` as one of its services. All policies are loaded, and what is told of during each phase is counted.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::{fs::symlink, process::CommandExt as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use policy::yaml::Budget;
use policy_test::{PolicyTest, act, expect::scope::Scope};
use regex::Regex;
use serde_json::Value;

use super::{
    RUNNER, Reporter,
    agent::{self, Agent},
    cgroup::Cgroup,
    losses, report, spawn,
};
use crate::{
    case::Start,
    everyday::{self, Phase},
    protocol::{Event, PROJECT, Plan, Verdict},
};

/// Where the agent has its files.
const FOLDER: &str = "/run/noise";

/// Folder for units of systemd that no package brought, and the one of those that the boot waits for.
const UNITS: &str = "/run/systemd/system";
const WANTED: &str = "/run/systemd/system/multi-user.target.wants";

/// The unit of the runner.
const UNIT: &str = "noise.service";

/// When the machine starts: jobs of cron come at their minutes, those of every hour some minutes after this one.
const BEGIN: &str = "2030-01-01 12:10";

/// How much of what a phase printed is shown when it fails.
const SHOWN: usize = 4096;

/// What the agent may complain of: emulation is slow, and an event without a build id counts as well.
const ALLOWED: &str = "files of processes cannot be read as fast as events come";

/// How many kinds of events the list of the most frequent ones has.
const KINDS: usize = 300;

/// Becomes Debian's process 1. Returns only when that did not work.
pub fn hand_over() -> Result<i32> {
    let set = Command::new("/bin/date").args(["--utc", "--set", BEGIN]).status();
    ensure!(set.context("start date")?.success(), "the clock cannot be set");
    fs::create_dir_all(WANTED)?;
    let unit =
        format!("[Service]\nExecStart=/init {RUNNER}\nStandardOutput=tty\nStandardError=tty\nTTYPath=/dev/console\n");
    fs::write(Path::new(UNITS).join(UNIT), unit).context("write the unit of the runner")?;
    symlink(Path::new(UNITS).join(UNIT), Path::new(WANTED).join(UNIT)).context("have the runner started")?;
    Err(Command::new("/sbin/init").exec()).context("start Debian's process 1")
}

/// Counts; the names of the plan are files of policies in the project.
pub fn measure(plan: &Plan, reporter: &mut Reporter) -> Result<()> {
    let phases = everyday::parse(everyday::TEXT)?.phases;
    // Its status tells of services that failed, which is not of interest here.
    let mut booted = spawn::command("systemctl");
    booted
        .args(["is-system-running", "--wait"])
        .status()
        .context("wait for the end of the boot")?;

    let folder = Path::new(FOLDER);
    let policies = Policies::write(&plan.names, &folder.join("policies"))?;
    let cgroup = Cgroup::make("noise")?;
    let flags = [
        format!("--tracing-policy-dir={FOLDER}/policies"),
        "--export-file-max-size-mb=4096".to_owned(),
        // Emulation is slow: nothing is to be lost.
        "--rb-size-total=64M".to_owned(),
    ];
    let start = Start::with_flags(flags.to_vec());
    let mut agent = Agent::start(&start, &Scope::default(), folder, &cgroup, None)?;
    agent.wait_ready(Instant::now() + Duration::from_mins(5))?;
    let mut export = Export::open(&folder.join("export/events.json"))?;
    export.until_now(|_| {})?;

    let mut kinds = BTreeMap::<_, u64>::new();
    for phase in &phases {
        reporter.send(Event::Start {
            name: phase.name.clone(),
        })?;
        let mut counts = BTreeMap::<String, u32>::new();
        run(phase, folder)?;
        export.until_now(|event| {
            let Some((file, what)) = policies.told(event) else {
                return;
            };
            *counts.entry(file.to_owned()).or_default() += 1;
            *kinds.entry(format!("{} {file} {what}", phase.name)).or_default() += 1;
        })?;
        for name in &plan.names {
            reporter.send(Event::Measure {
                name: name.clone(),
                quantity: phase.name.clone(),
                value: f64::from(*counts.get(name).unwrap_or(&0)),
                unit: "events".to_owned(),
            })?;
        }
    }
    agent.stop(Instant::now() + Duration::from_mins(5))?;
    let (stdout, stderr) = agent.process.output();
    let log = format!("{stdout}{stderr}");
    reporter.blob("kinds.txt", most(&kinds).as_bytes())?;
    reporter.blob("agent.log", log.as_bytes())?;
    let mut complaints = agent::complaints(&log, &[Regex::new(ALLOWED)?]);
    complaints.extend(losses::in_log(&log));
    let good = complaints.is_empty();
    for name in &plan.names {
        reporter.send(Event::Outcome {
            name: name.clone(),
            verdict: if good { Verdict::Passed } else { Verdict::Failed },
            reason: report::shorten(&complaints.join("\n"), SHOWN),
            millis: 0,
        })?;
    }
    let all = plan.names.len() as u64;
    reporter.send(Event::Done {
        passed: if good { all } else { 0 },
        failed: if good { 0 } else { all },
        skipped: 0,
    })
}

/// Goes through a phase.
fn run(phase: &Phase, folder: &Path) -> Result<()> {
    let output = folder.join(format!("{}.output", phase.name));
    let file = File::create(&output).with_context(|| format!("make {}", output.display()))?;
    let status = spawn::command("sh")
        .args(["-e", "-c", &phase.script])
        // As of a user: programs of the project are not looked for.
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .current_dir("/")
        .stdout(Stdio::from(file.try_clone()?))
        .stderr(Stdio::from(file))
        .status()
        .context("start a shell")?;
    if !status.success() {
        let said = report::shorten(&fs::read_to_string(&output).unwrap_or_default(), SHOWN);
        bail!("phase {} ended with {}\n{said}", phase.name, act::ending(status));
    }
    Ok(())
}

/// The policies that are loaded: their files by their names.
#[derive(Debug, Default)]
struct Policies {
    files: BTreeMap<String, String>,
    /// The file of the one that events of the loader are of, which have no name of a policy.
    loader: Option<String>,
}

impl Policies {
    /// Writes the policies to `folder` as their tests load them: with addresses in place of what is to be filled in.
    fn write(files: &[String], folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let mut policies = Self::default();
        for (number, file) in files.iter().enumerate() {
            let path = Path::new(PROJECT).join(file);
            let tests = policy_test::find(&path)?;
            let test = PolicyTest::read(tests.first().with_context(|| format!("{file} has no test"))?)?;
            let yaml = test.yaml(|to| Ok(to.to_owned()))?;
            let (documents, _) = policy::parse::parse(&yaml, Budget::default());
            for document in documents {
                policies
                    .files
                    .insert(document.metadata.name.value.clone(), file.clone());
                if document.spec.loader.value {
                    let another = policies.loader.replace(file.clone());
                    ensure!(another.is_none(), "events of the loader can be of two policies");
                }
            }
            fs::write(folder.join(format!("{number}.yaml")), yaml).with_context(|| format!("write {file}"))?;
        }
        Ok(policies)
    }

    /// The file of the policy that an event is of, if it is of any, and what it tells of in short.
    fn told(&self, event: &Value) -> Option<(&str, String)> {
        let (kind, inner) = event
            .as_object()?
            .iter()
            .find(|(name, _)| name.starts_with("process_"))?;
        let text = |pointer: &str| inner.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (file, function) = if kind == "process_loader" {
            (self.loader.as_ref()?, kind.as_str())
        } else {
            (self.files.get(text("/policy_name"))?, text("/function_name"))
        };
        let arguments = inner.get("args").map(Value::to_string).unwrap_or_default();
        Some((file, format!("{function} {} {arguments}", text("/process/binary"))))
    }
}

/// The most frequent kinds of events, a line each.
fn most(kinds: &BTreeMap<String, u64>) -> String {
    let mut kinds: Vec<_> = kinds.iter().collect();
    kinds.sort_by(|left, right| right.1.cmp(left.1));
    let mut text = String::new();
    for (kind, count) in kinds.into_iter().take(KINDS) {
        let _ = writeln!(text, "{count} {kind}");
    }
    text
}

/// The file of events, read as it grows.
#[derive(Debug)]
struct Export {
    file: BufReader<File>,
    /// The beginning of a line whose end is not written yet.
    line: String,
    marks: u32,
}

impl Export {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
        Ok(Self {
            file: BufReader::new(file),
            line: String::new(),
            marks: 0,
        })
    }

    /// Hands over everything that the agent tells of up to now: of a process that is started for that.
    fn until_now(&mut self, mut take: impl FnMut(&Value)) -> Result<()> {
        self.marks += 1;
        let mark = format!("noise-{}", self.marks);
        let tester = format!("{PROJECT}/bin/tester");
        spawn::command(&tester)
            .args(["noop", &mark])
            .status()
            .context("start tester")?;
        let arguments = Value::from(format!("noop {mark}"));
        let deadline = Instant::now() + Duration::from_mins(10);
        loop {
            self.file.read_line(&mut self.line).context("read events")?;
            if !self.line.ends_with('\n') {
                ensure!(Instant::now() < deadline, "the agent does not tell of all in time");
                std::thread::sleep(Duration::from_millis(50));
                continue;
            }
            let event: Value =
                serde_json::from_str(&self.line).with_context(|| format!("the agent wrote {}", self.line))?;
            self.line.clear();
            if event.pointer("/process_exit/process/arguments") == Some(&arguments) {
                return Ok(());
            }
            take(&event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Policies, most};
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn events_belong_to_files_of_policies() {
        let policies = Policies {
            files: BTreeMap::from([("opened".to_owned(), "examples/open.yaml".to_owned())]),
            loader: Some("examples/library.yaml".to_owned()),
        };
        let opened = json!({
            "process_kprobe": { "policy_name": "opened", "function_name": "f", "process": { "binary": "/b" }, "args": [1] },
            "node_name": "vm",
        });
        let (file, what) = policies.told(&opened).unwrap();
        assert_eq!((file, what.as_str()), ("examples/open.yaml", "f /b [1]"));
        let loader = json!({ "process_loader": { "path": "/lib", "process": { "binary": "/b" } } });
        assert_eq!(policies.told(&loader).unwrap().0, "examples/library.yaml");
        assert!(
            policies
                .told(&json!({ "process_exec": { "process": { "binary": "/b" } } }))
                .is_none()
        );
        assert!(
            policies
                .told(&json!({ "process_kprobe": { "policy_name": "other" } }))
                .is_none()
        );
    }

    #[test]
    fn the_most_frequent_first() {
        let kinds = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 3)]);
        assert_eq!(most(&kinds), "3 b\n1 a\n");
    }
}
