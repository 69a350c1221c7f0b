//! Events that are held back until more is known of them, and those of the same process behind them.
//!
//! Promises: events of one process stay in order; none is held longer than its [`Answer`] allows; so many bytes are held
//! and no more. Leaves out: the order between processes, of which the others do not wait.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use tetragon_api::v1::GetEventsResponse;

use super::naming::Answer;

/// Bytes of events that are held at most, as they are sent; in memory it is some times that.
const BYTES: usize = 16 << 20;

#[derive(Debug)]
struct Event {
    response: GetEventsResponse,
    /// Nothing if it is only behind others.
    answer: Option<Answer>,
    len: usize,
}

impl Event {
    fn is_due(&self, now: Instant) -> bool {
        let answer = self.answer.as_ref();
        answer.is_none_or(|answer| answer.is_complete() || now >= answer.until())
    }
}

/// All of them, by process. A queue is there as long as what is in front of it is waited for.
#[derive(Debug, Default)]
pub(super) struct Held {
    queues: BTreeMap<u32, VecDeque<Event>>,
    len: usize,
}

impl Held {
    /// Whether an event of process `pid` is held.
    pub(super) fn has(&self, pid: u32) -> bool {
        self.queues.contains_key(&pid)
    }

    /// Holds an event of process `pid`; gives `answer` back if there is no room for it.
    pub(super) fn push(
        &mut self,
        pid: u32,
        response: &GetEventsResponse,
        answer: Option<Answer>,
    ) -> Result<(), Option<Answer>> {
        let len = prost::Message::encoded_len(response) + size_of::<Event>();
        if self.len + len > BYTES {
            return Err(answer);
        }
        self.len += len;
        let response = response.clone();
        let event = Event { response, answer, len };
        self.queues.entry(pid).or_default().push_back(event);
        Ok(())
    }

    /// When one is no longer held back whatever is known; nothing if none is held.
    pub(super) fn next(&self) -> Option<Instant> {
        let fronts = self.queues.values().filter_map(VecDeque::front);
        fronts
            .filter_map(|event| event.answer.as_ref())
            .map(Answer::until)
            .min()
    }

    /// Takes an event that need not be held any longer, with all that is known of it.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(GetEventsResponse, Option<Answer>)> {
        let due = |queue: &VecDeque<Event>| queue.front().is_none_or(|event| event.is_due(now));
        let (&pid, _) = self.queues.iter().find(|(_, queue)| due(queue))?;
        self.pop_of(pid)
    }

    /// Takes the first event of process `pid`, due or not.
    pub(super) fn pop_of(&mut self, pid: u32) -> Option<(GetEventsResponse, Option<Answer>)> {
        let queue = self.queues.get_mut(&pid)?;
        let event = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&pid);
        }
        let Event { response, answer, len } = event?;
        self.len -= len;
        Some((response, answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::naming::Found;

    fn event(name: &str) -> GetEventsResponse {
        GetEventsResponse {
            node_name: name.to_owned(),
            ..GetEventsResponse::default()
        }
    }

    fn names(held: &mut Held, now: Instant) -> Vec<String> {
        let events = std::iter::from_fn(|| held.pop(now));
        events.map(|(response, _)| response.node_name).collect()
    }

    #[test]
    fn events_of_a_process_stay_in_order() {
        let now = Instant::now();
        let mut held = Held::default();
        let (first, second) = (Answer::new(Found::BuildId(vec![])), Answer::new(Found::BuildId(vec![])));
        held.push(1, &event("a"), Some(first.clone())).unwrap();
        held.push(1, &event("b"), None).unwrap();
        held.push(1, &event("c"), Some(second.clone())).unwrap();
        held.push(1, &event("d"), None).unwrap();
        held.push(2, &event("e"), Some(Answer::new(Found::BuildId(vec![]))))
            .unwrap();
        second.complete();
        assert_eq!(names(&mut held, now), Vec::<String>::new());
        first.complete();
        assert_eq!(names(&mut held, now), ["a", "b", "c", "d"]);
        assert!(held.has(2) && !held.has(1));
        let until = held.next().unwrap();
        assert_eq!(names(&mut held, until), ["e"]);
        assert_eq!((held.next(), held.len), (None, 0));
    }

    #[test]
    fn memory_is_bounded() {
        let mut held = Held::default();
        let long = event(&"x".repeat(1 << 20));
        let answer = Answer::new(Found::BuildId(vec![]));
        let room = (0..1_000)
            .take_while(|_| held.push(1, &long, Some(answer.clone())).is_ok())
            .count();
        assert_eq!(room, 15);
        assert!(held.pop_of(1).is_some());
        held.push(1, &long, None).unwrap();
    }
}
