//! The maps, under the names that operators of Tetragon know. Sizes given here are defaults that the loader changes.

use aya_ebpf::{
    macros::map,
    maps::{HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use ebpf_abi::{
    event::{DATA_CHUNK, DataEvent},
    map::{ExecPrivileges, ProcessEntry, STATS_ENTRIES},
};

/// Every record goes through this one ring: order in it is order of events, whatever the CPU.
#[map(name = "tg_events")]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// Live processes by thread group id.
#[map(name = "execve_map")]
pub static PROCESSES: HashMap<u32, ProcessEntry> = HashMap::with_max_entries(32_768, 0);

/// From `bprm_committing_creds` to the exec event, by `pid_tgid`.
#[map(name = "tg_execve_joined_info_map")]
pub static EXEC_PRIVILEGES: LruHashMap<u64, ExecPrivileges> = LruHashMap::with_max_entries(1_024, 0);

/// Counters by event type and outcome.
#[map(name = "tg_stats_map")]
pub static STATS: PerCpuArray<u64> = PerCpuArray::with_max_entries(STATS_ENTRIES, 0);

/// Bytes in which a record is put together; the kernel's limit for a per-CPU value is 32 KiB
/// (`PCPU_MIN_UNIT_SIZE`, include/linux/percpu.h).
pub const RECORD_SIZE: usize = 32_768;

/// A record under construction.
#[repr(C, align(8))]
pub struct Record(pub [u8; RECORD_SIZE]);

/// One record under construction per CPU. Tracepoint programs do not nest on a CPU (`bpf_prog_active`, preemption off).
#[map(name = "tg_record_heap")]
pub static RECORD: PerCpuArray<Record> = PerCpuArray::with_max_entries(1, 0);

/// A data record under construction: sent while [`RECORD`] waits for its turn.
#[repr(C, align(8))]
pub struct Chunk {
    pub head: DataEvent,
    pub bytes: [u8; DATA_CHUNK],
}

#[map(name = "tg_data_heap")]
pub static CHUNK: PerCpuArray<Chunk> = PerCpuArray::with_max_entries(1, 0);

/// Longest path that is walked: `PATH_MAX`.
pub const PATH_SIZE: usize = 4_096;

/// A path, put together from its end, with room for the widest name (`NAME_MAX` is 255) beyond.
#[repr(C, align(8))]
pub struct PathBuffer {
    /// Offset of the first byte of the path in `bytes`; its last is at `PATH_SIZE - 1`.
    pub start: u32,
    pub reserved: u32,
    pub bytes: [u8; PATH_SIZE + 256],
}

#[map(name = "tg_path_heap")]
pub static PATH: PerCpuArray<PathBuffer> = PerCpuArray::with_max_entries(1, 0);
