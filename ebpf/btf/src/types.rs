//! Parsed BTF: types by number.

use crate::{error::Error, header, kind::Kind, read::u32_at};

/// Number of a type. 0 is `void`; the first type of a file is 1, that of split BTF follows the last of its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub u32);

/// Bytes of a record before what its kind adds.
const HEAD: usize = 12;

/// Bytes of a name at most, its NUL included. The kernel's own limit is 512 (`KSYM_NAME_LEN`); without one, a crafted
/// file whose types all share the tail of one long string would make searches quadratic.
const NAME: usize = 1024;

/// How many modifiers are followed before the chain counts as a cycle. Kernels have fewer than ten in a row.
const MODIFIERS: usize = 64;

/// Type information of a kernel, or of a module over that of its kernel.
#[derive(Clone, Debug)]
pub struct Btf<'a> {
    pub(crate) base: Option<&'a Btf<'a>>,
    types: &'a [u8],
    strings: &'a [u8],
    /// Position of each record in `types`.
    records: Vec<u32>,
    first_id: u32,
    first_string: u32,
}

/// One type.
#[derive(Clone, Copy, Debug)]
pub struct Type<'a> {
    /// Its number.
    pub id: TypeId,
    /// What it is.
    pub kind: Kind,
    /// Bit 31 of `info`: bitfields in a struct, union in a forward declaration, signed in an enum.
    pub(crate) flag: bool,
    pub(crate) count: u32,
    pub(crate) name: u32,
    /// Size in bytes, or the type referred to, by kind.
    pub(crate) size_or_target: u32,
    pub(crate) extra: &'a [u8],
}

impl<'a> Btf<'a> {
    /// Parses BTF that stands alone, such as `/sys/kernel/btf/vmlinux`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        Self::parse_over(None, bytes)
    }

    /// Parses BTF of a module, whose types and strings continue those of `base`.
    pub fn parse_split(base: &'a Btf<'a>, bytes: &'a [u8]) -> Result<Self, Error> {
        Self::parse_over(Some(base), bytes)
    }

    fn parse_over(base: Option<&'a Btf<'a>>, bytes: &'a [u8]) -> Result<Self, Error> {
        let header::Sections { types, strings } = header::sections(bytes)?;
        let first_string = base.map_or(0, |base| base.first_string.saturating_add(base.strings.len() as u32));
        let enclosed = base.is_some() || strings.first() == Some(&0);
        if !enclosed || strings.last().is_some_and(|&last| last != 0) {
            return Err(Error::Strings);
        }
        let first_id = base.map_or(1, Btf::end_id);
        // The smallest record takes 12 bytes and kernels average 25; a file of nothing but small ones grows this once.
        let mut records = Vec::with_capacity(types.len() / 24);
        let mut position = 0;
        while position < types.len() {
            let id = first_id.saturating_add(records.len() as u32);
            let record = types.get(position..).unwrap_or_default();
            let info = u32_at(record, 4).ok_or(Error::TypeBounds { id })?;
            let kind = Kind::of_info(info).map_err(|kind| Error::UnknownKind { id, kind })?;
            let len = HEAD as u64 + kind.extra(info & 0xff_ffff);
            if len > record.len() as u64 {
                return Err(Error::TypeBounds { id });
            }
            records.push(position as u32);
            position += len as usize;
        }
        Ok(Self {
            base,
            types,
            strings,
            records,
            first_id,
            first_string,
        })
    }

    /// The number after that of the last type.
    pub(crate) fn end_id(&self) -> u32 {
        self.first_id.saturating_add(self.records.len() as u32)
    }

    /// Number of types, those of the base included, `void` not.
    pub fn len(&self) -> usize {
        self.end_id() as usize - 1
    }

    /// Whether there is no type at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Type `id`; `None` for `void` and for numbers without a type.
    pub fn get(&self, id: TypeId) -> Option<Type<'a>> {
        let Some(index) = id.0.checked_sub(self.first_id) else {
            return self.base?.get(id);
        };
        let position = *self.records.get(index as usize)? as usize;
        let record = self.types.get(position..)?;
        let info = u32_at(record, 4)?;
        let kind = Kind::of_info(info).ok()?;
        let count = info & 0xff_ffff;
        let end = HEAD.checked_add(usize::try_from(kind.extra(count)).ok()?)?;
        Some(Type {
            id,
            kind,
            flag: info >> 31 != 0,
            count,
            name: u32_at(record, 0)?,
            size_or_target: u32_at(record, 8)?,
            extra: record.get(HEAD..end)?,
        })
    }

    /// The types of this file, without those of the base.
    pub(crate) fn own_types(&self) -> impl Iterator<Item = Type<'a>> + '_ {
        (self.first_id..self.end_id()).filter_map(|id| self.get(TypeId(id)))
    }

    /// Name of a type, `""` when anonymous.
    pub fn name(&self, ty: &Type<'_>) -> &'a str {
        self.string(ty.name)
    }

    /// The string at `offset`; `""` where there is none or it is not UTF-8.
    pub(crate) fn string(&self, offset: u32) -> &'a str {
        std::str::from_utf8(self.string_bytes(offset)).unwrap_or_default()
    }

    /// The bytes of the string at `offset` without its NUL; none where there is no string or too long a one.
    pub(crate) fn string_bytes(&self, offset: u32) -> &'a [u8] {
        let Some(own) = offset.checked_sub(self.first_string) else {
            return self.base.map_or(&[], |base| base.string_bytes(offset));
        };
        let tail = self.strings.get(own as usize..).unwrap_or_default();
        let len = tail.iter().take(NAME).position(|&byte| byte == 0).unwrap_or(0);
        tail.get(..len).unwrap_or_default()
    }

    /// Whether the string at `offset` is `name`; looks at no more bytes than `name` has.
    pub(crate) fn string_is(&self, offset: u32, name: &str) -> bool {
        let Some(own) = offset.checked_sub(self.first_string) else {
            return self.base.is_some_and(|base| base.string_is(offset, name));
        };
        let tail = self.strings.get(own as usize..).unwrap_or_default();
        tail.strip_prefix(name.as_bytes())
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    /// The type behind typedefs, qualifiers and type tags; `None` for `void`, for a cycle and for a dangling number.
    pub fn strip(&self, id: TypeId) -> Option<Type<'a>> {
        let mut ty = self.get(id)?;
        for _ in 0..MODIFIERS {
            if !ty.kind.is_modifier() {
                return Some(ty);
            }
            ty = self.get(TypeId(ty.size_or_target))?;
        }
        None
    }

    /// The type that a pointer, typedef, qualifier, function or variable refers to.
    pub fn target(&self, ty: &Type<'_>) -> Option<TypeId> {
        let refers = ty.kind.is_modifier() || matches!(ty.kind, Kind::Ptr | Kind::Func | Kind::FuncProto | Kind::Var);
        refers.then_some(TypeId(ty.size_or_target))
    }
}
