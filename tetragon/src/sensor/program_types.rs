//! What files say of the structures of programs (`btfPath`).

use std::{
    cell::RefCell,
    fs::File,
    io::{self, Read as _},
    rc::Rc,
};

use btf::Btf;
use policy::model::{ResolvePath, TypeName};
use policy_elf::Elf;

use super::way::{self, End};
use crate::regular;

/// Bytes of type information: the kernel, which is larger than most programs, has some ten mebibytes.
const LONGEST: u64 = 64 << 20;

/// Files with types of programs. The last one that was read is kept: a policy names one for all of its arguments.
#[derive(Debug, Default)]
pub(super) struct ProgramTypes(RefCell<Option<(String, Rc<[u8]>)>>);

impl ProgramTypes {
    /// The end of `path` from a structure that the file at `file` declares. The error is the end of a sentence.
    pub(super) fn walk(&self, file: &str, structure: &TypeName, path: &ResolvePath) -> Result<End, String> {
        let bytes = self.bytes(file)?;
        let types = Btf::parse(&bytes).map_err(|error| format!("{file}: {error}"))?;
        let name = &structure.name;
        let root = types.structure(name);
        let root = root.ok_or_else(|| format!("{file} has no structure `{name}`"))?;
        way::walk(&types, root, true, path)
    }

    fn bytes(&self, file: &str) -> Result<Rc<[u8]>, String> {
        let mut last = self.0.borrow_mut();
        if let Some((known, bytes)) = &*last
            && known == file
        {
            return Ok(Rc::clone(bytes));
        }
        let bytes: Rc<[u8]> = read(file).map_err(|error| format!("{file}: {error}"))?.into();
        *last = Some((file.to_owned(), Rc::clone(&bytes)));
        Ok(bytes)
    }
}

/// Type information by itself, or that of a program.
fn read(path: &str) -> io::Result<Vec<u8>> {
    let (file, _) = regular::open_here(path.as_ref())?.ok_or_else(|| io::Error::other("it is no regular file"))?;
    match Elf::<&File>::read(&file) {
        Ok(elf) => {
            let types = elf.types(LONGEST).map_err(io::Error::other)?;
            return types.ok_or_else(|| io::Error::other("it has no type information (.BTF)"));
        }
        Err(policy_elf::Error::Kind) => {}
        Err(error) => return Err(io::Error::other(error)),
    }
    let mut bytes = vec![];
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other(format!("it has more than {} MiB", LONGEST >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use btf::Builder;
    use policy::arg_type::ArgType;

    use super::*;

    fn name(name: &str) -> TypeName {
        TypeName {
            name: name.to_owned(),
            module: None,
        }
    }

    #[test]
    fn a_way_through_a_structure_of_a_file() {
        let mut types = Builder::new();
        let int = types.int("int", 4);
        let inner = types.structure("inner", 8, &[("pad", int, 0), ("price", int, 32)]);
        let pointer = types.pointer(inner);
        types.structure("order", 16, &[("id", int, 0), ("item", pointer, 64)]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), types.finish()).unwrap();
        let path = file.path().display().to_string();
        let known = ProgramTypes::default();
        let walk = |structure: &str, way: &str| known.walk(&path, &name(structure), &ResolvePath::parse(way).unwrap());
        let end = walk("order", "item.price").unwrap();
        assert_eq!((end.way, end.arg_type), (vec![8, 4], Some(ArgType::Uint32)));
        assert_eq!(
            walk("basket", "id").unwrap_err(),
            format!("{path} has no structure `basket`")
        );
        assert_eq!(walk("order", "items").unwrap_err(), "`order` has no member `items`");
    }

    #[test]
    fn files_that_say_nothing_of_types() {
        let known = ProgramTypes::default();
        let walk = |file: &str| {
            known
                .walk(file, &name("a"), &ResolvePath::parse("b").unwrap())
                .unwrap_err()
        };
        assert_eq!(walk("/dev/null"), "/dev/null: it is no regular file");
        assert!(walk("/nowhere").starts_with("/nowhere: No such file"));
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(walk(&file.path().display().to_string()).contains(": "));
        let own = std::env::current_exe().unwrap().display().to_string();
        assert_eq!(walk(&own), format!("{own}: it has no type information (.BTF)"));
    }
}
