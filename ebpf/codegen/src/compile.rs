//! From a point to code.

use ebpf_abi::hook::{SCRATCHES, counters, offset, orders, runtime};
use ebpf_asm::{Alu, Assembler, Code, Condition, Error, Label, Reg, Width};

use crate::{
    change::{self, Effects},
    field, hash, number,
    plan::{Action, Filter, Hook, Ownership, Point, Post, Selector, Stage},
    read::{PID_TGID, Reader, forget},
    report, search, text,
};

/// `bpf_send_signal` (`enum bpf_func_id`, kernel 5.3).
const SEND_SIGNAL: u32 = 109;

/// `bpf_override_return` (kernel 4.16, `CONFIG_BPF_KPROBE_OVERRIDE`).
const OVERRIDE_RETURN: u32 = 58;

/// What the code returns; where that means nothing, whether the function is skipped.
pub(crate) const VERDICT: Reg = Reg::R9;

/// What an enforcer was told, while it does that; the number that a function is to return.
const ORDERS: Reg = Reg::R8;

/// `MAX_ERRNO` (include/linux/err.h).
pub(crate) const MAX_ERRNO: i32 = 4_095;

/// Tetragon's numbers of actions in records.
mod action_number {
    pub(super) const POST: u16 = 0;
    pub(super) const SIGKILL: u16 = 2;
    pub(super) const OVERRIDE: u16 = 4;
    pub(super) const NO_POST: u16 = 8;
    pub(super) const SIGNAL: u16 = 9;
    pub(super) const TRACK_SOCK: u16 = 10;
    pub(super) const UNTRACK_SOCK: u16 = 11;
    pub(super) const NOTIFY_ENFORCER: u16 = 12;
    pub(super) const CLEANUP_ENFORCER_NOTIFICATION: u16 = 13;
    pub(super) const SET: u16 = 14;
}

/// `bpf_map_lookup_elem`.
pub(crate) const MAP_LOOKUP: u32 = 1;

/// Compiles `point`.
pub fn compile(point: &Point) -> Result<Code, Error> {
    let verdict = point.context.has_verdict();
    let mut asm = Assembler::new();
    let mut reader = Reader::new(point.context, &mut asm);
    if let Some(generation) = point.generation {
        compile_generation(&mut asm, generation);
    }
    reader.prologue(&mut asm, point.hooks.iter().any(Hook::has_parameters));
    asm.set(VERDICT, 0);
    change::prologue(&mut asm, point);
    hash::prologue(&mut asm, point);
    for hook in &point.hooks {
        compile_hook(&mut asm, &mut reader, point.op, verdict, hook);
    }
    if !verdict && point.hooks.iter().any(Hook::overrides) {
        compile_skipped(&mut asm, &mut reader, point);
    }
    change::make(&mut asm, &reader);
    hash::defer(&mut asm, point);
    let done = asm.label();
    asm.jump_if(Condition::Eq, Reg::R6, 0, done);
    asm.store_imm(Width::U64, Reg::R6, offset::BUSY, 0);
    asm.bind(done);
    asm.copy(Reg::R0, VERDICT);
    asm.exit();
    asm.finish()
}

/// Ends the function if a later program has run for the same hit. The context stays in `R1`.
fn compile_generation(asm: &mut Assembler, generation: u32) {
    const KEY: i16 = -4;
    let (latest, unknown) = (asm.label(), asm.label());
    asm.copy(Reg::R6, Reg::R1);
    asm.store_imm(Width::U32, Reg::R10, KEY, 0);
    asm.map(Reg::R1, runtime::LATEST);
    asm.copy(Reg::R2, Reg::R10);
    asm.alu(Alu::Add, Reg::R2, i32::from(KEY));
    asm.call_helper(MAP_LOOKUP);
    asm.jump_if(Condition::Eq, Reg::R0, 0, unknown);
    asm.load(Width::U64, Reg::R1, Reg::R0, 0);
    asm.set(Reg::R2, generation.into());
    asm.jump_if_reg(Condition::Le, Reg::R1, Reg::R2, latest);
    asm.set(Reg::R0, 0);
    asm.exit();
    asm.bind(latest);
    asm.store(Width::U64, Reg::R0, 0, Reg::R2);
    asm.bind(unknown);
    asm.copy(Reg::R1, Reg::R6);
}

/// The function that claims a scratch: see [`runtime::CLAIM`]. `exchange`: with an atomic exchange, which the kernel must
/// know (5.12). Without, no other task may run in between: so it is where kernels do not have it, as trampolines became
/// preemptible with the same version.
pub fn claim(exchange: bool) -> Result<Code, Error> {
    const INDEX: i16 = -4;
    let mut asm = Assembler::new();
    let (none, claimed) = (asm.label(), asm.label());
    for index in 0..SCRATCHES {
        asm.store_imm(Width::U32, Reg::R10, INDEX, index as i32);
        asm.map(Reg::R1, runtime::SCRATCHES);
        asm.copy(Reg::R2, Reg::R10);
        asm.alu(Alu::Add, Reg::R2, i32::from(INDEX));
        asm.call_helper(MAP_LOOKUP);
        asm.jump_if(Condition::Eq, Reg::R0, 0, none);
        if exchange {
            asm.set(Reg::R1, 1);
            asm.exchange(Reg::R0, offset::BUSY, Reg::R1);
        } else {
            asm.load(Width::U64, Reg::R1, Reg::R0, offset::BUSY);
            asm.store_imm(Width::U64, Reg::R0, offset::BUSY, 1);
        }
        asm.jump_if(Condition::Eq, Reg::R1, 0, claimed);
    }
    asm.bind(none);
    asm.set(Reg::R0, 0);
    asm.exit();
    asm.bind(claimed);
    asm.load(Width::U32, Reg::R1, Reg::R10, INDEX);
    asm.store(Width::U32, Reg::R0, offset::INDEX, Reg::R1);
    asm.exit();
    asm.finish()
}

/// Ends what the hooks of the point have begun, if one of them skips the function. They stand in the order of the policies: those
/// before it could not know.
fn compile_skipped(asm: &mut Assembler, reader: &mut Reader, point: &Point) {
    let done = asm.label();
    asm.jump_if(Condition::Eq, VERDICT, 0, done);
    for hook in &point.hooks {
        if let Stage::Entry { .. } = hook.stage {
            let end = asm.label();
            let none_left = reader.begin_hook(asm);
            report::skipped(asm, reader, point.op, hook);
            lost(asm, point.op, none_left, end);
            asm.bind(end);
        }
    }
    asm.set(VERDICT, 0);
    asm.bind(done);
}

fn compile_hook(asm: &mut Assembler, reader: &mut Reader, op: u8, verdict: bool, hook: &Hook) {
    let end = asm.label();
    let none_left = reader.begin_hook(asm);
    if hook.stage == Stage::Return {
        reader.claim(asm);
        reader.key(asm, Reg::R3, true);
        report::resume(asm, reader, hook, end);
        // What was read for another hook was kept at another entry.
        forget(asm);
        for change in &hook.ownership {
            report::change(asm, reader, hook, *change);
        }
    }
    if hook.selectors.is_empty() {
        count(asm, hook, 0);
        report::own(asm, reader, hook);
        let (how, nothing) = (Post::default(), Effects::default());
        report::record(asm, reader, op, hook, (0, action_number::POST), how, &nothing);
    }
    for (index, selector) in hook.selectors.iter().enumerate() {
        let next = asm.label();
        for filter in &selector.filters {
            compile_filter(asm, reader, hook, filter, next);
        }
        compile_actions(asm, reader, op, verdict, hook, index, selector);
        // Behind one that always passes nothing is ever reached, which the kernel would refuse.
        if !asm.is_used(next) {
            break;
        }
        asm.jump(end);
        asm.bind(next);
        if index + 1 == hook.selectors.len() {
            report::missed(asm, reader, op, hook);
        }
    }
    lost(asm, op, none_left, end);
    asm.bind(end);
}

/// Where a hook goes that finds no scratch.
fn lost(asm: &mut Assembler, op: u8, none_left: Label, end: Label) {
    if asm.is_used(none_left) {
        asm.jump(end);
        asm.bind(none_left);
        asm.set(Reg::R1, u64::from(op));
        asm.call(runtime::LOST);
    }
}

fn count(asm: &mut Assembler, hook: &Hook, selector: usize) {
    if let Some(first) = hook.counters {
        asm.set(Reg::R1, u64::from(first) + selector as u64);
        asm.call(runtime::COUNT);
    }
}

fn compile_filter(asm: &mut Assembler, reader: &mut Reader, hook: &Hook, filter: &Filter, fail: Label) {
    match filter {
        Filter::Number(subject, test) => match reader.subject(asm, *subject, &hook.args, fail) {
            Some(signed) => number::test(asm, test, signed, fail),
            None => asm.jump(fail),
        },
        Filter::Text(subject, test) => match reader.text(asm, *subject, &hook.args, fail) {
            Some(slot) => text::test(asm, test, slot, fail),
            None => asm.jump(fail),
        },
        Filter::Field {
            subject,
            offset,
            bytes,
            mask,
            test,
        } => match reader.text(asm, *subject, &hook.args, fail) {
            Some(slot) => field::number(asm, slot, *offset, *bytes, *mask, test, fail),
            None => asm.jump(fail),
        },
        Filter::Contains {
            subject,
            texts,
            fold,
            not,
        } => match reader.text(asm, *subject, &hook.args, fail) {
            Some(slot) => search::contains(asm, slot, texts, *fold, *not, fail),
            None => asm.jump(fail),
        },
        Filter::Gained { old, new } => search::gained(asm, reader, &hook.args, (*old, *new), fail),
        Filter::Lineage { namespaced, pids, not } => search::lineage(asm, *namespaced, pids, *not, fail),
        Filter::Remember(what) => {
            asm.set(Reg::R1, u64::from(*what));
            asm.call(runtime::FACT);
        }
        Filter::Address {
            subject,
            offset,
            networks,
            not,
        } => match reader.text(asm, *subject, &hook.args, fail) {
            Some(slot) => field::address(asm, slot, *offset, networks, *not, fail),
            None => asm.jump(fail),
        },
    }
}

/// Has the function skipped, with the number in [`ORDERS`] as its result, or goes to `decided` if that was done
/// already.
fn decide(asm: &mut Assembler, verdict: bool, decided: Label) {
    asm.jump_if(Condition::Ne, VERDICT, 0, decided);
    if verdict {
        asm.copy(VERDICT, ORDERS);
    } else {
        asm.copy(Reg::R1, Reg::R7);
        asm.copy(Reg::R2, ORDERS);
        asm.call_helper(OVERRIDE_RETURN);
        asm.set(VERDICT, 1);
    }
}

/// Sends the signal in `R1` to the current process; where the kernel does not, to process 1, its own threads and processes
/// that end, that is counted.
fn send_signal(asm: &mut Assembler) {
    let sent = asm.label();
    asm.call_helper(SEND_SIGNAL);
    asm.jump_if(Condition::Eq, Reg::R0, 0, sent);
    asm.set(Reg::R1, u64::from(counters::UNSENT));
    asm.call(runtime::COUNT);
    asm.bind(sent);
}

/// Goes to `spared` if the current process is one of those that `selector` spares, and counts the signal that it does not
/// get.
fn spare(asm: &mut Assembler, selector: &Selector, spared: Label) {
    if selector.spared.is_empty() && !selector.spares_agent {
        return;
    }
    let (counted, other) = (asm.label(), asm.label());
    if !selector.spared.is_empty() {
        asm.call_helper(PID_TGID);
        asm.alu(Alu::Shr, Reg::R0, 32);
    }
    for pid in &selector.spared {
        asm.jump_if(Condition::Eq, Reg::R0, u64::from(*pid), counted);
    }
    if selector.spares_agent {
        asm.call(runtime::IS_AGENT);
        asm.jump_if(Condition::Ne, Reg::R0, 0, counted);
    }
    asm.jump(other);
    asm.bind(counted);
    asm.set(Reg::R1, u64::from(counters::SPARED));
    asm.call(runtime::COUNT);
    asm.jump(spared);
    asm.bind(other);
}

/// Does what the enforcer of `policy` was told.
fn enforce(asm: &mut Assembler, verdict: bool, policy: u64, overrides: bool) {
    let (unsignalled, done) = (asm.label(), asm.label());
    asm.set(Reg::R1, policy);
    asm.call(runtime::TAKE);
    asm.jump_if(Condition::Eq, Reg::R0, 0, done);
    asm.copy(ORDERS, Reg::R0);
    asm.copy(Reg::R1, Reg::R0);
    asm.alu(Alu::Shr, Reg::R1, 32);
    asm.jump_if(Condition::Eq, Reg::R1, 0, unsignalled);
    send_signal(asm);
    asm.bind(unsignalled);
    if overrides {
        asm.alu(Alu::Shl, ORDERS, 32);
        asm.alu(Alu::Sar, ORDERS, 32);
        if verdict {
            // For the verifier, which has to know that it is an error.
            asm.jump_if(Condition::SGe, ORDERS, 0, done);
            asm.jump_if(Condition::SLt, ORDERS, i64::from(-MAX_ERRNO) as u64, done);
        } else {
            asm.jump_if(Condition::Eq, ORDERS, 0, done);
        }
        decide(asm, verdict, done);
    }
    asm.bind(done);
}

fn compile_actions(
    asm: &mut Assembler,
    reader: &mut Reader,
    op: u8,
    verdict: bool,
    hook: &Hook,
    index: usize,
    selector: &Selector,
) {
    count(asm, hook, index);
    // A call that is skipped does not return, but where the trampoline sees to it: what is reported is all of it.
    let skipped = |action: &Action| matches!(action, Action::Override(_)) && !verdict && !hook.monitor;
    let whole;
    let hook = if let Stage::Entry { .. } = hook.stage
        && selector.actions.iter().any(skipped)
    {
        report::forget(asm, reader, hook);
        whole = Hook {
            stage: Stage::Whole,
            ..hook.clone()
        };
        &whole
    } else {
        hook
    };
    let effects = Effects::begin(asm, hook, selector);
    report::own(asm, reader, hook);
    let (mut silent, mut how) = (false, Post::default());
    let mut last = action_number::POST;
    for action in &selector.actions {
        last = match *action {
            Action::Post(post) => {
                how = post;
                action_number::POST
            }
            Action::NoPost => {
                silent = true;
                action_number::NO_POST
            }
            Action::Mark(bits) => {
                silent = true;
                asm.set(Reg::R1, bits);
                asm.call(runtime::MARK);
                action_number::NO_POST
            }
            Action::Ask(number) => number,
            Action::Ownership(change) => {
                report::change(asm, reader, hook, change);
                match change {
                    Ownership::Track(_) => action_number::TRACK_SOCK,
                    Ownership::Untrack(_) => action_number::UNTRACK_SOCK,
                }
            }
            Action::Override(_) if hook.monitor => action_number::OVERRIDE,
            Action::Override(result) => {
                asm.set(ORDERS, i64::from(result) as u64);
                let decided = asm.label();
                decide(asm, verdict, decided);
                asm.bind(decided);
                action_number::OVERRIDE
            }
            Action::Set(..) => action_number::SET,
            Action::Change(index) => {
                if let Some(changes) = hook.changes.get(index)
                    && !hook.monitor
                {
                    change::choose(asm, reader, op, changes);
                }
                action_number::OVERRIDE
            }
            Action::Notify { error, signal } => {
                if !hook.monitor {
                    let (spared, told) = (asm.label(), asm.label());
                    if signal != 0 {
                        spare(asm, selector, spared);
                    }
                    asm.set(Reg::R2, orders(error, signal));
                    if asm.is_used(spared) {
                        asm.jump(told);
                        asm.bind(spared);
                        asm.set(Reg::R2, orders(error, 0));
                        asm.bind(told);
                    }
                    asm.set(Reg::R1, hook.policy);
                    asm.call(runtime::NOTIFY);
                }
                action_number::NOTIFY_ENFORCER
            }
            Action::Withdraw => {
                asm.set(Reg::R1, hook.policy);
                asm.call(runtime::TAKE);
                action_number::CLEANUP_ENFORCER_NOTIFICATION
            }
            Action::Enforce { overrides } => {
                silent = true;
                if !hook.monitor {
                    enforce(asm, verdict, hook.policy, overrides);
                }
                action_number::NO_POST
            }
            Action::Signal(number) => {
                if !hook.monitor {
                    let spared = asm.label();
                    spare(asm, selector, spared);
                    asm.set(Reg::R1, u64::from(number));
                    send_signal(asm);
                    asm.bind(spared);
                }
                if number == 9 {
                    action_number::SIGKILL
                } else {
                    action_number::SIGNAL
                }
            }
        };
    }
    if silent {
        effects.take(asm, op);
        report::silent(asm, reader, op, hook);
    } else {
        report::record(asm, reader, op, hook, (index, last), how, &effects);
    }
}
