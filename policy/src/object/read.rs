//! How values of every shape are read and printed.

use std::rc::Rc;

use super::{Field, Leaf, Value, Wrong};
use crate::diagnostic::Diagnostics;
use crate::place::{Path, Place, Spanned};
use crate::suggest;
use crate::yaml::{Key, Node, NodeKind, Out};

impl<T: Leaf> Value for Spanned<T> {
    const KIND: &'static str = T::KIND;

    fn read(node: &Node, path: &Path, diagnostics: &mut Diagnostics) -> Self {
        let place = node.place(path.clone());
        let result = match &node.kind {
            NodeKind::Scalar { text, plain } if !node.is_null() => T::parse(text, *plain),
            NodeKind::Scalar { .. } | NodeKind::Sequence(_) | NodeKind::Mapping { .. } => Err(Wrong::Kind),
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
        let mut values = Self::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            // Nobody reads the rest: the file is refused.
            if diagnostics.is_full() {
                break;
            }
            values.push(T::read(item, &path.index(i), diagnostics));
        }
        values
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
        let read = |(key, node): &(Key, Rc<Node>)| {
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
        if diagnostics.is_full() {
            return found;
        }
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
