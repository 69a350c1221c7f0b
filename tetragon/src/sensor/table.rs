//! What the number of a hook stands for.
//!
//! Written by whoever loads policies, read for each event by the thread that makes events: which looks at one number to
//! know whether anything changed.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use policy::arg_type::ArgType;

use super::misses::Misses;
use crate::errand::Request;

/// Hooks of deleted policies that are still known, for events that were on their way.
const DELETED: usize = 4_096;

/// What events of a hook are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookInfo {
    /// Whether its events tell of programs and libraries that are mapped, and not of what a policy names.
    pub loader: bool,
    /// Name of the policy.
    pub policy: String,
    /// Function, LSM hook, tracepoint or probe.
    pub name: String,
    /// Group of a tracepoint, or file of a uprobe or probe.
    pub subsystem: String,
    /// Who declares the probe; empty where there is none.
    pub provider: String,
    /// Of a uprobe: its offset in the file, and that of its counter.
    pub place: (u64, u64),
    /// Arguments in the order of events; records number them so.
    pub args: Vec<ArgInfo>,
    /// What the function returns, which comes first in the record of its return.
    pub returns: Option<ArgInfo>,
    /// What the agent is sent for with its events.
    pub errands: Vec<Errand>,
    /// Text that events carry.
    pub message: String,
    /// Tags that events carry.
    pub tags: Vec<String>,
}

/// What a selector sends the agent for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    /// Whether it matches at the return of the function.
    pub at_return: bool,
    /// Position of the selector.
    pub selector: u16,
    /// What it is.
    pub request: Arc<Request>,
}

/// What an argument is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgInfo {
    /// Its type.
    pub arg_type: ArgType,
    /// Name that the policy gives it; empty for none.
    pub label: String,
    /// Whether it is data rather than an argument.
    pub data: bool,
    /// Whether it is in the record of the return of the function.
    pub at_return: bool,
}

type Hooks = HashMap<u32, Arc<HookInfo>>;

/// The hooks of all policies.
#[derive(Debug, Default)]
pub struct Table {
    changes: AtomicU64,
    state: Mutex<State>,
    misses: Misses,
}

#[derive(Debug, Default)]
struct State {
    hooks: Arc<Hooks>,
    next: u32,
    deleted: VecDeque<u32>,
}

impl Table {
    /// Adds hooks and returns their numbers, in order.
    pub(super) fn add(&self, infos: Vec<HookInfo>) -> Vec<u32> {
        self.change(|state| {
            let hooks = Arc::make_mut(&mut state.hooks);
            let mut numbers = vec![];
            for info in infos {
                state.next = state.next.wrapping_add(1);
                hooks.insert(state.next, Arc::new(info));
                numbers.push(state.next);
            }
            numbers
        })
    }

    /// Forgets hooks, a while later.
    pub(super) fn remove(&self, numbers: &[u32]) {
        self.change(|state| {
            state.deleted.extend(numbers);
            let hooks = Arc::make_mut(&mut state.hooks);
            while state.deleted.len() > DELETED {
                if let Some(number) = state.deleted.pop_front() {
                    hooks.remove(&number);
                }
            }
        });
    }

    /// How often programs of hooks were not run.
    pub(crate) fn misses(&self) -> &Misses {
        &self.misses
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut state);
        self.changes.fetch_add(1, Ordering::Release);
        result
    }
}

/// The table as one thread reads it.
#[derive(Debug, Default)]
pub struct Reader {
    table: Arc<Table>,
    seen: u64,
    hooks: Arc<Hooks>,
}

impl Reader {
    /// A reader of `table`.
    pub fn new(table: Arc<Table>) -> Self {
        Self {
            table,
            seen: 0,
            hooks: Arc::default(),
        }
    }

    /// How often anything changed, as far as it is known here.
    pub fn changes(&self) -> u64 {
        self.seen
    }

    /// What hook `number` is.
    pub fn get(&mut self, number: u32) -> Option<&Arc<HookInfo>> {
        let changes = self.table.changes.load(Ordering::Acquire);
        if changes != self.seen {
            let state = self.table.state.lock().unwrap_or_else(PoisonError::into_inner);
            self.hooks = Arc::clone(&state.hooks);
            self.seen = changes;
        }
        self.hooks.get(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str) -> HookInfo {
        HookInfo {
            policy: "p".into(),
            name: name.into(),
            ..HookInfo::default()
        }
    }

    #[test]
    fn hooks_are_known_from_before_to_a_while_after() {
        let table = Arc::new(Table::default());
        let mut reader = Reader::new(Arc::clone(&table));
        assert_eq!(reader.get(1), None);
        let numbers = table.add(vec![info("a"), info("b")]);
        assert_eq!(reader.get(numbers[1]).unwrap().name, "b");
        table.remove(&numbers);
        assert_eq!(reader.get(numbers[0]).unwrap().name, "a");
        for _ in 0..DELETED {
            let numbers = table.add(vec![info("c")]);
            table.remove(&numbers);
        }
        assert_eq!(reader.get(numbers[0]), None);
        assert!(reader.hooks.len() <= DELETED);
    }
}
