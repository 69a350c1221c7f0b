//! Hashes of files in events of security hooks: the programs that run behind the one with the policies, and what that one
//! leaves to them.

use ebpf_abi::{
    event::{file_hash, op},
    hook::{AWAITING, awaited_state, offset, runtime},
};
use ebpf_asm::{Alu, Assembler, Code, Condition, Error, Label, Reg, Width};

use crate::{
    change::FAILED,
    compile::{MAP_LOOKUP, MAX_ERRNO, VERDICT},
    plan::{Action, FileOffsets, Hashed, Hook, Point, Post},
    read::{PID_TGID, scratch_number},
};

/// `bpf_ima_file_hash` (`enum bpf_func_id`, kernel 5.18).
const IMA_FILE_HASH: u32 = 193;

/// Where on the stack the number of events is that await a hash.
const AWAITED: i16 = FAILED - 8;

/// Files that are longer, in bytes, are not read. Reading one of this length takes a second, or some on a slow disk; and as
/// long as it is read, no program that may sleep is taken out of the memory of the machine (`call_rcu_tasks_trace`).
pub const LONGEST: u32 = 128 << 20;

/// Bit of `file.f_mode` of a file that is open for reading (`FMODE_READ`, `include/linux/fs.h`).
const FOR_READING: i32 = 1;

/// What of `inode.i_mode` is the kind of file, and what it is of a regular one (`S_IFMT` and `S_IFREG`,
/// `include/uapi/linux/stat.h`).
const KIND: i32 = 0o170_000;
const REGULAR: u64 = 0o100_000;

/// File systems whose files come from elsewhere, and may be awaited for ever (`f_type` of statfs(2)): FUSE, NFS, SMB (of two
/// generations), Ceph, 9P, AFS, Coda (`include/uapi/linux/magic.h`).
pub const ELSEWHERE: [u32; 8] = [
    0x6573_5546,
    0x6969,
    0xff53_4d42,
    0xfe53_4d42,
    0x00c3_6400,
    0x0102_1997,
    0x5346_414f,
    0x7375_7245,
];

/// What the hash is of that events of `hooks`, which are at one point, may have.
pub fn hashed<'a>(hooks: impl IntoIterator<Item = &'a Hook>) -> Option<Hashed> {
    let mut actions = hooks.into_iter().flat_map(Hook::actions);
    actions.find_map(|action| match action {
        Action::Post(Post { hash, .. }) => *hash,
        _ => None,
    })
}

/// What comes first in a function of `point`.
pub(crate) fn prologue(asm: &mut Assembler, point: &Point) {
    if hashed(&point.hooks).is_some() {
        asm.store_imm(Width::U64, Reg::R10, AWAITED, 0);
        asm.call(runtime::AFRESH);
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

/// Leaves the verdict to the last program, if a hash is awaited: the kernel runs none behind a denial. Where it cannot be left
/// to that one, the events go without.
pub(crate) fn defer(asm: &mut Assembler, point: &Point) {
    let Some(Hashed { point, defers, .. }) = hashed(&point.hooks) else {
        return;
    };
    let (at_once, done) = (asm.label(), asm.label());
    asm.jump_if(Condition::Eq, VERDICT, 0, done);
    asm.load(Width::U64, Reg::R1, Reg::R10, AWAITED);
    asm.jump_if(Condition::Eq, Reg::R1, 0, done);
    if defers {
        asm.copy(Reg::R1, VERDICT);
        asm.call(runtime::DEFER);
        asm.jump_if(Condition::Eq, Reg::R0, 0, at_once);
        asm.set(VERDICT, 0);
        asm.jump(done);
        asm.bind(at_once);
    }
    asm.jump_if(Condition::Eq, Reg::R6, 0, done);
    send(asm, point);
    asm.set(Reg::R1, u64::from(point));
    asm.call(runtime::SETTLE);
    asm.bind(done);
}

/// Sends the rest of all events that await a hash at `point`. The scratch is in `R6`.
fn send(asm: &mut Assembler, point: u32) {
    for index in 0..AWAITING {
        scratch_number(asm, Reg::R1);
        asm.set(Reg::R2, index as u64);
        asm.set(Reg::R3, u64::from(point));
        asm.call(runtime::HASH);
    }
}

/// The program that asks for the hash, which must be one that may sleep.
pub fn hash(hashed: Hashed) -> Result<Code, Error> {
    const KEY: i16 = -8;
    let mut asm = Assembler::new();
    let (none, left_out, done) = (asm.label(), asm.label(), asm.label());
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
    asm.copy(Reg::R8, Reg::R1);
    check(&mut asm, hashed.offsets, left_out);
    asm.copy(Reg::R1, Reg::R8);
    asm.copy(Reg::R2, Reg::R7);
    asm.alu(Alu::Add, Reg::R2, i32::from(offset::AWAITED_DIGEST));
    asm.set(Reg::R3, u64::from(file_hash::LEN));
    asm.call_helper(IMA_FILE_HASH);
    asm.store(Width::U64, Reg::R7, offset::AWAITED_ALGORITHM, Reg::R0);
    asm.bind(done);
    asm.store_imm(Width::U32, Reg::R7, offset::AWAITED_STATE, awaited_state::READ as i32);
    asm.jump(none);
    asm.bind(left_out);
    asm.store_imm(
        Width::U32,
        Reg::R7,
        offset::AWAITED_STATE,
        awaited_state::LEFT_OUT as i32,
    );
    asm.bind(none);
    asm.set(Reg::R0, 0);
    asm.exit();
    asm.finish()
}

/// Goes to `left_out` if reading the file in `R8` may take too long: because it is no regular one, because of its length, because
/// it is from elsewhere, or because whoever mounted its file system needed no privilege for that. Or because it is not open for
/// reading: the kernel would open it once more (`ima_calc_file_hash`), and wait for what an open waits for, such as whoever has
/// a lease on it.
fn check(asm: &mut Assembler, offsets: FileOffsets, left_out: Label) {
    let FileOffsets {
        mode,
        inode,
        kind,
        size,
        super_block,
        magic,
        user_ns,
        level,
    } = offsets;
    asm.load(Width::U32, Reg::R1, Reg::R8, mode);
    asm.alu(Alu::And, Reg::R1, FOR_READING);
    asm.jump_if(Condition::Eq, Reg::R1, 0, left_out);
    asm.load(Width::U64, Reg::R1, Reg::R8, inode);
    asm.load(Width::U16, Reg::R2, Reg::R1, kind);
    asm.alu(Alu::And, Reg::R2, KIND);
    asm.jump_if(Condition::Ne, Reg::R2, REGULAR, left_out);
    asm.load(Width::U64, Reg::R2, Reg::R1, size);
    asm.jump_if(Condition::Gt, Reg::R2, u64::from(LONGEST), left_out);
    asm.load(Width::U64, Reg::R1, Reg::R1, super_block);
    asm.load(Width::U64, Reg::R2, Reg::R1, magic);
    for elsewhere in ELSEWHERE {
        asm.jump_if(Condition::Eq, Reg::R2, u64::from(elsewhere), left_out);
    }
    asm.load(Width::U64, Reg::R1, Reg::R1, user_ns);
    asm.load(Width::U32, Reg::R1, Reg::R1, level);
    asm.jump_if(Condition::Ne, Reg::R1, 0, left_out);
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
    send(&mut asm, hashed.point);
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
