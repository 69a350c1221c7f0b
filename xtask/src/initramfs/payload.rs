//! The part of the initramfs that all machines of a run share.

use super::cpio::Archive;
use super::host;
use crate::paths;
use crate::protocol::PROJECT;
use anyhow::{Context as _, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Users of the guest. Cases change to `nobody` and to `tester`.
const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
tester:x:1000:1000:tester:/home/tester:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
";

const GROUP: &str = "root:x:0:\ndaemon:x:1:\ntester:x:1000:\nnogroup:x:65534:\n";

/// An archive, finished.
pub(crate) struct Payload(Vec<u8>);

impl Payload {
    /// Puts together what was built before in the folder `programs`, the cases, the examples, and programs of the host.
    pub(crate) fn new(programs: &Path) -> Result<Self> {
        let mut archive = Archive::new();
        for folder in ["bin", "sbin", "lib", "lib64"] {
            archive.folder(&format!("/usr/{folder}"), 0o755);
            archive.link(&format!("/{folder}"), &format!("usr/{folder}"));
        }
        for folder in ["dev", "proc", "sys", "run", "mnt", "var", "home/tester"] {
            archive.folder(&format!("/{folder}"), 0o755);
        }
        archive.folder("/root", 0o700);
        archive.folder("/tmp", 0o1777);
        // Before devtmpfs is mounted, the kernel opens this for the init process.
        archive.device("/dev/console", 0o600, 5, 1);
        archive.file("/etc/passwd", 0o644, PASSWD.as_bytes());
        archive.file("/etc/group", 0o644, GROUP.as_bytes());
        archive.file("/etc/nsswitch.conf", 0o644, b"passwd: files\ngroup: files\n");
        host::add(&mut archive)?;
        add_project(&mut archive, programs)?;
        Ok(Self(archive.finish()))
    }

    /// The same without programs of the host, on top of the `userland`, an archive.
    pub(crate) fn on(userland: &Path, programs: &Path) -> Result<Self> {
        let mut archive = Archive::new();
        add_project(&mut archive, programs)?;
        let mut bytes = fs::read(userland).with_context(|| format!("read {}", userland.display()))?;
        bytes.extend(archive.finish());
        Ok(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Adds what was built in the folder `programs`, the cases and the examples.
fn add_project(archive: &mut Archive, programs: &Path) -> Result<()> {
    add(archive, "/init", &programs.join("vm-init"))?;
    for name in ["tetragon", "tetra"]
        .map(str::to_owned)
        .into_iter()
        .chain(guest_programs()?)
    {
        add(archive, &format!("{PROJECT}/bin/{name}"), &programs.join(&name))?;
    }
    add(archive, &format!("{PROJECT}/bpf/tetragon.bpf.o"), &paths::object())?;
    for (name, folder) in [("cases", "vmtests/cases"), ("examples", "examples")] {
        add_tree(archive, &format!("{PROJECT}/{name}"), &paths::root().join(folder))?;
    }
    Ok(())
}

/// Names of the programs of crate `vmtests`.
fn guest_programs() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for file in fs::read_dir(paths::root().join("vmtests/src/bin"))? {
        names.push(
            file?
                .path()
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        );
    }
    names.sort();
    Ok(names)
}

/// Adds a file with its permissions.
fn add(archive: &mut Archive, to: &str, from: &Path) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("read {}", from.display()))?;
    archive.file(to, fs::metadata(from)?.permissions().mode() & 0o7777, &content);
    Ok(())
}

/// Adds all files below a folder.
fn add_tree(archive: &mut Archive, to: &str, from: &Path) -> Result<()> {
    archive.folder(to, 0o755);
    let mut entries: Vec<_> = fs::read_dir(from)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let to = format!("{to}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            add_tree(archive, &to, &entry.path())?;
        } else {
            add(archive, &to, &entry.path())?;
        }
    }
    Ok(())
}
