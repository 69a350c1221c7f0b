//! A whole document: what it is, its name, and what it asks for.

use super::{Enforcer, Kprobe, LabelSelector, List, Lsm, Selector, Setting, Str, Tracepoint, Uprobe, Usdt};
use crate::diagnostic::Diagnostics;
use crate::object::{Entries, Value, keywords, object};
use crate::parse::API_VERSION;
use crate::place::{Path, Spanned};
use crate::yaml::{Node, Out};

keywords! {
    /// What a document is.
    Kind = "a kind of policy" {
        /// A policy for the whole machine.
        TracingPolicy = "TracingPolicy";
        /// A policy for the pods of one Kubernetes namespace.
        TracingPolicyNamespaced = "TracingPolicyNamespaced";
    }
}

object! {
    /// A policy document.
    Document = "a policy" {
        /// Always `cilium.io/v1alpha1`.
        api_version: Str = "apiVersion" required;
        /// `TracingPolicy` or `TracingPolicyNamespaced`.
        kind: Spanned<Kind> = "kind" required;
        /// Name and labels.
        metadata: Metadata = "metadata" required;
        /// What to observe and what to do.
        spec: Spec = "spec" required;
        /// What Kubernetes knows of the object. Not read.
        status: Ignored = "status" optional;
    }
}

object! {
    /// What Kubernetes knows every object by. Only the name and the namespace matter here.
    Metadata = "metadata" {
        /// Name of the policy: lower-case letters, digits, `-` and `.`, at most 253 characters.
        name: Str = "name" required;
        /// Kubernetes namespace; only a `TracingPolicyNamespaced` has one.
        namespace: Option<Str> = "namespace" optional;
        /// Labels of the object.
        labels: Entries<Str> = "labels" optional;
        /// Annotations of the object.
        annotations: Entries<Str> = "annotations" optional;
        /// Kept by Kubernetes. Not read.
        generate_name: Ignored = "generateName" optional;
        /// Kept by Kubernetes. Not read.
        uid: Ignored = "uid" optional;
        /// Kept by Kubernetes. Not read.
        resource_version: Ignored = "resourceVersion" optional;
        /// Kept by Kubernetes. Not read.
        generation: Ignored = "generation" optional;
        /// Kept by Kubernetes. Not read.
        creation_timestamp: Ignored = "creationTimestamp" optional;
        /// Kept by Kubernetes. Not read.
        deletion_timestamp: Ignored = "deletionTimestamp" optional;
        /// Kept by Kubernetes. Not read.
        deletion_grace_period_seconds: Ignored = "deletionGracePeriodSeconds" optional;
        /// Kept by Kubernetes. Not read.
        finalizers: Ignored = "finalizers" optional;
        /// Kept by Kubernetes. Not read.
        owner_references: Ignored = "ownerReferences" optional;
        /// Kept by Kubernetes. Not read.
        managed_fields: Ignored = "managedFields" optional;
        /// Kept by Kubernetes. Not read.
        self_link: Ignored = "selfLink" optional;
    }
}

object! {
    /// What a policy asks for.
    Spec = "spec" {
        /// Functions of the kernel to observe.
        kprobes: Vec<Kprobe> = "kprobes" optional;
        /// Functions of the kernel to observe through trampolines.
        fentries: Vec<Kprobe> = "fentries" optional;
        /// Tracepoints of the kernel to observe.
        tracepoints: Vec<Tracepoint> = "tracepoints" optional;
        /// Functions of programs and libraries to observe.
        uprobes: Vec<Uprobe> = "uprobes" optional;
        /// Probes that programs and libraries declare.
        usdts: Vec<Usdt> = "usdts" optional;
        /// Hooks of Linux security modules.
        lsmhooks: Vec<Lsm> = "lsmhooks" optional;
        /// Whether to report the files that processes map as code.
        loader: Spanned<bool> = "loader" optional;
        /// Named lists of functions or syscalls.
        lists: Vec<List> = "lists" optional;
        /// Calls that the action `NotifyEnforcer` can stop.
        enforcers: Vec<Enforcer> = "enforcers" optional;
        /// Settings of the policy.
        options: Vec<Setting> = "options" optional;
        /// Selectors by name, to be used in several hooks.
        selectors_macros: Entries<Selector> = "selectorsMacros" optional;
        /// Pods that the policy is for, by their labels.
        pod_selector: Option<LabelSelector> = "podSelector" optional;
        /// Containers that the policy is for, by `name` and `repo`.
        container_selector: Option<LabelSelector> = "containerSelector" optional;
        /// Whether processes outside pods are meant: absent or `{}`.
        host_selector: Option<LabelSelector> = "hostSelector" optional;
        /// Nodes that load the policy, by their labels.
        node_selector: Option<LabelSelector> = "nodeSelector" optional;
    }
}

impl Document {
    /// A policy of this name that asks for nothing yet, to be filled in and [printed](crate::parse::print).
    pub fn new(name: &str) -> Self {
        let mut document = Self::default();
        document.api_version.value = API_VERSION.into();
        document.metadata.name.value = name.into();
        document
    }
}

/// A field that others keep in the object. It is accepted, not read and not printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ignored;

impl Value for Ignored {
    const KIND: &'static str = "anything";

    fn read(_: &Node, _: &Path, _: &mut Diagnostics) -> Self {
        Self
    }

    fn write(&self) -> Out {
        Out::Plain("null".into())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::parse::print;
    use crate::spec::Kprobe;

    #[test]
    fn a_policy_can_be_made_without_a_file() {
        let mut document = Document::new("reads");
        document.spec.kprobes.push(Kprobe {
            call: Spanned::nowhere("sys_read".into()),
            ..Kprobe::default()
        });
        expect![[r"
            apiVersion: cilium.io/v1alpha1
            kind: TracingPolicy
            metadata:
              name: reads
            spec:
              kprobes:
              - call: sys_read
        "]]
        .assert_eq(&print(&document));
    }
}
