//! Filters on the process.

use super::Process;
use crate::model::{
    BinaryFilter, CapabilityFilter, NamespaceChangeFilter, NamespaceFilter, NamespaceId, PathTest, PidFilter,
    ProcessFilter,
};
use crate::names::Namespace;

/// Whether the process passes the filter.
pub fn process_passes(filter: &ProcessFilter, process: &Process) -> bool {
    match filter {
        ProcessFilter::Binary(filter) => binary(filter, process.binary.as_deref(), &process.inherited_binaries),
        ProcessFilter::ParentBinary(filter) => binary(
            filter,
            process.parent_binary.as_deref(),
            &process.parent_inherited_binaries,
        ),
        ProcessFilter::Pid(filter) => pid(filter, process),
        ProcessFilter::Namespace(filter) => namespace(filter, process),
        ProcessFilter::Capability(filter) => capability(filter, process, process.capabilities.get(filter.set)),
        ProcessFilter::NamespaceChange(filter) => namespace_change(filter, process),
        ProcessFilter::CapabilityChange(filter) => {
            let changed = process.capabilities.get(filter.set) ^ process.recorded_capabilities.get(filter.set);
            capability(filter, process, changed)
        }
    }
}

fn binary(filter: &BinaryFilter, path: Option<&str>, inherited: &[String]) -> bool {
    let Some(path) = path else { return false };
    let fits = |path: &str| {
        filter.values.iter().any(|value| match filter.test {
            PathTest::Equal => path == value,
            PathTest::Prefix => path.starts_with(value.as_str()),
            PathTest::Postfix => path.ends_with(value.as_str()),
        })
    };
    let fits = fits(path) || filter.follow_children && inherited.iter().any(|path| fits(path));
    fits != filter.negated
}

/// In the own pid namespace a process in no container has no id. It passes neither filter, and the chain of ancestors
/// ends at the first that is in no container.
fn pid(filter: &PidFilter, process: &Process) -> bool {
    let own = if filter.namespaced {
        process.namespace_pid
    } else {
        process.pid
    };
    if filter.namespaced && own == 0 {
        return false;
    }
    let ancestors = process.ancestors.iter().map(|ancestor| {
        if filter.namespaced {
            ancestor.namespace_pid
        } else {
            ancestor.pid
        }
    });
    let mut ancestors = ancestors.take_while(|pid| !filter.namespaced || *pid != 0);
    let fits = filter.values.contains(&own) || filter.follow_forks && ancestors.any(|pid| filter.values.contains(&pid));
    fits != filter.negated
}

fn namespace(filter: &NamespaceFilter, process: &Process) -> bool {
    let own = process.namespaces.get(filter.namespace);
    let fits = filter.values.iter().any(|value| match value {
        NamespaceId::Host => own == process.host_namespaces.get(filter.namespace),
        NamespaceId::Inode(inode) => own == *inode,
    });
    fits != filter.negated
}

fn namespace_change(filter: &NamespaceChangeFilter, process: &Process) -> bool {
    let changed =
        |namespace: &Namespace| process.namespaces.get(*namespace) != process.recorded_namespaces.get(*namespace);
    filter.values.iter().any(changed) != filter.negated
}

fn capability(filter: &CapabilityFilter, process: &Process, set: u64) -> bool {
    let in_host = process.namespaces.get(Namespace::User) == process.host_namespaces.get(Namespace::User);
    if filter.namespaced && in_host {
        return false;
    }
    (set & filter.mask != 0) != filter.negated
}
