//! Facts about the current process that selectors ask for.

use ebpf_abi::{
    hook::fact,
    map::{Capabilities, Namespaces, ProcessEntry},
};

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};

use crate::{maps::PROCESSES, read::field, task};

/// One fact: see [`runtime::FACT`](ebpf_abi::hook::runtime::FACT).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_fact(what: u32) -> u64 {
    let task = task::current();
    let cred: u64 = field!(task, task_cred);
    match what {
        // Of the process: its threads have ids of their own.
        fact::NSPID => {
            let leader: u64 = field!(task, task_group_leader);
            u64::from(task::nspid(leader).0)
        }
        fact::USER_NS_LEVEL => {
            let user_ns: u64 = field!(cred, cred_user_ns);
            let level: u32 = field!(user_ns, user_ns_level);
            u64::from(level)
        }
        fact::CAP_EFFECTIVE => field!(cred, cred_cap_effective),
        fact::CAP_INHERITABLE => field!(cred, cred_cap_inheritable),
        fact::CAP_PERMITTED => field!(cred, cred_cap_permitted),
        fact::NAMESPACES_CHANGED..=fact::REMEMBER_CAPABILITIES => change(what, task, cred),
        fact::FOLLOWED..=fact::PARENT_FOLLOWED => images(what),
        fact::EXECUTING => executing(task),
        _ => {
            let (_, pid_ns) = task::nspid(task);
            let mut all = Namespaces::default();
            // SAFETY: a local.
            unsafe { task::namespaces(task, pid_ns, &raw mut all) };
            u64::from(all.at(what.wrapping_sub(fact::NAMESPACE)))
        }
    }
}

/// What has changed since it was last remembered, or remembers it. Of a process without an entry nothing is known to have
/// changed.
#[inline(always)]
fn change(what: u32, task: u64, cred: u64) -> u64 {
    let pid: u32 = field!(task, task_tgid);
    let Some(entry) = PROCESSES.get_ptr_mut(&pid) else {
        return 0;
    };
    // SAFETY: the element stays readable for the run of the program. That two threads of a process remember at once is no
    // harm: they remember the same.
    unsafe {
        match what {
            fact::NAMESPACES_CHANGED | fact::REMEMBER_NAMESPACES => namespaces(what, task, entry),
            fact::REMEMBER_CAPABILITIES => {
                task::capabilities(cred, &raw mut (*entry).caps);
                0
            }
            _ => {
                let mut now = Capabilities::default();
                task::capabilities(cred, &raw mut now);
                match what {
                    fact::CAP_EFFECTIVE_CHANGED => now.effective ^ (*entry).caps.effective,
                    fact::CAP_INHERITABLE_CHANGED => now.inheritable ^ (*entry).caps.inheritable,
                    _ => now.permitted ^ (*entry).caps.permitted,
                }
            }
        }
    }
}

/// What is known of the executables of a process. Of one without an entry, nothing.
#[inline(always)]
fn images(what: u32) -> u64 {
    let Some(entry) = task::current_entry() else { return 0 };
    // SAFETY: the element stays readable for the run of the program.
    unsafe {
        match what {
            fact::FOLLOWED => (*entry).images.followed,
            fact::PARENT => (*entry).images.parent,
            _ => (*entry).images.parent_followed,
        }
    }
}

/// Whether the count of executions has gone on since the entry was made.
#[inline(always)]
fn executing(task: u64) -> u64 {
    let Some(entry) = task::current_entry() else { return 0 };
    let now: u32 = field!(task, task_self_exec_id);
    // SAFETY: as above.
    let then = unsafe { (*entry).exec_id };
    u64::from(then != 0 && then != now)
}

/// Notes conditions that the executable fits: see [`runtime::MARK`](ebpf_abi::hook::runtime::MARK).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_mark(bits: u64) -> u32 {
    let pid: u32 = field!(task::current(), task_tgid);
    if let Some(entry) = PROCESSES.get_ptr_mut(&pid) {
        // SAFETY: as above; the process executes, so nobody else is there to change it.
        unsafe {
            (*entry).images.image |= bits;
            (*entry).images.followed |= bits;
        }
    }
    0
}

/// Sets and clears what is known of the executables of process `pid`, in the image that began at `ktime`: of each word of
/// [`Images`](ebpf_abi::map::Images), the bits in `keep` stay and those that follow come. The agent runs this for processes
/// that were there before a policy. Returns whether there is such a process.
///
/// In the kernel, because the entry of a process that runs cannot be replaced from outside without losing what happens in
/// between.
#[raw_tracepoint]
pub fn hook_images(ctx: RawTracePointContext) -> i32 {
    let pid = ctx.arg::<u64>(0) as u32;
    let ktime = ctx.arg::<u64>(1);
    let keep = ctx.arg::<u64>(2);
    let Some(entry) = PROCESSES.get_ptr_mut(&pid) else {
        return 0;
    };
    // SAFETY: the element stays readable for the run of the program.
    unsafe {
        if (*entry).key.ktime != ktime {
            return 0;
        }
        let images = &raw mut (*entry).images;
        (*images).image = (*images).image & keep | ctx.arg::<u64>(3);
        (*images).followed = (*images).followed & keep | ctx.arg::<u64>(4);
        (*images).parent = (*images).parent & keep | ctx.arg::<u64>(5);
        (*images).parent_followed = (*images).parent_followed & keep | ctx.arg::<u64>(6);
    }
    1
}

#[inline(always)]
unsafe fn namespaces(what: u32, task: u64, entry: *mut ProcessEntry) -> u64 {
    let (_, pid_ns) = task::nspid(task);
    let mut now = Namespaces::default();
    // SAFETY: the caller's entry.
    unsafe {
        task::namespaces(task, pid_ns, &raw mut now);
        if what == fact::REMEMBER_NAMESPACES {
            (*entry).ns = now;
            return 0;
        }
        let (now, then) = ((&raw const now).cast::<u32>(), (&raw const (*entry).ns).cast::<u32>());
        let (mut changed, mut index) = (0, 0);
        while index < size_of::<Namespaces>() / 4 {
            if now.add(index).read_volatile() != then.add(index).read_volatile() {
                changed |= 1 << index;
            }
            index += 1;
        }
        changed
    }
}

/// The parent of a process: see [`runtime::PARENT`](ebpf_abi::hook::runtime::PARENT).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_parent(task: u64) -> u64 {
    let leader: u64 = field!(task, task_group_leader);
    let parent: u64 = field!(leader, task_real_parent);
    let pid: u32 = field!(parent, task_tgid);
    if pid == 0 { 0 } else { parent }
}

/// The id of a process: see [`runtime::PID`](ebpf_abi::hook::runtime::PID).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_pid(task: u64, namespaced: u32) -> u64 {
    if namespaced == 0 {
        let pid: u32 = field!(task, task_tgid);
        return u64::from(pid);
    }
    let leader: u64 = field!(task, task_group_leader);
    u64::from(task::nspid(leader).0)
}
