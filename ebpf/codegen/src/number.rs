//! Conditions on numbers.

use ebpf_asm::{Assembler, Condition, Label, Reg};

use crate::plan::NumberTest;

/// Ranges up to this many are tried one after the other; more are searched.
const LINEAR: usize = 4;

/// Goes to `fail` unless the number in `R2` passes; `signed` says how numbers of its type are ordered. Spoils `R0`.
pub(crate) fn test(asm: &mut Assembler, test: &NumberTest, signed: bool, fail: Label) {
    let pass = asm.label();
    match test {
        NumberTest::In { ranges, not } => {
            let (hit, miss) = if *not { (fail, pass) } else { (pass, fail) };
            search(asm, &merged(ranges, signed), signed, hit, miss);
        }
        NumberTest::AnyBit { masks, not } => {
            let all = masks.iter().fold(0, |all, mask| all | mask);
            if *not {
                asm.jump_if(Condition::Set, Reg::R2, all, fail);
            } else {
                asm.jump_if(Condition::Set, Reg::R2, all, pass);
                asm.jump(fail);
            }
        }
    }
    asm.bind(pass);
}

/// The ranges in order, those that touch or overlap made one. A range that ends before it begins contains nothing.
fn merged(ranges: &[(u64, u64)], signed: bool) -> Vec<(u64, u64)> {
    // Flipping the sign bit orders signed numbers like unsigned ones.
    let flip = if signed { 1 << 63 } else { 0 };
    let mut keys: Vec<_> = ranges
        .iter()
        .map(|&(first, last)| (first ^ flip, last ^ flip))
        .filter(|(first, last)| first <= last)
        .collect();
    keys.sort_unstable();
    let mut merged: Vec<(u64, u64)> = vec![];
    for (first, last) in keys {
        match merged.last_mut() {
            Some(open) if first <= open.1.saturating_add(1) => open.1 = open.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
        .into_iter()
        .map(|(first, last)| (first ^ flip, last ^ flip))
        .collect()
}

/// Goes to `hit` or `miss`.
fn search(asm: &mut Assembler, ranges: &[(u64, u64)], signed: bool, hit: Label, miss: Label) {
    let (less, less_or_equal) = if signed {
        (Condition::SLt, Condition::SLe)
    } else {
        (Condition::Lt, Condition::Le)
    };
    if ranges.len() > LINEAR {
        let (low, high) = ranges.split_at(ranges.len() / 2);
        let upper = asm.label();
        let greater_or_equal = if signed { Condition::SGe } else { Condition::Ge };
        asm.jump_if(greater_or_equal, Reg::R2, high[0].0, upper);
        search(asm, low, signed, hit, miss);
        asm.bind(upper);
        search(asm, high, signed, hit, miss);
        return;
    }
    for &(first, last) in ranges {
        if first == last {
            asm.jump_if(Condition::Eq, Reg::R2, first, hit);
            continue;
        }
        // In order: what is below this range is in none of those that follow.
        asm.jump_if(less, Reg::R2, first, miss);
        asm.jump_if(less_or_equal, Reg::R2, last, hit);
    }
    asm.jump(miss);
}
