//! Paths as a process sees them, walked from a dentry up to the process's root.
//!
//! `bpf_d_path` is allowed at a handful of hooks only (kernel/trace/bpf_trace.c, `btf_allowlist_d_path`), none of
//! which is a raw tracepoint. So this does what `prepend_path` does (fs/d_path.c), across mounts, without its locks: a
//! rename during the walk can mix old and new names of one path, as it can for any reader of `/proc`.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;

use crate::{
    globals::offset,
    maps::{PATH, PATH_SIZE},
    read::field,
};

/// Components and mount crossings that one walk takes at most. The verifier visits each, so this is a cost at load.
const MAX_STEPS: u32 = 512;

/// What the kernel appends to the name of an unlinked file (fs/d_path.c).
const DELETED: [u8; 10] = *b" (deleted)";

/// A place in the file tree, and the root it is seen from.
#[derive(Clone, Copy)]
pub struct Place {
    pub mnt: u64,
    pub dentry: u64,
    pub root_mnt: u64,
    pub root_dentry: u64,
}

/// Set in the result of [`walk`] when the path has more components, or more bytes, than the walk takes.
pub const INCOMPLETE: u32 = 0x8000_0000;

/// Writes the path of `place` to the end of the path part of this CPU's path buffer and returns its length, with
/// [`INCOMPLETE`] set when only the tail of the path is there. 0: no path.
#[inline(always)]
pub fn walk(place: &Place) -> u32 {
    let Some(buffer) = PATH.get_ptr_mut(0) else { return 0 };
    let buffer = buffer.cast::<u8>();
    let Place { mut mnt, mut dentry, root_mnt, root_dentry } = *place;
    if dentry == 0 || mnt == 0 {
        return 0;
    }
    let mut start = PATH_SIZE as u32;
    let mut mnt_root: u64 = field!(mnt, vfsmount_root);
    let parent: u64 = field!(dentry, dentry_parent);
    let pprev: u64 = field!(dentry, dentry_hash_pprev);
    // A dentry that is its own parent without being the root of its mount never had a name in the tree (memfd).
    let nameless = dentry == parent && dentry != mnt_root;
    if nameless || (pprev == 0 && dentry != parent) {
        start -= DELETED.len() as u32;
        // SAFETY: a constant range inside the buffer.
        unsafe { buffer.add(PATH_SIZE - DELETED.len()).cast::<[u8; 10]>().write_unaligned(DELETED) };
    }
    let end = start;

    let mut step = 0;
    let mut incomplete = INCOMPLETE;
    while step < MAX_STEPS {
        step += 1;
        if dentry == root_dentry && mnt == root_mnt {
            incomplete = 0;
            break;
        }
        if dentry == mnt_root {
            // Through `struct mount`, which contains the vfsmount, to the place it is mounted on.
            let mount = mnt.wrapping_sub(u64::from(offset!(mount_mnt)));
            let mount_parent: u64 = field!(mount, mount_parent);
            if mount_parent == mount || mount_parent == 0 {
                incomplete = 0;
                break;
            }
            dentry = field!(mount, mount_mountpoint);
            mnt = mount_parent.wrapping_add(u64::from(offset!(mount_mnt)));
            mnt_root = field!(mnt, vfsmount_root);
            continue;
        }
        let parent: u64 = field!(dentry, dentry_parent);
        let len: u32 = field!(dentry, dentry_name_len);
        let name: u64 = field!(dentry, dentry_name);
        let len = len & 0xff;
        if start < len + 1 {
            break;
        }
        start -= len;
        // SAFETY: at most 255 bytes from an offset of at most 4,095: inside the buffer's 4,096 + 256 bytes.
        unsafe {
            bpf_probe_read_kernel(buffer.add((start & 0xfff) as usize).cast(), len, name as *const c_void);
        }
        start -= 1;
        // SAFETY: an offset of at most 4,095.
        unsafe { *buffer.add((start & 0xfff) as usize) = b'/' };
        if parent == dentry {
            incomplete = 0;
            break;
        }
        dentry = parent;
    }
    if start == end {
        // The root itself.
        start -= 1;
        // SAFETY: an offset of at most 4,095.
        unsafe { *buffer.add((start & 0xfff) as usize) = b'/' };
    }
    (PATH_SIZE as u32 - start) | incomplete
}

/// Copies the last walked path of length `len` to `to`; returns the number of bytes written, at most 4,095.
///
/// # Safety
///
/// `to` must have room for 4,095 bytes in the verifier's eyes.
#[inline(always)]
pub unsafe fn copy(len: u32, to: *mut u8) -> u32 {
    let Some(buffer) = PATH.get_ptr(0) else { return 0 };
    let len = len & 0xfff;
    // SAFETY: the source is read by a helper that tolerates any address; the caller vouches for the target.
    unsafe {
        bpf_probe_read_kernel(to.cast(), len, buffer.cast::<u8>().add(PATH_SIZE).sub(len as usize).cast());
    }
    len
}

/// The working directory and the root of `task`.
#[inline(always)]
pub fn working_directory(task: u64) -> Place {
    let fs: u64 = field!(task, task_fs);
    Place {
        mnt: field!(fs, fs_pwd_mnt),
        dentry: field!(fs, fs_pwd_dentry),
        root_mnt: field!(fs, fs_root_mnt),
        root_dentry: field!(fs, fs_root_dentry),
    }
}

/// `file`, seen from the root of `task`.
#[inline(always)]
pub fn file(task: u64, file: u64) -> Place {
    let fs: u64 = field!(task, task_fs);
    Place {
        mnt: field!(file, file_path_mnt),
        dentry: field!(file, file_path_dentry),
        root_mnt: field!(fs, fs_root_mnt),
        root_dentry: field!(fs, fs_root_dentry),
    }
}

/// Like [`copy`], of at most 255 bytes.
///
/// # Safety
///
/// `to` must have room for 255 bytes in the verifier's eyes.
#[inline(always)]
pub unsafe fn copy_short(len: u32, to: *mut u8) -> u32 {
    let Some(buffer) = PATH.get_ptr(0) else { return 0 };
    let len = len & 0xff;
    // SAFETY: as in `copy`.
    unsafe {
        bpf_probe_read_kernel(to.cast(), len, buffer.cast::<u8>().add(PATH_SIZE).sub(len as usize).cast());
    }
    len
}
