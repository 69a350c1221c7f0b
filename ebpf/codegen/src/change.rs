//! Changing what the interrupted code goes on with: its memory and its registers.
//!
//! Registers are written when all hooks of a point are done, which read them: what they get waits on the stack until then.

use ebpf_abi::hook::runtime;
use ebpf_asm::{Alu, Assembler, Condition, Reg, Width};

use crate::{
    plan::{Action, Change, Hook, NewValue, Place, Point, Register, Selector},
    read::{self, CELL, PROBE_READ_USER, Reader, SPILL},
};

/// `bpf_probe_write_user` (`enum bpf_func_id`, kernel 4.8, not where it is locked down).
const PROBE_WRITE_USER: u32 = 36;

/// Registers that one change can change: all of x86-64 that programs may write.
pub const CHANGED: usize = 17;

/// Registers whose new values have their places where those of a system call are otherwise.
const BELOW_CELL: usize = 15;

/// Where on the stack the number of the change is that is made, 0 while none is.
const CHOSEN: i16 = SPILL - 8 * (CHANGED - BELOW_CELL) as i16 - 8;

/// Where on the stack it is noted that an action of the selector could not be done.
pub(crate) const FAILED: i16 = CHOSEN - 8;

/// Where on the stack the new value of a register is.
fn place(index: usize) -> i16 {
    let index = index.min(CHANGED - 1) as i16;
    let below = BELOW_CELL as i16;
    if index < below {
        CELL - 8 * (index + 1)
    } else {
        SPILL - 8 * (index - below + 1)
    }
}

/// What a selector does to the interrupted code when what is reported of it was read.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    writes: Vec<(Place, u32)>,
    can_fail: bool,
}

impl Effects {
    /// Those of `selector`, which begins to act.
    pub(crate) fn begin(asm: &mut Assembler, hook: &Hook, selector: &Selector) -> Self {
        if hook.monitor {
            return Self::default();
        }
        let write = |action: &Action| match action {
            Action::Set(place, value) => Some((*place, *value)),
            _ => None,
        };
        let actions = &selector.actions;
        let can_fail = |action: &Action| matches!(action, Action::Set(..) | Action::Change(_));
        let effects = Self {
            writes: actions.iter().filter_map(write).collect(),
            can_fail: actions.iter().any(can_fail),
        };
        if effects.can_fail {
            asm.store_imm(Width::U64, Reg::R10, FAILED, 0);
        }
        effects
    }

    /// Whether anything is left to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Writes what is to be written.
    pub(crate) fn take(&self, asm: &mut Assembler, op: u8) {
        for &(place, value) in &self.writes {
            write(asm, op, place, value);
        }
    }

    /// Goes on behind what `tell` adds, unless something could not be done.
    pub(crate) fn if_failed(&self, asm: &mut Assembler, tell: impl FnOnce(&mut Assembler)) {
        if self.can_fail {
            let done = asm.label();
            asm.load(Width::U64, Reg::R0, Reg::R10, FAILED);
            asm.jump_if(Condition::Eq, Reg::R0, 0, done);
            tell(asm);
            asm.bind(done);
        }
    }
}

/// Counts and notes that an action could not be done.
fn fail(asm: &mut Assembler, op: u8) {
    asm.set(Reg::R1, u64::from(op));
    asm.call(runtime::FAILED);
    asm.store_imm(Width::U64, Reg::R10, FAILED, 1);
}

/// Writes `value` to where the interrupted code has something in memory.
fn write(asm: &mut Assembler, op: u8, place: Place, value: u32) {
    let Place::Memory {
        base,
        index,
        displacement,
    } = place
    else {
        return;
    };
    let done = asm.label();
    read::address(asm, base, index);
    asm.copy(Reg::R1, Reg::R3);
    asm.alu(Alu::Add, Reg::R1, displacement);
    asm.store_imm(Width::U32, Reg::R10, CELL, value as i32);
    asm.copy(Reg::R2, Reg::R10);
    asm.alu(Alu::Add, Reg::R2, i32::from(CELL));
    asm.set(Reg::R3, 4);
    asm.call_helper(PROBE_WRITE_USER);
    asm.jump_if(Condition::Eq, Reg::R0, 0, done);
    fail(asm, op);
    asm.bind(done);
}

/// What comes first in a function of `point`.
pub(crate) fn prologue(asm: &mut Assembler, point: &Point) {
    let changes = point.hooks.iter().filter(|hook| hook.changes_registers());
    let Some(most) = changes.flat_map(|hook| hook.changes.iter().map(Vec::len)).max() else {
        return;
    };
    asm.store_imm(Width::U64, Reg::R10, CHOSEN, 0);
    for index in 0..most.min(CHANGED) {
        asm.store_imm(Width::U64, Reg::R10, place(index), 0);
    }
}

/// Works out what the registers get by `changes`, unless another change was chosen.
pub(crate) fn choose(asm: &mut Assembler, reader: &mut Reader, op: u8, changes: &[Change]) {
    let (failed, done) = (asm.label(), asm.label());
    asm.load(Width::U64, Reg::R0, Reg::R10, CHOSEN);
    asm.jump_if(Condition::Ne, Reg::R0, 0, done);
    let mut registers: Vec<i16> = vec![];
    for Change { register, value } in changes {
        match *value {
            NewValue::Number(number) => asm.set(Reg::R3, number),
            NewValue::Register(source, offset) => sum(asm, &registers, source, offset),
            NewValue::Memory(source, offset) => {
                sum(asm, &registers, source, offset);
                read::read_cell(asm, PROBE_READ_USER, 0, 8, failed);
                asm.load(Width::U64, Reg::R3, Reg::R10, CELL);
            }
        }
        let whole = whole(*register);
        let known = registers.iter().position(|known| *known == whole);
        let index = known.unwrap_or_else(|| {
            registers.push(whole);
            registers.len() - 1
        });
        if known.is_none() && register.bytes < 8 {
            asm.load(Width::U64, Reg::R0, Reg::R7, whole);
            asm.store(Width::U64, Reg::R10, place(index), Reg::R0);
        }
        let at = place(index) + (register.offset - whole);
        asm.store(Width::of(register.bytes), Reg::R10, at, Reg::R3);
    }
    reader.changes.push(registers);
    asm.store_imm(Width::U64, Reg::R10, CHOSEN, reader.changes.len() as i32);
    if asm.is_used(failed) {
        asm.jump(done);
        asm.bind(failed);
        fail(asm, op);
    }
    asm.bind(done);
}

/// Where the register begins that `register` is a part of.
fn whole(register: Register) -> i16 {
    register.offset & !7
}

/// `R3` = a register, as `registers` were changed, plus a number.
fn sum(asm: &mut Assembler, registers: &[i16], register: Register, offset: i64) {
    let whole = whole(register);
    let width = Width::of(register.bytes);
    match registers.iter().position(|known| *known == whole) {
        Some(index) => asm.load(width, Reg::R3, Reg::R10, place(index) + (register.offset - whole)),
        None => asm.load(width, Reg::R3, Reg::R7, register.offset),
    }
    if offset != 0 {
        asm.set(Reg::R0, offset as u64);
        asm.alu_reg(Alu::Add, Reg::R3, Reg::R0);
    }
}

/// Makes the change that was chosen.
pub(crate) fn make(asm: &mut Assembler, reader: &Reader) {
    if reader.changes.is_empty() {
        return;
    }
    let done = asm.label();
    asm.load(Width::U64, Reg::R1, Reg::R10, CHOSEN);
    for (position, registers) in reader.changes.iter().enumerate() {
        let next = asm.label();
        asm.jump_if(Condition::Ne, Reg::R1, position as u64 + 1, next);
        for (index, offset) in registers.iter().enumerate() {
            asm.load(Width::U64, Reg::R0, Reg::R10, place(index));
            asm.store(Width::U64, Reg::R7, *offset, Reg::R0);
        }
        asm.jump(done);
        asm.bind(next);
    }
    asm.bind(done);
}
