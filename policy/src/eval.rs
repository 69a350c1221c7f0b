//! What a policy has to do with a call: the reference that kernel programs are measured against.
//!
//! Written from the meaning of the filters, one function each, without regard to speed or to how a kernel program does
//! it. Given the [facts](Process) of a process and the [values](Value) of the arguments it returns the selector that
//! wins and its actions.
//!
//! What every filter agrees on:
//!
//! - a value that could not be read fits nothing, negated filters included;
//! - the filters of a selector must all pass, of its values one must fit; a negated filter passes when no value fits;
//! - selectors are tried in order, and the first that passes wins.
//!
//! Not decided here: whether the process belongs to the workloads of the policy, which nobody can tell from the facts of
//! the process alone; and rate limits, which depend on what came before.

mod arg;
mod facts;
mod process;

pub use arg::{Address, Socket, Value, passes};
pub use facts::{Ancestor, Capabilities, Namespaces, Process};
pub use process::process_passes;

use crate::model::{Action, Hook};

/// The selector that wins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict<'a> {
    /// Its position in the hook, from 0.
    pub selector: usize,
    /// What is done.
    pub actions: &'a [Action],
}

impl Verdict<'_> {
    /// Whether an event is sent. All actions are done; one that says not to report is enough not to.
    pub fn posts(&self) -> bool {
        !self.actions.iter().any(|action| matches!(action, Action::NoPost))
    }

    /// The action that the event names: the last one.
    pub fn last(&self) -> Option<&Action> {
        self.actions.last()
    }
}

/// What happens when the hook is reached; nothing when no selector passes.
///
/// `args` and `data` have one value for each entry of the hook.
pub fn entry<'a>(hook: &'a Hook, process: &Process, args: &[Value], data: &[Value]) -> Option<Verdict<'a>> {
    hook.selectors.iter().enumerate().find_map(|(i, selector)| {
        let passed = selector.process.iter().all(|filter| process_passes(filter, process))
            && selector.args.iter().all(|filter| passes(filter, args))
            && selector.data.iter().all(|filter| passes(filter, data));
        passed.then_some(Verdict {
            selector: i,
            actions: &selector.actions,
        })
    })
}

/// What happens when the function returns, after a selector has passed at its entry; nothing when no selector passes, and
/// then the entry is not reported either.
pub fn returned<'a>(hook: &'a Hook, value: &Value) -> Option<Verdict<'a>> {
    hook.selectors.iter().enumerate().find_map(|(i, selector)| {
        let passed = selector
            .return_args
            .iter()
            .all(|filter| passes(filter, std::slice::from_ref(value)));
        passed.then_some(Verdict {
            selector: i,
            actions: &selector.return_actions,
        })
    })
}
