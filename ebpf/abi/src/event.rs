//! Ring buffer records.
//!
//! A record is a fixed head, one of the structs below, all of which begin with [`Header`], followed by the variable
//! parts whose lengths the head gives, in the order of its length fields, without padding between them.
//!
//! Long arguments and environments do not fit in a record. They come before it in [`DataEvent`] records of the same
//! process identity; the exec record says how many bytes were sent that way.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::map::{Capabilities, Credentials, ExecPrivileges, Namespaces, ProcessKey};

/// Event types ([`Header::op`]). The numbers are Tetragon's, which show in metrics and in `GetInfo`.
#[allow(missing_docs, reason = "the names are the event types")]
pub mod op {
    pub const EXECVE: u8 = 5;
    pub const EXIT: u8 = 7;
    pub const KPROBE: u8 = 13;
    pub const TRACEPOINT: u8 = 14;
    pub const UPROBE: u8 = 15;
    pub const LSM: u8 = 16;
    pub const CLONE: u8 = 23;
    pub const DATA: u8 = 24;
    pub const USDT: u8 = 28;
}

/// First bytes of every record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    /// Length of the whole record in bytes, this header included.
    pub size: u32,
    /// One of [`op`].
    pub op: u8,
    /// Always 0.
    pub flags: u8,
    /// Always 0.
    pub reserved: u16,
    /// When it happened, nanoseconds since boot (`CLOCK_BOOTTIME`).
    pub ktime: u64,
}

impl Header {
    /// The header of a record of `size` bytes and type `op`, of something that happened at `ktime`.
    pub const fn new(size: u32, op: u8, ktime: u64) -> Self {
        Self {
            size,
            op,
            flags: 0,
            reserved: 0,
            ktime,
        }
    }
}

/// A process began to execute a new image ([`op::EXECVE`]).
///
/// Followed by: file name, image path, working directory, cgroup name, arguments, environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ExecEvent {
    /// Common to all records.
    pub header: Header,
    /// Identity of the new image.
    pub process: ProcessKey,
    /// Identity of the process that started this one.
    pub parent: ProcessKey,
    /// Identity of the image that this one replaces; all zero when the process was not known.
    pub previous: ProcessKey,
    /// Bits of [`exec_flag`].
    pub flags: u32,
    /// Process id in the innermost pid namespace; 0 for processes of the initial one.
    pub nspid: u32,
    /// Login user id, 4294967295 when unset.
    pub auid: u32,
    /// Link count of the executed file; 0 for a file that was unlinked or never had a name (memfd).
    pub links: u32,
    /// Inode number of the executed file.
    pub inode: u64,
    /// Inode number (kernfs id) of the cgroup, as the directory of the cgroup shows it; 0 when not known.
    pub cgroup_id: u64,
    /// Always read: `euid` is the `uid` of the event. The rest only with `Config::process_cred`.
    pub creds: Credentials,
    /// With `Config::process_cred`, else zero.
    pub privileges: ExecPrivileges,
    /// With `Config::process_cred`, else zero.
    pub caps: Capabilities,
    /// With `Config::process_ns`, else zero.
    pub ns: Namespaces,
    /// Length of the file name as it was given to `execve`, without NUL. At most 4,095.
    pub filename_len: u16,
    /// Length of the path of the image, walked from its inode; ends in ` (deleted)` when unlinked. At most 4,105.
    pub image_len: u16,
    /// Length of the working directory; 0 when [`exec_flag::NO_CWD`] or an error flag says so. At most 4,105.
    pub cwd_len: u16,
    /// Length of the last component of the cgroup's path. At most 127.
    pub cgroup_len: u16,
    /// Bytes of arguments in this record: NUL-terminated strings, the first one included.
    pub args_len: u32,
    /// Bytes of environment in this record: NUL-terminated `NAME=value` strings. With `Config::process_env`, else 0.
    pub envs_len: u32,
    /// Bytes of arguments sent before in [`DataEvent`] records; then `args_len` is 0.
    pub args_data_len: u32,
    /// Bytes of environment sent before in [`DataEvent`] records; then `envs_len` is 0.
    pub envs_data_len: u32,
}

/// Bits of [`ExecEvent::flags`], [`CloneEvent::flags`] and of the `flags` of a process as the API shows them.
#[allow(
    missing_docs,
    reason = "names and numbers are Tetragon's; the words they print as are in the API crate"
)]
pub mod exec_flag {
    pub const EXECVE: u32 = 0x1;
    pub const ENVS_DATA: u32 = 0x2;
    pub const PROCFS: u32 = 0x4;
    pub const ERROR_ENVS: u32 = 0x8;
    /// The arguments are longer than what was sent.
    pub const TRUNC_ARGS: u32 = 0x10;
    /// The parent was not known to the kernel programs.
    pub const MISS: u32 = 0x40;
    pub const ERROR_FILENAME: u32 = 0x100;
    pub const ERROR_ARGS: u32 = 0x200;
    pub const NEED_CWD: u32 = 0x400;
    pub const NO_CWD: u32 = 0x800;
    /// The working directory is `/`.
    pub const ROOT_CWD: u32 = 0x1000;
    pub const ERROR_CWD: u32 = 0x2000;
    /// The image was started by a process made by clone, which this exec turned into the new one.
    pub const CLONE: u32 = 0x4000;
    pub const ERROR_CGROUP_NAME: u32 = 0x1_0000;
    pub const ERROR_CGROUP_KN: u32 = 0x2_0000;
    pub const ERROR_CGROUP_SUBSYS_CGRP: u32 = 0x4_0000;
    pub const ERROR_CGROUP_SUBSYS: u32 = 0x8_0000;
    pub const ERROR_CGROUPS: u32 = 0x10_0000;
    pub const ERROR_CGROUP_ID: u32 = 0x20_0000;
    /// The working directory has more components than the walk takes; what was walked is its tail.
    pub const ERROR_PATH_RESOLUTION_CWD: u32 = 0x40_0000;
    pub const DATA_FILENAME: u32 = 0x80_0000;
    /// The arguments came in [`super::DataEvent`] records.
    pub const DATA_ARGS: u32 = 0x100_0000;
    /// The process belongs to the tree of a container's init process.
    pub const IN_INIT_TREE: u32 = 0x200_0000;
}

/// A process was cloned ([`op::CLONE`]); threads are not reported.
///
/// Followed by: cgroup name, only when the child's cgroup differs from its parent's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CloneEvent {
    /// Common to all records.
    pub header: Header,
    /// Identity of the new process.
    pub process: ProcessKey,
    /// Identity of its parent.
    pub parent: ProcessKey,
    /// [`exec_flag::IN_INIT_TREE`] and [`exec_flag::MISS`].
    pub flags: u32,
    /// Process id in the innermost pid namespace; 0 for processes of the initial one.
    pub nspid: u32,
    /// Cgroup of the child, 0 when not known.
    pub cgroup_id: u64,
    /// With `Config::process_cred`, else zero.
    pub caps: Capabilities,
    /// With `Config::process_cred`, else zero.
    pub creds: Credentials,
    /// With `Config::process_ns`, else zero.
    pub ns: Namespaces,
    /// Length of the cgroup name that follows, 0 when the child is in its parent's cgroup.
    pub cgroup_len: u32,
    /// Always 0.
    pub reserved: u32,
}

/// The last thread of a process is about to be gone ([`op::EXIT`]). Nothing follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ExitEvent {
    /// Common to all records.
    pub header: Header,
    /// Identity of the process.
    pub process: ProcessKey,
    /// Wait status as wait(2) would give it: signal in the low 7 bits, core dump 0x80, exit code in bits 8 to 15.
    pub status: u32,
    /// Thread that left last.
    pub tid: u32,
}

/// Part of something too long for its record ([`op::DATA`]), sent before it. Followed by the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DataEvent {
    /// Common to all records.
    pub header: Header,
    /// Identity of the process in the record that this belongs to. Of a hook: its thread, its number, and the time of its
    /// record.
    pub process: ProcessKey,
    /// One of [`data_kind`].
    pub kind: u32,
    /// Number of bytes that follow.
    pub len: u32,
    /// Position of these bytes in the whole.
    pub offset: u32,
    /// Always 0.
    pub reserved: u32,
}

/// What a [`DataEvent`] record carries.
pub mod data_kind {
    /// Arguments of an exec.
    pub const ARGS: u32 = 0;
    /// Environment of an exec.
    pub const ENVS: u32 = 1;
    /// The argument of a hook whose [`kind`](super::HookArg::kind) is added.
    pub const HOOK: u32 = 16;
}

/// Bytes of an argument that travel in [`DataEvent`] records at most: ten times what one of Tetragon's has.
pub const HOOK_DATA: u32 = 327_360;

/// Bytes in one [`DataEvent`] record at most.
pub const DATA_CHUNK: usize = 16_384;

/// [`DataEvent`] records for one thing at most: 2 MiB, which is a quarter of the default stack limit of 8 MiB and
/// therefore the most that `execve` takes by default for arguments and environment together (execve(2)).
pub const DATA_CHUNKS: u32 = 128;

/// Arguments up to this many bytes travel in the exec record itself.
pub const INLINE_ARGS: u32 = 2_047;

/// An environment up to this many bytes travels in the exec record itself.
pub const INLINE_ENVS: u32 = 1_023;

/// A hook of a policy was hit ([`op::KPROBE`] and its kin).
///
/// Followed by `args` times a [`HookArg`] with its bytes, in the order in which the policy lists the arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct HookEvent {
    /// Common to all records.
    pub header: Header,
    /// Identity of the process; its start time in ticks when the kernel programs have no entry for it. With
    /// [`OWNED`](hook_flag::OWNED), that of the owner of a socket.
    pub process: ProcessKey,
    /// Thread.
    pub tid: u32,
    /// Number that the agent gave to the hook of the policy.
    pub hook: u32,
    /// Position of the selector that matched.
    pub selector: u16,
    /// Last action that was taken, by Tetragon's number.
    pub action: u16,
    /// Number of arguments that follow.
    pub args: u16,
    /// Bits of [`hook_flag`].
    pub flags: u16,
    /// Of the return of a function: the time in the record of its entry. 0 elsewhere.
    pub since: u64,
}

/// Bits of [`HookEvent::flags`].
pub mod hook_flag {
    /// The function was entered; the event is complete with a record of its return. At a security hook: with the hash of a
    /// file, in a record with [`RETURN`].
    pub const ENTRY: u16 = 1;
    /// The function returned: what follows belongs to the event of the record of the same hook and thread at
    /// [`since`](super::HookEvent::since).
    pub const RETURN: u16 = 2;
    /// The function returned, and what it returned is of no interest. Comes with [`RETURN`].
    pub const DISCARD: u16 = 4;
    /// Process and thread are those that a socket belongs to, not those that reached the hook. Policy code gives it where
    /// that may be so, and the record has it where it is.
    pub const OWNED: u16 = 8;
    /// An action of the policy could not be done.
    pub const FAILED: u16 = 16;
}

/// [`HookArg::flags`] of bytes that came before in [`DataEvent`] records; how many is the value.
pub const IN_DATA: u16 = 1;

/// [`HookArg::kind`] of the number of the system call, where a hook sees all of them.
pub const CALL: u16 = u16::MAX - 2;

/// The hash of a file, in the record that follows that of a security hook.
pub mod file_hash {
    /// [`HookArg::kind`](super::HookArg::kind). The flags are the algorithm (`enum hash_algo`, `include/uapi/linux/hash_info.h`).
    pub const KIND: u16 = u16::MAX - 3;
    /// Bytes that there are, whatever the algorithm: those of the longest hash.
    pub const LEN: u32 = 64;
}

/// [`HookArg::kind`] of what is no argument of the policy: addresses of the code that was running, 8 bytes each, that of the
/// innermost function first.
pub mod stack {
    /// Of the kernel.
    pub const KERNEL: u16 = u16::MAX - 1;
    /// Of the process.
    pub const USER: u16 = u16::MAX;
    /// Addresses at most, as many as the kernel collects (`PERF_MAX_STACK_DEPTH`, `include/uapi/linux/perf_event.h`).
    pub const DEPTH: u32 = 127;
}

/// An argument in a [`HookEvent`]. Followed by `len` bytes, padded to a multiple of 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct HookArg {
    /// Which of the arguments of the policy it is, or one of [`stack`].
    pub kind: u16,
    /// Of a path: bits of [`path_flag`](crate::hook::path_flag). Of bytes: [`IN_DATA`].
    pub flags: u16,
    /// 0: the value follows. -1: it could not be read. Greater: the pointer at this depth could not be followed.
    pub status: i32,
    /// Bytes that follow; of a number, 8.
    pub len: u32,
    /// Bytes that it has in memory, when those are more than follow.
    pub whole: u32,
    /// Of a path: type and permissions (`st_mode`).
    pub mode: u32,
    /// Always 0.
    pub reserved: u32,
}
