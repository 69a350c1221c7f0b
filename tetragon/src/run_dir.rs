//! What the agent leaves in its run directory while it runs: the lock that keeps it alone, and what clients and support
//! tools want to know. All of it is removed at the end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// The run directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another agent runs.
    #[error("tetragon runs already, as process {pid} by {}: stop it first", path.display())]
    Running {
        /// Its process id, as far as it is known.
        pid: String,
        /// The pid file.
        path: PathBuf,
    },
    /// Something cannot be written.
    #[error("{operation} {}: {error}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::Io { operation, path, error }
}

/// The pid file, locked for as long as this lives, then removed.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    _locked: File,
}

impl PidFile {
    /// Creates `directory` if need be, and the pid file in it with the id that this process has in `procfs`.
    pub fn create(directory: &Path, procfs: &Path) -> Result<Self, Error> {
        let builder = fs::DirBuilder::new().recursive(true).mode(0o755).create(directory);
        builder.map_err(failed("create run directory", directory))?;
        let path = directory.join("tetragon.pid");
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(&path);
        let mut file = open.map_err(failed("open", &path))?;
        let mut content = String::new();
        // Whatever else is in there is nobody's id.
        let _not_text = file.read_to_string(&mut content);
        let other = content.trim();
        let own = own_pid(procfs);
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        // Tetragon itself writes the file but does not lock it.
        if !locked || (other != own && is_agent(procfs, other)) {
            return Err(Error::Running {
                pid: if other.is_empty() { "?".into() } else { other.into() },
                path,
            });
        }
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(own.as_bytes()))
            .map_err(failed("write", &path))?;
        Ok(Self { path, _locked: file })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _gone_already = fs::remove_file(&self.path);
    }
}

/// The id of this process in the pid namespace that `procfs` shows.
fn own_pid(procfs: &Path) -> String {
    let shown = fs::read_link(procfs.join("self")).ok();
    shown.map_or_else(
        || std::process::id().to_string(),
        |pid| pid.to_string_lossy().into_owned(),
    )
}

/// Whether a process of that id lives and is an agent.
fn is_agent(procfs: &Path, pid: &str) -> bool {
    let is_number = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    is_number && fs::read_to_string(procfs.join(pid).join("comm")).is_ok_and(|comm| comm.trim_end() == "tetragon")
}

/// What clients and support tools want to know of a running agent, in the names of Tetragon.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Info {
    /// The export file.
    pub export_fname: String,
    /// Directory of kernel programs.
    pub lib_dir: String,
    /// File with type information.
    pub btf_fname: String,
    /// Where the API listens; the socket in the file system when there is one.
    pub server_address: String,
    /// Where metrics are served.
    pub metrics_address: String,
    /// Where the debugger of Go programs listens: nowhere.
    pub gops_address: String,
    /// Where links and maps are pinned, if they are.
    pub map_dir: String,
    /// Not used.
    pub bpftool_path: String,
    /// Not used.
    pub gops_path: String,
    /// Largest message that the agent accepts, in bytes; 0 for the default of gRPC.
    pub max_recv_size: u64,
    /// Process id of the agent.
    pub pid: u32,
}

/// The information file, removed when this is dropped.
#[derive(Debug)]
pub struct InfoFile {
    path: PathBuf,
}

impl InfoFile {
    /// Writes `info` into `directory`. Readers see all of it or nothing.
    pub fn write(directory: &Path, info: &Info) -> Result<Self, Error> {
        let path = directory.join("tetragon-info.json");
        let new = directory.join("tetragon-info.json.tmp");
        let write = || {
            let _not_there = fs::remove_file(&new);
            let mut file = OpenOptions::new().write(true).create_new(true).open(&new)?;
            file.write_all(&serde_json::to_vec(info)?)?;
            file.set_permissions(fs::Permissions::from_mode(0o744))?;
            fs::rename(&new, &path)
        };
        write().map_err(failed("write", &path))?;
        Ok(Self { path })
    }
}

impl Drop for InfoFile {
    fn drop(&mut self) {
        let _gone_already = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_agent_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let procfs = Path::new("/proc");
        let run_dir = directory.path().join("run/tetragon");
        let first = PidFile::create(&run_dir, procfs).unwrap();
        let path = run_dir.join("tetragon.pid");
        assert_eq!(fs::read_to_string(&path).unwrap(), std::process::id().to_string());
        let error = PidFile::create(&run_dir, procfs).unwrap_err().to_string();
        let expected = format!("tetragon runs already, as process {} by ", std::process::id());
        assert!(error.starts_with(&expected), "{error}");
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_dead_agent_left_does_not_matter() {
        let directory = tempfile::tempdir().unwrap();
        let procfs = directory.path().join("proc");
        fs::create_dir_all(procfs.join("7")).unwrap();
        fs::write(procfs.join("7/comm"), "bash\n").unwrap();
        std::os::unix::fs::symlink("42", procfs.join("self")).unwrap();
        let path = directory.path().join("tetragon.pid");
        for left in ["7", "8", "", "text", "\u{fffd}"] {
            fs::write(&path, left).unwrap();
            drop(PidFile::create(directory.path(), &procfs).unwrap());
        }
        fs::write(procfs.join("7/comm"), "tetragon\n").unwrap();
        fs::write(&path, "7").unwrap();
        assert!(matches!(
            PidFile::create(directory.path(), &procfs),
            Err(Error::Running { .. })
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), "7");
    }

    #[test]
    fn the_information_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tetragon-info.json");
        let info = Info {
            server_address: "unix:///run/t.sock".into(),
            pid: 7,
            ..Info::default()
        };
        let file = InfoFile::write(directory.path(), &info).unwrap();
        expect_test::expect![[r#"{"export_fname":"","lib_dir":"","btf_fname":"","server_address":"unix:///run/t.sock","metrics_address":"","gops_address":"","map_dir":"","bpftool_path":"","gops_path":"","max_recv_size":0,"pid":7}"#]]
            .assert_eq(&fs::read_to_string(&path).unwrap());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o744);
        drop(file);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
