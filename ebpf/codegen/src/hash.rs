//! Hashes of files in events of security hooks: the programs that run behind the one with the policies, and what that one
//! leaves to them.

use ebpf_abi::{
    event::{file_hash, op},
    hook::{AWAITING, awaited_state, offset, runtime},
};
use ebpf_asm::{Alu, Assembler, Code, Condition, Error, Reg, Width};

use crate::{
    change::FAILED,
    compile::{MAP_LOOKUP, MAX_ERRNO, VERDICT},
    plan::{Action, Hashed, Hook, Point, Post},
    read::{PID_TGID, scratch_number},
};

/// `bpf_ima_file_hash` (`enum bpf_func_id`, kernel 5.18).
const IMA_FILE_HASH: u32 = 193;

/// Where on the stack the number of events is that await a hash.
const AWAITED: i16 = FAILED - 8;

/// Whether an event of `hook` may have the hash of a file.
pub(crate) fn wanted(hook: &Hook) -> bool {
    hook.actions()
        .any(|action| matches!(action, Action::Post(Post { hash: Some(_), .. })))
}

/// What comes first in a function of `point`.
pub(crate) fn prologue(asm: &mut Assembler, point: &Point) {
    if point.hooks.iter().any(wanted) {
        asm.store_imm(Width::U64, Reg::R10, AWAITED, 0);
    }
}

/// The record under construction is one of two: the other one comes with the hash.
pub(crate) fn expect(asm: &mut Assembler, Hashed { point, .. }: Hashed) {
    scratch_number(asm, Reg::R1);
    asm.load(Width::U64, Reg::R2, Reg::R10, AWAITED);
    asm.set(Reg::R3, u64::from(point));
    asm.call(runtime::AWAIT);
    asm.load(Width::U64, Reg::R1, Reg::R10, AWAITED);
    asm.alu_reg(Alu::Add, Reg::R1, Reg::R0);
    asm.store(Width::U64, Reg::R10, AWAITED, Reg::R1);
}

/// Leaves the verdict to the last program, if a hash is awaited: the kernel runs none behind a denial.
pub(crate) fn defer(asm: &mut Assembler, point: &Point) {
    if !point.hooks.iter().any(wanted) {
        return;
    }
    let done = asm.label();
    asm.jump_if(Condition::Eq, VERDICT, 0, done);
    asm.load(Width::U64, Reg::R1, Reg::R10, AWAITED);
    asm.jump_if(Condition::Eq, Reg::R1, 0, done);
    asm.copy(Reg::R1, VERDICT);
    asm.call(runtime::DEFER);
    asm.jump_if(Condition::Eq, Reg::R0, 0, done);
    asm.set(VERDICT, 0);
    asm.bind(done);
}

/// The program that asks for the hash, which must be one that may sleep.
pub fn hash(hashed: Hashed) -> Result<Code, Error> {
    const KEY: i16 = -8;
    let mut asm = Assembler::new();
    let (none, done) = (asm.label(), asm.label());
    asm.copy(Reg::R6, Reg::R1);
    asm.call_helper(PID_TGID);
    asm.store(Width::U64, Reg::R10, KEY, Reg::R0);
    asm.map(Reg::R1, runtime::HASHES);
    asm.copy(Reg::R2, Reg::R10);
    asm.alu(Alu::Add, Reg::R2, i32::from(KEY));
    asm.call_helper(MAP_LOOKUP);
    asm.jump_if(Condition::Eq, Reg::R0, 0, none);
    asm.copy(Reg::R7, Reg::R0);
    asm.load(Width::U32, Reg::R1, Reg::R7, offset::AWAITED_POINT);
    asm.set(Reg::R2, u64::from(hashed.point));
    asm.jump_if_reg(Condition::Ne, Reg::R1, Reg::R2, none);
    asm.load(Width::U32, Reg::R1, Reg::R7, offset::AWAITED_STATE);
    asm.jump_if(Condition::Ne, Reg::R1, u64::from(awaited_state::AWAITED), none);
    asm.store_imm(
        Width::U32,
        Reg::R7,
        offset::AWAITED_STATE,
        awaited_state::READING as i32,
    );
    file(&mut asm, hashed);
    asm.jump_if(Condition::Eq, Reg::R1, 0, done);
    asm.copy(Reg::R2, Reg::R7);
    asm.alu(Alu::Add, Reg::R2, i32::from(offset::AWAITED_DIGEST));
    asm.set(Reg::R3, u64::from(file_hash::LEN));
    asm.call_helper(IMA_FILE_HASH);
    asm.store(Width::U64, Reg::R7, offset::AWAITED_ALGORITHM, Reg::R0);
    asm.bind(done);
    asm.store_imm(Width::U32, Reg::R7, offset::AWAITED_STATE, awaited_state::READ as i32);
    asm.bind(none);
    asm.set(Reg::R0, 0);
    asm.exit();
    asm.finish()
}

/// `R1` = the file, as the verifier knows it. The context is in `R6`.
fn file(asm: &mut Assembler, hashed: Hashed) {
    asm.load(Width::U64, Reg::R1, Reg::R6, 0);
    if let Some(member) = hashed.member {
        asm.load(Width::U64, Reg::R1, Reg::R1, member);
    }
}

/// The program that sends the rest of the events, and returns the verdict.
pub fn settle(hashed: Hashed) -> Result<Code, Error> {
    let point = u64::from(hashed.point);
    let mut asm = Assembler::new();
    let (lost, settled, none) = (asm.label(), asm.label(), asm.label());
    asm.set(Reg::R1, point);
    asm.call(runtime::HASHED);
    asm.jump_if(Condition::Eq, Reg::R0, 0, none);
    asm.call(runtime::CLAIM);
    asm.copy(Reg::R6, Reg::R0);
    asm.jump_if(Condition::Eq, Reg::R6, 0, lost);
    for index in 0..AWAITING {
        scratch_number(&mut asm, Reg::R1);
        asm.set(Reg::R2, index as u64);
        asm.set(Reg::R3, point);
        asm.call(runtime::HASH);
    }
    asm.store_imm(Width::U64, Reg::R6, offset::BUSY, 0);
    asm.jump(settled);
    asm.bind(lost);
    asm.set(Reg::R1, u64::from(op::LSM));
    asm.call(runtime::LOST);
    asm.bind(settled);
    asm.set(Reg::R1, point);
    asm.call(runtime::SETTLE);
    // For the verifier, which has to know that it is an error.
    asm.jump_if(Condition::SGe, Reg::R0, 0, none);
    asm.jump_if(Condition::SLt, Reg::R0, i64::from(-MAX_ERRNO) as u64, none);
    asm.exit();
    asm.bind(none);
    asm.set(Reg::R0, 0);
    asm.exit();
    asm.finish()
}
