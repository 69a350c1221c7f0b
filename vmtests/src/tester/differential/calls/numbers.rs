//! Calls with numbers.

#![allow(
    clippy::unnecessary_wraps,
    reason = "all calls are prepared alike, and some preparations can fail"
)]

use std::{fs::File, os::fd::AsRawFd as _};

use anyhow::Result;
use policy::eval::Value;

use super::{Input, Prepared, Raw, World, system_call};
use crate::tester::differential::random::Random;

/// Numbers of every size, with bits above what narrower types see.
pub(in super::super) fn number(random: &mut Random) -> u64 {
    let edge = 1_u64 << [0, 7, 8, 15, 16, 31, 32, 63][random.below(8)];
    match random.below(10) {
        0..3 => random.below(6) as u64,
        3..5 => edge,
        5..7 => edge.wrapping_sub(1),
        7 => edge.wrapping_neg(),
        8 => random.below(300) as u64 | (random.next() & 0xffff_ffff_0000_0000),
        _ => random.next(),
    }
}

/// Two numbers.
pub(in super::super) fn generate(random: &mut Random) -> Input {
    Input {
        words: vec![number(random), number(random)],
        ..Input::default()
    }
}

/// `readahead`, which nothing else here calls, on a descriptor that is none.
pub(in super::super) fn prepare(input: &Input, world: &World) -> Result<Prepared> {
    let mut descriptor = input.words[0];
    if (descriptor as u32) < 65_536 {
        descriptor |= 1 << 30;
    }
    let offset = input.words[1];
    Ok(world.call(vec![Raw::Word(descriptor), Raw::Word(offset)], move || {
        system_call("readahead", [descriptor, offset, 0, 0, 0, 0]);
    }))
}

/// `write` to `/dev/null`, which takes as much as it is told without looking at it.
pub(in super::super) fn write(input: &Input, world: &World) -> Result<Prepared> {
    let file = File::options().write(true).open("/dev/null")?;
    let byte = Box::new(0_u8);
    let len = input.words[0];
    let write = move || {
        system_call(
            "write",
            [file.as_raw_fd() as u64, &raw const *byte as u64, len, 0, 0, 0],
        )
    };
    // It comes to the same each time.
    let returned = write();
    Ok(world.call(vec![Raw::Word(returned as u64)], move || {
        write();
    }))
}

/// Bits of capabilities that there are.
const ALL: u64 = (1 << 41) - 1;

/// Three sets.
pub(in super::super) fn generate_sets(random: &mut Random) -> Input {
    let mut set = || match random.below(6) {
        0 => 0,
        1 => ALL,
        2 => 1 << random.below(41),
        3 => 1 << random.below(41) | 1 << random.below(41),
        4 => 1 << [0, 31, 32, 40][random.below(4)],
        _ => random.next() & ALL,
    };
    let words = vec![set(), set(), set(), random.next()];
    Input {
        words,
        ..Input::default()
    }
}

/// `capset` with a capability that is effective and not permitted, which is refused.
pub(in super::super) fn capset(input: &Input, world: &World) -> Result<Prepared> {
    let missing = 1_u64 << (input.words[3] % 41);
    let effective = input.words[0] & ALL | missing;
    let inheritable = input.words[1] & ALL;
    let permitted = input.words[2] & ALL & !missing;
    let values = [effective, inheritable, permitted].map(|set| Raw::Value(Value::CapSet(set)));
    Ok(world.call(values.to_vec(), move || {
        set_capabilities(effective, permitted, inheritable);
    }))
}

/// `capset` of this process; returns what it returns.
pub(in super::super) fn set_capabilities(effective: u64, permitted: u64, inheritable: u64) -> i64 {
    // `_LINUX_CAPABILITY_VERSION_3`, this process; low halves before high ones.
    let header = [0x2008_0522_u32, 0];
    let half = |shift: u32| [effective, permitted, inheritable].map(|set| (set >> shift) as u32);
    let data = [half(0), half(32)];
    let arguments = [header.as_ptr() as u64, data.as_ptr() as u64, 0, 0, 0, 0];
    system_call("capset", arguments)
}
