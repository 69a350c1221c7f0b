//! Paths as a process sees them, walked from a dentry up to the process's root.
//!
//! `bpf_d_path` is allowed at a handful of hooks only (kernel/trace/bpf_trace.c, `btf_allowlist_d_path`), none of
//! which is a raw tracepoint. So this does what `prepend_path` does (fs/d_path.c), across mounts, without its locks: a
//! rename during the walk can mix old and new names of one path, as it can for any reader of `/proc`.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;

use crate::{
    globals::{self, offset},
    maps::{PATH, PATH_SIZE},
    read::{field, read},
};

/// Components and mount crossings that one walk takes at most. The verifier visits each, so this is a cost at load.
const MAX_STEPS: u32 = 256;

/// What the kernel appends to the name of an unlinked file (fs/d_path.c).
const DELETED: [u8; 10] = *b" (deleted)";

/// Path buffer of this instance of the exec program; hooks of policies have those before, by
/// the number of their scratch.
#[inline(always)]
pub fn exec_buffer() -> u32 {
    ebpf_abi::hook::SCRATCHES + globals::copy()
}

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

/// Writes the path of `place` to the end of path buffer `buffer` of this CPU and returns its length, with
/// [`INCOMPLETE`] set when only the tail of the path is there. 0: no path.
#[inline(always)]
pub fn walk(place: &Place, buffer: u32) -> u32 {
    path_walk(place.mnt, place.dentry, place.root_mnt, place.root_dentry, buffer)
}

/// The body of [`walk`]. Exported, which makes it a global function in the verifier's sense: it is verified once, for
/// any arguments, however many programs and places call it (kernel 5.6, Documentation/bpf/verifier.rst).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn path_walk(mnt: u64, dentry: u64, root_mnt: u64, root_dentry: u64, buffer: u32) -> u32 {
    let Some(buffer) = PATH.get_ptr_mut(buffer) else {
        return 0;
    };
    // SAFETY: a whole map value of this CPU.
    let cursor = unsafe {
        Cursor {
            start: &raw mut (*buffer).start,
            bytes: (&raw mut (*buffer).bytes).cast(),
        }
    };
    let (mut mnt, mut dentry) = (mnt, dentry);
    cursor.set(PATH_SIZE as u32);
    // SAFETY: a field of a map value.
    unsafe { (&raw mut (*buffer).inode).write_volatile(0) };
    if dentry == 0 {
        return 0;
    }
    // Without a mount all of it is 0; the walk then ends at the root that was given.
    let mut mount = mount(mnt);
    let neighbours = links_are_neighbours();
    let first = links(dentry, neighbours);
    let Links {
        parent,
        len,
        pprev,
        inode,
        ..
    } = first;
    // SAFETY: as above.
    unsafe { (&raw mut (*buffer).inode).write_volatile(inode) };
    // A dentry that is its own parent without being the root of its mount never had a name in the tree (memfd).
    let nameless = dentry == parent && dentry != mount.root && mnt != 0;
    // Pipes and sockets, for which the kernel makes up a name when it is asked for one.
    if nameless && len == 0 {
        return 0;
    }
    if nameless || (pprev == 0 && dentry != parent) {
        cursor.set((PATH_SIZE - DELETED.len()) as u32);
        // SAFETY: a constant range inside the buffer.
        unsafe {
            cursor
                .bytes
                .add(PATH_SIZE - DELETED.len())
                .cast::<[u8; 10]>()
                .write_unaligned(DELETED)
        };
    }
    let end = cursor.get();

    let mut step = 0;
    let mut incomplete = INCOMPLETE;
    while step < MAX_STEPS {
        step += 1;
        // One branch instead of two: the verifier follows each.
        if (dentry ^ root_dentry) | (mnt ^ root_mnt) == 0 {
            incomplete = 0;
            break;
        }
        if dentry == mount.root {
            // To the place that it is mounted on.
            if mount.parent == mount.address {
                incomplete = 0;
                break;
            }
            dentry = mount.mountpoint;
            mnt = mount.parent.wrapping_add(u64::from(offset!(mount_mnt)));
            mount = self::mount(mnt);
            continue;
        }
        let Links { parent, len, name, .. } = if step == 1 { first } else { links(dentry, neighbours) };
        let len = len & 0xff;
        let start = cursor.get();
        // A byte is kept free, so that the longest path is one less than a power of two, which `copy` counts on. The
        // length is compared as it is: of a register that was added to, verifiers of 6.10 to 6.12 forget the bounds.
        if start.wrapping_sub(1) <= len {
            break;
        }
        // SAFETY: at most 255 bytes from an offset of at most 4,095: inside the buffer's 4,096 + 256 bytes.
        unsafe {
            bpf_probe_read_kernel(
                cursor.bytes.add((start.wrapping_sub(len) & 0xfff) as usize).cast(),
                len,
                name as *const c_void,
            );
        }
        cursor.slash(start.wrapping_sub(len + 1));
        if parent == dentry {
            incomplete = 0;
            break;
        }
        dentry = parent;
    }
    if cursor.get() == end {
        // The root itself.
        cursor.slash(end.wrapping_sub(1));
    }
    (PATH_SIZE as u32).wrapping_sub(cursor.get()) | incomplete
}

/// What a walk asks of a mount: of `struct mount`, which contains the vfsmount that others point to.
struct Mount {
    address: u64,
    parent: u64,
    mountpoint: u64,
    root: u64,
}

/// Reads it, at once if it can be: see [`links`].
#[inline(always)]
fn mount(mnt: u64) -> Mount {
    let address = mnt.wrapping_sub(u64::from(offset!(mount_mnt)));
    let base = offset!(mount_parent);
    let root = offset!(mount_mnt).wrapping_add(offset!(vfsmount_root));
    if offset!(mount_mountpoint).wrapping_sub(base) == 8 && root.wrapping_sub(base) == 16 {
        let [parent, mountpoint, root]: [u64; 3] = read(address, base);
        Mount {
            address,
            parent,
            mountpoint,
            root,
        }
    } else {
        Mount {
            address,
            parent: field!(address, mount_parent),
            mountpoint: field!(address, mount_mountpoint),
            root: field!(mnt, vfsmount_root),
        }
    }
}

/// What a walk asks of a dentry.
#[derive(Clone, Copy)]
struct Links {
    pprev: u64,
    parent: u64,
    len: u32,
    name: u64,
    inode: u64,
}

/// Whether what [`links`] reads lies in a row, as it always has (`struct dentry` in include/linux/dcache.h). The kernel's
/// types tell, and the verifier knows.
#[inline(always)]
fn links_are_neighbours() -> bool {
    let base = offset!(dentry_hash_pprev);
    let far = offset!(dentry_parent).wrapping_sub(base) ^ 8
        | offset!(dentry_name_len).wrapping_sub(base) ^ 20
        | offset!(dentry_name).wrapping_sub(base) ^ 24
        | offset!(dentry_inode).wrapping_sub(base) ^ 32;
    far == 0
}

/// Reads them: all at once if they are neighbours, as calling the helper costs more than what it copies.
#[inline(always)]
fn links(dentry: u64, neighbours: bool) -> Links {
    if neighbours {
        let [pprev, parent, hash_and_len, name, inode]: [u64; 5] = read(dentry, offset!(dentry_hash_pprev));
        Links {
            pprev,
            parent,
            len: (hash_and_len >> 32) as u32,
            name,
            inode,
        }
    } else {
        Links {
            pprev: field!(dentry, dentry_hash_pprev),
            parent: field!(dentry, dentry_parent),
            len: field!(dentry, dentry_name_len),
            name: field!(dentry, dentry_name),
            inode: field!(dentry, dentry_inode),
        }
    }
}

/// Two words of the structure at `base`, read at once where one follows the other.
#[inline(always)]
fn pair(base: u64, first: u32, second: u32) -> (u64, u64) {
    if second.wrapping_sub(first) == 8 {
        let [first, second]: [u64; 2] = read(base, first);
        (first, second)
    } else {
        (read(base, first), read(base, second))
    }
}

/// Where the path written so far begins.
///
/// The position lives in the map value, not in a register, and is read anew each time: the verifier then knows nothing
/// of it, so that the iterations of the walk look alike to it and the different ways through one need no second visit.
#[derive(Clone, Copy)]
struct Cursor {
    start: *mut u32,
    bytes: *mut u8,
}

impl Cursor {
    #[inline(always)]
    fn get(self) -> u32 {
        // SAFETY: a field of a map value.
        unsafe { self.start.read_volatile() }
    }

    #[inline(always)]
    fn set(self, start: u32) {
        // SAFETY: a field of a map value.
        unsafe { self.start.write_volatile(start) };
    }

    /// Writes the slash that begins a component and makes it the beginning of the path.
    #[inline(always)]
    fn slash(self, at: u32) {
        // SAFETY: an offset of at most 4,095.
        unsafe { *self.bytes.add((at & 0xfff) as usize) = b'/' };
        self.set(at);
    }
}

/// Copies the path last walked into path buffer `buffer` to `to`; returns its length, at most `LIMIT`, which is one less
/// than a power of two. A longer path loses its end.
///
/// # Safety
///
/// `to` must have room for `LIMIT` bytes in the verifier's eyes.
#[inline(always)]
pub unsafe fn copy<const LIMIT: u32>(buffer: u32, to: *mut u8) -> u32 {
    let Some(buffer) = PATH.get_ptr(buffer) else {
        return 0;
    };
    // Read back rather than passed, for the reason given at `Cursor`.
    // SAFETY: a field of a map value.
    let start = unsafe { (&raw const (*buffer).start).read_volatile() };
    let len = (PATH_SIZE as u32).wrapping_sub(start) & LIMIT;
    // SAFETY: an offset of at most 4,095; the caller vouches for the target.
    unsafe {
        let from = (&raw const (*buffer).bytes).cast::<u8>().add((start & 0xfff) as usize);
        bpf_probe_read_kernel(to.cast(), len, from.cast());
    }
    len
}

/// Address of the inode of what was walked to last with path buffer `buffer`.
#[inline(always)]
pub fn inode(buffer: u32) -> u64 {
    // SAFETY: a field of a map value.
    PATH.get_ptr(buffer)
        .map_or(0, |buffer| unsafe { (&raw const (*buffer).inode).read_volatile() })
}

/// The working directory and the root of `task`.
#[inline(always)]
pub fn working_directory(task: u64) -> Place {
    let fs: u64 = field!(task, task_fs);
    let (mnt, dentry) = pair(fs, offset!(fs_pwd_mnt), offset!(fs_pwd_dentry));
    Place {
        mnt,
        dentry,
        ..root(task)
    }
}

/// The root of `task`, as the root of a place that is to be filled in.
#[inline(always)]
pub fn root(task: u64) -> Place {
    let fs: u64 = field!(task, task_fs);
    let (root_mnt, root_dentry) = pair(fs, offset!(fs_root_mnt), offset!(fs_root_dentry));
    Place {
        mnt: 0,
        dentry: 0,
        root_mnt,
        root_dentry,
    }
}

/// `file`, seen from the root of `task`.
#[inline(always)]
pub fn file(task: u64, file: u64) -> Place {
    let (mnt, dentry) = of_file(file);
    Place {
        mnt,
        dentry,
        ..root(task)
    }
}

/// Mount and dentry of `file`.
#[inline(always)]
pub fn of_file(file: u64) -> (u64, u64) {
    pair(file, offset!(file_path_mnt), offset!(file_path_dentry))
}
