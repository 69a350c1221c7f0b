//! Identities and privileges that an exec has or gains.

use std::{ffi::CString, fs, os::unix::fs::chown};

use anyhow::{Context as _, Result};
use rustix::{
    fs::{XattrFlags, setxattr},
    process::{Resource, Rlimit, setrlimit},
};
use serde_json::json;

use super::{files, say};
use crate::sys::process;

/// The user that has no privileges.
const NOBODY: u32 = 1000;

/// `user ID COMMAND…`.
pub fn user(arguments: &[CString]) -> Result<()> {
    let (id, argv) = (say::number(arguments, 0)?, say::command(arguments, 1)?);
    say::own_pid()?;
    process::become_user(id)?;
    say::exec(&argv)
}

/// Numbers of capabilities (include/uapi/linux/capability.h).
const CAPABILITIES: [(&str, u32); 5] = [
    ("CAP_SYS_PTRACE", 19),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_SYS_RESOURCE", 24),
    ("CAP_PERFMON", 38),
    ("CAP_BPF", 39),
];

/// `without CAPABILITIES COMMAND…`: as root, who has all others.
pub fn without(arguments: &[CString]) -> Result<()> {
    let (names, argv) = (say::string(arguments, 0)?, say::command(arguments, 1)?);
    for name in names.split(',') {
        let known = CAPABILITIES.iter().find(|(known, _)| *known == name);
        let (_, number) = known.with_context(|| format!("{name} is no capability known here"))?;
        process::drop_from_bounding_set(*number).with_context(|| format!("drop {name}"))?;
    }
    say::exec(&argv)
}

/// `locked-memory BYTES COMMAND…`.
pub fn locked_memory(arguments: &[CString]) -> Result<()> {
    let (bytes, argv) = (say::number(arguments, 0)?, say::command(arguments, 1)?);
    let limit = Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    setrlimit(Resource::Memlock, limit).context("limit locked memory")?;
    say::exec(&argv)
}

/// `set-id MODE OWNER ARGS…`, as user 1000.
pub fn set_id(arguments: &[CString]) -> Result<()> {
    let mode = u32::from_str_radix(say::string(arguments, 0)?, 8).context("mode")?;
    let owner = say::number(arguments, 1)?;
    as_nobody(arguments.get(2..).unwrap_or_default(), |path| {
        files::copy_self(path, 0o755)?;
        // After the owner, because a change of owner takes the bits away.
        chown(path, Some(owner), Some(owner))?;
        files::copy_mode(path, mode)
    })
}

/// `file-caps ARGS…`, as user 1000.
pub fn file_capabilities(arguments: &[CString]) -> Result<()> {
    /// `struct vfs_cap_data` of revision 2 with the effective bit (include/uapi/linux/capability.h).
    const CAP_NET_RAW: u32 = 13;
    let words = [0x0200_0001_u32, 1 << CAP_NET_RAW, 0, 0, 0];
    let value: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    as_nobody(arguments, |path| {
        files::copy_self(path, 0o755)?;
        setxattr(path, "security.capability", &value, XattrFlags::empty()).context("set file capabilities")
    })
}

/// Becomes user 1000 and then the file that `prepare` makes.
fn as_nobody(arguments: &[CString], prepare: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    let path = std::env::current_dir()?.join("privileged");
    let path = path.to_str().context("the working directory")?;
    prepare(path)?;
    let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(path)?);
    say::line(&json!({ "pid": std::process::id(), "inode": inode }))?;
    process::become_user(NOBODY)?;
    let mut argv = say::noop(arguments)?;
    argv[0] = CString::new(path)?;
    say::exec(&argv)
}

/// `login ID COMMAND…`; `-` leaves the id as it is.
pub fn login(arguments: &[CString]) -> Result<()> {
    let (id, argv) = (say::string(arguments, 0)?, say::command(arguments, 1)?);
    if id != "-" {
        fs::write("/proc/self/loginuid", id).context("set the login id")?;
        say::own_pid()?;
    }
    say::exec(&argv)
}
