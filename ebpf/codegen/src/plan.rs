//! What to compile.

/// A place in the kernel and what policies want there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// How a program is called there.
    pub context: Context,
    /// Type of record that is sent, one of [`op`](ebpf_abi::event::op).
    pub op: u8,
    /// One for each policy that names the place, in order.
    pub hooks: Vec<Hook>,
    /// Of programs that are attached beside each other for a moment: which one it is. It does nothing where a later one has
    /// run. See [`runtime::LATEST`](ebpf_abi::hook::runtime::LATEST).
    pub generation: Option<u32>,
}

/// How a program is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// By breakpoint at a function: the context is the registers.
    Registers,
    /// By breakpoint in a program, the same way. What it is called with leads through the memory of the process.
    Program,
    /// The same at a system call, whose arguments are in the registers that its only argument points to.
    SyscallRegisters {
        /// Whether it is called by 32-bit programs, which use other registers for the arguments.
        compat: bool,
    },
    /// At a system call, through a trampoline: the address of those registers is the first word of the context, and the result
    /// the second.
    SyscallFunction {
        /// As above.
        compat: bool,
        /// Whether it is before the call, which it may skip (`fmod_ret`): what the code returns is the verdict.
        skips: bool,
    },
    /// With its arguments as words: raw tracepoints.
    Words,
    /// With what a tracepoint records.
    Record,
    /// Through a trampoline at a function: its parameters as words whose types the verifier knows, behind them, where it
    /// returns, the result.
    Function {
        /// Number of parameters.
        parameters: u8,
        /// A bit for each word that the verifier takes for a pointer.
        pointers: u16,
    },
    /// At a security hook, or before a function that it may skip (`fmod_ret`), the same way. What the code returns is the
    /// verdict.
    Lsm {
        /// A bit for each word that the verifier takes for a pointer.
        pointers: u16,
    },
}

impl Context {
    /// Whether what the code returns is the verdict.
    pub(crate) const fn has_verdict(self) -> bool {
        matches!(self, Self::Lsm { .. } | Self::SyscallFunction { skips: true, .. })
    }
}

/// What one policy wants at the place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hook {
    /// Number by which records name it.
    pub number: u32,
    /// Number of the policy: whose enforcer is told what to do, and what it is told.
    pub policy: u64,
    /// What to report, in this order.
    pub args: Vec<Arg>,
    /// The first that matches decides. None: everything matches, and is reported.
    pub selectors: Vec<Selector>,
    /// Sockets that it is about. But for the return of a function, the event is of the owner of the last one that has one.
    pub sockets: Vec<Socket>,
    /// At the return of a function: what is done with sockets whatever the selectors say.
    pub ownership: Vec<Ownership>,
    /// What the interrupted code may find changed when it goes on, each in this order. At most
    /// [`CHANGED`](crate::CHANGED) registers in one.
    pub changes: Vec<Vec<Change>>,
    /// What of a call it sees.
    pub stage: Stage,
    /// Which of the [`counters`](ebpf_abi::hook::counters) tells how often the first selector matched; those of the others
    /// follow. None: nothing is counted.
    pub counters: Option<u32>,
    /// Whether actions that change what processes do are left out, and still reported.
    pub monitor: bool,
}

impl Hook {
    /// The actions of all its selectors.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.selectors.iter().flat_map(|selector| &selector.actions)
    }

    /// Whether it keeps the function from being run, by what it does.
    pub fn overrides(&self) -> bool {
        let overrides = |action: &Action| matches!(action, Action::Override(_) | Action::Enforce { overrides: true });
        !self.monitor && self.actions().any(overrides)
    }

    /// Whether it may change registers of the interrupted code.
    pub fn changes_registers(&self) -> bool {
        !self.monitor && self.actions().any(|action| matches!(action, Action::Change(_)))
    }

    /// Whether it may look at what the function was called with.
    pub(crate) fn has_parameters(&self) -> bool {
        !self.args.is_empty() || !self.sockets.is_empty() || self.stage != Stage::Whole
    }

    /// Whether it changes whom sockets belong to.
    pub fn tracks(&self) -> bool {
        !self.ownership.is_empty() || self.actions().any(|action| matches!(action, Action::Ownership(_)))
    }
}

/// What of a call a hook sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// All that is wanted of it.
    #[default]
    Whole,
    /// Its beginning. The hook of the same number at the return comes with the other half of the event.
    Entry {
        /// Words that are kept for it, but no operands, which may be unreadable. At most
        /// [`SAVED`](ebpf_abi::hook::SAVED).
        saved: Vec<Source>,
    },
    /// Its end, if the beginning was reported. If no selector matches, the event is withdrawn.
    Return,
}

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Where it begins.
    pub source: Source,
    /// The way from there through the kernel's memory, or [that of the process](Context::Program): at each number but the last
    /// a pointer is read that many bytes behind where the way has come to, and followed; the last leads to the value. Empty:
    /// the word itself is the value.
    pub way: Vec<i32>,
    /// What it is.
    pub read: Read,
    /// Which one it is, in records.
    pub kind: u16,
    /// Of bytes and iterators over them: whether those that are too many for a record travel beside it.
    pub beside: bool,
}

/// The way to a socket, as in [`Arg`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Where it begins.
    pub source: Source,
    /// Through the kernel's memory.
    pub way: Vec<i32>,
    /// [`SOCK`](ebpf_abi::hook::structure::SOCK) or [`SOCKET`](ebpf_abi::hook::structure::SOCKET).
    pub structure: u32,
}

/// A change of whom a socket belongs to: one of [`Hook::sockets`], by its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// It belongs to whom the event is of.
    Track(usize),
    /// Nobody knows any more.
    Untrack(usize),
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Parameter of the function, from 0. At most 5.
    Parameter(u8),
    /// What the function returned.
    Return,
    /// What was kept at the entry of the function whose return this is, by its position in [`Stage::Entry`].
    Saved(u8),
    /// The `struct task_struct` of the current thread.
    Task,
    /// A register of the interrupted code.
    Register {
        /// Where it is in `struct pt_regs`.
        offset: i16,
        /// How much of it counts: 1, 2, 4 or 8 bytes.
        bytes: u8,
    },
    /// What a program says of an argument of its probe.
    Operand(Operand),
    /// Address of what a tracepoint records.
    Record,
    /// A number in what a tracepoint records.
    Field {
        /// Where it is; a multiple of its width, at least 8.
        offset: u16,
        /// 1, 2, 4 or 8 bytes.
        bytes: u8,
    },
    /// Address of what a tracepoint keeps behind its fields.
    DataLoc {
        /// Where the record says where that is: position and length, 16 bits each.
        offset: u16,
    },
}

/// A number as the interrupted code has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operand {
    /// Where.
    pub place: Place,
    /// How much of what is there counts: the lowest 1, 2, 4 or 8 bytes.
    pub bytes: u8,
    /// Whether it is extended by its sign rather than by zeroes.
    pub signed: bool,
}

impl Operand {
    /// The part of `word` that counts, extended to 64 bits.
    pub(crate) const fn extended(self, word: u64) -> u64 {
        match (self.bytes, self.signed) {
            (1, true) => word as i8 as u64,
            (1, false) => word as u8 as u64,
            (2, true) => word as i16 as u64,
            (2, false) => word as u16 as u64,
            (4, true) => word as i32 as u64,
            (4, false) => word as u32 as u64,
            _ => word,
        }
    }
}

/// Where the interrupted code has something. Registers are offsets in `struct pt_regs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is this number.
    Constant(u64),
    /// In a register.
    Register(i16),
    /// In the memory of the process, where it may be unreadable: at the sum of a register, of another one, shifted to the
    /// left by so many bits, and of a number.
    Memory {
        /// The register.
        base: Option<i16>,
        /// The other register, and the number of bits, at most 3.
        index: Option<(i16, u8)>,
        /// The number.
        displacement: i32,
    },
}

/// A register of the interrupted code, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Where it is in `struct pt_regs`.
    pub offset: i16,
    /// 1, 2, 4 or 8 bytes.
    pub bytes: u8,
}

/// What a register gets. Registers that were changed before are read as they are then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The register. What of it is not named stays.
    pub register: Register,
    /// What it gets, as much of it as there is room for.
    pub value: NewValue,
}

/// What a register gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewValue {
    /// This number.
    Number(u64),
    /// The sum of a register and a number.
    Register(Register, i64),
    /// Eight bytes of the memory of the process, at that sum.
    Memory(Register, i64),
}

/// What the value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// A number of so many bytes: 1, 2, 4 or 8. At the end of a way it is in memory.
    Number {
        /// Its width.
        bytes: u8,
        /// Whether it has a sign.
        signed: bool,
    },
    /// The address of a NUL-terminated string.
    Text {
        /// In user space, whatever the address. Otherwise the address tells.
        user: bool,
    },
    /// What has a path: one of [`path_kind`](ebpf_abi::hook::path_kind).
    Path(u32),
    /// The address of bytes.
    Bytes {
        /// How many.
        len: Length,
        /// In user space, whatever the address. Otherwise the address tells.
        user: bool,
    },
    /// The address of pieces of memory: one of [`pieces`](ebpf_abi::hook::pieces), and how many.
    Pieces(u32, Length),
    /// The number of a system call. Its id is the value: the number, with bit 31 set if it is of a 32-bit program.
    Syscall,
    /// The address of a kernel structure: one of [`structure`](ebpf_abi::hook::structure).
    Structure(u32),
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Known beforehand.
    Fixed(u32),
    /// What a word says. A negative number cannot be read.
    Word {
        /// Where it is.
        source: Source,
        /// How much of it counts: 1, 2, 4 or 8 bytes. What is above the low half of a 32-bit register is undefined.
        bytes: u8,
        /// Whether it has a sign.
        signed: bool,
    },
}

/// Filters that must all pass, and what is done then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// All of them must pass.
    pub filters: Vec<Filter>,
    /// Taken in this order. None: the event is reported.
    pub actions: Vec<Action>,
    /// Ids of processes that get no signal, neither at once nor from the enforcer. What they would have got is
    /// [counted](ebpf_abi::hook::counters::SPARED).
    pub spared: Vec<u32>,
    /// Whether the same holds of the [agent](ebpf_abi::hook::agent).
    pub spares_agent: bool,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// On a number. What cannot be read passes no filter.
    Number(Subject, NumberTest),
    /// On a string, a path or bytes. What cannot be read passes no filter.
    Text(Subject, TextTest),
    /// On a number inside something that was read, a structure or the mode of a file: where it is, from the beginning
    /// of its [`Slot`](ebpf_abi::hook::Slot), its width in bytes, and what of it counts.
    Field {
        /// What it is part of.
        subject: Subject,
        /// Offset in the slot.
        offset: u16,
        /// 1, 2, 4 or 8 bytes, without sign.
        bytes: u8,
        /// Bits that count.
        mask: u64,
        /// The condition.
        test: NumberTest,
    },
    /// On a string, a path or bytes: whether one of the texts, each of at most 104 bytes, is somewhere within.
    Contains {
        /// Where to look.
        subject: Subject,
        /// What for; in lower case with `fold`.
        texts: Vec<Vec<u8>>,
        /// Whether the case of ASCII letters does not matter.
        fold: bool,
        /// Whether to pass where none is found instead.
        not: bool,
    },
    /// On two numbers, sets of bits: whether the second has one that the first has not.
    Gained {
        /// Position of the first in [`Hook::args`].
        old: usize,
        /// Position of the second.
        new: usize,
    },
    /// On the ids of the current process and its ancestors, up to the ninth.
    Lineage {
        /// Whether ids in the own pid namespace are meant. A process in the initial one has none and does not pass, and the
        /// ancestors end there.
        namespaced: bool,
        /// Ids of which one must be among them.
        pids: Vec<u32>,
        /// Whether to pass if none is instead.
        not: bool,
    },
    /// Always passes, and asks for a fact: one that [remembers](ebpf_abi::hook::fact) something.
    Remember(u32),
    /// On an address inside a structure that was read, of 16 bytes, IPv4 addresses in their IPv6 form.
    Address {
        /// What it is part of.
        subject: Subject,
        /// Offset in the slot, a multiple of 8.
        offset: u16,
        /// Networks of which it must be in one: address, and number of bits that count, 0 to 128.
        networks: Vec<([u8; 16], u8)>,
        /// Whether to pass what is in none of them instead.
        not: bool,
    },
}

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An argument of the hook, by its position in [`Hook::args`].
    Arg(usize),
    /// Id of the current process (thread group).
    Pid,
    /// One of [`fact`](ebpf_abi::hook::fact).
    Fact(u32),
    /// Path of the executable of the current process.
    Binary,
}

/// A condition on a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberTest {
    /// In one of the ranges, both ends included, or in none of them. In two's complement; which comes first is decided
    /// by the sign of the subject.
    In {
        /// First and last number of each range.
        ranges: Vec<(u64, u64)>,
        /// Whether to pass what is in none of them.
        not: bool,
    },
    /// Has a bit of one of the masks.
    AnyBit {
        /// The masks.
        masks: Vec<u64>,
        /// Whether to pass what has none of the bits.
        not: bool,
    },
}

/// A condition on bytes. Passes if one of the alternatives holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextTest {
    /// It is one of these.
    pub equal: Vec<Vec<u8>>,
    /// It begins with one of these.
    pub prefix: Vec<Vec<u8>>,
    /// It ends in one of these, each of at most 240 bytes.
    pub postfix: Vec<Vec<u8>>,
    /// Whether to pass where no alternative holds instead.
    pub not: bool,
}

impl TextTest {
    /// Whether `text` passes.
    pub fn passes(&self, text: &[u8]) -> bool {
        let Self {
            equal,
            prefix,
            postfix,
            not,
        } = self;
        let any = equal.iter().any(|value| value == text)
            || prefix.iter().any(|value| text.starts_with(value))
            || postfix.iter().any(|value| text.ends_with(value));
        any != *not
    }
}

/// What is done when a selector matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Report.
    Post(Post),
    /// Do not report.
    NoPost,
    /// Do not report; note that the executable of the current process, which begins with this execution, fits these
    /// conditions: see [`Images`](ebpf_abi::map::Images).
    Mark(u64),
    /// Send a signal to the current process.
    Signal(u8),
    /// Report, with this number as that of the action: whoever reads the record does the rest.
    Ask(u16),
    /// Change whom a socket belongs to.
    Ownership(Ownership),
    /// Skip the function and return this. Where the program's result is the verdict, that, and the first one counts, which
    /// must not be 0; elsewhere `bpf_override_return`, which the function must allow.
    Override(i32),
    /// Write this number, of 4 bytes, to where the interrupted code has something in memory; elsewhere nothing is done. What
    /// is reported was read before.
    Set(Place, u32),
    /// Make one of [`Hook::changes`], by its position, when all hooks of the point are done. The first one counts. All of it
    /// or, where it cannot be read what a register gets, nothing is done.
    Change(usize),
    /// Tell the enforcer of the policy what to do at its next call by the current thread, in place of what it was told
    /// before.
    Notify {
        /// What the call returns instead of being run; 0 to run it.
        error: i32,
        /// The signal that the process gets; 0 for none.
        signal: u8,
    },
    /// Take back what the enforcer was told for the current thread.
    Withdraw,
    /// Be the enforcer: do what it was told for the current thread, once. Do not report.
    Enforce {
        /// Whether it is ever told to return an error. If so, that is like [`Override`](Self::Override); where the
        /// result is the verdict, numbers that are none are left out.
        overrides: bool,
    },
}

/// How a report is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Post {
    /// Not if a report like this was made a short while ago.
    pub limit: Option<Limit>,
    /// With the addresses of the kernel's code that is running.
    pub kernel_stack: bool,
    /// With those of the process's code.
    pub user_stack: bool,
    /// With the hash of a file, at security hooks: the event is complete when what [`settle`](crate::settle) gives has run.
    pub hash: Option<Hashed>,
}

/// The file whose hash is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// Number of the security hook, no other has the same.
    pub point: u32,
    /// The file is the first parameter, or what that points to points to it at this offset.
    pub member: Option<i16>,
    /// Where kernel structures have what is asked before the file is read.
    pub offsets: FileOffsets,
    /// Whether a denial can be left to the last program: whether the kernel runs that one at every call.
    pub defers: bool,
}

/// Offsets of members of kernel structures, from a file on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileOffsets {
    /// `file.f_mode`.
    pub mode: i16,
    /// `file.f_inode`.
    pub inode: i16,
    /// `inode.i_mode`.
    pub kind: i16,
    /// `inode.i_size`.
    pub size: i16,
    /// `inode.i_sb`.
    pub super_block: i16,
    /// `super_block.s_magic`.
    pub magic: i16,
    /// `super_block.s_user_ns`.
    pub user_ns: i16,
    /// `user_namespace.level`.
    pub level: i16,
}

/// What limits reports that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Milliseconds after a report in which no other is made.
    pub window: u64,
    /// What counts together, one of [`scope`](ebpf_abi::hook::scope).
    pub scope: u32,
}
