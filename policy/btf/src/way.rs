//! The way from a value of the kernel to a part of it: `resolve`.

use btf::{Btf, Kind, TypeId};
use policy::{
    arg_type::ArgType,
    model::{ResolvePath, Step},
};

/// Where a way leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Offsets: at each but the last a pointer is read that many bytes behind where the way has come to, and followed; the
    /// last leads to the value.
    pub way: Vec<i32>,
    /// How to read what is there, if its type says so.
    pub arg_type: Option<ArgType>,
}

/// Walks `path` from a value of type `root`: a pointer that is followed or, with `address`, a structure whose address is
/// the value. The error is the end of a sentence.
pub fn walk(types: &Btf<'_>, root: TypeId, address: bool, path: &ResolvePath) -> Result<End, String> {
    let mut at = Place {
        types,
        way: vec![],
        offset: 0,
        ty: root,
        is_address: address,
    };
    for step in &path.0 {
        match step {
            Step::Member(name) => at.member(name)?,
            Step::Element(index) => at.element(*index)?,
        }
    }
    at.end()
}

struct Place<'a> {
    types: &'a Btf<'a>,
    way: Vec<i32>,
    /// Behind where the way has come to.
    offset: u64,
    ty: TypeId,
    /// Whether the type is that of what is at the place, rather than of the word that the way begins with.
    is_address: bool,
}

impl Place<'_> {
    /// Follows the pointer that is here.
    fn follow(&mut self, target: TypeId) -> Result<(), String> {
        if self.is_address {
            self.way.push(self.small(self.offset)?);
        }
        self.is_address = true;
        self.offset = 0;
        self.ty = target;
        Ok(())
    }

    fn small(&self, offset: u64) -> Result<i32, String> {
        i32::try_from(offset).map_err(|_| format!("{} lies too far behind", self.name()))
    }

    fn pointed(&self) -> Option<TypeId> {
        let ty = self.types.strip(self.ty)?;
        (ty.kind == Kind::Ptr).then(|| self.types.target(&ty)).flatten()
    }

    fn name(&self) -> String {
        let ty = self.types.strip(self.ty);
        match ty.map(|ty| self.types.name(&ty)) {
            None | Some("") => "an unnamed type".to_owned(),
            Some(name) => format!("`{name}`"),
        }
    }

    fn member(&mut self, name: &str) -> Result<(), String> {
        if let Some(target) = self.pointed() {
            self.follow(target)?;
        }
        let Some(member) = self.types.member(self.ty, name) else {
            return Err(format!("{} has no member `{name}`", self.name()));
        };
        if member.bitfield.is_some() {
            return Err(format!("`{name}` is a bitfield, which cannot be read"));
        }
        self.offset += member.byte_offset();
        self.ty = member.ty;
        Ok(())
    }

    fn element(&mut self, index: u32) -> Result<(), String> {
        let element = if let Some((element, count)) = self.types.array(self.ty) {
            if index >= count && count > 0 {
                return Err(format!("there are {count} elements, {index} is none of them"));
            }
            element
        } else if let Some(target) = self.pointed() {
            self.follow(target)?;
            target
        } else {
            return Err(format!("{} has no elements", self.name()));
        };
        let size = self.types.size(element).unwrap_or(0);
        self.offset += size * u64::from(index);
        self.ty = element;
        Ok(())
    }

    fn end(mut self) -> Result<End, String> {
        if let Some((bytes, signed)) = self.types.integer(self.ty) {
            self.way.push(self.small(self.offset)?);
            return Ok(End {
                way: self.way,
                arg_type: Some(ArgType::of_integer(bytes, signed)),
            });
        }
        let is_char = |ty: TypeId| self.types.integer(ty).is_some_and(|(bytes, _)| bytes == 1);
        let text = match self.pointed() {
            Some(target) => {
                let text = is_char(target);
                // What a pointer points to is what is read.
                self.follow(target)?;
                text
            }
            None => self.types.array(self.ty).is_some_and(|(element, _)| is_char(element)),
        };
        self.way.push(self.small(self.offset)?);
        Ok(End {
            way: self.way,
            arg_type: text.then_some(ArgType::String),
        })
    }
}
