//! The agent's events while a test runs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serde_json::Value;
use tetragon_api::json;
use tetragon_api::v1::{EventType, Filter, GetEventsRequest, GetEventsResponse};
use tokio::sync::Notify;
use tonic::Streaming;

/// Most bytes of events, as JSON, that a test may bring about.
const LIMIT: usize = 64 << 20;

/// Events of some policies, of all processes that start and end, and of what these load, which name no policy.
pub(super) fn request(policies: Vec<String>) -> GetEventsRequest {
    let of_policies = Filter {
        policy_names: policies,
        ..Filter::default()
    };
    let of_processes = Filter {
        event_set: [EventType::ProcessExec, EventType::ProcessExit, EventType::ProcessLoader]
            .map(Into::into)
            .to_vec(),
        ..Filter::default()
    };
    GetEventsRequest {
        allow_list: vec![of_policies, of_processes],
        ..GetEventsRequest::default()
    }
}

/// What came so far.
#[derive(Debug, Default)]
pub(super) struct Events {
    all: RefCell<Vec<Value>>,
    bytes: Cell<usize>,
    end: RefCell<Option<String>>,
    more: Notify,
}

impl Events {
    /// Collects what comes until the stream ends.
    pub(super) async fn collect(self: Rc<Self>, mut stream: Streaming<GetEventsResponse>) {
        let end = loop {
            match stream.message().await {
                Ok(Some(event)) => {
                    if let Err(error) = self.add(&event) {
                        break error;
                    }
                }
                Ok(None) => break "the agent ended the stream of events".to_owned(),
                Err(status) => break format!("the stream of events ended: {}", status.message()),
            }
        };
        *self.end.borrow_mut() = Some(end);
        self.more.notify_waiters();
    }

    fn add(&self, event: &GetEventsResponse) -> Result<(), String> {
        let mut line = Vec::new();
        json::write_event(event, &mut line);
        self.bytes.set(self.bytes.get() + line.len());
        if self.bytes.get() > LIMIT {
            return Err(format!(
                "more than {} MiB of events: let the policy say less",
                LIMIT >> 20
            ));
        }
        let value = serde_json::from_slice(&line).map_err(|error| error.to_string())?;
        self.all.borrow_mut().push(value);
        self.more.notify_waiters();
        Ok(())
    }

    /// Waits until `done` of what came is so.
    pub(super) async fn until(&self, mut done: impl FnMut(&[Value]) -> bool) -> Result<(), String> {
        loop {
            let more = self.more.notified();
            if done(&self.all.borrow()) {
                return Ok(());
            }
            if let Some(end) = &*self.end.borrow() {
                return Err(end.clone());
            }
            more.await;
        }
    }

    /// What came so far.
    pub(super) fn all(&self) -> Vec<Value> {
        self.all.borrow().clone()
    }
}
