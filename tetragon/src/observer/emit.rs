//! The last step of an event: to the sink, at once or when the files of its process have been looked into.

use std::time::Instant;

use ebpf_abi::map::ProcessKey;
use prost_types::Timestamp;
use tetragon_api::v1::{GetEventsResponse, get_events_response as events};

use super::{
    naming::{Answer, Found, Question},
    pipeline::Pipeline,
    stats::Counters,
};
use crate::sink::Sink;

impl Pipeline {
    /// Hands an event of process `pid` to the sink and gives it back. If `answer` is not there yet, or an event of that
    /// process waits already, a copy of it waits.
    pub(super) fn emit(
        &mut self,
        pid: u32,
        event: events::Event,
        answer: Option<Answer>,
        time: Timestamp,
        sink: &mut dyn Sink,
    ) -> Option<events::Event> {
        self.response.event = Some(event);
        self.response.time = Some(time);
        let waits = self.held.has(pid) || answer.as_ref().is_some_and(|answer| !answer.is_complete());
        let held = if waits {
            self.held.push(pid, &self.response, answer)
        } else {
            Err(answer)
        };
        let Err(answer) = held else {
            return self.response.event.take();
        };
        // Without room, those before it go first.
        while let Some((mut response, answer)) = self.held.pop_of(pid) {
            send(&self.counters, &mut response, answer.as_ref(), sink);
        }
        send(&self.counters, &mut self.response, answer.as_ref(), sink);
        self.response.event.take()
    }

    /// Emits what need not be held back any longer; whether there was anything.
    pub(super) fn release(&mut self, now: Instant, sink: &mut dyn Sink) -> bool {
        let mut any = false;
        while let Some((mut response, answer)) = self.held.pop(now) {
            send(&self.counters, &mut response, answer.as_ref(), sink);
            any = true;
        }
        any
    }

    /// Asks for what is in the files of `process`; nothing where nobody looks. `found` is what is known now.
    pub(super) fn ask(&self, process: ProcessKey, question: Question, found: Found) -> Option<Answer> {
        let (answer, refused) = self.naming.as_ref()?.ask(process, question, found);
        if refused {
            unnamed(&self.counters);
        }
        Some(answer)
    }
}

/// Hands an event to the sink, with what is known by now.
fn send(counters: &Counters, response: &mut GetEventsResponse, answer: Option<&Answer>, sink: &mut dyn Sink) {
    if let Some(answer) = answer {
        if !answer.is_complete() {
            unnamed(counters);
        }
        answer.fill(response);
    }
    counters.emitted.add(1);
    sink.emit(response);
}

/// Counts what an event goes out without.
fn unnamed(counters: &Counters) {
    if counters.unnamed.get() == 0 {
        tracing::warn!(
            "files of processes cannot be read as fast as events come, or not at all: names of code and build ids are \
             missing from events; this is said once, and counted"
        );
    }
    counters.unnamed.add(1);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tetragon_api::v1::{ProcessExit, ProcessLoader};

    use super::*;
    use crate::{
        clock::Clock,
        observer::{Options, start},
    };

    /// Paths of loader events, and build ids behind them; `exit` for the end of a process.
    struct Seen(Vec<String>);

    impl Sink for Seen {
        fn emit(&mut self, event: &GetEventsResponse) {
            self.0.push(match &event.event {
                Some(events::Event::ProcessLoader(event)) => format!("{} {:?}", event.path, event.buildid),
                _ => "exit".to_owned(),
            });
        }

        fn flush(&mut self) {}
    }

    #[test]
    fn the_end_of_a_process_comes_behind_what_it_did() {
        let loader = |path: &str| {
            events::Event::ProcessLoader(ProcessLoader {
                path: path.to_owned(),
                ..ProcessLoader::default()
            })
        };
        let exit = events::Event::ProcessExit(ProcessExit::default());
        let open = || Answer::new(Found::BuildId(vec![]));
        let (answer, never) = (open(), open());
        let mut pipeline = start::pipeline(Options::default(), None, Arc::default(), Clock::at_epoch());
        let mut seen = Seen(vec![]);
        for (pid, event, answer) in [
            (1, loader("/a"), Some(&answer)),
            (1, exit, None),
            (2, loader("/b"), Some(&never)),
            (3, loader("/c"), None),
        ] {
            let event = pipeline.emit(pid, event, answer.cloned(), Timestamp::default(), &mut seen);
            assert!(event.is_some());
        }
        assert_eq!(seen.0, ["/c []"]);
        answer.set(Found::BuildId(vec![7]));
        assert!(!pipeline.release(Instant::now(), &mut seen));
        answer.complete();
        assert!(pipeline.release(Instant::now(), &mut seen));
        assert_eq!(seen.0, ["/c []", "/a [7]", "exit"]);
        assert_eq!(pipeline.counters.unnamed.get(), 0);
        assert!(pipeline.release(never.until(), &mut seen));
        assert_eq!(seen.0[3..], ["/b []"]);
        assert_eq!(
            (pipeline.counters.unnamed.get(), pipeline.counters.emitted.get()),
            (1, 4)
        );
    }
}
