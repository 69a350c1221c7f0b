//! The functions of processes.

use std::{collections::VecDeque, fs::File, io::Read as _, ops::Range};

use policy_elf::Elf;

use crate::{
    procfs::Procfs,
    regular::{self, Identity},
};

/// Bytes of the list of a process's mappings that are read.
const MAPS_LEN: u64 = 4 << 20;

/// Files whose functions are remembered.
const FILES: usize = 16;

/// Functions of a file that are taken, and bytes of their names, at most.
const FUNCTIONS: usize = 200_000;
const NAMES_LEN: usize = 16 << 20;

/// Part of a file in the memory of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    /// Addresses.
    pub(super) range: Range<u64>,
    /// Offset in the file of the first.
    pub(super) offset: u64,
    /// Path of the file, or a name in brackets.
    pub(super) path: String,
}

impl Mapping {
    /// Those of process `pid` which can be executed and have a name.
    pub(super) fn read(procfs: &Procfs, pid: u32) -> Vec<Self> {
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

/// Files whose functions are known, those that were asked for last at the front.
#[derive(Debug, Default)]
pub(super) struct Files(VecDeque<(Identity, Option<Code>)>);

impl Files {
    /// The functions of the file of `mapping` of process `pid`.
    pub(super) fn code(&mut self, procfs: &Procfs, pid: u32, mapping: &Mapping) -> Option<&Code> {
        let path = procfs.mapped(pid, &mapping.range);
        let identity = Identity::of(&path).ok()?;
        let known = self.0.iter().position(|(known, _)| *known == identity);
        let entry = if let Some(at) = known {
            self.0.remove(at)?
        } else {
            let (file, _) = regular::open(&path).ok()??;
            (identity, Code::read(file))
        };
        self.0.push_front(entry);
        self.0.truncate(FILES);
        self.0.front().and_then(|(_, code)| code.as_ref())
    }
}

/// The functions of a file.
#[derive(Debug)]
pub(super) struct Code {
    elf: Elf<File>,
    /// Address, size, and where in `names` the name is.
    functions: Vec<(u64, u64, Range<u32>)>,
    names: String,
}

impl Code {
    fn read(file: File) -> Option<Self> {
        let elf = Elf::read(file).ok()?;
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
        Some(Self { elf, functions, names })
    }

    /// The function that is at `offset` in the file.
    pub(super) fn find(&self, offset: u64) -> Option<&str> {
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
    fn what_is_no_program_has_no_functions() {
        assert!(Code::read(File::open("/proc/self/comm").unwrap()).is_none());
    }
}
