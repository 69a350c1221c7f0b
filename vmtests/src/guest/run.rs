//! One case: its steps, then judgement.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use policy_test::{
    act,
    expect::{Expectations, Facts, invariants, mutants::mutants, normal, scope::Scope},
    signal,
};
use regex::Regex;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::{Value, json};

use super::{
    Reporter,
    agent::{self, Agent},
    cgroup::Cgroup,
    dump,
    leak::Snapshot,
    losses,
    spawn::{self, Process},
    verifier,
};
use crate::{
    case::{Case, Run, Start, Step},
    protocol::{PROJECT, Plan},
};

/// Where the running case has its own folder.
pub(super) const FOLDER: &str = "/run/case";

/// Runs a case and returns what failed. An error means that the machine itself is no longer usable.
pub fn case(
    name: &str,
    data: &Path,
    case: &Case,
    expectations: &Expectations,
    plan: &Plan,
    reporter: &mut Reporter,
) -> Result<Ran> {
    let folder = PathBuf::from(FOLDER);
    fs::create_dir_all(folder.join("export"))?;
    mount("tmpfs", &folder, "tmpfs", MountFlags::empty(), c"mode=755").context("mount the case's folder")?;
    let before = Snapshot::take();
    let mut running = Running {
        cgroup: Cgroup::make(&format!("case-{name}"))?,
        deadline: Instant::now() + Duration::from_secs(case.timeout_s),
        raw: (plan.record && case.record).then(|| folder.join("raw.bin")),
        folder,
        agents: BTreeMap::new(),
        processes: BTreeMap::new(),
        copies: Vec::new(),
        scope: Scope::default(),
        log: String::new(),
        failures: Vec::new(),
    };
    running.scope.set("dir", FOLDER);
    running.scope.set("case", format!("{PROJECT}/cases/{name}"));
    running.scope.set("kernel", plan.kernel.as_str());
    running.steps(case);

    let mut facts = running.facts();
    if running.failures.is_empty() {
        running.judge(case, expectations, data, &mut facts, plan, reporter)?;
    }
    if !running.failures.is_empty() {
        report(name, &running, &facts, reporter)?;
    } else if let Some(raw) = &running.raw {
        let bytes = fs::read(raw).context("the agent recorded nothing")?;
        reporter.blob(&format!("raw/{}/{name}.bin", plan.kernel), &bytes)?;
    }
    running.cgroup.remove()?;
    let leaks = before.leaks();
    if !leaks.is_empty() {
        running.failures.push(format!("left behind:\n{leaks}"));
    }
    for copy in &running.copies {
        fs::remove_file(copy).with_context(|| format!("remove {}", copy.display()))?;
    }
    clean_up()?;
    Ok(Ran {
        preempted: losses::preempted(&running.log),
        failures: running.failures,
    })
}

/// How a case went.
#[derive(Debug)]
pub struct Ran {
    /// Why it failed, if it did.
    pub failures: Vec<String>,
    /// Whether events were lost, and only because the kernel did not run programs: see [`losses::preempted`].
    pub preempted: bool,
}

/// Unmounts whatever the case mounted, and removes what the agent leaves on purpose: pins as well, which the next case would
/// suffer from.
pub(super) fn clean_up() -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let ours = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|path| path.starts_with(FOLDER));
    for path in ours.collect::<Vec<_>>().into_iter().rev() {
        unmount(path, UnmountFlags::DETACH).with_context(|| format!("unmount {path}"))?;
    }
    let _ = fs::remove_dir_all("/run/tetragon");
    for entry in fs::read_dir("/sys/fs/bpf").into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            let _ = fs::remove_dir_all(path);
        } else {
            let _ = fs::remove_file(path);
        }
    }
    Ok(())
}

/// What helps to understand a failure.
fn report(name: &str, running: &Running, facts: &Facts, reporter: &mut Reporter) -> Result<()> {
    for (step, (stdout, stderr)) in &facts.outputs {
        reporter.log(name, step, &format!("{stdout}{stderr}"))?;
    }
    reporter.log(name, "log", &running.log)?;
    let events: Vec<String> = facts.events.iter().map(Value::to_string).collect();
    reporter.log(name, "events", &events.join("\n"))
}

/// A case under way.
#[derive(Debug)]
struct Running {
    folder: PathBuf,
    cgroup: Cgroup,
    deadline: Instant,
    raw: Option<PathBuf>,
    agents: BTreeMap<String, Agent>,
    processes: BTreeMap<String, Process>,
    /// Copies of programs, which are removed in the end.
    copies: Vec<PathBuf>,
    scope: Scope,
    /// What all agents logged.
    log: String,
    failures: Vec<String>,
}

impl Running {
    /// All steps, and the end of all agents.
    fn steps(&mut self, case: &Case) {
        for (index, step) in case.steps.iter().enumerate() {
            if let Err(error) = self.step(step) {
                let name = step.defines().or(step.refers_to()).unwrap_or("");
                self.failures.push(format!("step {} {name}: {error:#}", index + 1));
                if Instant::now() >= self.deadline {
                    self.failures.push(dump::processes(Some(&self.cgroup.members())));
                }
                break;
            }
        }
        for name in self.agents.keys().cloned().collect::<Vec<_>>() {
            if let Err(error) = self.stop(&name) {
                self.failures.push(format!("{error:#}"));
                self.failures.push(dump::processes(Some(&self.cgroup.members())));
            }
        }
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Start(start) => self.start(start),
            Step::Stop { of } => self.stop(of),
            Step::Run(run) => self.run(run),
            Step::Wait { of, exit, signal } => {
                if let Some(agent) = self.agents.remove(of) {
                    self.processes.insert(of.clone(), agent.process);
                }
                let process = self.processes.get_mut(of).context("is not in the background")?;
                let status = process.wait(self.deadline);
                self.remember(of);
                self.ended_as_expected(of, status?, *exit, signal.as_deref())
            }
            Step::Kill { of } => {
                let mut agent = self.agents.remove(of).context("no such agent")?;
                agent.process.signal(libc::SIGKILL)?;
                agent.process.wait(self.deadline)?;
                self.processes.insert(of.clone(), agent.process);
                Ok(())
            }
            Step::Signal { of, signal } => {
                let number = signal::number(signal)?;
                match (self.processes.get(of), self.agents.get(of)) {
                    (Some(process), _) => process.signal(number),
                    (None, Some(agent)) => agent.process.signal(number),
                    (None, None) => bail!("no such process"),
                }
            }
            Step::Write { path, text, mode } => act::write(Path::new(&self.expand(path)?), &self.expand(text)?, mode),
            Step::Load => bail!("a case gives policies to the agent with tetra or a flag"),
            Step::Copy { of, path, .. } => {
                let (of, path) = (self.expand(of)?, PathBuf::from(self.expand(path)?));
                if path.exists() {
                    return Ok(());
                }
                act::copy(&of, &path, spawn::PATH)?;
                self.copies.push(path);
                Ok(())
            }
            Step::Tmpfs { path, options } => {
                let path = self.expand(path)?;
                fs::create_dir_all(&path)?;
                let options = std::ffi::CString::new(options.as_str())?;
                mount("tmpfs", &path, "tmpfs", MountFlags::empty(), options.as_c_str()).context("mount")
            }
        }
    }

    fn expand(&self, text: &str) -> Result<String> {
        self.scope.expand_text(text).map_err(|error| anyhow!(error))
    }

    fn start(&mut self, start: &Start) -> Result<()> {
        ensure!(!self.agents.contains_key(&start.name), "runs already");
        let mut agent = Agent::start(start, &self.scope, &self.folder, &self.cgroup, self.raw.as_deref())?;
        self.scope.set(&start.name, json!([{ "pid": agent.process.pid() }]));
        if let Some(code) = start.fails {
            let status = agent.process.wait(self.deadline)?;
            let (stdout, stderr) = agent.process.output();
            self.processes.insert(start.name.clone(), agent.process);
            if status.code() != Some(code) {
                bail!(
                    "ended with {}, expected exit code {code}\n{stdout}{stderr}",
                    act::ending(status)
                );
            }
            return Ok(());
        }
        let ready = if start.background {
            Ok(())
        } else {
            agent.wait_ready(self.deadline)
        };
        if let Err(error) = ready {
            let (stdout, stderr) = agent.process.output();
            let dump = dump::processes(Some(&[agent.process.pid()]));
            bail!("{error:#}\n{stdout}{stderr}{dump}");
        }
        self.agents.insert(start.name.clone(), agent);
        Ok(())
    }

    fn stop(&mut self, name: &str) -> Result<()> {
        let mut agent = self
            .agents
            .remove(name)
            .with_context(|| format!("no agent {name} runs"))?;
        // Draining is part of what the case tests, and may begin at the end of its time.
        let deadline = self.deadline.max(Instant::now() + Duration::from_secs(30));
        let result = agent.stop(deadline);
        let (stdout, stderr) = agent.process.output();
        self.log.push_str(&stdout);
        self.log.push_str(&stderr);
        self.processes.insert(name.to_owned(), agent.process);
        result
    }

    fn run(&mut self, run: &Run) -> Result<()> {
        let argv = run
            .argv
            .iter()
            .map(|argument| self.expand(argument))
            .collect::<Result<Vec<_>>>()?;
        let program = argv.first().context("argv is empty")?;
        let mut command = spawn::command(program);
        command.args(&argv[1..]);
        command.current_dir(run.cwd.as_ref().map_or(Ok(FOLDER.to_owned()), |cwd| self.expand(cwd))?);
        for (name, value) in &run.env {
            command.env(name, self.expand(value)?);
        }
        if let Some(stdin) = &run.stdin {
            let path = self.expand(stdin)?;
            command.stdin(fs::File::open(&path).with_context(|| format!("open {path}"))?);
        }
        let mut process = Process::start(&mut command, &run.name, &self.folder, &self.cgroup)?;
        if run.background {
            let result = self.await_output(run, &mut process);
            self.processes.insert(run.name.clone(), process);
            self.remember(&run.name);
            return result;
        }
        let status = process.wait(self.deadline);
        self.processes.insert(run.name.clone(), process);
        self.remember(&run.name);
        self.ended_as_expected(&run.name, status?, run.exit, run.signal.as_deref())
    }

    fn ended_as_expected(&self, name: &str, status: ExitStatus, exit: i32, signal: Option<&str>) -> Result<()> {
        let output = self.processes.get(name).map(Process::output).unwrap_or_default();
        act::check_end(status, exit, signal, output)
    }

    /// Waits until a background process has printed something, running the poke meanwhile.
    fn await_output(&mut self, run: &Run, process: &mut Process) -> Result<()> {
        while run.until_output && process.output().0.is_empty() {
            ensure!(
                Instant::now() < self.deadline,
                "printed nothing in time\n{}",
                process.output().1
            );
            let moment = Instant::now() + Duration::from_millis(50);
            if spawn::readable(&[process.pidfd()], moment)?[0] {
                bail!("ended before it printed anything\n{}", process.output().1);
            }
            if let Some((program, arguments)) = run.poke.split_first() {
                let mut command = spawn::command(program);
                Process::start(command.args(arguments), "poke", &self.folder, &self.cgroup)?.wait(self.deadline)?;
            }
        }
        Ok(())
    }

    /// Gives expectations the JSON lines that a step printed, and its process id.
    fn remember(&mut self, name: &str) {
        let Some(process) = self.processes.get(name) else {
            return;
        };
        let lines = act::objects(&process.output().0);
        self.scope.set(name, lines);
        self.scope.set(&format!("{name}_pid"), process.pid());
    }

    /// Everything there is to judge.
    fn facts(&mut self) -> Facts {
        let events = read_events(&self.folder.join("export")).unwrap_or_else(|error| {
            self.failures.push(format!("export: {error:#}"));
            Vec::new()
        });
        Facts {
            events,
            outputs: self
                .processes
                .iter()
                .map(|(name, process)| (name.clone(), process.output()))
                .collect(),
            scope: self.scope.clone(),
        }
    }

    fn judge(
        &mut self,
        case: &Case,
        expectations: &Expectations,
        data: &Path,
        facts: &mut Facts,
        plan: &Plan,
        reporter: &mut Reporter,
    ) -> Result<()> {
        let scope = facts.scope.clone();
        self.failures.extend(expectations.check(facts));
        if plan.record && self.failures.is_empty() {
            for (place, mutant) in mutants(expectations) {
                facts.scope.clone_from(&scope);
                if mutant.check(facts).is_empty() {
                    self.failures
                        .push(format!("passes as well with another value at {place}"));
                }
            }
            facts.scope.clone_from(&scope);
            expectations.check(facts);
        }
        if case.invariants {
            self.failures.extend(invariants::violations(&facts.events));
        }
        let allowed = case
            .log_allow
            .iter()
            .map(|pattern| Regex::new(pattern))
            .collect::<Result<Vec<_>, _>>()?;
        for complaint in agent::complaints(&self.log, &allowed) {
            self.failures.push(format!("the agent logged: {complaint}"));
        }
        if !case.losses {
            self.failures.extend(losses::in_log(&self.log));
        }
        if case.verifier {
            self.failures.extend(verifier::tell(data, &self.log, reporter)?);
        }
        if !expectations.golden.is_empty() {
            match expectations.golden_events(facts) {
                Err(error) => self.failures.push(error),
                Ok(events) => {
                    let text = normal::golden_text(&events);
                    if plan.record {
                        let name = data.file_name().unwrap_or_default().to_string_lossy();
                        reporter.blob(&format!("golden/{name}/{}.json", plan.kernel), text.as_bytes())?;
                    } else if let Some(difference) = normal::difference(&golden(data, &plan.kernel), &text) {
                        self.failures.push(format!("golden events differ:\n{difference}"));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The golden file for `kernel`, or the one for all; empty when there is none.
fn golden(data: &Path, kernel: &str) -> String {
    fs::read_to_string(data.join(format!("golden/{kernel}.json")))
        .or_else(|_| fs::read_to_string(data.join("golden.json")))
        .unwrap_or_default()
}

/// The events in all files of `folder`: rotated files, whose names hold their time, before the one being written.
fn read_events(folder: &Path) -> Result<Vec<Value>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    // `events-2030-…` sorts before `events.json`, because `-` sorts before `.`.
    files.sort();
    let mut events = Vec::new();
    for file in files.iter().filter(|file| file.is_file()) {
        let text = read_file(file).with_context(|| format!("read {}", file.display()))?;
        ensure!(
            text.is_empty() || text.ends_with('\n'),
            "{} ends within a line",
            file.display()
        );
        for (index, line) in text.lines().enumerate() {
            let event = serde_json::from_str(line);
            events.push(event.with_context(|| format!("{}, line {}: {line}", file.display(), index + 1))?);
        }
    }
    Ok(events)
}

/// The text of a file, which is compressed if its name says so.
fn read_file(path: &Path) -> Result<String> {
    let mut text = String::new();
    let mut file = fs::File::open(path)?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::GzDecoder::new(file).read_to_string(&mut text)?;
    } else {
        file.read_to_string(&mut text)?;
    }
    Ok(text)
}
