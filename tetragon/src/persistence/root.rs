//! Which BPF file system.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustix::{
    fs::statfs,
    mount::{MountFlags, mount},
};

use super::Error;

/// Where it is.
const USUAL: &str = "/sys/fs/bpf";

/// Where it is when something else is there.
const OTHERWISE: &str = "/run/cilium/bpffs";

/// `BPF_FS_MAGIC` (include/uapi/linux/magic.h).
const MAGIC: u32 = 0xcafe_4a11;

/// What is mounted at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mounted {
    Bpf,
    Nothing,
    Other,
}

/// The one that is there, if any.
pub(super) fn find() -> Option<PathBuf> {
    let place = match look(USUAL.as_ref()) {
        Mounted::Other => OTHERWISE,
        Mounted::Bpf | Mounted::Nothing => USUAL,
    };
    (look(place.as_ref()) == Mounted::Bpf).then(|| place.into())
}

/// The one that is there, or a new one.
pub(super) fn find_or_mount() -> Result<PathBuf, Error> {
    for place in [USUAL, OTHERWISE] {
        let path = Path::new(place);
        match look(path) {
            Mounted::Bpf => return Ok(path.to_owned()),
            Mounted::Nothing => {
                let mounted = fs::create_dir_all(path).and_then(|()| mount_on(path));
                return match mounted {
                    Ok(()) => Ok(path.to_owned()),
                    Err(error) => Err(Error::Mount {
                        path: path.to_owned(),
                        error,
                    }),
                };
            }
            Mounted::Other => {}
        }
    }
    Err(Error::Occupied {
        paths: [USUAL, OTHERWISE].map(str::to_owned).to_vec(),
    })
}

fn mount_on(path: &Path) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("bpf", path, "bpf", flags, c"mode=700")?;
    tracing::info!(path = %path.display(), "Mounted a BPF file system");
    Ok(())
}

fn look(path: &Path) -> Mounted {
    let Ok(system) = statfs(path) else {
        return Mounted::Nothing;
    };
    let device = |path: &Path| fs::metadata(path).ok().map(|data| data.dev());
    if system.f_type as u32 == MAGIC {
        Mounted::Bpf
    } else if path.parent().and_then(device) == device(path) {
        Mounted::Nothing
    } else {
        Mounted::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(look(folder.path()), Mounted::Nothing);
        assert_eq!(look(&folder.path().join("none")), Mounted::Nothing);
        assert_eq!(look("/proc".as_ref()), Mounted::Other);
    }
}
