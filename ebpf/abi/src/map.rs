//! Keys and values of maps that both sides touch.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::executable;

/// Identity of a process image: what `exec_id` is made of.
///
/// A process gets a new identity at each `execve`. Processes that were there before the agent are identified by
/// their start time in clock ticks, as `/proc/<pid>/stat` shows it (see [`ticks_to_ktime`]); the kernel programs
/// compute the same value, so both sides name such a process alike without having spoken of it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct ProcessKey {
    /// Thread group id in the initial pid namespace; 0 is the idle task, shown as `<kernel>`.
    pub pid: u32,
    /// 0, except in what belongs to a hook: its number.
    pub reserved: u32,
    /// Nanoseconds since boot (`CLOCK_BOOTTIME`) at which the image began.
    pub ktime: u64,
}

impl ProcessKey {
    /// Identity of the kernel's own process, parent of `init` and of `kthreadd`.
    pub const KERNEL: Self = Self {
        pid: 0,
        reserved: 0,
        ktime: 1,
    };

    /// Identity of process `pid` whose image began at `ktime`.
    pub const fn new(pid: u32, ktime: u64) -> Self {
        Self {
            pid,
            reserved: 0,
            ktime,
        }
    }
}

/// Nanoseconds of a clock tick as `/proc` counts it: `USER_HZ` is 100 on every architecture this runs on.
pub const NS_PER_TICK: u64 = 10_000_000;

/// The `ktime` of a process known only by field 22 (`starttime`) of `/proc/<pid>/stat`.
pub const fn ticks_to_ktime(ticks: u64) -> u64 {
    ticks * NS_PER_TICK
}

/// Value of `execve_map`, keyed by thread group id (`u32`): what the kernel remembers of a live process; and of
/// `tg_ended_map`, of one that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ProcessEntry {
    /// Identity of the current image.
    pub key: ProcessKey,
    /// Identity of the parent, or of the previous image after an exec without clone.
    pub parent: ProcessKey,
    /// Bits of [`entry_flag`].
    pub flags: u32,
    /// Process id in the innermost pid namespace; 0 for processes of the initial one.
    pub nspid: u32,
    /// Namespace inode numbers at exec or clone, by [`Namespaces`] order; 0 where the kernel has no such namespace.
    pub ns: Namespaces,
    /// Capabilities at exec or clone.
    pub caps: Capabilities,
    /// Which executables it and those before it are and were.
    pub images: Images,
    /// Path of its executable when that was executed, in `tg_binaries`: see [`executable::id`]. 0
    /// when it is not there.
    pub executable: u64,
    /// Low half of the task's count of executions; 0 in entries seeded from `/proc`, which differs from that of any
    /// execution to come.
    pub exec_id: u32,
    /// In `tg_ended_map`, the low half of the time at which the process started: its number may be another one's by now. 0 in
    /// `execve_map`, until the process ends.
    pub start: u32,
}

/// What policies want to know of executables beyond that of the moment: a bit for each condition on paths, which whoever
/// loads policies hands out.
///
/// Where [`Images::KNOWN`] is missing, a bit that is not set says nothing: the process, or its creator, had no entry.
///
/// The policy code of an execution sets the bits of `image` and `followed` whose conditions the new executable fits. The
/// base programs see to the rest: at a clone the child takes over what its creator has, and the creator's become those of
/// its parent; at an execution that follows no clone, those of the image before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Images {
    /// Conditions that the executable fits.
    pub image: u64,
    /// Those that it or one of its predecessors or ancestors fitted.
    pub followed: u64,
    /// `image` of the parent, or of the image before.
    pub parent: u64,
    /// `followed` likewise.
    pub parent_followed: u64,
}

impl Images {
    /// In each word: what its other bits do not say is not so. In [`image`](Self::image) and [`parent`](Self::parent) it is
    /// missing for the kernel's threads as well, which have no executable.
    pub const KNOWN: u64 = 1 << 63;
}

/// Value of `tg_binaries`, keyed by [`executable::id`]: a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Executable {
    /// Bytes of the path.
    pub len: u32,
    /// Always 0.
    pub reserved: u32,
    /// The path; what is behind it means nothing.
    pub words: [u64; executable::PATH_WORDS],
}

/// Bits of [`ProcessEntry::flags`].
pub mod entry_flag {
    /// The entry was made by a clone and the process has not called `execve` since.
    pub const CLONE: u32 = 1;
    /// The process belongs to the tree of a container's init process.
    pub const IN_INIT_TREE: u32 = 2;
    /// The entry was seeded from `/proc`.
    pub const PROCFS: u32 = 4;
}

/// Inode numbers of the namespaces of a task, in the order in which Tetragon lists them. 0: no such namespace here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs, reason = "each field is the namespace of that name, see namespaces(7)")]
pub struct Namespaces {
    pub uts: u32,
    pub ipc: u32,
    pub mnt: u32,
    pub pid: u32,
    pub pid_for_children: u32,
    pub net: u32,
    pub time: u32,
    pub time_for_children: u32,
    pub cgroup: u32,
    pub user: u32,
}

impl Namespaces {
    /// The one in this position; 0 behind the last.
    #[inline]
    pub const fn at(&self, position: u32) -> u32 {
        match position {
            0 => self.uts,
            1 => self.ipc,
            2 => self.mnt,
            3 => self.pid,
            4 => self.pid_for_children,
            5 => self.net,
            6 => self.time,
            7 => self.time_for_children,
            8 => self.cgroup,
            9 => self.user,
            _ => 0,
        }
    }
}

/// Capability sets of a task, bit `n` being capability `n` (capabilities(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs, reason = "each field is the set of that name, see capabilities(7)")]
pub struct Capabilities {
    pub permitted: u64,
    pub effective: u64,
    pub inheritable: u64,
}

/// User and group ids of a task in the initial user namespace, secure bits, and its user namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs, reason = "each id is the one of that name, see credentials(7)")]
pub struct Credentials {
    pub uid: u32,
    pub gid: u32,
    pub euid: u32,
    pub egid: u32,
    pub suid: u32,
    pub sgid: u32,
    pub fsuid: u32,
    pub fsgid: u32,
    /// Bits of `SECBIT_*` (linux/securebits.h).
    pub securebits: u32,
    /// Depth of the user namespace; 0 is the initial one.
    pub user_ns_level: u32,
    /// Owner of the user namespace.
    pub user_ns_uid: u32,
    /// Group of the owner of the user namespace.
    pub user_ns_gid: u32,
}

/// What an exec changes in the credentials, noted while both the old and the new ones are in sight.
///
/// Value of `tg_execve_joined_info_map`, keyed by `pid_tgid` (`u64`), from the hook on
/// `security_bprm_committing_creds` to the exec event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ExecPrivileges {
    /// Bits of [`privilege`].
    pub flags: u32,
    /// Effective user id gained from a set-user-id file; meaningful with [`privilege::SETUID`].
    pub setuid: u32,
    /// Effective group id gained from a set-group-id file; meaningful with [`privilege::SETGID`].
    pub setgid: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Bits of [`ExecPrivileges::flags`].
pub mod privilege {
    /// The effective user id changed to the owner of a set-user-id file.
    pub const SETUID: u32 = 1;
    /// The effective group id changed to the group of a set-group-id file.
    pub const SETGID: u32 = 2;
    /// Capabilities were raised by file capabilities.
    pub const RAISED_FILE_CAP: u32 = 4;
    /// Capabilities were raised because the file is set-user-id root.
    pub const RAISED_SETUID: u32 = 8;
    /// Privileges were raised because the file is set-group-id root.
    pub const RAISED_SETGID: u32 = 16;
}

/// Why an event did not reach user space. Index, with the event type, into the `tg_stats_map` counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Outcome {
    /// Written to the ring buffer.
    Sent = 0,
    /// The ring buffer was full.
    RingFull = 1,
    /// `execve_map` was full: the event went out, but later events of the process will lack its identity.
    MapFull = 2,
    /// The record could not be built (scratch memory missing); never seen so far.
    NoScratch = 3,
    /// Not lost: seen by a spare because the kernel did not run the program ([`COPIES`]).
    Spared = 4,
    /// Not lost, but left by the first spare to the program itself, as there was no room in `execve_map` ([`COPIES`]).
    Abstained = 5,
    /// Not lost, but the path of the executable could not be remembered: `tg_binaries` was full.
    PathForgotten = 6,
    /// Not lost, but an action of a policy could not be done.
    ActionFailed = 7,
}

impl Outcome {
    /// All of them, by index.
    pub const ALL: [Self; 8] = [
        Self::Sent,
        Self::RingFull,
        Self::MapFull,
        Self::NoScratch,
        Self::Spared,
        Self::Abstained,
        Self::PathForgotten,
        Self::ActionFailed,
    ];
}

/// How often each program is attached at most: once and in spares.
///
/// The kernel does not run a program on a CPU on which it is running already. Since a tracepoint may be preempted (7.x),
/// that happens: a task is preempted within the program, and the next one passes by the same tracepoint. A spare is the
/// same program once more. It looks whether the event was seen, and if not, sees it. To be missed, an event must find
/// all of them preempted.
pub const COPIES: u32 = 4;

/// Highest event type plus one, see [`crate::event::op`].
pub const STATS_OPS: u32 = 32;

/// Entries of the per-CPU counters `tg_stats_map`.
pub const STATS_ENTRIES: u32 = STATS_OPS * Outcome::ALL.len() as u32;

/// Index into `tg_stats_map` of events of type `op` that ended as `outcome`.
pub const fn stats_index(op: u8, outcome: Outcome) -> u32 {
    (op as u32 % STATS_OPS) * Outcome::ALL.len() as u32 + outcome as u32
}
