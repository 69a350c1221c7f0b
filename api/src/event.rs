//! What the event types have in common.

use crate::v1::get_events_response::Event;
use crate::v1::{EventType, GetEventsResponse, Process};

/// Type of `event`; [`EventType::Undef`] when it holds none that this version knows.
pub fn event_type(event: &GetEventsResponse) -> EventType {
    match &event.event {
        None => EventType::Undef,
        Some(Event::ProcessExec(_)) => EventType::ProcessExec,
        Some(Event::ProcessExit(_)) => EventType::ProcessExit,
        Some(Event::ProcessKprobe(_)) => EventType::ProcessKprobe,
        Some(Event::ProcessTracepoint(_)) => EventType::ProcessTracepoint,
        Some(Event::ProcessLoader(_)) => EventType::ProcessLoader,
        Some(Event::ProcessUprobe(_)) => EventType::ProcessUprobe,
        Some(Event::ProcessThrottle(_)) => EventType::ProcessThrottle,
        Some(Event::ProcessLsm(_)) => EventType::ProcessLsm,
        Some(Event::ProcessUsdt(_)) => EventType::ProcessUsdt,
        Some(Event::Test(_)) => EventType::Test,
        Some(Event::RateLimitInfo(_)) => EventType::RateLimitInfo,
    }
}

/// `$body` with `$e` bound to the event, for the types that have a process.
macro_rules! with_process {
    ($event:expr, $e:ident => $body:expr) => {
        match &$event.event {
            Some(Event::ProcessExec($e)) => Some($body),
            Some(Event::ProcessExit($e)) => Some($body),
            Some(Event::ProcessKprobe($e)) => Some($body),
            Some(Event::ProcessTracepoint($e)) => Some($body),
            Some(Event::ProcessLoader($e)) => Some($body),
            Some(Event::ProcessUprobe($e)) => Some($body),
            Some(Event::ProcessLsm($e)) => Some($body),
            Some(Event::ProcessUsdt($e)) => Some($body),
            None | Some(Event::ProcessThrottle(_) | Event::Test(_) | Event::RateLimitInfo(_)) => None,
        }
    };
}

/// The process that `event` is about.
pub fn process(event: &GetEventsResponse) -> Option<&Process> {
    with_process!(event, e => e.process.as_ref())?
}

/// The parent of the process that `event` is about.
pub fn parent(event: &GetEventsResponse) -> Option<&Process> {
    with_process!(event, e => e.parent.as_ref())?
}

/// Ancestors from the grandparent up, nearest first; none unless the agent was told to add them.
pub fn ancestors(event: &GetEventsResponse) -> &[Process] {
    with_process!(event, e => e.ancestors.as_slice()).unwrap_or_default()
}

/// Name of the policy that `event` comes from, for the types that come from policies.
pub fn policy_name(event: &GetEventsResponse) -> Option<&str> {
    match &event.event {
        Some(Event::ProcessKprobe(e)) => Some(&e.policy_name),
        Some(Event::ProcessTracepoint(e)) => Some(&e.policy_name),
        Some(Event::ProcessUprobe(e)) => Some(&e.policy_name),
        Some(Event::ProcessLsm(e)) => Some(&e.policy_name),
        Some(Event::ProcessUsdt(e)) => Some(&e.policy_name),
        _ => None,
    }
}
