//! Exit: the last thread of a process leaves.

use aya_ebpf::{
    helpers::generated::bpf_ktime_get_boot_ns,
    macros::{raw_tracepoint, tracepoint},
    programs::{RawTracePointContext, TracePointContext},
};
use ebpf_abi::{
    event::{ExitEvent, Header, op},
    map::Outcome,
};

use crate::{
    globals::copy,
    maps::{ENDED, PROCESSES},
    output,
    read::field,
    task,
};

/// The group's exit code is decided (`SIGNAL_GROUP_EXIT`, include/linux/sched/signal.h).
const SIGNAL_GROUP_EXIT: u32 = 4;

/// `sched_process_exit(task)`, include/trace/events/sched.h. The thread has already been subtracted from
/// `signal->live` (kernel/exit.c, `do_exit`, which alone passes here, and with the current task).
///
/// Run by `BPF_PROG_TEST_RUN`, it says nothing as long as the process has threads left: the agent looks at start.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
pub fn sched_process_exit(_ctx: RawTracePointContext) -> i32 {
    exit(task::current());
    0
}

/// The same through the tracepoint's perf event, during which nothing is preempted, whatever the kernel.
#[tracepoint(category = "sched", name = "sched_process_exit")]
pub fn perf_sched_process_exit(_ctx: TracePointContext) -> u32 {
    exit(task::current());
    0
}

#[inline(always)]
fn exit(task: u64) {
    let signal: u64 = field!(task, task_signal);
    let live: u32 = field!(signal, signal_live);
    if live != 0 {
        return;
    }
    let pid: u32 = field!(task, task_tgid);
    let Some(entry) = PROCESSES.get_ptr_mut(&pid) else {
        return;
    };
    // SAFETY: the element stays readable for the run of the program; whoever else of the process is here
    // writes the same.
    let process = unsafe {
        // Another thread that leaves with this one may have removed it, and somebody else have it by now.
        if (*entry).key.pid != pid {
            return;
        }
        (*entry).start = task::start(task);
        // Where there is no room, what it still does is not told as its own.
        let _lost = ENDED.insert(&pid, &*entry, 0);
        (*entry).key
    };
    // Threads that leave together may all find nobody left. One of them removes the entry, and that one reports. So it is
    // with the instances of this program.
    if PROCESSES.remove(&pid).is_err() {
        return;
    }
    if copy() != 0 {
        output::count(op::EXIT, Outcome::Spared);
    }

    let flags: u32 = field!(signal, signal_flags);
    // What wait(2) will say (kernel/exit.c, `wait_task_zombie`).
    let status: u32 = if flags & SIGNAL_GROUP_EXIT != 0 {
        field!(signal, signal_group_exit_code)
    } else {
        let leader: u64 = field!(task, task_group_leader);
        field!(leader, task_exit_code)
    };
    // SAFETY: the helper takes nothing and cannot fail.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    let event = ExitEvent {
        header: Header::new(size_of::<ExitEvent>() as u32, op::EXIT, now),
        process,
        status,
        tid: field!(task, task_pid),
    };
    // SAFETY: the event is on the stack and fully written.
    unsafe { output::send(op::EXIT, (&raw const event).cast(), size_of::<ExitEvent>() as u64) };
}
