//! Sizes of types.

use crate::{
    kind::Kind,
    read::group_at,
    types::{Btf, TypeId},
};

/// Dimensions of an array that are followed; more count as a cycle.
const DIMENSIONS: usize = 32;

/// Size of a pointer: only 64-bit kernels are supported.
pub(crate) const POINTER: u64 = 8;

impl Btf<'_> {
    /// Size of type `id` in bytes; `None` for what has none, such as `void`, functions and forward declarations.
    pub fn size(&self, id: TypeId) -> Option<u64> {
        let (mut id, mut elements) = (id, 1_u64);
        for _ in 0..DIMENSIONS {
            let ty = self.strip(id)?;
            let size = match ty.kind {
                Kind::Ptr => POINTER,
                Kind::Int | Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Float | Kind::Datasec => {
                    u64::from(ty.size_or_target)
                }
                Kind::Array => {
                    let [element, _index, count] = group_at(ty.extra, 0)?;
                    elements = elements.checked_mul(u64::from(count))?;
                    id = TypeId(element);
                    continue;
                }
                _ => return None,
            };
            return size.checked_mul(elements);
        }
        None
    }

    /// Size in bytes and sign of an integer or enumeration; `None` for other types.
    pub fn integer(&self, id: TypeId) -> Option<(u64, bool)> {
        let ty = self.strip(id)?;
        let signed = match ty.kind {
            // Encoding, in bits 24 to 27: 1 is signed, 2 a character, 4 a boolean.
            Kind::Int => group_at::<1>(ty.extra, 0)?[0] >> 24 & 1 != 0,
            Kind::Enum | Kind::Enum64 => ty.flag,
            _ => return None,
        };
        Some((u64::from(ty.size_or_target), signed))
    }

    /// Type and number of the elements of an array; `None` for other types.
    pub fn array(&self, id: TypeId) -> Option<(TypeId, u32)> {
        let ty = self.strip(id).filter(|ty| ty.kind == Kind::Array)?;
        let [element, _index, count] = group_at(ty.extra, 0)?;
        Some((TypeId(element), count))
    }
}
