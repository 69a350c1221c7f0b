//! Which cgroup hierarchy names containers.

use std::{fs, path::Path};

use ebpf_abi::{
    config::CGROUP_V2,
    field::{MISSING, Offsets},
};
use rustix::fs::statfs;

use crate::procfs::Cgroup;

/// Where cgroups are mounted everywhere.
const MOUNT: &str = "/sys/fs/cgroup";

/// `CGROUP2_SUPER_MAGIC` (linux/magic.h).
const CGROUP2: i64 = 0x6367_7270;

/// The hierarchy for the kernel programs ([`ebpf_abi::config::Config::cgroup_subsys`]) and for `/proc`.
///
/// With a unified hierarchy at the usual place that is it. Else it is that of the first controller of memory, pids and
/// cpuset which has a hierarchy of its own, as container runtimes use all of these; with none, the unified one.
pub(super) fn detect(procfs: &Path, offsets: &Offsets) -> (u32, Cgroup) {
    let unified = statfs(MOUNT).is_ok_and(|mount| mount.f_type == CGROUP2);
    if unified {
        return (CGROUP_V2, Cgroup::Unified);
    }
    let controllers = fs::read_to_string(procfs.join("cgroups")).unwrap_or_default();
    choose(&controllers, offsets)
}

fn choose(controllers: &str, offsets: &Offsets) -> (u32, Cgroup) {
    let candidates = [
        ("memory", offsets.cgroup_subsys_memory),
        ("pids", offsets.cgroup_subsys_pids),
        ("cpuset", offsets.cgroup_subsys_cpuset),
    ];
    for (name, index) in candidates {
        // Name and number of the hierarchy; number 0 is the unified one (cgroups(7)).
        let of_its_own = controllers.lines().any(|line| {
            let mut fields = line.split_whitespace();
            fields.next() == Some(name) && fields.next().is_some_and(|number| number != "0")
        });
        if of_its_own && index != MISSING {
            return (index, Cgroup::Controller(name));
        }
    }
    (CGROUP_V2, Cgroup::Unified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_controller_with_a_hierarchy() {
        let offsets = Offsets {
            cgroup_subsys_memory: 4,
            cgroup_subsys_pids: 11,
            ..Offsets::UNRESOLVED
        };
        let head = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n";
        let choose = |lines: &str| choose(&format!("{head}{lines}"), &offsets);
        assert_eq!(choose("memory\t0\t1\t1\npids\t0\t1\t1\n"), (CGROUP_V2, Cgroup::Unified));
        assert_eq!(
            choose("memory\t0\t1\t1\npids\t3\t1\t1\n"),
            (11, Cgroup::Controller("pids"))
        );
        assert_eq!(
            choose("pids\t3\t1\t1\nmemory\t9\t1\t1\n"),
            (4, Cgroup::Controller("memory"))
        );
        assert_eq!(choose("cpuset\t3\t1\t1\n"), (CGROUP_V2, Cgroup::Unified));
    }
}
