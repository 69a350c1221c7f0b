//! Every system call of this crate, and all of its `unsafe`.
//!
//! A call is a value of [`Syscall`] handed to [`syscall`]. In tests a thread can put a function of its own in place of
//! the kernel (see `fake`), so that the logic above is tested without one.
#![allow(unsafe_code, reason = "system calls are made here and nowhere else")]

mod attr;
mod bpf;
mod doomed;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
pub(crate) use fake::ReadAttr;
mod features;
mod hint;
mod map;
mod perf;
mod region;
mod unpreempted;

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
};

pub(crate) use bpf::{
    BtfLoad, LogLevel, ProgInfo, ProgLoad, RINGBUF, btf_load, link_create_perf, link_missed, obj_get, obj_pin,
    prog_info, prog_load, raw_tracepoint_open, test_run,
};
pub use doomed::Ending;
pub(crate) use features::{KPROBE_MULTI, UPROBE_MULTI, build_id_event, kprobe_multi, update_nothing, uprobe_multi};
pub(crate) use map::{MapError, MapFd, MapSpec};
pub(crate) use perf::{open_probe, open_tracepoint, perf_attach};
pub(crate) use region::Region;
#[cfg(test)]
pub(crate) use region::fake as ring_memory;

use crate::error::SysError;

/// `PERF_FLAG_FD_CLOEXEC` (`include/uapi/linux/perf_event.h`).
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

/// A call about to be made.
#[derive(Debug)]
pub(crate) enum Syscall<'a> {
    /// bpf(2). Addresses within `attr` are of buffers that outlive the call.
    Bpf { command: Command, attr: &'a mut [u8] },
    /// `perf_event_open(2)` for all processes on CPU 0, close-on-exec.
    PerfEventOpen { attr: &'a mut [u8] },
    /// ioctl(2) with a number as argument.
    Ioctl { fd: RawFd, request: u64, argument: u64 },
    /// mmap(2), shared.
    Mmap {
        fd: RawFd,
        offset: u64,
        len: usize,
        writable: bool,
    },
    /// munmap(2) of what `Mmap` gave.
    Munmap { address: usize, len: usize },
    /// setrlimit(2): no limit on locked memory.
    UnlimitMemlock,
    /// `sched_getscheduler(2)` of this thread.
    Scheduling,
    /// `sched_setscheduler(2)` of this thread, with the least priority that a policy has.
    Schedule { policy: i32 },
    /// fork(2) of a process that runs two programs and ends, and waitpid(2) for it.
    Doomed { begin: RawFd, early: RawFd, ending: Ending },
}

/// Commands of bpf(2) (include/uapi/linux/bpf.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Command {
    MapCreate = 0,
    MapLookup = 1,
    MapUpdate = 2,
    MapDelete = 3,
    MapNextKey = 4,
    ProgLoad = 5,
    ObjPin = 6,
    ObjGet = 7,
    TestRun = 10,
    ObjectInfo = 15,
    RawTracepointOpen = 17,
    BtfLoad = 18,
    MapFreeze = 22,
    MapUpdateBatch = 26,
    LinkCreate = 28,
}

impl Command {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::MapCreate => "BPF_MAP_CREATE",
            Self::MapLookup => "BPF_MAP_LOOKUP_ELEM",
            Self::MapUpdate => "BPF_MAP_UPDATE_ELEM",
            Self::MapDelete => "BPF_MAP_DELETE_ELEM",
            Self::MapNextKey => "BPF_MAP_GET_NEXT_KEY",
            Self::ProgLoad => "BPF_PROG_LOAD",
            Self::ObjPin => "BPF_OBJ_PIN",
            Self::ObjGet => "BPF_OBJ_GET",
            Self::TestRun => "BPF_PROG_TEST_RUN",
            Self::ObjectInfo => "BPF_OBJ_GET_INFO_BY_FD",
            Self::RawTracepointOpen => "BPF_RAW_TRACEPOINT_OPEN",
            Self::BtfLoad => "BPF_BTF_LOAD",
            Self::MapFreeze => "BPF_MAP_FREEZE",
            Self::MapUpdateBatch => "BPF_MAP_UPDATE_BATCH",
            Self::LinkCreate => "BPF_LINK_CREATE",
        }
    }
}

impl Syscall<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Bpf { command, .. } => command.name(),
            Self::PerfEventOpen { .. } => "perf_event_open",
            Self::Ioctl { .. } => "ioctl",
            Self::Mmap { .. } => "mmap",
            Self::Munmap { .. } => "munmap",
            Self::UnlimitMemlock => "setrlimit(RLIMIT_MEMLOCK)",
            Self::Scheduling => "sched_getscheduler",
            Self::Schedule { .. } => "sched_setscheduler",
            Self::Doomed { .. } => "fork",
        }
    }
}

/// Makes the call. The result is a file descriptor, an address, a wait status or 0, by call.
///
/// # Safety
///
/// Every address in an `attr` is of a buffer as long as the kernel reads or writes there; what is unmapped is not used
/// any more.
pub(crate) unsafe fn syscall(mut call: Syscall<'_>) -> Result<u64, SysError> {
    let name = call.name();
    let result = {
        #[cfg(test)]
        if let Some(answer) = fake::answer(&mut call) {
            answer
        } else {
            // SAFETY: the caller's promise.
            unsafe { real(&mut call) }
        }
        #[cfg(not(test))]
        // SAFETY: the caller's promise.
        unsafe {
            real(&mut call)
        }
    };
    result.map_err(|error| SysError {
        call: name,
        hint: hint::hint(&call, &error),
        error,
    })
}

/// [`syscall`] for calls that make a file descriptor.
///
/// # Safety
///
/// As [`syscall`], and the call is one that gives a new file descriptor.
pub(crate) unsafe fn syscall_fd(call: Syscall<'_>) -> Result<OwnedFd, SysError> {
    // SAFETY: the caller's promise.
    let fd = unsafe { syscall(call) }?;
    // SAFETY: the kernel made this descriptor for this call alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// # Safety
///
/// As [`syscall`].
unsafe fn real(call: &mut Syscall<'_>) -> io::Result<u64> {
    let result = match call {
        Syscall::Bpf { command, attr } => {
            // SAFETY: `attr` is borrowed for the call, and its addresses are good by the caller's promise. The kernel
            // sets close-on-exec on every descriptor that it makes here.
            unsafe { libc::syscall(libc::SYS_bpf, *command as u32, attr.as_mut_ptr(), attr.len()) }
        }
        Syscall::PerfEventOpen { attr } => {
            let (pid, cpu, group) = (-1_i32, 0_i32, -1_i32);
            // SAFETY: `attr` begins with its size, and its addresses are good by the caller's promise.
            unsafe {
                libc::syscall(
                    libc::SYS_perf_event_open,
                    attr.as_mut_ptr(),
                    pid,
                    cpu,
                    group,
                    PERF_FLAG_FD_CLOEXEC,
                )
            }
        }
        Syscall::Ioctl { fd, request, argument } => {
            // SAFETY: the requests used take numbers, not addresses.
            i64::from(unsafe { libc::ioctl(*fd, *request as libc::Ioctl, *argument) })
        }
        Syscall::Mmap {
            fd,
            offset,
            len,
            writable,
        } => {
            let protection = if *writable {
                libc::PROT_READ | libc::PROT_WRITE
            } else {
                libc::PROT_READ
            };
            // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
            let address = unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    *len,
                    protection,
                    libc::MAP_SHARED,
                    *fd,
                    *offset as libc::off_t,
                )
            };
            if address == libc::MAP_FAILED {
                -1
            } else {
                address as i64
            }
        }
        Syscall::Munmap { address, len } => {
            // SAFETY: nobody uses the mapping any more by the caller's promise.
            i64::from(unsafe { libc::munmap(*address as *mut libc::c_void, *len) })
        }
        Syscall::UnlimitMemlock => {
            let limit = libc::rlimit {
                rlim_cur: libc::RLIM_INFINITY,
                rlim_max: libc::RLIM_INFINITY,
            };
            // SAFETY: `limit` is a valid structure.
            i64::from(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) })
        }
        Syscall::Scheduling => {
            // SAFETY: the call takes no address. Not every C library has it.
            unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) }
        }
        Syscall::Schedule { policy } => {
            // The kernel's `struct sched_param` is this number.
            let priority = i32::from(*policy == libc::SCHED_FIFO);
            // SAFETY: the kernel reads a number. Not every C library has the call.
            unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, *policy, &raw const priority) }
        }
        Syscall::Doomed { begin, early, ending } => {
            // SAFETY: the descriptors are of programs by the caller's promise.
            unsafe { doomed::run(*begin, *early, *ending) }
        }
    };
    u64::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Forks a process that runs `begin` as its first act and `early` once it has all of its threads, and then ends; returns
/// its wait status.
pub(crate) fn doomed(begin: BorrowedFd<'_>, early: BorrowedFd<'_>, ending: Ending) -> Result<i32, SysError> {
    let call = Syscall::Doomed {
        begin: begin.as_raw_fd(),
        early: early.as_raw_fd(),
        ending,
    };
    // SAFETY: descriptors that are borrowed for the call.
    unsafe { syscall(call) }.map(|status| status as i32)
}

/// Lifts the limit on locked memory, against which kernels before 5.11 count maps and programs. Failure shows later, in
/// the hint of the call that runs into the limit.
pub(crate) fn unlimit_memlock() {
    // SAFETY: the call takes no address.
    let _refused = unsafe { syscall(Syscall::UnlimitMemlock) };
}
