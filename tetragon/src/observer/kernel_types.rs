//! Where the kernel's type information (BTF) is.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use ebpf_loader::probe;

use super::Error;

/// The kernel's own file.
const KERNEL: &str = "/sys/kernel/btf/vmlinux";

/// Type information as it is in a file.
#[derive(Debug)]
pub(super) struct KernelTypes {
    /// The file.
    pub(super) path: PathBuf,
    /// What is in it.
    pub(super) bytes: Vec<u8>,
}

/// Finds type information: the file given, else the one that `TETRAGON_BTF` names, else the kernel's own, else one in
/// `bpf_lib`, by kernel release or plain `btf`.
pub(super) fn find(given: Option<&Path>, bpf_lib: Option<&Path>) -> Result<KernelTypes, Error> {
    let named = env::var_os("TETRAGON_BTF")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    if let Some(path) = given.map(Path::to_owned).or(named) {
        return read(path);
    }
    let mut tried = vec![PathBuf::from(KERNEL)];
    if let Some(folder) = bpf_lib {
        tried.push(folder.join(format!("metadata/vmlinux-{}", probe::kernel_release())));
        tried.push(folder.join("btf"));
    }
    match tried.iter().find(|path| path.exists()) {
        Some(path) => read(path.clone()),
        None => Err(Error::NoKernelTypes { tried }),
    }
}

fn read(path: PathBuf) -> Result<KernelTypes, Error> {
    match fs::read(&path) {
        Ok(bytes) => Ok(KernelTypes { path, bytes }),
        Err(error) => Err(Error::ReadKernelTypes { path, error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_given_file_counts_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("btf"), b"x").unwrap();
        assert_eq!(find(Some(&folder.path().join("btf")), None).unwrap().bytes, b"x");
        let message = find(Some(Path::new("/nowhere")), Some(folder.path()))
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("read kernel type information /nowhere: No such file"),
            "{message}"
        );
    }
}
