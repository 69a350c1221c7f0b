//! Events of policies.

use std::{sync::Arc, time::Instant};

use ebpf_abi::{
    event::{CALL, HookArg, HookEvent, IN_DATA, data_kind, file_hash, hook_flag, op, stack},
    map::ProcessKey,
};
use policy::arg_type::ArgType;
use tetragon_api::v1::{
    EventType, KprobeAction, KprobeArgument, ProcessKprobe, ProcessLoader, ProcessLsm, ProcessTracepoint,
    ProcessUprobe, ProcessUsdt, get_events_response as events,
};

use super::{
    calls::{Call, Calls, Stacks},
    loads::{Mapped, Waiting},
    naming::{Found, Question},
    pipeline::Pipeline,
};
use crate::{
    event::hook,
    record,
    sensor::{HookInfo, loader::EXECUTING, shown_hash},
    sink::Sink,
    text,
};

/// What the event of a probe has as its flags where an action could not be done.
const ACTION_FAILED: &str = "actionFailed";

/// What the return of a function adds to an event.
#[derive(Debug)]
struct Returned {
    value: Option<KprobeArgument>,
    action: KprobeAction,
    /// Which selector matched then.
    selector: Option<u16>,
    /// The hash of a file, at a security hook.
    hash: String,
}

impl Default for Returned {
    fn default() -> Self {
        Self {
            value: None,
            action: KprobeAction::Post,
            selector: None,
            hash: String::new(),
        }
    }
}

impl Pipeline {
    /// Handles the record of a hook: an event, or half of one.
    pub(super) fn hook(&mut self, record: &record::Hook<'_>, sink: &mut dyn Sink) {
        let head = &record.head;
        let Some(info) = self.hooks.get(head.hook).map(Arc::clone) else {
            self.counters.hook_unknown.add(1);
            return;
        };
        if info.loader {
            self.mapped(record, sink);
            return;
        }
        if head.flags & hook_flag::RETURN != 0 {
            self.returned(record, &info, sink);
            return;
        }
        let (mut args, mut data) = (Vec::with_capacity(info.args.len()), vec![]);
        let (mut stacks, mut syscall) = (Stacks::default(), None);
        for value in record.args.values() {
            if self.stack(head, &value, &mut stacks) {
                continue;
            }
            if value.head.kind == CALL {
                syscall = value.number().map(|number| number as u32);
                continue;
            }
            let Some(known) = info.args.get(usize::from(value.head.kind)) else {
                continue;
            };
            let list = if known.data { &mut data } else { &mut args };
            if value.head.flags & IN_DATA != 0 && matches!(known.arg_type, ArgType::CharBuf | ArgType::IovIter) {
                let (head, bytes) = self.beside(head, &value);
                let bytes = bytes.as_slice();
                hook::argument(known, &record::Value { head, bytes }, list);
            } else {
                hook::argument(known, &value, list);
            }
        }
        let call = Call {
            head: *head,
            args,
            data,
            stacks,
            function: syscall.map(|number| self.functions.of(number)),
        };
        if head.flags & hook_flag::ENTRY != 0 {
            self.calls_of(head.header.op).begin(call, Instant::now());
        } else {
            self.emit_hook(call, Returned::default(), &info, sink);
        }
    }

    /// The calls that events of type `op` are of.
    fn calls_of(&mut self, op: u8) -> &mut Calls {
        if op == op::UPROBE {
            &mut self.program_calls
        } else {
            &mut self.calls
        }
    }

    /// Handles the return of a function.
    fn returned(&mut self, record: &record::Hook<'_>, info: &HookInfo, sink: &mut dyn Sink) {
        let head = &record.head;
        let Some(mut call) = self.calls_of(head.header.op).end(head) else {
            // Its entry was lost, and counted then.
            self.counters.hook_unpaired.add(1);
            return;
        };
        if head.flags & hook_flag::DISCARD != 0 {
            return;
        }
        let mut stacks = std::mem::take(&mut call.stacks);
        let mut values = record
            .args
            .values()
            .filter(|value| !self.stack(head, value, &mut stacks))
            .peekable();
        let hash = values.next_if(|value| value.head.kind == file_hash::KIND);
        let hash = hash.map(|value| shown_hash(value.head.flags, value.bytes));
        let mut read = vec![];
        if let Some(returns) = &info.returns
            && let Some(value) = values.next()
        {
            hook::argument(returns, &value, &mut read);
        }
        for value in values {
            let position = usize::from(value.head.kind);
            let Some(known) = info.args.get(position) else { continue };
            let mut late = vec![];
            hook::argument(known, &value, &mut late);
            let (list, before) = (&mut call.args, &info.args[..position]);
            let at = before.iter().filter(|arg| !arg.data && !arg.at_return).count();
            let at = at.min(list.len());
            list.splice(at..at, late);
        }
        call.stacks = stacks;
        if head.header.op == op::UPROBE {
            // Events of uprobes have no place of its own for it.
            call.args.append(&mut read);
        }
        let returned = Returned {
            value: read.pop(),
            action: hook::action(head.action),
            selector: Some(head.selector),
            hash: hash.unwrap_or_default(),
        };
        self.emit_hook(call, returned, info, sink);
    }

    /// Emits events of security hooks whose hash does not come any more; `last` when none may be awaited any longer.
    pub(super) fn unhashed(&mut self, now: Instant, last: bool, sink: &mut dyn Sink) -> bool {
        let mut emitted = false;
        while let Some(call) = self.calls.overdue(now, last) {
            self.counters.unhashed.add(1);
            if let Some(info) = self.hooks.get(call.head.hook).map(Arc::clone) {
                self.emit_hook(call, Returned::default(), &info, sink);
                emitted = true;
            }
        }
        emitted
    }

    /// The bytes that came before the record, and what is known of them.
    fn beside(&mut self, head: &HookEvent, value: &record::Value<'_>) -> (HookArg, Vec<u8>) {
        let key = ProcessKey {
            pid: head.tid,
            reserved: head.hook,
            ktime: head.header.ktime,
        };
        let bytes = self
            .data
            .take(key, data_kind::HOOK + u32::from(value.head.kind))
            .unwrap_or_default();
        let mut head = value.head;
        let sent = value.number().unwrap_or(0);
        if (bytes.len() as u64) < sent {
            self.counters.data_lost.add(1);
            head.whole = head.whole.max(sent as u32);
        }
        (head, bytes)
    }

    /// Adds `value` to `stacks`, if it is one.
    fn stack(&mut self, head: &HookEvent, value: &record::Value<'_>, stacks: &mut Stacks) -> bool {
        match value.head.kind {
            stack::KERNEL => stacks.kernel = self.names.kernel(value.bytes, self.hooks.changes()),
            // What is running is none of the owner's code.
            stack::USER if head.flags & hook_flag::OWNED != 0 => {}
            stack::USER => {
                let known = Found::Stack(self.names.unnamed(value.bytes));
                stacks.user = self.ask(head.process, Question::Stack(value.bytes.to_vec()), known);
            }
            _ => return false,
        }
        true
    }

    /// Asks for what the selectors that matched at the entry and the return of a function want.
    fn send_for(&mut self, pid: u32, info: &HookInfo, (entry, at_return): (u16, Option<u16>)) {
        let Some(errands) = &mut self.errands else { return };
        for errand in &info.errands {
            let matched = if errand.at_return { at_return } else { Some(entry) };
            if matched == Some(errand.selector) {
                errands.ask(pid, &errand.request, Instant::now());
            }
        }
    }

    /// Emits the event of a hook. The process is whom the kernel programs took for it; in the ring it comes after the event
    /// that made it known, so what is not known now never will be.
    fn emit_hook(&mut self, call: Call, returned: Returned, info: &HookInfo, sink: &mut dyn Sink) {
        let Call {
            head,
            args,
            data,
            stacks,
            function,
        } = call;
        self.send_for(head.process.pid, info, (head.selector, returned.selector));
        let failed = head.flags & hook_flag::FAILED != 0;
        let action = match head.header.op {
            // What could not be changed was not overridden, and nothing else says so.
            op::UPROBE if failed && hook::action(head.action) == KprobeAction::Override => KprobeAction::Post,
            _ => hook::action(head.action),
        };
        let action = action.into();
        let (policy_name, message, tags) = (info.policy.clone(), info.message.clone(), info.tags.clone());
        let event_type = match head.header.op {
            op::LSM => EventType::ProcessLsm,
            op::UPROBE => EventType::ProcessUprobe,
            op::USDT => EventType::ProcessUsdt,
            op::TRACEPOINT => EventType::ProcessTracepoint,
            _ => EventType::ProcessKprobe,
        };
        let time = self.clock.timestamp(head.header.ktime);
        self.emit_of(
            (head.process, Some(head.tid)),
            event_type,
            stacks.user,
            time,
            sink,
            |whose| match event_type {
                EventType::ProcessLsm => events::Event::ProcessLsm(ProcessLsm {
                    process: Some(whose.process),
                    parent: whose.parent,
                    ancestors: whose.ancestors,
                    function_name: info.name.clone(),
                    policy_name,
                    message,
                    args,
                    action,
                    tags,
                    ima_hash: returned.hash,
                }),
                EventType::ProcessUprobe => events::Event::ProcessUprobe(ProcessUprobe {
                    process: Some(whose.process),
                    parent: whose.parent,
                    ancestors: whose.ancestors,
                    path: info.subsystem.clone(),
                    symbol: info.name.clone(),
                    policy_name,
                    message,
                    args,
                    data,
                    tags,
                    offset: info.place.0,
                    ref_ctr_offset: info.place.1,
                    action,
                }),
                EventType::ProcessUsdt => events::Event::ProcessUsdt(ProcessUsdt {
                    process: Some(whose.process),
                    parent: whose.parent,
                    ancestors: whose.ancestors,
                    path: info.subsystem.clone(),
                    provider: info.provider.clone(),
                    name: info.name.clone(),
                    policy_name,
                    message,
                    args,
                    tags,
                    action,
                    flags: if failed { ACTION_FAILED } else { "" }.to_owned(),
                }),
                EventType::ProcessTracepoint => events::Event::ProcessTracepoint(ProcessTracepoint {
                    process: Some(whose.process),
                    parent: whose.parent,
                    ancestors: whose.ancestors,
                    subsys: info.subsystem.clone(),
                    event: info.name.clone(),
                    args,
                    policy_name,
                    action,
                    message,
                    tags,
                }),
                _ => events::Event::ProcessKprobe(ProcessKprobe {
                    process: Some(whose.process),
                    parent: whose.parent,
                    ancestors: whose.ancestors,
                    function_name: function.unwrap_or_else(|| info.name.clone()),
                    args,
                    data,
                    r#return: returned.value.map(Box::new),
                    action,
                    policy_name,
                    return_action: returned.action.into(),
                    kernel_stack_trace: stacks.kernel,
                    // Comes with the answer.
                    user_stack_trace: vec![],
                    message,
                    tags,
                }),
            },
        );
    }

    /// Handles the record of a file that was mapped: by the image that is there, or by one that is about to take its place.
    fn mapped(&mut self, record: &record::Hook<'_>, sink: &mut dyn Sink) {
        let head = &record.head;
        let Some(mapped) = Mapped::read(record) else {
            self.counters.malformed.add(1);
            return;
        };
        let mut load = Some(Waiting {
            process: head.process,
            tid: head.tid,
            ktime: head.header.ktime,
            mapped,
        });
        if head.selector == EXECUTING {
            load = load.and_then(|load| self.loads.wait(load));
        }
        if let Some(load) = load {
            self.load(load.process, load, sink);
        }
    }

    /// Tells of the files that an execution has mapped while the process was still `before`: they are of `process`, the same one
    /// if the execution failed.
    pub(super) fn mapped_before(&mut self, before: ProcessKey, process: ProcessKey, sink: &mut dyn Sink) {
        while let Some(load) = self.loads.next_of(before) {
            self.load(process, load, sink);
        }
    }

    /// Tells that `process` has mapped a file, unless that was told before.
    fn load(&mut self, process: ProcessKey, load: Waiting, sink: &mut dyn Sink) {
        let Waiting { tid, ktime, mapped, .. } = load;
        if !self.loads.is_new(process, &mapped) {
            return;
        }
        let path = text::lossy(&mapped.path);
        let answer = self.ask(process, Question::BuildId(mapped), Found::BuildId(vec![]));
        let time = self.clock.timestamp(ktime);
        self.emit_of(
            (process, Some(tid)),
            EventType::ProcessLoader,
            answer,
            time,
            sink,
            |whose| {
                events::Event::ProcessLoader(ProcessLoader {
                    process: Some(whose.process),
                    parent: whose.parent,
                    ancestors: whose.ancestors,
                    path,
                    // Comes with the answer.
                    buildid: vec![],
                })
            },
        );
    }
}
