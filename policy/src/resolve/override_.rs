//! The action Override.

use super::Context;
use super::hooks::Draft;
use crate::leaf::{Text, number};
use crate::model::{Continue, HookKind, Override, RegisterChange, RegisterSource};
use crate::place::{Place, Spanned};
use crate::spec::Action;

/// The largest errno of the kernel (`MAX_ERRNO`).
const ERRNO_MAX: i32 = 4095;

/// What is done instead of the function.
pub(super) fn resolve(written: &Action, draft: &Draft<'_>, cx: &mut Context<'_>) -> Option<Override> {
    if draft.can_be_overridden() == Some(false) {
        cx.error(
            &written.action.place,
            "only system calls and security_ functions can be overridden",
        )
        .help("use Signal or Sigkill, or hook the system call");
    }
    let given = continues(written);
    if given.len() > 1 {
        return None;
    }
    let registers = written.arg_regs.first().map(|it| ("argRegs", &it.place));
    if let Some((name, place)) = given.first().copied().or(registers)
        && draft.kind != HookKind::Uprobe
    {
        cx.error(place, format!("{name} is for uprobes"));
        return None;
    }
    if !written.arg_regs.is_empty() {
        if let Some((name, place)) = given.first() {
            cx.error(place, format!("{name} and argRegs exclude each other"));
        }
        let max = cx.limits.registers;
        cx.at_most(max, written.arg_regs.iter().map(|it| &it.place), "registers");
        return Some(Override::Registers(
            written.arg_regs.iter().filter_map(|text| change(text, cx)).collect(),
        ));
    }
    if let Some(symbol) = &written.arg_new_symbol {
        return Some(Override::Continue(Continue::Symbol(symbol.value.clone())));
    }
    if let Some(address) = &written.arg_new_addr {
        return Some(Override::Continue(Continue::Address(address.value)));
    }
    if let Some(offset) = &written.arg_new_offset {
        return Some(Override::Continue(Continue::Offset(offset.value)));
    }
    let Some(value) = &written.arg_error else {
        cx.error(&written.place, "Override needs argError, the value to return")
            .help("such as -1 for EPERM");
        return None;
    };
    if value.value == 0 && draft.kind == HookKind::Lsm {
        cx.error(&value.place, "an LSM hook that returns 0 allows")
            .help("such as -1 for EPERM");
    }
    error(value, cx).map(Override::Return)
}

/// The fields that say where a program continues. They exclude each other.
fn continues(written: &Action) -> Vec<(&'static str, &Place)> {
    let places = [
        ("argNewSymbol", written.arg_new_symbol.as_ref().map(|it| &it.place)),
        ("argNewAddr", written.arg_new_addr.as_ref().map(|it| &it.place)),
        ("argNewOffset", written.arg_new_offset.as_ref().map(|it| &it.place)),
    ];
    places
        .into_iter()
        .filter_map(|(name, place)| Some((name, place?)))
        .collect()
}

/// Checks that an action of any kind says only one place to continue at.
pub(super) fn check(written: &Action, cx: &mut Context<'_>) {
    if let [(first, _), (other, place), ..] = continues(written).as_slice() {
        cx.error(place, format!("{other} and {first} exclude each other"));
    }
}

/// A value to return instead.
///
/// Errnos are negative. Positive ones are taken too: policies in use have them for `security_` functions, whose callers
/// take everything but 0 for a refusal.
pub(super) fn error(error: &Spanned<i32>, cx: &mut Context<'_>) -> Option<i32> {
    let Spanned { value, place } = error;
    if value.abs_diff(0) > ERRNO_MAX.unsigned_abs() {
        cx.error(place, format!("{value} is no error"))
            .help(format!("-{ERRNO_MAX} to {ERRNO_MAX}"));
        return None;
    }
    Some(*value)
}

/// `register=source`.
fn change(text: &Spanned<Text>, cx: &mut Context<'_>) -> Option<RegisterChange> {
    let Spanned {
        value: Text(text),
        place,
    } = text;
    let change = text.split_once('=').and_then(|(register, source)| {
        let register = name(register.trim())?;
        Some(RegisterChange {
            register,
            source: source_of(source.trim())?,
        })
    });
    if change.is_none() {
        cx.error(
            place,
            format!("`{}` is no change of a register", crate::yaml::shorten(text)),
        )
        .help("rax=0, rip=%rdi, rsp=8%rsp or rip=(%rsp)");
    }
    change
}

fn name(text: &str) -> Option<String> {
    let text = text.strip_prefix('%').unwrap_or(text);
    let valid = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    valid.then(|| text.to_owned())
}

fn source_of(text: &str) -> Option<RegisterSource> {
    let offset = |text: &str| {
        if text.is_empty() {
            Some(0)
        } else {
            number(text).and_then(|number| i64::try_from(number).ok())
        }
    };
    if let Some((before, inside)) = text.split_once('(') {
        let register = inside.strip_suffix(')')?.strip_prefix('%')?;
        return Some(RegisterSource::Memory {
            register: name(register)?,
            offset: offset(before)?,
        });
    }
    if let Some((before, register)) = text.split_once('%') {
        return Some(RegisterSource::Register {
            register: name(register)?,
            offset: offset(before)?,
        });
    }
    let value = number(text)?;
    let bits = u64::try_from(value)
        .ok()
        .or_else(|| i64::try_from(value).ok().map(i64::cast_unsigned))?;
    Some(RegisterSource::Constant(bits))
}
