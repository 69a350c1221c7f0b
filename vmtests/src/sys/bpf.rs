//! `bpf(2)`: which objects are loaded.

use std::io::{Error, Result};

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
