//! One process.

use std::{
    ffi::OsStr,
    fs,
    io::{self, ErrorKind},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::MetadataExt as _,
    },
    path::Path,
};

use ebpf_abi::map::{Capabilities, Credentials, Namespaces, ProcessKey};

use super::{Procfs, Stat, namespaces, status::Status};

/// `ESRCH`.
const GONE: i32 = 3;

/// Which line of `/proc/<pid>/cgroup` names containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cgroup {
    /// That of the unified hierarchy (cgroup v2).
    Unified,
    /// That of the hierarchy of this controller (cgroup v1).
    Controller(&'static str),
}

/// What `/proc` says about a process. Paths and arguments are bytes, as the kernel has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Process id.
    pub pid: u32,
    /// Identity.
    key: ProcessKey,
    /// Parent at this moment.
    pub ppid: u32,
    /// Whether it is a thread of the kernel. Nothing but `comm` is known of such.
    pub kernel_thread: bool,
    /// First 15 bytes of its name.
    pub comm: Vec<u8>,
    /// Path of the executed file.
    pub exe: Vec<u8>,
    /// Path of that file seen from the root of the process, as it was before it was removed; empty when not known.
    pub executable: Vec<u8>,
    /// Arguments ended by NUL each, the first one included.
    pub cmdline: Vec<u8>,
    /// Environment, if it was asked for.
    pub environ: Vec<u8>,
    /// Working directory seen from its root; empty when not known.
    pub cwd: Vec<u8>,
    /// Path of its cgroup.
    pub cgroup: Vec<u8>,
    /// Login user id.
    pub auid: u32,
    /// Process id in the innermost pid namespace; 0 in the initial one.
    pub nspid: u32,
    /// User and group ids.
    pub creds: Credentials,
    /// Capabilities.
    pub caps: Capabilities,
    /// Namespaces.
    pub ns: Namespaces,
}

impl Scanned {
    /// Identity of the process, the one that the kernel programs compute as well.
    pub fn key(&self) -> ProcessKey {
        self.key
    }
}

impl Procfs {
    /// Reads process `pid`; `None` when it is gone or about to be.
    pub fn read(&self, pid: u32) -> Option<Scanned> {
        let stat = self.stat(pid)?;
        if stat.gone() {
            return None;
        }
        let key = stat.key();
        let Stat {
            comm,
            ppid,
            kernel_thread,
            ..
        } = stat;
        let scanned = Scanned {
            pid,
            key,
            ppid,
            kernel_thread,
            comm,
            auid: u32::MAX,
            ..Scanned::default()
        };
        if kernel_thread {
            return Some(scanned);
        }
        let folder = self.folder(pid);
        let link = |name: &str| link(&folder, name);
        let status = Status::parse(&fs::read_to_string(folder.join("status")).ok()?);
        let cmdline = trimmed(fs::read(folder.join("cmdline")).unwrap_or_default());
        let root = link("root").unwrap_or_default();
        let mut executable = vec![];
        let exe = match link("exe") {
            Ok(exe) => {
                executable = as_executed(&folder, beneath(exe.clone(), &root));
                exe
            }
            // Without memory of its own there is no executable any more: the process is exiting.
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) if error.raw_os_error() == Some(GONE) => return None,
            // Not to be told. The first argument is what the process says of itself.
            Err(_) => cmdline.split(|&byte| byte == 0).next().unwrap_or_default().to_vec(),
        };
        let loginuid = fs::read_to_string(folder.join("loginuid")).unwrap_or_default();
        Some(Scanned {
            exe,
            executable,
            cmdline,
            environ: if self.environ {
                fs::read(folder.join("environ")).unwrap_or_default()
            } else {
                Vec::new()
            },
            cwd: beneath(link("cwd").unwrap_or_default(), &root),
            cgroup: self
                .cgroup
                .path(&fs::read(folder.join("cgroup")).unwrap_or_default())
                .to_vec(),
            auid: loginuid.trim().parse().unwrap_or(u32::MAX),
            nspid: status.nspid,
            creds: status.creds,
            caps: status.caps,
            ns: namespaces(&folder.join("ns")),
            ..scanned
        })
    }

    /// Path of the executable of process `pid`: see [`Scanned::executable`].
    pub fn executable(&self, pid: u32) -> Option<Vec<u8>> {
        let folder = self.folder(pid);
        let link = |name: &str| link(&folder, name);
        Some(as_executed(&folder, beneath(link("exe").ok()?, &link("root").ok()?)))
    }

    /// The folder to read of `pid`: that of another thread when the leader is gone, whose files are empty then.
    fn folder(&self, pid: u32) -> std::path::PathBuf {
        let whole = self.file(pid, "");
        if fs::read_link(whole.join("exe")).is_ok() {
            return whole;
        }
        let tasks = fs::read_dir(whole.join("task")).into_iter().flatten().flatten();
        tasks
            .map(|task| task.path())
            .find(|task| fs::read_link(task.join("exe")).is_ok())
            .unwrap_or(whole)
    }
}

impl Cgroup {
    /// The path in the text of `/proc/<pid>/cgroup`; empty when there is none.
    pub fn path(self, text: &[u8]) -> &[u8] {
        for line in text.split(|&byte| byte == b'\n') {
            let mut fields = line.splitn(3, |&byte| byte == b':');
            let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            let wanted = match self {
                Self::Unified => controllers.is_empty(),
                Self::Controller(name) => controllers
                    .split(|&byte| byte == b',')
                    .any(|one| one == name.as_bytes()),
            };
            if wanted {
                return path;
            }
        }
        &[]
    }
}

/// Without the zeroes that a process leaves behind which writes its own title over its arguments.
fn trimmed(mut cmdline: Vec<u8>) -> Vec<u8> {
    let zeroes = cmdline.iter().rev().take_while(|&&byte| byte == 0).count();
    if zeroes > 1 && !cmdline[..cmdline.len() - zeroes].contains(&0) {
        cmdline.truncate(cmdline.len() - zeroes + 1);
    }
    cmdline
}

/// Where link `name` in `folder` leads.
fn link(folder: &Path, name: &str) -> io::Result<Vec<u8>> {
    fs::read_link(folder.join(name)).map(|path| path.into_os_string().into_vec())
}

/// The path of the executable of the process in `folder`, which `/proc` shows as `path`: without what marks one that was
/// removed since, unless it is really called so, or never had a place among the files (`memfd_create(2)`).
fn as_executed(folder: &Path, mut path: Vec<u8>) -> Vec<u8> {
    const REMOVED: &[u8] = b" (deleted)";
    if !path.ends_with(REMOVED) || path.starts_with(b"/memfd:") {
        return path;
    }
    let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let found = folder
        .join("root")
        .join(OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(&path)));
    if identity(&found).is_none_or(|found| identity(&folder.join("exe")) != Some(found)) {
        path.truncate(path.len() - REMOVED.len());
    }
    path
}

/// `path`, which `/proc` shows from its own root, as a process with another root sees it.
fn beneath(path: Vec<u8>, root: &[u8]) -> Vec<u8> {
    if root == b"/" || root.is_empty() {
        return path;
    }
    let root = Path::new(OsStr::from_bytes(root));
    let whole = std::path::PathBuf::from(std::ffi::OsString::from_vec(path));
    let inner = whole.strip_prefix(root).map(|inner| Path::new("/").join(inner));
    inner.unwrap_or(whole).into_os_string().into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process() {
        let mut procfs = Procfs::new(Path::new("/proc"));
        procfs.environ = true;
        let pid = procfs.own_pid().unwrap();
        assert!(procfs.pids().unwrap().contains(&pid));
        let scanned = procfs.read(pid).unwrap();
        assert_eq!(scanned.pid, std::process::id());
        let exe = std::env::current_exe().unwrap().into_os_string().into_vec();
        assert_eq!(scanned.exe, exe);
        assert_eq!(scanned.executable, exe);
        assert_eq!(
            scanned.cwd,
            std::env::current_dir().unwrap().into_os_string().into_vec()
        );
        assert_eq!(scanned.cmdline.last(), Some(&0));
        assert!(!scanned.environ.is_empty());
        assert_ne!(scanned.ns.mnt, 0);
        assert!(!scanned.kernel_thread);
        assert_eq!(procfs.read(u32::MAX), None);
    }

    #[test]
    fn lines_of_hierarchies() {
        let text = b"12:pids:/p\n5:cpu,memory:/m:x\n0::/u\n";
        assert_eq!(Cgroup::Unified.path(text), b"/u");
        assert_eq!(Cgroup::Controller("memory").path(text), b"/m:x");
        assert_eq!(Cgroup::Controller("cpuset").path(text), b"");
    }

    #[test]
    fn titles_lose_their_zeroes_arguments_do_not() {
        assert_eq!(trimmed(b"sshd: x\0\0\0\0".to_vec()), b"sshd: x\0");
        assert_eq!(trimmed(b"a\0b\0\0".to_vec()), b"a\0b\0\0");
        assert_eq!(trimmed(b"a\0".to_vec()), b"a\0");
        assert_eq!(trimmed(Vec::new()), b"");
    }

    #[test]
    fn paths_within_another_root() {
        assert_eq!(beneath(b"/srv/jail/home".to_vec(), b"/srv/jail"), b"/home");
        assert_eq!(beneath(b"/srv/jail".to_vec(), b"/srv/jail"), b"/");
        assert_eq!(beneath(b"/srv/jailer".to_vec(), b"/srv/jail"), b"/srv/jailer");
        assert_eq!(beneath(b"/tmp".to_vec(), b"/"), b"/tmp");
    }

    /// Real processes: one whose file is gone, and one whose file is called as if it were.
    #[test]
    fn executables_that_were_removed() {
        let folder = tempfile::tempdir().unwrap();
        let started = |name: &str| {
            let path = folder.path().join(name);
            fs::copy("/bin/sleep", &path).unwrap();
            (std::process::Command::new(&path).arg("1000").spawn().unwrap(), path)
        };
        let (mut removed, path) = started("removed");
        let (mut called_so, path_of_called_so) = started("so (deleted)");
        fs::remove_file(&path).unwrap();
        let procfs = Procfs::new(Path::new("/proc"));
        let of = |pid| procfs.read(pid).map(|scanned| (scanned.exe, scanned.executable));
        let seen = [of(removed.id()), of(called_so.id())];
        for process in [&mut removed, &mut called_so] {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
        let [removed, called_so] = seen.map(Option::unwrap);
        assert_eq!(removed, ([bytes(&path), b" (deleted)".to_vec()].concat(), bytes(&path)));
        assert_eq!(called_so, (bytes(&path_of_called_so), bytes(&path_of_called_so)));
    }
}
