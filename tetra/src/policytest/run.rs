//! One test after the other.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use policy::spec::Document;
use policy::yaml::Budget;
use policy_test::act::find_program;
use policy_test::expect::Facts;
use policy_test::step::Step;
use policy_test::{PolicyTest, Unless};
use serde_json::Value;
use tetragon_api::v1::{
    AddTracingPolicyRequest, DeleteTracingPolicyRequest, ListTracingPoliciesRequest, TracingPolicyStatus,
};
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::LocalSet;
use tonic::{Code, Status};

use super::Options;
use super::events::{self, Events};
use super::outcome::{Outcome, Verdict};
use super::workload::Workload;
use crate::connection::{Client, Connection, explain};
use crate::tracingpolicy::{self, Mode};

/// How long after the last step events may come that the agent holds back, to look into files of processes for names.
const LATE: Duration = Duration::from_secs(3);

/// Events that are shown of each test.
const SHOWN: usize = 10;

/// Folders to look for programs in, where the environment names none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs tests.
#[derive(Debug)]
pub(super) struct Runner<'a> {
    connection: &'a Connection,
    options: &'a Options,
    path: String,
    marks: u32,
    signals: Signals,
}

/// How a run ended without a verdict on events.
enum Stopped {
    /// The agent refused the policy.
    Refused(String),
    /// It failed.
    Failed(String),
}

/// Ctrl-C, SIGTERM, and that the terminal is gone. From the first one of these on they end nothing by themselves: what was
/// done to the machine is undone first.
#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

impl<'a> Runner<'a> {
    /// An error means that no test can be run, as there is no agent.
    pub(super) async fn new(connection: &'a Connection, options: &'a Options) -> anyhow::Result<Self> {
        let inherited = std::env::var("PATH").unwrap_or_else(|_| PATH.to_owned());
        let path = match &options.bindir {
            Some(folder) => {
                ensure!(folder.is_dir(), "{}: no folder", folder.display());
                format!("{}:{inherited}", std::path::absolute(folder)?.display())
            }
            None => inherited,
        };
        let request = ListTracingPoliciesRequest::default();
        let there = connection.call("list the policies", async |mut client| {
            client.list_tracing_policies(request.clone()).await
        });
        there.await?;
        Ok(Self {
            connection,
            options,
            path,
            marks: 0,
            signals: Signals::new()?,
        })
    }

    /// Runs `test`. An error means that no test can be run.
    pub(super) async fn test(&mut self, test: &PolicyTest) -> anyhow::Result<Outcome> {
        let began = Instant::now();
        let mut seen = Vec::new();
        let (verdict, reason) = match self.judge(test, &mut seen).await? {
            ControlFlow::Continue(()) => (Verdict::Passed, String::new()),
            ControlFlow::Break(broken) => broken,
        };
        Ok(Outcome {
            name: test.name(),
            summary: test.summary.clone(),
            verdict,
            reason,
            millis: began.elapsed().as_millis() as u64,
            events: seen,
        })
    }

    async fn judge(
        &mut self,
        test: &PolicyTest,
        seen: &mut Vec<Value>,
    ) -> anyhow::Result<ControlFlow<(Verdict, String)>> {
        if let Some(missing) = test.needs.iter().find(|need| !self.is_there(need)) {
            let reason = format!("this machine has no {missing}");
            return Ok(ControlFlow::Break((Verdict::Skipped, reason)));
        }
        if let Some(how) = test.disturbs.as_ref().filter(|_| !self.options.disturb) {
            let reason = format!("it disturbs this machine, unless run with --disturb: {how}");
            return Ok(ControlFlow::Break((Verdict::Skipped, reason)));
        }
        if let Some(path) = test.steps.iter().find_map(taken) {
            let reason = format!("this machine has a {path} already, for which the test has another program");
            return Ok(ControlFlow::Break((Verdict::Skipped, reason)));
        }
        let failed = |reason| Ok(ControlFlow::Break((Verdict::Failed, reason)));
        // First with the policy: where it is refused, the control has nothing to say.
        match self.once(test, true, seen).await? {
            Ok(()) => {}
            Err(Stopped::Failed(reason)) => return failed(reason),
            Err(Stopped::Refused(reason)) => {
                let expected = |unless: &&Unless| reason.contains(&unless.refused);
                return match test.unless.iter().find(expected) {
                    Some(Unless { because, .. }) => Ok(ControlFlow::Break((Verdict::Skipped, because.clone()))),
                    None => failed(reason),
                };
            }
        }
        if self.options.control && self.once(test, false, &mut Vec::new()).await?.is_ok() {
            return failed("it passes without the policy as well, so it proves nothing".to_owned());
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether a file or program is on this machine.
    fn is_there(&self, need: &str) -> bool {
        if need.starts_with('/') {
            Path::new(need).exists()
        } else {
            find_program(need, &self.path).is_some()
        }
    }

    /// Runs the steps of `test`, with its policy or without.
    async fn once(
        &mut self,
        test: &PolicyTest,
        with_policy: bool,
        seen: &mut Vec<Value>,
    ) -> anyhow::Result<Result<(), Stopped>> {
        let folder = test.path.parent().unwrap_or(Path::new("."));
        let mut workload = Workload::new(self.path.clone(), folder)?;
        let address = self.connection.address();
        let client = self.connection.client(&address)?;
        let limit = self.options.test_timeout;
        let mut loaded = Vec::new();
        let tasks = LocalSet::new();
        let run = Run {
            connection: self.connection,
            options: self.options,
            marks: &mut self.marks,
            test,
            client: &client,
        };
        let steps = run.steps(with_policy, &mut workload, &mut loaded, seen);
        let done = tokio::select! {
            done = tokio::time::timeout(limit, tasks.run_until(steps)) => Some(done),
            () = self.signals.wait() => None,
        };
        let result = done.map(|done| match done {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(Stopped::Failed(format!("{error:#}"))),
            Err(_) => Err(Stopped::Failed(format!(
                "it did not end within {limit:?}, see --test-timeout"
            ))),
        });
        let mut kept = None;
        for request in loaded {
            let mut client = client.clone();
            let deleted = tokio::time::timeout(self.connection.timeout, client.delete_tracing_policy(request));
            let status = match deleted.await {
                Ok(answer) => answer.err(),
                Err(_) => Some(Status::deadline_exceeded("no answer")),
            };
            kept = kept.or(status.filter(|status| status.code() != Code::NotFound));
        }
        let complaints = workload.undo().await;
        if let Some(status) = kept {
            return Err(explain("delete the policy", &address, &status));
        }
        let complaints: Vec<String> = complaints.iter().map(|complaint| format!("\n{complaint}")).collect();
        let complaints = complaints.concat();
        match result {
            None => bail!("interrupted; the policy is deleted, and what the steps made is removed{complaints}"),
            Some(Ok(())) if complaints.is_empty() => Ok(Ok(())),
            Some(Ok(())) => Ok(Err(Stopped::Failed(complaints.trim_start().to_owned()))),
            Some(Err(Stopped::Failed(reason))) => Ok(Err(Stopped::Failed(reason + &complaints))),
            Some(refused) => Ok(refused),
        }
    }
}

/// A test under way.
struct Run<'a> {
    connection: &'a Connection,
    options: &'a Options,
    marks: &'a mut u32,
    test: &'a PolicyTest,
    client: &'a Client,
}

impl Run<'_> {
    async fn steps(
        mut self,
        with_policy: bool,
        workload: &mut Workload,
        loaded: &mut Vec<DeleteTracingPolicyRequest>,
        seen: &mut Vec<Value>,
    ) -> anyhow::Result<Result<(), Stopped>> {
        let (test, client) = (self.test, self.client);
        let names = policies(test)?;
        let request = events::request(names.iter().map(|request| request.name.clone()).collect());
        let stream = client.clone().get_events(request).await;
        let stream = stream.map_err(|status| explain("get events", &self.connection.address(), &status))?;
        let events = Rc::new(Events::default());
        tokio::task::spawn_local(Rc::clone(&events).collect(stream.into_inner()));
        for (index, step) in test.steps.iter().enumerate() {
            if let Step::Load = step {
                if !with_policy {
                    continue;
                }
                let mut yaml = test.yaml(|to| workload.scope.expand_text(to))?;
                if self.options.monitor_mode {
                    yaml = tracingpolicy::text_with_mode(&yaml, Mode::Monitor, &test.policy)?;
                }
                let request = AddTracingPolicyRequest {
                    yaml,
                    domain: String::new(),
                };
                self.none_is_loaded(&names, client).await?;
                // Before it is sent: one that is refused stays in the agent's list, too.
                loaded.extend(names.iter().cloned());
                match client.clone().add_tracing_policy(request).await {
                    Ok(_) => {}
                    Err(status) if status.code() == Code::Unavailable => {
                        return Err(explain("add the policy", &self.connection.address(), &status));
                    }
                    Err(status) => return Ok(Err(Stopped::Refused(status.message().to_owned()))),
                }
                continue;
            }
            let name = step.defines().or(step.refers_to()).unwrap_or("");
            let done = workload.step(step).await;
            if let Err(error) = done.with_context(|| format!("step {} {name}", index + 1)) {
                return Ok(Err(Stopped::Failed(format!("{error:#}"))));
            }
        }
        self.mark(&events).await?;
        let outputs = workload.outputs();
        let check = |events: &[Value]| {
            let mut facts = Facts {
                events: events.to_vec(),
                outputs: outputs.clone(),
                scope: workload.scope.clone(),
            };
            test.expectations.check(&mut facts)
        };
        let mut failures = Vec::new();
        let mut complete = |events: &[Value]| {
            failures = check(events);
            failures.is_empty()
        };
        if with_policy {
            // Whether it came in time is what the failures say.
            let _late = tokio::time::timeout(LATE, events.until(&mut complete)).await;
        } else {
            complete(&events.all());
        }
        seen.extend(events.all().into_iter().filter(is_of_policy).take(SHOWN));
        Ok(if failures.is_empty() {
            Ok(())
        } else {
            Err(Stopped::Failed(failures.join("\n")))
        })
    }

    /// Refuses to run where a policy of the test is loaded already: it would be deleted.
    async fn none_is_loaded(&self, names: &[DeleteTracingPolicyRequest], client: &Client) -> anyhow::Result<()> {
        let request = ListTracingPoliciesRequest::default();
        let answer = client.clone().list_tracing_policies(request).await;
        let answer = answer.map_err(|status| explain("list the policies", &self.connection.address(), &status))?;
        let same = |policy: &TracingPolicyStatus| {
            let mut names = names.iter();
            names.any(|wanted| wanted.name == policy.name && wanted.namespace == policy.namespace)
        };
        match answer.into_inner().policies.into_iter().find(same) {
            Some(TracingPolicyStatus { name, .. }) => {
                bail!("policy {name} is loaded already: delete it, or rename that of the test")
            }
            None => Ok(()),
        }
    }

    /// Waits until the agent has told of everything so far: of a process that starts and ends now.
    async fn mark(&mut self, events: &Events) -> anyhow::Result<()> {
        *self.marks += 1;
        let name = format!("{}-{}", std::process::id(), self.marks);
        let itself = PathBuf::from("/proc/self/exe");
        let ended = Command::new(itself)
            .args(["policytest", "mark", &name])
            .status()
            .await
            .context("start tetra")?;
        if !ended.success() {
            bail!("tetra, started as a mark, ended with {ended}");
        }
        let arguments = Value::from(format!("policytest mark {name}"));
        let told = |event: &Value| event.pointer("/process_exit/process/arguments") == Some(&arguments);
        let mut looked = 0;
        let until = events.until(|all| {
            let found = all[looked..].iter().any(told);
            looked = all.len();
            found
        });
        until.await.map_err(anyhow::Error::msg)
    }
}

/// Names of the policies of a test, as requests to delete them.
fn policies(test: &PolicyTest) -> anyhow::Result<Vec<DeleteTracingPolicyRequest>> {
    // As it will be loaded, but for references, whose values nobody knows yet.
    let yaml = test.yaml(|to| Ok(to.to_owned()))?;
    // What is wrong with it is the agent's to say.
    let (documents, _) = policy::parse::parse(&yaml, Budget::default());
    let names = documents.iter().map(|document: &Document| DeleteTracingPolicyRequest {
        name: document.metadata.name.value.clone(),
        namespace: document
            .metadata
            .namespace
            .as_ref()
            .map(|text| text.value.clone())
            .unwrap_or_default(),
        domain: String::new(),
    });
    Ok(names.collect())
}

/// Whether a policy made the agent tell of this.
fn is_of_policy(event: &Value) -> bool {
    let mut inner = event.as_object().into_iter().flat_map(|fields| fields.values());
    inner.any(|inner| inner.get("policy_name").is_some())
}

/// Where `step` wants a copy of a program, if another one is there already that does not do.
fn taken(step: &Step) -> Option<&str> {
    match step {
        Step::Copy {
            path,
            unless_there: false,
            ..
        } if Path::new(path).exists() => Some(path),
        _ => None,
    }
}
