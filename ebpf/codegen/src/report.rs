//! Reporting: the record of a hook whose selector matched.

use ebpf_abi::hook::runtime;
use ebpf_asm::{Assembler, Reg};

use crate::{
    plan::{Hook, Read, Subject},
    read::Reader,
};

/// Sends a record of `hook`, whose selector `selector` matched, `action` being the last that was taken.
pub(crate) fn record(asm: &mut Assembler, reader: &mut Reader, op: u8, hook: &Hook, selector: usize, action: u16) {
    let heap = u64::from(reader.heap());
    asm.set(Reg::R1, heap);
    asm.set(Reg::R2, u64::from(op));
    asm.set(Reg::R3, u64::from(hook.number));
    asm.set(Reg::R4, (selector as u64 & 0xffff) << 16 | u64::from(action));
    asm.call(runtime::BEGIN);
    for (index, arg) in hook.args.iter().enumerate() {
        let kind = u64::from(arg.kind);
        let (unreadable, done) = (asm.label(), asm.label());
        if let Read::Number { bytes, signed } = arg.read {
            reader.number(asm, arg, bytes, signed, unreadable);
            asm.copy(Reg::R3, Reg::R2);
            asm.set(Reg::R1, heap);
            asm.set(Reg::R2, kind);
            asm.call(runtime::NUMBER);
        } else {
            let Some(slot) = reader.text(asm, Subject::Arg(index), &hook.args, unreadable) else {
                continue;
            };
            asm.set(Reg::R1, heap);
            asm.set(Reg::R2, kind);
            asm.set(Reg::R3, slot as u64);
            asm.call(runtime::SLOT);
        }
        if asm.is_used(unreadable) {
            asm.jump(done);
            asm.bind(unreadable);
            asm.set(Reg::R1, heap);
            asm.set(Reg::R2, kind);
            asm.copy(Reg::R3, Reg::R8);
            asm.call(runtime::ERROR);
            asm.bind(done);
        }
    }
    asm.set(Reg::R1, heap);
    asm.call(runtime::SEND);
}
