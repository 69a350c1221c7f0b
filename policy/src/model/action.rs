//! What is done.

use std::time::Duration;

use crate::spec::ActionKind;

/// One action. The actions of a selector are done in order; the event names the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Report.
    Post(Post),
    /// Do not report.
    NoPost,
    /// Send this signal.
    Signal(u8),
    /// Send SIGKILL.
    Sigkill,
    /// Skip the function.
    Override(Override),
    /// Have the agent fetch this URL.
    GetUrl(String),
    /// Have the agent look up this name.
    DnsLookup(String),
    /// Remember or forget the owner of the socket at this position in `args`.
    Track(Track, usize),
    /// Tell the enforcer: value to return instead, and signal to send; at least one of them.
    NotifyEnforcer {
        /// A negated errno.
        error: Option<i32>,
        /// Signal number.
        signal: Option<u8>,
    },
    /// Take back what the enforcer was told.
    CleanupEnforcerNotification,
    /// Write a value to where the argument is.
    Set {
        /// Position in `args`.
        position: usize,
        /// The value.
        value: u32,
    },
}

/// How to report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Post {
    /// Leave out repetitions.
    pub rate_limit: Option<RateLimit>,
    /// With the kernel's stack.
    pub kernel_stack: bool,
    /// With the process's stack.
    pub user_stack: bool,
    /// With the hash of the file.
    pub ima_hash: bool,
}

/// One event in a time.
///
/// Events are alike when hook, action, scope and the first 40 bytes of each argument are. The time begins anew only with
/// an event that is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How long; at least a second.
    pub window: Duration,
    /// What counts together.
    pub scope: Scope,
}

/// Whose events count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those of one thread.
    Thread,
    /// Those of one process.
    Process,
    /// All.
    Global,
}

/// How a function is skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Override {
    /// It returns this value. Within -4095 to 4095.
    Return(i32),
    /// Registers are changed. Uprobes only.
    Registers(Vec<RegisterChange>),
    /// The program continues elsewhere. Uprobes only.
    Continue(Continue),
}

/// A register and what it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterChange {
    /// Name of the register.
    pub register: String,
    /// Its new value.
    pub source: RegisterSource,
}

/// Where the new value of a register comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterSource {
    /// A number.
    Constant(u64),
    /// A register plus a number: `%rsp`, `8%rsp`.
    Register {
        /// Name of the register.
        register: String,
        /// Added to it.
        offset: i64,
    },
    /// Eight bytes of memory at a register plus a number: `8(%rsp)`.
    Memory {
        /// Name of the register.
        register: String,
        /// Added to it.
        offset: i64,
    },
}

/// Where a program continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Continue {
    /// At a symbol.
    Symbol(String),
    /// At a virtual address.
    Address(u64),
    /// At an offset in the file.
    Offset(u64),
}

/// What is done with the owner of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Track {
    /// Remembered.
    Start,
    /// Forgotten.
    Stop,
}

impl Action {
    /// The action as policies name it.
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::Post(_) => ActionKind::Post,
            Self::NoPost => ActionKind::NoPost,
            Self::Signal(_) => ActionKind::Signal,
            Self::Sigkill => ActionKind::Sigkill,
            Self::Override(_) => ActionKind::Override,
            Self::GetUrl(_) => ActionKind::GetUrl,
            Self::DnsLookup(_) => ActionKind::DnsLookup,
            Self::Track(Track::Start, _) => ActionKind::TrackSock,
            Self::Track(Track::Stop, _) => ActionKind::UntrackSock,
            Self::NotifyEnforcer { .. } => ActionKind::NotifyEnforcer,
            Self::CleanupEnforcerNotification => ActionKind::CleanupEnforcerNotification,
            Self::Set { .. } => ActionKind::Set,
        }
    }

    /// Whether it changes what a process does. These are left out, and still reported, in monitor mode.
    pub const fn enforces(&self) -> bool {
        matches!(
            self,
            Self::Signal(_) | Self::Sigkill | Self::Override(_) | Self::NotifyEnforcer { .. } | Self::Set { .. }
        )
    }
}
