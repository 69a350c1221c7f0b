//! What filters on processes ask, from `/proc`.

use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf};

use anyhow::{Context as _, Result};
use policy::{
    eval::{Ancestor, Capabilities, Namespaces, Process},
    names::Namespace,
};

/// The facts of a process that runs.
pub(super) fn of(pid: u32) -> Result<Process> {
    let status = fs::read_to_string(folder(pid).join("status")).context("read status")?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.with_context(|| format!("status has no {name}")).map(str::trim)
    };
    let set = |name| u64::from_str_radix(field(name)?, 16).context("a set of capabilities");
    let mut ancestors = vec![];
    let mut parent: u32 = field("PPid:")?.parse()?;
    while parent != 0 {
        ancestors.push(Ancestor {
            pid: parent,
            namespace_pid: 0,
        });
        parent = parent_of(parent)?;
    }
    let binary = fs::read_link(folder(pid).join("exe")).context("read exe")?;
    Ok(Process {
        pid,
        namespace_pid: 0,
        binary: Some(binary.to_string_lossy().into_owned()),
        ancestors,
        namespaces: namespaces(pid)?,
        host_namespaces: namespaces(1)?,
        capabilities: Capabilities {
            effective: set("CapEff:")?,
            inheritable: set("CapInh:")?,
            permitted: set("CapPrm:")?,
        },
        ..Process::default()
    })
}

fn folder(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

fn parent_of(pid: u32) -> Result<u32> {
    let status = fs::read_to_string(folder(pid).join("status")).context("read status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    Ok(line.context("PPid")?.trim().parse()?)
}

fn namespaces(pid: u32) -> Result<Namespaces> {
    let mut all = Namespaces::default();
    for namespace in Namespace::ALL {
        let file = match namespace {
            Namespace::Uts => "uts",
            Namespace::Ipc => "ipc",
            Namespace::Mnt => "mnt",
            Namespace::Pid => "pid",
            Namespace::PidForChildren => "pid_for_children",
            Namespace::Net => "net",
            Namespace::Time => "time",
            Namespace::TimeForChildren => "time_for_children",
            Namespace::Cgroup => "cgroup",
            Namespace::User => "user",
        };
        let inode = fs::metadata(folder(pid).join("ns").join(file)).with_context(|| format!("namespace {file}"))?;
        all.0[*namespace as usize] = inode.ino() as u32;
    }
    Ok(all)
}
