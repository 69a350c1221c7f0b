//! Places in programs and libraries.

use std::{fs::File, os::unix::fs::MetadataExt as _};

use object::{
    Endianness,
    elf::{FileHeader64, PT_LOAD, STT_FUNC},
    read::{
        ReadCache, ReadRef,
        elf::{FileHeader as _, ProgramHeader as _, Sym as _},
    },
};
use policy::{
    model::{Symbol, UprobePlaces},
    suggest,
};

/// Where `places` are in the file `path`: the symbol of each, or its offset as text, and its offset in the file. The error
/// is a sentence.
pub(super) fn places(path: &str, places: &UprobePlaces) -> Result<Vec<(String, u64)>, String> {
    let label = |offset: u64| format!("{offset:#x}");
    if let UprobePlaces::Offsets(offsets) = places {
        return Ok(offsets.iter().map(|&offset| (label(offset), offset)).collect());
    }
    let file = open(path)?;
    // Only what is looked at is read: programs are large.
    let cache = ReadCache::new(file);
    let elf = Elf::parse(&cache).map_err(|error| format!("{path}: {error}"))?;
    match places {
        UprobePlaces::Offsets(_) => Ok(vec![]),
        UprobePlaces::Addresses(addresses) => addresses
            .iter()
            .map(|&address| Ok((label(address), elf.offset(path, address)?)))
            .collect(),
        UprobePlaces::Symbols(symbols) => symbols.iter().map(|symbol| elf.symbol(path, symbol)).collect(),
    }
}

/// Opens a regular file; opening a pipe would wait for a writer.
fn open(path: &str) -> Result<File, String> {
    let failed = |error: std::io::Error| format!("{path}: {error}");
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!("{path} is no regular file"));
    }
    File::open(path).map_err(failed)
}

/// Which file a path leads to, and in which state: device, inode, length and time of the last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity(u64, u64, u64, i64, i64);

impl Identity {
    pub(super) fn of(path: &str) -> Result<Self, String> {
        let data = std::fs::metadata(path).map_err(|error| format!("{path}: {error}"))?;
        Ok(Self(
            data.dev(),
            data.ino(),
            data.size(),
            data.mtime(),
            data.mtime_nsec(),
        ))
    }
}

/// What a file says of itself.
struct Elf {
    /// Of what is mapped: address, length in the file, offset in the file.
    segments: Vec<(u64, u64, u64)>,
    /// Functions and their addresses.
    functions: Vec<(String, u64)>,
}

impl Elf {
    fn parse<'a, R: ReadRef<'a>>(data: R) -> Result<Self, object::Error> {
        let header = FileHeader64::<Endianness>::parse(data)?;
        let endian = header.endian()?;
        let segments = header
            .program_headers(endian, data)?
            .iter()
            .filter(|segment| segment.p_type(endian) == PT_LOAD)
            .map(|segment| {
                (
                    segment.p_vaddr(endian),
                    segment.p_filesz(endian),
                    segment.p_offset(endian),
                )
            })
            .collect();
        let sections = header.sections(endian, data)?;
        let mut functions = vec![];
        for kind in [object::elf::SHT_SYMTAB, object::elf::SHT_DYNSYM] {
            let symbols = sections.symbols(endian, data, kind)?;
            for symbol in symbols.iter() {
                if symbol.st_type() == STT_FUNC && !symbol.is_undefined(endian) {
                    let name = symbol.name(endian, symbols.strings())?;
                    functions.push((String::from_utf8_lossy(name).into_owned(), symbol.st_value(endian)));
                }
            }
        }
        Ok(Self { segments, functions })
    }

    /// Where the file has what is at `address` when it runs.
    fn offset(&self, path: &str, address: u64) -> Result<u64, String> {
        let found = self.segments.iter().find_map(|&(start, len, offset)| {
            let within = address.checked_sub(start).filter(|within| *within < len)?;
            offset.checked_add(within)
        });
        found.ok_or_else(|| format!("{path} has nothing at address {address:#x}"))
    }

    fn symbol(&self, path: &str, symbol: &Symbol) -> Result<(String, u64), String> {
        let named = self.functions.iter().find(|(name, _)| *name == symbol.name);
        let Some((name, address)) = named else {
            let known = self.functions.iter().map(|(name, _)| name.as_str());
            let help = match suggest::nearest(&symbol.name, known) {
                Some(near) => format!(": did you mean `{near}`?"),
                None if self.functions.is_empty() => ": it has no symbols at all, use offsets or addrs".to_owned(),
                None => String::new(),
            };
            return Err(format!("{path} has no function `{}`{help}", symbol.name));
        };
        let place = address.wrapping_add(symbol.offset);
        let label = match symbol.offset {
            0 => name.clone(),
            behind => format!("{name}+{behind:#x}"),
        };
        Ok((label, self.offset(path, place)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str, offset: u64) -> UprobePlaces {
        UprobePlaces::Symbols(vec![Symbol {
            name: name.into(),
            offset,
        }])
    }

    #[test]
    fn a_function_of_this_very_test_is_found_by_name_and_address() {
        let path = std::env::current_exe().unwrap().display().to_string();
        let [(name, offset)] = &places(&path, &symbol("main", 4)).unwrap()[..] else {
            panic!("one place");
        };
        assert_eq!(name, "main+0x4");
        // The bytes there are those in memory.
        let file = std::fs::read(&path).unwrap();
        assert!((*offset as usize) < file.len());
        let error = places(&path, &symbol("mainn", 0)).unwrap_err();
        assert!(
            error.ends_with("has no function `mainn`: did you mean `main`?"),
            "{error}"
        );
        let error = places(&path, &UprobePlaces::Addresses(vec![u64::MAX])).unwrap_err();
        assert!(error.contains("nothing at address 0xffffffffffffffff"), "{error}");
        let offsets = places("/nowhere", &UprobePlaces::Offsets(vec![16])).unwrap();
        assert_eq!(offsets, [("0x10".to_owned(), 16)]);
        assert!(places("/dev/null", &symbol("main", 0)).is_err());
    }
}
