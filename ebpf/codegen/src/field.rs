//! Conditions on what is inside something that was read into a slot.

use ebpf_abi::hook::offset;
use ebpf_asm::{Alu, Assembler, Condition, Label, Reg, Width};

use crate::{number, plan::NumberTest};

/// Goes to `fail` unless the number of `bytes` bytes that is `at` bytes into slot `slot`, so far as `mask` lets it
/// count, passes. Spoils `R0` and `R2`.
pub(crate) fn number(asm: &mut Assembler, slot: usize, at: u16, bytes: u8, mask: u64, test: &NumberTest, fail: Label) {
    let width = Width::of(bytes);
    asm.load(width, Reg::R2, Reg::R6, offset::slot_start(slot) + at as i16);
    let all = u64::MAX >> (64 - 8 * width.bytes());
    if mask & all != all {
        asm.set(Reg::R0, mask);
        asm.alu_reg(Alu::And, Reg::R2, Reg::R0);
    }
    number::test(asm, test, false, fail);
}

/// Goes to `fail` unless the 16 bytes `at` bytes into slot `slot` are in one of `networks`, or in none with `not`.
/// Spoils `R0` and `R2`.
pub(crate) fn address(asm: &mut Assembler, slot: usize, at: u16, networks: &[([u8; 16], u8)], not: bool, fail: Label) {
    let pass = asm.label();
    let (hit, miss) = if not { (fail, pass) } else { (pass, fail) };
    for (address, bits) in networks {
        let other = asm.label();
        let mask = u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or(0).to_be_bytes();
        for half in 0..2 {
            let word = |bytes: &[u8; 16]| {
                let mut word = [0; 8];
                word.copy_from_slice(&bytes[8 * half..8 * half + 8]);
                u64::from_le_bytes(word)
            };
            let (value, mask) = (word(address), word(&mask));
            if mask == 0 {
                continue;
            }
            asm.load(
                Width::U64,
                Reg::R2,
                Reg::R6,
                offset::slot_start(slot) + at as i16 + 8 * half as i16,
            );
            if mask != u64::MAX {
                asm.set(Reg::R0, mask);
                asm.alu_reg(Alu::And, Reg::R2, Reg::R0);
            }
            asm.jump_if(Condition::Ne, Reg::R2, value & mask, other);
        }
        asm.jump(hit);
        asm.bind(other);
    }
    asm.jump(miss);
    asm.bind(pass);
}
