//! Kprobes, uprobes (since 4.17) and tracepoints as perf events (`perf_event_open(2)`).

use std::{
    ffi::CStr,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Syscall, syscall, syscall_fd};
use crate::error::SysError;

const SET_BPF: u64 = 0x4004_2408;
const ENABLE: u64 = 0x2400;

/// The beginning of `struct perf_event_attr` (`include/uapi/linux/perf_event.h`), up to `config2`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct EventAttr {
    pub(super) event_type: u32,
    pub(super) size: u32,
    pub(super) config: u64,
    pub(super) sample_period: u64,
    pub(super) sample_type: u64,
    pub(super) read_format: u64,
    pub(super) flags: u64,
    pub(super) wakeup_events: u32,
    pub(super) bp_type: u32,
    pub(super) function: u64,
    pub(super) offset: u64,
}

/// `PERF_TYPE_TRACEPOINT`.
const TRACEPOINT: u32 = 2;

/// Opens the tracepoint with number `id`. A program attached to it runs on every CPU.
pub(crate) fn open_tracepoint(id: u64) -> Result<OwnedFd, SysError> {
    let mut attr = EventAttr {
        event_type: TRACEPOINT,
        size: size_of::<EventAttr>() as u32,
        config: id,
        ..Default::default()
    };
    // SAFETY: the attributes hold no address; the call makes a descriptor.
    unsafe {
        syscall_fd(Syscall::PerfEventOpen {
            attr: attr.as_mut_bytes(),
        })
    }
}

/// Opens a kprobe or uprobe on a function or file plus `offset` bytes. `event_type` is the number of the event source and
/// `config` what it wants to know besides.
pub(crate) fn open_probe(event_type: u32, config: u64, function: &CStr, offset: u64) -> Result<OwnedFd, SysError> {
    let mut attr = EventAttr {
        event_type,
        size: size_of::<EventAttr>() as u32,
        config,
        function: function.as_ptr() as u64,
        offset,
        ..Default::default()
    };
    // SAFETY: the name is NUL-terminated and borrowed for the call, which makes a descriptor.
    unsafe {
        syscall_fd(Syscall::PerfEventOpen {
            attr: attr.as_mut_bytes(),
        })
    }
}

/// Attaches a program to a perf event the way kernels before 5.15 do, and enables the event.
pub(crate) fn perf_attach(event: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<(), SysError> {
    let fd = event.as_raw_fd();
    // SAFETY: the argument is a number.
    unsafe {
        syscall(Syscall::Ioctl {
            fd,
            request: SET_BPF,
            argument: program.as_raw_fd() as u64,
        })
    }?;
    // SAFETY: the argument is a number.
    unsafe {
        syscall(Syscall::Ioctl {
            fd,
            request: ENABLE,
            argument: 0,
        })
    }
    .map(drop)
}
