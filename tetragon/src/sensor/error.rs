//! Why a policy could not be loaded.

use std::path::PathBuf;

use super::Id;

/// What was wrong. Each is a line or, for a refusal by the verifier, a line and the end of its log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file has mistakes: all of them, a line each.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
    /// There is no policy in it.
    #[error("there is no policy in it")]
    Empty,
    /// The policy asks for something that this agent does not do yet.
    #[error("policy {policy}: {what} is not supported yet")]
    NotYet {
        /// Its name.
        policy: String,
        /// The thing, as the beginning of a sentence.
        what: String,
    },
    /// The policy is for workloads.
    #[error("policy {policy}: {reason}, which this agent does not know")]
    Workload {
        /// Its name.
        policy: String,
        /// Why.
        reason: &'static str,
    },
    /// There is one of that name.
    #[error("policy {0} exists: delete it first")]
    Exists(Box<Id>),
    /// There is none of that name.
    #[error("there is no policy {id}{}", .near.as_ref().map(|near| format!(", but {near}: give its domain and namespace")).unwrap_or_default())]
    Missing {
        /// Who was asked for.
        id: String,
        /// One of that name from elsewhere.
        near: Option<String>,
    },
    /// It is what it should become.
    #[error("policy {0} is {1} already")]
    Already(Box<Id>, &'static str),
    /// It is not loaded.
    #[error("policy {0} could not be loaded: add it again")]
    Refused(Box<Id>),
    /// It has nothing that a mode could change.
    #[error("policy {0} has no action that enforces anything: its mode cannot be changed")]
    NoMode(Box<Id>),
    /// The domain is not for policies.
    #[error("domain sensors is reserved: choose another one")]
    Reserved,
    /// There are too many selectors.
    #[error("policy {0}: all policies together have more selectors than can be counted: delete some first")]
    Counters(Box<Id>),
    /// The kernel lacks what the policy names.
    #[error("policy {policy}: {hook}: {reason}")]
    Hook {
        /// Its name.
        policy: String,
        /// The hook.
        hook: String,
        /// What is the matter.
        reason: String,
    },
    /// The kernel refused.
    #[error(transparent)]
    Loader(#[from] Box<ebpf_loader::Error>),
    /// The object or the kernel's types could not be had.
    #[error(transparent)]
    Kernel(#[from] Box<crate::observer::Error>),
    /// The code is too long.
    #[error("{hook}: {error}: use fewer values or policies on this hook")]
    TooLong {
        /// The hook.
        hook: String,
        /// What the assembler said.
        error: ebpf_codegen::Error,
    },
    /// The file could not be read.
    #[error("read policy {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is no policy.
    #[error("policy file {path}: {what}")]
    File {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
}

impl From<ebpf_loader::Error> for Error {
    fn from(error: ebpf_loader::Error) -> Self {
        Self::Loader(Box::new(error))
    }
}

impl From<crate::observer::Error> for Error {
    fn from(error: crate::observer::Error) -> Self {
        Self::Kernel(Box::new(error))
    }
}
