//! File systems of users, whose files are what somebody makes of them.

use std::{
    ffi::{CStr, CString},
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read as _, Write as _},
    os::fd::AsRawFd as _,
    path::Path,
};

use anyhow::{Context as _, Result};
use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    process::{getgid, getuid},
};

use super::say;
use crate::sys::process;

/// Name of the file in each.
const FILE: &str = "file";

/// Makes a directory, and what is mounted there one of this process alone.
fn prepare(path: &str, namespaces: i32) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("make {path}"))?;
    process::unshare(libc::CLONE_NEWNS | namespaces).context("unshare")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).context("make mounts private")
}

fn mount_on(path: &str, kind: &str, data: &CStr) -> Result<()> {
    mount(kind, path, kind, MountFlags::empty(), data).with_context(|| format!("mount {kind} on {path}"))
}

/// `user-mount PATH COMMAND…`: in a new user namespace, whose only user is the present one.
pub fn user_mount(arguments: &[CString]) -> Result<()> {
    let (path, argv) = (say::string(arguments, 0)?, say::command(arguments, 1)?);
    let (user, group) = (getuid().as_raw(), getgid().as_raw());
    prepare(path, libc::CLONE_NEWUSER)?;
    for (map, line) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("0 {user} 1")),
        ("gid_map", format!("0 {group} 1")),
    ] {
        fs::write(Path::new("/proc/self").join(map), line).with_context(|| map.to_owned())?;
    }
    mount_on(path, "tmpfs", c"")?;
    fs::write(Path::new(path).join(FILE), "of a user\n").context("write")?;
    say::exec(&argv)
}

/// `unanswered PATH`: a FUSE file system in a mount namespace of its own, with a file that can be opened, and that nobody ever
/// reads to its end. Until killed.
pub fn unanswered(arguments: &[CString]) -> Result<()> {
    let path = say::string(arguments, 0)?;
    prepare(path, 0)?;
    let mut device = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .context("/dev/fuse")?;
    let data = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
    mount_on(path, "fuse", &CString::new(data)?)?;
    say::own_pid()?;
    let mut request = vec![0; 1 << 20];
    loop {
        match device.read(&mut request) {
            Ok(len) => answer(&mut device, request.get(..len).unwrap_or_default())?,
            // Whoever asked does not want to know any more.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).context("read /dev/fuse"),
        }
    }
}

/// What the kernel asks for (`enum fuse_opcode`, `include/uapi/linux/fuse.h`).
mod opcode {
    pub(super) const LOOKUP: u32 = 1;
    pub(super) const FORGET: u32 = 2;
    pub(super) const GETATTR: u32 = 3;
    pub(super) const OPEN: u32 = 14;
    pub(super) const READ: u32 = 15;
    pub(super) const STATFS: u32 = 17;
    pub(super) const RELEASE: u32 = 18;
    pub(super) const FLUSH: u32 = 25;
    pub(super) const INIT: u32 = 26;
    pub(super) const BATCH_FORGET: u32 = 42;
}

/// Number of the root directory, and of the file.
const ROOT: u64 = 1;
const NODE: u64 = 2;

/// Seconds for which the kernel remembers what it was told.
const VALID: u64 = 3_600;

fn answer(device: &mut File, request: &[u8]) -> Result<()> {
    // `struct fuse_in_header`.
    let word = |at: usize| {
        let bytes = request.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u64::from_ne_bytes).context("a short request")
    };
    let (opcode, unique, node) = ((word(0)? >> 32) as u32, word(8)?, word(16)?);
    let body = match opcode {
        // Never.
        opcode::READ | opcode::FORGET | opcode::BATCH_FORGET => return Ok(()),
        // Version 7.31, up to 128 KiB in one go.
        opcode::INIT => Ok([words(&[7, 31, 0, 0, 0, 1 << 17]), vec![0; 40]].concat()),
        opcode::LOOKUP => Ok([longs(&[NODE, 0, VALID, VALID, 0]), attributes(NODE)].concat()),
        opcode::GETATTR => Ok([longs(&[VALID, 0]), attributes(node)].concat()),
        opcode::OPEN => Ok(longs(&[0, 0])),
        // `struct fuse_kstatfs`.
        opcode::STATFS => Ok(vec![0; 80]),
        opcode::RELEASE | opcode::FLUSH => Ok(vec![]),
        _ => Err(-libc::ENOSYS),
    };
    let (error, body) = body.map_or_else(|error| (error, vec![]), |body| (0, body));
    // `struct fuse_out_header`.
    let head = words(&[16 + body.len() as u32, error as u32]);
    let answer = [head, longs(&[unique]), body].concat();
    match device.write_all(&answer) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("write /dev/fuse"),
        _ => Ok(()),
    }
}

/// `struct fuse_attr`.
fn attributes(node: u64) -> Vec<u8> {
    let mode = if node == ROOT { libc::S_IFDIR } else { libc::S_IFREG } | 0o755;
    let numbers = longs(&[node, 4_096, 8, 0, 0, 0]);
    [numbers, words(&[0, 0, 0, mode, 1, 0, 0, 0, 4_096, 0])].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn longs(longs: &[u64]) -> Vec<u8> {
    longs.iter().flat_map(|long| long.to_ne_bytes()).collect()
}
