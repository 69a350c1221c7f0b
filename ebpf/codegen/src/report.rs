//! Reporting: the record of a hook whose selector matched.

use ebpf_abi::{
    event::hook_flag,
    hook::{offset, runtime},
};
use ebpf_asm::{Assembler, Condition, Reg, Width};

use crate::{
    plan::{Hook, Stage, Subject},
    read::{Reader, scratch_number},
};

/// Sends a record of `hook`, whose selector `selector` matched, `action` being the last that was taken; unless `limit`, a
/// number of milliseconds and a scope, says otherwise.
pub(crate) fn record(
    asm: &mut Assembler,
    reader: &mut Reader,
    op: u8,
    hook: &Hook,
    selector: usize,
    action: u16,
    limit: Option<(u64, u32)>,
) {
    reader.claim(asm);
    let word = (selector as u64 & 0xffff) << 16 | u64::from(action);
    begin(
        asm,
        op,
        if hook.stage == Stage::Return {
            hook_flag::RETURN
        } else {
            0
        },
        hook,
        word,
    );
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
            asm.bind(done);
        }
    }
    let limited = asm.label();
    if let Some((window, scope)) = limit {
        scratch_number(asm, Reg::R1);
        asm.set(Reg::R2, window);
        asm.set(Reg::R3, u64::from(scope));
        asm.call(runtime::LIMITED);
        asm.jump_if(Condition::Ne, Reg::R0, 0, limited);
    }
    if let Stage::Entry { saved } = &hook.stage {
        for (index, source) in saved.iter().enumerate() {
            reader.word(asm, *source, Reg::R1);
            asm.store(Width::U64, Reg::R6, offset::saved(index), Reg::R1);
        }
        reader.key(asm, Reg::R3, false);
        scratch_number(asm, Reg::R1);
        asm.set(Reg::R2, u64::from(hook.number));
        asm.call(runtime::KEEP);
    }
    send(asm);
    if asm.is_used(limited) {
        let done = asm.label();
        asm.jump(done);
        asm.bind(limited);
        if hook.stage == Stage::Return {
            withdraw(asm, op, hook);
        }
        asm.bind(done);
    }
}

/// Sends word that the event that the entry of the function began is of no interest.
pub(crate) fn withdraw(asm: &mut Assembler, op: u8, hook: &Hook) {
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
