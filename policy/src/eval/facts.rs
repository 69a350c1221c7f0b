//! What is known of a process.

use crate::names::{CapabilitySet, Namespace};

/// A process that reaches a hook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Its id (the thread group) in the first pid namespace.
    pub pid: u32,
    /// Its id in its own pid namespace; 0 when it is in no container.
    pub namespace_pid: u32,
    /// Path of its executable; none when it is not known, and then no filter on executables passes.
    pub binary: Option<String>,
    /// Paths of the executables that its ancestors ran when they cloned on the way to it, and that it ran itself before.
    pub inherited_binaries: Vec<String>,
    /// Path of the executable of its parent.
    pub parent_binary: Option<String>,
    /// The same of the parent as `inherited_binaries` of the process.
    pub parent_inherited_binaries: Vec<String>,
    /// Its ancestors, nearest first.
    pub ancestors: Vec<Ancestor>,
    /// Its namespaces.
    pub namespaces: Namespaces,
    /// Its namespaces when it was cloned or executed, or when a filter on changes last passed.
    pub recorded_namespaces: Namespaces,
    /// The namespaces of process 1.
    pub host_namespaces: Namespaces,
    /// Its capabilities.
    pub capabilities: Capabilities,
    /// Its capabilities when it was cloned or executed, or when a filter on changes last passed.
    pub recorded_capabilities: Capabilities,
}

/// An ancestor of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ancestor {
    /// Its id in the first pid namespace.
    pub pid: u32,
    /// Its id in its own pid namespace; 0 when it is in no container.
    pub namespace_pid: u32,
}

/// Inode numbers of namespaces, in the order of [`Namespace::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Namespaces(pub [u32; 10]);

impl Namespaces {
    /// The inode number of one.
    pub const fn get(&self, namespace: Namespace) -> u32 {
        self.0[namespace as usize]
    }
}

/// Sets of capabilities, one bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Those that the kernel checks.
    pub effective: u64,
    /// Those kept by exec.
    pub inheritable: u64,
    /// Those that may become effective.
    pub permitted: u64,
}

impl Capabilities {
    /// One of the sets.
    pub const fn get(&self, set: CapabilitySet) -> u64 {
        match set {
            CapabilitySet::Effective => self.effective,
            CapabilitySet::Inheritable => self.inheritable,
            CapabilitySet::Permitted => self.permitted,
        }
    }
}
