//! `bpf(2)`: which objects are loaded, and the smallest program there is.

use std::{
    io::{Error, Result},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

/// Kinds of BPF objects that have ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Programs.
    Program,
    /// Maps.
    Map,
    /// Links; kernels before 5.8 have none with ids.
    Link,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Program, Self::Map, Self::Link];

    /// Number of the command that steps through ids (`enum bpf_cmd`, include/uapi/linux/bpf.h).
    const fn next_id(self) -> libc::c_long {
        match self {
            Self::Program => 11,
            Self::Map => 12,
            Self::Link => 31,
        }
    }
}

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_RAW_TRACEPOINT_OPEN: libc::c_long = 17;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;

/// Ids of all objects of `kind` in the machine, ascending. Empty when the kernel cannot list them.
pub fn ids(kind: Kind) -> Vec<u32> {
    let mut ids = Vec::new();
    // start_id, next_id, open_flags
    let mut attr = [0_u32; 3];
    while bpf(kind.next_id(), &mut attr).is_ok() {
        ids.push(attr[1]);
        attr[0] = attr[1];
    }
    ids
}

/// A program that does nothing, attached to a raw tracepoint until the value is dropped.
#[derive(Debug)]
pub struct EmptyProgram {
    _program: OwnedFd,
    _link: OwnedFd,
}

impl EmptyProgram {
    /// Loads `return 0` and attaches it to the raw tracepoint of the name given.
    pub fn attach(tracepoint: &std::ffi::CStr) -> Result<Self> {
        /// `r0 = 0; exit` in the encoding of include/uapi/linux/bpf.h.
        static INSTRUCTIONS: [u64; 2] = [0x0000_0000_0000_00b7, 0x0000_0000_0000_0095];
        /// Beginning of the `BPF_PROG_LOAD` attributes.
        #[repr(C)]
        struct Load {
            prog_type: u32,
            insn_cnt: u32,
            insns: u64,
            license: u64,
            rest: [u64; 12],
        }
        /// `BPF_RAW_TRACEPOINT_OPEN` attributes.
        #[repr(C)]
        struct Open {
            name: u64,
            prog_fd: u32,
            padding: u32,
        }
        let program = bpf(
            BPF_PROG_LOAD,
            &mut Load {
                prog_type: BPF_PROG_TYPE_RAW_TRACEPOINT,
                insn_cnt: INSTRUCTIONS.len() as u32,
                insns: INSTRUCTIONS.as_ptr() as u64,
                license: c"GPL".as_ptr() as u64,
                rest: [0; 12],
            },
        )?;
        // SAFETY: the kernel just made this descriptor for us.
        let program = unsafe { OwnedFd::from_raw_fd(program) };
        let link = bpf(
            BPF_RAW_TRACEPOINT_OPEN,
            &mut Open {
                name: tracepoint.as_ptr() as u64,
                prog_fd: program.as_raw_fd() as u32,
                padding: 0,
            },
        )?;
        // SAFETY: as above.
        let link = unsafe { OwnedFd::from_raw_fd(link) };
        Ok(Self {
            _program: program,
            _link: link,
        })
    }
}

/// Calls `bpf(2)`. `attr` must be what `command` takes: a plain struct whose addresses stay valid during the call.
fn bpf<T>(command: libc::c_long, attr: &mut T) -> Result<i32> {
    // SAFETY: the kernel reads and writes at most `size_of::<T>()` bytes of `attr`; addresses in it are of statics or of
    // C strings that the callers borrow during the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 {
        return Err(Error::last_os_error());
    }
    Ok(result as i32)
}
