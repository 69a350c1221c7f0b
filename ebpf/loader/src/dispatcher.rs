//! Dispatchers: one attachment a hook point, behind which programs are exchanged.
//!
//! What is attached is a program of four instructions that continues in the program that stands in an array of one
//! (`bpf_tail_call`, kernel 4.2; into programs that call functions, 5.10). Putting another program there takes effect
//! at once and between two runs: no hit of the hook point is missed, and none is seen twice.

use std::{
    os::fd::{AsFd as _, AsRawFd as _},
    sync::Arc,
};

use ebpf_asm::{Assembler, Code, Reg};

use crate::{
    error::Error,
    map::{Map, Update},
    pin::{Pin, Pins},
    program::{Program, ProgramKind},
};

/// `BPF_MAP_TYPE_PROG_ARRAY`.
const PROG_ARRAY: u32 = 3;

/// `bpf_tail_call` (`enum bpf_func_id`).
const TAIL_CALL: u32 = 12;

/// What is attached at a hook point. Dropping it does not detach: that is done by dropping the link, before this.
#[derive(Debug)]
pub struct Dispatcher {
    pin: Option<Pin>,
    array: Map,
    program: Arc<Program>,
}

impl Dispatcher {
    /// Loads a dispatcher for programs of kind `kind`, called `name` in listings. There is no program yet.
    pub fn new(name: &str, kind: ProgramKind) -> Result<Self, Error> {
        let array = Map::single(name, PROG_ARRAY, 4)?;
        let program = Program::load_code(name, kind, &code()?, &[&array])?;
        Ok(Self {
            pin: None,
            array,
            program: Arc::new(program),
        })
    }

    /// Pins the array: when nobody holds it but programs, the kernel empties it.
    pub fn pin(&mut self, pins: &Arc<Pins>, name: &str) -> Result<(), Error> {
        self.pin = Some(pins.pin(self.array.as_fd(), &format!("{name}-programs"))?);
        Ok(())
    }

    /// What is to be attached.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Puts `program` in the place of the one before it.
    pub fn set(&self, program: &Program) -> Result<(), Error> {
        self.array
            .update_bytes(&[0; 4], &program.raw_fd().to_ne_bytes(), Update::Any)
    }
}

fn code() -> Result<Code, Error> {
    let mut asm = Assembler::new();
    // The context is in R1 already.
    asm.map(Reg::R2, "array");
    asm.set(Reg::R3, 0);
    asm.call_helper(TAIL_CALL);
    // Only when there is no program.
    asm.set(Reg::R0, 0);
    asm.exit();
    asm.finish().map_err(|error| Error::Relocate(error.to_string()))
}

impl Program {
    fn raw_fd(&self) -> i32 {
        self.as_fd().as_raw_fd()
    }
}
