//! Actions that change what programs go on with: their memory at probes, their registers at uprobes.

use ebpf_codegen::{Action, Arg, CHANGED, Change, NewValue, Place, Register, Source};
use ebpf_loader::probe;
use policy::model::{Override, RegisterChange, RegisterSource};

use super::{argument::register, elf, elf::Program, lower::Reason, points::PointKey};

/// Bytes that `Set` writes.
const BYTES: u8 = 4;

/// The action that writes `value` to where `arg`, entry `position` of the policy's arguments, is in memory.
pub(super) fn set(position: usize, arg: Option<&Arg>, value: u32) -> Result<Action, Reason> {
    let failed = |what: &str| Err(Reason::Kernel(format!("Set of argument {position}: {what}")));
    if !probe::write_user() {
        return failed(
            "this kernel lets no program write to the memory of processes (bpf_probe_write_user): where it is locked down \
             (/sys/kernel/security/lockdown), it never does",
        );
    }
    match arg.map(|arg| arg.source) {
        Some(Source::Operand(operand)) => match operand.place {
            Place::Memory { .. } if operand.bytes == BYTES => Ok(Action::Set(operand.place, value)),
            Place::Memory { .. } => failed(&format!("it has {} bytes, {BYTES} can be written", operand.bytes)),
            Place::Register(_) => failed("it is in a register, not in memory"),
            Place::Constant(_) => failed("it is a constant, not in memory"),
        },
        _ => failed("the probe has no such argument"),
    }
}

/// What registers get by `Override`: `what` it is at `point`, at `place` in a program.
pub(super) fn registers(what: &Override, point: &PointKey, place: elf::Place) -> Result<Vec<Change>, Reason> {
    let failed = |what: String| Reason::Kernel(format!("Override of {}: {what}", point.name));
    if !probe::write_registers() {
        return Err(failed(
            "this kernel does not let programs at uprobes change registers, which later ones do (6.18); use a signal"
                .into(),
        ));
    }
    let rip = whole("rip");
    let changes = match what {
        Override::Return(value) => {
            let program = Program::open(&point.group).map_err(failed)?;
            returned(*value, program.ret(place).map_err(failed)?)
        }
        Override::Registers(changes) => {
            let changes = changes.iter().map(change).collect::<Result<Vec<_>, _>>();
            changes.map_err(failed)?
        }
        Override::Continue(target) => {
            let program = Program::open(&point.group).map_err(failed)?;
            let distance = program.distance(place, target).map_err(failed)?;
            vec![Change {
                register: rip,
                value: NewValue::Register(rip, distance),
            }]
        }
    };
    let mut whole: Vec<i16> = changes.iter().map(|change| change.register.offset & !7).collect();
    whole.sort_unstable();
    whole.dedup();
    if whole.len() > CHANGED {
        return Err(failed(format!("at most {CHANGED} registers can be changed")));
    }
    Ok(changes)
}

/// A register that is there.
fn whole(name: &str) -> Register {
    let (offset, bytes) = register(name).unwrap_or_default();
    Register { offset, bytes }
}

/// The function returns `value` instead of being run: it goes on at a `ret`, so many bytes behind its beginning. To take the
/// address from its stack here would be to leave one on its shadow stack, and whoever observes its return would see another
/// one there.
fn returned(value: i32, ret: i64) -> Vec<Change> {
    let (rax, rip) = (whole("rax"), whole("rip"));
    let change = |register, value| Change { register, value };
    vec![
        change(rax, NewValue::Number(i64::from(value) as u64)),
        change(rip, NewValue::Register(rip, ret)),
    ]
}

/// Whether one of `changes` moves the stack.
pub(super) fn moves_stack(changes: &[Change]) -> bool {
    let rsp = whole("rsp").offset;
    changes.iter().any(|change| change.register.offset & !7 == rsp)
}

fn change(change: &RegisterChange) -> Result<Change, String> {
    let named = |name: &str| match register(name) {
        Some((offset, bytes)) if !matches!(name, "eflags" | "rflags") => Ok(Register { offset, bytes }),
        _ => Err(format!("there is no register `{name}` that can be changed or taken")),
    };
    let value = match &change.source {
        RegisterSource::Constant(number) => NewValue::Number(*number),
        RegisterSource::Register { register, offset } => NewValue::Register(named(register)?, *offset),
        RegisterSource::Memory { register, offset } => NewValue::Memory(named(register)?, *offset),
    };
    Ok(Change {
        register: named(&change.register)?,
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(register: &str, source: RegisterSource) -> Result<Change, String> {
        change(&RegisterChange {
            register: register.to_owned(),
            source,
        })
    }

    #[test]
    fn changes_as_policies_spell_them() {
        let [rax, rsp] = ["rax", "rsp"].map(whole);
        let al = Register { offset: 80, bytes: 1 };
        assert_eq!((rax.offset, rax.bytes, rsp.offset), (80, 8, 152));
        let source = |register: &str| RegisterSource::Memory {
            register: register.to_owned(),
            offset: 8,
        };
        assert_eq!(
            of("al", source("rsp")),
            Ok(Change {
                register: al,
                value: NewValue::Memory(rsp, 8)
            })
        );
        for (register, from) in [("xmm0", "rax"), ("rflags", "rax"), ("rax", "eflags")] {
            let error = of(register, source(from)).unwrap_err();
            assert!(error.ends_with("that can be changed or taken"), "{error}");
        }
    }

    #[test]
    fn a_function_returns_at_once() {
        let [rax, rip] = ["rax", "rip"].map(whole);
        let changes = returned(-1, 7);
        assert!(!moves_stack(&changes));
        let values: Vec<_> = changes.iter().map(|change| (change.register, change.value)).collect();
        let expected = [(rax, NewValue::Number(u64::MAX)), (rip, NewValue::Register(rip, 7))];
        assert_eq!(values, expected);
        assert!(moves_stack(&[of("esp", RegisterSource::Constant(0)).unwrap()]));
    }
}
