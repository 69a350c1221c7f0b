//! What containers are made of: namespaces and cgroups.

use std::{ffi::CString, fs, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use serde_json::json;

use super::say;
use crate::sys::process::{self, Fork};

/// `pid-namespace COMMAND…`.
pub fn pid_namespace(arguments: &[CString]) -> Result<()> {
    let argv = say::command(arguments, 0)?;
    process::unshare(libc::CLONE_NEWPID).context("unshare")?;
    let Fork::Parent(pid) = process::fork()? else {
        return say::exec(&argv);
    };
    say::line(&json!({ "pid": std::process::id(), "child": pid }))?;
    let status = process::wait(pid)?;
    ensure!(status == 0, "the child ended with wait status {status:#x}");
    Ok(())
}

/// `cgroup PATH COMMAND…`: below the cgroup that this process is in.
pub fn cgroup(arguments: &[CString]) -> Result<()> {
    let (path, argv) = (say::string(arguments, 0)?, say::command(arguments, 1)?);
    let own = fs::read_to_string("/proc/self/cgroup")?;
    let own = own
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .context("no unified cgroup")?;
    let folder = Path::new("/sys/fs/cgroup").join(own).join(path);
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    enter(&folder, &argv)
}

/// `join-v1 PATH COMMAND…`: makes the cgroup in every hierarchy that `cgroup-v1` mounted, and enters it.
pub fn join_version_1(arguments: &[CString]) -> Result<()> {
    let (path, argv) = (say::string(arguments, 0)?, say::command(arguments, 1)?);
    for hierarchy in hierarchies()? {
        let folder = hierarchy.join(path);
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        let inherit = |file: &str| {
            // A cpuset without CPUs and memory takes no process.
            let _ = fs::read(hierarchy.join(file)).and_then(|all| {
                for below in folder
                    .ancestors()
                    .take_while(|below| *below != hierarchy)
                    .collect::<Vec<_>>()
                    .iter()
                    .rev()
                {
                    fs::write(below.join(file), &all)?;
                }
                Ok(())
            });
        };
        inherit("cpuset.cpus");
        inherit("cpuset.mems");
        fs::write(folder.join("cgroup.procs"), "0").with_context(|| format!("enter {}", folder.display()))?;
    }
    say::own_pid()?;
    say::exec(&argv)
}

/// `leave-v1 PATH`: removes the cgroup, which keeps its hierarchy alive, from all of them.
pub fn leave_version_1(arguments: &[CString]) -> Result<()> {
    let path = say::string(arguments, 0)?;
    for hierarchy in hierarchies()? {
        let folder = hierarchy.join(path);
        for below in folder.ancestors().take_while(|below| *below != hierarchy) {
            fs::remove_dir(below).with_context(|| format!("remove {}", below.display()))?;
        }
    }
    Ok(())
}

fn hierarchies() -> Result<Vec<std::path::PathBuf>> {
    let entries = fs::read_dir("/sys/fs/cgroup").context("list /sys/fs/cgroup")?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

fn enter(folder: &Path, argv: &[CString]) -> Result<()> {
    fs::write(folder.join("cgroup.procs"), "0").with_context(|| format!("enter {}", folder.display()))?;
    say::own_pid()?;
    say::exec(argv)
}

/// `cgroup-v1 COMMAND…`: in a mount namespace of its own, whose `/sys/fs/cgroup` is a tmpfs with the hierarchies that a
/// system of version 1 has there. A controller that the unified hierarchy uses cannot be had, nor one that is not built.
pub fn version_1(arguments: &[CString]) -> Result<()> {
    let argv = say::command(arguments, 0)?;
    process::unshare(libc::CLONE_NEWNS).context("unshare")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).context("make mounts private")?;
    mount("tmpfs", "/sys/fs/cgroup", "tmpfs", MountFlags::empty(), c"").context("mount tmpfs")?;
    let mut mounted = 0;
    for controller in ["memory", "pids", "cpuset"] {
        let target = Path::new("/sys/fs/cgroup").join(controller);
        fs::create_dir(&target)?;
        let options = CString::new(controller)?;
        if mount("cgroup", &target, "cgroup", MountFlags::empty(), options.as_c_str()).is_ok() {
            mounted += 1;
        } else {
            fs::remove_dir(&target)?;
        }
    }
    if mounted == 0 {
        bail!("this kernel has no controller of version 1");
    }
    say::exec(&argv)
}
