//! The paths of executables that the kernel programs remember ([`ebpf_abi::executable`]).

use std::collections::HashSet;

use ebpf_abi::{
    executable::{PATH_MAX, PATH_WORDS, id},
    map::{Executable, ProcessEntry},
};
use ebpf_loader::{Error, Map, Update};

/// Their map.
pub(crate) const MAP: &str = "tg_binaries";

/// Remembers `path`, and returns what it is called; 0 when it is too long, or there is no room.
pub(crate) fn note(map: &Map, key: [u64; 2], path: &[u8]) -> Result<u64, Error> {
    if path.is_empty() || path.len() > PATH_MAX {
        return Ok(0);
    }
    let mut words = [0; PATH_WORDS];
    for (word, bytes) in words.iter_mut().zip(path.chunks(8)) {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_le_bytes(whole);
    }
    let len = path.len() as u32;
    let id = id(key, &words, len);
    let executable = Executable {
        len,
        reserved: 0,
        words,
    };
    match map.set(&id, &executable, Update::Any) {
        Ok(()) => Ok(id),
        Err(error) if error.is_full() => Ok(0),
        Err(error) => Err(error),
    }
}

/// The path that is called `id`, if it is there.
pub(crate) fn path(map: &Map, id: u64) -> Result<Option<Vec<u8>>, Error> {
    if id == 0 {
        return Ok(None);
    }
    let executable: Option<Executable> = map.get(&id)?;
    Ok(executable.map(|Executable { len, words, .. }| {
        let mut path: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        path.truncate(len as usize);
        path
    }))
}

/// Makes room: forgets the paths that no process in the maps of `processes` has, and returns how many. One that is executed at this very
/// moment may be among them: the path of that process is then read anew whenever it is asked for, and remembered when it
/// is executed again.
pub(crate) fn sweep(map: &Map, processes: [&Map; 2]) -> Result<usize, Error> {
    let mut used = HashSet::new();
    for map in processes {
        for pid in map.keys::<u32>() {
            let entry: Option<ProcessEntry> = map.get(&pid?)?;
            used.extend(entry.map(|entry| entry.executable));
        }
    }
    let ids: Vec<u64> = map.keys().collect::<Result<_, _>>()?;
    let mut swept = 0;
    for id in ids.iter().filter(|id| !used.contains(id)) {
        swept += usize::from(map.remove(id)?);
    }
    Ok(swept)
}
