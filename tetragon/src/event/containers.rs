//! The container of a process, by its cgroup.

use std::{collections::HashMap, fs};

use crate::{container, procfs::Procfs};

/// Cgroups that are remembered.
const REMEMBERED: usize = 4_096;

/// What a record says about the cgroup of a process.
#[derive(Clone, Copy, Debug)]
pub struct CgroupOf<'a> {
    /// Process id.
    pub pid: u32,
    /// Number of the cgroup, 0 when not known.
    pub id: u64,
    /// Last component of its path; empty when that of the parent's cgroup, or not known.
    pub name: &'a [u8],
}

/// Containers by the number of a cgroup.
///
/// The name that a record holds is enough for a cgroup named after a container. Cgroups within it are looked up in
/// `/proc`, once each.
#[derive(Debug)]
pub struct Containers {
    known: HashMap<u64, Box<str>>,
    procfs: Option<Procfs>,
}

impl Containers {
    /// Looks up cgroups in `procfs`, if there is one.
    pub fn new(procfs: Option<Procfs>) -> Self {
        Self {
            known: HashMap::new(),
            procfs,
        }
    }

    /// The container of a process as events show it; empty for none. `inherited` is that of its parent, for a process
    /// that ended before its cgroup could be looked up.
    pub fn docker(&mut self, cgroup: CgroupOf<'_>, inherited: &str) -> String {
        let CgroupOf { pid, id, name } = cgroup;
        if let Some(known) = self.known.get(&id) {
            return String::from(&**known);
        }
        let found = match container::docker_id(name) {
            Some(docker) => Some(docker.to_owned()),
            // The root of all cgroups has no name, or there is no number to remember it by.
            None if id == 0 => return inherited.to_owned(),
            None => self.look_up(pid),
        };
        let Some(docker) = found else {
            return inherited.to_owned();
        };
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        if id != 0 {
            self.known.insert(id, docker.as_str().into());
        }
        docker
    }

    fn look_up(&self, pid: u32) -> Option<String> {
        let procfs = self.procfs.as_ref()?;
        let text = fs::read(procfs.file(pid, "cgroup")).ok()?;
        let path = procfs.cgroup.path(&text);
        // The process may have ended, or been put somewhere else, since.
        if path.is_empty() || path.ends_with(b" (deleted)") {
            return None;
        }
        Some(container::docker_id_of_path(path).unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &[u8] = b"docker-0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9.scope";
    const SHOWN: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f";

    fn of(pid: u32, id: u64, name: &[u8]) -> CgroupOf<'_> {
        CgroupOf { pid, id, name }
    }

    #[test]
    fn a_name_is_enough_and_is_remembered() {
        let mut containers = Containers::new(None);
        assert_eq!(containers.docker(of(1, 7, NAME), ""), SHOWN);
        assert_eq!(containers.docker(of(2, 7, b""), ""), SHOWN);
        assert_eq!(containers.docker(of(2, 8, b""), "inherited"), "inherited");
        assert_eq!(containers.docker(of(2, 0, b""), "inherited"), "inherited");
        assert_eq!(containers.docker(of(2, 0, NAME), ""), SHOWN);
    }

    #[test]
    fn a_cgroup_within_is_looked_up_once() {
        let folder = tempfile::tempdir().unwrap();
        let process = folder.path().join("5");
        fs::create_dir(&process).unwrap();
        let path = [b"0::/system.slice/", NAME, b"/init.scope\n"].concat();
        fs::write(process.join("cgroup"), path).unwrap();
        let mut containers = Containers::new(Some(Procfs::new(folder.path())));
        assert_eq!(containers.docker(of(5, 9, b"init.scope"), ""), SHOWN);
        fs::remove_dir_all(process).unwrap();
        assert_eq!(containers.docker(of(6, 9, b"init.scope"), ""), SHOWN);
        // Another one, of a process that is gone.
        assert_eq!(containers.docker(of(5, 10, b"init.scope"), "inherited"), "inherited");
    }
}
