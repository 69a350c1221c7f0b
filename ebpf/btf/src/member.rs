//! Members of structures and unions.

use crate::{
    read::group_at,
    types::{Btf, Type, TypeId},
};

/// Nesting of structures by value that is followed; kernels stay below 12.
const DEPTH: u32 = 32;

/// Members looked at for one path. The largest structures have a few hundred; a crafted file could make the descent
/// into anonymous members exponential.
const MEMBERS: u32 = 100_000;

/// Where a member lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// From the beginning of the structure that the path began at, in bits.
    pub bit_offset: u64,
    /// Width in bits if the member is a bitfield.
    pub bitfield: Option<u8>,
    /// Its declared type.
    pub ty: TypeId,
    /// Size of the declared type in bytes; `None` for flexible oddities without a size.
    pub size: Option<u64>,
}

impl Member {
    /// Offset in bytes; of a bitfield, that of the byte in which it begins.
    pub const fn byte_offset(&self) -> u64 {
        self.bit_offset / 8
    }
}

/// A member as its own structure lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawMember<'a> {
    /// `""` for an anonymous member.
    pub name: &'a str,
    /// Its declared type.
    pub ty: TypeId,
    /// From the beginning of its structure, in bits.
    pub bit_offset: u32,
    /// Width in bits if the member is a bitfield.
    pub bitfield: Option<u8>,
}

/// Name, type, bit offset and bitfield width of the `index`-th member, without touching the name's string.
fn parts(ty: &Type<'_>, index: u32) -> Option<(u32, TypeId, u32, Option<u8>)> {
    let [name, member, offset] = group_at(ty.extra, index as usize)?;
    let (offset, width) = if ty.flag {
        (offset & 0xff_ffff, (offset >> 24) as u8)
    } else {
        (offset, 0)
    };
    Some((name, TypeId(member), offset, (width != 0).then_some(width)))
}

impl<'a> Btf<'a> {
    /// Members of a structure or union in the order of their declaration; none for other types.
    pub fn members(&self, id: TypeId) -> impl Iterator<Item = RawMember<'a>> + '_ {
        let ty = self.strip(id).filter(|ty| ty.kind.is_composite());
        ty.into_iter().flat_map(move |ty| {
            (0..ty.count).filter_map(move |index| {
                let (name, member, bit_offset, bitfield) = parts(&ty, index)?;
                Some(RawMember {
                    name: self.string(name),
                    ty: member,
                    bit_offset,
                    bitfield,
                })
            })
        })
    }

    /// The member of structure `id` that C code would name by `path`, such as `f_path.mnt`.
    ///
    /// Descends into anonymous structures and unions and into members by value, through typedefs and qualifiers, never
    /// through pointers. An array is the place of its first element.
    pub fn member(&self, id: TypeId, path: &str) -> Option<Member> {
        let mut at = Member {
            bit_offset: 0,
            bitfield: None,
            ty: id,
            size: None,
        };
        let mut budget = MEMBERS;
        for name in path.split('.') {
            if name.is_empty() {
                return None;
            }
            let found = self.find(at.ty, name, DEPTH, &mut budget)?;
            at = Member {
                bit_offset: at.bit_offset.checked_add(found.bit_offset)?,
                ..found
            };
        }
        at.size = self.size(at.ty);
        Some(at)
    }

    fn find(&self, id: TypeId, name: &str, depth: u32, budget: &mut u32) -> Option<Member> {
        let depth = depth.checked_sub(1)?;
        let ty = self.strip(id).filter(|ty| ty.kind.is_composite())?;
        for index in 0..ty.count {
            *budget = budget.checked_sub(1)?;
            let (member_name, member, bit_offset, bitfield) = parts(&ty, index)?;
            let bit_offset = u64::from(bit_offset);
            if self.string_is(member_name, name) {
                return Some(Member {
                    bit_offset,
                    bitfield,
                    ty: member,
                    size: None,
                });
            }
            if member_name == 0
                && let Some(inner) = self.find(member, name, depth, budget)
            {
                return Some(Member {
                    bit_offset: bit_offset.checked_add(inner.bit_offset)?,
                    ..inner
                });
            }
        }
        None
    }
}
