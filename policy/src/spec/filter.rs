//! The filters of a selector.

use super::Str;
use crate::leaf::Text;
use crate::names::{CapabilitySet, Namespace};
use crate::object::{keywords, object};
use crate::operator::Operator;
use crate::place::Spanned;

keywords! {
    /// Whether the thing compared must be among the values.
    SetOperator = "an operator on sets" {
        /// One of the values.
        In = "In";
        /// None of the values.
        NotIn = "NotIn";
    }
}

keywords! {
    /// How the path of an executable is compared.
    PathOperator = "an operator on paths" {
        /// It is one of the values.
        In = "In";
        /// It is none of the values.
        NotIn = "NotIn";
        /// It begins with one of the values.
        Prefix = "Prefix";
        /// It begins with none of the values.
        NotPrefix = "NotPrefix";
        /// It ends with one of the values.
        Postfix = "Postfix";
        /// It ends with none of the values.
        NotPostfix = "NotPostfix";
    }
}

object! {
    /// A condition on an argument, a piece of data or the returned value.
    ArgFilter = "a filter" {
        /// Which argument: the `index` of one in `args`.
        index: Option<Spanned<u32>> = "index" optional;
        /// Which arguments: positions in `args`, from 0. Goes before `index`.
        args: Vec<Spanned<u32>> = "args" optional;
        /// How it is compared.
        operator: Spanned<Operator> = "operator" required;
        /// What with.
        values: Vec<Spanned<Text>> = "values" optional;
    }
}

object! {
    /// A condition on the process id.
    PidFilter = "a filter on process ids" {
        /// How it is compared.
        operator: Spanned<SetOperator> = "operator" required;
        /// Process ids.
        values: Vec<Spanned<u32>> = "values" required;
        /// Whether the ids are those of the process's own pid namespace.
        is_namespace_pid: Spanned<bool> = "isNamespacePID" optional;
        /// Whether descendants of these processes are meant as well.
        follow_forks: Spanned<bool> = "followForks" optional;
    }
}

object! {
    /// A condition on an executable.
    BinaryFilter = "a filter on executables" {
        /// How its path is compared.
        operator: Spanned<PathOperator> = "operator" required;
        /// Absolute paths, or their beginnings or ends.
        values: Vec<Str> = "values" required;
        /// Whether descendants of processes that ran one of them are meant as well. For In and `NotIn`.
        follow_children: Spanned<bool> = "followChildren" optional;
    }
}

object! {
    /// A condition on a namespace.
    NamespaceFilter = "a filter on namespaces" {
        /// Which one.
        namespace: Spanned<Namespace> = "namespace" required;
        /// How it is compared.
        operator: Spanned<SetOperator> = "operator" required;
        /// Inode numbers as in `/proc/PID/ns/`, or `host_ns`.
        values: Vec<Spanned<Text>> = "values" required;
    }
}

object! {
    /// Namespaces that changed.
    NamespaceChangeFilter = "a filter on changed namespaces" {
        /// Whether one of the named changed, or one of the others.
        operator: Spanned<SetOperator> = "operator" required;
        /// Names of namespaces.
        values: Vec<Spanned<Namespace>> = "values" optional;
    }
}

object! {
    /// A condition on capabilities, or on those that changed.
    CapabilityFilter = "a filter on capabilities" {
        /// Which set.
        set: Spanned<CapabilitySet> = "type" default(CapabilitySet::Effective);
        /// How it is compared.
        operator: Spanned<SetOperator> = "operator" required;
        /// Whether only processes outside the host's user namespace are meant.
        is_namespace_capability: Spanned<bool> = "isNamespaceCapability" optional;
        /// Names of capabilities.
        values: Vec<Str> = "values" required;
    }
}
