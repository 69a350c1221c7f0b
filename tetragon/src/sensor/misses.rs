//! How often programs of hook points were not run.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use ebpf_loader::{Link, Program};

/// What keeps count of misses: a program, or an attachment.
pub(super) trait Misser: fmt::Debug + Send + Sync {
    /// How often so far.
    fn missed(&self) -> u64;
}

impl Misser for Program {
    fn missed(&self) -> u64 {
        self.missed()
    }
}

impl Misser for Link {
    fn missed(&self) -> u64 {
        self.missed()
    }
}

/// The programs at hook points and their attachments, and what those missed that are gone. By the type of their records.
#[derive(Debug, Default)]
pub(crate) struct Misses(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    there: Vec<(u8, Arc<dyn Misser>)>,
    gone: BTreeMap<u8, u64>,
}

impl Misses {
    /// Counts what `misser` misses from now on.
    pub(super) fn watch(&self, op: u8, misser: Arc<dyn Misser>) {
        self.change(|state| state.there.push((op, misser)));
    }

    /// Lets go of `misser`, which is about to be detached.
    pub(super) fn leave(&self, op: u8, misser: &Arc<dyn Misser>) {
        self.change(|state| {
            let at = state.there.iter().position(|(_, known)| Arc::ptr_eq(known, misser));
            if let Some(at) = at {
                state.there.swap_remove(at);
                *state.gone.entry(op).or_default() += misser.missed();
            }
        });
    }

    /// How often programs that send records of type `op` were not run.
    pub(crate) fn of(&self, op: u8) -> u64 {
        self.change(|state| {
            let there = state.there.iter().filter(|(of, _)| *of == op);
            let there: u64 = there.map(|(_, misser)| misser.missed()).sum();
            there + state.gone.get(&op).copied().unwrap_or(0)
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
