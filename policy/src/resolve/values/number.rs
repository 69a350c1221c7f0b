//! Numbers, ranges of them, bits, system calls.

use super::Wrong;
use crate::arg_type::Class;
use crate::leaf::number;
use crate::model::{Functions, IntRange};
use crate::names::CAPABILITIES;
use crate::operator::Operator;
use crate::syscalls::{Abi, Syscall};
use crate::yaml::shorten;

/// The numbers that arguments of a class can be.
fn bounds(class: Class) -> (i128, i128) {
    match class {
        Class::Int { bits, signed: true } => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        Class::Int { bits, signed: false } => (0, (1 << bits) - 1),
        // A system call's number, with the mark of 32-bit ABIs.
        _ => (0, i128::from(u32::MAX)),
    }
}

pub(super) fn integer(text: &str, class: Class) -> Result<i128, Wrong> {
    let (min, max) = bounds(class);
    let allowed = || format!("a number from {min} to {max}");
    let value = number(text).ok_or_else(|| (format!("`{}` is no number", shorten(text)), allowed()))?;
    if value < min || value > max {
        return Err((format!("`{}` is out of range", shorten(text)), allowed()));
    }
    Ok(value)
}

/// A number to compare with. Nothing is greater than the greatest, nor less than the least.
pub(super) fn compared(text: &str, operator: Operator, class: Class) -> Result<i128, Wrong> {
    let value = integer(text, class)?;
    let (min, max) = bounds(class);
    let end = match operator {
        Operator::GreaterThan => max,
        Operator::LessThan => min,
        _ => return Ok(value),
    };
    if value == end {
        let message = format!("{operator} {value} never passes");
        return Err((message, format!("values are from {min} to {max}")));
    }
    Ok(value)
}

pub(super) fn range(text: &str, class: Class) -> Result<IntRange, Wrong> {
    let (min, max) = text.split_once(':').ok_or_else(|| {
        (
            format!("`{}` is no range", shorten(text)),
            "min:max, both included".to_owned(),
        )
    })?;
    let (min, max) = (integer(min, class)?, integer(max, class)?);
    if min > max {
        return Err((
            format!("nothing lies in `{}`", shorten(text)),
            "min:max, both included".into(),
        ));
    }
    Ok(IntRange { min, max })
}

/// Bits of a number: also written as a negative number, if the argument can be one.
pub(super) fn bits(text: &str, class: Class) -> Result<u64, Wrong> {
    let width = match class {
        Class::Int { bits, .. } => bits,
        _ => 64,
    };
    let all = u64::MAX >> (64 - width);
    let (min, _) = bounds(class);
    let allowed = || format!("{width} bits: a number from {min} to {all:#x}");
    let value = number(text).ok_or_else(|| (format!("`{}` is no number", shorten(text)), allowed()))?;
    if value < min || value > i128::from(all) {
        return Err((format!("`{}` is out of range", shorten(text)), allowed()));
    }
    if value == 0 {
        return Err(("no bit is set: the filter never passes".into(), allowed()));
    }
    Ok(value as u64 & all)
}

pub(super) fn syscall(text: &str) -> Result<IntRange, Wrong> {
    if number(text).is_some() {
        return integer(text, Class::Syscall).map(IntRange::one);
    }
    match Syscall::parse(text) {
        Some(syscall) => Ok(IntRange::one(i128::from(syscall.id()))),
        None => Err((format!("`{}` is no system call", shorten(text)), Syscall::help(text))),
    }
}

/// The members of a list as numbers.
pub(super) fn list(members: &Functions, class: Class) -> Result<Vec<IntRange>, Wrong> {
    let one = |number: u32| IntRange::one(i128::from(number));
    match (members, class) {
        (Functions::Syscalls(_) | Functions::AllSyscalls, Class::Int { bits, .. }) if bits < 64 => Err((
            "a list of system calls is compared with the number of one".into(),
            "declare the argument as syscall64".into(),
        )),
        (Functions::Syscalls(calls), Class::Int { .. }) if calls.iter().any(|call| call.abi.is_32_bit()) => Err((
            "the list has system calls of a 32-bit ABI, which a number alone does not tell from others".into(),
            "declare the argument as syscall64".into(),
        )),
        (Functions::Syscalls(calls), _) => Ok(calls.iter().map(|call| one(call.id())).collect()),
        (Functions::AllSyscalls, _) => Ok(Abi::NATIVE.syscalls().map(|(_, number)| one(number)).collect()),
        (Functions::Named(_) | Functions::Matching(_), _) => Err((
            "a list of functions has no numbers".into(),
            "a list of type syscalls has".into(),
        )),
    }
}

/// A number, or names of capabilities separated by commas.
pub(super) fn capability_set(text: &str) -> Result<u64, Wrong> {
    if let Some(number) = number(text) {
        let allowed = || "a number of 64 bits, or names separated by commas".to_owned();
        return u64::try_from(number).map_err(|_| (format!("`{}` is out of range", shorten(text)), allowed()));
    }
    let mut bits = text
        .split(',')
        .map(|name| CAPABILITIES.parse(name.trim()).map(|number| 1 << number));
    bits.try_fold(0, |set, bit| bit.map(|bit: u64| set | bit))
}
