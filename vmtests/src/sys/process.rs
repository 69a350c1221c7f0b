//! Processes and threads as the testers need them: forked, executed and ended by hand.

use std::{
    ffi::{CStr, CString},
    io::{Error, Result},
    os::{
        fd::{AsRawFd as _, BorrowedFd},
        unix::process::CommandExt as _,
    },
    process::Command,
};

/// Which side of a fork this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The process that forked, with the child's id.
    Parent(i32),
    /// The new process.
    Child,
}

/// `fork(2)`. For processes with one thread, which testers are when they call it.
pub fn fork() -> Result<Fork> {
    // SAFETY: takes nothing; with one thread the child is as whole as its parent.
    match unsafe { libc::fork() } {
        -1 => Err(Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid)),
    }
}

/// `vfork(2)` and `execve(2)` of `argv` in the child; returns the child's id.
pub fn vfork_exec(argv: &[CString]) -> Result<i32> {
    let (pointers, environment) = (pointers(argv), [std::ptr::null::<libc::c_char>()]);
    // SAFETY: the kernel suspends this thread until the child has executed or exited, and the child calls nothing but
    // two system calls with pointers made before: it writes neither to this stack nor to memory. The raw system call
    // would return twice on one stack frame; libc's clone with a stack of its own does not.
    unsafe {
        let mut stack = vec![0_u8; 64 * 1024];
        let mut job = (pointers.as_ptr(), environment.as_ptr());
        let top = stack.as_mut_ptr().add(stack.len()).cast();
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let pid = libc::clone(exec_child, top, flags, (&raw mut job).cast());
        if pid < 0 { Err(Error::last_os_error()) } else { Ok(pid) }
    }
}

/// What the child of [`vfork_exec`] does.
extern "C" fn exec_child(job: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the argument is the pair that the parent made and keeps until the child is gone from its memory.
    unsafe {
        let (argv, environment) = *job.cast::<(*const *const libc::c_char, *const *const libc::c_char)>();
        libc::execve(*argv, argv, environment);
        libc::_exit(127)
    }
}

/// `execve(2)` with the environment of this process; returns only with the reason for failure.
pub fn exec(argv: &[CString]) -> Error {
    exec_with(argv, &environment())
}

/// `execve(2)` of `argv`, with the environment given.
pub fn exec_with(argv: &[CString], environment: &[CString]) -> Error {
    let (argv, environment) = (pointers(argv), pointers(environment));
    // SAFETY: null-terminated arrays of C strings that live during the call.
    unsafe { libc::execve(argv[0], argv.as_ptr(), environment.as_ptr()) };
    Error::last_os_error()
}

/// `execve(2)` of `path` with an argument vector whose first element is something else.
pub fn exec_path(path: &CStr, argv: &[CString]) -> Error {
    let (argv, environment) = (pointers(argv), environment());
    let environment = pointers(&environment);
    // SAFETY: as in `exec_with`.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), environment.as_ptr()) };
    Error::last_os_error()
}

/// Executes the open file (`execveat(2)` with `AT_EMPTY_PATH`).
pub fn exec_fd(fd: BorrowedFd<'_>, argv: &[CString]) -> Error {
    let (argv, environment) = (pointers(argv), environment());
    let environment = pointers(&environment);
    // SAFETY: as in `exec_with`.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            fd.as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    Error::last_os_error()
}

fn environment() -> Vec<CString> {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    std::env::vars_os()
        .filter_map(|(name, value)| {
            let mut entry = name.into_vec();
            entry.push(b'=');
            entry.extend_from_slice(value.as_bytes());
            CString::new(entry).ok()
        })
        .collect()
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

/// Ends the whole process at once (`exit_group(2)`), as `_exit(3)` does.
pub fn exit_group(code: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(code) }
}

/// Ends this thread alone (`exit(2)` the system call), leaving the others; nothing is cleaned up.
pub fn exit_thread(code: i32) -> ! {
    // SAFETY: never returns; the stack of this thread stays as it is until the process ends.
    unsafe { libc::syscall(libc::SYS_exit, code) };
    unreachable!("exit(2) returned")
}

/// Waits for child `pid` and returns its wait status.
pub fn wait(pid: i32) -> Result<i32> {
    let mut status = 0;
    loop {
        // SAFETY: writes one integer.
        if unsafe { libc::waitpid(pid, &raw mut status, 0) } >= 0 {
            return Ok(status);
        }
        let error = Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Waits for any child; its id and wait status.
pub fn wait_any() -> Result<(i32, i32)> {
    let mut status = 0;
    // SAFETY: writes one integer.
    match unsafe { libc::waitpid(-1, &raw mut status, 0) } {
        -1 => Err(Error::last_os_error()),
        pid => Ok((pid, status)),
    }
}

/// Sends `signal` to process `pid`, or to the group `-pid`.
pub fn kill(pid: i32, signal: i32) -> Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { libc::kill(pid, signal) })
}

/// Resets `signal` to its default and sends it to this process.
pub fn raise(signal: i32) -> Result<()> {
    // SAFETY: takes numbers.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    kill(std::process::id() as i32, signal)
}

/// Takes user and group `id` for good, dropping all else (`setresuid(2)`).
pub fn become_user(id: u32) -> Result<()> {
    // SAFETY: takes numbers and an empty list.
    unsafe {
        check(libc::setgroups(0, std::ptr::null()))?;
        check(libc::setresgid(id, id, id))?;
        check(libc::setresuid(id, id, id))
    }
}

/// Takes a capability, by its number, out of what any program executed from now on may have (`PR_CAPBSET_DROP`,
/// prctl(2)).
pub fn drop_from_bounding_set(capability: u32) -> Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0) })
}

/// `unshare(2)`.
pub fn unshare(flags: i32) -> Result<()> {
    // SAFETY: takes a number; file descriptors, which could be a matter, are not unshared by any caller.
    check(unsafe { libc::unshare(flags) })
}

/// Adopts the orphans among its descendants (`PR_SET_CHILD_SUBREAPER`, prctl(2)).
pub fn become_subreaper() -> Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })
}

/// Ends this process when its parent ends (`PR_SET_PDEATHSIG`, prctl(2)).
pub fn die_with_parent() -> Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) })
}

/// Makes this process the leader of a process group of its own (`setpgid(2)`).
pub fn lead_group() -> Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { libc::setpgid(0, 0) })
}

/// The id of this thread.
pub fn thread_id() -> i32 {
    // SAFETY: takes nothing.
    unsafe { libc::gettid() }
}

/// Makes a named pipe (`mkfifo(3)`).
pub fn make_fifo(path: &CStr) -> Result<()> {
    // SAFETY: a C string.
    check(unsafe { libc::mkfifo(path.as_ptr(), 0o644) })
}

/// Takes `id` as real and effective user, and keeps user 0 to return to (`setresuid(2)`). The permitted capabilities stay,
/// the effective ones go.
pub fn step_down(id: u32) -> Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { libc::setresuid(id, id, 0) })
}

/// Waits for a signal, forever if none comes.
pub fn pause() {
    // SAFETY: takes nothing.
    unsafe { libc::pause() };
}

/// Makes the child of `command` enter a cgroup, whose `cgroup.procs` is open for writing, before it executes; and, with
/// `terminal`, the leader of a session whose controlling terminal is its standard input.
pub fn prepare_child(command: &mut Command, cgroup: Option<BorrowedFd<'static>>, terminal: bool) {
    let cgroup = cgroup.map(|fd| fd.as_raw_fd());
    let enter = move || {
        if let Some(fd) = cgroup {
            // SAFETY: writes one byte from a constant to an open file.
            if unsafe { libc::write(fd, c"0".as_ptr().cast(), 1) } != 1 {
                return Err(Error::last_os_error());
            }
        }
        if terminal {
            // SAFETY: takes numbers.
            unsafe {
                check(libc::setsid())?;
                check(libc::ioctl(0, libc::TIOCSCTTY, 1))?;
            }
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls with values copied into it and does not allocate.
    unsafe { command.pre_exec(enter) };
}

/// `lseek(2)` on a descriptor that cannot be: the cheapest system call that does something.
pub fn lseek_nothing() {
    // SAFETY: takes numbers.
    unsafe { libc::lseek(-1, 0, libc::SEEK_SET) };
}

/// The same with an offset.
pub fn seek_nothing_to(offset: i64) {
    // SAFETY: takes numbers.
    unsafe { libc::lseek(-1, offset, libc::SEEK_SET) };
}

/// Sets the clock of the wall by so many seconds forward (`clock_settime(2)`).
pub fn shift_clock(seconds: i64) -> Result<()> {
    // SAFETY: a structure that is read and written during the calls.
    unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        check(libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time))?;
        time.tv_sec += seconds;
        check(libc::clock_settime(libc::CLOCK_REALTIME, &raw const time))
    }
}

/// Loads a kernel module from an open file (`finit_module(2)`); one that is loaded already is no error.
pub fn load_module(file: &std::fs::File) -> Result<()> {
    // SAFETY: an open descriptor, a constant string and a number.
    let result = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
    match check(result as i32) {
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        other => other,
    }
}

/// Brings the loopback interface up (netdevice(7)).
pub fn loopback_up() -> Result<()> {
    // SAFETY: a socket of our own, and a request that is zero but for name and flags.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        check(socket)?;
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        let result = check(libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request));
        libc::close(socket);
        result
    }
}

fn check(result: i32) -> Result<()> {
    if result < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(())
    }
}
