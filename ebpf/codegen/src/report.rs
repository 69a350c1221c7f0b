//! Reporting: the record of a hook whose selector matched.

use ebpf_abi::{
    event::{hook_flag, stack},
    hook::{SLOTS, offset, runtime},
};
use ebpf_asm::{Alu, Assembler, Condition, Label, Reg, Width};

use crate::{
    change::Effects,
    hash,
    plan::{Hook, Limit, Ownership, Post, Stage, Subject},
    read::{Reader, scratch_number, vacate},
};

/// `bpf_get_stack` (`enum bpf_func_id`, kernel 4.18), and its flag for the stack of the process.
const GET_STACK: u32 = 67;
const USER_STACK: u64 = 1 << 8;

/// Sends a record of `hook`, whose selector `selector` matched, `action` being the last that was taken, in the way that
/// `post` says, and takes `effects` between reading what is reported and sending it, or when nothing is reported.
pub(crate) fn record(
    asm: &mut Assembler,
    reader: &mut Reader,
    op: u8,
    hook: &Hook,
    (selector, action): (usize, u16),
    post: Post,
    effects: &Effects,
) {
    let (none_left, sent) = (asm.label(), asm.label());
    if effects.is_empty() {
        reader.claim(asm);
    } else {
        reader.claim_or(asm, none_left);
    }
    let word = (selector as u64 & 0xffff) << 16 | u64::from(action);
    let flags = match hook.stage {
        Stage::Return => hook_flag::RETURN,
        _ if hook.sockets.is_empty() => 0,
        _ => hook_flag::OWNED,
    };
    let (limited, done) = (asm.label(), asm.label());
    begin(asm, op, flags, hook, word);
    if let Some(limit) = post.limit {
        let has_beside = hook.args.iter().any(|arg| arg.beside);
        arguments(asm, reader, hook, false);
        ask(asm, limit, limited);
        if has_beside {
            // Nothing is sent beside a record that is none.
            begin(asm, op, flags, hook, word);
            arguments(asm, reader, hook, true);
        }
    } else {
        arguments(asm, reader, hook, true);
    }
    if post.kernel_stack {
        add_stack(asm, stack::KERNEL, 0);
    }
    if post.user_stack {
        add_stack(asm, stack::USER, USER_STACK);
    }
    keep(asm, reader, hook, false);
    if let Some(hashed) = post.hash {
        hash::expect(asm, hashed);
    }
    effects.take(asm, op);
    effects.if_failed(asm, |asm| {
        scratch_number(asm, Reg::R1);
        asm.set(Reg::R2, u64::from(hook_flag::FAILED));
        asm.call(runtime::FLAG);
    });
    send(asm);
    if asm.is_used(limited) {
        asm.jump(done);
        asm.bind(limited);
        effects.take(asm, op);
        unreported(asm, reader, op, hook);
        asm.bind(done);
    }
    if asm.is_used(none_left) {
        asm.jump(sent);
        asm.bind(none_left);
        effects.take(asm, op);
        reader.give_up(asm);
        asm.bind(sent);
    }
}

/// Goes to `limited` if a record like this one was let through a short while ago.
fn ask(asm: &mut Assembler, Limit { window, scope }: Limit, limited: Label) {
    scratch_number(asm, Reg::R1);
    asm.set(Reg::R2, window);
    asm.set(Reg::R3, u64::from(scope));
    asm.call(runtime::LIMITED);
    asm.jump_if(Condition::Ne, Reg::R0, 0, limited);
}

/// Adds the arguments of `hook` to the record; with `beside`, sends beside it what is to be sent so.
fn arguments(asm: &mut Assembler, reader: &mut Reader, hook: &Hook, beside: bool) {
    for (index, arg) in hook.args.iter().enumerate() {
        let kind = u64::from(arg.kind);
        let (unreadable, done) = (asm.label(), asm.label());
        if reader.arg_number(asm, arg, unreadable).is_some() {
            asm.copy(Reg::R3, Reg::R2);
            scratch_number(asm, Reg::R1);
            asm.set(Reg::R2, kind);
            asm.call(runtime::NUMBER);
        } else {
            let Some(slot) = reader.text(asm, Subject::Arg(index), &hook.args, unreadable) else {
                continue;
            };
            if beside
                && arg.beside
                && let Some((send, user)) = reader.beside(asm, arg, unreadable)
            {
                // By way of another slot, so that this one stays.
                let other = (slot + 1) % SLOTS;
                vacate(asm, other);
                scratch_number(asm, Reg::R1);
                asm.set(Reg::R2, kind | u64::from(user) << 16 | (other as u64) << 17);
                asm.call(send);
                asm.jump_if(Condition::Ne, Reg::R0, 0, done);
            }
            scratch_number(asm, Reg::R1);
            asm.set(Reg::R2, kind);
            asm.set(Reg::R3, slot as u64);
            asm.call(runtime::SLOT);
        }
        if asm.is_used(unreadable) {
            asm.jump(done);
            asm.bind(unreadable);
            scratch_number(asm, Reg::R1);
            asm.set(Reg::R2, kind);
            asm.copy(Reg::R3, Reg::R8);
            asm.call(runtime::ERROR);
        }
        asm.bind(done);
    }
}

/// Adds the addresses of the code that is running, by way of a slot. Where there are none, nothing is added.
fn add_stack(asm: &mut Assembler, kind: u16, flags: u64) {
    const SLOT: usize = 0;
    let none = asm.label();
    vacate(asm, SLOT);
    asm.copy(Reg::R1, Reg::R7);
    asm.copy(Reg::R2, Reg::R6);
    asm.alu(Alu::Add, Reg::R2, i32::from(offset::slot_bytes(SLOT)));
    asm.set(Reg::R3, u64::from(stack::DEPTH) * 8);
    asm.set(Reg::R4, flags);
    asm.call_helper(GET_STACK);
    asm.jump_if(Condition::SLe, Reg::R0, 0, none);
    asm.store(Width::U32, Reg::R6, offset::slot_len(SLOT), Reg::R0);
    asm.store_imm(Width::U32, Reg::R6, offset::slot_whole(SLOT), 0);
    asm.store_imm(Width::U32, Reg::R6, offset::slot_flags(SLOT), 0);
    scratch_number(asm, Reg::R1);
    asm.set(Reg::R2, u64::from(kind));
    asm.set(Reg::R3, SLOT as u64);
    asm.call(runtime::SLOT);
    asm.bind(none);
}

/// Finds out whose event that of `hook` is. That of the return of a function is of whom that of its entry was, which came
/// back with what was kept.
pub(crate) fn own(asm: &mut Assembler, reader: &Reader, hook: &Hook) {
    if hook.stage == Stage::Return || hook.stage == Stage::Whole && hook.sockets.is_empty() {
        return;
    }
    reader.claim(asm);
    asm.store_imm(Width::U32, Reg::R6, offset::OWNER_KNOWN, 0);
    for socket in &hook.sockets {
        let unreadable = asm.label();
        reader.socket(asm, socket, unreadable);
        scratch_number(asm, Reg::R1);
        asm.set(Reg::R2, u64::from(socket.structure));
        asm.call(runtime::OWNER);
        asm.bind(unreadable);
    }
}

/// Changes whom a socket belongs to. A scratch has been claimed.
pub(crate) fn change(asm: &mut Assembler, reader: &Reader, hook: &Hook, change: Ownership) {
    let (Ownership::Track(index) | Ownership::Untrack(index)) = change;
    let Some(socket) = hook.sockets.get(index) else {
        debug_assert!(false, "{change:?} of {} sockets", hook.sockets.len());
        return;
    };
    let unreadable = asm.label();
    reader.socket(asm, socket, unreadable);
    match change {
        Ownership::Track(_) => {
            scratch_number(asm, Reg::R1);
            asm.set(Reg::R2, u64::from(socket.structure));
            asm.call(runtime::TRACK);
        }
        Ownership::Untrack(_) => {
            asm.set(Reg::R1, u64::from(socket.structure));
            asm.copy(Reg::R2, Reg::R3);
            asm.call(runtime::UNTRACK);
        }
    }
    asm.bind(unreadable);
}

/// Reports nothing of `hook`, whose selector matched. A call that is not reported is one whose return may be acted on.
pub(crate) fn silent(asm: &mut Assembler, reader: &mut Reader, op: u8, hook: &Hook) {
    if let Stage::Entry { .. } = hook.stage {
        reader.claim(asm);
        begin(asm, op, 0, hook, 0);
    }
    unreported(asm, reader, op, hook);
}

/// The call that was entered is skipped, and will not return: what was kept of it, if anything was, is the whole event.
pub(crate) fn skipped(asm: &mut Assembler, reader: &Reader, op: u8, hook: &Hook) {
    let end = asm.label();
    reader.claim(asm);
    reader.key(asm, Reg::R3, false);
    resume(asm, reader, hook, end);
    begin(asm, op, hook_flag::RETURN, hook, 0);
    send(asm);
    asm.bind(end);
}

/// Takes back what was kept of the call whose key is in `R3`, or goes to `none`. A scratch has been claimed.
pub(crate) fn resume(asm: &mut Assembler, reader: &Reader, hook: &Hook, none: Label) {
    scratch_number(asm, Reg::R1);
    asm.set(Reg::R2, u64::from(hook.number));
    reader.of_program(asm, Reg::R4);
    asm.call(runtime::RESUME);
    asm.jump_if(Condition::Eq, Reg::R0, 0, none);
}

/// No selector of `hook` matched.
pub(crate) fn missed(asm: &mut Assembler, reader: &mut Reader, op: u8, hook: &Hook) {
    match hook.stage {
        Stage::Whole => {}
        Stage::Entry { .. } => forget(asm, reader, hook),
        Stage::Return => withdraw(asm, op, hook),
    }
}

/// What an earlier call has left at the entry of the function, whose return was missed, is not of this one.
pub(crate) fn forget(asm: &mut Assembler, reader: &Reader, hook: &Hook) {
    reader.key(asm, Reg::R2, false);
    asm.set(Reg::R1, u64::from(hook.number));
    reader.of_program(asm, Reg::R3);
    asm.call(runtime::FORGET);
}

/// A record was begun that is not sent.
fn unreported(asm: &mut Assembler, reader: &Reader, op: u8, hook: &Hook) {
    match hook.stage {
        Stage::Whole => {}
        Stage::Entry { .. } => keep(asm, reader, hook, true),
        Stage::Return => withdraw(asm, op, hook),
    }
}

/// Keeps what the return needs of the entry.
fn keep(asm: &mut Assembler, reader: &Reader, hook: &Hook, quiet: bool) {
    let Stage::Entry { saved } = &hook.stage else {
        return;
    };
    let unreadable = asm.label();
    for (index, source) in saved.iter().enumerate() {
        reader.word(asm, *source, Reg::R1, unreadable);
        asm.store(Width::U64, Reg::R6, offset::saved(index), Reg::R1);
    }
    reader.key(asm, Reg::R3, false);
    scratch_number(asm, Reg::R1);
    asm.set(Reg::R2, u64::from(hook.number));
    asm.set(Reg::R4, u64::from(quiet));
    reader.of_program(asm, Reg::R5);
    asm.call(runtime::KEEP);
    asm.bind(unreadable);
}

/// Sends word that the event that the entry of the function began is of no interest.
fn withdraw(asm: &mut Assembler, op: u8, hook: &Hook) {
    begin(asm, op, hook_flag::RETURN | hook_flag::DISCARD, hook, 0);
    send(asm);
}

fn begin(asm: &mut Assembler, op: u8, flags: u16, hook: &Hook, word: u64) {
    scratch_number(asm, Reg::R1);
    asm.set(Reg::R2, u64::from(flags) << 8 | u64::from(op));
    asm.set(Reg::R3, u64::from(hook.number));
    asm.set(Reg::R4, word);
    asm.call(runtime::BEGIN);
}

fn send(asm: &mut Assembler) {
    scratch_number(asm, Reg::R1);
    asm.call(runtime::SEND);
}
