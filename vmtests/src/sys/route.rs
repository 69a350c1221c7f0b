//! Places in a process from which a system call can be made.

use std::{
    io::{Error, Result},
    sync::atomic::{AtomicPtr, Ordering::SeqCst},
};

/// What is to be done there. It must not panic.
pub type Work<'a> = &'a mut dyn FnMut();

/// What the handler is to do.
static JOB: AtomicPtr<Work<'static>> = AtomicPtr::new(std::ptr::null_mut());

/// Does `work` in the handler of a signal. For processes with one thread.
pub fn in_handler(mut work: Work<'_>) -> Result<()> {
    extern "C" fn handler(_signal: libc::c_int) {
        let job = JOB.swap(std::ptr::null_mut(), SeqCst);
        if !job.is_null() {
            // SAFETY: the pointer below, to what stays there until the signal was handled.
            unsafe { (*job)() };
        }
    }
    JOB.store((&raw mut work).cast(), SeqCst);
    // SAFETY: the signal is this thread's own and raised at a place where nothing is held that the handler may need: it is
    // as if the function were called.
    unsafe {
        if libc::signal(libc::SIGUSR1, handler as *const () as libc::sighandler_t) == libc::SIG_ERR {
            return Err(Error::last_os_error());
        }
        if libc::raise(libc::SIGUSR1) != 0 {
            return Err(Error::last_os_error());
        }
    }
    Ok(())
}

/// Does `work` in a child of `vfork(2)`; returns its wait status. For processes with one thread.
pub fn in_vfork_child(mut work: Work<'_>) -> Result<i32> {
    extern "C" fn child(job: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the pointer below; its owner sleeps until this process is gone.
        unsafe {
            (*job.cast::<Work<'_>>())();
            libc::_exit(0)
        }
    }
    let mut stack = vec![0_u8; 256 * 1024];
    // SAFETY: the kernel suspends this thread, the only one, until the child has executed something or exited: the child
    // has its memory as if it were called, and a stack of its own.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(stack.len()).cast();
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        libc::clone(child, top, flags, (&raw mut work).cast())
    };
    if pid < 0 {
        return Err(Error::last_os_error());
    }
    super::process::wait(pid)
}
