//! Conditions that search: in a text, in sets of bits, among ancestors.

use ebpf_abi::hook::{NEEDLE_LEN, offset, runtime};
use ebpf_asm::{Alu, Assembler, Condition, Label, Reg, Width};

use crate::{
    plan::Arg,
    read::{CURRENT_TASK, Reader, SPILL, scratch_number},
};

/// Ancestors of a process that are looked at.
const ANCESTORS: usize = 9;

/// Goes to `fail` unless one of `texts` is in `slot`, or none with `not`.
pub(crate) fn contains(asm: &mut Assembler, slot: usize, texts: &[Vec<u8>], fold: bool, not: bool, fail: Label) {
    let pass = asm.label();
    let (hit, miss) = if not { (fail, pass) } else { (pass, fail) };
    for text in texts {
        debug_assert!(text.len() <= NEEDLE_LEN, "the policy was checked");
        for (index, chunk) in text.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            asm.set(Reg::R1, u64::from_le_bytes(word));
            asm.store(Width::U64, Reg::R6, offset::NEEDLE + index as i16 * 8, Reg::R1);
        }
        scratch_number(asm, Reg::R1);
        asm.set(Reg::R2, slot as u64);
        asm.set(Reg::R3, text.len() as u64);
        asm.set(Reg::R4, u64::from(fold));
        asm.call(runtime::CONTAINS);
        asm.jump_if(Condition::Ne, Reg::R0, 0, hit);
    }
    asm.jump(miss);
    asm.bind(pass);
}

/// Goes to `fail` unless argument `new` has a bit that argument `old` has not, or one of them is no number.
pub(crate) fn gained(asm: &mut Assembler, reader: &Reader, args: &[Arg], (old, new): (usize, usize), fail: Label) {
    let (Some(old), Some(new)) = (args.get(old), args.get(new)) else {
        return asm.jump(fail);
    };
    if reader.arg_number(asm, old, fail).is_none() {
        return asm.jump(fail);
    }
    asm.store(Width::U64, Reg::R10, SPILL, Reg::R2);
    if reader.arg_number(asm, new, fail).is_none() {
        return asm.jump(fail);
    }
    asm.load(Width::U64, Reg::R1, Reg::R10, SPILL);
    asm.alu_reg(Alu::Xor, Reg::R1, Reg::R2);
    asm.alu_reg(Alu::And, Reg::R1, Reg::R2);
    asm.jump_if(Condition::Eq, Reg::R1, 0, fail);
}

/// Goes to `fail` unless the process or an ancestor has one of `pids`, or none has with `not`. Spoils `R8`.
pub(crate) fn lineage(asm: &mut Assembler, namespaced: bool, pids: &[u32], not: bool, fail: Label) {
    let pass = asm.label();
    let (hit, miss) = if not { (fail, pass) } else { (pass, fail) };
    asm.call_helper(CURRENT_TASK);
    asm.copy(Reg::R8, Reg::R0);
    for generation in 0..=ANCESTORS {
        asm.copy(Reg::R1, Reg::R8);
        asm.set(Reg::R2, u64::from(namespaced));
        asm.call(runtime::PID);
        if namespaced {
            asm.jump_if(Condition::Eq, Reg::R0, 0, if generation == 0 { fail } else { miss });
        }
        for pid in pids {
            asm.copy(Reg::R2, Reg::R0);
            // A value may take R0 to compare with.
            asm.jump_if(Condition::Eq, Reg::R2, u64::from(*pid), hit);
            asm.copy(Reg::R0, Reg::R2);
        }
        if generation < ANCESTORS {
            asm.copy(Reg::R1, Reg::R8);
            asm.call(runtime::PARENT);
            asm.copy(Reg::R8, Reg::R0);
            asm.jump_if(Condition::Eq, Reg::R8, 0, miss);
        }
    }
    asm.jump(miss);
    asm.bind(pass);
}
