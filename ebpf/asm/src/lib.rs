//! Assembler of eBPF functions that are written at run time.
//!
//! Policies are compiled to code (see the `policy` crate) that takes the place of an empty function in the object of
//! kernel programs. This crate knows instructions, labels and the names of what the code refers to: functions and maps
//! of the object, which the loader resolves. It knows nothing of policies, makes no system call, and cannot produce a
//! jump to nowhere: [`Assembler::finish`] refuses that.
//!
//! Instruction set: RFC 9669, without atomics and without anything that Linux 5.10 does not have.
//!
//! ```
//! use ebpf_asm::{Assembler, Condition, Reg, Width};
//!
//! let mut asm = Assembler::new();
//! let miss = asm.label();
//! asm.load(Width::U32, Reg::R0, Reg::R1, 8);
//! asm.jump_if(Condition::Ne, Reg::R0, 42, miss);
//! asm.set(Reg::R0, 1);
//! asm.exit();
//! asm.bind(miss);
//! asm.set(Reg::R0, 0);
//! asm.exit();
//! let code = asm.finish()?;
//! assert_eq!(code.insns.len(), 6);
//! # Ok::<(), ebpf_asm::Error>(())
//! ```
#![forbid(unsafe_code)]

mod assembler;
mod display;
mod insn;
#[cfg(test)]
mod tests;

pub use assembler::{Assembler, Error, Label};
pub use insn::{Alu, Condition, Insn, Reg, Width};

/// A finished function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// Its instructions.
    pub insns: Vec<Insn>,
    /// Calls of functions of the object: position of the call instruction, name of the function.
    pub calls: Vec<(usize, &'static str)>,
    /// Addresses of maps of the object: position of the first half of the load, name of the map.
    pub maps: Vec<(usize, &'static str)>,
}
