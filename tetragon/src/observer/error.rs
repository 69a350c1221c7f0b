//! Why observing failed, and what to do about it.

use std::io;

/// Why an observer could not start or go on.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum Error {
    #[error(
        "no kernel program object: this binary was built without one; build with `cargo xtask build` or give its folder \
         with --bpf-lib"
    )]
    NoObject,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Loader(#[from] ebpf_loader::Error),
}
