//! Steps. In texts, `${…}` is replaced as in expectations: `${dir}` is an empty folder of the run's own, `${case}` the one
//! with the test.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One thing to do.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Start the agent and wait until it is ready.
    Start(Start),
    /// Stop an agent and wait for its end.
    Stop {
        /// Name of its start.
        #[serde(default = "agent")]
        of: String,
    },
    /// Give the policy that is tested to the agent. Cases of test machines have none.
    Load,
    /// Run a program to its end.
    Run(Run),
    /// Wait for a program in the background, or for the end of an agent that nobody stops.
    Wait {
        /// Name of its step.
        of: String,
        /// Its exit code.
        #[serde(default)]
        exit: i32,
        /// The signal that ends it, instead of an exit code.
        signal: Option<String>,
    },
    /// Kill an agent, which leaves it no time to clean up.
    Kill {
        /// Name of its start.
        of: String,
    },
    /// Send a signal to a program in the background, or to an agent.
    Signal {
        /// Name of its step.
        of: String,
        /// Such as `SIGKILL`.
        signal: String,
    },
    /// Write a file.
    Write {
        /// Where; folders on the way are made.
        path: String,
        /// The text.
        text: String,
        /// Permissions, as octal text.
        #[serde(default = "plain_file")]
        mode: String,
    },
    /// Put a copy of a program where none is. It is removed in the end.
    Copy {
        /// The program, found as those of other steps are.
        of: String,
        /// Where; folders on the way are made.
        path: String,
        /// Whatever is there already does as well: steps mount over it, as `tester as` does, or only look at it.
        #[serde(default)]
        unless_there: bool,
    },
    /// Mount a tmpfs.
    Tmpfs {
        /// Where; the folder is made.
        path: String,
        /// Its options, such as `size=64k`.
        #[serde(default)]
        options: String,
    },
}

fn agent() -> String {
    "agent".to_owned()
}

fn plain_file() -> String {
    "644".to_owned()
}

/// How to start the agent. Unless the flags say otherwise, events go to `${dir}/export/events.json`, and it listens on
/// its usual unix socket.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Its name.
    #[serde(default = "agent")]
    pub name: String,
    /// Flags besides those that every case has.
    #[serde(default)]
    pub flags: Vec<String>,
    /// Environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// A program that starts it, with arguments that precede the agent's own path.
    #[serde(default)]
    pub wrap: Vec<String>,
    /// It does not become ready, but ends with this exit code.
    pub fails: Option<i32>,
    /// Only the flags given, none of the usual ones.
    #[serde(default)]
    pub bare: bool,
    /// Do not wait until it is ready.
    #[serde(default)]
    pub background: bool,
}

impl Start {
    /// The agent, with `flags`.
    pub fn with_flags(flags: Vec<String>) -> Self {
        Self {
            name: agent(),
            flags,
            env: BTreeMap::new(),
            wrap: Vec::new(),
            fails: None,
            bare: false,
            background: false,
        }
    }
}

/// How to run a program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Its name.
    pub name: String,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Environment variables besides `PATH`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Its working directory; the case's own folder by default.
    pub cwd: Option<String>,
    /// A file that is its standard input; by default there is none.
    pub stdin: Option<String>,
    /// Its exit code.
    #[serde(default)]
    pub exit: i32,
    /// The signal that ends it, instead of an exit code.
    pub signal: Option<String>,
    /// Go on without waiting for its end.
    #[serde(default)]
    pub background: bool,
    /// With `background`: go on when it has printed something.
    #[serde(default)]
    pub until_output: bool,
    /// With `until_output`: a program to run again and again until then.
    #[serde(default)]
    pub poke: Vec<String>,
}

impl Step {
    /// The name that this step introduces.
    pub fn defines(&self) -> Option<&str> {
        match self {
            Self::Start(Start { name, .. }) | Self::Run(Run { name, .. }) => Some(name),
            _ => None,
        }
    }

    /// The name of another step that this one is about.
    pub fn refers_to(&self) -> Option<&str> {
        match self {
            Self::Stop { of } | Self::Kill { of } | Self::Wait { of, .. } | Self::Signal { of, .. } => Some(of),
            _ => None,
        }
    }
}

/// Refuses names that stand for two steps, and those of no earlier step. An agent may be started again under its name.
pub fn check_names(steps: &[Step]) -> anyhow::Result<()> {
    let mut names = Vec::new();
    for step in steps {
        if let Some(name) = step.defines() {
            let again = matches!(step, Step::Start(_));
            anyhow::ensure!(!names.contains(&name) || again, "two steps are named {name}");
            names.push(name);
        }
        if let Some(name) = step.refers_to() {
            anyhow::ensure!(names.contains(&name), "no step before is named {name}");
        }
    }
    Ok(())
}
