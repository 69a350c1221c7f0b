//! Objects, fields and names, each declared once.
//!
//! `object!` declares a mapping of the file: the Rust struct, and the table of its fields with name, default and
//! meaning. Reading, printing, unknown fields, near names and generated documentation all come from that one table.
//! `keywords!` does the same for a closed set of names.

mod macros;
mod read;

pub(crate) use macros::{initial, keywords, object, required};
pub use read::{Entries, fields};

use crate::diagnostic::Diagnostics;
use crate::place::{Path, Place};
use crate::yaml::{Node, Out};

/// One field, for documentation and messages.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name in a file.
    pub name: &'static str,
    /// What it holds.
    pub kind: &'static str,
    /// Whether it has to be there.
    pub required: bool,
    /// What it means.
    pub doc: &'static str,
}

/// A mapping with fixed fields.
pub trait Object: Value {
    /// What it is, for messages: "kprobe", "argument".
    const NAME: &'static str;
    /// Its fields in canonical order.
    const FIELDS: &'static [Field];
}

/// What a field can hold.
pub trait Value: Default + PartialEq {
    /// What is expected, for messages.
    const KIND: &'static str;

    /// Reads a node. Reports what is wrong with it and returns what could be read.
    fn read(node: &Node, path: &Path, diagnostics: &mut Diagnostics) -> Self;

    /// What to print.
    fn write(&self) -> Out;

    /// Takes the place of the object it belongs to, for a value that was left out.
    fn set_place(&mut self, place: &Place) {
        let _ = place;
    }
}

/// A value written as one scalar.
pub trait Leaf: Default + PartialEq {
    /// What is expected, for messages.
    const KIND: &'static str;

    /// Reads the text of a scalar; `plain` when it stood without quotes.
    fn parse(text: &str, plain: bool) -> Result<Self, Wrong>;

    /// What to print.
    fn print(&self) -> Out;
}

/// Why a scalar was refused.
#[derive(Debug)]
pub enum Wrong {
    /// It is not of this kind: the message says what was found and what is expected.
    Kind,
    /// It is of this kind and still not allowed: message and help.
    Value(String, String),
}
