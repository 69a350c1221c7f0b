//! Containers by the names of their cgroups.
//!
//! Runtimes name a container's cgroup after the container: `docker-ID.scope`, `cri-containerd-ID.scope`,
//! `crio-ID.scope`, `libpod-ID.scope`, `kubepods-…:cri-containerd:ID`, or the bare id, which is 64 hexadecimal digits.

/// Digits of a container id that events show.
pub const SHOWN: usize = 31;

/// Digits of a container id.
const WHOLE: usize = 64;

/// Bytes of a cgroup's name that the kernel programs send at most; a name of so many may have been longer.
const NAME_LIMIT: usize = 127;

/// The container that a cgroup with this last path component belongs to, as events show it.
pub fn docker_id(name: &[u8]) -> Option<&str> {
    let start = name.iter().rposition(|&byte| byte == b':').map_or(0, |colon| colon + 1);
    let last = &name[start..];
    let last = last.strip_suffix(b".scope").unwrap_or(last);
    let start = last.iter().rposition(|&byte| byte == b'-').map_or(0, |dash| dash + 1);
    let id = &last[start..];
    let long_enough = id.len() == WHOLE || name.len() == NAME_LIMIT && (SHOWN..WHOLE).contains(&id.len());
    if !long_enough || !id.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    str::from_utf8(&id[..SHOWN]).ok()
}

/// The container that a cgroup of this path belongs to: that of its last component which names one, as containers may
/// have cgroups of their own within.
pub fn docker_id_of_path(path: &[u8]) -> Option<&str> {
    path.rsplit(|&byte| byte == b'/').find_map(docker_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9";

    #[test]
    fn names_of_runtimes() {
        let forms = [
            "ID",
            "docker-ID.scope",
            "docker-ID",
            "cri-containerd-ID.scope",
            "crio-ID.scope",
            "crio-ID",
            "crio-conmon-ID.scope",
            "libpod-ID.scope",
            "libpod-conmon-ID.scope",
            "kubepods-burstable-pod1234.slice:cri-containerd:ID",
            "nerdctl-ID.scope",
        ];
        for form in forms {
            let name = form.replace("ID", ID);
            assert_eq!(docker_id(name.as_bytes()), Some(&ID[..SHOWN]), "{name}");
            let path = format!("/kubepods.slice/{name}/init.scope");
            assert_eq!(docker_id_of_path(path.as_bytes()), Some(&ID[..SHOWN]), "{path}");
        }
    }

    #[test]
    fn a_name_that_was_cut() {
        let name = format!("kubepods-besteffort-pod{}.slice:cri-containerd:{ID}", "0-".repeat(18));
        assert!(name.len() > NAME_LIMIT);
        assert_eq!(docker_id(&name.as_bytes()[..NAME_LIMIT]), Some(&ID[..SHOWN]));
        assert_eq!(docker_id(&name.as_bytes()[..NAME_LIMIT - 1]), None);
    }

    #[test]
    fn no_containers() {
        let names = [
            "",
            "init.scope",
            "session-2.scope",
            "user@1000.service",
            "docker.service",
            "docker-abc.scope",
            "0a1b2c3d4e5f60718293a4b5c6d7e8f",
            "docker-zz1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9.scope",
        ];
        for name in names {
            assert_eq!(docker_id(name.as_bytes()), None, "{name}");
        }
        assert_eq!(docker_id_of_path(b"/system.slice/docker.service"), None);
    }
}
