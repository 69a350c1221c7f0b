//! `/proc/<pid>/ns`.

use std::{fs, path::Path};

use ebpf_abi::map::Namespaces;

/// Inode numbers of the namespaces in the directory `ns` of a process; 0 for those that this kernel does not have or
/// that may not be read.
pub fn namespaces(ns: &Path) -> Namespaces {
    // The link's text is `mnt:[4026531841]`.
    let inum = |name: &str| {
        let link = fs::read_link(ns.join(name)).ok();
        let text = link.as_deref().and_then(Path::to_str).unwrap_or_default();
        let number = text.split_once(":[").and_then(|(_, rest)| rest.strip_suffix(']'));
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    Namespaces {
        uts: inum("uts"),
        ipc: inum("ipc"),
        mnt: inum("mnt"),
        pid: inum("pid"),
        pid_for_children: inum("pid_for_children"),
        net: inum("net"),
        time: inum("time"),
        time_for_children: inum("time_for_children"),
        cgroup: inum("cgroup"),
        user: inum("user"),
    }
}
