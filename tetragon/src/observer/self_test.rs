//! Whether the kernel programs read what they are meant to read.
//!
//! The program for executions looks at this process, and `/proc` does too. The program for exits sees processes end of
//! which it is known how.

use std::{
    fmt::Display,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::Path,
};

use ebpf_abi::{
    config::Config,
    event::{ExecEvent, ExitEvent},
    map::ProcessKey,
};
use ebpf_loader::{Ending, Maps, Program, RingBuffer};
use rustix::fs::statfs;

use super::Error;
use crate::{
    procfs::{Procfs, Scanned},
    record::{self, Record},
};

/// `OVERLAYFS_SUPER_MAGIC`: inodes there have another number inside the kernel than outside.
const OVERLAY: i64 = 0x794c_7630;

/// Ends of a process that between them need every field that the program for exits reads.
///
/// In the first one the status is not that of the thread which the process began with, and threads are left when that
/// one leaves. In the second one nobody ends the process as a whole: its status is that of its thread (until 5.17, which
/// makes it that of the process: kernel/exit.c, `synchronize_group_exit`).
const ENDINGS: [Ending; 2] = [Ending::FirstThenAll(3, 4), Ending::Alone(5)];

/// Processes that end unseen before that means anything: where tracepoints may be preempted, one passes by unseen now
/// and then.
const TRIES: usize = 5;

/// Lets `exec`, the program for executions, report this process, and `exit`, that for exits, some that end; and compares.
/// `types` is where the offsets come from.
pub(super) fn run(
    exec: &Program,
    exit: &Program,
    ring: &mut RingBuffer,
    maps: &Maps,
    procfs: &Procfs,
    config: &Config,
    types: &Path,
) -> Result<(), Error> {
    let own = procfs.own_pid().map_err(|error| Error::Procfs {
        path: procfs.root().to_owned(),
        error,
    })?;
    let failed = |mismatches| {
        Err(Error::SelfTest {
            types: types.to_owned(),
            mismatches,
        })
    };
    exec.test_run(&[0; 3])?;
    let mut mismatches = None;
    ring.consume(usize::MAX, |bytes| {
        if let Ok(Record::Exec(exec)) = record::decode(bytes) {
            mismatches = Some(compare(&exec, procfs, own, config));
        }
    })?;
    match mismatches {
        None => return Err(Error::SelfTestSilent),
        Some(mismatches) if mismatches.is_empty() => {}
        Some(mismatches) => return failed(mismatches),
    }
    let link = exit.attach_raw_tracepoint(exit.name())?;
    let mismatches = ENDINGS
        .into_iter()
        .map(|ending| end(ending, exec, exit, ring))
        .collect::<Result<Vec<_>, Error>>()?;
    drop(link);
    // Each of these processes was noted as a new image under the pid that was read, and perhaps not seen to end.
    let map = maps.get("execve_map")?;
    for pid in map.keys::<u32>().collect::<Result<Vec<_>, _>>()? {
        map.remove(&pid)?;
    }
    match mismatches.concat() {
        none if none.is_empty() => Ok(()),
        mismatches => failed(mismatches),
    }
}

/// Lets a process end while `exit` is attached. What was reported of its end, if that is not what wait(2) says.
fn end(ending: Ending, exec: &Program, exit: &Program, ring: &mut RingBuffer) -> Result<Vec<String>, Error> {
    for _ in 0..TRIES {
        let status = exec.doomed_run(exit, ending)?;
        let (mut began, mut ended) = (None, Vec::new());
        ring.consume(usize::MAX, |bytes| match record::decode(bytes) {
            Ok(Record::Exec(exec)) => began = Some(exec.head.process),
            Ok(Record::Exit(exit)) => ended.push(exit),
            _ => {}
        })?;
        let Some(began) = began else {
            return Err(Error::SelfTestSilent);
        };
        if !ended.is_empty() {
            return Ok(compare_end(began, &ended, status));
        }
    }
    Ok(vec!["no end of a process that ended".to_owned()])
}

/// What `ended`, all exits reported since process `began` was alone in the map, and its wait `status` disagree on.
fn compare_end(began: ProcessKey, ended: &[ExitEvent], status: i32) -> Vec<String> {
    let mut differences = Differences::default();
    differences.check("ends of a process", ended.len(), 1);
    for exit in ended {
        differences.check("ended process", exit.process.pid, began.pid);
        differences.check("exit status", exit.status, status as u32);
    }
    differences.0
}

/// What the record and `/proc` disagree on.
fn compare(record: &record::Exec<'_>, procfs: &Procfs, own: u32, config: &Config) -> Vec<String> {
    let mut differences = Differences::default();
    let Some(own) = procfs.read(own) else {
        return vec![format!("no process {}", record.head.process.pid)];
    };
    let head = &record.head;
    differences.check("pid", head.process.pid, own.pid);
    parent(&mut differences, head.parent, own.ppid, procfs);
    differences.check("pid in its namespace", head.nspid, own.nspid);
    differences.check("login uid", head.auid, own.auid);
    differences.check("effective uid", head.creds.euid, own.creds.euid);
    if config.process_cred != 0 {
        credentials(&mut differences, head, &own);
    }
    if config.process_ns != 0 {
        namespaces(&mut differences, head, &own);
    }
    paths(&mut differences, record, &own);
    executable(&mut differences, head, &procfs.file(own.pid, "exe"));
    cgroup(&mut differences, record, &own);
    if head.args_data_len == 0 {
        differences.bytes("arguments", record.args, &own.cmdline);
    }
    differences.0
}

#[derive(Debug, Default)]
struct Differences(Vec<String>);

impl Differences {
    fn check<T: PartialEq + Display + Copy>(&mut self, what: &str, read: T, right: T) {
        if read != right {
            self.0.push(format!("{what} {read} instead of {right}"));
        }
    }

    fn bytes(&mut self, what: &str, read: &[u8], right: &[u8]) {
        if read != right {
            let [read, right] = [read, right].map(String::from_utf8_lossy);
            self.0.push(format!("{what} {read:?} instead of {right:?}"));
        }
    }
}

/// The parent's identity is its start time, which shows whether that is read right.
fn parent(differences: &mut Differences, read: ProcessKey, ppid: u32, procfs: &Procfs) {
    let right = match procfs.stat(ppid) {
        Some(stat) => stat.key(),
        None if ppid == 0 => ProcessKey::KERNEL,
        // It ended between the two looks.
        None => return,
    };
    differences.check("parent", read.pid, right.pid);
    differences.check("start time of the parent", read.ktime, right.ktime);
}

fn credentials(differences: &mut Differences, head: &ExecEvent, own: &Scanned) {
    let ids = [
        ("uid", head.creds.uid, own.creds.uid),
        ("gid", head.creds.gid, own.creds.gid),
        ("effective gid", head.creds.egid, own.creds.egid),
        ("saved uid", head.creds.suid, own.creds.suid),
        ("saved gid", head.creds.sgid, own.creds.sgid),
        ("file system uid", head.creds.fsuid, own.creds.fsuid),
        ("file system gid", head.creds.fsgid, own.creds.fsgid),
    ];
    for (what, read, right) in ids {
        differences.check(what, read, right);
    }
    let sets = [
        ("permitted capabilities", head.caps.permitted, own.caps.permitted),
        ("effective capabilities", head.caps.effective, own.caps.effective),
        ("inheritable capabilities", head.caps.inheritable, own.caps.inheritable),
    ];
    for (what, read, right) in sets {
        differences.check(what, read, right);
    }
}

fn namespaces(differences: &mut Differences, head: &ExecEvent, own: &Scanned) {
    let all = [
        ("uts", head.ns.uts, own.ns.uts),
        ("ipc", head.ns.ipc, own.ns.ipc),
        ("mnt", head.ns.mnt, own.ns.mnt),
        ("pid", head.ns.pid, own.ns.pid),
        ("pid_for_children", head.ns.pid_for_children, own.ns.pid_for_children),
        ("net", head.ns.net, own.ns.net),
        ("time", head.ns.time, own.ns.time),
        ("time_for_children", head.ns.time_for_children, own.ns.time_for_children),
        ("cgroup", head.ns.cgroup, own.ns.cgroup),
        ("user", head.ns.user, own.ns.user),
    ];
    for (name, read, right) in all {
        differences.check(&format!("{name} namespace"), read, right);
    }
}

/// Longest path that is compared: the programs walk so many components and no more.
const COMPARED: usize = 255;

fn paths(differences: &mut Differences, record: &record::Exec<'_>, own: &Scanned) {
    for (what, read, right) in [
        ("executable", record.image, own.exe.as_slice()),
        ("working directory", record.cwd, own.cwd.as_slice()),
    ] {
        // A path that does not lead to the root is shown differently by each.
        if right.starts_with(b"/") && right.len() <= COMPARED {
            differences.bytes(what, read, right);
        }
    }
}

fn executable(differences: &mut Differences, head: &ExecEvent, path: &Path) {
    let overlay = statfs(path).is_ok_and(|mount| mount.f_type == OVERLAY);
    if let Ok(file) = fs::metadata(path)
        && !overlay
    {
        differences.check("inode of the executable", head.inode, file.ino());
        differences.check("links of the executable", u64::from(head.links), file.nlink());
    }
}

fn cgroup(differences: &mut Differences, record: &record::Exec<'_>, own: &Scanned) {
    // In a cgroup namespace the path begins where that does, and the root shows no name.
    let Some(name) = own.cgroup.rsplit(|&byte| byte == b'/').next() else {
        return;
    };
    if name.is_empty() || name == b".." || name.len() > 127 {
        return;
    }
    differences.bytes("cgroup", record.cgroup, name);
    let path = Path::new("/sys/fs/cgroup").join(std::ffi::OsStr::from_bytes(
        own.cgroup.strip_prefix(b"/").unwrap_or(&own.cgroup),
    ));
    if let Ok(folder) = fs::metadata(&path) {
        differences.check("cgroup id", record.head.cgroup_id, folder.ino());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_once_and_right() {
        let key = ProcessKey::new(7, 1);
        let exit = |status| ExitEvent {
            process: key,
            status,
            ..ExitEvent::default()
        };
        assert!(compare_end(key, &[exit(0x400)], 0x400).is_empty());
        assert_eq!(
            compare_end(key, &[exit(0x300)], 0x400),
            ["exit status 768 instead of 1024"]
        );
        assert_eq!(
            compare_end(key, &[exit(0x400), exit(0x400)], 0x400),
            ["ends of a process 2 instead of 1"]
        );
    }
}
