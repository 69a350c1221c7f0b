//! Functions by their symbols.

use object::{
    LittleEndian as Little,
    elf::{SHN_UNDEF, SHT_DYNSYM, SHT_GNU_VERSYM, SHT_SYMTAB, STT_FUNC, Sym64, VERSYM_HIDDEN},
};

use crate::{
    Elf, Error, Source,
    file::{Section, record},
    source::{exactly, fill, records},
};

/// Symbols that are looked at: a browser has a fifth.
const SYMBOLS: u64 = 1 << 23;

/// Longest name, in bytes: those of generated code have some thousands. Longer ones are passed over.
const NAME: usize = 4_096;

/// A symbol of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its name: text, not empty.
    pub name: &'a str,
    /// Where it is when the program runs, from where the file wants to be.
    pub address: u64,
    /// Bytes of its code, 0 when nobody said.
    pub size: u64,
    /// Whether it is there only for programs that were linked with an older version of the library.
    pub outdated: bool,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Found {
    /// No function.
    #[default]
    Nothing,
    /// The function at this address.
    At(u64),
    /// Two functions, or more.
    Several(u64, u64),
}

impl Function<'_> {
    /// Whether it is the half of a function that is seldom needed: what is there is jumped to from the other one, with its stack
    /// as it is there (`foo.cold`, of GCC and LLVM).
    pub fn is_half(&self) -> bool {
        self.name.contains(".cold")
    }
}

impl Found {
    fn add(&mut self, address: u64) {
        *self = match *self {
            Self::Nothing => Self::At(address),
            Self::At(known) if known != address => Self::Several(known, address),
            known => known,
        };
    }
}

impl<S: Source> Elf<S> {
    /// Hands each symbol of a function to `visit`. Many functions have two.
    pub fn functions(&self, mut visit: impl FnMut(Function<'_>)) -> Result<(), Error> {
        for kind in [SHT_SYMTAB, SHT_DYNSYM] {
            let found = self
                .sections
                .iter()
                .enumerate()
                .find(|(_, section)| section.kind == kind);
            if let Some((position, table)) = found {
                self.functions_of(position as u32, table, &mut visit)?;
            }
        }
        Ok(())
    }

    /// What each of `names` stands for. Of a library's versions of a function the one that programs are linked with today.
    pub fn find(&self, names: &[&str]) -> Result<Vec<Found>, Error> {
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by_key(|&position| names[position]);
        let mut found = vec![(Found::Nothing, Found::Nothing); names.len()];
        self.functions(|function| {
            let start = order.partition_point(|&position| names[position] < function.name);
            let same = order[start..]
                .iter()
                .take_while(|&&position| names[position] == function.name);
            for &position in same {
                let (current, outdated) = &mut found[position];
                if function.outdated { outdated } else { current }.add(function.address);
            }
        })?;
        let choose = |(current, outdated)| if current == Found::Nothing { outdated } else { current };
        Ok(found.into_iter().map(choose).collect())
    }

    fn functions_of(&self, position: u32, table: &Section, visit: &mut impl FnMut(Function<'_>)) -> Result<(), Error> {
        const LE: Little = Little;
        const WIDTH: usize = size_of::<Sym64<Little>>();
        let Some(names) = self.sections.get(table.link as usize) else {
            return Ok(());
        };
        if table.len / WIDTH as u64 > SYMBOLS {
            return Err(Error::TooLarge("symbols"));
        }
        let versions = self
            .sections
            .iter()
            .find(|section| section.kind == SHT_GNU_VERSYM && section.link == position);
        let mut names = Names::new(&self.source, names);
        let mut index = 0;
        records(&self.source, (table.offset, table.len), WIDTH, "symbols", |bytes| {
            let symbol: &Sym64<Little> = record(bytes).ok_or(Error::Kind)?;
            let number = index;
            index += 1;
            if symbol.st_info & 0xf != STT_FUNC || symbol.st_shndx.get(LE) == SHN_UNDEF {
                return Ok(());
            }
            let Some(name) = names.get(symbol.st_name.get(LE))? else {
                return Ok(());
            };
            let mut version = [0; 2];
            if let Some(versions) = versions
                && number < versions.len / 2
            {
                let at = versions.offset.saturating_add(2 * number);
                exactly(&self.source, &mut version, at, "versions of symbols")?;
            }
            visit(Function {
                name,
                address: symbol.st_value.get(LE),
                size: symbol.st_size.get(LE),
                outdated: u16::from_le_bytes(version) & VERSYM_HIDDEN != 0,
            });
            Ok(())
        })
    }
}

/// Names of symbols, which stand next to each other more often than not.
struct Names<'a, S> {
    source: &'a S,
    offset: u64,
    len: u64,
    /// What was read last, and where it begins within the names.
    window: Vec<u8>,
    start: u64,
    filled: usize,
}

impl<'a, S: Source> Names<'a, S> {
    fn new(source: &'a S, section: &Section) -> Self {
        Self {
            source,
            offset: section.offset,
            len: section.len,
            window: vec![0; 2 * NAME],
            start: 0,
            filled: 0,
        }
    }

    /// The name that begins at `at`, if it is one.
    fn get(&mut self, at: u32) -> Result<Option<&str>, Error> {
        let at = u64::from(at);
        let known = at.checked_sub(self.start).and_then(|within| self.end(within));
        let range = if known.is_some() {
            known
        } else {
            self.read(at)?;
            self.end(0)
        };
        let Some((from, to)) = range else { return Ok(None) };
        let name = str::from_utf8(&self.window[from..to]).ok();
        Ok(name.filter(|name| !name.is_empty()))
    }

    /// Where in the window the name is that begins at `within`, if all of it is there.
    fn end(&self, within: u64) -> Option<(usize, usize)> {
        let from = usize::try_from(within).ok()?;
        let bytes = self.window[..self.filled].get(from..)?;
        let len = bytes.iter().take(NAME + 1).position(|&byte| byte == 0)?;
        Some((from, from + len))
    }

    fn read(&mut self, at: u64) -> Result<(), Error> {
        let len = self.len.saturating_sub(at).min(self.window.len() as u64) as usize;
        (self.start, self.filled) = (at, 0);
        if let Some(offset) = self.offset.checked_add(at) {
            self.filled = fill(self.source, &mut self.window[..len], offset)?;
        }
        Ok(())
    }
}
