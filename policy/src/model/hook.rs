//! A hook: where events come from, what they carry, which are wanted.

use super::{Action, Arg, Selector, Track};
use crate::object::keywords;
use crate::place::Place;
use crate::syscalls::{Abi, Syscall};

keywords! {
    /// Section of a policy that a hook stands in. The name is that of the section.
    HookKind = "a kind of hook" {
        /// A function of the kernel.
        Kprobe = "kprobes";
        /// A function of the kernel, through a trampoline.
        Fentry = "fentries";
        /// A tracepoint, with the fields that it records.
        Tracepoint = "tracepoints";
        /// A tracepoint, with the parameters that the kernel hands to it.
        RawTracepoint = "raw tracepoints";
        /// A hook of Linux security modules.
        Lsm = "lsmhooks";
        /// A function of a program or library.
        Uprobe = "uprobes";
        /// A probe that a program or library declares.
        Usdt = "usdts";
    }
}

/// One entry of a section.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// The kind of hook.
    pub kind: HookKind,
    /// Position in its section, from 0. Raw tracepoints count with the others.
    pub position: usize,
    /// Where events come from.
    pub target: Target,
    /// Arguments in the order that events carry them, which is the order of the file.
    pub args: Vec<Arg>,
    /// Data that is no argument; events carry it apart.
    pub data: Vec<Arg>,
    /// What is observed at the return. Absent: nothing.
    pub returns: Option<Returns>,
    /// What is wanted; the first that passes wins. Never empty: a hook without selectors has one that always passes.
    pub selectors: Vec<Selector>,
    /// Text that events carry.
    pub message: Option<String>,
    /// Tags that events carry.
    pub tags: Vec<String>,
    /// Whether the policy loads when the target is not there, or its file is not the expected one.
    pub may_be_missing: bool,
    /// Where the entry stands in the file.
    pub place: Place,
}

impl Hook {
    /// Whether a program at the return is needed.
    pub fn needs_return(&self) -> bool {
        self.returns.is_some() || self.args.iter().any(|arg| arg.return_copy)
    }

    /// What its selectors do, at the entry and at the return.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        let selectors = self.selectors.iter();
        selectors.flat_map(|selector| selector.actions.iter().chain(&selector.return_actions))
    }
}

/// What is observed at the return of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Returns {
    /// How the value is read.
    pub arg: Arg,
    /// What is done with a socket that is returned.
    pub track: Option<Track>,
}

/// Where the events of a hook come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Functions of the kernel.
    Functions(Functions),
    /// A tracepoint.
    Tracepoint {
        /// Its group.
        subsystem: String,
        /// Its name.
        event: String,
    },
    /// A hook of Linux security modules, such as `file_open`.
    Lsm {
        /// Its name.
        hook: String,
    },
    /// Places in a program or library.
    Uprobe {
        /// The file, as the agent sees it.
        path: String,
        /// File with type information.
        btf_path: Option<String>,
        /// The places.
        places: UprobePlaces,
        /// Offset in the file of the reference counter of each place; empty for none.
        reference_counters: Vec<u64>,
        /// The file must have one of these; empty for any file.
        digests: Vec<Digest>,
    },
    /// A probe that a program or library declares.
    Usdt {
        /// The file, as the agent sees it.
        path: String,
        /// File with type information.
        btf_path: Option<String>,
        /// Who declares it.
        provider: String,
        /// Its name.
        name: String,
    },
}

/// Functions of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Functions {
    /// These; their arguments are in the registers.
    Named(Vec<String>),
    /// These system calls; their arguments stand in the `struct pt_regs` that their parameter points to.
    Syscalls(Vec<Syscall>),
    /// All system calls of the running kernel, of the native ABI.
    AllSyscalls,
    /// All functions of the running kernel that can be traced and match this regular expression.
    Matching(String),
}

impl Functions {
    /// How many there are, as far as is known without a kernel.
    pub fn count(&self) -> usize {
        match self {
            Self::Named(names) => names.len(),
            Self::Syscalls(syscalls) => syscalls.len(),
            Self::AllSyscalls => Abi::NATIVE.syscalls().count(),
            Self::Matching(_) => 1,
        }
    }

    /// Whether they are system calls.
    pub fn are_syscalls(&self) -> bool {
        matches!(self, Self::Syscalls(_) | Self::AllSyscalls)
    }
}

/// Places in a program or library, in the order of the file. One kind only, at least one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UprobePlaces {
    /// By symbol.
    Symbols(Vec<Symbol>),
    /// By offset in the file.
    Offsets(Vec<u64>),
    /// By virtual address.
    Addresses(Vec<u64>),
}

/// A symbol and a place behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// The symbol.
    pub name: String,
    /// Bytes behind its beginning.
    pub offset: u64,
}

keywords! {
    /// What a digest of a file is of, and how it is made.
    DigestAlgorithm = "an algorithm of digests" {
        /// Of all bytes.
        Sha1 = "sha1";
        /// Of all bytes.
        Sha256 = "sha256";
        /// Of all bytes.
        Sha384 = "sha384";
        /// Of all bytes.
        Sha512 = "sha512";
        /// No digest of what is there, but a note that the linker wrote.
        BuildId = "build-id";
    }
}

impl DigestAlgorithm {
    /// How many bytes its digests have; a build id may have any number.
    pub const fn bytes(self) -> Option<usize> {
        match self {
            Self::Sha1 => Some(20),
            Self::Sha256 => Some(32),
            Self::Sha384 => Some(48),
            Self::Sha512 => Some(64),
            Self::BuildId => None,
        }
    }
}

/// A digest of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// How it was made.
    pub algorithm: DigestAlgorithm,
    /// Its bytes.
    pub bytes: Vec<u8>,
}
