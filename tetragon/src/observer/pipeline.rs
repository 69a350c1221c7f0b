//! From records to events: the one path that every event takes, on the thread that reads the ring.

use std::sync::Arc;

use ebpf_abi::{
    event::{DataEvent, data_kind, exec_flag},
    map::ProcessKey,
};
use prost_types::Timestamp;
use tetragon_api::v1::{
    EventType, GetEventsResponse, Process, ProcessExec, ProcessExit, get_events_response as events,
};

use super::{
    calls::Calls,
    data::DataCache,
    errands::Errands,
    family::Family,
    held::Held,
    naming::{Answer, Naming},
    stats::Counters,
    waiting::{Event, Waiting},
};
use crate::{
    clock::Clock,
    event::{Builder, Ending, ExecParts, binary_properties, ending},
    process::Cache,
    record::{self, Exec, Record},
    sensor,
    sink::Sink,
};

/// Everything that is known about processes, and what turns that and records into events.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) cache: Cache,
    pub(super) builder: Builder,
    pub(super) clock: Clock,
    pub(super) data: DataCache,
    pub(super) waiting: Waiting,
    /// Types of events with ancestors.
    pub(super) ancestors: Vec<EventType>,
    /// The event being emitted, with what all events have in common.
    pub(super) response: GetEventsResponse,
    pub(super) counters: Arc<Counters>,
    /// What the numbers of hooks stand for.
    pub(super) hooks: sensor::Reader,
    /// Functions that have not returned, of the kernel and of programs.
    pub(super) calls: Calls,
    pub(super) program_calls: Calls,
    /// What system calls are called.
    pub(super) functions: super::calls::Functions,
    /// Files that were mapped.
    pub(super) loads: super::loads::Loads,
    /// What the kernel's code in stack traces is called.
    pub(super) names: crate::stack::Names,
    /// Who looks into the files of processes; nobody where there are only records.
    pub(super) naming: Option<Arc<Naming>>,
    /// Events that wait for that.
    pub(super) held: Held,
    /// Who runs errands of policies; nobody where there are only records.
    pub(super) errands: Option<Errands>,
    /// Losses up to which the cache agrees with the kernel's map.
    pub(super) reconciled: u64,
    /// Paths of executables that could not be remembered when last looked.
    pub(super) forgotten: u64,
}

/// Whose event it is.
pub(super) struct Whose {
    pub(super) process: Process,
    pub(super) parent: Option<Process>,
    /// From the grandparent up, nearest first; empty unless wanted.
    pub(super) ancestors: Vec<Process>,
}

impl Pipeline {
    /// Handles one record of the ring.
    pub(super) fn handle(&mut self, bytes: &[u8], sink: &mut dyn Sink) {
        let record = match record::decode(bytes) {
            Ok(record) => record,
            Err(error) => {
                if self.counters.malformed.get() == 0 {
                    tracing::warn!("{error}: the kernel programs are of another version; this is said once");
                }
                self.counters.malformed.add(1);
                return;
            }
        };
        match record {
            Record::Exec(exec) => {
                self.counters.exec.add(1);
                self.exec(&exec, sink);
                self.mapped_before(exec.head.previous, exec.head.process, sink);
            }
            Record::Exit(exit) => {
                self.counters.exit.add(1);
                self.mapped_before(exit.process, exit.process, sink);
                self.exit(exit.process, exit.status, exit.header.ktime, sink);
            }
            Record::Clone(clone) => {
                self.counters.clone.add(1);
                self.clone(&clone);
            }
            Record::Hook(hook) => {
                self.counters.hook(hook.head.header.op).add(1);
                self.hook(&hook, sink);
            }
            Record::Data(data) => {
                self.counters.data.add(1);
                self.data(&data.head, data.bytes);
            }
        }
    }

    fn exec(&mut self, record: &Exec<'_>, sink: &mut dyn Sink) {
        let head = &record.head;
        let key = head.process;
        let replaces = head.previous != ProcessKey::default();
        // An image that was executed by another image of the same process, rather than by a clone, comes from that.
        let parent = if replaces && head.flags & exec_flag::CLONE == 0 {
            head.previous
        } else {
            head.parent
        };
        let mut flags = head.flags | self.inherited(parent);
        let known = self.cache.find(parent).is_some();
        if known {
            flags &= !exec_flag::MISS;
        }
        let args = self.long(key, data_kind::ARGS, head.args_data_len);
        if args
            .as_ref()
            .is_some_and(|args| args.len() < head.args_data_len as usize)
        {
            flags |= exec_flag::TRUNC_ARGS;
        }
        let envs = self.long(key, data_kind::ENVS, head.envs_data_len);
        if envs
            .as_ref()
            .is_some_and(|envs| envs.len() < head.envs_data_len as usize)
        {
            flags |= exec_flag::ERROR_ENVS;
        }
        let docker = self.cache.find(parent).and_then(|parent| self.cache.process(parent));
        let parts = ExecParts {
            args: args.as_deref().unwrap_or(record.args),
            envs: envs.as_deref().unwrap_or(record.envs),
            parent,
            flags,
            docker: docker.map_or("", |parent| parent.docker.as_str()),
        };
        let process = self.builder.exec(record, &parts, self.clock);
        let slot = self.cache.insert(key, parent, process);
        if replaces && let Some(previous) = self.cache.find(head.previous) {
            if head.flags & exec_flag::CLONE == 0 {
                self.cache.end(previous);
            } else {
                self.cache.give_way(previous);
            }
        }
        let properties = if self.builder.process_cred {
            binary_properties(head, record.image)
        } else {
            None
        };
        // Of a parent that the kernel programs do not know either, nothing will be heard.
        if known || flags & exec_flag::MISS != 0 {
            let Some(mut process) = self.cache.lend(slot) else {
                return;
            };
            process.binary_properties = properties;
            let mut process = self.emit_exec(process, key, parent, sink);
            process.binary_properties = None;
            self.cache.give_back(slot, process);
        } else if let Some(process) = self.cache.process(slot) {
            let mut process = Box::new(process.clone());
            process.binary_properties = properties;
            self.wait(Event::Exec { key, process, parent }, sink);
        }
    }

    fn clone(&mut self, record: &record::Clone<'_>) {
        let head = &record.head;
        let parent = self.cache.find(head.parent);
        // What only a clone has seen shows the flag of an exec.
        let mut flags = exec_flag::EXECVE | head.flags | self.inherited(head.parent);
        if parent.is_some() {
            flags &= !exec_flag::MISS;
        }
        let parent = parent.and_then(|parent| self.cache.process(parent));
        let process = self.builder.clone(record, parent, flags, self.clock);
        self.cache.insert(head.process, head.parent, process);
    }

    fn exit(&mut self, key: ProcessKey, status: u32, ktime: u64, sink: &mut dyn Sink) {
        let slot = self.cache.find(key);
        if let Some(slot) = slot {
            self.cache.end(slot);
        }
        // Threads of the kernel come and go; they are known as parents and not told of.
        if slot
            .and_then(|slot| self.cache.process(slot))
            .is_some_and(is_kernel_thread)
        {
            return;
        }
        if slot.is_none() || self.waiting.has(key) {
            self.wait(Event::Exit { key, status, ktime }, sink);
        } else {
            self.emit_exit(key, status, ktime, sink);
        }
    }

    fn data(&mut self, head: &DataEvent, bytes: &[u8]) {
        self.data.add(head, bytes);
        self.counters.data_cache_evicted.set(self.data.evicted());
    }

    /// What was collected of something of `len` bytes; `None` when it was short and is in the record itself.
    fn long(&mut self, key: ProcessKey, kind: u32, len: u32) -> Option<Vec<u8>> {
        if len == 0 {
            return None;
        }
        let collected = self.data.take(key, kind).unwrap_or_default();
        if collected.len() < len as usize {
            self.counters.data_lost.add(1);
        }
        Some(collected)
    }

    /// Flags that a process has because its parent does. The kernel programs see to that as well, except for children
    /// of processes that were there before them.
    fn inherited(&mut self, parent: ProcessKey) -> u32 {
        let parent = self.cache.find(parent).and_then(|parent| self.cache.process(parent));
        match parent.and_then(|parent| parent.in_init_tree) {
            Some(true) => exec_flag::IN_INIT_TREE,
            _ => 0,
        }
    }

    /// Publishes the sizes of the caches.
    pub(super) fn count(&self) {
        let counters = &self.counters;
        counters.process_cache.set(self.cache.len() as u64);
        counters.process_cache_evicted.set(self.cache.evicted());
        counters.event_cache.set(self.waiting.len() as u64);
        counters.data_cache.set(self.data.len() as u64);
        let calls = [&self.calls, &self.program_calls];
        counters.calls.set(calls.iter().map(|calls| calls.len() as u64).sum());
        counters
            .calls_evicted
            .set(calls.iter().map(|calls| calls.evicted()).sum());
    }

    fn wait(&mut self, event: Event, sink: &mut dyn Sink) {
        if let Some(oldest) = self.waiting.push(event) {
            self.counters.event_cache_full.add(1);
            self.attempt(oldest, true, sink);
        }
    }

    /// Tries every event that waits once more; `last` when none may wait any longer.
    pub(super) fn retry(&mut self, last: bool, sink: &mut dyn Sink) {
        for (event, tries) in self.waiting.take() {
            let tries = tries + 1;
            let last = last || self.waiting.is_last(tries);
            if let Some(event) = self.attempt(event, last, sink) {
                self.waiting.put_back(event, tries);
            }
        }
    }

    /// Emits `event`, or gives it back when it lacks something and may wait for that.
    fn attempt(&mut self, event: Event, last: bool, sink: &mut dyn Sink) -> Option<Event> {
        let complete = match &event {
            Event::Exec { parent, .. } => self.cache.find(*parent).is_some(),
            Event::Exit { key, .. } => self.cache.find(*key).is_some() && !self.waiting.has(*key),
        };
        if !complete && !last {
            return Some(event);
        }
        self.counters.event_cache_incomplete.add(u64::from(!complete));
        match event {
            Event::Exec { key, process, parent } => drop(self.emit_exec(*process, key, parent, sink)),
            Event::Exit { key, status, ktime } => self.emit_exit(key, status, ktime, sink),
        }
        None
    }

    /// Emits the exec event of the image `key`, which the cache knows.
    pub(super) fn emit_known(&mut self, key: ProcessKey, sink: &mut dyn Sink) {
        let Some(slot) = self.cache.find(key) else { return };
        let Some(parent) = self.cache.parent(slot) else { return };
        let Some(process) = self.cache.lend(slot) else { return };
        let process = self.emit_exec(process, key, parent, sink);
        self.cache.give_back(slot, process);
    }

    /// Emits the exec event of `process` and gives it back.
    fn emit_exec(&mut self, process: Process, key: ProcessKey, parent: ProcessKey, sink: &mut dyn Sink) -> Process {
        let mut family = self.family(parent, EventType::ProcessExec);
        let event = ProcessExec {
            process: Some(process),
            parent: Some(family.take_parent()),
            ancestors: family.take_ancestors(),
        };
        let time = self.clock.timestamp(key.ktime);
        let event = self.emit(key.pid, events::Event::ProcessExec(event), None, time, sink);
        let Some(events::Event::ProcessExec(event)) = event else {
            return Process::default();
        };
        family.give_back(&mut self.cache, event.parent, event.ancestors);
        event.process.unwrap_or_default()
    }

    /// Emits the exit event of the image `key`.
    fn emit_exit(&mut self, key: ProcessKey, status: u32, ktime: u64, sink: &mut dyn Sink) {
        let Ending { signal, status } = ending(status);
        let time = self.clock.timestamp(ktime);
        self.emit_of((key, None), EventType::ProcessExit, None, time, sink, |whose| {
            events::Event::ProcessExit(ProcessExit {
                process: Some(whose.process),
                parent: whose.parent,
                ancestors: whose.ancestors,
                signal,
                status,
                time: Some(time),
            })
        });
    }

    /// Emits the event that `build` makes of process `key` and its family, with the number of a thread in the place of the
    /// leader's if there is one, and with what `answer` adds.
    pub(super) fn emit_of(
        &mut self,
        (key, tid): (ProcessKey, Option<u32>),
        event_type: EventType,
        answer: Option<Answer>,
        time: Timestamp,
        sink: &mut dyn Sink,
        build: impl FnOnce(Whose) -> events::Event,
    ) {
        let slot = self.cache.find(key);
        let parent = slot.and_then(|slot| self.cache.parent(slot));
        let process = slot.and_then(|slot| self.cache.lend(slot));
        let mut process = process.unwrap_or_else(|| self.builder.unknown(key, self.clock));
        let leader = process.tid;
        process.tid = tid.or(leader);
        let mut family = parent.map(|parent| self.family(parent, event_type));
        let event = build(Whose {
            process,
            parent: family.as_mut().map(Family::take_parent),
            ancestors: family.as_mut().map(Family::take_ancestors).unwrap_or_default(),
        });
        let (process, parent, ancestors) = match self.emit(key.pid, event, answer, time, sink) {
            Some(events::Event::ProcessExit(event)) => (event.process, event.parent, event.ancestors),
            Some(events::Event::ProcessKprobe(event)) => (event.process, event.parent, event.ancestors),
            Some(events::Event::ProcessUprobe(event)) => (event.process, event.parent, event.ancestors),
            Some(events::Event::ProcessUsdt(event)) => (event.process, event.parent, event.ancestors),
            Some(events::Event::ProcessLsm(event)) => (event.process, event.parent, event.ancestors),
            Some(events::Event::ProcessTracepoint(event)) => (event.process, event.parent, event.ancestors),
            Some(events::Event::ProcessLoader(event)) => (event.process, event.parent, event.ancestors),
            _ => return,
        };
        if let Some(family) = family {
            family.give_back(&mut self.cache, parent, ancestors);
        }
        if let (Some(slot), Some(mut process)) = (slot, process) {
            process.tid = leader;
            self.cache.give_back(slot, process);
        }
    }

    /// The family of a process whose parent is `parent`, for an event of type `of`.
    pub(super) fn family(&mut self, parent: ProcessKey, of: EventType) -> Family {
        let Self {
            cache,
            builder,
            clock,
            ancestors,
            ..
        } = self;
        Family::lend(cache, parent, ancestors.contains(&of), |key| {
            builder.unknown(key, *clock)
        })
    }
}

/// Whether this is a thread of the kernel, or one that it cloned: these have a name in brackets, everything else a path.
fn is_kernel_thread(process: &Process) -> bool {
    process.binary.starts_with('[')
}
