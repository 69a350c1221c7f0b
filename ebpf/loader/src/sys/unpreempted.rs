//! System calls on maps that hide nothing from programs.
//!
//! While a task is in such a call, no program at a kprobe or at a perf event is run on its CPU
//! (`bpf_disable_instrumentation`, include/linux/bpf.h; 5.8), also for another task that has taken the CPU from it
//! within the call. Who is to be denied or killed by such a program would pass. So where the kernel can be preempted,
//! the thread has real-time priority meanwhile: only threads that have it too take its CPU.

use std::sync::OnceLock;

use super::{Syscall, syscall};
use crate::probe;

/// While it lives, this thread has real-time priority, if it may and if that matters.
#[derive(Debug)]
pub(super) struct Unpreempted {
    /// What it had.
    policy: Option<i32>,
}

impl Unpreempted {
    pub(super) fn begin() -> Self {
        let policy = usual().filter(|_| schedule(libc::SCHED_FIFO));
        Self { policy }
    }
}

impl Drop for Unpreempted {
    fn drop(&mut self) {
        if let Some(policy) = self.policy {
            schedule(policy);
        }
    }
}

/// How threads of this process are scheduled; `None` if nothing has to be done about it.
fn usual() -> Option<i32> {
    static USUAL: OnceLock<Option<i32>> = OnceLock::new();
    *USUAL.get_or_init(|| {
        // SAFETY: the call takes no address.
        let policy = unsafe { syscall(Syscall::Scheduling) }.ok()? as i32;
        let usual = [libc::SCHED_OTHER, libc::SCHED_BATCH, libc::SCHED_IDLE];
        (probe::preemptible() && usual.contains(&policy)).then_some(policy)
    })
}

fn schedule(policy: i32) -> bool {
    // SAFETY: the call takes no address.
    unsafe { syscall(Syscall::Schedule { policy }) }.is_ok()
}
