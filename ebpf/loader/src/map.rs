//! Maps: tables shared by kernel programs and user space.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{
    bytes::kernel_name,
    error::Error,
    pin, probe,
    sys::{MapError, MapFd, MapSpec},
};

/// The maps of an object by name.
#[derive(Debug, Default)]
pub struct Maps(pub(crate) BTreeMap<String, Map>);

impl Maps {
    /// The map `name`.
    pub fn get(&self, name: &str) -> Result<&Map, Error> {
        self.0.get(name).ok_or_else(|| Error::NoMap(name.to_owned()))
    }

    /// Takes the map `name` out.
    pub fn take(&mut self, name: &str) -> Result<Map, Error> {
        self.0.remove(name).ok_or_else(|| Error::NoMap(name.to_owned()))
    }

    /// The same maps, but for `name`: an empty one with room for `entries` takes its place.
    pub fn resized(&self, name: &str, entries: u32) -> Result<Self, Error> {
        let map = |map: &Map| {
            if map.name == name {
                map.resized(entries)
            } else {
                map.try_clone()
            }
        };
        self.get(name)?;
        let maps = self.0.iter().map(|(name, of)| Ok((name.clone(), map(of)?)));
        maps.collect::<Result<_, Error>>().map(Self)
    }

    /// All maps, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Map> {
        self.0.values()
    }
}

/// A map in the kernel.
#[derive(Debug)]
pub struct Map {
    pub(crate) name: String,
    pub(crate) fd: MapFd,
}

/// Whether [`Map::update_bytes`] may insert or replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Update {
    /// Either (`BPF_ANY`).
    Any = 0,
    /// Only insert (`BPF_NOEXIST`): fails with `EEXIST`.
    Insert = 1,
    /// Only replace (`BPF_EXIST`): fails with `ENOENT`.
    Replace = 2,
}

impl Map {
    /// An array of one element of `value_size` bytes.
    pub(crate) fn single(name: &str, map_type: u32, value_size: u32) -> Result<Self, Error> {
        let spec = MapSpec {
            name: kernel_name(name),
            map_type,
            key_size: 4,
            value_size,
            max_entries: 1,
            ..Default::default()
        };
        let name = name.to_owned();
        match MapFd::create(spec, None) {
            Ok(fd) => Ok(Self { name, fd }),
            Err(source) => Err(Error::CreateMap { map: name, source }),
        }
    }

    /// A map like this one, empty and with room for `entries`.
    fn resized(&self, entries: u32) -> Result<Self, Error> {
        let name = self.name.clone();
        let spec = MapSpec {
            max_entries: entries,
            ..*self.fd.spec()
        };
        match MapFd::create(spec, None) {
            Ok(fd) => Ok(Self { name, fd }),
            Err(source) => Err(Error::CreateMap { map: name, source }),
        }
    }

    /// Pins it as `path`, in a BPF file system.
    pub fn pin(&self, path: &Path) -> Result<(), Error> {
        pin::pin(self.as_fd(), path)
    }

    /// The map that is pinned as `path`, which may be of anybody and of any shape. If it is no map, using it fails.
    pub fn pinned(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        match MapFd::of(pin::pinned(path)?) {
            Ok(fd) => Ok(Self { name, fd }),
            Err(source) => Err(Error::Map { map: name, source }),
        }
    }

    /// The same map once more.
    pub fn try_clone(&self) -> Result<Self, Error> {
        let name = self.name.clone();
        match self.fd.try_clone() {
            Ok(fd) => Ok(Self { name, fd }),
            Err(source) => Err(Error::Map { map: name, source }),
        }
    }

    /// Its name in the object.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of entries that it holds at most; of a ring buffer, its size in bytes.
    pub fn max_entries(&self) -> u32 {
        self.fd.spec().max_entries
    }

    /// Bytes of a key.
    pub fn key_size(&self) -> u32 {
        self.fd.spec().key_size
    }

    /// Bytes of a value, on one CPU if per CPU.
    pub fn value_size(&self) -> u32 {
        self.fd.spec().value_size
    }

    /// The kernel's number for the type (`enum bpf_map_type`).
    pub fn map_type(&self) -> u32 {
        self.fd.spec().map_type
    }

    /// Value of `key`; `None` if there is none. Of a per-CPU map, the values of all possible CPUs, each padded to a
    /// multiple of 8 bytes.
    pub fn lookup_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let mut value = vec![0; self.fd.value_len()];
        let found = self.fd.lookup(key, &mut value).map_err(|error| self.error(error))?;
        Ok(found.then_some(value))
    }

    /// Sets the value of `key`; of a per-CPU map, those of all CPUs, as [`Self::lookup_bytes`] gives them.
    pub fn update_bytes(&self, key: &[u8], value: &[u8], update: Update) -> Result<(), Error> {
        self.fd
            .update(key, value, update as u64)
            .map_err(|error| self.error(error))
    }

    /// Removes `key`; whether it was there.
    pub fn delete_bytes(&self, key: &[u8]) -> Result<bool, Error> {
        self.fd.delete(key).map_err(|error| self.error(error))
    }

    /// Value of `key` in a map that is not per CPU.
    pub fn get<K, V>(&self, key: &K) -> Result<Option<V>, Error>
    where
        K: IntoBytes + Immutable + ?Sized,
        V: FromBytes + IntoBytes,
    {
        let mut value = V::new_zeroed();
        let found = self
            .fd
            .lookup(key.as_bytes(), value.as_mut_bytes())
            .map_err(|error| self.error(error))?;
        Ok(found.then_some(value))
    }

    /// Values of `key` on each possible CPU; none if the map has no such key.
    pub fn get_per_cpu<K, V>(&self, key: &K) -> Result<Vec<V>, Error>
    where
        K: IntoBytes + Immutable + ?Sized,
        V: FromBytes,
    {
        let bytes = self.lookup_bytes(key.as_bytes())?.unwrap_or_default();
        let stride = bytes.len().checked_div(probe::possible_cpus()).unwrap_or(0).max(1);
        let value = |chunk: &[u8]| V::read_from_prefix(chunk).ok().map(|(value, _padding)| value);
        bytes
            .chunks_exact(stride)
            .map(|chunk| value(chunk).ok_or_else(|| self.wrong_value(size_of::<V>())))
            .collect()
    }

    /// Sets the value of `key` in a map that is not per CPU.
    pub fn set<K, V>(&self, key: &K, value: &V, update: Update) -> Result<(), Error>
    where
        K: IntoBytes + Immutable + ?Sized,
        V: IntoBytes + Immutable + ?Sized,
    {
        self.update_bytes(key.as_bytes(), value.as_bytes(), update)
    }

    /// Removes `key`; whether it was there.
    pub fn remove<K: IntoBytes + Immutable + ?Sized>(&self, key: &K) -> Result<bool, Error> {
        self.delete_bytes(key.as_bytes())
    }

    /// Keys of a hash or array. While others insert and remove, keys may be missed or seen twice; the walk ends after
    /// twice as many steps as the map has entries.
    pub fn keys<K: FromBytes + IntoBytes + Immutable>(&self) -> impl Iterator<Item = Result<K, Error>> {
        let mut previous: Option<K> = None;
        let mut steps = u64::from(self.max_entries()) * 2;
        std::iter::from_fn(move || {
            steps = steps.checked_sub(1)?;
            let mut next = K::new_zeroed();
            match self
                .fd
                .next_key(previous.as_ref().map(K::as_bytes), next.as_mut_bytes())
            {
                Ok(true) => {
                    let key = K::read_from_bytes(next.as_bytes()).ok()?;
                    previous = Some(next);
                    Some(Ok(key))
                }
                Ok(false) => {
                    steps = 0;
                    None
                }
                Err(error) => {
                    steps = 0;
                    Some(Err(self.error(error)))
                }
            }
        })
    }

    fn error(&self, error: MapError) -> Error {
        let map = self.name.clone();
        match error {
            MapError::Sys(source) => Error::Map { map, source },
            MapError::Length(wrong) => Error::MapSize {
                map,
                part: wrong.part,
                expected: wrong.expected,
                given: wrong.given,
            },
        }
    }

    fn wrong_value(&self, given: usize) -> Error {
        Error::MapSize {
            map: self.name.clone(),
            part: "value",
            expected: self.value_size() as usize,
            given,
        }
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, fs::File, io, os::fd::IntoRawFd as _, rc::Rc};

    use super::*;
    use crate::sys::{Command, MapSpec, ReadAttr as _, Syscall, fake::Fake};

    /// A map of 4-byte keys and `value_size` values whose calls are answered by `answer`.
    fn map(
        map_type: u32,
        value_size: u32,
        answer: impl Fn(Command, &[u8]) -> Result<(), i32> + 'static,
    ) -> (Map, Fake) {
        let fake = Fake::new(move |call| match call {
            Syscall::Bpf {
                command: Command::MapCreate,
                ..
            } => Ok(File::open("/dev/null").unwrap().into_raw_fd() as u64),
            Syscall::Bpf { command, attr } => answer(*command, attr).map(|()| 0).map_err(io::Error::from_raw_os_error),
            other => panic!("unexpected {other:?}"),
        });
        let spec = MapSpec {
            map_type,
            key_size: 4,
            value_size,
            max_entries: 8,
            ..Default::default()
        };
        (
            Map {
                name: "m".to_owned(),
                fd: MapFd::create(spec, None).unwrap(),
            },
            fake,
        )
    }

    #[test]
    fn wrong_lengths_never_reach_the_kernel() {
        let (map, _fake) = map(1, 8, |command, _| panic!("{command:?}"));
        let message = |error: Error| error.to_string();
        assert_eq!(
            message(map.get::<u16, u64>(&1).unwrap_err()),
            "map \"m\" has keys of 4 bytes, not 2"
        );
        assert_eq!(
            message(map.get::<u32, u32>(&1).unwrap_err()),
            "map \"m\" has values of 8 bytes, not 4"
        );
        assert!(map.set(&1_u32, &[0_u8; 16], Update::Any).is_err());
        assert!(map.remove(&1_u64).is_err());
        assert!(map.keys::<u64>().next().unwrap().is_err());
    }

    #[test]
    fn one_of_the_maps_becomes_larger() {
        let (map, _fake) = map(9, 8, |command, _| panic!("{command:?}"));
        let maps = Maps([("m".to_owned(), map)].into());
        let larger = maps.resized("m", 100).unwrap();
        let map = larger.get("m").unwrap();
        assert_eq!((map.max_entries(), map.map_type(), map.value_size()), (100, 9, 8));
        assert_eq!(maps.get("m").unwrap().max_entries(), 8);
        assert!(maps.resized("n", 100).is_err());
    }

    #[test]
    fn per_cpu_values_are_of_all_cpus_padded() {
        let (map, _fake) = map(6, 12, |_, _| Ok(()));
        assert_eq!(map.fd.value_len(), 16 * probe::possible_cpus());
        assert!(map.get::<u32, [u8; 12]>(&0).is_err());
        assert_eq!(
            map.get_per_cpu::<u32, [u8; 12]>(&0).unwrap().len(),
            probe::possible_cpus()
        );
    }

    #[test]
    fn absence_is_not_an_error_but_refusal_is() {
        let (absent, fake) = map(1, 8, |_, _| Err(libc::ENOENT));
        assert_eq!(absent.get::<u32, u64>(&1).unwrap(), None);
        assert!(!absent.remove(&1_u32).unwrap());
        assert_eq!(absent.keys::<u32>().count(), 0);
        drop(fake);
        let (full, _fake) = map(1, 8, |_, _| Err(libc::E2BIG));
        let error = full.set(&1_u32, &1_u64, Update::Insert).unwrap_err().to_string();
        assert_eq!(
            error,
            "map \"m\": BPF_MAP_UPDATE_ELEM: Argument list too long (os error 7)"
        );
    }

    #[test]
    fn update_hands_key_value_and_flags_over() {
        let seen = Rc::new(RefCell::new(vec![]));
        let log = Rc::clone(&seen);
        let (map, _fake) = map(1, 8, move |command, attr| {
            log.borrow_mut()
                .push((command, attr.buffer(8, 4), attr.buffer(16, 8), attr.number(24)));
            Ok(())
        });
        map.set(&7_u32, &9_u64, Update::Replace).unwrap();
        let expected = (
            Command::MapUpdate,
            7_u32.to_ne_bytes().to_vec(),
            9_u64.to_ne_bytes().to_vec(),
            2,
        );
        assert_eq!(*seen.borrow(), [expected]);
    }

    #[test]
    fn a_walk_that_never_ends_is_ended() {
        let (map, _fake) = map(1, 8, |command, _| {
            assert_eq!(command, Command::MapNextKey);
            Ok(())
        });
        assert_eq!(map.keys::<u32>().count(), 16);
    }
}
