//! Writes small BTF files: for tests, and for [`minimise`](fn@crate::minimise).

use std::collections::BTreeMap;

use crate::{
    header::{HEADER_LEN, MAGIC},
    kind::Kind,
    types::TypeId,
};

/// A BTF file under construction. Methods that add a type return its number.
///
/// Nothing is checked: tests write broken files with it.
#[derive(Debug)]
pub struct Builder {
    types: Vec<u8>,
    strings: Vec<u8>,
    known: BTreeMap<String, u32>,
    first_string: u32,
    next_id: u32,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// An empty file.
    pub fn new() -> Self {
        Self {
            types: vec![],
            strings: vec![0],
            known: BTreeMap::new(),
            first_string: 0,
            next_id: 1,
        }
    }

    /// A file that continues the one that was in `self`, for a module.
    #[must_use]
    pub fn split(&self) -> Self {
        let first_string = self.first_string + self.strings.len() as u32;
        Self {
            types: vec![],
            strings: vec![],
            known: BTreeMap::new(),
            first_string,
            next_id: self.next_id,
        }
    }

    /// Position of `text` in the string section.
    pub fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(&known) = self.known.get(text) {
            return known;
        }
        let position = self.first_string + self.strings.len() as u32;
        self.strings.extend(text.bytes().chain([0]));
        self.known.insert(text.to_owned(), position);
        position
    }

    /// Any type: head and, as numbers, what follows it.
    pub fn raw(
        &mut self,
        kind: Kind,
        name: &str,
        flag: bool,
        count: u32,
        size_or_target: u32,
        extra: &[u32],
    ) -> TypeId {
        let name = self.string(name);
        let info = (kind as u32) << 24 | u32::from(flag) << 31 | count;
        let words = [name, info, size_or_target];
        self.types
            .extend(words.iter().chain(extra).flat_map(|word| word.to_le_bytes()));
        let id = TypeId(self.next_id);
        self.next_id += 1;
        id
    }

    /// An unsigned integer of `size` bytes.
    pub fn int(&mut self, name: &str, size: u32) -> TypeId {
        self.raw(Kind::Int, name, false, 0, size, &[size * 8])
    }

    /// A pointer.
    pub fn pointer(&mut self, target: TypeId) -> TypeId {
        self.raw(Kind::Ptr, "", false, 0, target.0, &[])
    }

    /// An array.
    pub fn array(&mut self, element: TypeId, count: u32) -> TypeId {
        self.raw(Kind::Array, "", false, 0, 0, &[element.0, element.0, count])
    }

    /// A typedef.
    pub fn typedef(&mut self, name: &str, target: TypeId) -> TypeId {
        self.raw(Kind::Typedef, name, false, 0, target.0, &[])
    }

    /// A structure: `(name, type, offset in bits)`.
    pub fn structure(&mut self, name: &str, size: u32, members: &[(&str, TypeId, u32)]) -> TypeId {
        self.composite(Kind::Struct, name, size, members)
    }

    /// A union, likewise.
    pub fn union(&mut self, name: &str, size: u32, members: &[(&str, TypeId, u32)]) -> TypeId {
        self.composite(Kind::Union, name, size, members)
    }

    fn composite(&mut self, kind: Kind, name: &str, size: u32, members: &[(&str, TypeId, u32)]) -> TypeId {
        let extra: Vec<u32> = members
            .iter()
            .flat_map(|&(name, ty, offset)| [self.string(name), ty.0, offset])
            .collect();
        self.raw(kind, name, false, members.len() as u32, size, &extra)
    }

    /// An enumeration of 4 bytes.
    pub fn enumeration(&mut self, name: &str, values: &[(&str, u32)]) -> TypeId {
        let extra: Vec<u32> = values
            .iter()
            .flat_map(|&(name, value)| [self.string(name), value])
            .collect();
        self.raw(Kind::Enum, name, false, values.len() as u32, 4, &extra)
    }

    /// The finished file.
    pub fn finish(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LEN + self.types.len() + self.strings.len());
        bytes.extend(MAGIC.to_le_bytes());
        bytes.extend([1, 0]);
        let types = self.types.len() as u32;
        for number in [HEADER_LEN as u32, 0, types, types, self.strings.len() as u32] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(&self.types);
        bytes.extend(&self.strings);
        bytes
    }
}
