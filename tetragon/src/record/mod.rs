//! Records of the ring buffer as typed values: the one place where bytes of the kernel programs get a meaning.

mod decode;
mod hook;
mod raw;

use ebpf_abi::event::{CloneEvent, DataEvent, ExecEvent, ExitEvent};

pub use decode::{Malformed, decode};
pub use hook::{Args, Hook, Value};
pub use raw::{RawReader, RawWriter};

/// A record. What has a variable length is borrowed from the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A process executes a new image.
    Exec(Exec<'a>),
    /// The last thread of a process leaves.
    Exit(ExitEvent),
    /// A process was cloned.
    Clone(Clone<'a>),
    /// Part of something too long for the exec record that follows.
    Data(Data<'a>),
    /// A hook of a policy was hit.
    Hook(Hook<'a>),
}

/// [`ExecEvent`] with its variable parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exec<'a> {
    /// The fixed part.
    pub head: ExecEvent,
    /// File name as given to `execve`.
    pub filename: &'a [u8],
    /// Path of the image, walked from its inode.
    pub image: &'a [u8],
    /// Working directory.
    pub cwd: &'a [u8],
    /// Last component of the cgroup's path.
    pub cgroup: &'a [u8],
    /// Arguments, each ended by NUL, the first one included.
    pub args: &'a [u8],
    /// Environment, each variable ended by NUL.
    pub envs: &'a [u8],
}

/// [`CloneEvent`] with its variable part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clone<'a> {
    /// The fixed part.
    pub head: CloneEvent,
    /// Last component of the cgroup's path, empty when that of the parent.
    pub cgroup: &'a [u8],
}

/// [`DataEvent`] with its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// The fixed part.
    pub head: DataEvent,
    /// As many bytes as it says.
    pub bytes: &'a [u8],
}
