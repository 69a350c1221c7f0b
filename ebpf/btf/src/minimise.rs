//! Cuts a kernel's BTF down to the structures that a test needs.

use std::collections::BTreeMap;

use crate::{
    builder::Builder,
    kind::Kind,
    read::group_at,
    types::{Btf, Type, TypeId},
};

/// A file with the structures, unions and enumerations called `names` and everything that they contain by value.
///
/// Pointers lose their target, so that the file stays at some tens of kilobytes: what [`crate::fields::resolve`] finds
/// in it is what it finds in the original.
pub fn minimise(btf: &Btf<'_>, names: &[&str]) -> Vec<u8> {
    let mut wanted: Vec<TypeId> = btf.structures(names).into_iter().flatten().collect();
    btf.scan(&mut |file, ty| {
        if matches!(ty.kind, Kind::Enum | Kind::Enum64) && names.iter().any(|name| file.string_is(ty.name, name)) {
            wanted.push(ty.id);
        }
    });
    // New numbers are places in `order`, given when a type is first seen: cycles end there.
    let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
    let mut order: Vec<Type<'_>> = vec![];
    while let Some(id) = wanted.pop() {
        let Some(ty) = btf.get(id) else { continue };
        if numbers.contains_key(&id.0) {
            continue;
        }
        order.push(ty);
        numbers.insert(id.0, order.len() as u32);
        wanted.extend(contained(&ty));
    }
    let new = |id: u32| numbers.get(&id).copied().unwrap_or(0);
    let mut builder = Builder::new();
    for ty in &order {
        let (mut kind, mut count, mut size_or_target, mut extra) = (ty.kind, ty.count, ty.size_or_target, vec![]);
        match kind {
            Kind::Struct | Kind::Union => {
                for [name, member, offset] in groups(ty) {
                    extra.extend([builder.string(btf.string(name)), new(member), offset]);
                }
            }
            Kind::Enum => groups(ty).for_each(|[name, value]| extra.extend([builder.string(btf.string(name)), value])),
            Kind::Enum64 => {
                groups(ty).for_each(|[name, low, high]| extra.extend([builder.string(btf.string(name)), low, high]));
            }
            Kind::Array => {
                let [element, index, count] = group_at(ty.extra, 0).unwrap_or_default();
                extra.extend([new(element), new(index), count]);
            }
            Kind::Int => extra.extend(group_at::<1>(ty.extra, 0).unwrap_or_default()),
            modifier if modifier.is_modifier() => size_or_target = new(ty.size_or_target),
            Kind::Ptr => size_or_target = 0,
            Kind::Float | Kind::Fwd => {}
            // Nothing holds these by value.
            _ => (kind, count, size_or_target) = (Kind::Fwd, 0, 0),
        }
        builder.raw(kind, btf.name(ty), ty.flag, count, size_or_target, &extra);
    }
    builder.finish()
}

/// The elements of `ty`, each of `N` numbers.
fn groups<'a, const N: usize>(ty: &Type<'a>) -> impl Iterator<Item = [u32; N]> + use<'a, N> {
    let Type { count, extra, .. } = *ty;
    (0..count as usize).map_while(move |index| group_at(extra, index))
}

/// The types that `ty` contains by value.
fn contained(ty: &Type<'_>) -> Vec<TypeId> {
    match ty.kind {
        Kind::Struct | Kind::Union => groups(ty).map(|[_, member, _]| TypeId(member)).collect(),
        Kind::Array => group_at(ty.extra, 0)
            .into_iter()
            .flat_map(|[element, index, _count]| [TypeId(element), TypeId(index)])
            .collect(),
        kind if kind.is_modifier() => vec![TypeId(ty.size_or_target)],
        _ => vec![],
    }
}
