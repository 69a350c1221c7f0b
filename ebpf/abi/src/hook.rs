//! What policy code and the runtime in the object share while a hook runs.
//!
//! A program at a hook puts what it was called with into a [`HookScratch`] and calls the policy code, which is written
//! at run time (the `policy` crate) and addresses the scratch by the offsets given here. Whatever is more than a few
//! instructions the code leaves to runtime functions of the object, named in [`runtime`]. All their parameters are plain
//! numbers, so that the verifier checks each of them once, whoever calls it (global functions, kernel 5.6).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Longest string or path that is compared and reported, in bytes.
pub const SLOT_LEN: usize = 4_096;

/// Strings that one run can hold: as many as a hook has arguments.
pub const SLOTS: usize = 5;

/// Per-CPU places for [`HookScratch`], by what may interrupt what: programs of different kinds may run inside each
/// other on one CPU, programs of one kind do not.
pub mod heap {
    /// kprobes, tracepoints, uprobes: the kernel lets only one of them run on a CPU at a time (`bpf_prog_active`).
    pub const PROBE: u32 = 0;
    /// Trampolines: `fentry`, `fexit`, `fmod_ret`.
    pub const TRACING: u32 = 1;
    /// Security hooks.
    pub const LSM: u32 = 2;
    /// Raw tracepoints.
    pub const RAW: u32 = 3;
    /// How many there are.
    pub const COUNT: u32 = 4;
}

/// What a program at a hook was called with, and what policy code found out about it.
#[repr(C, align(8))]
pub struct HookScratch {
    /// The first words of the registers that user space entered a system call with, up to its first argument: the
    /// beginning of `struct pt_regs`.
    pub regs: [u64; 15],
    /// For each slot a bit that says that reading into it was tried, and [`READ`] bits above it one that says that it
    /// was read. Here and not in a register, where the verifier would tell all combinations apart.
    pub state: u64,
    /// A word for policy code.
    pub cell: u64,
    /// Strings and structures that were read.
    pub slots: [Slot; SLOTS],
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
}

/// Bits of [`Slot::flags`].
pub mod path_flag {
    /// The path has more components than the walk takes.
    pub const UNRESOLVED: u32 = 1;
}

/// Where things are in a [`HookScratch`], for policy code.
pub mod offset {
    use super::{HookScratch, Slot};
    use core::mem::offset_of;

    /// Registers of a system call.
    pub const REGS: i16 = offset_of!(HookScratch, regs) as i16;

    /// What is known of the slots.
    pub const STATE: i16 = offset_of!(HookScratch, state) as i16;

    /// A word for policy code.
    pub const CELL: i16 = offset_of!(HookScratch, cell) as i16;

    const fn slot(index: usize) -> usize {
        offset_of!(HookScratch, slots) + index * size_of::<Slot>()
    }

    /// `len` of slot `index`.
    pub const fn slot_len(index: usize) -> i16 {
        (slot(index) + offset_of!(Slot, len)) as i16
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
    /// The function that policy code takes the place of: `fn(*mut HookScratch, context) -> u64`.
    pub const POLICIES: &str = "policies_of_hook";

    /// `(heap, slot, address, user) -> read`: a NUL-terminated string; from user memory if `user` is not 0, else from
    /// the kernel's. 0 when it cannot be read.
    pub const STRING: &str = "hook_string";

    /// `(heap, slot, kind, address) -> read`: the path of what [`path_kind`](super::path_kind) says.
    pub const PATH: &str = "hook_path";

    /// `(heap, slot, address, len) -> read`: `len` bytes of user memory.
    pub const BYTES: &str = "hook_bytes";

    /// `(heap, slot, structure, address) -> read`: what is known of a kernel structure, see
    /// [`structure`](super::structure).
    pub const STRUCTURE: &str = "hook_structure";

    /// `(heap, slot) -> read`: path of the executable of the current process.
    pub const BINARY: &str = "hook_binary";

    /// `(what) -> value`: a [`fact`](super::fact) about the current process.
    pub const FACT: &str = "hook_fact";

    /// `(counter) -> 1`: adds one to one of the [`counters`](super::counters).
    pub const COUNT: &str = "hook_count";

    /// `(heap, op, hook, word) -> 1`: begins a record of type `op` of hook number `hook`; `word` is
    /// `selector << 16 | action`. 0 when there is no memory for it.
    pub const BEGIN: &str = "hook_begin";

    /// `(heap, type, value) -> 1`: adds a number.
    pub const NUMBER: &str = "hook_number";

    /// `(heap, type, slot) -> 1`: adds what is in a slot.
    pub const SLOT: &str = "hook_slot";

    /// `(heap, type, status) -> 1`: adds an argument that could not be read.
    pub const ERROR: &str = "hook_error";

    /// `(heap) -> sent`: sends the record.
    pub const SEND: &str = "hook_send";
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
    /// `struct cred`: [`Credentials`](crate::map::Credentials), [`Capabilities`](crate::map::Capabilities).
    pub const CRED: u32 = 4;
}

/// Ends of a connection or packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Flow {
    /// Where it comes from: the local address of a socket. IPv4 addresses as `::ffff:a.b.c.d`.
    pub source: [u8; 16],
    /// Where it goes to.
    pub destination: [u8; 16],
    /// Address of the `struct sock`.
    pub cookie: u64,
    /// Port at the source, in host order.
    pub source_port: u16,
    /// Port at the destination.
    pub destination_port: u16,
    /// Address family (`AF_…`).
    pub family: u16,
    /// Kind of socket (`SOCK_…`).
    pub kind: u16,
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
    /// Always 0.
    pub reserved: u32,
}
