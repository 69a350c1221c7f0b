//! Tables of the fields of every message, generated from the `.proto` files.
//!
//! Parsing, field filters and the checks of field paths walk these tables instead of having code for each message.

/// A message type.
#[derive(Debug)]
pub struct Message {
    /// Name within the package.
    pub name: &'static str,
    /// In declaration order, which is the order of JSON output. At most 64.
    pub fields: &'static [Field],
}

impl Message {
    /// The field called `name`, in its own spelling or in lowerCamelCase.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.position(name).map(|index| &self.fields[index])
    }

    /// Index in [`Self::fields`] of the field called `name`, in its own spelling or in lowerCamelCase.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.fields
            .iter()
            .position(|field| field.name == name || field.json_name == name)
    }
}

/// A field of a message.
#[derive(Debug)]
pub struct Field {
    /// Name as the schema spells it.
    pub name: &'static str,
    /// Name in lowerCamelCase, which input may also use.
    pub json_name: &'static str,
    /// Number on the wire.
    pub number: u32,
    /// How many values it takes.
    pub label: Label,
    /// Type of one value.
    pub kind: Kind,
    /// Fields of one message with the same number here exclude each other.
    pub oneof: Option<i32>,
}

/// How many values a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// One at most.
    One,
    /// A list.
    Many,
    /// A map from strings.
    Map,
}

/// Type of a value.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names are those of the schema language")]
pub enum Kind {
    Bool,
    Int32,
    Uint32,
    Int64,
    Uint64,
    String,
    Bytes,
    Enum(&'static Enum),
    Message(&'static Message),
    /// A `google.protobuf.*Value`, whose JSON form is the bare value.
    Wrapper(&'static Kind),
    Timestamp,
    Duration,
    FieldMask,
    Any,
}

/// An enum type.
#[derive(Debug)]
pub struct Enum {
    /// Numbers, ascending, and their names.
    pub values: &'static [(i32, &'static str)],
}

impl Enum {
    /// Name of `number`.
    pub fn name(&self, number: i32) -> Option<&'static str> {
        let index = self.values.binary_search_by_key(&number, |&(number, _)| number).ok()?;
        Some(self.values[index].1)
    }

    /// Number of `name`, which is spelled as in the schema.
    pub fn number(&self, name: &str) -> Option<i32> {
        let value = self.values.iter().find(|&&(_, other)| other == name)?;
        Some(value.0)
    }
}
