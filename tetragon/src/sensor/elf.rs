//! Places in programs and libraries.

use std::{collections::BTreeMap, fs::File};

use policy::{
    model::{Continue, Digest, Symbol, UprobePlaces},
    suggest,
};
use policy_elf::{Elf, Found};

use super::digest;
use crate::regular::{self, Identity};

/// Places of one probe: a program that is all probe has some dozens.
const PLACES: usize = 1_000;

/// A place in a program that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Its offset in the file.
    pub(super) offset: u64,
    /// That of the number of those who watch it, 0 for none.
    pub(super) counter: u64,
    /// Which file it is of: another one may have taken its place.
    pub(super) file: Identity,
}

impl Place {
    /// Whether the kernel has one breakpoint for both: it knows files as such, in whatever state they are.
    pub(super) fn is_where(&self, other: &Self) -> bool {
        self.offset == other.offset && self.file.is_same_file(&other.file)
    }
}

/// A program or library as it was when it was opened. Errors are sentences.
pub(super) struct Program<'a> {
    path: &'a str,
    file: File,
    /// Taken before anything is read: what changes afterwards is noticed.
    identity: Identity,
}

impl<'a> Program<'a> {
    pub(super) fn open(path: &'a str) -> Result<Self, String> {
        let opened = regular::open_here(path.as_ref()).map_err(|error| format!("{path}: {error}"))?;
        let (file, data) = opened.ok_or_else(|| format!("{path} is no regular file"))?;
        Ok(Self {
            path,
            file,
            identity: Identity::from(&data),
        })
    }

    /// The `places` with the symbol of each, or its offset or address as text. `counters` are those of the first ones.
    pub(super) fn places(&self, places: &UprobePlaces, counters: &[u64]) -> Result<Vec<(String, Place)>, String> {
        let label = |offset: u64| format!("{offset:#x}");
        let found = match places {
            UprobePlaces::Offsets(offsets) => offsets.iter().map(|&offset| (label(offset), offset)).collect(),
            UprobePlaces::Addresses(addresses) => {
                let elf = self.elf()?;
                let place = |&address: &u64| Ok((label(address), self.offset(&elf, address)?));
                addresses.iter().map(place).collect::<Result<Vec<_>, String>>()?
            }
            UprobePlaces::Symbols(symbols) => self.symbols(symbols)?,
        };
        let counters = counters.iter().copied().chain(std::iter::repeat(0));
        let place = |((label, offset), counter)| Ok((label, self.place(offset, counter)?));
        found.into_iter().zip(counters).map(place).collect()
    }

    /// Whether it has one of `digests`; with none of them, any file will do. Places are of the file as it was before it was
    /// read for that.
    pub(super) fn is_one_of(&self, digests: &[Digest]) -> Result<bool, String> {
        if digests.is_empty() {
            return Ok(true);
        }
        let error = |error: std::io::Error| format!("{}: {error}", self.path);
        let is_one = digest::has_one(&self.file, digests).map_err(error)?;
        if Identity::from(&self.file.metadata().map_err(error)?) != self.identity {
            return Err(format!("{} was changed while it was read", self.path));
        }
        Ok(is_one)
    }

    /// Checks that functions begin at `places` that are called, as their symbols say; `why` they must, as the beginning of a sentence.
    pub(super) fn check_beginnings(&self, places: &[(String, Place)], why: &str) -> Result<(), String> {
        let elf = self.elf()?;
        let (mut unknown, mut known, mut half) = (BTreeMap::new(), BTreeMap::new(), None);
        for (label, place) in places {
            let address = self.address(&elf, place.offset)?;
            if elf.is_entry(address) {
                return Err(format!(
                    "{label}: {why}: {} begins here, and nothing has called it that it could return to",
                    self.path
                ));
            }
            unknown.insert(address, label);
        }
        elf.functions(|function| {
            if let Some(label) = unknown.remove(&function.address) {
                known.insert(function.address, label);
            }
            if function.is_half()
                && let Some(label) = known.get(&function.address)
            {
                half = Some((*label, function.name.to_owned()));
            }
        })
        .map_err(|error| self.error(&error))?;
        if let Some((label, name)) = half {
            return Err(format!(
                "{label}: {why}: `{}` of {} is a half of one that the other half jumps to",
                name.escape_debug(),
                self.path
            ));
        }
        match unknown.first_key_value() {
            None => Ok(()),
            Some((_, label)) => Err(format!(
                "{label}: {why}: it must be the beginning of one, and {} has no symbol that says so",
                self.path
            )),
        }
    }

    /// Checks that the returns of functions at `places` can be observed: the kernel puts another address in the place of the
    /// one that they return to.
    pub(super) fn check_returns(&self, places: &[(String, Place)]) -> Result<(), String> {
        if self.elf()?.is_go().map_err(|error| self.error(&error))? {
            return Err(format!(
                "{} is written in Go, whose programs crash when the returns of their functions are observed: observe the \
                 functions alone",
                self.path
            ));
        }
        self.check_beginnings(places, "only functions return")
    }

    /// How many bytes behind `place` there is a `ret`, whatever else it may be a part of.
    pub(super) fn ret(&self, place: Place) -> Result<i64, String> {
        self.check_identity(place)?;
        let found = self.elf()?.ret(place.offset).map_err(|error| self.error(&error))?;
        let distance = found.ok_or_else(|| format!("{} has no `ret` behind {:#x}", self.path, place.offset))?;
        Ok(distance as i64)
    }

    /// How many bytes behind `place` the program continues at `target`, wherever it was loaded.
    pub(super) fn distance(&self, place: Place, target: &Continue) -> Result<i64, String> {
        self.check_identity(place)?;
        let elf = self.elf()?;
        let address = |offset| self.address(&elf, offset);
        let target = match target {
            Continue::Offset(offset) => address(*offset)?,
            Continue::Address(address) => {
                self.offset(&elf, *address)?;
                *address
            }
            Continue::Symbol(name) => {
                let symbol = Symbol {
                    name: name.clone(),
                    offset: 0,
                };
                let found = self.symbols(&[symbol])?;
                let (_, offset) = found.first().ok_or_else(|| self.missing(&elf, name))?;
                address(*offset)?
            }
        };
        Ok(target.wrapping_sub(address(place.offset)?) as i64)
    }

    /// The places of a probe, each with what the program says of the arguments there.
    pub(super) fn probe(&self, provider: &str, name: &str) -> Result<Vec<(String, Place)>, String> {
        let elf = self.elf()?;
        let probes = elf.probes().map_err(|error| self.error(&error))?;
        let mut places = vec![];
        for probe in probes
            .iter()
            .filter(|probe| (probe.provider, probe.name) == (provider, name))
        {
            let counter = match probe.semaphore {
                0 => 0,
                address => self.offset(&elf, address)?,
            };
            let place = self.place(self.offset(&elf, probe.address)?, counter)?;
            let place = (probe.arguments.to_owned(), place);
            if !places.contains(&place) {
                places.push(place);
            }
            if places.len() > PLACES {
                return Err(format!("{} has more than {PLACES} places of this probe", self.path));
            }
        }
        if places.is_empty() {
            let known = |probe: policy_elf::Probe<'_>| format!("{}:{}", probe.provider, probe.name);
            let wanted = format!("{provider}:{name}");
            let near = near(&wanted, |visit| probes.iter().for_each(|probe| visit(&known(probe))));
            let help = match near {
                Some(near) => format!(": did you mean `{}`?", near.escape_debug()),
                None if probes.iter().next().is_none() => ": it declares no probes at all".to_owned(),
                None => String::new(),
            };
            return Err(format!("{} has no probe `{wanted}`{help}", self.path));
        }
        Ok(places)
    }

    fn symbols(&self, symbols: &[Symbol]) -> Result<Vec<(String, u64)>, String> {
        let elf = self.elf()?;
        let names: Vec<&str> = symbols.iter().map(|symbol| symbol.name.as_str()).collect();
        let found = elf.find(&names).map_err(|error| self.error(&error))?;
        let place = |(symbol, found): (&Symbol, Found)| {
            let Symbol { name, offset } = symbol;
            let address = match found {
                Found::At(address) => address.wrapping_add(*offset),
                Found::Several(first, second) => {
                    return Err(format!(
                        "{} has several functions `{name}`, at {first:#x} and {second:#x}: use addrs instead of symbols",
                        self.path
                    ));
                }
                Found::Nothing => return Err(self.missing(&elf, name)),
            };
            let label = match offset {
                0 => name.clone(),
                behind => format!("{name}+{behind:#x}"),
            };
            Ok((label, self.offset(&elf, address)?))
        };
        symbols.iter().zip(found).map(place).collect()
    }

    /// Says that there is no function `name`, and what may have been meant.
    fn missing(&self, elf: &Elf<&File>, name: &str) -> String {
        let mut is_empty = true;
        let near = near(name, |visit| {
            // What cannot be read could not be read a moment ago either.
            let _ = elf.functions(|function| {
                is_empty = false;
                visit(function.name);
            });
        });
        let help = match near {
            Some(near) => format!(": did you mean `{}`?", near.escape_debug()),
            None if is_empty => ": it has no symbols at all, use offsets or addrs".to_owned(),
            None => String::new(),
        };
        format!("{} has no function `{name}`{help}", self.path)
    }

    fn elf(&self) -> Result<Elf<&File>, String> {
        Elf::read(&self.file).map_err(|error| self.error(&error))
    }

    fn check_identity(&self, place: Place) -> Result<(), String> {
        if place.file == self.identity {
            Ok(())
        } else {
            Err(format!("{} is no longer the file that it was", self.path))
        }
    }

    fn address(&self, elf: &Elf<&File>, offset: u64) -> Result<u64, String> {
        let address = elf.address(offset);
        address.ok_or_else(|| format!("{} loads nothing from offset {offset:#x}", self.path))
    }

    fn offset(&self, elf: &Elf<&File>, address: u64) -> Result<u64, String> {
        let offset = elf.offset(address);
        offset.ok_or_else(|| format!("{} has nothing at address {address:#x}", self.path))
    }

    fn place(&self, offset: u64, counter: u64) -> Result<Place, String> {
        // The kernel is told in 32 bits.
        if counter > u64::from(u32::MAX) {
            return Err(format!(
                "{}: the counter at offset {counter:#x} is beyond the first 4 GiB of the file",
                self.path
            ));
        }
        Ok(Place {
            offset,
            counter,
            file: self.identity,
        })
    }

    fn error(&self, error: &policy_elf::Error) -> String {
        format!("{}: {error}", self.path)
    }
}

/// The name nearest to `typed` among those that `each` has, one at a time.
fn near(typed: &str, each: impl FnOnce(&mut dyn FnMut(&str))) -> Option<String> {
    let mut best: Option<String> = None;
    each(&mut |name| {
        let candidates = best.as_deref().into_iter().chain([name]);
        let nearest = suggest::nearest(typed, candidates).map(str::to_owned);
        if nearest.is_some() && nearest != best {
            best = nearest;
        }
    });
    best
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
        let program = Program::open(&path).unwrap();
        let [(name, place)] = &program.places(&symbol("main", 4), &[16]).unwrap()[..] else {
            panic!("one place");
        };
        assert_eq!(name, "main+0x4");
        assert_eq!((place.counter, place.file), (16, Identity::of(&path).unwrap()));
        // The bytes there are those in memory.
        let file = std::fs::read(&path).unwrap();
        assert!((place.offset as usize) < file.len());
        let error = program.places(&symbol("mainn", 0), &[]).unwrap_err();
        assert!(
            error.ends_with("has no function `mainn`: did you mean `main`?"),
            "{error}"
        );
        let error = program
            .places(&UprobePlaces::Addresses(vec![u64::MAX]), &[])
            .unwrap_err();
        assert!(error.contains("nothing at address 0xffffffffffffffff"), "{error}");
        let offsets = program.places(&UprobePlaces::Offsets(vec![16, 32]), &[8]).unwrap();
        let offsets: Vec<_> = offsets
            .iter()
            .map(|(label, place)| (label.as_str(), place.offset, place.counter))
            .collect();
        assert_eq!(offsets, [("0x10", 16, 8), ("0x20", 32, 0)]);
        let error = program
            .places(&UprobePlaces::Offsets(vec![16]), &[1 << 32])
            .unwrap_err();
        assert!(error.ends_with("the counter at offset 0x100000000 is beyond the first 4 GiB of the file"));
    }

    #[test]
    fn where_functions_begin() {
        let path = std::env::current_exe().unwrap().display().to_string();
        let program = Program::open(&path).unwrap();
        let begins = |places: &UprobePlaces| {
            let places = program.places(places, &[]).unwrap();
            program.check_returns(&places)
        };
        assert_eq!(begins(&symbol("main", 0)), Ok(()));
        let main = program.places(&symbol("main", 0), &[]).unwrap()[0].1.offset;
        assert_eq!(begins(&UprobePlaces::Offsets(vec![main])), Ok(()));
        let error = begins(&symbol("main", 1)).unwrap_err();
        assert!(error.starts_with("main+0x1: only functions return: "), "{error}");
        let error = begins(&UprobePlaces::Offsets(vec![main, main + 1])).unwrap_err();
        assert!(error.starts_with(&format!("{:#x}: only", main + 1)), "{error}");
        let elf = program.elf().unwrap();
        let entry = elf.offset(entry_of(&path)).unwrap();
        let error = begins(&UprobePlaces::Offsets(vec![main, entry])).unwrap_err();
        assert_eq!(
            error,
            format!(
                "{entry:#x}: only functions return: {path} begins here, and nothing has called it that it could return to"
            )
        );
        let place = program.places(&symbol("main", 0), &[]).unwrap()[0].1;
        let distance = program.ret(place).unwrap();
        assert_eq!(std::fs::read(&path).unwrap()[main as usize + distance as usize], 0xc3);
    }

    /// Where a program begins: word 3 of its header.
    fn entry_of(path: &str) -> u64 {
        let file = std::fs::read(path).unwrap();
        u64::from_le_bytes(file[24..32].try_into().unwrap())
    }

    #[test]
    fn halves_of_functions_are_not_called() {
        let name = regex::bytes::Regex::new("\0rust_eh_personality\0").unwrap();
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), name.replace_all(&own, &b"\0rust_eh_person.cold\0"[..])).unwrap();
        let path = file.path().display().to_string();
        let program = Program::open(&path).unwrap();
        let check = |name: &str| program.check_returns(&program.places(&symbol(name, 0), &[]).unwrap());
        assert_eq!(check("main"), Ok(()));
        assert_eq!(
            check("rust_eh_person.cold").unwrap_err(),
            format!(
                "rust_eh_person.cold: only functions return: `rust_eh_person.cold` of {path} is a half of one that the other \
                 half jumps to"
            )
        );
    }

    #[test]
    fn a_place_is_where_it_was_when_its_file_is_in_another_state() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let place = |offset| Place {
            offset,
            counter: 0,
            file: Identity::of(file.path()).unwrap(),
        };
        let before = place(16);
        file.as_file().set_len(64).unwrap();
        assert_ne!(before, place(16));
        assert!(before.is_where(&place(16)));
        assert!(!before.is_where(&place(17)));
        let other = tempfile::NamedTempFile::new().unwrap();
        let other = Place {
            file: Identity::of(other.path()).unwrap(),
            ..before
        };
        assert!(!before.is_where(&other));
    }

    #[test]
    fn how_far_one_function_is_from_another() {
        let path = std::env::current_exe().unwrap().display().to_string();
        let program = Program::open(&path).unwrap();
        let place = |name: &str, offset| program.places(&symbol(name, offset), &[]).unwrap()[0].1;
        let (main, behind) = (place("main", 0), place("main", 4));
        let distance = |target: Continue| program.distance(behind, &target);
        assert_eq!(distance(Continue::Symbol("main".into())), Ok(-4));
        assert_eq!(distance(Continue::Offset(main.offset)), Ok(-4));
        let address = program.elf().unwrap().address(main.offset).unwrap();
        assert_eq!(distance(Continue::Address(address)), Ok(-4));
        let error = distance(Continue::Symbol("mainn".into())).unwrap_err();
        assert!(error.ends_with("did you mean `main`?"), "{error}");
        let error = distance(Continue::Offset(u64::MAX)).unwrap_err();
        assert!(
            error.ends_with("loads nothing from offset 0xffffffffffffffff"),
            "{error}"
        );
        assert!(distance(Continue::Address(u64::MAX)).is_err());
    }

    #[test]
    fn what_is_no_program_is_said() {
        let message = |path: &str| Program::open(path).err().unwrap();
        assert!(message("/dev/null").ends_with("is no regular file"));
        assert!(message("/nowhere").starts_with("/nowhere: "));
        let script = tempfile::NamedTempFile::new().unwrap();
        let path = script.path().display().to_string();
        let error = Program::open(&path).unwrap().probe("a", "b").unwrap_err();
        assert_eq!(error, format!("{path}: no program or library for x86-64"));
    }

    #[test]
    fn a_program_that_changes_is_another_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        let program = Program::open(&path).unwrap();
        file.as_file().set_len(64).unwrap();
        assert_ne!(Identity::of(&path).unwrap(), program.identity);
    }

    #[test]
    fn near_names_one_at_a_time() {
        let near = |typed: &str| {
            near(typed, |visit| {
                ["shop:open", "shop:checkout", "shop:checking"]
                    .into_iter()
                    .for_each(visit);
            })
        };
        assert_eq!(near("shop:chekout").as_deref(), Some("shop:checkout"));
        assert_eq!(near("library:lend"), None);
    }
}
