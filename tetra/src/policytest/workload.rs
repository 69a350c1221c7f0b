//! The steps of a test.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use policy_test::act::find_program;
use policy_test::expect::scope::Scope;
use policy_test::step::{Run, Step};
use policy_test::{act, signal};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// How often a program that is to print something is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// Programs that were started, and what is to be undone in the end.
#[derive(Debug)]
pub(super) struct Workload {
    folder: TempDir,
    path: String,
    programs: BTreeMap<String, Program>,
    /// Files that steps made outside of the folder.
    made: Vec<PathBuf>,
    mounts: Vec<PathBuf>,
    /// What steps and expectations may refer to.
    pub(super) scope: Scope,
}

#[derive(Debug)]
struct Program {
    pid: i32,
    child: Child,
    status: Option<ExitStatus>,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Workload {
    /// Nothing has been done. Programs are looked for in `path`; `case` is the folder of the test.
    pub(super) fn new(path: String, case: &Path) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("tetra-policytest-").context("make a folder")?;
        // Tests change to other users.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).context("set permissions")?;
        let mut scope = Scope::default();
        scope.set("dir", folder.path().display().to_string());
        scope.set("case", std::path::absolute(case)?.display().to_string());
        Ok(Self {
            folder,
            path,
            programs: BTreeMap::new(),
            made: Vec::new(),
            mounts: Vec::new(),
            scope,
        })
    }

    /// Does `step`.
    pub(super) async fn step(&mut self, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Run(run) => self.run(run).await,
            Step::Wait { of, exit, signal } => {
                self.end(of).await?;
                self.ended_as_expected(of, *exit, signal.as_deref())
            }
            Step::Signal { of, signal } => {
                let program = self.programs.get(of).context("no such program")?;
                ensure!(program.status.is_none(), "has ended");
                let number = signal::number(signal)?;
                let signal = Signal::from_named_raw(number).context("no such signal")?;
                kill_process(pid(program.pid)?, signal).context("send the signal")
            }
            Step::Write { path, text, mode } => {
                let (path, text) = (PathBuf::from(self.expand(path)?), self.expand(text)?);
                if !path.starts_with(self.folder.path()) {
                    ensure!(!path.exists(), "{} is there already", path.display());
                    self.made.push(path.clone());
                }
                act::write(&path, &text, mode)
            }
            Step::Copy { of, path, .. } => {
                let (of, path) = (self.expand(of)?, PathBuf::from(self.expand(path)?));
                if path.exists() {
                    return Ok(());
                }
                self.made.push(path.clone());
                act::copy(&of, &path, &self.path)
            }
            Step::Tmpfs { path, options } => {
                let path = PathBuf::from(self.expand(path)?);
                fs::create_dir_all(&path)?;
                let options = std::ffi::CString::new(options.as_str())?;
                let mounted = mount("tmpfs", &path, "tmpfs", MountFlags::empty(), options.as_c_str());
                mounted.with_context(|| format!("mount {}", path.display()))?;
                self.mounts.push(path);
                Ok(())
            }
            Step::Load | Step::Start(_) | Step::Stop { .. } | Step::Kill { .. } => bail!("is no step of a workload"),
        }
    }

    fn expand(&self, text: &str) -> anyhow::Result<String> {
        self.scope.expand_text(text).map_err(anyhow::Error::msg)
    }

    fn command(&self, argv: &[String]) -> anyhow::Result<Command> {
        let (name, arguments) = argv.split_first().context("argv is empty")?;
        let name = self.expand(name)?;
        let program = find_program(&name, &self.path);
        let program = program.with_context(|| format!("no program {name}: --bindir names a folder to look in"))?;
        let mut command = Command::new(program);
        for argument in arguments {
            command.arg(self.expand(argument)?);
        }
        command
            .env_clear()
            .env("PATH", &self.path)
            .stdin(Stdio::null())
            .process_group(0);
        Ok(command)
    }

    async fn run(&mut self, run: &Run) -> anyhow::Result<()> {
        let mut command = self.command(&run.argv)?;
        match &run.cwd {
            Some(cwd) => command.current_dir(self.expand(cwd)?),
            None => command.current_dir(self.folder.path()),
        };
        for (name, value) in &run.env {
            command.env(name, self.expand(value)?);
        }
        if let Some(stdin) = &run.stdin {
            let path = self.expand(stdin)?;
            command.stdin(File::open(&path).with_context(|| format!("open {path}"))?);
        }
        let output = |kind| self.folder.path().join(format!("{}.{kind}", run.name));
        let (stdout, stderr) = (output("stdout"), output("stderr"));
        // For nobody else: tests read what only root may.
        let mut private = OpenOptions::new();
        private.write(true).create(true).truncate(true).mode(0o600);
        command.stdout(private.open(&stdout)?).stderr(private.open(&stderr)?);
        let child = command.spawn().with_context(|| format!("start {}", run.argv[0]))?;
        let pid = child.id().context("the program has no id")? as i32;
        let program = Program {
            pid,
            child,
            status: None,
            stdout,
            stderr,
        };
        self.programs.insert(run.name.clone(), program);
        if run.background {
            while run.until_output && self.output(&run.name).0.is_empty() {
                let program = self.programs.get_mut(&run.name).context("no such program")?;
                if program.child.try_wait()?.is_some() {
                    bail!("ended before it printed anything\n{}", self.output(&run.name).1);
                }
                if !run.poke.is_empty() {
                    self.command(&run.poke)?.status().await.context("poke")?;
                }
                tokio::time::sleep(GLANCE).await;
            }
            self.remember(&run.name);
            return Ok(());
        }
        self.end(&run.name).await?;
        self.ended_as_expected(&run.name, run.exit, run.signal.as_deref())
    }

    /// Waits for the end of a program.
    async fn end(&mut self, name: &str) -> anyhow::Result<()> {
        let program = self.programs.get_mut(name).context("no such program")?;
        program.status = Some(program.child.wait().await.context("wait")?);
        self.remember(name);
        Ok(())
    }

    fn ended_as_expected(&self, name: &str, exit: i32, signal: Option<&str>) -> anyhow::Result<()> {
        let status = self.programs.get(name).and_then(|program| program.status);
        let status = status.ok_or_else(|| anyhow!("has not ended"))?;
        act::check_end(status, exit, signal, self.output(name))
    }

    /// Gives expectations the JSON lines that a step printed, and its process id.
    fn remember(&mut self, name: &str) {
        let Some(program) = self.programs.get(name) else { return };
        let pid = program.pid;
        self.scope.set(name, act::objects(&self.output(name).0));
        self.scope.set(&format!("{name}_pid"), pid);
    }

    fn output(&self, name: &str) -> (String, String) {
        let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let program = self.programs.get(name);
        program.map_or_else(Default::default, |program| {
            (read(&program.stdout), read(&program.stderr))
        })
    }

    /// What each program printed, to standard output and error.
    pub(super) fn outputs(&self) -> BTreeMap<String, (String, String)> {
        let names = self.programs.keys();
        names.map(|name| (name.clone(), self.output(name))).collect()
    }

    /// Ends what still runs, and undoes what was done to the machine. Says what it could not.
    pub(super) async fn undo(mut self) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut note = |what: String, result: Result<(), String>| {
            if let Err(error) = result {
                complaints.push(format!("{what}: {error}"));
            }
        };
        for program in self.programs.values_mut() {
            if program.status.is_none() {
                // Its group may have ended by itself.
                let _gone = pid(program.pid).map(|group| kill_process_group(group, Signal::KILL));
                let _waited = program.child.wait().await;
            }
        }
        for path in self.mounts.iter().rev() {
            let done = unmount(path, UnmountFlags::DETACH).map_err(|error| error.to_string());
            note(format!("unmount {}", path.display()), done);
        }
        for path in self.made.iter().filter(|path| path.exists()) {
            let done = fs::remove_file(path).map_err(|error| error.to_string());
            note(format!("remove {}", path.display()), done);
        }
        complaints
    }
}

fn pid(number: i32) -> anyhow::Result<Pid> {
    Pid::from_raw(number).context("no process has this id")
}
