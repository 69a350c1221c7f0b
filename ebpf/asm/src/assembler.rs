//! Putting functions together.

use crate::{
    Code,
    insn::{Alu, CALL, Condition, EXCHANGE, EXIT, Insn, JUMP, LD_IMM64, PSEUDO_CALL, PSEUDO_MAP_FD, Reg, Width},
};

/// A place in the code that jumps go to, bound before or after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(usize);

/// Code that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A jump goes to a label that was never bound.
    #[error("instruction {at} jumps to a label that is nowhere")]
    Unbound {
        /// Position of the jump.
        at: usize,
    },
    /// A jump is longer than 32,767 instructions.
    #[error("instruction {at} jumps over {distance} instructions, 32767 are the most")]
    TooFar {
        /// Position of the jump.
        at: usize,
        /// Its length.
        distance: usize,
    },
}

/// A function under construction.
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    code: Code,
    /// Position of each label.
    labels: Vec<Option<usize>>,
    /// Jumps to labels.
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    /// An empty function.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of instructions so far.
    pub fn len(&self) -> usize {
        self.code.insns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.code.insns.is_empty()
    }

    /// A new label, not bound yet.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Makes `label` the place of the next instruction.
    pub fn bind(&mut self, label: Label) {
        let at = self.len();
        self.labels[label.0] = Some(at);
    }

    /// Whether some jump goes to `label`.
    pub fn is_used(&self, label: Label) -> bool {
        self.jumps.iter().any(|&(_, target)| target == label)
    }

    /// `dst = value`.
    pub fn set(&mut self, dst: Reg, value: u64) {
        if let Some(imm) = sign_extended(value) {
            self.push(0xb7, dst, Reg::R0, 0, imm);
        } else {
            self.push(LD_IMM64, dst, Reg::R0, 0, value as u32 as i32);
            self.push(0, Reg::R0, Reg::R0, 0, (value >> 32) as u32 as i32);
        }
    }

    /// `dst = src`.
    pub fn copy(&mut self, dst: Reg, src: Reg) {
        self.push(0xbf, dst, src, 0, 0);
    }

    /// `dst = dst op value`; `value` is extended with its sign.
    pub fn alu(&mut self, op: Alu, dst: Reg, value: i32) {
        self.push(0x07 | op as u8, dst, Reg::R0, 0, value);
    }

    /// `dst = dst op src`.
    pub fn alu_reg(&mut self, op: Alu, dst: Reg, src: Reg) {
        self.push(0x0f | op as u8, dst, src, 0, 0);
    }

    /// `dst = *(base + offset)`, extended with zeroes.
    pub fn load(&mut self, width: Width, dst: Reg, base: Reg, offset: i16) {
        self.push(0x61 | width as u8, dst, base, offset, 0);
    }

    /// `*(base + offset) = src`.
    pub fn store(&mut self, width: Width, base: Reg, offset: i16, src: Reg) {
        self.push(0x63 | width as u8, base, src, offset, 0);
    }

    /// `*(base + offset) = value`.
    pub fn store_imm(&mut self, width: Width, base: Reg, offset: i16, value: i32) {
        self.push(0x62 | width as u8, base, Reg::R0, offset, value);
    }

    /// Exchanges the 8 bytes at `base + offset` with `src`, atomically (kernel 5.12).
    pub fn exchange(&mut self, base: Reg, offset: i16, src: Reg) {
        // BPF_XCHG
        self.push(EXCHANGE, base, src, offset, 0xe1);
    }

    /// Goes to `label`.
    pub fn jump(&mut self, label: Label) {
        self.jumps.push((self.len(), label));
        self.push(JUMP, Reg::R0, Reg::R0, 0, 0);
    }

    /// Goes to `label` if `a condition value`. A value that does not fit in 32 bits with sign goes through `R0`, which
    /// must then not be `a`.
    pub fn jump_if(&mut self, condition: Condition, a: Reg, value: u64, label: Label) {
        if let Some(imm) = sign_extended(value) {
            self.jumps.push((self.len(), label));
            self.push(0x05 | condition as u8, a, Reg::R0, 0, imm);
        } else {
            debug_assert_ne!(a, Reg::R0, "the value needs this register");
            self.set(Reg::R0, value);
            self.jump_if_reg(condition, a, Reg::R0, label);
        }
    }

    /// Goes to `label` if `a condition b`.
    pub fn jump_if_reg(&mut self, condition: Condition, a: Reg, b: Reg, label: Label) {
        self.jumps.push((self.len(), label));
        self.push(0x0d | condition as u8, a, b, 0, 0);
    }

    /// Calls helper `number` of the kernel (`enum bpf_func_id`).
    pub fn call_helper(&mut self, number: u32) {
        self.push(CALL, Reg::R0, Reg::R0, 0, number as i32);
    }

    /// Calls function `name` of the object.
    pub fn call(&mut self, name: &'static str) {
        self.code.calls.push((self.len(), name));
        let at = self.len();
        self.push(CALL, Reg::R0, Reg::R0, 0, -1);
        self.code.insns[at].src = PSEUDO_CALL;
    }

    /// `dst` = map `name` of the object, for a helper that takes a map.
    pub fn map(&mut self, dst: Reg, name: &'static str) {
        self.code.maps.push((self.len(), name));
        let at = self.len();
        self.push(LD_IMM64, dst, Reg::R0, 0, 0);
        self.code.insns[at].src = PSEUDO_MAP_FD;
        self.push(0, Reg::R0, Reg::R0, 0, 0);
    }

    /// Returns `R0`.
    pub fn exit(&mut self) {
        self.push(EXIT, Reg::R0, Reg::R0, 0, 0);
    }

    /// The function, its jumps resolved.
    pub fn finish(self) -> Result<Code, Error> {
        let Self {
            mut code,
            labels,
            jumps,
        } = self;
        for (at, label) in jumps {
            // A label at the very end has no instruction to go to.
            let target = labels[label.0].filter(|&target| target < code.insns.len());
            let target = target.ok_or(Error::Unbound { at })?;
            let distance = target as i64 - at as i64 - 1;
            code.insns[at].off = i16::try_from(distance).map_err(|_| Error::TooFar {
                at,
                distance: distance.unsigned_abs() as usize,
            })?;
        }
        Ok(code)
    }

    fn push(&mut self, code: u8, dst: Reg, src: Reg, off: i16, imm: i32) {
        self.code.insns.push(Insn {
            code,
            dst: dst as u8,
            src: src as u8,
            off,
            imm,
        });
    }
}

/// `value` as an immediate that the kernel extends with its sign.
fn sign_extended(value: u64) -> Option<i32> {
    i32::try_from(value as i64).ok()
}
