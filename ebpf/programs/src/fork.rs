//! Clone: a new process. Threads are not reported.

use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, macros::raw_tracepoint, programs::RawTracePointContext};
use ebpf_abi::{
    event::{CloneEvent, Header, exec_flag, op},
    map::{Outcome, entry_flag},
};

use crate::{
    exec::cgroup_name,
    globals::{config, copy},
    maps::{CLONE, PROCESSES},
    output,
    read::{field, read_optional},
    task::{self, copy_key, set_key},
};

/// `sched_process_fork(parent, child)`, include/trace/events/sched.h. The child is complete and has not run yet.
#[raw_tracepoint(tracepoint = "sched_process_fork")]
pub fn sched_process_fork(ctx: RawTracePointContext) -> i32 {
    let creator = ctx.arg::<u64>(0);
    let child = ctx.arg::<u64>(1);
    let pid: u32 = field!(child, task_tgid);
    let tid: u32 = field!(child, task_pid);
    if pid != tid || seen(child, pid) {
        return 0;
    }
    fork(creator, child, pid);
    0
}

/// Whether another instance of this program has seen this clone already: the entry was made after the child began, which
/// it does just before, and not by an earlier process of the same number.
#[inline(always)]
fn seen(child: u64, pid: u32) -> bool {
    let start: u64 = field!(child, task_start_boottime);
    // SAFETY: the element stays readable for the run of the program.
    PROCESSES
        .get_ptr(&pid)
        .is_some_and(|entry| unsafe { (*entry).key.ktime } >= start)
}

#[inline(always)]
fn fork(creator: u64, child: u64, pid: u32) {
    let Some(scratch) = CLONE.get_ptr_mut(copy()) else {
        output::count(op::CLONE, Outcome::NoScratch);
        return;
    };
    // SAFETY: the helper takes nothing and cannot fail.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    let cred: u64 = field!(child, task_cred);
    let (nspid, pid_ns) = task::nspid(child);
    // SAFETY: pointers into a map value of this CPU, which nobody else uses while the program runs.
    unsafe {
        let entry = &raw mut (*scratch).entry;
        let event = &raw mut (*scratch).head;
        set_key(pid, now, &raw mut (*entry).key);
        (*event).flags = 0;
        // Not the creator: with CLONE_PARENT it is the creator's parent (clone(2)).
        let parent = task::identity(field!(child, task_real_parent), &raw mut (*entry).parent);
        if parent.is_none() {
            (*event).flags = exec_flag::MISS;
        }
        let creator_pid: u32 = field!(creator, task_tgid);
        match PROCESSES.get_ptr(&creator_pid) {
            Some(known) => {
                task::copy_images(&raw const (*known).images, &raw mut (*entry).images);
                (*entry).images.parent = (*entry).images.image;
                (*entry).images.parent_followed = (*entry).images.followed;
                (*entry).executable = (*known).executable;
            }
            None => {
                task::no_images(&raw mut (*entry).images);
                (*entry).executable = 0;
            }
        }
        (*entry).flags = entry_flag::CLONE;
        if task::in_init_tree(nspid, parent.unwrap_or(0)) {
            (*event).flags |= exec_flag::IN_INIT_TREE;
            (*entry).flags = entry_flag::CLONE | entry_flag::IN_INIT_TREE;
        }
        (*entry).nspid = nspid;
        (*entry).exec_id = field!(child, task_self_exec_id);
        (*entry).start = 0;
        task::namespaces(child, pid_ns, &raw mut (*entry).ns);
        task::capabilities(cred, &raw mut (*entry).caps);
        if !task::remember(op::CLONE, pid, entry) {
            return;
        }

        copy_key(&raw const (*entry).key, &raw mut (*event).process);
        copy_key(&raw const (*entry).parent, &raw mut (*event).parent);
        (*event).nspid = nspid;
        task::credentials(cred, &raw mut (*event).creds);
        if config!(process_cred) != 0 {
            (*event).caps = (*entry).caps;
        }
        if config!(process_ns) != 0 {
            (*event).ns = (*entry).ns;
        }
        // Children start in their creator's cgroup unless CLONE_INTO_CGROUP says otherwise: then its name follows.
        (*event).cgroup_id = 0;
        let mut cgroup_len = 0;
        if let Ok(node) = task::cgroup_node(child) {
            (*event).cgroup_id = read_optional!(node, kernfs_node_id);
            let creator_set: u64 = field!(creator, task_cgroups);
            let child_set: u64 = field!(child, task_cgroups);
            if creator_set != child_set {
                cgroup_len = cgroup_name(node, (&raw mut (*scratch).cgroup).cast()).unwrap_or(0);
            }
        }
        let size = size_of::<CloneEvent>() as u32 + cgroup_len;
        (*event).cgroup_len = cgroup_len;
        (*event).reserved = 0;
        (*event).header = Header::new(size, op::CLONE, now);
        output::send(op::CLONE, event.cast(), u64::from(size));
    }
}
