//! Calls that are only made to see whether the kernel knows them. None of them changes anything.

use std::{
    ffi::CStr,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
};

use zerocopy::IntoBytes as _;

use super::{Command, Syscall, attr, perf::EventAttr, syscall, syscall_fd};
use crate::error::SysError;

/// `BPF_TRACE_KPROBE_MULTI`: expected attach type of programs on many functions of the kernel.
pub(crate) const KPROBE_MULTI: u32 = 42;

/// `BPF_TRACE_UPROBE_MULTI`.
pub(crate) const UPROBE_MULTI: u32 = 48;

/// Attaches a program to the function `symbol` of the kernel, as one of many.
pub(crate) fn kprobe_multi(program: BorrowedFd<'_>, symbol: &CStr) -> Result<OwnedFd, SysError> {
    let symbols = [symbol.as_ptr() as u64];
    let mut attr = attr::KprobeMulti {
        prog_fd: program.as_raw_fd() as u32,
        attach_type: KPROBE_MULTI,
        count: 1,
        symbols: symbols.as_ptr() as u64,
        ..Default::default()
    };
    // SAFETY: the list and the name, which is NUL-terminated, outlive the call; it makes a descriptor.
    unsafe {
        syscall_fd(Syscall::Bpf {
            command: Command::LinkCreate,
            attr: attr.as_mut_bytes(),
        })
    }
}

/// Attaches a program to the beginning of the file at `path`, as to one of many places.
pub(crate) fn uprobe_multi(program: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, SysError> {
    let offsets = [0_u64];
    let mut attr = attr::UprobeMulti {
        prog_fd: program.as_raw_fd() as u32,
        attach_type: UPROBE_MULTI,
        path: path.as_ptr() as u64,
        offsets: offsets.as_ptr() as u64,
        count: 1,
        ..Default::default()
    };
    // SAFETY: the list and the path, which is NUL-terminated, outlive the call; it makes a descriptor.
    unsafe {
        syscall_fd(Syscall::Bpf {
            command: Command::LinkCreate,
            attr: attr.as_mut_bytes(),
        })
    }
}

/// Updates no elements of `map` at once.
pub(crate) fn update_nothing(map: BorrowedFd<'_>) -> Result<(), SysError> {
    let mut attr = attr::Batch {
        map_fd: map.as_raw_fd() as u32,
        ..Default::default()
    };
    // SAFETY: there are no elements: no address is looked at.
    unsafe {
        syscall(Syscall::Bpf {
            command: Command::MapUpdateBatch,
            attr: attr.as_mut_bytes(),
        })
    }
    .map(drop)
}

/// Opens a perf event that does nothing and would tell the build ids of mapped files.
pub(crate) fn build_id_event() -> Result<OwnedFd, SysError> {
    /// `PERF_TYPE_SOFTWARE` and `PERF_COUNT_SW_DUMMY`.
    const NOTHING: (u32, u64) = (1, 9);
    /// `disabled`, `mmap2` and `build_id` among the flags of `struct perf_event_attr`.
    const FLAGS: u64 = 1 | 1 << 23 | 1 << 34;
    let mut attr = EventAttr {
        event_type: NOTHING.0,
        size: size_of::<EventAttr>() as u32,
        config: NOTHING.1,
        flags: FLAGS,
        ..Default::default()
    };
    // SAFETY: the attributes hold no address; the call makes a descriptor.
    unsafe {
        syscall_fd(Syscall::PerfEventOpen {
            attr: attr.as_mut_bytes(),
        })
    }
}
