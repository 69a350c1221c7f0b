//! What policy code and the runtime in the object share while a hook runs.
//!
//! A program at a hook calls the policy code, which is written at run time (the `ebpf-codegen` crate). When the code
//! needs more memory than its stack, it claims a [`HookScratch`], which it addresses by the offsets given here. Whatever
//! is more than a few instructions the code leaves to runtime functions of the object, named in [`runtime`]. All their
//! parameters are plain numbers, so that the verifier checks each of them once, whoever calls it (global functions,
//! kernel 5.6); the first tells which scratch is meant.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::map::ProcessKey;

/// Longest string or path that is compared and reported, in bytes.
pub const SLOT_LEN: usize = 4_096;

/// Strings that one run can hold: as many as a hook has arguments.
pub const SLOTS: usize = 5;

/// Scratches of a CPU, from which each run of policy code claims one.
///
/// Programs run inside each other on one CPU: what interrupts a program may pass a hook, in up to four contexts (task,
/// softirq, interrupt, NMI); and where programs can be preempted (trampolines since 5.12, tracepoints since 6.18), other
/// tasks pass hooks before the first has finished. A run that finds none left is counted as lost.
pub const SCRATCHES: u32 = 6;

/// Words that are kept from the entry of a function to its return.
pub const SAVED: usize = 6;

/// Longest text that is searched for, in bytes, rounded up to words.
pub const NEEDLE_LEN: usize = 104;

/// What policy code found out about what its hook was called with.
#[repr(C, align(8))]
pub struct HookScratch {
    /// Not 0 while a run has it.
    pub busy: u64,
    /// Which of the [`SCRATCHES`] it is.
    pub index: u32,
    /// Always 0.
    pub reserved: u32,
    /// When the function was entered whose return is observed.
    pub since: u64,
    /// By which thread.
    pub tid: u32,
    /// Not 0 when that was not reported.
    pub quiet: u32,
    /// What was kept from its entry.
    pub saved: [u64; SAVED],
    /// Whose event it is, if it is that of the owner of a socket.
    pub owner: Owner,
    /// What is searched for.
    pub needle: [u8; NEEDLE_LEN],
    /// For each slot a bit that says that reading into it was tried, and [`READ`] bits above it one that says that it
    /// was read. Here and not in a register, where the verifier would tell all combinations apart.
    pub state: u64,
    /// A word for policy code.
    pub cell: u64,
    /// Strings and structures that were read.
    pub slots: [Slot; SLOTS],
    /// What is written here is lost: it is room behind the last slot for pieces that begin within it.
    pub beyond: [u8; SLOT_LEN],
}

/// Whom a socket belongs to. Value of the [map](owners), keyed by the address of the `struct sock` (`u64`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Owner {
    /// Identity of the process.
    pub process: ProcessKey,
    /// Thread.
    pub tid: u32,
    /// Not 0 unless nobody is known, which it is not in the map.
    pub known: u32,
}

/// The map that says whom sockets belong to.
pub mod owners {
    /// Its name.
    pub const MAP: &str = "socktrack_map";
    /// Sockets in it at a time, from the first policy on that tracks any. More push out those that were not asked for the
    /// longest. Until then there is room for one, which takes three megabytes less.
    pub const COUNT: u32 = 32_000;
}

/// Events of one call of a security hook that can await the hash of a file; those beyond come without it.
pub const AWAITING: usize = 8;

/// Events that await the hash of a file. Value of the map [`runtime::HASHES`], keyed by thread (`pid_tgid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Awaited {
    /// One of [`awaited_state`].
    pub state: u32,
    /// Which security hook it is.
    pub point: u32,
    /// How many of `hooks` there are.
    pub count: u32,
    /// Always 0.
    pub reserved: u32,
    /// What the hook returns in the end.
    pub verdict: i64,
    /// `enum hash_algo`; negative where there is no hash.
    pub algorithm: i64,
    /// The hash.
    pub digest: [u64; 8],
    /// Which events.
    pub hooks: [AwaitedHook; AWAITING],
}

/// An event that awaits a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct AwaitedHook {
    /// Time of its record.
    pub since: u64,
    /// Number of its hook.
    pub hook: u32,
    /// Its thread.
    pub tid: u32,
}

/// What became of a hash that is awaited.
pub mod awaited_state {
    /// Nothing yet.
    pub const AWAITED: u32 = 0;
    /// The file is being read. What the thread does meanwhile is part of that.
    pub const READING: u32 = 1;
    /// It is there, or there is none.
    pub const READ: u32 = 2;
    /// It is not asked for: reading the file might take too long.
    pub const LEFT_OUT: u32 = 3;
}

/// The map that says which process the agent is: one [`ProcessKey`], whose time is that at which the process started, in whole
/// clock ticks.
///
/// Programs that outlive an agent ask it too. So it can be pinned, and the next agent writes to it.
pub mod agent {
    /// Its name.
    pub const MAP: &str = "tg_agent";
}

/// Shift from "was tried" to "was read" in [`HookScratch::state`].
pub const READ: u32 = 16;

/// Something read from memory: a string, a path, a structure.
#[repr(C, align(8))]
pub struct Slot {
    /// Number of bytes in `bytes` that are valid.
    pub len: u32,
    /// Number of bytes that it has in memory, when that is more.
    pub whole: u32,
    /// Of a path: bits of [`path_flag`].
    pub flags: u32,
    /// Of a path: type and permissions of the file (`st_mode`).
    pub mode: u32,
    /// The bytes. What is behind `len` is undefined; there is room for reading a word beyond the end.
    pub bytes: [u8; SLOT_LEN + 256],
}

/// The map that holds what policies did: how often each selector matched.
///
/// One for all policies; whoever loads them hands the counters out. Not per CPU: a policy then costs the same on every
/// machine, and a selector that matches does much more than count.
pub mod counters {
    /// Its name.
    pub const MAP: &str = "tg_policy_counters";
    /// Number of counters, 8 bytes each.
    pub const COUNT: u32 = 32_768;
    /// The one that says how many signals policies wanted sent that were not, as the process is one that is spared.
    pub const SPARED: u32 = 0;
    /// The one that says how many signals the kernel did not send.
    pub const UNSENT: u32 = 1;
    /// The one that says how many events have no hash of a file because it was not asked for.
    pub const UNHASHED: u32 = 2;
    /// The first that is handed out.
    pub const FIRST: u32 = 3;
}

/// Bits of [`Slot::flags`].
pub mod path_flag {
    /// The path has more components than the walk takes.
    pub const UNRESOLVED: u32 = 1;
}

/// Where things are in a [`HookScratch`], for policy code.
pub mod offset {
    use super::{Awaited, HookScratch, Owner, Slot};
    use core::mem::offset_of;

    /// Whether a run has it.
    pub const BUSY: i16 = offset_of!(HookScratch, busy) as i16;

    /// Its number.
    pub const INDEX: i16 = offset_of!(HookScratch, index) as i16;

    /// What is kept from entry to return: word `index`.
    pub const fn saved(index: usize) -> i16 {
        (offset_of!(HookScratch, saved) + index * 8) as i16
    }

    /// Of [`Awaited`]: its state.
    pub const AWAITED_STATE: i16 = offset_of!(Awaited, state) as i16;

    /// Of [`Awaited`]: which security hook it is.
    pub const AWAITED_POINT: i16 = offset_of!(Awaited, point) as i16;

    /// Of [`Awaited`]: the algorithm.
    pub const AWAITED_ALGORITHM: i16 = offset_of!(Awaited, algorithm) as i16;

    /// Of [`Awaited`]: the hash.
    pub const AWAITED_DIGEST: i16 = offset_of!(Awaited, digest) as i16;

    /// What is known of the slots.
    pub const STATE: i16 = offset_of!(HookScratch, state) as i16;

    /// Whether the owner of a socket is known.
    pub const OWNER_KNOWN: i16 = (offset_of!(HookScratch, owner) + offset_of!(Owner, known)) as i16;

    /// A word for policy code.
    pub const CELL: i16 = offset_of!(HookScratch, cell) as i16;

    /// What is searched for.
    pub const NEEDLE: i16 = offset_of!(HookScratch, needle) as i16;

    const fn slot(index: usize) -> usize {
        offset_of!(HookScratch, slots) + index * size_of::<Slot>()
    }

    /// `len` of slot `index`.
    pub const fn slot_len(index: usize) -> i16 {
        (slot(index) + offset_of!(Slot, len)) as i16
    }

    /// `whole` of slot `index`.
    pub const fn slot_whole(index: usize) -> i16 {
        (slot(index) + offset_of!(Slot, whole)) as i16
    }

    /// `flags` of slot `index`.
    pub const fn slot_flags(index: usize) -> i16 {
        (slot(index) + offset_of!(Slot, flags)) as i16
    }

    /// `mode` of slot `index`.
    pub const fn slot_mode(index: usize) -> i16 {
        (slot(index) + offset_of!(Slot, mode)) as i16
    }

    /// Slot `index`.
    pub const fn slot_start(index: usize) -> i16 {
        slot(index) as i16
    }

    /// First byte of slot `index`.
    pub const fn slot_bytes(index: usize) -> i16 {
        (slot(index) + offset_of!(Slot, bytes)) as i16
    }

    const _: () = assert!(
        size_of::<HookScratch>() <= i16::MAX as usize,
        "offsets in instructions have 16 bits"
    );
}

/// Names of the runtime functions.
pub mod runtime {
    /// The function that policy code takes the place of: `fn(context) -> u64`.
    pub const POLICIES: &str = "policies_of_hook";

    /// The function that claims a scratch, written at run time as well: `fn() -> *mut HookScratch`, null when all are in
    /// use.
    pub const CLAIM: &str = "claim_scratch";

    /// The map of a succession: the number of the program that ran last on the CPU.
    pub const LATEST: &str = "latest_program";

    /// The map that the scratches are in.
    pub const SCRATCHES: &str = "tg_hook_heap";

    /// The map of those who [await](super::Awaited) a hash.
    pub const HASHES: &str = "tg_hook_hashes";

    /// `() -> 0`: forgets what the current thread awaits, before a call of a security hook that may await something. What is
    /// there then is of a call that another program has ended, and whose [`SETTLE`] never came.
    pub const AFRESH: &str = "hook_afresh";

    /// `(scratch, known, point) -> awaited`: the event under construction, of the security hook `point`, awaits the hash of a
    /// file, as `known` others of the same call do.
    pub const AWAIT: &str = "hook_await";

    /// `(verdict) -> deferred`: what the security hook returns is returned when the hash is known.
    pub const DEFER: &str = "hook_defer";

    /// `(point) -> count`: how many events of the current thread await a hash.
    pub const HASHED: &str = "hook_hashed";

    /// `(scratch, index, point) -> sent`: sends the rest of one of them.
    pub const HASH: &str = "hook_hash";

    /// `(point) -> verdict`: what is to be returned. Nothing is awaited any more.
    pub const SETTLE: &str = "hook_settle";

    /// `(op) -> 0`: counts an event of type `op` as lost because all scratches are in use.
    pub const LOST: &str = "hook_lost";

    /// `(scratch, slot, address, user) -> read`: a NUL-terminated string; from user memory if `user` is not 0, else from
    /// the memory that the address is of. 0 when it cannot be read.
    pub const STRING: &str = "hook_string";

    /// `(scratch, slot, kind, address) -> read`: the path of what [`path_kind`](super::path_kind) says.
    pub const PATH: &str = "hook_path";

    /// `(scratch, slot, address, len, user) -> read`: `len` bytes, likewise. 0 also when `len` is negative.
    pub const BYTES: &str = "hook_bytes";

    /// `(scratch, slot, structure, address) -> read`: what is known of a kernel structure, see
    /// [`structure`](super::structure).
    pub const STRUCTURE: &str = "hook_structure";

    /// `(scratch, what, address, len) -> added`: adds `len` bytes that are too long for a slot, by way of one; `what` is the
    /// type, with `user << 16` and `slot << 17`. 0 when they are not too long, or nothing could be sent.
    pub const DATA: &str = "hook_data";

    /// `(scratch, what, address) -> added`: the same for what a `struct iov_iter` goes over.
    pub const DATA_PIECES: &str = "hook_data_pieces";

    /// `(scratch, slot) -> read`: path of the executable of the current process as it was when that was executed, if it was
    /// remembered (`tg_binaries`); what it is now otherwise.
    pub const BINARY: &str = "hook_binary";

    /// `(what) -> value`: a [`fact`](super::fact) about the current process.
    pub const FACT: &str = "hook_fact";

    /// `() -> is`: whether the current process is the [agent](super::agent).
    pub const IS_AGENT: &str = "hook_is_agent";

    /// `(counter) -> 1`: adds one to one of the [`counters`](super::counters).
    pub const COUNT: &str = "hook_count";

    /// `(scratch, op, hook, word) -> 1`: begins a record of hook number `hook`; `op` is `flags << 8 | type`, with
    /// [`hook_flag`](crate::event::hook_flag), `word` is `selector << 16 | action`. With
    /// [`OWNED`](crate::event::hook_flag::OWNED) it is of the [owner](super::HookScratch::owner), if one is known. 0 when there is
    /// no memory for it.
    pub const BEGIN: &str = "hook_begin";

    /// `(scratch, kind, address) -> known`: makes the event one of the owner of a socket, if that is known; `kind` is
    /// [`SOCK`](super::structure::SOCK) or [`SOCKET`](super::structure::SOCKET).
    pub const OWNER: &str = "hook_owner";

    /// `(scratch, kind, address) -> 0`: the socket belongs to whom the event is of from now on.
    pub const TRACK: &str = "hook_track";

    /// `(kind, address) -> 0`: whom the socket belongs to is forgotten.
    pub const UNTRACK: &str = "hook_untrack";

    /// `(scratch, flags) -> 1`: adds [`hook_flag`](crate::event::hook_flag) to the record.
    pub const FLAG: &str = "hook_flag";

    /// `(op) -> 0`: counts that an action could not be done, for an event of type `op`.
    pub const FAILED: &str = "hook_failed";

    /// `(scratch, type, value) -> 1`: adds a number.
    pub const NUMBER: &str = "hook_number";

    /// `(scratch, type, slot) -> 1`: adds what is in a slot.
    pub const SLOT: &str = "hook_slot";

    /// `(scratch, type, status) -> 1`: adds an argument that could not be read.
    pub const ERROR: &str = "hook_error";

    /// `(scratch, hook, key, quiet, of_program) -> kept`: keeps the time of the record, the owner and the words that were saved
    /// until the return of the function, which `key` tells from other calls: those of the kernel or, with `of_program`, those of
    /// the current thread in programs. The record then says that it waits for the return. With `quiet`, the record is not sent,
    /// nor will that of the return be.
    pub const KEEP: &str = "hook_keep";

    /// `(hook, key, of_program) -> 0`: forgets what was kept, if anything was.
    pub const FORGET: &str = "hook_forget";

    /// `(scratch, hook, key, of_program) -> since`: takes back what was kept, and returns the time; 0 when nothing was kept.
    pub const RESUME: &str = "hook_resume";

    /// `(scratch, slot, what, address, count) -> read`: the bytes of `count` pieces of memory, one after the other; `what` is
    /// one of [`pieces`](super::pieces).
    pub const PIECES: &str = "hook_pieces";

    /// `(number) -> id`: the id of a system call: its number, marked with bit 31 if the current one is of a 32-bit program.
    pub const SYSCALL: &str = "hook_syscall";

    /// `(scratch, slot, len, fold) -> found`: whether the first `len` bytes of what is searched for are somewhere in a slot;
    /// with `fold`, whatever the case of the slot's ASCII letters.
    pub const CONTAINS: &str = "hook_contains";

    /// `(task) -> parent`: the `struct task_struct` of the parent of a process; 0 when that is the kernel.
    pub const PARENT: &str = "hook_parent";

    /// `(task, namespaced) -> pid`: the id of a process, or that in its own pid namespace, 0 in the initial one.
    pub const PID: &str = "hook_pid";

    /// `(bits) -> 0`: notes that the executable of the current process fits these conditions: see
    /// [`Images`](crate::map::Images).
    pub const MARK: &str = "hook_mark";

    /// `(policy, orders) -> 1`: tells the enforcer of a policy what to do at its next call by the current thread, in
    /// place of what it was told before. See [`orders`](super::orders).
    pub const NOTIFY: &str = "hook_notify";

    /// `(policy) -> orders`: what the enforcer of a policy is to do with the current thread, and no longer: 0 for
    /// nothing.
    pub const TAKE: &str = "hook_take";

    /// `(scratch, milliseconds, scope) -> limited`: whether a record like this one was let through less than so long ago.
    pub const LIMITED: &str = "hook_limited";

    /// `(scratch) -> sent`: sends the record, unless it is of the return of a call that was kept quietly.
    pub const SEND: &str = "hook_send";
}

/// What an enforcer is told, as one word: an error to return in the low half, a signal to send in the high one, 0 for
/// none.
pub const fn orders(error: i32, signal: u8) -> u64 {
    (signal as u64) << 32 | error as u32 as u64
}

/// What counts together for [`runtime::LIMITED`].
pub mod scope {
    /// Records of one thread.
    pub const THREAD: u32 = 0;
    /// Records of one process.
    pub const PROCESS: u32 = 1;
    /// All.
    pub const GLOBAL: u32 = 2;
}

/// What the address given to [`runtime::PATH`] is of.
#[allow(
    missing_docs,
    reason = "the names are the kernel's structures; `FD` is a descriptor of the current process"
)]
pub mod path_kind {
    pub const FILE: u32 = 0;
    pub const PATH: u32 = 1;
    pub const FD: u32 = 2;
    pub const DENTRY: u32 = 3;
    pub const KIOCB: u32 = 4;
    pub const BINPRM: u32 = 5;
}

/// What [`runtime::FACT`] tells of the current process.
#[allow(missing_docs, reason = "the names are those of selectors")]
pub mod fact {
    /// Process id in the innermost pid namespace; 0 in the initial one.
    pub const NSPID: u32 = 0;
    /// Whether the user namespace is not the initial one.
    pub const USER_NS_LEVEL: u32 = 1;
    pub const CAP_EFFECTIVE: u32 = 2;
    pub const CAP_INHERITABLE: u32 = 3;
    pub const CAP_PERMITTED: u32 = 4;
    /// A bit for each namespace, by its position, that is another than at exec or clone, or when last remembered.
    pub const NAMESPACES_CHANGED: u32 = 32;
    /// Remembers the namespaces of now. The value is 0.
    pub const REMEMBER_NAMESPACES: u32 = 33;
    /// A bit for each capability that is in one of the sets and not in the other: of now, and at exec or clone, or when
    /// last remembered.
    pub const CAP_EFFECTIVE_CHANGED: u32 = 34;
    pub const CAP_INHERITABLE_CHANGED: u32 = 35;
    pub const CAP_PERMITTED_CHANGED: u32 = 36;
    /// Remembers the capabilities of now. The value is 0.
    pub const REMEMBER_CAPABILITIES: u32 = 37;
    /// The words of [`Images`](crate::map::Images).
    pub const FOLLOWED: u32 = 38;
    pub const PARENT: u32 = 39;
    pub const PARENT_FOLLOWED: u32 = 40;
    /// Whether an execution is under way: the process has left the image that its entry is of, for one that has no event yet.
    /// Of processes that were there before the agent that is not known.
    pub const EXECUTING: u32 = 41;
    /// Inode number of the namespace at this plus its position in [`Namespaces`](crate::map::Namespaces).
    pub const NAMESPACE: u32 = 8;
}

/// Kernel structures that [`runtime::STRUCTURE`] reads.
pub mod structure {
    /// `struct sock`: a [`Flow`](super::Flow).
    pub const SOCK: u32 = 0;
    /// `struct socket`: the same of its `struct sock`.
    pub const SOCKET: u32 = 1;
    /// `struct sk_buff`: a [`Flow`](super::Flow).
    pub const SKB: u32 = 2;
    /// `struct sockaddr` of an Internet address: a [`Flow`](super::Flow) with a source.
    pub const SOCKADDR: u32 = 3;
    /// `struct cred`: [`Credentials`](crate::map::Credentials), [`Capabilities`](crate::map::Capabilities), and the inode
    /// number of its user namespace.
    pub const CRED: u32 = 4;
    /// `struct user_namespace`: four words of 32 bits: level, owner, group, inode number.
    pub const USER_NS: u32 = 5;
    /// `union bpf_attr` that loads a program: a [`BpfObject`](super::BpfObject).
    pub const BPF_ATTR: u32 = 6;
    /// `struct bpf_prog`: a [`BpfObject`](super::BpfObject).
    pub const BPF_PROG: u32 = 7;
    /// `struct bpf_map`: a [`BpfObject`](super::BpfObject).
    pub const BPF_MAP: u32 = 8;
    /// `struct perf_event`: a [`PerfEvent`](super::PerfEvent).
    pub const PERF_EVENT: u32 = 9;
    /// `struct module`: a [`Module`](super::Module).
    pub const MODULE: u32 = 10;
    /// `struct load_info`: the same.
    pub const LOAD_INFO: u32 = 11;
    /// `struct sockaddr_un`: its path, an abstract one after `@`; the family is in the slot's `flags`.
    pub const SOCKADDR_UN: u32 = 12;
    /// Bit: it is in user space, whatever the address. For socket addresses.
    pub const USER: u32 = 1 << 8;
}

/// A program or map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct BpfObject {
    /// `enum bpf_prog_type` or `enum bpf_map_type`.
    pub kind: u32,
    /// Of a program: number of instructions. Of a map: bytes in a key.
    pub len: u32,
    /// Of a map: bytes in a value.
    pub value_size: u32,
    /// Of a map.
    pub max_entries: u32,
    /// Ends with a zero byte or at its 16th.
    pub name: [u8; 16],
}

/// A performance event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct PerfEvent {
    /// `enum perf_type_id`, or the number of a device.
    pub kind: u32,
    /// Always 0.
    pub reserved: u32,
    /// What of its type.
    pub config: u64,
    /// Of a kprobe: bytes behind the beginning of the function.
    pub probe_offset: u64,
    /// Of a kprobe: the function. Ends with a zero byte.
    pub function: [u8; 64],
}

/// A kernel module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Module {
    /// Bits of `TAINT_…`.
    pub taints: u64,
    /// Whether its signature is right: 1 no, 2 yes; 0 where nobody knows.
    pub signature: u32,
    /// Always 0.
    pub reserved: u32,
    /// Ends with a zero byte.
    pub name: [u8; 64],
}

/// What [`runtime::PIECES`] reads.
pub mod pieces {
    /// An array of `struct iovec`.
    pub const VECTOR: u32 = 0;
    /// `struct iov_iter`, which knows its length.
    pub const ITERATOR: u32 = 1;
    /// Bit: all of it is in user space, whatever the addresses.
    pub const USER: u32 = 1 << 8;
}

/// Ends of a connection or packet. What makes records alike for rate limits comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Flow {
    /// Where it comes from: the local address of a socket. IPv4 addresses as `::ffff:a.b.c.d`.
    pub source: [u8; 16],
    /// Where it goes to.
    pub destination: [u8; 16],
    /// Port at the source, in host order.
    pub source_port: u16,
    /// Port at the destination.
    pub destination_port: u16,
    /// Address family (`AF_…`).
    pub family: u16,
    /// Kind of socket (`SOCK_…`).
    pub kind: u16,
    /// Address of the `struct sock`.
    pub cookie: u64,
    /// Protocol (`IPPROTO_…`).
    pub protocol: u16,
    /// State of a TCP socket (`TCP_…`).
    pub state: u16,
    /// `sk_mark` or `mark`.
    pub mark: u32,
    /// `sk_priority` or `priority`.
    pub priority: u32,
    /// Of a packet: `hash`.
    pub hash: u32,
    /// Of a packet: `len`.
    pub len: u32,
    /// Of a packet: length of its security path, 0 for none.
    pub sec_path_len: u32,
    /// Of a packet: offloaded part of its security path.
    pub sec_path_olen: u32,
    /// 1 when the ports are meant, which protocols without them have not.
    pub ports: u16,
    /// Always 0.
    pub reserved: u16,
}
