//! A policy as it was written: every field of a file with its place, and nothing said of what it means.
//!
//! The objects here are the schema. What the values mean together is the work of [`resolve`](crate::resolve), which
//! turns a [`Document`] into a [`Policy`](crate::model::Policy).

mod action;
mod document;
mod filter;
mod hook;
mod label;
mod selector;

pub use action::{Action, ActionKind};
pub use document::{Document, Ignored, Kind, Metadata, Spec};
pub use filter::{
    ArgFilter, BinaryFilter, CapabilityFilter, NamespaceChangeFilter, NamespaceFilter, PathOperator, PidFilter,
    SetOperator,
};
pub use hook::{Arg, Enforcer, Ignore, IgnoreDigest, Kprobe, List, ListKind, Lsm, Setting, Tracepoint, Uprobe, Usdt};
pub use label::{LabelExpression, LabelOperator, LabelSelector};
pub use selector::{Selector, Workloads};

use crate::place::Spanned;

/// Text with its place.
pub type Str = Spanned<String>;
