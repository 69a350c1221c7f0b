//! Runtime functions that read strings and paths into slots.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{
    bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user, bpf_probe_read_user_str,
};
use ebpf_abi::{
    executable::PATH_MAX,
    hook::{SLOT_LEN, path_flag, path_kind},
};

use crate::{
    executable, path,
    read::{field, read},
    task,
};

/// A NUL-terminated string at `address`: see [`runtime::STRING`](ebpf_abi::hook::runtime::STRING).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_string(claimed: u32, slot: u32, address: u64, user: u32) -> u32 {
    let Some(slot) = super::slot(claimed, slot) else {
        return 0;
    };
    // SAFETY: a slot of this CPU; the helpers write at most as many bytes as they are told.
    unsafe {
        let bytes = (&raw mut (*slot).bytes).cast::<c_void>();
        let from = address as *const c_void;
        let len = if user != 0 || is_user(address) {
            bpf_probe_read_user_str(bytes, SLOT_LEN as u32, from)
        } else {
            bpf_probe_read_kernel_str(bytes, SLOT_LEN as u32, from)
        };
        if len < 0 {
            return 0;
        }
        (*slot).len = without_zero(len);
        (*slot).whole = 0;
        (*slot).flags = 0;
        (*slot).mode = 0;
    }
    1
}

/// Length of a string of which a helper has read so many bytes: with the zero at the end, but none of an empty string in
/// user memory (until 6.16, `strncpy_from_user_nofault` in mm/maccess.c).
#[inline(always)]
pub(super) fn without_zero(len: i64) -> u32 {
    if len > 0 { len as u32 - 1 } else { 0 }
}

/// Whether an address is one of user space: the kernel has the upper half of the addresses
/// (Documentation/arch/x86/x86_64/mm.rst).
#[inline(always)]
pub(super) fn is_user(address: u64) -> bool {
    address as i64 >= 0
}

/// `len` bytes: see [`runtime::BYTES`](ebpf_abi::hook::runtime::BYTES).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_bytes(claimed: u32, slot: u32, address: u64, len: u64, user: u32) -> u32 {
    let Some(slot) = super::slot(claimed, slot) else {
        return 0;
    };
    // The length may be the result of a function, which failed.
    if (len as i64) < 0 {
        return 0;
    }
    // SAFETY: as above; one byte less than a slot holds.
    unsafe {
        let taken = if len < SLOT_LEN as u64 {
            len as u32
        } else {
            SLOT_LEN as u32 - 1
        };
        (&raw mut (*slot).len).write_volatile(taken);
        let taken = (&raw const (*slot).len).read_volatile() & (SLOT_LEN as u32 - 1);
        let (to, from) = ((&raw mut (*slot).bytes).cast(), address as *const c_void);
        let result = if user != 0 || is_user(address) {
            bpf_probe_read_user(to, taken, from)
        } else {
            bpf_probe_read_kernel(to, taken, from)
        };
        if result != 0 {
            return 0;
        }
        (*slot).whole = if len > u64::from(taken) { len as u32 } else { 0 };
        (*slot).flags = 0;
        (*slot).mode = 0;
    }
    1
}

/// Type of a file in its mode, and that of a socket (`include/uapi/linux/stat.h`).
const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;

/// The path of something: see [`runtime::PATH`](ebpf_abi::hook::runtime::PATH).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_path(claimed: u32, slot: u32, kind: u32, address: u64) -> u32 {
    let Some(slot) = super::slot(claimed, slot) else {
        return 0;
    };
    let task = task::current();
    let mut file = address;
    if kind == path_kind::FD {
        file = descriptor(task, address as u32);
    } else if kind == path_kind::KIOCB {
        file = field!(address, kiocb_filp);
    } else if kind == path_kind::BINPRM {
        file = field!(address, binprm_file);
    }
    if file == 0 {
        return 0;
    }
    let mut place = path::root(task);
    if kind == path_kind::DENTRY {
        // Of what is only known by its dentry nobody can tell where it is mounted.
        let super_block: u64 = field!(file, dentry_sb);
        place.dentry = file;
        place.root_dentry = field!(super_block, super_block_root);
        place.root_mnt = 0;
    } else if kind == path_kind::PATH {
        place.mnt = field!(file, path_mnt);
        place.dentry = field!(file, path_dentry);
    } else {
        (place.mnt, place.dentry) = path::of_file(file);
    }
    let walked = path::walk(&place, claimed);
    let mode: u16 = field!(path::inode(claimed), inode_mode);
    // SAFETY: a slot of this CPU.
    unsafe {
        let len = path::copy::<{ SLOT_LEN as u32 - 1 }>(claimed, (&raw mut (*slot).bytes).cast());
        // What the dentry of a socket is called is for the kernel alone, which makes up a name when it is asked for one.
        let parent: u64 = field!(place.dentry, dentry_parent);
        let made_up = mode & S_IFMT == S_IFSOCK && parent == place.dentry;
        (*slot).len = if made_up { 0 } else { len };
        (*slot).whole = 0;
        (*slot).flags = if walked & path::INCOMPLETE != 0 {
            path_flag::UNRESOLVED
        } else {
            0
        };
        (*slot).mode = u32::from(mode);
    }
    // Something without a name, a pipe or a socket, has an empty path.
    u32::from(place.dentry != 0)
}

/// The `struct file` behind descriptor `fd` of `task`; 0 when there is none.
#[inline(always)]
fn descriptor(task: u64, fd: u32) -> u64 {
    let files: u64 = field!(task, task_files);
    let table: u64 = field!(files, files_fdt);
    let max: u32 = field!(table, fdtable_max_fds);
    if fd >= max {
        return 0;
    }
    let array: u64 = field!(table, fdtable_fd);
    read(array.wrapping_add(u64::from(fd) * 8), 0)
}

/// The executable of the current process: see [`runtime::BINARY`](ebpf_abi::hook::runtime::BINARY).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn hook_binary(claimed: u32, slot: u32) -> u32 {
    let Some(slot) = super::slot(claimed, slot) else {
        return 0;
    };
    // SAFETY: the slot and the map's value are valid for what is copied.
    unsafe {
        let bytes = (&raw mut (*slot).bytes).cast::<u8>();
        (*slot).whole = 0;
        (*slot).flags = 0;
        (*slot).mode = 0;
        if let Some(executable) = executable::of_current() {
            let len = (&raw const (*executable).len).read_volatile() & PATH_MAX as u32;
            bpf_probe_read_kernel(bytes.cast(), len, (&raw const (*executable).words).cast());
            (*slot).len = len;
            return 1;
        }
        let task = task::current();
        let mm: u64 = field!(task, task_mm);
        let file: u64 = field!(mm, mm_exe_file);
        if file == 0 {
            return 0;
        }
        path::walk(&path::file(task, file), claimed);
        (*slot).len = path::copy::<{ SLOT_LEN as u32 - 1 }>(claimed, bytes);
        1
    }
}
