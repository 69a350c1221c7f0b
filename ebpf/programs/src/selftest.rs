//! Start-up check: the agent runs this once by `BPF_PROG_TEST_RUN` and compares the result with `/proc/self`.
//!
//! It reads through the same functions as the sensors. A field resolved to the wrong place shows here, before any
//! event carries nonsense and before anything is enforced on it.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};

use crate::{
    maps::SELF_TEST,
    path,
    read::{field, read_optional},
    task,
};

/// Reads the current task into `tg_selftest_map`. Attached to nothing.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn selftest(_ctx: RawTracePointContext) -> i32 {
    let Some(result) = SELF_TEST.get_ptr_mut(0) else { return 1 };
    let current = task::current();
    let cred: u64 = field!(current, task_cred);
    let (nspid, pid_ns) = task::nspid(current);
    let mm: u64 = field!(current, task_mm);
    let file: u64 = field!(mm, mm_exe_file);
    let inode: u64 = field!(file, file_inode);
    let len = path::walk(&path::file(current, file));
    // SAFETY: the element is a whole, aligned value that nobody else writes.
    unsafe {
        (*result).key = task::key_from_start(current);
        (*result).parent = task::key_from_start(field!(current, task_real_parent));
        (*result).creds = task::credentials(cred);
        (*result).caps = task::capabilities(cred);
        (*result).ns = task::namespaces(current, cred, pid_ns);
        (*result).auid = task::loginuid(current);
        (*result).nspid = nspid;
        (*result).inode = field!(inode, inode_ino);
        (*result).comm = field!(current, task_comm);
        (*result).cgroup_id = match task::cgroup_node(current) {
            Ok(node) => read_optional!(node, kernfs_node_id),
            Err(_) => 0,
        };
        (*result).reserved = 0;
        (*result).image_len = if len < 256 { path::copy_short(len, (&raw mut (*result).image).cast()) } else { 0 };
    }
    0
}
