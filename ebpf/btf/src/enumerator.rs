//! Values of enumerators.

use crate::{
    kind::Kind,
    read::group_at,
    types::{Btf, Type},
};

impl Btf<'_> {
    /// Value of `name` in the enumeration `enumeration`; negative ones are sign-extended.
    pub fn enumerator(&self, enumeration: &str, name: &str) -> Option<u64> {
        if let Some(found) = self.base.and_then(|base| base.enumerator(enumeration, name)) {
            return Some(found);
        }
        self.own_types()
            .filter(|ty| matches!(ty.kind, Kind::Enum | Kind::Enum64) && self.string_is(ty.name, enumeration))
            .find_map(|ty| self.value_in(&ty, name))
    }

    /// Name and value of each enumerator of `ty`; nothing for other kinds.
    pub(crate) fn enumerators(ty: &Type<'_>) -> impl Iterator<Item = (u32, u64)> {
        let Type {
            kind,
            flag,
            count,
            extra,
            ..
        } = *ty;
        (0..count as usize).map_while(move |index| match kind {
            Kind::Enum => {
                let [name, value] = group_at(extra, index)?;
                let value = if flag {
                    i64::from(value as i32) as u64
                } else {
                    u64::from(value)
                };
                Some((name, value))
            }
            Kind::Enum64 => {
                let [name, low, high] = group_at(extra, index)?;
                Some((name, u64::from(high) << 32 | u64::from(low)))
            }
            _ => None,
        })
    }

    fn value_in(&self, ty: &Type<'_>, name: &str) -> Option<u64> {
        Self::enumerators(ty)
            .find(|&(found, _)| self.string_is(found, name))
            .map(|(_, value)| value)
    }
}
