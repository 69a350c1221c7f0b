//! The export file of the running agent, read while it is written.

use std::{
    fs::File,
    io::Read as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// How long an event may take to arrive.
const PATIENCE: Duration = Duration::from_mins(1);

/// An event of a policy.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// Name of the policy.
    pub(super) policy: String,
    /// The process that reached the hook.
    pub(super) pid: u64,
    /// First argument, if it is a number.
    pub(super) number: Option<i64>,
}

impl Event {
    /// Which marker it is, if it is one: see [`MARKER`].
    pub(super) fn marker(&self) -> Option<i64> {
        self.number.filter(|_| self.policy == "marker")
    }
}

/// The policy that reports markers: calls of `getpriority(2)` that say a number.
pub(super) const MARKER: &str = r#"{"apiVersion":"cilium.io/v1alpha1","kind":"TracingPolicy","metadata":{"name":"marker"},
"spec":{"kprobes":[{"call":"sys_getpriority","args":[{"index":1,"type":"int"}],
"selectors":[{"matchArgs":[{"index":1,"operator":"GT","values":["0"]}]}]}]}}"#;

/// The events that are in the file and those to come, each once.
#[derive(Debug)]
pub(super) struct Events {
    file: File,
    /// Read and not looked at; the beginning of a line, perhaps.
    text: Vec<u8>,
    at: usize,
}

impl Events {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
        Ok(Self {
            file,
            text: vec![],
            at: 0,
        })
    }

    /// Looks at events of policies until `last` says that this one was the last.
    pub(super) fn wait(&mut self, mut last: impl FnMut(&Event) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Some(line) = self.line() {
                if let Some(event) = event(&line)?
                    && last(&event)
                {
                    return Ok(());
                }
            }
            ensure!(Instant::now() < deadline, "an event did not arrive");
            if self.file.read_to_end(&mut self.text)? == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// The next whole line.
    fn line(&mut self) -> Option<Vec<u8>> {
        let rest = &self.text[self.at..];
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            self.text.drain(..self.at);
            self.at = 0;
            return None;
        };
        let line = rest[..end].to_vec();
        self.at += end + 1;
        Some(line)
    }
}

/// The event in a line, if it is of a policy.
fn event(line: &[u8]) -> Result<Option<Event>> {
    let value: Value = serde_json::from_slice(line).context("a line of the export file")?;
    let kinds = ["process_kprobe", "process_lsm", "process_tracepoint"];
    let Some(event) = kinds.iter().find_map(|kind| value.get(kind)) else {
        return Ok(None);
    };
    let first = event.pointer("/args/0").and_then(Value::as_object);
    let number = first.and_then(|arg| arg.values().find_map(Value::as_i64));
    Ok(Some(Event {
        policy: event["policy_name"].as_str().context("policy_name")?.to_owned(),
        pid: event["process"]["pid"].as_u64().context("process.pid")?,
        number,
    }))
}
