//! A process that ends in a way known beforehand ([`super::Syscall::Doomed`]).

use std::{
    ffi::{c_int, c_void},
    os::fd::RawFd,
    sync::atomic::{AtomicI32, Ordering},
};

use zerocopy::IntoBytes as _;

use super::{Command, attr};

/// Stack of the second thread, which does nothing but two system calls.
const STACK: usize = 16 * 1024;

/// Arguments of a raw tracepoint that the programs may look at.
const ARGUMENTS: usize = 4;

/// How a process ends. Codes are from 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its only thread leaves with this code; nobody ends the process as a whole.
    Alone(u8),
    /// Its first thread leaves with the first code; when that one is gone, a second thread ends the process with the
    /// second code.
    FirstThenAll(u8, u8),
}

/// What the second thread knows.
struct Second {
    /// The kernel makes it 0 when the first thread is gone.
    first: AtomicI32,
    code: u8,
}

/// Forks a process that runs `begin` as its first act and, once it has all of its threads, `early`, then ends as `ending`
/// says. Waits for it and returns its wait status, or a negative number with `errno` set.
///
/// # Safety
///
/// Both are descriptors of raw tracepoint programs, or of nothing.
pub(super) unsafe fn run(begin: RawFd, early: RawFd, ending: Ending) -> i64 {
    // All memory is taken before the fork: the child of a process with threads may make nothing but system calls.
    let mut stack = vec![0_u8; STACK];
    let context = [0_u64; ARGUMENTS];
    let test_run = |fd: RawFd| attr::TestRun {
        prog_fd: fd as u32,
        ctx_size_in: size_of_val(&context) as u32,
        ctx_in: context.as_ptr() as u64,
        ..Default::default()
    };
    let (mut begin, mut early) = (test_run(begin), test_run(early));
    // Whoever started this process may have it ignore its children, and then nobody could wait for one.
    // SAFETY: the handler is the kernel's own.
    let handler = unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    // SAFETY: takes nothing; what the child does is said below.
    let result = match unsafe { libc::fork() } {
        -1 => -1,
        // SAFETY: this is the child, with memory of its own.
        0 => unsafe { child(&mut begin, &mut early, ending, &mut stack) },
        pid => wait(pid),
    };
    // SAFETY: as it was.
    unsafe { libc::signal(libc::SIGCHLD, handler) };
    result
}

fn wait(pid: i32) -> i64 {
    let mut status = 0;
    loop {
        // SAFETY: writes one integer.
        if unsafe { libc::waitpid(pid, &raw mut status, 0) } == pid {
            return i64::from(status);
        }
        if std::io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return -1;
        }
    }
}

/// # Safety
///
/// For a process that was just forked for this and has one thread.
unsafe fn child(begin: &mut attr::TestRun, early: &mut attr::TestRun, ending: Ending, stack: &mut [u8]) -> ! {
    // SAFETY: system calls alone, with memory that lives as long as the process.
    unsafe {
        test_run(begin);
        let code = match ending {
            Ending::Alone(code) => code,
            Ending::FirstThenAll(first, all) => {
                let second = Second {
                    first: AtomicI32::new(1),
                    code: all,
                };
                let flags =
                    libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
                let top = stack.as_mut_ptr().add(stack.len()).cast();
                let argument = (&raw const second).cast_mut().cast();
                if libc::clone(end_all, top, flags, argument) < 0 {
                    libc::_exit(1);
                }
                libc::syscall(libc::SYS_set_tid_address, second.first.as_ptr());
                test_run(early);
                libc::syscall(libc::SYS_exit, c_int::from(first));
                unreachable!("exit(2) returned")
            }
        };
        libc::syscall(libc::SYS_exit, c_int::from(code));
    }
    unreachable!("exit(2) returned")
}

/// A program that does not run shows by its silence.
///
/// # Safety
///
/// The context of `attributes` is good.
unsafe fn test_run(attributes: &mut attr::TestRun) {
    let bytes = attributes.as_mut_bytes();
    // SAFETY: the buffer is as long as is said, and the context by the caller's promise.
    unsafe { libc::syscall(libc::SYS_bpf, Command::TestRun as u32, bytes.as_mut_ptr(), bytes.len()) };
}

/// The second thread.
extern "C" fn end_all(second: *mut c_void) -> c_int {
    // SAFETY: the first thread's stack stays as it is when it leaves.
    let second = unsafe { &*second.cast::<Second>() };
    while second.first.load(Ordering::Acquire) != 0 {
        // SAFETY: takes nothing.
        unsafe { libc::sched_yield() };
    }
    // SAFETY: never returns; it is exit_group(2).
    unsafe { libc::_exit(second.code.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_that_of_the_process() {
        // SAFETY: no descriptor, so no program runs.
        let status = |ending| unsafe { run(-1, -1, ending) };
        assert_eq!(status(Ending::Alone(5)), 5 << 8);
        assert_eq!(status(Ending::FirstThenAll(3, 4)), 4 << 8);
    }
}
