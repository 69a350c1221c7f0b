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
        i32::try_from(offset).map_err(|_| self.too_far())
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
        self.offset = self.behind(Some(member.byte_offset()))?;
        self.ty = member.ty;
        Ok(())
    }

    /// What is `bytes` behind the place; nobody knows where that is if they are too many to count.
    fn behind(&self, bytes: Option<u64>) -> Result<u64, String> {
        let offset = bytes.and_then(|bytes| self.offset.checked_add(bytes));
        offset.ok_or_else(|| self.too_far())
    }

    fn too_far(&self) -> String {
        format!("{} lies too far behind", self.name())
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
        // The first one is where they begin, whatever its size.
        let bytes = match index {
            0 => Some(0),
            _ => self.types.size(element).and_then(|size| size.checked_mul(index.into())),
        };
        self.offset = self.behind(bytes)?;
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

#[cfg(test)]
mod tests {
    use btf::Builder;

    use super::*;

    #[test]
    fn what_no_memory_is_large_enough_for() {
        let mut types = Builder::new();
        let int = types.int("int", 4);
        let row = types.array(int, u32::MAX);
        let square = types.array(row, u32::MAX);
        let cube = types.array(square, u32::MAX);
        let hypercube = types.array(cube, u32::MAX);
        let root = types.structure(
            "s",
            8,
            &[("first", int, 0), ("cube", cube, 64), ("more", hypercube, 64)],
        );
        let bytes = types.finish();
        let types = Btf::parse(&bytes).unwrap();
        let walk = |way: &str| walk(&types, root, true, &ResolvePath::parse(way).unwrap());
        assert_eq!(walk("cube[0][0][5]").unwrap().way, [28]);
        assert_eq!(walk("more[0][0][0][1]").unwrap().way, [12]);
        // Beyond what an offset holds, then beyond 64 bits: by the size of an element, by their number, and by both together.
        for way in [
            "cube[0][1][0]",
            "cube[1][0][0]",
            "cube[4294967294][0][0]",
            "cube[1][4294967294][0]",
            "more[1][0][0][0]",
        ] {
            let error = walk(way).unwrap_err();
            assert!(error.ends_with(" lies too far behind"), "{way}: {error}");
        }
    }
}
