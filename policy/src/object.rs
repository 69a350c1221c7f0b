//! Objects, fields and names, each declared once.
//!
//! [`object!`] declares a mapping of the file: the Rust struct, and the table of its fields with name, default and
//! meaning. Reading, printing, unknown fields, near names and generated documentation all come from that one table.
//! [`keywords!`] does the same for a closed set of names.

use std::rc::Rc;

use crate::diagnostic::Diagnostics;
use crate::place::{Path, Place, Spanned};
use crate::suggest;
use crate::yaml::{Node, NodeKind, Out};

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

impl<T: Leaf> Value for Spanned<T> {
    const KIND: &'static str = T::KIND;

    fn read(node: &Node, path: &Path, diagnostics: &mut Diagnostics) -> Self {
        let place = node.place(path.clone());
        let result = match &node.kind {
            NodeKind::Scalar { text, plain } => T::parse(text, *plain),
            NodeKind::Sequence(_) | NodeKind::Mapping { .. } => Err(Wrong::Kind),
        };
        let value = result.unwrap_or_else(|wrong| {
            match wrong {
                Wrong::Kind => {
                    diagnostics.error(&place, format!("expected {}, found {}", T::KIND, node.describe()));
                }
                Wrong::Value(message, help) => diagnostics.error(&place, message).help(help),
            }
            T::default()
        });
        Self { value, place }
    }

    fn write(&self) -> Out {
        self.value.print()
    }

    fn set_place(&mut self, place: &Place) {
        self.place = place.clone();
    }
}

impl<T: Value> Value for Option<T> {
    const KIND: &'static str = T::KIND;

    fn read(node: &Node, path: &Path, diagnostics: &mut Diagnostics) -> Self {
        Some(T::read(node, path, diagnostics))
    }

    fn write(&self) -> Out {
        self.as_ref().map_or(Out::Plain("null".into()), Value::write)
    }
}

impl<T: Value> Value for Vec<T> {
    const KIND: &'static str = "a list";

    fn read(node: &Node, path: &Path, diagnostics: &mut Diagnostics) -> Self {
        let NodeKind::Sequence(items) = &node.kind else {
            diagnostics
                .error(
                    &node.place(path.clone()),
                    format!("expected a list, found {}", node.describe()),
                )
                .help(format!("each item is {}", T::KIND));
            return Self::new();
        };
        items
            .iter()
            .enumerate()
            .map(|(i, item)| T::read(item, &path.index(i), diagnostics))
            .collect()
    }

    fn write(&self) -> Out {
        Out::List(self.iter().map(Value::write).collect())
    }
}

/// A mapping from names that the user chooses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries<T>(pub Vec<(Spanned<String>, T)>);

impl<T: Value> Value for Entries<T> {
    const KIND: &'static str = "a mapping";

    fn read(node: &Node, path: &Path, diagnostics: &mut Diagnostics) -> Self {
        if !report_shape(node, path, T::KIND, diagnostics) {
            return Self::default();
        }
        let read = |(key, node): &(crate::yaml::Key, Rc<Node>)| {
            let path = path.field(&key.text);
            let place = Place {
                line: key.line,
                column: key.column,
                path: path.clone(),
            };
            (
                Spanned {
                    value: key.text.clone(),
                    place,
                },
                T::read(node, &path, diagnostics),
            )
        };
        Self(node.entries().iter().map(read).collect())
    }

    fn write(&self) -> Out {
        Out::Map(
            self.0
                .iter()
                .map(|(key, value)| (key.value.clone(), value.write()))
                .collect(),
        )
    }
}

/// Reports what is no mapping, and keys that stand twice. Whether the node is a mapping.
fn report_shape(node: &Node, path: &Path, what: &str, diagnostics: &mut Diagnostics) -> bool {
    let NodeKind::Mapping { duplicates, .. } = &node.kind else {
        diagnostics
            .error(
                &node.place(path.clone()),
                format!("expected a mapping, found {}", node.describe()),
            )
            .help(format!("it describes {what}"));
        return false;
    };
    for (key, first) in duplicates {
        let place = Place {
            line: key.line,
            column: key.column,
            path: path.field(&key.text),
        };
        diagnostics.error(&place, format!("stands twice, first on line {first}"));
    }
    true
}

/// The nodes of an object's fields, in the order of the table. Reports unknown and missing ones.
///
/// Letter case does not count when no field has the exact name: policies in use write `BTFType`.
pub fn fields<'a>(
    object: &str,
    table: &[Field],
    node: &'a Node,
    path: &Path,
    diagnostics: &mut Diagnostics,
) -> Vec<Option<&'a Rc<Node>>> {
    let mut found = vec![None; table.len()];
    if !report_shape(node, path, object, diagnostics) {
        return found;
    }
    for (key, value) in node.entries() {
        let place = Place {
            line: key.line,
            column: key.column,
            path: path.field(&key.text),
        };
        let position = table.iter().position(|field| field.name == key.text).or_else(|| {
            table
                .iter()
                .position(|field| field.name.eq_ignore_ascii_case(&key.text))
        });
        let Some(position) = position else {
            diagnostics
                .error(&place, format!("unknown field of {object}"))
                .help(unknown_field(&key.text, table));
            continue;
        };
        if found[position].is_some() {
            diagnostics.error(
                &place,
                format!("stands twice: it is the same as `{}`", table[position].name),
            );
        } else if !value.is_null() {
            found[position] = Some(value);
        }
    }
    for (field, found) in table.iter().zip(&found) {
        if field.required && found.is_none() {
            diagnostics
                .error(
                    &node.place(path.field(field.name)),
                    format!("missing: {object} needs it"),
                )
                .help(field.kind);
        }
    }
    found
}

fn unknown_field(name: &str, table: &[Field]) -> String {
    if name == "matchCurrentCred" {
        return "use `data` with `source: current_task` and `resolve: cred.uid.val`, and `matchData`".into();
    }
    suggest::allowed(name, table.iter().map(|field| field.name))
}

/// Declares an object: a struct, the table of its fields, how it is read and printed.
///
/// A field is `rust_name: Type = "name" rule;` where the rule is `required`, `optional` (printed unless it is the
/// type's default) or `default(value)`.
macro_rules! object {
    (
        $(#[doc = $object_doc:literal])*
        $name:ident = $object:literal {
            $( $(#[doc = $doc:literal])* $field:ident : $type:ty = $key:literal $rule:ident $(($default:expr))? ; )*
        }
    ) => {
        $(#[doc = $object_doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])* pub $field: $type, )*
            /// Where the object begins.
            pub place: $crate::place::Place,
            /// Whether something inside could not be read, so that a stand-in is there instead.
            pub broken: bool,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $( $field: $crate::object::initial!($type, $rule $(($default))?), )*
                    place: $crate::place::Place::default(),
                    broken: false,
                }
            }
        }

        impl $crate::object::Object for $name {
            const NAME: &'static str = $object;
            const FIELDS: &'static [$crate::object::Field] = &[
                $( $crate::object::Field {
                    name: $key,
                    kind: <$type as $crate::object::Value>::KIND,
                    required: $crate::object::required!($rule),
                    doc: concat!($($doc, "\n",)*),
                }, )*
            ];
        }

        impl $crate::object::Value for $name {
            const KIND: &'static str = $object;

            fn read(
                node: &$crate::yaml::Node,
                path: &$crate::place::Path,
                diagnostics: &mut $crate::diagnostic::Diagnostics,
            ) -> Self {
                use $crate::object::{Object as _, Value};
                let errors = diagnostics.errors();
                let place = node.place(path.clone());
                let found = $crate::object::fields(Self::NAME, Self::FIELDS, node, path, diagnostics);
                let mut found = found.into_iter();
                $(
                    let $field: $type = match found.next().flatten() {
                        Some(node) => Value::read(node, &path.field($key), diagnostics),
                        None => {
                            let mut value = $crate::object::initial!($type, $rule $(($default))?);
                            Value::set_place(&mut value, &place);
                            value
                        }
                    };
                )*
                Self { $($field,)* place, broken: diagnostics.errors() > errors }
            }

            fn write(&self) -> $crate::yaml::Out {
                use $crate::object::Value;
                let mut entries = Vec::new();
                $(
                    let initial: $type = $crate::object::initial!($type, $rule $(($default))?);
                    if $crate::object::required!($rule) || self.$field != initial {
                        entries.push(($key.to_owned(), Value::write(&self.$field)));
                    }
                )*
                $crate::yaml::Out::Map(entries)
            }
        }
    };
}

macro_rules! initial {
    ($type:ty, default($value:expr)) => {
        <$type>::from($value)
    };
    ($type:ty, $rule:ident) => {
        <$type as Default>::default()
    };
}

macro_rules! required {
    (required) => {
        true
    };
    ($rule:ident) => {
        false
    };
}

/// Declares a closed set of names: an enum whose variants are `Variant = "name" | "other spelling"`.
///
/// The first variant stands in where none could be read.
macro_rules! keywords {
    (
        $(#[doc = $enum_doc:literal])*
        $name:ident = $kind:literal {
            $( $(#[doc = $doc:literal])* $variant:ident = $text:literal $(| $alias:literal)* ; )*
        }
    ) => {
        $(#[doc = $enum_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $( $(#[doc = $doc])* $variant, )*
        }

        impl $name {
            /// All of them, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in a policy.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => $text, )*
                }
            }

            /// The member of this name, in any of its spellings.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $( $text $(| $alias)* => Some(Self::$variant), )*
                    _ => None,
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::ALL[0]
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl $crate::object::Leaf for $name {
            const KIND: &'static str = $kind;

            fn parse(text: &str, _plain: bool) -> Result<Self, $crate::object::Wrong> {
                Self::from_name(text).ok_or_else(|| {
                    $crate::object::Wrong::Value(
                        format!("`{}` is not {}", $crate::yaml::shorten(text), $kind),
                        $crate::suggest::allowed(text, Self::ALL.iter().map(|it| it.name())),
                    )
                })
            }

            fn print(&self) -> $crate::yaml::Out {
                $crate::yaml::Out::Text(self.name().to_owned())
            }
        }
    };
}

pub(crate) use {initial, keywords, object, required};
