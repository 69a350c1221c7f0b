//! Why a file gave no answer.

use std::io;

/// What was wrong with it. Each reads behind the name of the file and a colon.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// It ends before something that it announces.
    #[error("it ends within its {0}")]
    Truncated(&'static str),
    /// It is something else.
    #[error("no program or library for x86-64")]
    Kind,
    /// It announces more than any program has.
    #[error("its {0} are too many to be those of a program")]
    TooLarge(&'static str),
}
