//! Types by name.
//!
//! BTF has no index, and building one would cost more than the few searches that an agent makes. One pass over all
//! types serves any number of names.

use crate::{
    kind::Kind,
    types::{Btf, Type, TypeId},
};

impl<'a> Btf<'a> {
    /// The structure or union `name`. Of several, the one with the largest size, as a file may hold other definitions
    /// of the same name; forward declarations do not count.
    pub fn structure(&self, name: &str) -> Option<TypeId> {
        self.structures(&[name]).pop().flatten()
    }

    /// [`Self::structure`] for many names in one pass, in the order of `names`.
    pub fn structures(&self, names: &[&str]) -> Vec<Option<TypeId>> {
        let wanted = Wanted::new(names);
        let mut best: Vec<Option<(u32, TypeId)>> = vec![None; names.len()];
        self.scan(&mut |btf, ty| {
            if !ty.kind.is_composite() {
                return;
            }
            for index in wanted.matches(btf.string_bytes(ty.name)) {
                let larger = best[index].is_none_or(|(size, _)| ty.size_or_target > size);
                if larger {
                    best[index] = Some((ty.size_or_target, ty.id));
                }
            }
        });
        best.into_iter().map(|found| found.map(|(_, id)| id)).collect()
    }

    /// The first type of `kind` called `name`, that of the base preferred.
    pub fn find_kind(&self, kind: Kind, name: &str) -> Option<TypeId> {
        if let Some(found) = self.base.and_then(|base| base.find_kind(kind, name)) {
            return Some(found);
        }
        self.own_types()
            .find(|ty| ty.kind == kind && self.string_is(ty.name, name))
            .map(|ty| ty.id)
    }

    /// Calls `visit` for every type, those of the base first, with the file that the type is in.
    pub(crate) fn scan(&self, visit: &mut dyn FnMut(&Btf<'a>, Type<'a>)) {
        if let Some(base) = self.base {
            base.scan(visit);
        }
        for ty in self.own_types() {
            visit(self, ty);
        }
    }
}

/// Names to look for, sorted so that a candidate is compared with a few of them only.
struct Wanted<'n> {
    sorted: Vec<(&'n [u8], usize)>,
}

impl<'n> Wanted<'n> {
    fn new(names: &[&'n str]) -> Self {
        let mut sorted: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(index, name)| (name.as_bytes(), index))
            .collect();
        sorted.sort_unstable();
        Self { sorted }
    }

    /// Positions in the original list of the names equal to `name`.
    fn matches<'s>(&'s self, name: &[u8]) -> impl Iterator<Item = usize> + use<'s, 'n> {
        let name_is_wanted = !name.is_empty();
        let start = self.sorted.partition_point(|(wanted, _)| *wanted < name);
        let end = start + self.sorted[start..].partition_point(|(wanted, _)| *wanted == name);
        self.sorted[start..end]
            .iter()
            .filter(move |_| name_is_wanted)
            .map(|&(_, index)| index)
    }
}
