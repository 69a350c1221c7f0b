//! Capabilities, namespaces and credentials in the form of the API.

use ebpf_abi::{
    event::ExecEvent,
    map::{self, privilege},
};
use tetragon_api::v1::{
    BinaryProperties, Capabilities, FileProperties, InodeProperties, Namespace, Namespaces, ProcessCredentials,
    ProcessPrivilegesChanged,
};

use crate::text;

/// Names of the capabilities in three sets.
pub fn capabilities(caps: &map::Capabilities) -> Box<Capabilities> {
    Box::new(Capabilities {
        permitted: bits(caps.permitted),
        effective: bits(caps.effective),
        inheritable: bits(caps.inheritable),
    })
}

/// Numbers of the bits that are set; capability `n` is number `n` of the API's enum.
fn bits(set: u64) -> Vec<i32> {
    let mut numbers = Vec::with_capacity(set.count_ones() as usize);
    numbers.extend((0..64).filter(|bit| set >> bit & 1 != 0));
    numbers
}

/// Namespaces, and which of them are those of the host. One that the kernel does not have is left out.
pub fn namespaces(ns: &map::Namespaces, host: &map::Namespaces) -> Box<Namespaces> {
    let of = |inum: u32, host: u32| {
        (inum != 0).then_some(Namespace {
            inum,
            is_host: inum == host,
        })
    };
    Box::new(Namespaces {
        uts: of(ns.uts, host.uts),
        ipc: of(ns.ipc, host.ipc),
        mnt: of(ns.mnt, host.mnt),
        pid: of(ns.pid, host.pid),
        pid_for_children: of(ns.pid_for_children, host.pid_for_children),
        net: of(ns.net, host.net),
        time: of(ns.time, host.time),
        time_for_children: of(ns.time_for_children, host.time_for_children),
        cgroup: of(ns.cgroup, host.cgroup),
        user: of(ns.user, host.user),
    })
}

/// User and group ids, and secure bits. Capabilities have a field of their own in a process.
pub(super) fn credentials(creds: &map::Credentials) -> Box<ProcessCredentials> {
    let secure_bit = |bit: u32| (creds.securebits >> bit & 1 != 0).then_some(1 << bit);
    Box::new(ProcessCredentials {
        uid: Some(creds.uid),
        gid: Some(creds.gid),
        euid: Some(creds.euid),
        egid: Some(creds.egid),
        suid: Some(creds.suid),
        sgid: Some(creds.sgid),
        fsuid: Some(creds.fsuid),
        fsgid: Some(creds.fsgid),
        securebits: (0..8).filter_map(secure_bit).collect(),
        caps: None,
        user_ns: None,
    })
}

/// What is special about an executed file, if anything is: privileges gained through it, or that it has no name (any
/// more), in which case `image` is the path it once had.
pub fn binary_properties(exec: &ExecEvent, image: &[u8]) -> Option<Box<BinaryProperties>> {
    let flags = exec.privileges.flags;
    let has = |bit: u32| flags & bit != 0;
    let raised = [
        (
            privilege::RAISED_FILE_CAP,
            ProcessPrivilegesChanged::PrivilegesRaisedExecFileCap,
        ),
        (
            privilege::RAISED_SETUID,
            ProcessPrivilegesChanged::PrivilegesRaisedExecFileSetuid,
        ),
        (
            privilege::RAISED_SETGID,
            ProcessPrivilegesChanged::PrivilegesRaisedExecFileSetgid,
        ),
    ];
    let nameless = exec.links == 0 && exec.inode != 0;
    if flags == 0 && !nameless {
        return None;
    }
    let file = nameless.then(|| FileProperties {
        inode: Some(InodeProperties {
            number: exec.inode,
            links: Some(0),
        }),
        path: text::lossy(image),
    });
    Some(Box::new(BinaryProperties {
        setuid: has(privilege::SETUID).then_some(exec.privileges.setuid),
        setgid: has(privilege::SETGID).then_some(exec.privileges.setgid),
        privileges_changed: raised
            .iter()
            .filter(|(bit, _)| has(*bit))
            .map(|&(_, change)| change.into())
            .collect(),
        file,
    }))
}

#[cfg(test)]
mod tests {
    use ebpf_abi::map::ExecPrivileges;
    use expect_test::expect;

    use super::*;

    #[test]
    fn sets_of_capabilities() {
        let caps = map::Capabilities {
            permitted: 1 << 40 | 3,
            effective: 0,
            inheritable: 1 << 21,
        };
        let caps = capabilities(&caps);
        assert_eq!(caps.permitted, [0, 1, 40]);
        assert!(caps.effective.is_empty());
        assert_eq!(caps.inheritable, [21]);
    }

    #[test]
    fn host_namespaces_are_marked() {
        let ns = map::Namespaces {
            mnt: 5,
            pid: 7,
            ..Default::default()
        };
        let host = map::Namespaces {
            mnt: 5,
            pid: 6,
            ..Default::default()
        };
        let ns = namespaces(&ns, &host);
        assert!(ns.mnt.is_some_and(|mnt| mnt.is_host));
        assert!(ns.pid.is_some_and(|pid| pid.inum == 7 && !pid.is_host));
        assert_eq!(ns.time, None);
    }

    #[test]
    fn secure_bits_are_named_by_their_value() {
        let creds = map::Credentials {
            securebits: 0b1001_0001,
            ..Default::default()
        };
        assert_eq!(credentials(&creds).securebits, [1, 16, 128]);
    }

    #[test]
    fn special_binaries() {
        let mut exec = ExecEvent {
            links: 1,
            inode: 42,
            ..Default::default()
        };
        assert_eq!(binary_properties(&exec, b"/x"), None);
        exec.privileges = ExecPrivileges {
            flags: privilege::SETUID | privilege::RAISED_SETUID,
            ..Default::default()
        };
        exec.links = 0;
        expect![[r#"
            Some(
                BinaryProperties {
                    setuid: Some(
                        0,
                    ),
                    setgid: None,
                    privileges_changed: [
                        PrivilegesRaisedExecFileSetuid,
                    ],
                    file: Some(
                        FileProperties {
                            inode: Some(
                                InodeProperties {
                                    number: 42,
                                    links: Some(
                                        0,
                                    ),
                                },
                            ),
                            path: "/memfd:x (deleted)",
                        },
                    ),
                },
            )
        "#]]
        .assert_debug_eq(&binary_properties(&exec, b"/memfd:x (deleted)"));
    }
}
