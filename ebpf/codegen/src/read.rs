//! Reading what selectors and reports need, once.

use ebpf_abi::hook::{READ, SLOTS, fact, offset, pieces, runtime};
use ebpf_asm::{Alu, Assembler, Condition, Label, Reg, Width};

use crate::plan::{Arg, Context, Length, Operand, Place, Read, Socket, Source, Subject};

/// `struct pt_regs` of x86-64 (arch/x86/include/asm/ptrace.h): offset of each parameter of a function, and of a system
/// call, which has R10 where a function has RCX; offset of the result.
const PARAMETERS: [i16; 6] = [112, 104, 96, 88, 72, 64];
const SYSCALL_PARAMETERS: [i16; 6] = [112, 104, 96, 56, 72, 64];
/// Of a system call of a 32-bit program: EBX, ECX, EDX, ESI, EDI, EBP (`arch/x86/include/asm/syscall_wrapper.h`).
const COMPAT_PARAMETERS: [i16; 6] = [40, 88, 96, 104, 112, 32];
const RESULT: i16 = 80;
const STACK_POINTER: i16 = 152;

/// Offset of parameter `index` of a system call.
fn syscall_parameter(compat: bool, index: u8) -> i16 {
    let registers = if compat { COMPAT_PARAMETERS } else { SYSCALL_PARAMETERS };
    registers[usize::from(index) % 6]
}

/// `bpf_probe_read_user`, `bpf_probe_read_kernel`, `bpf_get_current_pid_tgid` and `bpf_get_current_task`
/// (`enum bpf_func_id`).
pub(crate) const PROBE_READ_USER: u32 = 112;
const PROBE_READ_KERNEL: u32 = 113;
pub(crate) const PID_TGID: u32 = 14;
pub(crate) const CURRENT_TASK: u32 = 35;

/// Where `raw_syscalls:sys_exit` records what the call returns (include/trace/events/syscalls.h).
const SYSCALL_RESULT: i16 = 16;

/// Where on the stack a pointer or number is read to.
pub(crate) const CELL: i16 = -8;

/// Where on the stack the registers of a system call are, up to the first argument of a 64-bit program.
const REGS: i16 = CELL - REGS_LEN;
const REGS_LEN: i16 = 15 * 8;

/// Where on the stack a number waits for another.
pub(crate) const SPILL: i16 = REGS - 8;

/// Where things are read to. `R6` is the scratch, 0 while there is none; `R7` is the context.
pub(crate) struct Reader {
    context: Context,
    /// Where to go when there is no scratch left.
    none_left: Label,
    /// Things that were given a place, in order. The slot is the position, modulo [`SLOTS`].
    things: Vec<Thing>,
    /// Of each change of registers so far, which it changes: offsets in `struct pt_regs`.
    pub(crate) changes: Vec<Vec<i16>>,
}

/// Something that is read into a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Thing {
    Arg(Source, Vec<i32>, Read),
    Binary,
}

impl Reader {
    pub(crate) fn new(context: Context, asm: &mut Assembler) -> Self {
        Self {
            context,
            none_left: asm.label(),
            things: vec![],
            changes: vec![],
        }
    }

    /// What comes first in the function. `parameters`: whether any is needed.
    pub(crate) fn prologue(&self, asm: &mut Assembler, parameters: bool) {
        asm.copy(Reg::R7, Reg::R1);
        asm.set(Reg::R6, 0);
        if let Context::SyscallRegisters { .. } = self.context
            && parameters
        {
            asm.load(Width::U64, Reg::R3, Reg::R7, PARAMETERS[0]);
            asm.copy(Reg::R1, Reg::R10);
            asm.alu(Alu::Add, Reg::R1, i32::from(REGS));
            asm.set(Reg::R2, REGS_LEN as u64);
            asm.call_helper(PROBE_READ_KERNEL);
        }
    }

    /// Where to go when there is no scratch left, from now on.
    pub(crate) fn begin_hook(&mut self, asm: &mut Assembler) -> Label {
        self.none_left = asm.label();
        self.none_left
    }

    /// Claims a scratch, or goes to `otherwise` when none is left.
    pub(crate) fn claim_or(&mut self, asm: &mut Assembler, otherwise: Label) {
        let none_left = std::mem::replace(&mut self.none_left, otherwise);
        self.claim(asm);
        self.none_left = none_left;
    }

    /// Goes where a hook goes that finds no scratch.
    pub(crate) fn give_up(&self, asm: &mut Assembler) {
        asm.jump(self.none_left);
    }

    /// Claims a scratch unless there is one already, and goes to the end of the hook when none is left. Spoils `R0` to `R5`.
    pub(crate) fn claim(&self, asm: &mut Assembler) {
        let there = asm.label();
        asm.jump_if(Condition::Ne, Reg::R6, 0, there);
        asm.call(runtime::CLAIM);
        asm.copy(Reg::R6, Reg::R0);
        asm.jump_if(Condition::Eq, Reg::R6, 0, self.none_left);
        forget(asm);
        asm.bind(there);
    }

    /// `dst` = an address that only this call of the function has, the same at its entry and its return. Spoils `R0` to `R5`.
    pub(crate) fn key(&self, asm: &mut Assembler, dst: Reg, at_return: bool) {
        match self.context {
            Context::Registers | Context::Program | Context::SyscallRegisters { .. } => {
                asm.load(Width::U64, dst, Reg::R7, STACK_POINTER);
                if at_return {
                    // The return address was there and was taken from the stack.
                    asm.alu(Alu::Sub, dst, 8);
                }
            }
            // A thread is in one system call at a time.
            Context::Record => {
                asm.call_helper(CURRENT_TASK);
                asm.copy(dst, Reg::R0);
            }
            // One trampoline calls the programs of both, with the same context.
            _ => {
                self.claim(asm);
                number(asm, Reg::R7, dst);
            }
        }
    }

    /// `dst` = whether calls are those of programs, which may make as many as they like.
    pub(crate) fn of_program(&self, asm: &mut Assembler, dst: Reg) {
        asm.set(dst, u64::from(self.context == Context::Program));
    }

    /// `dst` = the word that `source` has, as it is. Spoils `R0` to `R5` unless a scratch has been claimed, and always if it
    /// is an operand in memory. Goes to `fail` if that cannot be read, with why in `R8`.
    pub(crate) fn word(&self, asm: &mut Assembler, source: Source, dst: Reg, fail: Label) {
        let (base, offset) = match (self.context, source) {
            (Context::Registers | Context::Program, Source::Parameter(index)) => {
                (Reg::R7, PARAMETERS[usize::from(index) % 6])
            }
            (Context::SyscallRegisters { compat }, Source::Parameter(index)) => {
                (Reg::R10, REGS + syscall_parameter(compat, index))
            }
            (Context::SyscallFunction { compat, .. }, Source::Parameter(index)) => {
                // The verifier knows what it points to, and lets the code read there.
                asm.load(Width::U64, dst, Reg::R7, 0);
                (dst, syscall_parameter(compat, index))
            }
            (Context::Registers | Context::Program | Context::SyscallRegisters { .. }, Source::Return) => {
                (Reg::R7, RESULT)
            }
            (Context::SyscallFunction { .. }, Source::Return) => (Reg::R7, 8),
            (Context::Words, Source::Parameter(index)) => (Reg::R7, i16::from(index) * 8),
            (Context::Function { parameters, pointers }, Source::Return) => {
                self.typed(asm, pointers, parameters, dst);
                return;
            }
            (Context::Function { pointers, .. } | Context::Lsm { pointers }, Source::Parameter(index)) => {
                self.typed(asm, pointers, index, dst);
                return;
            }
            (
                Context::Registers | Context::Program | Context::SyscallRegisters { .. },
                Source::Register { offset, bytes },
            ) => {
                asm.load(Width::of(bytes), dst, Reg::R7, offset);
                return;
            }
            (Context::Registers | Context::Program, Source::Operand(operand)) => {
                operand_word(asm, operand, dst, fail);
                return;
            }
            (Context::Record, Source::Field { offset, bytes }) => {
                asm.load(Width::of(bytes), dst, Reg::R7, offset as i16);
                return;
            }
            (Context::Record, Source::Return) => (Reg::R7, SYSCALL_RESULT),
            (Context::Record, Source::Record) => {
                self.claim(asm);
                number(asm, Reg::R7, dst);
                return;
            }
            (Context::Record, Source::DataLoc { offset }) => {
                self.claim(asm);
                number(asm, Reg::R7, dst);
                asm.load(Width::U32, Reg::R0, Reg::R7, offset as i16);
                asm.alu(Alu::And, Reg::R0, 0xffff);
                asm.alu_reg(Alu::Add, dst, Reg::R0);
                return;
            }
            (_, Source::Saved(index)) => {
                self.claim(asm);
                (Reg::R6, offset::saved(usize::from(index)))
            }
            (_, Source::Task) => {
                asm.call_helper(CURRENT_TASK);
                asm.copy(dst, Reg::R0);
                return;
            }
            (context, source) => {
                debug_assert!(false, "{context:?} has no {source:?}");
                asm.set(dst, 0);
                return;
            }
        };
        asm.load(Width::U64, dst, base, offset);
    }

    /// `dst` = word `index` of a context whose types the verifier knows, as a mere number.
    fn typed(&self, asm: &mut Assembler, pointers: u16, index: u8, dst: Reg) {
        if pointers & 1 << index == 0 {
            asm.load(Width::U64, dst, Reg::R7, i16::from(index) * 8);
            return;
        }
        self.claim(asm);
        asm.load(Width::U64, dst, Reg::R7, i16::from(index) * 8);
        number(asm, dst, dst);
    }

    /// Puts a number of bytes or pieces that is an operand aside, before the address is in a register that reading it spoils.
    fn spill(&self, asm: &mut Assembler, read: Read, fail: Label) {
        if let Read::Bytes { len, .. } | Read::Pieces(_, len) = read
            && let Length::Word { source, .. } = len
            && let Source::Operand(_) = source
        {
            self.word(asm, source, Reg::R0, fail);
            asm.store(Width::U64, Reg::R10, SPILL, Reg::R0);
        }
    }

    /// `dst` = a number of bytes or pieces. An operand was [put aside](Self::spill).
    fn length(&self, asm: &mut Assembler, length: Length, dst: Reg, fail: Label) {
        match length {
            Length::Fixed(number) => asm.set(dst, number.into()),
            Length::Word {
                source: Source::Operand(_),
                bytes,
                signed,
            } => {
                asm.load(Width::U64, dst, Reg::R10, SPILL);
                extend(asm, dst, bytes, signed);
            }
            Length::Word { source, bytes, signed } => {
                self.word(asm, source, dst, fail);
                extend(asm, dst, bytes, signed);
            }
        }
    }

    /// `R3` and `R4` = address and number of the bytes that `arg` is, or `R3` the iterator over them. Returns the runtime
    /// function that sends them beside the record, and whether they are in user space whatever the address; nothing if it is
    /// neither.
    pub(crate) fn beside(&self, asm: &mut Assembler, arg: &Arg, fail: Label) -> Option<(&'static str, bool)> {
        match arg.read {
            Read::Bytes { len, user } => {
                self.spill(asm, arg.read, fail);
                self.walk(asm, arg.source, &arg.way, fail);
                self.length(asm, len, Reg::R4, fail);
                Some((runtime::DATA, user))
            }
            Read::Pieces(pieces::ITERATOR, _) => {
                self.walk(asm, arg.source, &arg.way, fail);
                Some((runtime::DATA_PIECES, false))
            }
            _ => None,
        }
    }

    /// `R3` = the address of `socket`. Goes to `fail` where the way ends early.
    pub(crate) fn socket(&self, asm: &mut Assembler, socket: &Socket, fail: Label) {
        self.walk(asm, socket.source, &socket.way, fail);
    }

    /// `R3` = the address at the end of `way`, which begins at `source`, or the word there when it has no parts. Where a
    /// pointer cannot be read, goes to `fail` with the number of that pointer, from 1, in `R8`.
    fn walk(&self, asm: &mut Assembler, source: Source, way: &[i32], fail: Label) {
        self.word(asm, source, Reg::R3, fail);
        let Some((&last, pointers)) = way.split_last() else {
            return;
        };
        for (index, &offset) in pointers.iter().enumerate() {
            asm.set(Reg::R8, index as u64 + 1);
            read_cell(asm, self.helper(source), offset, 8, fail);
            asm.load(Width::U64, Reg::R3, Reg::R10, CELL);
        }
        asm.alu(Alu::Add, Reg::R3, last);
    }

    /// The helper that reads the memory which ways from `source` lead through.
    fn helper(&self, source: Source) -> u32 {
        match (self.context, source) {
            (Context::Program, Source::Parameter(_) | Source::Operand(_) | Source::Return | Source::Saved(_)) => {
                PROBE_READ_USER
            }
            _ => PROBE_READ_KERNEL,
        }
    }

    /// `R2` = the number that `arg` is, extended to 64 bits by its type. Goes to `fail` if it cannot be read, with why
    /// in `R8`.
    fn number(&self, asm: &mut Assembler, arg: &Arg, bytes: u8, signed: bool, fail: Label) {
        if arg.way.is_empty() {
            self.word(asm, arg.source, Reg::R2, fail);
        } else {
            self.walk(asm, arg.source, &arg.way, fail);
            asm.set(Reg::R8, arg.way.len() as u64);
            read_cell(asm, self.helper(arg.source), 0, bytes, fail);
            asm.load(Width::U64, Reg::R2, Reg::R10, CELL);
        }
        extend(asm, Reg::R2, bytes, signed);
    }

    /// `R2` = the number that `arg` is. Returns whether numbers of its type have a sign; `None` if it is no number. Goes to
    /// `fail` if it cannot be read, with why in `R8`.
    pub(crate) fn arg_number(&self, asm: &mut Assembler, arg: &Arg, fail: Label) -> Option<bool> {
        match arg.read {
            Read::Number { bytes, signed } => {
                self.number(asm, arg, bytes, signed, fail);
                Some(signed)
            }
            Read::Syscall => {
                self.number(asm, arg, 8, false, fail);
                asm.copy(Reg::R1, Reg::R2);
                asm.call(runtime::SYSCALL);
                asm.copy(Reg::R2, Reg::R0);
                Some(false)
            }
            _ => None,
        }
    }

    /// `R2` = the number that `subject` is. Returns whether numbers of its type have a sign; `None` if it is no number.
    ///
    /// Goes to `fail` if it cannot be read.
    pub(crate) fn subject(&self, asm: &mut Assembler, subject: Subject, args: &[Arg], fail: Label) -> Option<bool> {
        match subject {
            Subject::Arg(index) => self.arg_number(asm, args.get(index)?, fail),
            Subject::Pid => {
                asm.call_helper(PID_TGID);
                asm.copy(Reg::R2, Reg::R0);
                asm.alu(Alu::Shr, Reg::R2, 32);
                Some(false)
            }
            Subject::Fact(what) => {
                debug_assert!(what <= fact::EXECUTING, "a fact that the runtime knows");
                asm.set(Reg::R1, u64::from(what));
                asm.call(runtime::FACT);
                asm.copy(Reg::R2, Reg::R0);
                Some(false)
            }
            Subject::Binary => None,
        }
    }

    /// Reads what `subject` is into a slot, unless it is there already, and goes to `fail` if it cannot be read.
    /// Returns the slot; `None` if it is a number. `R8` says why it cannot be read.
    pub(crate) fn text(&mut self, asm: &mut Assembler, subject: Subject, args: &[Arg], fail: Label) -> Option<usize> {
        let thing = match subject {
            Subject::Binary => Thing::Binary,
            Subject::Arg(index) => match args.get(index)? {
                Arg {
                    read: Read::Number { .. } | Read::Syscall,
                    ..
                } => return None,
                Arg { source, way, read, .. } => Thing::Arg(*source, way.clone(), *read),
            },
            Subject::Pid | Subject::Fact(_) => return None,
        };
        let number = self.things.iter().position(|known| *known == thing).unwrap_or_else(|| {
            self.things.push(thing.clone());
            self.things.len() - 1
        });
        let slot = number % SLOTS;
        // Things beyond the number of slots are read each time, and take the slot of another, which is then read again.
        let remembered = number < SLOTS;
        self.claim(asm);
        let (tried, there) = (1_u64 << slot, 1_u64 << (slot as u32 + READ));
        let (known, done, unread) = (asm.label(), asm.label(), asm.label());
        if remembered {
            asm.load(Width::U64, Reg::R0, Reg::R6, offset::STATE);
            asm.jump_if(Condition::Set, Reg::R0, tried, known);
        }
        self.read(asm, &thing, slot, unread);
        asm.load(Width::U64, Reg::R1, Reg::R6, offset::STATE);
        asm.alu(Alu::And, Reg::R1, !((tried | there) as i32));
        if remembered {
            asm.alu(Alu::Or, Reg::R1, tried as i32);
        }
        asm.store(Width::U64, Reg::R6, offset::STATE, Reg::R1);
        asm.jump_if(Condition::Eq, Reg::R0, 0, fail);
        if remembered {
            asm.alu(Alu::Or, Reg::R1, there as i32);
            asm.store(Width::U64, Reg::R6, offset::STATE, Reg::R1);
        }
        asm.jump(done);
        if asm.is_used(unread) {
            // Not remembered, so that the way is walked again where it matters why it ends early.
            asm.bind(unread);
            asm.jump(fail);
        }
        if remembered {
            asm.bind(known);
            asm.jump_if(Condition::Set, Reg::R0, there, done);
            asm.set(Reg::R8, UNREADABLE);
            asm.jump(fail);
        }
        asm.bind(done);
        Some(slot)
    }

    /// `R0` = whether `thing` could be read into `slot`. Goes to `fail` if its way ends early.
    fn read(&self, asm: &mut Assembler, thing: &Thing, slot: usize, fail: Label) {
        if let Thing::Arg(source, way, read) = thing {
            self.spill(asm, *read, fail);
            self.walk(asm, *source, way, fail);
        }
        let name = match *thing {
            Thing::Binary => runtime::BINARY,
            Thing::Arg(_, _, Read::Text { user }) => {
                asm.set(Reg::R4, u64::from(user));
                runtime::STRING
            }
            Thing::Arg(_, _, Read::Path(kind)) => {
                asm.copy(Reg::R4, Reg::R3);
                asm.set(Reg::R3, u64::from(kind));
                runtime::PATH
            }
            Thing::Arg(_, _, Read::Structure(kind)) => {
                asm.copy(Reg::R4, Reg::R3);
                asm.set(Reg::R3, u64::from(kind));
                runtime::STRUCTURE
            }
            Thing::Arg(_, _, Read::Bytes { len, user }) => {
                self.length(asm, len, Reg::R4, fail);
                asm.set(Reg::R5, u64::from(user));
                runtime::BYTES
            }
            Thing::Arg(_, _, Read::Pieces(what, count)) => {
                self.length(asm, count, Reg::R5, fail);
                asm.copy(Reg::R4, Reg::R3);
                asm.set(Reg::R3, u64::from(what));
                runtime::PIECES
            }
            // Numbers are not read into slots.
            Thing::Arg(_, _, Read::Number { .. } | Read::Syscall) => return,
        };
        asm.set(Reg::R8, UNREADABLE);
        scratch_number(asm, Reg::R1);
        asm.set(Reg::R2, slot as u64);
        asm.call(name);
    }
}

/// Extends the lowest `bytes` bytes of `reg` to all of it.
fn extend(asm: &mut Assembler, reg: Reg, bytes: u8, signed: bool) {
    let unused = 64 - 8 * i32::from(bytes);
    if unused > 0 {
        asm.alu(Alu::Shl, reg, unused);
        asm.alu(if signed { Alu::Sar } else { Alu::Shr }, reg, unused);
    }
}

/// Nothing that was read is still there.
pub(crate) fn forget(asm: &mut Assembler) {
    asm.store_imm(Width::U64, Reg::R6, offset::STATE, 0);
}

/// Forgets what was read into `slot`, which is needed for something else. A scratch has been claimed. Spoils `R0`.
pub(crate) fn vacate(asm: &mut Assembler, slot: usize) {
    let (tried, there) = (1_u64 << slot, 1_u64 << (slot as u32 + READ));
    asm.load(Width::U64, Reg::R0, Reg::R6, offset::STATE);
    asm.alu(Alu::And, Reg::R0, !((tried | there) as i32));
    asm.store(Width::U64, Reg::R6, offset::STATE, Reg::R0);
}

/// `dst` = the number of the scratch, which has been claimed.
pub(crate) fn scratch_number(asm: &mut Assembler, dst: Reg) {
    asm.load(Width::U32, dst, Reg::R6, offset::INDEX);
}

/// Status of an argument whose value itself could not be read: -1 in 32 bits.
const UNREADABLE: u64 = u32::MAX as u64;

/// Reads `bytes` bytes at `R3` plus `offset` into the cell with `helper`, or goes to `fail`.
pub(crate) fn read_cell(asm: &mut Assembler, helper: u32, offset: i32, bytes: u8, fail: Label) {
    asm.copy(Reg::R1, Reg::R10);
    asm.alu(Alu::Add, Reg::R1, i32::from(CELL));
    asm.store_imm(Width::U64, Reg::R10, CELL, 0);
    asm.set(Reg::R2, u64::from(bytes));
    if offset != 0 {
        asm.alu(Alu::Add, Reg::R3, offset);
    }
    asm.call_helper(helper);
    asm.jump_if(Condition::Ne, Reg::R0, 0, fail);
}

/// `R3` = the sum of a register of the interrupted code and of another one, shifted to the left. Spoils `R0`.
pub(crate) fn address(asm: &mut Assembler, base: Option<i16>, index: Option<(i16, u8)>) {
    match base {
        Some(offset) => asm.load(Width::U64, Reg::R3, Reg::R7, offset),
        None => asm.set(Reg::R3, 0),
    }
    if let Some((offset, shift)) = index {
        asm.load(Width::U64, Reg::R0, Reg::R7, offset);
        asm.alu(Alu::Shl, Reg::R0, shift.into());
        asm.alu_reg(Alu::Add, Reg::R3, Reg::R0);
    }
}

/// `dst` = what the interrupted code has as `operand`. Goes to `fail` if it cannot be read, with why in `R8`.
fn operand_word(asm: &mut Assembler, operand: Operand, dst: Reg, fail: Label) {
    let Operand { place, bytes, signed } = operand;
    match place {
        Place::Constant(value) => asm.set(dst, operand.extended(value)),
        Place::Register(offset) => asm.load(Width::of(bytes), dst, Reg::R7, offset),
        Place::Memory {
            base,
            index,
            displacement,
        } => {
            address(asm, base, index);
            asm.set(Reg::R8, UNREADABLE);
            read_cell(asm, PROBE_READ_USER, displacement, bytes, fail);
            asm.load(Width::of(bytes), dst, Reg::R10, CELL);
        }
    }
    // Whatever is loaded is extended by zeroes.
    if signed && !matches!(place, Place::Constant(_)) {
        extend(asm, dst, bytes, signed);
    }
}

/// `dst` = the pointer `src` as a mere number: by a detour through the scratch. Runtime functions take nothing else.
fn number(asm: &mut Assembler, src: Reg, dst: Reg) {
    asm.store(Width::U64, Reg::R6, offset::CELL, src);
    asm.load(Width::U64, dst, Reg::R6, offset::CELL);
}
