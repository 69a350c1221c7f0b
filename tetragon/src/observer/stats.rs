//! What became of every event, in numbers.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use ebpf_abi::{
    event::op,
    hook::counters,
    map::{Outcome, stats_index},
};
use ebpf_loader::{Maps, Program};

use crate::sensor;

/// Map of the counters in the kernel.
const KERNEL_COUNTERS: &str = "tg_stats_map";

/// A counter that one thread writes.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, more: u64) {
        // With one writer, no locked instruction is needed.
        self.set(self.get().wrapping_add(more));
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Live counters, written by the thread that reads the ring but for one.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) exec: Counter,
    pub(super) exit: Counter,
    pub(super) clone: Counter,
    pub(super) data: Counter,
    pub(super) kprobe: Counter,
    pub(super) tracepoint: Counter,
    pub(super) lsm: Counter,
    pub(super) uprobe: Counter,
    pub(super) usdt: Counter,
    pub(super) hook_unknown: Counter,
    pub(super) hook_unpaired: Counter,
    pub(super) calls: Counter,
    pub(super) calls_evicted: Counter,
    pub(super) unnamed: Counter,
    pub(super) unhashed: Counter,
    pub(super) malformed: Counter,
    pub(super) emitted: Counter,
    pub(super) process_cache: Counter,
    pub(super) process_cache_evicted: Counter,
    pub(super) event_cache: Counter,
    pub(super) event_cache_full: Counter,
    pub(super) event_cache_incomplete: Counter,
    pub(super) data_cache: Counter,
    pub(super) data_cache_evicted: Counter,
    pub(super) data_lost: Counter,
    pub(super) errands_left_out: Counter,
    /// Written by the thread that runs them.
    pub(super) errands_failed: Counter,
}

impl Counters {
    /// Records of hooks by their type.
    pub(super) fn hook(&self, op: u8) -> &Counter {
        match op {
            op::TRACEPOINT => &self.tracepoint,
            op::LSM => &self.lsm,
            op::UPROBE => &self.uprobe,
            op::USDT => &self.usdt,
            _ => &self.kprobe,
        }
    }
}

/// Reads the counters, from any thread.
#[derive(Debug)]
pub struct StatsHandle {
    pub(super) counters: Arc<Counters>,
    pub(super) maps: Arc<Maps>,
    /// Programs, by the event type that they send.
    programs: Vec<(u8, Program)>,
    /// What was counted in the kernel before anything was attached: the self-test.
    sent_before: [(u8, u64); 3],
    hooks: Arc<sensor::Table>,
}

impl StatsHandle {
    pub(super) fn new(
        counters: Arc<Counters>,
        maps: Arc<Maps>,
        programs: Vec<(u8, Program)>,
        sent_before: [(u8, u64); 3],
        hooks: Arc<sensor::Table>,
    ) -> Self {
        Self {
            counters,
            maps,
            programs,
            sent_before,
            hooks,
        }
    }

    /// The counters of this moment, those of the kernel programs included.
    pub fn read(&self) -> Stats {
        let counters = &*self.counters;
        let mut ops = [
            self.op(op::EXECVE, "exec", counters.exec.get()),
            self.op(op::EXIT, "exit", counters.exit.get()),
            self.op(op::CLONE, "clone", counters.clone.get()),
            self.op(op::DATA, "data", counters.data.get()),
            self.op(op::KPROBE, "kprobe", counters.kprobe.get()),
            self.op(op::TRACEPOINT, "tracepoint", counters.tracepoint.get()),
            self.op(op::LSM, "lsm", counters.lsm.get()),
            self.op(op::UPROBE, "uprobe", counters.uprobe.get()),
            self.op(op::USDT, "usdt", counters.usdt.get()),
        ];
        for (op, before) in self.sent_before {
            for stats in ops.iter_mut().filter(|stats| stats.op == op) {
                stats.sent = stats.sent.saturating_sub(before);
            }
        }
        Stats {
            received: ops.iter().map(|op| op.received).sum(),
            ops: ops.to_vec(),
            malformed: counters.malformed.get(),
            emitted: counters.emitted.get(),
            process_cache: counters.process_cache.get(),
            process_cache_evicted: counters.process_cache_evicted.get(),
            event_cache: counters.event_cache.get(),
            event_cache_full: counters.event_cache_full.get(),
            event_cache_incomplete: counters.event_cache_incomplete.get(),
            data_cache: counters.data_cache.get(),
            data_cache_evicted: counters.data_cache_evicted.get(),
            data_lost: counters.data_lost.get(),
            hook_unknown: counters.hook_unknown.get(),
            hook_unpaired: counters.hook_unpaired.get(),
            calls: counters.calls.get(),
            calls_evicted: counters.calls_evicted.get(),
            unnamed: counters.unnamed.get(),
            errands_left_out: counters.errands_left_out.get(),
            errands_failed: counters.errands_failed.get(),
            unhashed: counters.unhashed.get() + self.policies(counters::UNHASHED),
            spared: self.spared(),
            unsent: self.policies(counters::UNSENT),
        }
    }

    /// See [`Stats::spared`].
    pub(super) fn spared(&self) -> u64 {
        self.policies(counters::SPARED)
    }

    /// One of the [counters of policies](counters).
    fn policies(&self, counter: u32) -> u64 {
        let counters = self.maps.get(counters::MAP);
        let value = counters.and_then(|map| map.get(&counter));
        value.ok().flatten().unwrap_or_default()
    }

    fn op(&self, op: u8, name: &'static str, received: u64) -> OpStats {
        let counted = |outcome| counted(&self.maps, op, outcome);
        OpStats {
            op,
            name,
            sent: counted(Outcome::Sent),
            received,
            ring_full: counted(Outcome::RingFull),
            map_full: counted(Outcome::MapFull),
            path_forgotten: counted(Outcome::PathForgotten),
            action_failed: counted(Outcome::ActionFailed),
            no_scratch: counted(Outcome::NoScratch),
            // Where there was no room, the first spare has left to the program what the program may not have been run for.
            missed: missed(self.misses(op), counted(Outcome::Spared))
                + counted(Outcome::Abstained).saturating_sub(counted(Outcome::MapFull))
                + self.hooks.misses().of(op),
        }
    }

    /// How often each instance of the program for `op` was not run, in the order of their attachment.
    fn misses(&self, op: u8) -> impl Iterator<Item = u64> {
        let programs = self.programs.iter().filter(move |(of, _)| *of == op);
        programs.map(|(_, program)| program.missed())
    }
}

/// Events that no instance has seen, at most, when a spare has seen `spared` of those that the first one missed.
///
/// For executions it is exact. Threads pass by the other two tracepoints as well; what was missed of them counts here
/// unless some instance has missed less.
fn missed(misses: impl Iterator<Item = u64>, spared: u64) -> u64 {
    let misses: Vec<u64> = misses.collect();
    let first = misses.first().map_or(0, |first| first.saturating_sub(spared));
    misses.into_iter().min().unwrap_or(0).min(first)
}

/// Records of type `op` that the kernel programs have written.
pub(super) fn sent(maps: &Maps, op: u8) -> u64 {
    counted(maps, op, Outcome::Sent)
}

fn counted(maps: &Maps, op: u8, outcome: Outcome) -> u64 {
    let counter = maps.get(KERNEL_COUNTERS);
    let per_cpu = counter.and_then(|map| map.get_per_cpu::<u32, u64>(&stats_index(op, outcome)));
    per_cpu.map_or(0, |values| values.iter().sum())
}

/// Counters at one moment. Once the ring is drained, `received == sent` for each event type, and `sent + lost` is what
/// the kernel programs saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// By event type.
    pub ops: Vec<OpStats>,
    /// Records read from the ring.
    pub received: u64,
    /// Records that could not be decoded. Never seen; a record of another version would be one.
    pub malformed: u64,
    /// Events handed to the sink, those for processes found in `/proc` included.
    pub emitted: u64,
    /// Processes in the process cache.
    pub process_cache: u64,
    /// Processes dropped from the process cache because it was full.
    pub process_cache_evicted: u64,
    /// Events that wait for their process or its parent.
    pub event_cache: u64,
    /// Events that went out without waiting because too many waited already.
    pub event_cache_full: u64,
    /// Events that went out without their process or its parent after waiting in vain.
    pub event_cache_incomplete: u64,
    /// Long arguments and environments that wait for the rest of their event.
    pub data_cache: u64,
    /// Those dropped because too many waited already.
    pub data_cache_evicted: u64,
    /// Events whose long arguments or environment did not arrive in whole.
    pub data_lost: u64,
    /// Records of hooks of policies that were deleted long ago.
    pub hook_unknown: u64,
    /// Returns of functions whose entry never arrived.
    pub hook_unpaired: u64,
    /// Events that wait for the return of a function.
    pub calls: u64,
    /// Those dropped because too many waited already: of functions that never return, most likely.
    pub calls_evicted: u64,
    /// Names of code and build ids that events went out without, since the files of their process took too long or too
    /// many others waited for theirs.
    pub unnamed: u64,
    /// Events of security hooks that went out without the hash of a file that was not asked for, as reading the file might
    /// take too long or nobody was there to ask.
    pub unhashed: u64,
    /// URLs and names that policies wanted asked for and nobody asked for, as there were too many.
    pub errands_left_out: u64,
    /// Those that were asked for in vain.
    pub errands_failed: u64,
    /// Signals of policies that process 1 and this agent did not get.
    pub spared: u64,
    /// Signals of policies that the kernel did not send: to process 1, to threads of its own, to processes that end anyway.
    pub unsent: u64,
}

/// Counters of one event type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpStats {
    /// Number of the type, see [`ebpf_abi::event::op`].
    pub op: u8,
    /// Its name: `exec`, `exit`, `clone` or `data`.
    pub name: &'static str,
    /// Written to the ring by the kernel programs.
    pub sent: u64,
    /// Read from the ring.
    pub received: u64,
    /// Lost because the ring was full.
    pub ring_full: u64,
    /// Sent, but the process could not be remembered because `execve_map` was full.
    pub map_full: u64,
    /// Sent, but the path of the executable could not be remembered: policies that ask for it see the one of that moment.
    pub path_forgotten: u64,
    /// Actions of policies that could not be done, also where nothing was sent.
    pub action_failed: u64,
    /// Lost for another reason within the kernel programs.
    pub no_scratch: u64,
    /// Lost, at most, because the kernel ran no instance of the program: each was running already on the same CPU.
    pub missed: u64,
}

impl OpStats {
    /// Events that did not reach the ring.
    pub fn lost(&self) -> u64 {
        self.ring_full + self.no_scratch + self.missed
    }

    /// Events that the kernel programs saw.
    pub fn generated(&self) -> u64 {
        self.sent + self.lost()
    }
}

impl Stats {
    /// Events that the kernel programs saw.
    pub fn generated(&self) -> u64 {
        self.ops.iter().map(OpStats::generated).sum()
    }

    /// Events that did not reach the ring.
    pub fn lost(&self) -> u64 {
        self.ops.iter().map(OpStats::lost).sum()
    }
}

/// One line: the totals, then what is not as it should be, by type.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (generated, lost) = (self.generated(), self.lost());
        // Rounded up, so that a loss never shows as none.
        let tenths = (lost * 1_000).div_ceil(generated.max(1));
        write!(
            f,
            "{} received, {}.{}% events loss: {generated} generated, {lost} lost, {} emitted",
            self.received,
            tenths / 10,
            tenths % 10,
            self.emitted
        )?;
        for op in &self.ops {
            write!(f, "; {} {}", op.name, op.received)?;
            let unread = op.sent.wrapping_sub(op.received);
            let reasons = [
                (op.ring_full, "ring full"),
                (op.no_scratch, "no scratch memory"),
                (op.missed, "program not run"),
                (op.map_full, "not remembered"),
                (op.path_forgotten, "without the path remembered"),
                (op.action_failed, "actions failed"),
                (unread, "unread"),
            ];
            for (number, reason) in reasons.iter().filter(|(number, _)| *number != 0) {
                write!(f, ", {number} {reason}")?;
            }
        }
        let rest = [
            (self.malformed, "malformed records"),
            (self.process_cache_evicted, "processes evicted"),
            (self.event_cache_full, "events that could not wait"),
            (self.event_cache_incomplete, "events incomplete"),
            (self.data_cache_evicted, "long arguments evicted"),
            (self.data_lost, "long arguments incomplete"),
            (self.hook_unknown, "events of deleted policies"),
            (self.hook_unpaired, "returns without entry"),
            (self.calls, "entries without return"),
            (self.calls_evicted, "entries evicted"),
            (self.unnamed, "stacks or build ids not looked up in time"),
            (self.unhashed, "files not hashed"),
            (self.errands_left_out, "URLs or names not asked for"),
            (self.errands_failed, "URLs or names asked for in vain"),
            (self.spared, "signals not sent to process 1 or this agent"),
            (self.unsent, "signals not sent by the kernel"),
        ];
        for (number, what) in rest.iter().filter(|(number, _)| *number != 0) {
            write!(f, "; {number} {what}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn missed_by_all() {
        assert_eq!(missed([].into_iter(), 0), 0);
        assert_eq!(missed([5].into_iter(), 0), 5);
        assert_eq!(missed([75, 3, 2, 2].into_iter(), 75), 0);
        assert_eq!(missed([75, 3, 2, 2].into_iter(), 74), 1);
        // Threads among them.
        assert_eq!(missed([75, 3, 0, 2].into_iter(), 50), 0);
    }

    #[test]
    fn the_line_says_what_is_wrong() {
        let op = |name, sent, received| OpStats {
            name,
            sent,
            received,
            ..OpStats::default()
        };
        let mut stats = Stats {
            ops: vec![op("exec", 5, 5), op("exit", 4, 4)],
            received: 9,
            emitted: 12,
            ..Stats::default()
        };
        expect!["9 received, 0.0% events loss: 9 generated, 0 lost, 12 emitted; exec 5; exit 4"]
            .assert_eq(&stats.to_string());
        stats.ops[0].ring_full = 3;
        stats.ops[1].received = 2;
        stats.data_lost = 1;
        expect![
            "9 received, 25.0% events loss: 12 generated, 3 lost, 12 emitted; exec 5, 3 ring full; exit 2, 2 unread; 1 long arguments incomplete"
        ]
        .assert_eq(&stats.to_string());
    }
}
