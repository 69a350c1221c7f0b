//! The functions of processes.

use std::{collections::VecDeque, fs::File, io::Read as _, ops::Range, path::Path, sync::Arc, time::Instant};

use policy_elf::{Elf, Source};
use tetragon_api::v1::StackTraceEntry;

use crate::{
    procfs::Procfs,
    regular::{self, Budget, Identity, Limited},
};

/// Bytes of the list of a process's mappings that are read.
const MAPS_LEN: u64 = 4 << 20;

/// Files whose functions are remembered, and bytes that these take, at most; the one that is being looked at not counted.
const FILES: usize = 16;
const FILES_LEN: usize = 64 << 20;

/// Files that are looked at for one trace, and bytes that are read of those which are not known yet.
const TRACE_FILES: usize = 16;
const TRACE_LEN: u64 = 64 << 20;

/// Functions of a file that are taken, and bytes of their names, at most.
const FUNCTIONS: usize = 200_000;
const NAMES_LEN: usize = 16 << 20;

/// What the code of processes is called.
///
/// Promises: a trace costs no more than so many files, so many bytes and, as far as the file systems answer, so much time.
/// Leaves out: file systems that do not answer. They belong to whoever mounts them, so this is nothing for a thread that
/// is waited for.
#[derive(Debug)]
pub(crate) struct Processes {
    procfs: Procfs,
    files: Files,
}

impl Processes {
    /// Nothing is known yet.
    pub(crate) fn new(procfs: Procfs) -> Self {
        Self {
            procfs,
            files: Files::default(),
        }
    }

    /// The memory of process `pid` at this moment. Waits for whoever changes it.
    pub(crate) fn mappings(&self, pid: u32) -> Vec<Mapping> {
        Mapping::read(&self.procfs, pid)
    }

    /// Adds names to the code at `addresses`, whose `entries` have got their modules from `mappings` of process `pid`,
    /// until it is too late.
    pub(crate) fn name(
        &mut self,
        pid: u32,
        mappings: &[Mapping],
        addresses: &[u8],
        entries: &mut [StackTraceEntry],
        until: Instant,
    ) {
        let budget = Budget::new(TRACE_LEN, until);
        // Of each file once whether it may be looked at: the same functions call each other.
        let mut seen: Vec<(&Mapping, Option<Identity>)> = vec![];
        for (address, entry) in super::words(addresses).zip(entries) {
            let Some(mapping) = Mapping::of(mappings, address) else {
                continue;
            };
            let known = seen.iter().find(|(known, _)| *known == mapping);
            let identity = match known {
                Some((_, identity)) => *identity,
                None if seen.len() >= TRACE_FILES || budget.is_late() => continue,
                None => {
                    let path = self.procfs.mapped(pid, &mapping.range);
                    let identity = self.files.look_at(&path, &budget);
                    seen.push((mapping, identity));
                    identity
                }
            };
            let code = identity.and_then(|identity| self.files.code(identity));
            if let Some(name) = code.and_then(|code| code.find(entry.offset)) {
                name.clone_into(&mut entry.symbol);
            }
        }
    }
}

/// Adds what is known of the code at `addresses` without looking into files.
pub(crate) fn place(mappings: &[Mapping], addresses: &[u8], entries: &mut [StackTraceEntry]) {
    for (address, entry) in super::words(addresses).zip(entries) {
        if let Some(mapping) = Mapping::of(mappings, address) {
            entry.offset = (address - mapping.range.start).wrapping_add(mapping.offset);
            entry.module.clone_from(&mapping.path);
        }
    }
}

/// Part of a file in the memory of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// Addresses.
    range: Range<u64>,
    /// Offset in the file of the first.
    offset: u64,
    /// Path of the file, or a name in brackets.
    path: String,
}

impl Mapping {
    /// Those of process `pid` which can be executed and have a name.
    fn read(procfs: &Procfs, pid: u32) -> Vec<Self> {
        let mut text = vec![];
        let file = File::open(procfs.file(pid, "maps"));
        if file
            .and_then(|file| file.take(MAPS_LEN).read_to_end(&mut text))
            .is_err()
        {
            return vec![];
        }
        String::from_utf8_lossy(&text).lines().filter_map(Self::parse).collect()
    }

    /// The one of `mappings` that `address` is in.
    fn of(mappings: &[Self], address: u64) -> Option<&Self> {
        mappings.iter().find(|mapping| mapping.range.contains(&address))
    }

    /// A line of `/proc/PID/maps` (`proc_pid_maps(5)`).
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(6, ' ');
        let (start, end) = words.next()?.split_once('-')?;
        let access = words.next()?;
        let offset = words.next()?;
        let path = words.nth(2)?.trim_start();
        let number = |text| u64::from_str_radix(text, 16).ok();
        (access.contains('x') && !path.is_empty()).then_some(())?;
        Some(Self {
            range: number(start)?..number(end)?,
            offset: number(offset)?,
            path: path.to_owned(),
        })
    }
}

/// Files whose functions are known, those that were asked for last at the front. Nothing where there are none.
#[derive(Debug, Default)]
struct Files(VecDeque<(Identity, Option<Code>)>);

impl Files {
    /// Gets to know the functions of the file at `path`, as far as `budget` lasts, and says which file it is.
    fn look_at(&mut self, path: &Path, budget: &Arc<Budget>) -> Option<Identity> {
        let identity = Identity::of(path).ok()?;
        if let Some(at) = self.0.iter().position(|(known, _)| *known == identity) {
            let entry = self.0.remove(at)?;
            self.0.push_front(entry);
            return Some(identity);
        }
        let whole = budget.is_whole();
        let (file, data) = regular::open(path).ok()??;
        let code = Code::read(Limited::new(file, budget));
        // What was cut short by the files before it, or by a disk that was slow, will have more functions the next time.
        if budget.is_late() || (budget.is_spent() && !whole) {
            return None;
        }
        let identity = Identity::from(&data);
        self.0.push_front((identity, code));
        let mut len = 0;
        self.0.truncate(FILES);
        let fit = self.0.iter().take_while(|(_, code)| {
            let before = len;
            len += code.as_ref().map_or(0, Code::len);
            before == 0 || len <= FILES_LEN
        });
        let fit = fit.count();
        self.0.truncate(fit);
        Some(identity)
    }

    /// The functions of a file that was looked at.
    fn code(&self, identity: Identity) -> Option<&Code> {
        let (_, code) = self.0.iter().find(|(known, _)| *known == identity)?;
        code.as_ref()
    }
}

/// The functions of a file.
#[derive(Debug)]
struct Code<S = Limited> {
    elf: Elf<S>,
    /// Address, size, and where in `names` the name is.
    functions: Vec<(u64, u64, Range<u32>)>,
    names: String,
}

impl<S: Source> Code<S> {
    fn read(source: S) -> Option<Self> {
        let elf = Elf::read(source).ok()?;
        let (mut functions, mut names) = (vec![], String::new());
        // What cannot be read has no more functions than those before.
        let _ = elf.functions(|function| {
            if functions.len() < FUNCTIONS && names.len() + function.name.len() <= NAMES_LEN {
                let at = names.len() as u32;
                names.push_str(function.name);
                functions.push((function.address, function.size, at..names.len() as u32));
            }
        });
        // Of several names of one address, the first counts.
        functions.sort_by_key(|&(address, ..)| address);
        functions.dedup_by_key(|&mut (address, ..)| address);
        functions.shrink_to_fit();
        names.shrink_to_fit();
        Some(Self { elf, functions, names })
    }

    /// Bytes that they take.
    fn len(&self) -> usize {
        self.names.len() + self.functions.len() * size_of::<(u64, u64, Range<u32>)>()
    }

    /// The function that is at `offset` in the file.
    fn find(&self, offset: u64) -> Option<&str> {
        let address = self.elf.address(offset)?;
        let behind = self.functions.partition_point(|&(start, ..)| start <= address);
        let (start, size, place) = self.functions.get(behind.checked_sub(1)?)?;
        // Those written by hand may have no size.
        let within = *size == 0 || address - start < *size;
        within.then(|| self.names.get(place.start as usize..place.end as usize))?
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn mappings_of_code() {
        let line = "7f00a000-7f00c000 r-xp 00002000 08:01 1234                      /lib/x y.so";
        let mapping = Mapping::parse(line).unwrap();
        assert_eq!(mapping.range, 0x7f00_a000..0x7f00_c000);
        assert_eq!((mapping.offset, mapping.path.as_str()), (0x2000, "/lib/x y.so"));
        for no_code in [
            "7f00a000-7f00c000 rw-p 00002000 08:01 1234                      /lib/x.so",
            "7f00a000-7f00c000 r-xp 00000000 00:00 0 ",
            "nonsense",
        ] {
            assert_eq!(Mapping::parse(no_code), None, "{no_code}");
        }
    }

    #[inline(never)]
    fn a_function_that_is_looked_for() -> usize {
        std::hint::black_box(42)
    }

    #[test]
    fn a_function_of_this_very_test_has_its_name() {
        assert_eq!(a_function_that_is_looked_for(), 42);
        let mappings = Mapping::read(&Procfs::new("/proc".as_ref()), std::process::id());
        let address = a_function_that_is_looked_for as *const () as u64 + 1;
        let mapping = mappings
            .iter()
            .find(|mapping| mapping.range.contains(&address))
            .unwrap();
        let executable = std::env::current_exe().unwrap();
        assert_eq!(mapping.path, executable.display().to_string());
        // `map_files` is for root alone.
        let code = Code::read(File::open(executable).unwrap()).unwrap();
        let name = code.find(address - mapping.range.start + mapping.offset).unwrap();
        assert!(name.contains("a_function_that_is_looked_for"), "{name}");
        assert_eq!(code.find(u64::MAX), None);
    }

    #[test]
    fn a_file_that_is_cut_short_is_remembered_only_if_it_was_the_first() {
        let path = std::env::current_exe().unwrap();
        let second = tempfile::NamedTempFile::new().unwrap();
        std::fs::copy(&path, second.path()).unwrap();
        let later = || Instant::now() + Duration::from_hours(1);
        let mut files = Files::default();
        // Late.
        let late = Budget::new(TRACE_LEN, Instant::now());
        assert_eq!(files.look_at(&path, &late), None);
        // A budget that ends within the first one has nothing left for the second one.
        let short = Budget::new(100_000, later());
        let first = files.look_at(&path, &short).unwrap();
        assert_eq!(files.look_at(second.path(), &short), None);
        assert_eq!(files.0.len(), 1);
        assert!(files.code(first).is_some());
        // What is known is not read again.
        assert_eq!(files.look_at(&path, &late), Some(first));
        let other = files.look_at(second.path(), &Budget::new(TRACE_LEN, later()));
        assert!(
            files
                .code(other.unwrap())
                .is_some_and(|code| !code.functions.is_empty())
        );
    }

    #[test]
    fn what_is_no_program_has_no_functions() {
        assert!(Code::read(File::open("/proc/self/comm").unwrap()).is_none());
    }
}
