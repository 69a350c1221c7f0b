//! Why observing failed, and what to do about it.

use std::{io, path::PathBuf};

/// Why an observer could not start or go on. Each message is one line, the verifier's last words excepted, and says the
/// whole cause.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum Error {
    #[error(
        "no kernel program object: this binary was built without one; build with `cargo xtask build`, or give a folder \
         that has tetragon.bpf.o with --bpf-lib"
    )]
    NoObject,
    #[error(
        "no kernel program object: there is no tetragon.bpf.o in {}, and this binary was built without one; give the \
         folder that has it with --bpf-lib, or build with `cargo xtask build`",
        .0.display()
    )]
    NoObjectIn(PathBuf),
    #[error("read {}: {error}; give the folder that has tetragon.bpf.o with --bpf-lib, or leave it out", path.display())]
    ReadObject { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Object {
        path: PathBuf,
        error: Box<ebpf_loader::Error>,
    },
    #[error(
        "no kernel type information (BTF) in {}: use a kernel built with CONFIG_DEBUG_INFO_BTF, or give a file for \
         exactly this kernel with --btf",
        paths(tried)
    )]
    NoKernelTypes { tried: Vec<PathBuf> },
    #[error("read kernel type information {}: {error}", path.display())]
    ReadKernelTypes { path: PathBuf, error: io::Error },
    #[error("kernel type information {}: {error}", path.display())]
    KernelTypes { path: PathBuf, error: btf::Error },
    #[error("kernel type information {}: {error}", path.display())]
    Fields {
        path: PathBuf,
        error: btf::fields::MissingFields,
    },
    #[error(
        "self-test: the kernel programs read {}; {} does not describe the running kernel: give a file for exactly this \
         kernel with --btf",
        mismatches.join(", "), types.display()
    )]
    SelfTest { types: PathBuf, mismatches: Vec<String> },
    #[error("self-test: no record of this process arrived in the ring buffer")]
    SelfTestSilent,
    #[error("read {}: {error}; give the host's /proc with --procfs", path.display())]
    Procfs { path: PathBuf, error: io::Error },
    #[error("write {} (TETRAGON_RECORD_RAW): {error}", path.display())]
    RecordRaw { path: PathBuf, error: io::Error },
    #[error("wait for events: {0}")]
    Wait(io::Error),
    #[error("make an eventfd: {0}")]
    Stop(io::Error),
    #[error("start the thread that looks into the files of processes: {0}")]
    Naming(io::Error),
    #[error("start the thread that runs errands of policies: {0}")]
    Errands(io::Error),
    #[error(transparent)]
    Ring(#[from] ebpf_loader::RingError),
    #[error("{0}")]
    Loader(Box<ebpf_loader::Error>),
}

impl From<ebpf_loader::Error> for Error {
    fn from(error: ebpf_loader::Error) -> Self {
        Self::Loader(Box::new(error))
    }
}

fn paths(paths: &[PathBuf]) -> String {
    let shown: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    shown.join(" or ")
}
