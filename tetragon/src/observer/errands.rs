//! Errands of policies, run by a thread that nobody waits for.
//!
//! An event asks for them when it goes out, so what is not reported asks for nothing. What they are is
//! [`crate::errand`]'s business.
//!
//! Promises: asking never waits. At most [`PER_SECOND`] a second are taken and [`QUEUE`] wait; the rest is counted. Failures
//! are counted, and the log tells of one a minute. What the agent itself does asks for nothing: it would never end.
//!
//! Leaves out: what has not been run when the agent ends.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::stats::Counters;
use crate::errand::{self, Request};

/// Errands that wait at most.
const QUEUE: usize = 64;

/// Errands that are taken in a second at most.
const PER_SECOND: u32 = 16;

/// Time between two failures that the log tells of.
const SILENCE: Duration = Duration::from_mins(1);

/// The thread, as those who ask see it. It ends when this is dropped and the errand that it is on is over.
#[derive(Debug)]
pub(super) struct Errands {
    requests: SyncSender<Arc<Request>>,
    counters: Arc<Counters>,
    /// Id of the agent.
    own_pid: u32,
    /// When the second began in which those that were taken are counted.
    since: Instant,
    taken: u32,
}

impl Errands {
    /// Starts the thread. With `private`, errands lead to any address. `own_pid` is the agent's own id.
    pub(super) fn start(private: bool, own_pid: u32, counters: Arc<Counters>) -> io::Result<Self> {
        let mut failures = Failures::default();
        let of_thread = Arc::clone(&counters);
        Self::spawn(own_pid, counters, move |request| match errand::run(request, private) {
            Ok(result) => tracing::debug!(%request, %result, "ran an errand of a policy"),
            Err(error) => {
                of_thread.errands_failed.add(1);
                failures.tell(request, &error, Instant::now());
            }
        })
    }

    /// A thread that lets `run` do each.
    fn spawn(
        own_pid: u32,
        counters: Arc<Counters>,
        mut run: impl FnMut(&Request) + Send + 'static,
    ) -> io::Result<Self> {
        let (requests, taken) = sync_channel::<Arc<Request>>(QUEUE);
        thread::Builder::new().name("errands".to_owned()).spawn(move || {
            for request in taken {
                run(&request);
            }
        })?;
        Ok(Self {
            requests,
            counters,
            own_pid,
            since: Instant::now(),
            taken: 0,
        })
    }

    /// Asks for `request`, as what process `pid` did wants it.
    pub(super) fn ask(&mut self, pid: u32, request: &Arc<Request>, now: Instant) {
        if pid == self.own_pid {
            return;
        }
        if now.saturating_duration_since(self.since) >= Duration::from_secs(1) {
            (self.since, self.taken) = (now, 0);
        }
        self.taken = self.taken.saturating_add(1);
        if self.taken > PER_SECOND || self.requests.try_send(Arc::clone(request)).is_err() {
            if self.counters.errands_left_out.get() == 0 {
                tracing::warn!(
                    "policies ask for more URLs and names than are asked for: this is said once, and counted"
                );
            }
            self.counters.errands_left_out.add(1);
        }
    }
}

/// What has failed since the log told of it.
#[derive(Debug, Default)]
struct Failures {
    told: Option<Instant>,
    since: u64,
}

impl Failures {
    fn tell(&mut self, request: &Request, error: &str, now: Instant) {
        self.since += 1;
        if self.told.is_some_and(|told| now < told + SILENCE) {
            return;
        }
        tracing::warn!(%request, failures = self.since, "An errand of a policy failed: {error}");
        (self.told, self.since) = (Some(now), 0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_is_too_much_is_counted_and_waits_for_nobody() {
        let request = Arc::new(Request::look_up("example.org").unwrap());
        let counters = Arc::<Counters>::default();
        let (enter, entered) = channel();
        let (go, gate) = channel::<()>();
        let mut errands = Errands::spawn(7, Arc::clone(&counters), move |_| {
            enter.send(()).unwrap();
            gate.recv().unwrap();
        })
        .unwrap();
        let start = errands.since;
        // Of the agent itself.
        errands.ask(7, &request, start);
        let mut asked = 0;
        let mut ask = |errands: &mut Errands, count: u32, seconds: u64| {
            for _ in 0..count {
                errands.ask(8, &request, start + Duration::from_secs(seconds));
            }
            asked += count;
        };
        ask(&mut errands, 1, 0);
        entered.recv().unwrap();
        ask(&mut errands, PER_SECOND, 0);
        assert_eq!(counters.errands_left_out.get(), 1);
        // The thread has one, the queue as many as it holds.
        for second in 1..10 {
            ask(&mut errands, PER_SECOND, second);
        }
        let held = 1 + QUEUE as u64;
        assert_eq!(counters.errands_left_out.get(), u64::from(asked) - held);
        drop(errands);
        for _ in 1..held {
            go.send(()).unwrap();
            entered.recv().unwrap();
        }
    }

    #[test]
    fn one_failure_a_minute_is_told() {
        let request = Request::look_up("example.org").unwrap();
        let mut failures = Failures::default();
        let start = Instant::now();
        for (seconds, untold) in [(0, 0), (1, 1), (59, 2), (60, 0), (61, 1)] {
            failures.tell(&request, "x", start + Duration::from_secs(seconds));
            assert_eq!(failures.since, untold, "{seconds}");
        }
    }
}
