//! Functions and their parameters.

use crate::{
    kind::Kind,
    read::group_at,
    types::{Btf, TypeId},
};

/// A function of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// What programs attach to (`attach_btf_id`).
    pub id: TypeId,
    /// Its prototype, for [`Btf::params`].
    pub proto: TypeId,
}

/// A parameter of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// `""` when the prototype does not name it.
    pub name: &'a str,
    /// `TypeId(0)`, without a name, in the last place stands for `...`.
    pub ty: TypeId,
}

impl<'a> Btf<'a> {
    /// The function `name`.
    pub fn function(&self, name: &str) -> Option<Function> {
        let id = self.find_kind(Kind::Func, name)?;
        Some(Function {
            id,
            proto: TypeId(self.get(id)?.size_or_target),
        })
    }

    /// Names of all functions of this file.
    pub fn functions(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.own_types()
            .filter(|ty| ty.kind == Kind::Func)
            .map(|ty| self.name(&ty))
    }

    /// Parameters of prototype `proto`; none for other types.
    pub fn params(&self, proto: TypeId) -> impl Iterator<Item = Param<'a>> + '_ {
        let ty = self.get(proto).filter(|ty| ty.kind == Kind::FuncProto);
        ty.into_iter().flat_map(move |ty| {
            (0..ty.count as usize).map_while(move |index| {
                let [name, param] = group_at(ty.extra, index)?;
                Some(Param {
                    name: self.string(name),
                    ty: TypeId(param),
                })
            })
        })
    }
}
