//! Clone: a new process. Threads are not reported.

use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, macros::raw_tracepoint, programs::RawTracePointContext};
use ebpf_abi::{
    event::{CloneEvent, Header, exec_flag, op},
    map::{Outcome, ProcessEntry, ProcessKey, entry_flag},
};

use crate::{
    exec::cgroup_name,
    globals::config,
    maps::{PROCESSES, RECORD},
    output,
    read::{field, read_optional},
    task,
};

/// `sched_process_fork(parent, child)`, include/trace/events/sched.h. The child is complete and has not run yet.
#[raw_tracepoint(tracepoint = "sched_process_fork")]
pub fn sched_process_fork(ctx: RawTracePointContext) -> i32 {
    let creator = ctx.arg::<u64>(0);
    let child = ctx.arg::<u64>(1);
    let pid: u32 = field!(child, task_tgid);
    let tid: u32 = field!(child, task_pid);
    if pid == tid {
        fork(creator, child, pid);
    }
    0
}

#[inline(always)]
fn fork(creator: u64, child: u64, pid: u32) {
    let Some(record) = RECORD.get_ptr_mut(0) else {
        output::count(op::CLONE, Outcome::NoScratch);
        return;
    };
    let event = record.cast::<CloneEvent>();
    // SAFETY: the helper takes nothing and cannot fail.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    let key = ProcessKey::new(pid, now);
    let cred: u64 = field!(child, task_cred);
    // Not the creator: with CLONE_PARENT it is the creator's parent (clone(2)).
    let (parent, parent_flags, known) = task::parent_key(field!(child, task_real_parent));
    let (nspid, pid_ns) = task::nspid(child);
    let mut flags = if known { 0 } else { exec_flag::MISS };
    let mut entry_flags = entry_flag::CLONE;
    if task::in_init_tree(nspid, parent_flags) {
        flags |= exec_flag::IN_INIT_TREE;
        entry_flags |= entry_flag::IN_INIT_TREE;
    }
    let ns = task::namespaces(child, cred, pid_ns);
    let caps = task::capabilities(cred);
    let entry = ProcessEntry {
        key,
        parent,
        flags: entry_flags,
        nspid,
        ns,
        caps,
    };
    if PROCESSES.insert(&pid, &entry, 0).is_err() {
        output::count(op::CLONE, Outcome::MapFull);
    }

    // Children start in their creator's cgroup unless CLONE_INTO_CGROUP says otherwise: then its name follows.
    let mut cgroup_id = 0;
    let mut cgroup_len = 0;
    if let Ok(node) = task::cgroup_node(child) {
        cgroup_id = read_optional!(node, kernfs_node_id);
        let creator_set: u64 = field!(creator, task_cgroups);
        let child_set: u64 = field!(child, task_cgroups);
        if creator_set != child_set {
            // SAFETY: constant offset, and 128 bytes fit behind the head of a record.
            cgroup_len = unsafe { cgroup_name(node, event.add(1).cast()) }.unwrap_or(0);
        }
    }
    let size = size_of::<CloneEvent>() as u32 + cgroup_len;
    // SAFETY: the record is larger than the head and 127 bytes, aligned to 8, and belongs to this CPU.
    unsafe {
        (*event).header = Header {
            size,
            op: op::CLONE,
            reserved: [0; 3],
            ktime: now,
        };
        (*event).process = key;
        (*event).parent = parent;
        (*event).flags = flags;
        (*event).nspid = nspid;
        (*event).cgroup_id = cgroup_id;
        (*event).creds = task::credentials(cred);
        if config!(process_cred) != 0 {
            (*event).caps = caps;
        }
        if config!(process_ns) != 0 {
            (*event).ns = ns;
        }
        (*event).cgroup_len = cgroup_len;
        (*event).reserved = 0;
        output::send(op::CLONE, event.cast(), u64::from(size));
    }
}
