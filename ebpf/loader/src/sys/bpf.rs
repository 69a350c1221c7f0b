//! bpf(2) for programs, type information and links.

use std::{
    ffi::CStr,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
};

use zerocopy::{FromBytes as _, IntoBytes as _};

use super::{Command, Syscall, attr, syscall, syscall_fd};
use crate::error::SysError;

/// `BPF_MAP_TYPE_RINGBUF`.
pub(crate) const RINGBUF: u32 = 27;

/// `BPF_PERF_EVENT`, the attach type of links on perf events.
const PERF_EVENT: u32 = 41;

/// A program about to be loaded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProgLoad<'a> {
    pub(crate) name: [u8; 16],
    pub(crate) prog_type: u32,
    pub(crate) attach_type: u32,
    pub(crate) attach_btf_id: u32,
    pub(crate) flags: u32,
    /// Eight bytes an instruction.
    pub(crate) code: &'a [u8],
    pub(crate) license: &'a CStr,
    pub(crate) btf: Option<BorrowedFd<'a>>,
    /// Record size and records.
    pub(crate) func_info: (u32, &'a [u8]),
    /// Record size and records.
    pub(crate) line_info: (u32, &'a [u8]),
}

/// What the verifier writes into its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum LogLevel {
    /// What it did, instruction by instruction (`BPF_LOG_LEVEL1`).
    Steps = 1,
    /// A few lines of numbers in the end (`BPF_LOG_STATS`, 5.2), which cost nothing.
    Statistics = 4,
}

/// Loads a program. The verifier's log goes to `log` unless that is empty.
pub(crate) fn prog_load(load: &ProgLoad<'_>, level: LogLevel, log: &mut [u8]) -> Result<OwnedFd, SysError> {
    let ProgLoad {
        name,
        prog_type,
        attach_type,
        attach_btf_id,
        flags,
        code,
        license,
        btf,
        func_info,
        line_info,
    } = *load;
    let records = |(size, bytes): (u32, &[u8])| (bytes.len() as u32).checked_div(size).unwrap_or(0);
    let mut attr = attr::ProgLoad {
        prog_type,
        insn_cnt: (code.len() / 8) as u32,
        insns: address(code),
        license: license.as_ptr() as u64,
        log_level: if log.is_empty() { 0 } else { level as u32 },
        log_size: log.len() as u32,
        log_buf: address_mut(log),
        prog_flags: flags,
        prog_name: name,
        expected_attach_type: attach_type,
        attach_btf_id,
        ..Default::default()
    };
    if let Some(btf) = btf {
        attr.prog_btf_fd = btf.as_raw_fd() as u32;
        (attr.func_info_rec_size, attr.func_info, attr.func_info_cnt) =
            (func_info.0, address(func_info.1), records(func_info));
        (attr.line_info_rec_size, attr.line_info, attr.line_info_cnt) =
            (line_info.0, address(line_info.1), records(line_info));
    }
    // SAFETY: the buffers are borrowed for the call and the lengths are theirs; the command makes a descriptor.
    unsafe {
        syscall_fd(Syscall::Bpf {
            command: Command::ProgLoad,
            attr: attr.as_mut_bytes(),
        })
    }
}

/// Type information about to be loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BtfLoad<'a>(pub(crate) &'a [u8]);

/// Loads type information.
pub(crate) fn btf_load(BtfLoad(bytes): BtfLoad<'_>) -> Result<OwnedFd, SysError> {
    let mut attr = attr::BtfLoad {
        btf: address(bytes),
        btf_size: bytes.len() as u32,
        ..Default::default()
    };
    // SAFETY: `bytes` is borrowed for the call and the length is its own; the command makes a descriptor.
    unsafe {
        syscall_fd(Syscall::Bpf {
            command: Command::BtfLoad,
            attr: attr.as_mut_bytes(),
        })
    }
}

/// Attaches a raw tracepoint program to `name`, or, without a name, a tracing or LSM program to what it was loaded for.
pub(crate) fn raw_tracepoint_open(program: BorrowedFd<'_>, name: Option<&CStr>) -> Result<OwnedFd, SysError> {
    let name = name.map_or(0, |name| name.as_ptr() as u64);
    let mut attr = attr::RawTracepointOpen {
        name,
        prog_fd: program.as_raw_fd() as u32,
        reserved: 0,
    };
    // SAFETY: the name is NUL-terminated and borrowed for the call; the command makes a descriptor.
    unsafe {
        syscall_fd(Syscall::Bpf {
            command: Command::RawTracepointOpen,
            attr: attr.as_mut_bytes(),
        })
    }
}

/// Attaches a program to a perf event (5.15).
pub(crate) fn link_create_perf(program: BorrowedFd<'_>, event: BorrowedFd<'_>) -> Result<OwnedFd, SysError> {
    let mut attr = attr::LinkCreate {
        prog_fd: program.as_raw_fd() as u32,
        target_fd: event.as_raw_fd() as u32,
        attach_type: PERF_EVENT,
        ..Default::default()
    };
    // SAFETY: the attributes hold no address; the command makes a descriptor.
    unsafe {
        syscall_fd(Syscall::Bpf {
            command: Command::LinkCreate,
            attr: attr.as_mut_bytes(),
        })
    }
}

/// Gives a program, map or link the name `path`, which must be in a BPF file system. `EINVAL` for anything else.
pub(crate) fn obj_pin(object: BorrowedFd<'_>, path: &CStr) -> Result<(), SysError> {
    let mut attr = attr::ObjPin {
        path: path.as_ptr() as u64,
        fd: object.as_raw_fd() as u32,
        flags: 0,
    };
    // SAFETY: the path is NUL-terminated and borrowed for the call.
    unsafe {
        syscall(Syscall::Bpf {
            command: Command::ObjPin,
            attr: attr.as_mut_bytes(),
        })
    }
    .map(drop)
}

/// What has the name `path` in a BPF file system.
pub(crate) fn obj_get(path: &CStr) -> Result<OwnedFd, SysError> {
    let mut attr = attr::ObjPin {
        path: path.as_ptr() as u64,
        ..Default::default()
    };
    // SAFETY: the path is NUL-terminated and borrowed for the call; the command makes a descriptor.
    unsafe {
        syscall_fd(Syscall::Bpf {
            command: Command::ObjGet,
            attr: attr.as_mut_bytes(),
        })
    }
}

/// Runs a program once on this CPU with `context`, which it sees as its arguments. Returns what it returned.
pub(crate) fn test_run(program: BorrowedFd<'_>, context: &[u64]) -> Result<u32, SysError> {
    let mut attr = attr::TestRun {
        prog_fd: program.as_raw_fd() as u32,
        ctx_size_in: size_of_val(context) as u32,
        ctx_in: if context.is_empty() { 0 } else { context.as_ptr() as u64 },
        ..Default::default()
    };
    // SAFETY: the context is borrowed for the call and the length is its own; nothing is written but `attr`.
    unsafe {
        syscall(Syscall::Bpf {
            command: Command::TestRun,
            attr: attr.as_mut_bytes(),
        })
    }?;
    Ok(attr.retval)
}

/// The beginning of `struct bpf_prog_info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProgInfo {
    pub(crate) id: u32,
    pub(crate) xlated_len: u32,
    pub(crate) jited_len: u32,
    pub(crate) recursion_misses: u64,
}

/// What the kernel says about a program; 0 where it says nothing.
pub(crate) fn prog_info(program: BorrowedFd<'_>) -> Result<ProgInfo, SysError> {
    let info = object_info(program)?;
    let number = |offset: usize| {
        info.get(offset..)
            .and_then(|tail| u32::read_from_prefix(tail).ok())
            .map_or(0, |(n, _)| n)
    };
    // `recursion_misses` is there since 5.12.
    Ok(ProgInfo {
        id: number(4),
        jited_len: number(16),
        xlated_len: number(20),
        recursion_misses: u64::from(number(208)) | u64::from(number(212)) << 32,
    })
}

/// What a breakpoint has not told of, by what the kernel says about the link to it (`struct bpf_link_info`); 0 before 6.7,
/// which does not say.
pub(crate) fn link_missed(link: BorrowedFd<'_>) -> Result<u64, SysError> {
    /// `BPF_LINK_TYPE_PERF_EVENT`, and of its events `BPF_PERF_EVENT_KPROBE` and `BPF_PERF_EVENT_KRETPROBE`.
    const PERF_EVENT: u32 = 7;
    const BREAKPOINTS: [u32; 2] = [3, 4];
    let info = object_info(link)?;
    let word = |offset: usize| u64::from_ne_bytes(std::array::from_fn(|at| info[offset + at]));
    let of_breakpoint = word(0) as u32 == PERF_EVENT && BREAKPOINTS.contains(&(word(16) as u32));
    Ok(if of_breakpoint { word(48) } else { 0 })
}

/// `struct bpf_prog_info`, `struct bpf_map_info` or `struct bpf_link_info`, zeroes where the kernel's is shorter.
pub(super) fn object_info(object: BorrowedFd<'_>) -> Result<[u8; 232], SysError> {
    let mut info = [0; 232];
    let mut attr = attr::ObjectInfo {
        fd: object.as_raw_fd() as u32,
        info_len: info.len() as u32,
        info: address_mut(&mut info),
    };
    // SAFETY: `info` is borrowed for the call and the length is its own. It holds no address, so the kernel writes to
    // it alone.
    unsafe {
        syscall(Syscall::Bpf {
            command: Command::ObjectInfo,
            attr: attr.as_mut_bytes(),
        })
    }?;
    Ok(info)
}

/// Address of a buffer for the kernel to read, 0 if empty.
pub(super) fn address(bytes: &[u8]) -> u64 {
    if bytes.is_empty() { 0 } else { bytes.as_ptr() as u64 }
}

/// Address of a buffer for the kernel to write, 0 if empty.
pub(super) fn address_mut(bytes: &mut [u8]) -> u64 {
    if bytes.is_empty() { 0 } else { bytes.as_mut_ptr() as u64 }
}
