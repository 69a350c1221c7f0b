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

use anyhow::{Context as _, Result};
use rustix::{
    fs::{MemfdFlags, memfd_create},
    mount::{MountFlags, mount},
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
