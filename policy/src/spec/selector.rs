//! Selectors: which calls are meant, and what to do then.

use super::{
    Action, ArgFilter, BinaryFilter, CapabilityFilter, LabelSelector, NamespaceChangeFilter, NamespaceFilter,
    PidFilter, Str,
};
use crate::object::object;

object! {
    /// Filters that must all pass, and what to do when they do. The first selector of a hook that passes wins.
    Selector = "a selector" {
        /// Name in the counters.
        label: Option<Str> = "label" optional;
        /// Names of `selectorsMacros` whose fields are added.
        macros: Vec<Str> = "macros" optional;
        /// Workloads that the process must belong to.
        match_workloads: Option<Workloads> = "matchWorkloads" optional;
        /// Conditions on the process's executable.
        match_binaries: Vec<BinaryFilter> = "matchBinaries" optional;
        /// Conditions on the executable of the process's parent.
        match_parent_binaries: Vec<BinaryFilter> = "matchParentBinaries" optional;
        /// Conditions on the process id.
        match_pids: Vec<PidFilter> = "matchPIDs" optional;
        /// Conditions on the process's namespaces.
        match_namespaces: Vec<NamespaceFilter> = "matchNamespaces" optional;
        /// Conditions on the process's capabilities.
        match_capabilities: Vec<CapabilityFilter> = "matchCapabilities" optional;
        /// Namespaces that changed since exec or clone.
        match_namespace_changes: Vec<NamespaceChangeFilter> = "matchNamespaceChanges" optional;
        /// Capabilities that changed since exec or clone.
        match_capability_changes: Vec<CapabilityFilter> = "matchCapabilityChanges" optional;
        /// Conditions on arguments.
        match_args: Vec<ArgFilter> = "matchArgs" optional;
        /// Conditions on data.
        match_data: Vec<ArgFilter> = "matchData" optional;
        /// What to do.
        match_actions: Vec<Action> = "matchActions" optional;
        /// Conditions on the returned value.
        match_return_args: Vec<ArgFilter> = "matchReturnArgs" optional;
        /// What to do when the function returns.
        match_return_actions: Vec<Action> = "matchReturnActions" optional;
    }
}

object! {
    /// Workloads that a selector is for.
    Workloads = "workloads" {
        /// Pods, by their labels.
        pod_selector: Option<LabelSelector> = "podSelector" optional;
        /// Containers, by `name` and `repo`.
        container_selector: Option<LabelSelector> = "containerSelector" optional;
        /// Whether processes outside pods are meant: absent or `{}`.
        host_selector: Option<LabelSelector> = "hostSelector" optional;
    }
}
