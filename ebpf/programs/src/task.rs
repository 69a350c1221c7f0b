//! Facts about a task.

use aya_ebpf::helpers::generated::bpf_get_current_task;
use ebpf_abi::map::{
    Capabilities, Credentials, Images, NS_PER_TICK, Namespaces, Outcome, ProcessEntry, ProcessKey, entry_flag,
};

use crate::{
    globals::{config, copy, offset},
    maps::{ENDED, PROCESSES},
    output,
    read::{field, read, read_optional},
};

/// The running task.
#[inline(always)]
pub fn current() -> u64 {
    // SAFETY: the helper takes nothing and cannot fail.
    unsafe { bpf_get_current_task() }
}

/// Writes an identity, word by word: as a value it would become a call to `memset` or `memmove`, whose loop the verifier
/// walks byte by byte for every way that leads to it.
///
/// # Safety
///
/// `to` must be valid for writes.
#[inline(always)]
pub unsafe fn set_key(pid: u32, ktime: u64, to: *mut ProcessKey) {
    // SAFETY: the caller vouches for it.
    unsafe {
        (&raw mut (*to).pid).write_volatile(pid);
        (&raw mut (*to).reserved).write_volatile(0);
        (&raw mut (*to).ktime).write_volatile(ktime);
    }
}

/// Copies an identity, in the way of [`set_key`].
///
/// # Safety
///
/// `from` must be valid for reads and `to` for writes.
#[inline(always)]
pub unsafe fn copy_key(from: *const ProcessKey, to: *mut ProcessKey) {
    // SAFETY: the caller vouches for both.
    unsafe { set_key((*from).pid, (*from).ktime, to) };
}

/// Writes the identity of a process that the programs have no entry for: its start time in clock ticks, which is what
/// seeding from `/proc` computes as well.
///
/// # Safety
///
/// `to` must be valid for writes.
#[inline(always)]
unsafe fn key_from_start(task: u64, to: *mut ProcessKey) {
    let pid: u32 = field!(task, task_tgid);
    // SAFETY: the caller vouches for it.
    unsafe {
        if pid == 0 {
            set_key(ProcessKey::KERNEL.pid, ProcessKey::KERNEL.ktime, to);
        } else {
            set_key(pid, start_in_ticks(task), to);
        }
    }
}

/// When the process that `task` belongs to started.
#[inline(always)]
fn started(task: u64) -> u64 {
    let leader: u64 = field!(task, task_group_leader);
    field!(leader, task_start_boottime)
}

/// The low half of the time at which the process that `task` belongs to started.
#[inline(always)]
pub fn start(task: u64) -> u32 {
    started(task) as u32
}

/// The time at which the process that `task` belongs to started, in whole clock ticks, as `/proc` tells it.
#[inline(always)]
pub fn start_in_ticks(task: u64) -> u64 {
    started(task) / NS_PER_TICK * NS_PER_TICK
}

/// The entry of the current process, for reading: also when it has ended, and what it left open is being closed
/// (kernel/exit.c, `do_exit`, calls `exit_files` and what follows behind `sched_process_exit`).
#[inline(always)]
pub fn current_entry() -> Option<*const ProcessEntry> {
    let task = current();
    let pid: u32 = field!(task, task_tgid);
    if let Some(entry) = PROCESSES.get_ptr(&pid) {
        return Some(entry);
    }
    let entry = ENDED.get_ptr(&pid)?;
    // SAFETY: the element stays readable for the run of the program.
    (unsafe { (*entry).start } == start(task)).then_some(entry)
}

/// Writes the identity of the current process: that of its entry, or the one that seeding will give it.
///
/// # Safety
///
/// `to` must be valid for writes.
#[inline(always)]
pub unsafe fn current_identity(to: *mut ProcessKey) {
    // SAFETY: the element stays readable for the run of the program; the caller vouches for the target.
    unsafe {
        match current_entry() {
            Some(entry) => copy_key(&raw const (*entry).key, to),
            None => key_from_start(current(), to),
        }
    }
}

/// Writes the identity of the process that `task` belongs to and returns its entry's flags, or nothing when there is no
/// entry; the identity is then the one that seeding will give it.
///
/// # Safety
///
/// `to` must be valid for writes.
#[inline(always)]
pub unsafe fn identity(task: u64, to: *mut ProcessKey) -> Option<u32> {
    let pid: u32 = field!(task, task_tgid);
    if let Some(entry) = PROCESSES.get_ptr(&pid) {
        // SAFETY: the element stays readable for the run of the program; the caller vouches for the target.
        unsafe {
            copy_key(&raw const (*entry).key, to);
            Some((*entry).flags)
        }
    } else {
        // SAFETY: the caller vouches for the target.
        unsafe { key_from_start(task, to) };
        if pid == 0 { Some(0) } else { None }
    }
}

/// Copies what is known of the executables of a process, word by word: as a whole it would become a call to `memcpy`.
///
/// # Safety
///
/// `from` must be valid for reads, `to` for writes.
#[inline(always)]
pub unsafe fn copy_images(from: *const Images, to: *mut Images) {
    let (from, to) = (from.cast::<u64>(), to.cast::<u64>());
    let mut index = 0;
    while index < size_of::<Images>() / 8 {
        // SAFETY: the caller vouches for both; the index is below the number of words.
        unsafe { to.add(index).write_volatile(from.add(index).read_volatile()) };
        index += 1;
    }
}

/// Nothing is known of the executables of a process.
///
/// # Safety
///
/// `to` must be valid for writes.
#[inline(always)]
pub unsafe fn no_images(to: *mut Images) {
    let to = to.cast::<u64>();
    let mut index = 0;
    while index < size_of::<Images>() / 8 {
        // SAFETY: as above.
        unsafe { to.add(index).write_volatile(0) };
        index += 1;
    }
}

/// Puts `entry` of process `pid` into the map, and tells whether this instance is to report the event of type `op`.
///
/// A spare knows by the entry whether another instance has seen the event. Where there is no room for one, it leaves the
/// event to the first instance, even if that one was not run: what was missed is counted (`ebpf_abi::map::COPIES`).
///
/// # Safety
///
/// `entry` must be valid for reads.
#[inline(always)]
pub unsafe fn remember(op: u8, pid: u32, entry: *const ProcessEntry) -> bool {
    // SAFETY: the caller vouches for it.
    match (unsafe { PROCESSES.insert(&pid, &*entry, 0) }.is_ok(), copy() != 0) {
        (true, true) => output::count(op, Outcome::Spared),
        (true, false) => {}
        (false, true) => {
            if copy() == 1 {
                output::count(op, Outcome::Abstained);
            }
            return false;
        }
        (false, false) => output::count(op, Outcome::MapFull),
    }
    true
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
        // A namespace that is not there has the inode number read from next to nothing: zero.
        let ns: u64 = read_optional!($nsproxy, $pointer);
        let inum: u32 = read_optional!(ns, $inum);
        inum
    }};
}

/// Writes the inode numbers of the namespaces of `task`; `pid` is that of its pid namespace (see [`nspid`]).
///
/// # Safety
///
/// `to` must be valid for writes.
#[inline(always)]
pub unsafe fn namespaces(task: u64, pid: u32, to: *mut Namespaces) {
    let nsproxy: u64 = field!(task, task_nsproxy);
    let cred: u64 = field!(task, task_real_cred);
    let user_ns: u64 = field!(cred, cred_user_ns);
    // SAFETY: the caller vouches for it.
    unsafe {
        (*to).uts = namespace!(nsproxy, nsproxy_uts, uts_ns_inum);
        (*to).ipc = namespace!(nsproxy, nsproxy_ipc, ipc_ns_inum);
        (*to).mnt = namespace!(nsproxy, nsproxy_mnt, mnt_ns_inum);
        (*to).pid = pid;
        (*to).pid_for_children = namespace!(nsproxy, nsproxy_pid_for_children, pid_ns_inum);
        (*to).net = namespace!(nsproxy, nsproxy_net, net_ns_inum);
        (*to).time = namespace!(nsproxy, nsproxy_time, time_ns_inum);
        (*to).time_for_children = namespace!(nsproxy, nsproxy_time_for_children, time_ns_inum);
        (*to).cgroup = namespace!(nsproxy, nsproxy_cgroup, cgroup_ns_inum);
        (*to).user = field!(user_ns, user_ns_inum);
    }
}

/// Writes the capability sets in `cred`.
///
/// # Safety
///
/// `to` must be valid for writes.
#[inline(always)]
pub unsafe fn capabilities(cred: u64, to: *mut Capabilities) {
    // SAFETY: the caller vouches for it.
    unsafe {
        (*to).permitted = field!(cred, cred_cap_permitted);
        (*to).effective = field!(cred, cred_cap_effective);
        (*to).inheritable = field!(cred, cred_cap_inheritable);
    }
}

/// Writes the effective user id in `cred`, and with `process_cred` all else that [`Credentials`] has.
///
/// # Safety
///
/// `to` must be valid for writes.
#[inline(always)]
pub unsafe fn credentials(cred: u64, to: *mut Credentials) {
    // SAFETY: the caller vouches for it.
    unsafe {
        (*to).euid = field!(cred, cred_euid);
        if config!(process_cred) != 0 {
            all_credentials(cred, to);
        }
    }
}

/// Writes all that [`Credentials`] has from `cred`.
///
/// # Safety
///
/// `to` must be valid for writes.
#[inline(always)]
pub unsafe fn all_credentials(cred: u64, to: *mut Credentials) {
    // SAFETY: the caller vouches for it.
    unsafe {
        (*to).euid = field!(cred, cred_euid);
        let user_ns: u64 = field!(cred, cred_user_ns);
        (*to).uid = field!(cred, cred_uid);
        (*to).gid = field!(cred, cred_gid);
        (*to).egid = field!(cred, cred_egid);
        (*to).suid = field!(cred, cred_suid);
        (*to).sgid = field!(cred, cred_sgid);
        (*to).fsuid = field!(cred, cred_fsuid);
        (*to).fsgid = field!(cred, cred_fsgid);
        (*to).securebits = field!(cred, cred_securebits);
        (*to).user_ns_level = field!(user_ns, user_ns_level);
        (*to).user_ns_uid = field!(user_ns, user_ns_owner);
        (*to).user_ns_gid = field!(user_ns, user_ns_group);
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
