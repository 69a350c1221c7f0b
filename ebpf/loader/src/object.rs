//! Objects: programs, maps and globals as bytes, before anything is in the kernel.

use std::{collections::HashMap, sync::Arc};

use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use zerocopy::IntoBytes as _;

use crate::{error::Error, loaded::Loaded, map::Maps};

/// A parsed object. Cloning gives a second instance with globals of its own.
#[derive(Clone, Debug)]
pub struct Object {
    pub(crate) inner: aya_obj::Object,
}

impl Object {
    /// Parses an ELF object, wherever it lies in memory, and checks that its `ABI_VERSION` global is that of this crate.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        // ELF readers want the alignment of their widest field.
        let mut aligned = vec![0_u64; bytes.len().div_ceil(8)];
        aligned.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
        let bytes = &aligned.as_bytes()[..bytes.len()];
        let expected = ebpf_abi::ABI_VERSION;
        match constant(bytes, "ABI_VERSION")? {
            Some(found) if found == expected => {}
            Some(found) => return Err(Error::Version { found, expected }),
            None => return Err(Error::NoGlobal("ABI_VERSION".to_owned())),
        }
        let inner = aya_obj::Object::parse(bytes).map_err(|error| Error::Parse(error.to_string()))?;
        Ok(Self { inner })
    }

    /// Sets the constant or variable `name`, which must have exactly these many bytes.
    pub fn set_global(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        use aya_obj::ParseError::{InvalidGlobalData, SymbolNotFound};
        self.inner
            .patch_map_data(HashMap::from([(name, (value, true))]))
            .map_err(|error| match error {
                SymbolNotFound { name } => Error::NoGlobal(name),
                InvalidGlobalData {
                    name,
                    sym_size,
                    data_size,
                } => Error::GlobalSize {
                    name,
                    expected: sym_size,
                    given: data_size,
                },
                other => Error::Parse(other.to_string()),
            })
    }

    /// Sets the number of entries of `map`; of a ring buffer, its size in bytes, a power of two and of whole pages.
    pub fn set_max_entries(&mut self, map: &str, entries: u32) -> Result<(), Error> {
        let map = self
            .inner
            .maps
            .get_mut(map)
            .ok_or_else(|| Error::NoMap(map.to_owned()))?;
        map.set_max_entries(entries);
        Ok(())
    }

    /// Names of the programs, sorted.
    pub fn programs(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.inner.programs.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Names of the maps, sorted, those of global variables (`.rodata` and the like) included.
    pub fn maps(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.inner.maps.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Creates all maps in the kernel, fills in the globals, freezes the constant ones, and resolves the references of
    /// programs to maps. Programs are not loaded yet.
    pub fn create(self) -> Result<Loaded, Error> {
        Loaded::create(self, &Maps::default())
    }

    /// Like [`Self::create`], but with the maps that are in `shared`: another instance of the same programs. Constants
    /// are its own.
    pub fn create_sharing(self, shared: &Maps) -> Result<Loaded, Error> {
        Loaded::create(self, shared)
    }

    /// Resolves the references of programs to maps that another instance of this object has created: programs of both
    /// share them. Values set in this instance are not used.
    pub fn with_maps(self, maps: Arc<Maps>) -> Result<Loaded, Error> {
        Loaded::with_maps(self, maps)
    }
}

/// Value of a `u32` global in the object; `None` if it has none.
fn constant(bytes: &[u8], name: &str) -> Result<Option<u32>, Error> {
    let file = object::File::parse(bytes).map_err(|error| Error::Parse(error.to_string()))?;
    if file.architecture() != object::Architecture::Bpf || !file.is_little_endian() {
        return Err(Error::Parse("not a little-endian eBPF object".to_owned()));
    }
    let Some(symbol) = file.symbols().find(|symbol| symbol.name() == Ok(name)) else {
        return Ok(None);
    };
    let data = symbol
        .section_index()
        .and_then(|section| file.section_by_index(section).ok()?.data().ok());
    let start = symbol.address() as usize;
    let value = data.and_then(|data| data.get(start..start.checked_add(4)?)?.try_into().ok());
    Ok(value.map(u32::from_le_bytes))
}
