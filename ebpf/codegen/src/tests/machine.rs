//! A machine that runs code, with a runtime that writes down what it is asked for.

use std::collections::HashMap;

use ebpf_abi::event::hook_flag;
use ebpf_abi::hook::{HookScratch, SAVED, SLOT_LEN, fact, offset, runtime};
use ebpf_asm::{Code, Insn};

use crate::{Context, Source};

/// What the code finds.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) args: [u64; 6],
    pub(super) result: u64,
    pub(super) pid: u32,
    pub(super) facts: [u64; 8],
    /// What is at an address: the address modulo 8 says which; `None` is not readable.
    pub(super) strings: Vec<Option<Vec<u8>>>,
    pub(super) binary: Option<Vec<u8>>,
    pub(super) task: u64,
    pub(super) register: u64,
    /// Whether what a program is called with leads through the memory of the process.
    pub(super) in_program: bool,
    /// What was kept at the entry of the function: its time and words. By the number of the hook, modulo 2.
    pub(super) kept: [Option<(u64, [u64; SAVED])>; 2],
    /// Whether records like this one were let through a short while ago.
    pub(super) limited: bool,
    /// Whether there is a scratch left.
    pub(super) scratch: bool,
    /// The generation that ran last.
    pub(super) latest: u64,
    /// What the enforcers of policies 0 and 1 were told for the current thread.
    pub(super) told: [u64; 2],
}

impl World {
    /// The world as it is at a hook of this kind.
    pub(super) fn at(mut self, context: Context) -> Self {
        self.register = match context {
            Context::SyscallRegisters { .. } => 0xa5a5_a5a5_a5a5_a5a5,
            _ => self.args[2],
        };
        self.in_program = context == Context::Program;
        self
    }

    /// The word at an address on a way from `source`.
    pub(super) fn on_way(&self, source: Source, address: u64) -> Option<u64> {
        match source {
            Source::Parameter(_) | Source::Operand(_) | Source::Return | Source::Saved(_) if self.in_program => {
                user_memory(address)
            }
            _ => memory(address),
        }
    }

    pub(super) fn string(&self, address: u64) -> Option<Vec<u8>> {
        self.strings[address as usize % 8].clone()
    }

    pub(super) fn bytes(&self, address: u64, length: u64) -> Option<Vec<u8>> {
        if (length as i64) < 0 {
            return None;
        }
        let mut bytes = self.string(address)?;
        bytes.truncate(length.min(SLOT_LEN as u64 - 1) as usize);
        Some(bytes)
    }
}

/// The word at an address of the kernel, by a rule that makes some unreadable.
fn memory(address: u64) -> Option<u64> {
    (!address.is_multiple_of(7)).then(|| address.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_right(29))
}

/// The addresses of the code that is running, by a rule that finds none at times.
pub(super) fn stack_of(world: &World, user: bool) -> Option<Vec<u8>> {
    let words = [world.task, if user { 1 } else { 2 }];
    (!world.task.is_multiple_of(3)).then(|| words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

/// Whether so many bytes travel beside the record, by a rule.
pub(super) fn is_beside(address: u64, len: u64) -> bool {
    (address ^ len).is_multiple_of(2)
}

/// The word at an address of the process, by another rule.
pub(super) fn user_memory(address: u64) -> Option<u64> {
    (!address.is_multiple_of(5)).then(|| address.wrapping_mul(0xd134_2543_de82_ef95).rotate_left(23))
}

/// Whether the process can write at an address, by a rule.
pub(super) fn is_writable(address: u64) -> bool {
    !address.is_multiple_of(3)
}

/// The parent of a process, by a rule that makes a few generations.
pub(super) fn parent(task: u64) -> u64 {
    if task.is_multiple_of(5) {
        0
    } else {
        task.wrapping_mul(7) >> 1
    }
}

/// The id of a process, small.
pub(super) fn pid_of(task: u64, namespaced: bool) -> u64 {
    task % if namespaced { 4 } else { 7 }
}

pub(super) fn contains(text: &[u8], part: &[u8], fold: bool) -> bool {
    let text = if fold { text.to_ascii_lowercase() } else { text.to_vec() };
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

/// Whom sockets belong to, by a rule as long as nothing has changed; 0 for nobody. The current process is 1.
#[derive(Debug, Default)]
pub(super) struct Owners(HashMap<(u64, u64), u32>);

impl Owners {
    pub(super) fn of(&self, structure: u64, address: u64) -> u32 {
        let rule = if (address ^ structure).is_multiple_of(2) {
            address as u32 | 2
        } else {
            0
        };
        self.0.get(&(structure, address)).copied().unwrap_or(rule)
    }

    /// The socket belongs to the owner of the event, the current process if that has none.
    pub(super) fn track(&mut self, structure: u64, address: u64, owner: u32) {
        self.0.insert((structure, address), owner.max(1));
    }

    pub(super) fn untrack(&mut self, structure: u64, address: u64) {
        self.0.insert((structure, address), 0);
    }
}

/// Whom the event was of at the entry of the function, kept then.
pub(super) fn kept_owner(since: u64) -> u32 {
    since as u32 % 3
}

/// Every third number is that of a call of a 32-bit program.
pub(super) fn syscall_id(number: u64) -> u64 {
    let number = number & 0xffff_ffff;
    if number.is_multiple_of(3) {
        number | 1 << 31
    } else {
        number
    }
}

/// Whether this process is the agent.
pub(super) fn is_agent(pid: u32) -> bool {
    pid.is_multiple_of(2)
}

/// Whether the kernel sends this signal.
pub(super) fn is_sent(signal: u64) -> bool {
    !signal.is_multiple_of(2)
}

/// What the code did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Count(u64),
    Signal(u64),
    /// Address, and what was to be written there.
    Write(u64, u32),
    /// Nothing is awaited yet.
    Afresh,
    /// How many events of the call await a hash already, and which point it is.
    Await(u64, u64),
    /// A verdict is returned later.
    Defer(u64),
    /// The rest of an event is sent, if it awaits a hash at this point.
    Hash(u64, u64),
    /// Nothing is awaited any more.
    Settle(u64),
    /// An action failed, for an event of this type.
    Failed(u64),
    /// Flags that a record got.
    Flag(u64),
    /// Register, as an offset, and what it has now.
    Register(usize, u64),
    Override(u64),
    /// Policy, and what its enforcer is told.
    Notify(u64, u64),
    /// Policy whose enforcer was asked what to do, or is to do nothing.
    Take(u64),
    Begin(u64, u64, u64),
    Number(u64, u64),
    Text(u64, Vec<u8>),
    Error(u64, u64),
    /// Kind, address, number of bytes, whether they are of user space.
    Beside(u64, u64, u64, bool),
    Limit(u64, u64),
    Remember,
    Mark(u64),
    /// Hook, key, words, owner, and whether it is not reported.
    Keep(u64, u64, [u64; SAVED], u32, bool),
    /// What is begun next is of the owner of a socket.
    Owned(u32),
    /// Structure, address, and who owns the event.
    Track(u64, u64, u32),
    Untrack(u64, u64),
    Forget(u64, u64),
    /// The generation that has run last, if it is another one now.
    Latest(u64),
    /// What the code returned, if not 0.
    Verdict(u64),
    Lost(u64),
    Send,
}

/// Where the stack of the thread was when the function was entered.
pub(super) const ENTERED: u64 = 0x5_1000;

/// What a record holds behind its words.
pub(super) const PAST: u64 = 0xa5a5_a5a5_a5a5_a5a5;

/// Number of a scratch.
const NUMBER: u32 = 3;

const SCRATCH: u64 = 0x1000_0000;
pub(super) const CONTEXT: u64 = 0x2000_0000;
const USER_REGS: u64 = 0x3000_0000;
const STACK: u64 = 0x4000_0000;
const LATEST: u64 = 0x3f00_0000;

struct Machine<'a> {
    world: &'a World,
    scratch: Vec<u8>,
    context: Vec<u8>,
    user_regs: Vec<u8>,
    stack: [u8; 512],
    regs: [u64; 11],
    latest: [u8; 8],
    owners: Owners,
    told: [u64; 2],
    /// What tells the call from others.
    key: u64,
    done: Vec<Done>,
}

pub(super) fn run(code: &Code, world: &World, context: Context, at_return: bool) -> Result<Vec<Done>, String> {
    let registers = |places: [usize; 6]| {
        let mut bytes = vec![0; 168];
        for (value, place) in world.args.iter().zip(places) {
            bytes[place..place + 8].copy_from_slice(&value.to_le_bytes());
        }
        bytes[80..88].copy_from_slice(&world.result.to_le_bytes());
        let stack = if at_return { ENTERED + 8 } else { ENTERED };
        bytes[152..160].copy_from_slice(&stack.to_le_bytes());
        bytes
    };
    let system_call = match context {
        Context::SyscallRegisters { compat: true } | Context::SyscallFunction { compat: true, .. } => {
            [40, 88, 96, 104, 112, 32]
        }
        _ => [112, 104, 96, 56, 72, 64],
    };
    let mut machine = Machine {
        world,
        // What was in the scratch before must not matter.
        scratch: vec![0xa5; size_of::<HookScratch>()],
        context: registers([112, 104, 96, 88, 72, 64]),
        user_regs: registers(system_call),
        stack: [0xa5; 512],
        regs: [0; 11],
        latest: world.latest.to_le_bytes(),
        owners: Owners::default(),
        told: world.told,
        key: super::oracle::key(context, world),
        done: vec![],
    };
    if let Context::SyscallRegisters { .. } = context {
        machine.context[..80].fill(0xa5);
        machine.context[88..152].fill(0xa5);
        machine.context[112..120].copy_from_slice(&USER_REGS.to_le_bytes());
    }
    if let Context::SyscallFunction { .. } = context {
        machine.context.fill(0xa5);
        machine.context[..8].copy_from_slice(&USER_REGS.to_le_bytes());
        machine.context[8..16].copy_from_slice(&world.result.to_le_bytes());
    }
    if context == Context::Record {
        machine.context.fill(0xa5);
    }
    if let Context::Function { .. } | Context::Lsm { .. } | Context::Record = context {
        for (index, word) in world.args.iter().chain([&world.result]).enumerate() {
            machine.context[8 * index..8 * index + 8].copy_from_slice(&word.to_le_bytes());
        }
    }
    machine.regs[1] = CONTEXT;
    machine.regs[10] = STACK + 512;
    machine.word(offset::BUSY)?.fill(0);
    let before = machine.context.clone();
    machine.go(code)?;
    if machine.word(offset::BUSY)?.iter().any(|&byte| byte != 0) {
        return Err("the scratch is not given back".to_owned());
    }
    let latest = u64::from_le_bytes(machine.latest);
    if latest != world.latest {
        machine.note(Done::Latest(latest));
    }
    for (index, (before, now)) in before.chunks(8).zip(machine.context.clone().chunks(8)).enumerate() {
        if before != now {
            let now = now.try_into().map_err(|_| "a register")?;
            machine.note(Done::Register(8 * index, u64::from_le_bytes(now)));
        }
    }
    let verdict = machine.regs[0];
    if verdict != 0 {
        machine.note(Done::Verdict(verdict));
    }
    Ok(machine.done)
}

impl Machine<'_> {
    fn go(&mut self, code: &Code) -> Result<(), String> {
        let mut at = 0;
        for _ in 0..100_000 {
            let insn = *code.insns.get(at).ok_or(format!("ran to {at}"))?;
            let Insn {
                code: op,
                dst,
                src,
                off,
                imm,
            } = insn;
            let (dst, src) = (usize::from(dst), usize::from(src));
            let operand = if op & 8 == 0 {
                i64::from(imm) as u64
            } else {
                self.regs[src]
            };
            match op {
                0x95 => return Ok(()),
                0x18 => {
                    let high = code.insns[at + 1].imm as u32;
                    self.regs[dst] = u64::from(high) << 32 | u64::from(imm as u32);
                    at += 1;
                }
                0x85 => {
                    let name = code.calls.iter().find(|call| call.0 == at).map(|call| call.1);
                    self.regs[0] = self.call(name, imm)?;
                    // Lost in calls.
                    self.regs[1..6].fill(0xdead_dead_dead_dead);
                }
                0x05 => at = (at as i64 + i64::from(off)) as usize,
                _ => match op & 7 {
                    1 => {
                        let width = width(op);
                        let from = self.memory(self.regs[src].wrapping_add(off as i64 as u64), width)?;
                        let mut word = [0; 8];
                        word[..width].copy_from_slice(from);
                        self.regs[dst] = u64::from_le_bytes(word);
                    }
                    kind @ (2 | 3) => {
                        let value = if kind == 2 {
                            i64::from(imm) as u64
                        } else {
                            self.regs[src]
                        };
                        let width = width(op);
                        let to = self.memory(self.regs[dst].wrapping_add(off as i64 as u64), width)?;
                        to.copy_from_slice(&value.to_le_bytes()[..width]);
                    }
                    5 => {
                        if holds(op, self.regs[dst], operand)? {
                            at = (at as i64 + i64::from(off)) as usize;
                        }
                    }
                    7 => self.regs[dst] = arithmetic(op, self.regs[dst], operand)?,
                    _ => return Err(format!("unknown instruction {insn:?}")),
                },
            }
            at += 1;
        }
        Err("does not end".to_owned())
    }

    fn word(&mut self, offset: i16) -> Result<&mut [u8], String> {
        self.memory(SCRATCH + offset as u64, 8)
    }

    fn memory(&mut self, address: u64, len: usize) -> Result<&mut [u8], String> {
        let (region, start) = match address {
            SCRATCH..CONTEXT => (&mut self.scratch, SCRATCH),
            CONTEXT..USER_REGS => (&mut self.context, CONTEXT),
            USER_REGS..LATEST => (&mut self.user_regs, USER_REGS),
            LATEST..STACK => {
                let start = address.wrapping_sub(LATEST) as usize;
                let latest = self.latest.get_mut(start..start.wrapping_add(len));
                return latest.ok_or(format!("access of {len} bytes at {address:#x}"));
            }
            _ => {
                let start = address.wrapping_sub(STACK) as usize;
                let stack = self.stack.get_mut(start..start.wrapping_add(len));
                return stack.ok_or(format!("access of {len} bytes at {address:#x}"));
            }
        };
        let start = address.wrapping_sub(start) as usize;
        region
            .get_mut(start..start.wrapping_add(len))
            .ok_or(format!("access of {len} bytes at {address:#x}"))
    }

    fn call(&mut self, name: Option<&str>, helper: i32) -> Result<u64, String> {
        let [_, r1, r2, r3, r4, r5, ..] = self.regs;
        let of_program = match name {
            Some(runtime::KEEP) => Some(r5),
            Some(runtime::RESUME) => Some(r4),
            Some(runtime::FORGET) => Some(r3),
            _ => None,
        };
        if of_program.is_some_and(|of_program| of_program != u64::from(self.world.in_program)) {
            return Err("not where the calls of this point are kept".to_owned());
        }
        // Functions of the runtime get the number of the scratch first.
        let other = [
            runtime::COUNT,
            runtime::FAILED,
            runtime::IS_AGENT,
            runtime::AFRESH,
            runtime::DEFER,
            runtime::SETTLE,
            runtime::CLAIM,
            runtime::LOST,
            runtime::FACT,
            runtime::FORGET,
            runtime::MARK,
            runtime::NOTIFY,
            runtime::TAKE,
            runtime::SYSCALL,
            runtime::PARENT,
            runtime::PID,
            runtime::UNTRACK,
        ];
        if name.is_some_and(|name| !other.contains(&name)) && r1 != u64::from(NUMBER) {
            return Err("not the number of the scratch".to_owned());
        }
        Ok(match name {
            Some(runtime::CLAIM) if !self.world.scratch => 0,
            Some(runtime::CLAIM) => {
                let busy = self.word(offset::BUSY)?;
                if busy[0] != 0 {
                    return Err("a second scratch is claimed".to_owned());
                }
                busy[0] = 1;
                self.memory(SCRATCH + offset::INDEX as u64, 4)?
                    .copy_from_slice(&NUMBER.to_le_bytes());
                SCRATCH
            }
            Some(runtime::CONTAINS) => {
                let start = self.memory(SCRATCH + offset::NEEDLE as u64, r3 as usize)?.to_vec();
                let text = self.text(r2 as usize)?;
                u64::from(contains(&text, &start, r4 != 0))
            }
            Some(runtime::LIMITED) => {
                self.done.push(Done::Limit(r2, r3));
                u64::from(self.world.limited)
            }
            Some(runtime::PARENT) => parent(r1),
            Some(runtime::PID) => pid_of(r1, r2 != 0),
            Some(runtime::LOST) => self.note(Done::Lost(r1)),
            Some(runtime::KEEP) => {
                let mut saved = [0; SAVED];
                for (index, word) in saved.iter_mut().enumerate() {
                    let bytes = self.word(offset::saved(index))?;
                    *word = u64::from_le_bytes(bytes.try_into().map_err(|_| "a word")?);
                }
                // What the next hook does not save of its own does not matter.
                for index in 0..SAVED {
                    self.word(offset::saved(index))?.fill(0xa5);
                }
                let owner = self.owner()?;
                self.set_owner(0xa5a5_a5a5)?;
                self.note(Done::Keep(r2, r3, saved, owner, r4 != 0))
            }
            Some(runtime::MARK) => self.note(Done::Mark(r1)),
            Some(runtime::NOTIFY) => {
                self.told[r1 as usize] = r2;
                self.note(Done::Notify(r1, r2))
            }
            Some(runtime::TAKE) => {
                self.note(Done::Take(r1));
                std::mem::take(&mut self.told[r1 as usize])
            }
            Some(runtime::FORGET) => self.note(Done::Forget(r1, r2)),
            Some(runtime::RESUME) => {
                if r3 != self.key {
                    return Err(format!("{r3:#x} is not the key of the call"));
                }
                match self.world.kept[r2 as usize % 2] {
                    Some((since, saved)) => {
                        for (index, word) in saved.iter().enumerate() {
                            self.word(offset::saved(index))?.copy_from_slice(&word.to_le_bytes());
                        }
                        self.set_owner(kept_owner(since))?;
                        since
                    }
                    None => 0,
                }
            }
            None if helper == 109 => {
                self.done.push(Done::Signal(r1));
                if is_sent(r1) { 0 } else { -1_i64 as u64 }
            }
            None if helper == 36 => {
                if r3 != 4 {
                    return Err("not the number of bytes that can be written".to_owned());
                }
                let value = self.memory(r2, 4)?.try_into().map_err(|_| "a number")?;
                self.done.push(Done::Write(r1, u32::from_le_bytes(value)));
                if is_writable(r1) { 0 } else { -14_i64 as u64 }
            }
            None if helper == 1 => {
                if self.memory(r2, 4)? != [0; 4] {
                    return Err("not the key of the only element".to_owned());
                }
                LATEST
            }
            None if helper == 67 => {
                if r1 != CONTEXT || r3 != 1_016 {
                    return Err("not the context or not the room".to_owned());
                }
                let Some(stack) = stack_of(self.world, r4 == 256) else {
                    return Ok(-14_i64 as u64);
                };
                // The room is for the helper to spoil.
                let room = self.memory(r2, 1_016)?;
                room.fill(0xa5);
                room[..stack.len()].copy_from_slice(&stack);
                stack.len() as u64
            }
            None if helper == 14 => u64::from(self.world.pid) << 32 | 5,
            None if helper == 35 => self.world.task,
            None if helper == 58 => {
                if r1 != CONTEXT {
                    return Err("not the context".to_owned());
                }
                self.done.push(Done::Override(r2));
                0
            }
            // The registers of a system call, or a word of the kernel.
            None if helper == 113 && r3 == USER_REGS && r2 == 120 => {
                let from = self.user_regs[..120].to_vec();
                self.memory(r1, 120)?.copy_from_slice(&from);
                0
            }
            None if helper == 113 => self.probe_read(memory(r3))?,
            None if helper == 112 => self.probe_read(user_memory(r3))?,
            Some(runtime::FACT) => {
                if r1 == u64::from(fact::REMEMBER_NAMESPACES) {
                    self.done.push(Done::Remember);
                }
                self.world.facts[r1 as usize % 8]
            }
            Some(runtime::BINARY) => self.fill(r2, self.world.binary.clone())?,
            Some(runtime::STRING) => self.fill(r2, self.world.string(r3))?,
            Some(runtime::PATH | runtime::STRUCTURE) => self.fill(r2, self.world.string(r4))?,
            Some(runtime::SYSCALL) => syscall_id(r1),
            Some(runtime::PIECES) => self.fill(r2, self.world.bytes(r4, self.regs[5]))?,
            Some(runtime::BYTES) => self.fill(r2, self.world.bytes(r3, r4))?,
            Some(which @ (runtime::DATA | runtime::DATA_PIECES)) => {
                let r4 = if which == runtime::DATA { r4 } else { 0 };
                // The slot is for it to spoil.
                self.fill(r2 >> 17, None)?;
                if !is_beside(r3, r4) {
                    return Ok(0);
                }
                self.note(Done::Beside(r2 & 0xffff, r3, r4, r2 >> 16 & 1 != 0))
            }
            Some(runtime::COUNT) => self.note(Done::Count(r1)),
            Some(runtime::BEGIN) => {
                if r2 & u64::from(hook_flag::OWNED) << 8 != 0 {
                    let owner = self.owner()?;
                    self.done.extend((owner != 0).then_some(Done::Owned(owner)));
                }
                self.note(Done::Begin(r2, r3, r4))
            }
            Some(runtime::OWNER) => {
                let owner = self.owners.of(r2, r3);
                if owner != 0 {
                    self.set_owner(owner)?;
                }
                u64::from(owner != 0)
            }
            Some(runtime::TRACK) => {
                let owner = self.owner()?;
                self.owners.track(r2, r3, owner);
                self.note(Done::Track(r2, r3, owner))
            }
            Some(runtime::UNTRACK) => {
                self.owners.untrack(r1, r2);
                self.note(Done::Untrack(r1, r2))
            }
            Some(runtime::NUMBER) => self.note(Done::Number(r2, r3)),
            Some(runtime::ERROR) => self.note(Done::Error(r2, r3)),
            Some(runtime::SEND) => self.note(Done::Send),
            Some(runtime::AWAIT) => self.note(Done::Await(r2, r3)),
            Some(runtime::DEFER) => self.note(Done::Defer(r1)),
            Some(runtime::AFRESH) => self.note(Done::Afresh),
            Some(runtime::HASH) => self.note(Done::Hash(r2, r3)),
            Some(runtime::SETTLE) => self.note(Done::Settle(r1)),
            Some(runtime::IS_AGENT) => u64::from(is_agent(self.world.pid)),
            Some(runtime::FLAG) => self.note(Done::Flag(r2)),
            Some(runtime::FAILED) => self.note(Done::Failed(r1)),
            Some(runtime::SLOT) => {
                let text = self.text(r3 as usize)?;
                self.note(Done::Text(r2, text))
            }
            other => return Err(format!("call of {other:?} or helper {helper}")),
        })
    }

    /// Who owns the event.
    fn owner(&mut self) -> Result<u32, String> {
        let known = self.memory(SCRATCH + offset::OWNER_KNOWN as u64, 4)?;
        Ok(u32::from_le_bytes(known.try_into().map_err(|_| "a number")?))
    }

    fn set_owner(&mut self, owner: u32) -> Result<(), String> {
        let known = self.memory(SCRATCH + offset::OWNER_KNOWN as u64, 4)?;
        known.copy_from_slice(&owner.to_le_bytes());
        Ok(())
    }

    /// What reading `word` to where the code wants it comes to.
    fn probe_read(&mut self, word: Option<u64>) -> Result<u64, String> {
        let [_, to, len, ..] = self.regs;
        let to = self.memory(to, len as usize)?;
        let Some(word) = word else {
            // What is there then is nobody's business.
            to.fill(0);
            return Ok(-14_i64 as u64);
        };
        to.copy_from_slice(&word.to_le_bytes()[..len as usize]);
        Ok(0)
    }

    fn text(&mut self, slot: usize) -> Result<Vec<u8>, String> {
        let length = self.memory(SCRATCH + offset::slot_len(slot) as u64, 4)?.to_vec();
        let length = u32::from_le_bytes(length.try_into().map_err(|_| "length")?);
        let text = self.memory(SCRATCH + offset::slot_bytes(slot) as u64, length as usize)?;
        Ok(text.to_vec())
    }

    fn note(&mut self, done: Done) -> u64 {
        self.done.push(done);
        1
    }

    fn fill(&mut self, slot: u64, text: Option<Vec<u8>>) -> Result<u64, String> {
        let slot = slot as usize;
        // Whatever happens, what was there is lost.
        self.memory(SCRATCH + offset::slot_bytes(slot) as u64, SLOT_LEN)?
            .fill(0xa5);
        let Some(text) = text else { return Ok(0) };
        self.memory(SCRATCH + offset::slot_len(slot) as u64, 4)?
            .copy_from_slice(&(text.len() as u32).to_le_bytes());
        self.memory(SCRATCH + offset::slot_bytes(slot) as u64, text.len())?
            .copy_from_slice(&text);
        Ok(1)
    }
}

fn width(op: u8) -> usize {
    [4, 2, 1, 8][usize::from(op >> 3 & 3)]
}

fn holds(op: u8, a: u64, b: u64) -> Result<bool, String> {
    let (sa, sb) = (a as i64, b as i64);
    Ok(match op & 0xf0 {
        0x10 => a == b,
        0x20 => a > b,
        0x30 => a >= b,
        0x40 => a & b != 0,
        0x50 => a != b,
        0x60 => sa > sb,
        0x70 => sa >= sb,
        0xa0 => a < b,
        0xb0 => a <= b,
        0xc0 => sa < sb,
        0xd0 => sa <= sb,
        _ => return Err(format!("comparison {op:#x}")),
    })
}

fn arithmetic(op: u8, a: u64, b: u64) -> Result<u64, String> {
    Ok(match op & 0xf0 {
        0x00 => a.wrapping_add(b),
        0x10 => a.wrapping_sub(b),
        0x40 => a | b,
        0x50 => a & b,
        0x60 => a << (b & 63),
        0x70 => a >> (b & 63),
        0xa0 => a ^ b,
        0xb0 => b,
        0xc0 => ((a as i64) >> (b & 63)) as u64,
        _ => return Err(format!("arithmetic {op:#x}")),
    })
}
