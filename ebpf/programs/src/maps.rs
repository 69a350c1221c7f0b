//! The maps, under the names that operators of Tetragon know. Sizes given here are defaults that the loader changes.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use ebpf_abi::{
    event::{CloneEvent, DATA_CHUNK, DataEvent},
    hook::{Awaited, HookScratch, Owner, SAVED, SCRATCHES, SLOT_LEN, counters},
    map::{COPIES, ExecPrivileges, Executable, ProcessEntry, ProcessKey, STATS_ENTRIES},
};

/// Every record goes through this one ring: order in it is order of events, whatever the CPU.
#[map(name = "tg_events")]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// Live processes by thread group id.
#[map(name = "execve_map")]
pub static PROCESSES: HashMap<u32, ProcessEntry> = HashMap::with_max_entries(32_768, 0);

/// Processes that have ended, by thread group id: what they leave open is closed behind `sched_process_exit`.
#[map(name = "tg_ended_map")]
pub static ENDED: LruHashMap<u32, ProcessEntry> = LruHashMap::with_max_entries(2_048, 0);

/// From `bprm_committing_creds` to the exec event, by `pid_tgid`.
#[map(name = "tg_execve_joined_info_map")]
pub static EXEC_PRIVILEGES: LruHashMap<u64, ExecPrivileges> = LruHashMap::with_max_entries(1_024, 0);

/// Counters by event type and outcome.
#[map(name = "tg_stats_map")]
pub static STATS: PerCpuArray<u64> = PerCpuArray::with_max_entries(STATS_ENTRIES, 0);

/// Furthest offset at which a part of a record may begin, plus one: a power of two, for the mask that shows it.
pub const LAST_PART: usize = 16_384;

/// Room that every part of a record is sure of: none is longer.
pub const PART: usize = 4_096;

/// A record under construction. Everything that is computed goes here at once instead of waiting in registers: what
/// the verifier does not know it need not tell apart, and the branches of the way here join again.
#[repr(C, align(8))]
pub struct Scratch {
    /// What goes into [`PROCESSES`].
    pub entry: ProcessEntry,
    /// Flags of the event, added as they are found.
    pub flags: u32,
    /// Bytes of the record that are written.
    pub end: u32,
    /// Bytes of the part being written.
    pub len: u32,
    pub reserved: u32,
    /// The record: its head and its parts.
    pub record: [u8; LAST_PART + PART],
}

/// One per CPU and instance of the program: an instance does not nest on a CPU, and what the configuration leaves unwritten in a
/// record stays zero because no other kind of record is built here.
#[map(name = "tg_execve_heap")]
pub static EXEC: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(COPIES, 0);

/// A clone record under construction.
#[repr(C, align(8))]
pub struct CloneScratch {
    /// What goes into [`PROCESSES`].
    pub entry: ProcessEntry,
    /// The record: its head,
    pub head: CloneEvent,
    /// and the name of the cgroup.
    pub cgroup: [u8; 128],
}

#[map(name = "tg_clone_heap")]
pub static CLONE: PerCpuArray<CloneScratch> = PerCpuArray::with_max_entries(COPIES, 0);

/// A data record under construction: sent while [`EXEC`] waits for its turn.
#[repr(C, align(8))]
pub struct Chunk {
    pub head: DataEvent,
    pub bytes: [u8; DATA_CHUNK],
}

#[map(name = "tg_data_heap")]
pub static CHUNK: PerCpuArray<Chunk> = PerCpuArray::with_max_entries(COPIES, 0);

/// Longest path that is walked: `PATH_MAX`.
pub const PATH_SIZE: usize = 4_096;

/// A path, put together from its end, with room for the widest name (`NAME_MAX` is 255) beyond.
#[repr(C, align(8))]
pub struct PathBuffer {
    /// Offset of the first byte of the path in `bytes`; its last is at `PATH_SIZE - 1`.
    pub start: u32,
    pub reserved: u32,
    /// Address of the inode of what it is the path of; 0 for none.
    pub inode: u64,
    pub bytes: [u8; PATH_SIZE + 256],
}

/// One for each scratch of hooks, and one for each instance of the exec program.
const PATH_BUFFERS: u32 = SCRATCHES + COPIES;

#[map(name = "tg_path_heap")]
pub static PATH: PerCpuArray<PathBuffer> = PerCpuArray::with_max_entries(PATH_BUFFERS, 0);

/// Hooks at work.
#[map(name = "tg_hook_heap")]
pub static HOOKS: PerCpuArray<HookScratch> = PerCpuArray::with_max_entries(SCRATCHES, 0);

/// A call of a function whose return is observed.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct CallKey {
    /// Address on the stack that only this call has.
    pub key: u64,
    /// Number of the hook.
    pub hook: u32,
    /// Of a function of a program: the thread. Of the kernel's functions 0.
    pub thread: u32,
}

/// What is kept of it until it returns.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Call {
    /// When it began.
    pub since: u64,
    /// The thread that began it: execve(2) changes the id of one that does not lead its process.
    pub tid: u32,
    /// Not 0 when its entry was not reported, so that its return is not either.
    pub quiet: u32,
    /// Words that are read through when it returns.
    pub saved: [u64; SAVED],
    /// Whose event it is, if it is that of the owner of a socket.
    pub owner: Owner,
}

/// Calls that have not returned. One that never does, because its thread ends within, makes way for later ones.
#[map(name = "retprobe_map")]
pub static CALLS: LruHashMap<CallKey, Call> = LruHashMap::with_max_entries(8_192, 0);

/// The same of functions of programs, which may be called as often as somebody likes without returning once: that makes no
/// room among the kernel's.
#[map(name = "uretprobe_map")]
pub static PROGRAM_CALLS: LruHashMap<CallKey, Call> = LruHashMap::with_max_entries(2_048, 0);

/// Furthest offset at which an argument may begin in a record of a hook.
pub const LAST_ARG: u32 = 22_016;

/// A record of a hook under construction.
#[repr(C, align(8))]
pub struct HookRecord {
    /// Bytes that are written.
    pub end: u32,
    pub reserved: u32,
    pub bytes: [u8; LAST_ARG as usize + SLOT_LEN + 256],
}

#[map(name = "tg_hook_record")]
pub static RECORDS: PerCpuArray<HookRecord> = PerCpuArray::with_max_entries(SCRATCHES, 0);

/// When a record of each sort was last let through, by what makes records alike.
#[map(name = "ratelimit_map")]
pub static LIMITS: LruHashMap<u64, u64> = LruHashMap::with_max_entries(8_192, 0);

/// Paths of executables, as they were when they were executed: [`ProcessEntry::executable`] says which one is that of a
/// process. The agent removes those of no process, when there is no room left.
#[map(name = "tg_binaries")]
pub static EXECUTABLES: HashMap<u64, Executable> = HashMap::with_max_entries(2_048, 0);

/// The next one to go there.
#[map(name = "tg_binaries_heap")]
pub static EXECUTABLE: PerCpuArray<Executable> = PerCpuArray::with_max_entries(COPIES, 0);

/// Whom sockets belong to, by the address of the `struct sock`. A larger one takes its place when a policy tracks any.
#[map(name = "socktrack_map")]
pub static OWNERS: LruHashMap<u64, Owner> = LruHashMap::with_max_entries(1, 0);

/// Who is told what.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct OrdersKey {
    /// The thread, as `pid_tgid`.
    pub thread: u64,
    /// Number of the policy whose enforcer it is.
    pub policy: u64,
}

/// What an enforcer is to do.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Orders {
    /// The [orders](ebpf_abi::hook::orders).
    pub what: u64,
    /// When the thread began: another one may have its number later.
    pub since: u64,
}

/// `BPF_F_NO_COMMON_LRU`: each CPU has room of its own. With one room for all, CPUs take free places in batches, and
/// when there are many of them entries make way although there is room.
const ROOM_PER_CPU: u32 = 1 << 1;

/// What enforcers were told and have not done yet: for most threads the time between two hooks of one system call. Of a
/// thread that never comes to a call of its enforcer it makes way for later ones.
#[map(name = "enforcer_data")]
pub static ORDERS: LruHashMap<OrdersKey, Orders> = LruHashMap::with_max_entries(8_192, ROOM_PER_CPU);

/// How often selectors matched.
#[map(name = "tg_policy_counters")]
pub static COUNTERS: Array<u64> = Array::with_max_entries(counters::COUNT, 0);

/// The agent: see [`agent`](ebpf_abi::hook::agent).
#[map(name = "tg_agent")]
pub static AGENT: Array<ProcessKey> = Array::with_max_entries(1, 0);

/// Threads at security hooks whose events await the hash of a file, by `pid_tgid`.
#[map(name = "tg_hook_hashes")]
pub static AWAITED: HashMap<u64, Awaited> = HashMap::with_max_entries(256, 0);
