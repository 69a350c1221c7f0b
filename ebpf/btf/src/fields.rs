//! Applies the table of kernel fields ([`ebpf_abi::field::TABLE`]) to a kernel's type information.

use std::fmt;

use ebpf_abi::field::{Field, MISSING, Offsets, Source, TABLE};
use zerocopy::{FromBytes as _, IntoBytes as _};

use crate::types::{Btf, TypeId};

/// Every field of the table resolved.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// For the `OFFSETS` global of the kernel programs.
    pub offsets: Offsets,
    choices: Vec<Choice>,
}

/// How one field of the table was resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The row of the table.
    pub field: &'static Field,
    /// The alternative that exists here and what it resolved to; `None` when the kernel has none of them.
    pub found: Option<(&'static str, u32)>,
}

/// Required fields that a file does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "kernel type information lacks {}: the BTF file may belong to another kernel or be incomplete",
    names(missing)
)]
pub struct MissingFields {
    /// All of them, in the order of the table.
    pub missing: Vec<&'static Field>,
}

/// Resolves every field in one pass over the types.
pub fn resolve(btf: &Btf<'_>) -> Result<Resolved, MissingFields> {
    resolve_table(btf, TABLE)
}

/// The structures and enumerations that the table names: what [`minimise`](fn@crate::minimise) has to keep.
pub fn type_names() -> Vec<&'static str> {
    let mut names: Vec<_> = TABLE
        .iter()
        .flat_map(|field| alternatives(&field.source))
        .map(|path| split(path).0)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn resolve_table(btf: &Btf<'_>, table: &'static [Field]) -> Result<Resolved, MissingFields> {
    let names = type_names();
    let types = btf.structures(&names);
    let structure = |name: &str| -> Option<TypeId> { types[names.binary_search(&name).ok()?] };
    let choices: Vec<Choice> = table
        .iter()
        .map(|field| {
            let found = alternatives(&field.source).find_map(|path| {
                let (name, rest) = split(path);
                let value = match field.source {
                    Source::Member(_) => {
                        let member = btf.member(structure(name)?, rest)?;
                        // The programs read whole bytes; a bitfield is another field to them.
                        member.bitfield.is_none().then(|| member.byte_offset())
                    }
                    Source::Size(_) => btf.size(structure(name)?),
                    Source::Enumerator(_) => btf.enumerator(name, rest),
                };
                let value = u32::try_from(value?).ok().filter(|&value| value != MISSING)?;
                Some((path, value))
            });
            Choice { field, found }
        })
        .collect();
    let missing: Vec<_> = choices
        .iter()
        .filter(|choice| choice.field.required && choice.found.is_none())
        .map(|choice| choice.field)
        .collect();
    if !missing.is_empty() {
        return Err(MissingFields { missing });
    }
    let values: Vec<u32> = choices
        .iter()
        .map(|choice| choice.found.map_or(MISSING, |(_, value)| value))
        .collect();
    let offsets = Offsets::read_from_bytes(values.as_bytes()).unwrap_or(Offsets::UNRESOLVED);
    Ok(Resolved { offsets, choices })
}

impl Resolved {
    /// How each field was resolved, in the order of the table.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }
}

impl fmt::Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.choices.iter().try_for_each(|choice| writeln!(f, "{choice}"))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, found } = self;
        match found {
            Some((path, value)) => write!(f, "{}: {value} ({path})", field.name),
            None => write!(f, "{}: absent ({})", field.name, described(field)),
        }
    }
}

fn alternatives(source: &Source) -> impl Iterator<Item = &'static str> + use<> {
    let (many, one): (&'static [&'static str], _) = match *source {
        Source::Member(paths) => (paths, None),
        Source::Size(path) | Source::Enumerator(path) => (&[], Some(path)),
    };
    many.iter().copied().chain(one)
}

fn described(field: &Field) -> String {
    alternatives(&field.source).collect::<Vec<_>>().join(" or ")
}

fn names(missing: &[&Field]) -> String {
    missing
        .iter()
        .map(|field| described(field))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `task_struct.pid` is member `pid` of `task_struct`.
fn split(path: &'static str) -> (&'static str, &'static str) {
    path.split_once('.').unwrap_or((path, ""))
}
