//! Objects in the kernel: maps made, programs ready to be loaded.

use std::{
    collections::{BTreeMap, HashSet},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    sync::Arc,
};

use aya_obj::{EbpfSectionKind, generated::bpf_map_type::BPF_MAP_TYPE_PERF_EVENT_ARRAY};

use ebpf_asm::Code;

use crate::{
    bytes::kernel_name,
    error::{Error, SysError},
    linker,
    map::{Map, Maps},
    object::Object,
    probe,
    program::{Program, ProgramKind},
    sys::{self, MapFd, MapSpec},
};

/// An object whose maps are in the kernel. Programs loaded from it share them.
#[derive(Debug)]
pub struct Loaded {
    /// Functions, with maps resolved and calls not yet.
    pub(crate) inner: aya_obj::Object,
    pub(crate) btf: Option<OwnedFd>,
    btf_refused: Option<SysError>,
    pub(crate) maps: Arc<Maps>,
}

impl Loaded {
    pub(crate) fn create(object: Object, shared: &Maps) -> Result<Self, Error> {
        sys::unlimit_memlock();
        let mut maps = BTreeMap::new();
        for (name, definition) in &object.inner.maps {
            let map = match shared.0.get(name) {
                Some(map) if definition.section_kind() != EbpfSectionKind::Rodata => map.try_clone()?,
                _ => create_map(name, definition)?,
            };
            maps.insert(name.clone(), map);
        }
        Self::with_maps(object, Arc::new(Maps(maps)))
    }

    pub(crate) fn with_maps(object: Object, maps: Arc<Maps>) -> Result<Self, Error> {
        let Object { mut inner } = object;
        let (btf, btf_refused) = match load_btf(&mut inner) {
            Ok(btf) => (btf, None),
            Err(refused) => (None, Some(refused)),
        };
        relocate(&mut inner, &maps.0)?;
        // What is cloned for each program that is linked: without what only creating needed.
        inner.maps.clear();
        inner.btf = None;
        inner.btf_ext = None;
        Ok(Self {
            inner,
            btf,
            btf_refused,
            maps,
        })
    }

    /// Loads program `name`. Only what is loaded has to please the running kernel's verifier.
    pub fn load(&self, name: &str, kind: ProgramKind) -> Result<Program, Error> {
        self.load_with(name, kind, &[], &[])
    }

    /// Loads program `name` with functions that it calls replaced by code written at run time.
    ///
    /// A replaced function is named by a part of its symbol that no other function has, as names of functions that are
    /// not exported are mangled. The code may call any function of the object, and use its maps and those of its `own`.
    pub fn load_with(
        &self,
        name: &str,
        kind: ProgramKind,
        replaced: &[(&str, &Code)],
        own: &[(&str, &Map)],
    ) -> Result<Program, Error> {
        let function = linker::program(self, name, replaced, own)?;
        Program::load(self, name, kind, &function)
    }

    /// Loads a program that is nothing but code written at run time, which may use the object's maps.
    pub fn load_code(&self, name: &str, kind: ProgramKind, code: &Code) -> Result<Program, Error> {
        let maps = code.maps.iter().map(|(_, map)| self.map(map));
        Program::load_code(name, kind, code, &maps.collect::<Result<Vec<_>, _>>()?)
    }

    /// The map `name`.
    pub fn map(&self, name: &str) -> Result<&Map, Error> {
        self.maps.get(name)
    }

    /// All maps.
    pub fn maps(&self) -> &Maps {
        &self.maps
    }

    /// Why the kernel refused the object's own type information. Programs load without it too, but the verifier's log
    /// and `bpftool` then lack source lines.
    pub fn btf_refused(&self) -> Option<&SysError> {
        self.btf_refused.as_ref()
    }

    /// Keeps the maps and lets go of the program text, once everything is loaded.
    pub fn into_maps(self) -> Arc<Maps> {
        self.maps
    }
}

/// Loads the object's type information in the form that the kernel takes.
fn load_btf(object: &mut aya_obj::Object) -> Result<Option<OwnedFd>, SysError> {
    if object.btf.is_none() {
        return Ok(None);
    }
    let features = probe::btf_features();
    match object.fixup_and_sanitize_btf(&features) {
        Ok(Some(btf)) => sys::btf_load(sys::BtfLoad(&btf.to_bytes())).map(Some),
        Ok(None) => Ok(None),
        Err(error) => Err(SysError {
            call: "BPF_BTF_LOAD",
            error: std::io::Error::new(std::io::ErrorKind::InvalidData, error.to_string()),
            hint: None,
        }),
    }
}

fn create_map(name: &str, definition: &aya_obj::Map) -> Result<Map, Error> {
    let failed = |source| Error::CreateMap {
        map: name.to_owned(),
        source,
    };
    let mut spec = MapSpec {
        name: kernel_name(name),
        map_type: definition.map_type(),
        key_size: definition.key_size(),
        value_size: definition.value_size(),
        max_entries: definition.max_entries(),
        flags: definition.map_flags(),
        extra: definition.map_extra(),
    };
    if spec.map_type == BPF_MAP_TYPE_PERF_EVENT_ARRAY as u32 && spec.max_entries == 0 {
        spec.max_entries = probe::possible_cpus() as u32;
    }
    // A map of maps takes the shape of its future contents from an example, which is needed no longer than that.
    let inner = definition
        .inner()
        .map(|inner| create_map(&format!("{name}.inner"), &inner))
        .transpose()?;
    let fd = MapFd::create(spec, inner.as_ref().map(|inner| inner.fd.as_fd())).map_err(failed)?;
    let map = Map {
        name: name.to_owned(),
        fd,
    };
    if !definition.data().is_empty() {
        map.update_bytes(&0_u32.to_ne_bytes(), definition.data(), crate::Update::Any)?;
        if definition.section_kind() == EbpfSectionKind::Rodata {
            map.fd.freeze().map_err(|source| Error::InitialiseMap {
                map: name.to_owned(),
                source,
            })?;
        }
    }
    Ok(map)
}

/// Puts map descriptors into the instructions.
fn relocate(object: &mut aya_obj::Object, maps: &BTreeMap<String, Map>) -> Result<(), Error> {
    let text: HashSet<usize> = object.functions.keys().map(|&(section, _)| section).collect();
    let definitions = object.maps.clone();
    let fds = definitions.iter().filter_map(|(name, definition)| {
        maps.get(name)
            .map(|map| (name.as_str(), map.as_fd().as_raw_fd(), definition))
    });
    object
        .relocate_maps(fds, &text)
        .map_err(|error| Error::relocation(&error))
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, fs::File, io, os::fd::IntoRawFd as _, rc::Rc};

    use aya_obj::maps::{LegacyMap, bpf_map_def};

    use super::*;
    use crate::sys::{Command, ReadAttr as _, Syscall, fake::Fake};

    /// A map with data, as sections of globals give it.
    fn globals(section_kind: EbpfSectionKind) -> aya_obj::Map {
        aya_obj::Map::Legacy(LegacyMap {
            def: bpf_map_def {
                map_type: 2,
                key_size: 4,
                value_size: 3,
                max_entries: 1,
                ..Default::default()
            },
            inner_def: None,
            section_index: 1,
            section_kind,
            symbol_index: None,
            data: b"abc".to_vec(),
        })
    }

    /// Commands that creating `definition` takes, when the kernel refuses `refused`.
    fn created(definition: &aya_obj::Map, refused: Option<Command>) -> (Result<Map, Error>, Vec<Command>) {
        let seen = Rc::new(RefCell::new(vec![]));
        let commands = Rc::clone(&seen);
        let _fake = Fake::new(move |call| {
            let Syscall::Bpf { command, attr } = call else {
                panic!("unexpected {call:?}")
            };
            seen.borrow_mut().push(*command);
            match command {
                command if Some(*command) == refused => Err(io::Error::from_raw_os_error(libc::EBUSY)),
                Command::MapCreate => Ok(File::open("/dev/null").unwrap().into_raw_fd() as u64),
                Command::MapUpdate => {
                    assert_eq!((attr.buffer(8, 4), attr.buffer(16, 3)), (vec![0; 4], b"abc".to_vec()));
                    Ok(0)
                }
                _ => Ok(0),
            }
        });
        let map = create_map(".rodata", definition);
        let commands = commands.borrow().clone();
        (map, commands)
    }

    #[test]
    fn constants_are_written_then_frozen() {
        let (map, commands) = created(&globals(EbpfSectionKind::Rodata), None);
        assert!(map.is_ok());
        assert_eq!(commands, [Command::MapCreate, Command::MapUpdate, Command::MapFreeze]);
    }

    #[test]
    fn variables_are_written_and_stay_writable() {
        let (map, commands) = created(&globals(EbpfSectionKind::Data), None);
        assert!(map.is_ok());
        assert_eq!(commands, [Command::MapCreate, Command::MapUpdate]);
    }

    #[test]
    fn a_refused_step_is_named() {
        let message = |refused| {
            created(&globals(EbpfSectionKind::Rodata), Some(refused))
                .0
                .unwrap_err()
                .to_string()
        };
        assert!(message(Command::MapCreate).starts_with("create map \".rodata\": BPF_MAP_CREATE: "));
        assert!(message(Command::MapUpdate).starts_with("map \".rodata\": BPF_MAP_UPDATE_ELEM: "));
        assert!(message(Command::MapFreeze).starts_with("initialise map \".rodata\": BPF_MAP_FREEZE: "));
    }
}
