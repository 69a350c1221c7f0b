//! bpf(2) for maps. The lengths of keys and values are checked here, because the kernel relies on them.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use zerocopy::IntoBytes as _;

use super::{
    Command, Syscall, attr,
    bpf::{address, address_mut, object_info},
    syscall, syscall_fd,
    unpreempted::Unpreempted,
};
use crate::{error::SysError, probe};

/// Map types with a value for each possible CPU: per-CPU hash, array, LRU hash, and cgroup storage.
const PER_CPU: [u32; 4] = [5, 6, 10, 21];

/// A map about to be created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MapSpec {
    pub(crate) name: [u8; 16],
    pub(crate) map_type: u32,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) flags: u32,
    pub(crate) extra: u64,
}

/// A map with what is known of its shape.
#[derive(Debug)]
pub(crate) struct MapFd {
    fd: OwnedFd,
    spec: MapSpec,
    value_len: usize,
}

/// A key or value of the wrong length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongLength {
    pub(crate) part: &'static str,
    pub(crate) expected: usize,
    pub(crate) given: usize,
}

/// Why a map operation failed.
#[derive(Debug)]
pub(crate) enum MapError {
    Length(WrongLength),
    Sys(SysError),
}

impl From<SysError> for MapError {
    fn from(error: SysError) -> Self {
        Self::Sys(error)
    }
}

impl MapFd {
    /// Creates a map. `inner` is a map of the kind that a map of maps will hold.
    pub(crate) fn create(spec: MapSpec, inner: Option<BorrowedFd<'_>>) -> Result<Self, SysError> {
        let MapSpec {
            name,
            map_type,
            key_size,
            value_size,
            max_entries,
            flags,
            extra,
        } = spec;
        let mut attr = attr::MapCreate {
            map_type,
            key_size,
            value_size,
            max_entries,
            map_flags: flags,
            inner_map_fd: inner.map_or(0, |inner| inner.as_raw_fd() as u32),
            map_name: name,
            map_extra: extra,
            ..Default::default()
        };
        // SAFETY: the attributes hold no address; the command makes a descriptor.
        let fd = unsafe {
            syscall_fd(Syscall::Bpf {
                command: Command::MapCreate,
                attr: attr.as_mut_bytes(),
            })
        }?;
        Ok(Self::with(fd, spec))
    }

    /// The map that `object` is. If it is a program or link, the kernel refuses whatever is done with it.
    pub(crate) fn of(object: OwnedFd) -> Result<Self, SysError> {
        let info = object_info(object.as_fd())?;
        let word = |index: usize| u32::from_ne_bytes(std::array::from_fn(|at| info[index * 4 + at]));
        let spec = MapSpec {
            map_type: word(0),
            key_size: word(2),
            value_size: word(3),
            max_entries: word(4),
            flags: word(5),
            ..MapSpec::default()
        };
        Ok(Self::with(object, spec))
    }

    fn with(fd: OwnedFd, spec: MapSpec) -> Self {
        let value_size = spec.value_size as usize;
        let value_len = if PER_CPU.contains(&spec.map_type) {
            value_size.next_multiple_of(8) * probe::possible_cpus()
        } else {
            value_size
        };
        Self { fd, spec, value_len }
    }

    /// Another descriptor of the same map.
    pub(crate) fn try_clone(&self) -> Result<Self, SysError> {
        let fd = self.fd.try_clone().map_err(|error| SysError {
            call: "fcntl(F_DUPFD_CLOEXEC)",
            error,
            hint: None,
        })?;
        Ok(Self { fd, ..*self })
    }

    pub(crate) fn spec(&self) -> &MapSpec {
        &self.spec
    }

    /// Bytes that a lookup writes: the value, or all CPUs' values, each padded to 8 bytes.
    pub(crate) fn value_len(&self) -> usize {
        self.value_len
    }

    fn check(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), MapError> {
        let wrong = |part, expected, given| Err(MapError::Length(WrongLength { part, expected, given }));
        match (key, value) {
            (Some(key), _) if key.len() != self.spec.key_size as usize => {
                wrong("key", self.spec.key_size as usize, key.len())
            }
            (_, Some(value)) if value.len() != self.value_len => wrong("value", self.value_len, value.len()),
            _ => Ok(()),
        }
    }

    /// # Safety
    ///
    /// Key and value were checked; `value` may be written unless the command only reads it.
    unsafe fn element(&self, command: Command, key: u64, value: u64, flags: u64) -> Result<(), SysError> {
        let mut attr = attr::Element {
            map_fd: self.fd.as_raw_fd() as u32,
            reserved: 0,
            key,
            value,
            flags,
        };
        let _unpreempted = (command != Command::MapNextKey).then(Unpreempted::begin);
        // SAFETY: the caller's promise.
        unsafe {
            syscall(Syscall::Bpf {
                command,
                attr: attr.as_mut_bytes(),
            })
        }
        .map(drop)
    }

    /// Reads the value of `key` into `value`; whether there is one.
    pub(crate) fn lookup(&self, key: &[u8], value: &mut [u8]) -> Result<bool, MapError> {
        self.check(Some(key), Some(value))?;
        // SAFETY: both lengths were checked and the buffers are borrowed for the call.
        let found = unsafe { self.element(Command::MapLookup, address(key), address_mut(value), 0) };
        some(found)
    }

    /// Writes the value of `key`.
    pub(crate) fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), MapError> {
        self.check(Some(key), Some(value))?;
        // SAFETY: both lengths were checked and the buffers are borrowed for the call, which reads them.
        Ok(unsafe { self.element(Command::MapUpdate, address(key), address(value), flags) }?)
    }

    /// Removes `key`; whether it was there.
    pub(crate) fn delete(&self, key: &[u8]) -> Result<bool, MapError> {
        self.check(Some(key), None)?;
        // SAFETY: the length was checked and the buffer is borrowed for the call.
        some(unsafe { self.element(Command::MapDelete, address(key), 0, 0) })
    }

    /// Writes the key after `key`, or the first one, to `next`; whether there is one.
    pub(crate) fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<bool, MapError> {
        self.check(key, None)?;
        self.check(Some(next), None)?;
        // SAFETY: the lengths were checked and the buffers are borrowed for the call.
        some(unsafe { self.element(Command::MapNextKey, key.map_or(0, address), address_mut(next), 0) })
    }

    /// Forbids further writes from user space, which makes the values constants to the verifier.
    pub(crate) fn freeze(&self) -> Result<(), SysError> {
        let mut attr = attr::MapFreeze {
            map_fd: self.fd.as_raw_fd() as u32,
        };
        // SAFETY: the attributes hold no address.
        unsafe {
            syscall(Syscall::Bpf {
                command: Command::MapFreeze,
                attr: attr.as_mut_bytes(),
            })
        }
        .map(drop)
    }
}

impl AsFd for MapFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Absence is an answer, not an error.
fn some(result: Result<(), SysError>) -> Result<bool, MapError> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.errno() == libc::ENOENT => Ok(false),
        Err(error) => Err(error.into()),
    }
}
