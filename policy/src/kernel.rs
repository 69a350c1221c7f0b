//! What has to be asked of a kernel.
//!
//! Policies are checked without one as far as they can be. Whoever has the type information of a kernel, of the running
//! one or of a file, answers the questions here; [`NoKernel`] answers none, for checks away from any machine.

use crate::arg_type::ArgType;
use crate::model::{ResolvePath, TypeName};

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    /// It is there.
    Known(T),
    /// It is not there.
    Missing {
        /// What is missing, as the end of a sentence: "the kernel has no function `fd_instal`".
        reason: String,
        /// What to do, such as a near name.
        help: Option<String>,
    },
    /// This kernel cannot be asked. Nothing is reported.
    Unknown,
}

/// What a kernel is asked while a policy is resolved.
///
/// Answers must not change between questions about one policy.
pub trait Kernel {
    /// The parameters of a function of the kernel or of a loaded module, by its exact symbol.
    ///
    /// A function that can be attached to but has no type information is `Known` with `parameters: None`.
    fn function(&self, name: &str) -> Answer<Prototype>;

    /// The parameters of an LSM hook, by its name without `bpf_lsm_`.
    fn lsm_hook(&self, name: &str) -> Answer<Prototype>;

    /// The fields of a tracepoint as its `format` file lists them, common ones first.
    fn tracepoint(&self, subsystem: &str, event: &str) -> Answer<Vec<Field>>;

    /// The parameters of a tracepoint as its program gets them when it is attached raw.
    fn raw_tracepoint(&self, subsystem: &str, event: &str) -> Answer<Prototype>;

    /// The type of what lies at the end of a way, by size and sign, text or structure: the type that its value has to be
    /// read with. `Known(None)` when the way is right and its end is of no type known here; then the declared type counts.
    fn resolve(&self, root: &Root<'_>, path: &ResolvePath) -> Answer<Option<ArgType>>;
}

/// What a way begins at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root<'a> {
    /// A parameter of a function, from 0.
    Function(&'a str, u32),
    /// A parameter of an LSM hook, from 0.
    LsmHook(&'a str, u32),
    /// A parameter of a raw tracepoint, from 0.
    RawTracepoint(&'a str, u32),
    /// The returned value of a function.
    Return(&'a str),
    /// A structure of the kernel or one of its modules.
    Structure(&'a TypeName),
    /// A structure that a file with type information declares. A kernel may leave it `Unknown`.
    FileStructure(&'a str, &'a TypeName),
    /// `struct task_struct`.
    CurrentTask,
}

/// The parameters of a function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prototype {
    /// How many there are; none when nobody knows.
    pub parameters: Option<u32>,
}

/// A field of a tracepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// The type to read it with when the policy says `auto`; none when it has to be said.
    pub arg_type: Option<ArgType>,
}

/// No kernel to ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKernel;

impl Kernel for NoKernel {
    fn function(&self, _: &str) -> Answer<Prototype> {
        Answer::Unknown
    }

    fn lsm_hook(&self, _: &str) -> Answer<Prototype> {
        Answer::Unknown
    }

    fn tracepoint(&self, _: &str, _: &str) -> Answer<Vec<Field>> {
        Answer::Unknown
    }

    fn raw_tracepoint(&self, _: &str, _: &str) -> Answer<Prototype> {
        Answer::Unknown
    }

    fn resolve(&self, _: &Root<'_>, _: &ResolvePath) -> Answer<Option<ArgType>> {
        Answer::Unknown
    }
}
