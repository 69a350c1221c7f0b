//! Facts about a task.

use aya_ebpf::helpers::generated::bpf_get_current_task;
use ebpf_abi::map::{Capabilities, Credentials, NS_PER_TICK, Namespaces, ProcessEntry, ProcessKey, entry_flag};

use crate::{
    globals::{config, offset},
    maps::PROCESSES,
    read::{field, read, read_optional},
};

/// The running task.
#[inline(always)]
pub fn current() -> u64 {
    // SAFETY: the helper takes nothing and cannot fail.
    unsafe { bpf_get_current_task() }
}

/// Identity of a process that the programs have no entry for: its start time in clock ticks, which is what seeding
/// from `/proc` computes as well.
#[inline(always)]
pub fn key_from_start(task: u64) -> ProcessKey {
    let leader: u64 = field!(task, task_group_leader);
    let start: u64 = field!(leader, task_start_boottime);
    let pid: u32 = field!(task, task_tgid);
    if pid == 0 {
        ProcessKey::KERNEL
    } else {
        ProcessKey::new(pid, start / NS_PER_TICK * NS_PER_TICK)
    }
}

/// The entry of process `pid`, copied out because another CPU may change or free it at any time.
#[inline(always)]
pub fn entry(pid: u32) -> Option<ProcessEntry> {
    let entry = PROCESSES.get_ptr(&pid)?;
    // SAFETY: the element stays readable for the run of the program; a torn copy is as good as an older one.
    Some(unsafe { *entry })
}

/// Identity of the process that `task` belongs to, whether it is the child of a container's init, and whether it was
/// known.
#[inline(always)]
pub fn parent_key(parent: u64) -> (ProcessKey, u32, bool) {
    let pid: u32 = field!(parent, task_tgid);
    if let Some(entry) = PROCESSES.get_ptr(&pid) {
        // SAFETY: as in `entry`.
        let (key, flags) = unsafe { ((*entry).key, (*entry).flags) };
        (key, flags, true)
    } else {
        (key_from_start(parent), 0, pid == 0)
    }
}

/// Process id in the innermost pid namespace, 0 in the initial one; and the inode number of that namespace.
#[inline(always)]
pub fn nspid(task: u64) -> (u32, u32) {
    let pid: u64 = field!(task, task_thread_pid);
    let level: u32 = field!(pid, pid_level);
    // Pid namespaces nest 32 deep at most (MAX_PID_NS_LEVEL, kernel/pid_namespace.c).
    let upid = pid
        .wrapping_add(u64::from(offset!(pid_numbers)))
        .wrapping_add(u64::from(level & 63) * u64::from(offset!(upid_size)));
    let number: u32 = field!(upid, upid_nr);
    let ns: u64 = field!(upid, upid_ns);
    (if level == 0 { 0 } else { number }, read_optional!(ns, pid_ns_inum))
}

/// `in_init_tree`, from the process's number in its container and its parent's entry flags.
#[inline(always)]
pub fn in_init_tree(nspid: u32, parent_flags: u32) -> bool {
    nspid == 1 || parent_flags & entry_flag::IN_INIT_TREE != 0
}

macro_rules! namespace {
    ($nsproxy:expr, $pointer:ident, $inum:ident) => {{
        let ns: u64 = read_optional!($nsproxy, $pointer);
        let inum: u32 = if ns == 0 { 0 } else { read_optional!(ns, $inum) };
        inum
    }};
}

/// Inode numbers of the namespaces of `task`; `pid` is that of its pid namespace (see [`nspid`]), `cred` its
/// credentials.
#[inline(always)]
pub fn namespaces(task: u64, cred: u64, pid: u32) -> Namespaces {
    let nsproxy: u64 = field!(task, task_nsproxy);
    let user_ns: u64 = field!(cred, cred_user_ns);
    Namespaces {
        uts: namespace!(nsproxy, nsproxy_uts, uts_ns_inum),
        ipc: namespace!(nsproxy, nsproxy_ipc, ipc_ns_inum),
        mnt: namespace!(nsproxy, nsproxy_mnt, mnt_ns_inum),
        pid,
        pid_for_children: namespace!(nsproxy, nsproxy_pid_for_children, pid_ns_inum),
        net: namespace!(nsproxy, nsproxy_net, net_ns_inum),
        time: namespace!(nsproxy, nsproxy_time, time_ns_inum),
        time_for_children: namespace!(nsproxy, nsproxy_time_for_children, time_ns_inum),
        cgroup: namespace!(nsproxy, nsproxy_cgroup, cgroup_ns_inum),
        user: field!(user_ns, user_ns_inum),
    }
}

/// Capability sets in `cred`.
#[inline(always)]
pub fn capabilities(cred: u64) -> Capabilities {
    Capabilities {
        permitted: field!(cred, cred_cap_permitted),
        effective: field!(cred, cred_cap_effective),
        inheritable: field!(cred, cred_cap_inheritable),
    }
}

/// Ids in `cred`, and with `process_cred` what else [`Credentials`] has.
#[inline(always)]
pub fn credentials(cred: u64) -> Credentials {
    if config!(process_cred) == 0 {
        return Credentials {
            euid: field!(cred, cred_euid),
            ..Credentials::default()
        };
    }
    let user_ns: u64 = field!(cred, cred_user_ns);
    Credentials {
        uid: field!(cred, cred_uid),
        gid: field!(cred, cred_gid),
        euid: field!(cred, cred_euid),
        egid: field!(cred, cred_egid),
        suid: field!(cred, cred_suid),
        sgid: field!(cred, cred_sgid),
        fsuid: field!(cred, cred_fsuid),
        fsgid: field!(cred, cred_fsgid),
        securebits: field!(cred, cred_securebits),
        user_ns_level: field!(user_ns, user_ns_level),
        user_ns_uid: field!(user_ns, user_ns_owner),
        user_ns_gid: field!(user_ns, user_ns_group),
    }
}

/// Login user id; 4294967295 (unset) on kernels without audit.
#[inline(always)]
pub fn loginuid(task: u64) -> u32 {
    if offset!(task_loginuid) == ebpf_abi::field::MISSING {
        u32::MAX
    } else {
        field!(task, task_loginuid)
    }
}

/// The kernfs node of the cgroup that names the container of `task`, and the flag that says what was missing.
#[inline(always)]
pub fn cgroup_node(task: u64) -> Result<u64, u32> {
    use ebpf_abi::{config::CGROUP_V2, event::exec_flag};

    let css_set: u64 = field!(task, task_cgroups);
    if css_set == 0 {
        return Err(exec_flag::ERROR_CGROUPS);
    }
    let subsys = config!(cgroup_subsys);
    let cgroup: u64 = if subsys == CGROUP_V2 {
        read_optional!(css_set, css_set_dfl_cgrp)
    } else {
        let slot = offset!(css_set_subsys).wrapping_add(subsys * size_of::<u64>() as u32);
        let css: u64 = read(css_set, slot);
        if css == 0 {
            return Err(exec_flag::ERROR_CGROUP_SUBSYS);
        }
        read_optional!(css, css_cgroup)
    };
    if cgroup == 0 {
        return Err(exec_flag::ERROR_CGROUP_SUBSYS_CGRP);
    }
    let node: u64 = read_optional!(cgroup, cgroup_kn);
    if node == 0 {
        Err(exec_flag::ERROR_CGROUP_KN)
    } else {
        Ok(node)
    }
}
