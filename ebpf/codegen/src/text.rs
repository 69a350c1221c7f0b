//! Conditions on strings, paths and bytes in a slot.

use std::collections::BTreeMap;

use ebpf_abi::hook::{SLOT_LEN, offset};
use ebpf_asm::{Alu, Assembler, Condition, Label, Reg, Width};

use crate::plan::TextTest;

/// Longest ending that can be compared, in bytes: it must fit in the room behind the bytes of a slot.
pub const POSTFIX_MAX: usize = 240;

/// Goes to `fail` unless what is in `slot` passes; `R6` is the scratch. Spoils `R0` and `R2` to `R4`.
pub(crate) fn test(asm: &mut Assembler, test: &TextTest, slot: usize, fail: Label) {
    let TextTest {
        equal,
        prefix,
        postfix,
        not,
    } = test;
    let pass = asm.label();
    let (hit, miss) = if *not { (fail, pass) } else { (pass, fail) };
    asm.load(Width::U32, Reg::R3, Reg::R6, offset::slot_len(slot));

    // By length: one comparison rules out most of them.
    let mut lengths: BTreeMap<usize, Vec<&[u8]>> = BTreeMap::new();
    for value in equal {
        lengths.entry(value.len()).or_default().push(value);
    }
    for (length, mut values) in lengths {
        values.sort_unstable();
        values.dedup();
        let other = asm.label();
        asm.jump_if(Condition::Ne, Reg::R3, length as u64, other);
        for value in values {
            let different = asm.label();
            compare(asm, value, Reg::R6, offset::slot_bytes(slot), different);
            asm.jump(hit);
            asm.bind(different);
        }
        // It has this length and is none of them; it may still begin or end in something.
        asm.bind(other);
    }
    for value in prefix {
        let different = asm.label();
        asm.jump_if(Condition::Lt, Reg::R3, value.len() as u64, different);
        compare(asm, value, Reg::R6, offset::slot_bytes(slot), different);
        asm.jump(hit);
        asm.bind(different);
    }
    for value in postfix {
        debug_assert!(value.len() <= POSTFIX_MAX, "the policy was checked");
        let different = asm.label();
        asm.jump_if(Condition::Lt, Reg::R3, value.len() as u64, different);
        // Read anew: what becomes part of an address the verifier tells apart all the way back to where it was read, and
        // R3 has been compared with many lengths by now.
        asm.load(Width::U32, Reg::R4, Reg::R6, offset::slot_len(slot));
        asm.alu(Alu::Sub, Reg::R4, value.len() as i32);
        // Changes nothing but what the verifier knows.
        asm.alu(Alu::And, Reg::R4, SLOT_LEN as i32 - 1);
        asm.alu_reg(Alu::Add, Reg::R4, Reg::R6);
        compare(asm, value, Reg::R4, offset::slot_bytes(slot), different);
        asm.jump(hit);
        asm.bind(different);
    }
    asm.jump(miss);
    asm.bind(pass);
}

/// Goes to `different` unless the bytes at `base` plus `offset` are `value`. Reads up to seven bytes more.
fn compare(asm: &mut Assembler, value: &[u8], base: Reg, offset: i16, different: Label) {
    for (index, chunk) in value.chunks(8).enumerate() {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let word = u64::from_le_bytes(word);
        let offset = offset + index as i16 * 8;
        match chunk.len() {
            1 => asm.load(Width::U8, Reg::R2, base, offset),
            2 => asm.load(Width::U16, Reg::R2, base, offset),
            4 => asm.load(Width::U32, Reg::R2, base, offset),
            8 => asm.load(Width::U64, Reg::R2, base, offset),
            length => {
                asm.load(Width::U64, Reg::R2, base, offset);
                asm.alu(Alu::Shl, Reg::R2, 64 - 8 * length as i32);
                asm.jump_if(Condition::Ne, Reg::R2, word << (64 - 8 * length), different);
                continue;
            }
        }
        asm.jump_if(Condition::Ne, Reg::R2, word, different);
    }
}
