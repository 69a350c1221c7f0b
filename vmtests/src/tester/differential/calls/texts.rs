//! Calls with strings and bytes.

#![allow(
    clippy::unnecessary_wraps,
    reason = "all calls are prepared alike, and some preparations can fail"
)]

use std::ffi::CString;

use anyhow::{Context as _, Result};
use policy::eval::Value;

use super::{Input, Prepared, Raw, World, system_call};
use crate::tester::differential::random::Random;

/// Few different letters, so that texts have much in common.
const LETTERS: [char; 10] = ['a', 'a', 'b', 'b', 'A', 'B', '/', '.', 'é', ' '];

/// A text of up to `most` letters.
pub(in super::super) fn any(random: &mut Random, most: usize) -> String {
    let len = random.from(0, most);
    (0..len).map(|_| *random.pick(&LETTERS)).collect()
}

/// Longest text that is read whole, in bytes.
const LONGEST: usize = 4_095;

fn text(random: &mut Random) -> String {
    let most = match random.below(20) {
        0..14 => 12,
        14..17 => 140,
        17..19 => 300,
        // Letters of two bytes are in it.
        _ => LONGEST / 2,
    };
    any(random, most)
}

fn with(texts: Vec<String>) -> Input {
    Input {
        texts,
        ..Input::default()
    }
}

/// A text, or none: an address that cannot be read.
pub(in super::super) fn generate(random: &mut Random) -> Input {
    if random.chance(4) {
        return Input::default();
    }
    with(vec![text(random)])
}

/// A text that is not empty.
pub(in super::super) fn generate_some(random: &mut Random) -> Input {
    with(vec![format!("{}b", text(random))])
}

/// A text of at most 15 bytes that can be the name of a network device.
pub(in super::super) fn generate_short(random: &mut Random) -> Input {
    let letters = ['a', 'b', 'A', 'B', '_', '-'];
    let len = random.from(1, 15);
    with(vec![(0..len).map(|_| *random.pick(&letters)).collect()])
}

/// A path of a Unix socket, which may be an abstract one.
pub(in super::super) fn generate_path(random: &mut Random) -> Input {
    let most = *random.pick(&[3, 12, 50]);
    let mut path = any(random, most);
    if random.chance(30) {
        path.insert(0, '@');
    } else {
        path.insert(0, 'a');
    }
    with(vec![path])
}

/// Several texts.
pub(in super::super) fn generate_pieces(random: &mut Random) -> Input {
    let count = random.from(1, 6);
    let most = *random.pick(&[6, 6, 6, 300]);
    with((0..count).map(|_| any(random, most)).collect())
}

/// The text of `input` with a zero at its end, and as a value.
fn string(input: &Input) -> Result<(Option<CString>, Raw)> {
    let Some(text) = input.texts.first() else {
        return Ok((None, Raw::Value(Value::Failed)));
    };
    let value = Raw::Value(Value::Bytes(text.clone().into_bytes()));
    Ok((Some(CString::new(text.as_str()).context("a text")?), value))
}

fn address(text: Option<&CString>) -> u64 {
    text.map_or(0, |text| text.as_ptr() as u64)
}

/// `access` with a mode that there is not.
pub(in super::super) fn access(input: &Input, world: &World) -> Result<Prepared> {
    let (text, value) = string(input)?;
    Ok(world.call(vec![value], move || {
        system_call("access", [address(text.as_ref()), 0x1000, 0, 0, 0, 0]);
    }))
}

/// `pwrite64` to a descriptor that is none.
pub(in super::super) fn pwrite(input: &Input, world: &World) -> Result<Prepared> {
    let (text, value) = string(input)?;
    Ok(world.call(vec![value], move || {
        let len = text.as_ref().map_or(5, |text| text.as_bytes().len());
        system_call("pwrite64", [u64::MAX, address(text.as_ref()), len as u64, 0, 0, 0]);
    }))
}

/// `pwritev` to a descriptor that is none.
pub(in super::super) fn pwritev(input: &Input, world: &World) -> Result<Prepared> {
    let texts = input.texts.clone();
    let value = Raw::Value(Value::Bytes(texts.concat().into_bytes()));
    Ok(world.call(vec![value], move || {
        let pieces: Vec<[u64; 2]> = texts
            .iter()
            .map(|text| [text.as_ptr() as u64, text.len() as u64])
            .collect();
        system_call(
            "pwritev",
            [u64::MAX, pieces.as_ptr() as u64, pieces.len() as u64, 0, 0, 0],
        );
    }))
}

/// `openat` of a file, which is hardly ever there.
pub(in super::super) fn open(input: &Input, world: &World) -> Result<Prepared> {
    let (text, value) = string(input)?;
    Ok(world.call(vec![value], move || {
        let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY;
        let here = libc::AT_FDCWD as u64;
        let file = system_call("openat", [here, address(text.as_ref()), flags as u64, 0, 0, 0]);
        if file >= 0 {
            system_call("close", [file as u64, 0, 0, 0, 0, 0]);
        }
    }))
}

/// Gives the thread a name, and asks something that needs no arguments.
pub(in super::super) fn thread_name(input: &Input, world: &World) -> Result<Prepared> {
    let (text, value) = string(input)?;
    Ok(world.call(vec![value], move || {
        system_call("prctl", [libc::PR_SET_NAME as u64, address(text.as_ref()), 0, 0, 0, 0]);
        system_call("sched_get_priority_max", [0; 6]);
    }))
}
