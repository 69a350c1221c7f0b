//! One node of a YAML document.

use std::rc::Rc;

use crate::place::{Path, Place};

/// A node: what it holds and where it begins.
#[derive(Debug)]
pub struct Node {
    /// What it holds.
    pub kind: NodeKind,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Number of nodes in this tree, aliases expanded.
    pub(super) size: usize,
    /// Lists and mappings inside each other, aliases expanded; 0 for a scalar.
    pub(super) depth: usize,
}

/// What a node holds.
#[derive(Debug)]
pub enum NodeKind {
    /// Text, a number, a boolean or nothing: which one, the reader of the field decides.
    Scalar {
        /// The text, escapes resolved.
        text: String,
        /// Whether it stood without quotes, so that `1`, `true` and `~` are no strings.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Rc<Node>>),
    /// A mapping.
    Mapping {
        /// The entries in the order of the file, then those that `<<` brought in. Keys are unique.
        entries: Vec<(Key, Rc<Node>)>,
        /// Keys that stood there again, each with the line of the first.
        duplicates: Vec<(Key, usize)>,
    },
}

/// The key of an entry.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key's text.
    pub text: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Node {
    /// The place of this node when it is reached through `path`.
    pub fn place(&self, path: Path) -> Place {
        Place {
            line: self.line,
            column: self.column,
            path,
        }
    }

    /// Whether nothing was written: no value, `~` or `null`.
    pub fn is_null(&self) -> bool {
        match &self.kind {
            NodeKind::Scalar { text, plain } => *plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"),
            NodeKind::Sequence(_) | NodeKind::Mapping { .. } => false,
        }
    }

    /// What the node is, for messages.
    pub fn describe(&self) -> String {
        match &self.kind {
            NodeKind::Sequence(_) => "a list".into(),
            NodeKind::Mapping { .. } => "a mapping".into(),
            NodeKind::Scalar { .. } if self.is_null() => "nothing".into(),
            NodeKind::Scalar { text, .. } => format!("`{}`", shorten(text)),
        }
    }

    /// The entries of a mapping; of anything else, none.
    pub fn entries(&self) -> &[(Key, Rc<Node>)] {
        match &self.kind {
            NodeKind::Mapping { entries, .. } => entries,
            NodeKind::Scalar { .. } | NodeKind::Sequence(_) => &[],
        }
    }

    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, name: &str) -> Option<&Rc<Node>> {
        self.entries()
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(_, node)| node)
    }
}

/// Text short enough to stand in a message.
pub(crate) fn shorten(text: &str) -> String {
    const MAX: usize = 60;
    if text.chars().count() <= MAX {
        text.into()
    } else {
        text.chars().take(MAX).chain(['…']).collect()
    }
}
