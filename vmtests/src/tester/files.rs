//! Executables and working directories in odd places.

use std::{
    env,
    ffi::{CString, OsStr},
    fs::{self, File},
    io::Write as _,
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    },
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use rustix::{
    fs::{MemfdFlags, memfd_create},
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
};
use serde_json::json;

use super::say;
use crate::sys::process;

/// Prints the working directory and becomes `argv`.
fn exec_here(argv: &[CString]) -> Result<()> {
    say::line(&json!({ "pid": std::process::id(), "cwd": env::current_dir()? }))?;
    say::exec(argv)
}

/// `deep DEPTH COMMAND…`: one step at a time, because the whole path may be longer than a system call takes.
pub fn deep(arguments: &[CString]) -> Result<()> {
    let (depth, argv) = (say::number::<u32>(arguments, 0)?, say::command(arguments, 1)?);
    for level in 0..depth {
        let name = format!("level-{level}");
        fs::create_dir(&name).with_context(|| name.clone())?;
        env::set_current_dir(&name)?;
    }
    exec_here(&argv)
}

/// `across-mounts COMMAND…`.
pub fn across_mounts(arguments: &[CString]) -> Result<()> {
    let argv = say::command(arguments, 0)?;
    for name in ["outer", "inner"] {
        fs::create_dir(name)?;
        mount("tmpfs", name, "tmpfs", MountFlags::empty(), c"").context("mount")?;
        env::set_current_dir(name)?;
        fs::create_dir("folder")?;
        env::set_current_dir("folder")?;
    }
    exec_here(&argv)
}

/// `chroot`: the program is copied into the new root.
pub fn chroot(_arguments: &[CString]) -> Result<()> {
    fs::create_dir_all("root/bin")?;
    fs::create_dir_all("root/work")?;
    copy_self("root/bin/tester", 0o755)?;
    std::os::unix::fs::chroot("root").context("chroot")?;
    env::set_current_dir("/work")?;
    say::line(&json!({ "pid": std::process::id() }))?;
    say::exec(&[c"/bin/tester".to_owned(), c"noop".to_owned(), c"chroot".to_owned()])
}

/// `gone COMMAND…`.
pub fn gone(arguments: &[CString]) -> Result<()> {
    let argv = say::command(arguments, 0)?;
    fs::create_dir("removed")?;
    env::set_current_dir("removed")?;
    fs::remove_dir("../removed")?;
    say::own_pid()?;
    say::exec(&argv)
}

/// `memfd ARGS…`.
pub fn memfd(arguments: &[CString]) -> Result<()> {
    let argv = say::noop(arguments)?;
    let memory = memfd_create("from-memory", MemfdFlags::empty()).context("memfd_create")?;
    let mut file = File::from(memory);
    file.write_all(&fs::read(path(&argv[0]))?)?;
    say::line(&json!({ "pid": std::process::id(), "fd": file.as_raw_fd() }))?;
    Err(process::exec_fd(file.as_fd(), &argv)).context("execveat")
}

/// `deleted ARGS…`: through its name in `/proc`, because a script-like reopening would fail.
pub fn deleted(arguments: &[CString]) -> Result<()> {
    copy_self("removed", 0o755)?;
    let file = File::open("removed")?;
    fs::remove_file("removed")?;
    let mut argv = say::noop(arguments)?;
    c"removed".clone_into(&mut argv[0]);
    say::line(&json!({ "pid": std::process::id(), "cwd": env::current_dir()?, "fd": file.as_raw_fd() }))?;
    Err(process::exec_fd(file.as_fd(), &argv)).context("execveat")
}

/// `self-fd ARGS…`.
pub fn self_fd(arguments: &[CString]) -> Result<()> {
    let file = File::open("/proc/self/exe")?;
    // Not closed by exec, as a descriptor that a shell passes on.
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty())?;
    let mut argv = say::noop(arguments)?;
    argv[0] = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    say::line(&json!({ "pid": std::process::id(), "fd": file.as_raw_fd() }))?;
    say::exec(&argv)
}

/// `hide PATH COMMAND…`: in a mount namespace of its own.
pub fn hide(arguments: &[CString]) -> Result<()> {
    let (path, argv) = (say::string(arguments, 0)?, say::command(arguments, 1)?);
    process::unshare(libc::CLONE_NEWNS).context("unshare")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).context("make mounts private")?;
    mount("tmpfs", path, "tmpfs", MountFlags::empty(), c"").context("mount tmpfs")?;
    say::exec(&argv)
}

/// `as PATH ARGS…`: mounted there, in a mount namespace of its own.
pub fn mounted_as(arguments: &[CString]) -> Result<()> {
    let (path, own) = (say::string(arguments, 0)?, say::own_path()?);
    process::unshare(libc::CLONE_NEWNS).context("unshare")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).context("make mounts private")?;
    rustix::mount::mount_bind(own.as_c_str(), path).with_context(|| format!("mount on {path}"))?;
    say::exec(arguments)
}

/// `hard-link PATH COUNT`.
pub fn hard_link(arguments: &[CString]) -> Result<()> {
    let (target, count) = (say::string(arguments, 0)?, say::number::<u32>(arguments, 1)?);
    copy_self(target, 0o755)?;
    for index in 1..count {
        fs::hard_link(target, format!("{target}-{index}"))?;
    }
    Ok(())
}

/// `rename FROM TO`.
pub fn rename(arguments: &[CString]) -> Result<()> {
    fs::rename(say::string(arguments, 0)?, say::string(arguments, 1)?).context("rename")
}

/// `bump-abi FROM TO`: a kernel object of the next version, by its `ABI_VERSION` global.
pub fn bump_abi(arguments: &[CString]) -> Result<()> {
    use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

    let (from, to) = (say::string(arguments, 0)?, Path::new(say::string(arguments, 1)?));
    let mut bytes = fs::read(from).with_context(|| format!("read {from}"))?;
    let object = object::File::parse(&*bytes).context("parse the object")?;
    let symbol = object
        .symbols()
        .find(|symbol| symbol.name() == Ok("ABI_VERSION"))
        .context("no ABI_VERSION")?;
    let section = object.section_by_index(symbol.section_index().context("ABI_VERSION is nowhere")?)?;
    let (start, _) = section.file_range().context("ABI_VERSION has no bytes")?;
    let position = (start + symbol.address() - section.address()) as usize;
    bytes[position] = bytes[position].wrapping_add(1);
    fs::create_dir_all(to.parent().context("TO")?)?;
    fs::write(to, bytes).context("write the object")
}

/// `misplace STRUCTURE MEMBER OTHER TO`: the running kernel's type information, in which MEMBER lies where OTHER does.
pub fn misplace(arguments: &[CString]) -> Result<()> {
    const FROM: &str = "/sys/kernel/btf/vmlinux";
    let text = |index| say::string(arguments, index);
    let (structure, member, other, to) = (text(0)?, text(1)?, text(2)?, text(3)?);
    let mut bytes = fs::read(FROM).with_context(|| format!("read {FROM}"))?;
    let types = btf::Btf::parse(&bytes).context("parse the type information")?;
    let id = types
        .structure(structure)
        .with_context(|| format!("no structure {structure}"))?;
    let members: Vec<_> = types.members(id).collect();
    let find = |name: &str| {
        let index = members.iter().position(|member| member.name == name);
        index.with_context(|| format!("{structure} has no member {name}"))
    };
    let (index, offset) = (find(member)?, members[find(other)?].bit_offset);
    let before = &members[index.checked_sub(1).context("the first member cannot be found")?];
    let found = &members[index];
    // A member is three numbers: where among the strings its name is, its type, and its offset. The header has the place
    // of the strings behind it at 16, and its own length at 4 (include/uapi/linux/btf.h).
    let number = |at: usize| {
        bytes
            .get(at..at + 4)
            .map_or(0, |four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
    };
    let strings = (number(4) + number(16)) as usize;
    let is_member = |at: &usize| {
        let name = bytes.get(strings + number(*at) as usize..).unwrap_or_default();
        [number(at - 8), number(at - 4)] == [before.ty.0, before.bit_offset]
            && [number(at + 4), number(at + 8)] == [found.ty.0, found.bit_offset]
            && name
                .strip_prefix(member.as_bytes())
                .is_some_and(|rest| rest.first() == Some(&0))
    };
    let places: Vec<usize> = (number(4) as usize + 12..strings)
        .step_by(4)
        .filter(is_member)
        .collect();
    let [at] = places[..] else {
        bail!("{} structures have such a member", places.len());
    };
    bytes[at + 8..at + 12].copy_from_slice(&offset.to_le_bytes());
    fs::write(to, bytes).with_context(|| format!("write {to}"))
}

/// Copies this program to `target`.
pub fn copy_self(target: impl AsRef<Path>, mode: u32) -> Result<()> {
    let target = target.as_ref();
    fs::copy(path(&say::own_path()?), target).with_context(|| format!("copy to {}", target.display()))?;
    fs::set_permissions(target, fs::Permissions::from_mode(mode)).context("set permissions")
}

fn path(text: &CString) -> &Path {
    Path::new(OsStr::from_bytes(text.as_bytes()))
}

/// Gives a file its mode.
pub fn copy_mode(target: &str, mode: u32) -> Result<()> {
    fs::set_permissions(target, fs::Permissions::from_mode(mode)).context("set permissions")
}
