//! Functions that were entered and have not returned, where the event is complete only then.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use ebpf_abi::event::{HookEvent, op};
use policy::syscalls::{Abi, Syscall};
use tetragon_api::v1::{KprobeArgument, StackTraceEntry};

use super::naming::Answer;

/// Calls that are remembered at most. As many as the kernel programs remember of the kernel's functions.
const CALLS: usize = 8_192;

/// How long the event of a security hook awaits the hash of a file. What is read for it has a bound (`ebpf_codegen::LONGEST`).
const PATIENCE: Duration = Duration::from_secs(30);

/// Hook, thread, and when it was entered.
type Key = (u32, u32, u64);

/// The first half of an event.
#[derive(Debug)]
pub(super) struct Call {
    /// Record of the entry.
    pub(super) head: HookEvent,
    /// Arguments that were read then.
    pub(super) args: Vec<KprobeArgument>,
    /// Data that was read then.
    pub(super) data: Vec<KprobeArgument>,
    /// What was running.
    pub(super) stacks: Stacks,
    /// The function, where the hook is of many.
    pub(super) function: Option<String>,
}

/// The code that was running; empty where nobody asked for it.
#[derive(Debug, Default)]
pub(super) struct Stacks {
    /// Of the kernel.
    pub(super) kernel: Vec<StackTraceEntry>,
    /// Of the process, as soon as it is known.
    pub(super) user: Option<Answer>,
}

/// Functions of system calls by their numbers, as far as they were asked for.
#[derive(Debug, Default)]
pub(super) struct Functions(HashMap<u32, String>);

impl Functions {
    /// The function of native system call `number`, also by its number in x32. One that is not known is called by its number.
    pub(super) fn of(&mut self, number: u32) -> String {
        let name = || {
            let known = Syscall::of(Abi::NATIVE, number & !Abi::X32);
            let symbol = known.and_then(|syscall| syscall.symbols().into_iter().next());
            symbol.unwrap_or_else(|| format!("sys_{number}"))
        };
        if self.0.len() > KNOWN {
            self.0.clear();
        }
        self.0.entry(number).or_insert_with(name).clone()
    }
}

/// Functions of system calls that are remembered: programs may ask for any number.
const KNOWN: usize = 1_024;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: HashMap<Key, Call>,
    /// In the order in which they came, those that have returned among them.
    order: VecDeque<Key>,
    /// Those of security hooks, which are events without what comes then: until when that is awaited. In this order, those
    /// for which it has come among them.
    awaiting: VecDeque<(Instant, Key)>,
    evicted: u64,
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// How many made way for later ones and were never reported.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Remembers a call. When there are too many, the oldest is forgotten.
    pub(super) fn begin(&mut self, call: Call, now: Instant) {
        let key = (call.head.hook, call.head.tid, call.head.header.ktime);
        if call.head.header.op == op::LSM {
            if self.awaiting.len() >= 2 * CALLS {
                self.awaiting.retain(|(_, key)| self.open.contains_key(key));
            }
            self.awaiting.push_back((now + PATIENCE, key));
        }
        self.open.insert(key, call);
        self.order.push_back(key);
        while self.open.len() > CALLS {
            match self.order.pop_front() {
                Some(oldest) => self.evicted += u64::from(self.open.remove(&oldest).is_some()),
                None => return,
            }
        }
        // Those that returned go from the front as soon as they get there; one that does not return keeps them waiting,
        // but not for ever.
        while self.order.len() > 4 * CALLS || self.order.front().is_some_and(|key| !self.open.contains_key(key)) {
            if let Some(key) = self.order.pop_front()
                && self.open.contains_key(&key)
            {
                self.order.push_back(key);
            }
        }
    }

    /// When the first event of a security hook has awaited its hash for long enough; `None` when none does.
    pub(super) fn next(&self) -> Option<Instant> {
        self.awaiting.front().map(|(until, _)| *until)
    }

    /// An event of a security hook that has awaited its hash until `now` for long enough, or, if it is the `last` moment, at
    /// all. The record with the hash was lost.
    pub(super) fn overdue(&mut self, now: Instant, last: bool) -> Option<Call> {
        while let Some((until, key)) = self.awaiting.front() {
            if self.open.contains_key(key) && *until > now && !last {
                return None;
            }
            let call = self.open.remove(key);
            self.awaiting.pop_front();
            if call.is_some() {
                return call;
            }
        }
        None
    }

    /// The call that `head` is the return of.
    pub(super) fn end(&mut self, head: &HookEvent) -> Option<Call> {
        self.open.remove(&(head.hook, head.tid, head.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(tid: u32, ktime: u64) -> HookEvent {
        let mut head = HookEvent {
            hook: 1,
            tid,
            ..HookEvent::default()
        };
        head.header.ktime = ktime;
        head
    }

    fn call(tid: u32, ktime: u64) -> Call {
        Call {
            head: entry(tid, ktime),
            args: vec![],
            data: vec![],
            stacks: Stacks::default(),
            function: None,
        }
    }

    fn exit(tid: u32, since: u64) -> HookEvent {
        HookEvent {
            since,
            ..entry(tid, 99)
        }
    }

    #[test]
    fn a_return_finds_its_entry_once() {
        let (mut calls, now) = (Calls::default(), Instant::now());
        calls.begin(call(1, 10), now);
        calls.begin(call(1, 20), now);
        assert!(calls.end(&exit(2, 10)).is_none());
        assert_eq!(calls.end(&exit(1, 20)).map(|call| call.head.header.ktime), Some(20));
        assert!(calls.end(&exit(1, 20)).is_none());
        assert_eq!(calls.len(), 1);
    }

    #[test]
    fn memory_is_bounded_whatever_returns() {
        let (mut calls, now) = (Calls::default(), Instant::now());
        calls.begin(call(0, 1), now);
        for ktime in 0..10 * CALLS as u64 {
            calls.begin(call(1, ktime), now);
            calls.end(&exit(1, ktime));
        }
        assert!(calls.order.len() <= 4 * CALLS + 1);
        assert!(calls.end(&exit(0, 1)).is_some());
        for ktime in 0..=CALLS as u64 {
            calls.begin(call(2, ktime), now);
        }
        assert_eq!((calls.len(), calls.evicted()), (CALLS, 1));
    }

    #[test]
    fn events_of_security_hooks_do_not_wait_for_ever() {
        let (mut calls, now) = (Calls::default(), Instant::now());
        let security = |ktime| {
            let mut call = call(1, ktime);
            call.head.header.op = op::LSM;
            call
        };
        calls.begin(call(1, 10), now);
        calls.begin(security(20), now);
        calls.begin(security(30), now + PATIENCE / 2);
        calls.begin(security(40), now + PATIENCE / 2);
        assert!(calls.end(&exit(1, 20)).is_some());
        assert!(calls.overdue(now + PATIENCE, false).is_none());
        assert_eq!(calls.next(), Some(now + PATIENCE / 2 + PATIENCE));
        let of = |call: Option<Call>| call.map(|call| call.head.header.ktime);
        assert_eq!(of(calls.overdue(now + 2 * PATIENCE, false)), Some(30));
        assert_eq!(of(calls.overdue(now, true)), Some(40));
        // What returns is another matter.
        assert!(calls.overdue(now + 2 * PATIENCE, true).is_none());
        assert_eq!((calls.len(), calls.next()), (1, None));
        for ktime in 0..10 * CALLS as u64 {
            calls.begin(security(ktime), now);
            calls.end(&exit(1, ktime));
        }
        assert!(calls.awaiting.len() <= 2 * CALLS);
    }

    #[test]
    fn functions_by_number() {
        let mut functions = Functions::default();
        let names = [0, Abi::X32, 511, Abi::X32 + 520, 9_999].map(|number| functions.of(number));
        assert_eq!(
            names,
            [
                "__x64_sys_read",
                "__x64_sys_read",
                "sys_511",
                "sys_1073742344",
                "sys_9999"
            ]
        );
    }
}
