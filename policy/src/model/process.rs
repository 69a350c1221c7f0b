//! Conditions on the process that calls.

use crate::names::{CapabilitySet, Namespace};
use crate::place::Place;

/// A condition on the process.
#[derive(Debug, Clone, PartialEq)]
pub enum ProcessFilter {
    /// On its executable.
    Binary(BinaryFilter),
    /// On the executable of its parent.
    ParentBinary(BinaryFilter),
    /// On its id.
    Pid(PidFilter),
    /// On one of its namespaces.
    Namespace(NamespaceFilter),
    /// On its capabilities.
    Capability(CapabilityFilter),
    /// On namespaces changed since exec or clone. Passing it makes the present ones the ones to compare with.
    NamespaceChange(NamespaceChangeFilter),
    /// On capabilities changed since exec or clone. Passing it makes the present ones the ones to compare with.
    CapabilityChange(CapabilityFilter),
}

/// A condition on an executable: the path of `mm->exe_file` at exec, so of the interpreter for a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinaryFilter {
    /// How paths are compared.
    pub test: PathTest,
    /// Whether it passes when none of the values fits.
    pub negated: bool,
    /// Paths, beginnings or ends.
    pub values: Vec<String>,
    /// Whether descendants of processes that ran one of them count as if they ran it.
    pub follow_children: bool,
    /// Where it stands in the file.
    pub place: Place,
}

/// How a path is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathTest {
    /// It is the value.
    Equal,
    /// It begins with the value.
    Prefix,
    /// It ends with the value.
    Postfix,
}

/// A condition on the id of the process (the thread group).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PidFilter {
    /// Whether it passes when none of the values fits.
    pub negated: bool,
    /// Ids.
    pub values: Vec<u32>,
    /// Whether ids in the innermost pid namespace are meant. A process in no container has none: it never passes.
    pub namespaced: bool,
    /// Whether a process fits when an ancestor does.
    pub follow_forks: bool,
}

/// A condition on one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceFilter {
    /// Which.
    pub namespace: Namespace,
    /// Whether it passes when none of the values fits.
    pub negated: bool,
    /// Namespaces.
    pub values: Vec<NamespaceId>,
}

/// One namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceId {
    /// That of the host, so of process 1.
    Host,
    /// By inode number.
    Inode(u32),
}

/// A condition on capabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilityFilter {
    /// Which set.
    pub set: CapabilitySet,
    /// Whether it passes when none of the capabilities is there, or changed.
    pub negated: bool,
    /// The capabilities, one bit each.
    pub mask: u64,
    /// Whether only processes outside the host's user namespace pass.
    pub namespaced: bool,
}

/// A condition on changed namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceChangeFilter {
    /// Whether it passes when none of the values changed.
    pub negated: bool,
    /// Which namespaces.
    pub values: Vec<Namespace>,
}
