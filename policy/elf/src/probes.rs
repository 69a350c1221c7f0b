//! Probes that a program declares: its notes of `sys/sdt.h`.

use crate::{Elf, Error, Source};

/// Section of the notes.
const NOTES: &str = ".note.stapsdt";

/// Section that is where the linker of the program put it, whatever was moved since.
const BASE: &str = ".stapsdt.base";

/// Who writes the notes, and their type.
const NAME: &[u8] = b"stapsdt\0";
const KIND: u32 = 3;

/// Bytes of notes that are read: those of large programs have some hundred thousand.
const SIZE: u64 = 16 << 20;

/// The probes of a program, one after the other, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Probes {
    notes: Vec<u8>,
    base: Option<u64>,
}

/// A place of a probe: it may have several, each with a note of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe<'a> {
    /// Who declares it, not empty.
    pub provider: &'a str,
    /// Its name, not empty.
    pub name: &'a str,
    /// Its address when the program runs, from where the file wants to be.
    pub address: u64,
    /// Address of the number, of 16 bits, of those who watch it; 0 for none.
    pub semaphore: u64,
    /// Its arguments, to be [split](crate::split()).
    pub arguments: &'a str,
}

impl<S: Source> Elf<S> {
    /// The probes that it declares.
    pub fn probes(&self) -> Result<Probes, Error> {
        let Some(section) = self.section(NOTES)? else {
            return Ok(Probes::default());
        };
        Ok(Probes {
            notes: self.contents(&section, SIZE, "notes of probes")?,
            base: self.section(BASE)?.map(|base| base.address),
        })
    }
}

impl Probes {
    /// Those in `notes`, `base` being where the base section is.
    pub fn of(notes: Vec<u8>, base: Option<u64>) -> Self {
        Self { notes, base }
    }

    /// All of them. Ends early where the bytes are none; what is no note of a probe is passed over.
    pub fn iter(&self) -> impl Iterator<Item = Probe<'_>> {
        let mut notes = self.notes.as_slice();
        let all = std::iter::from_fn(move || {
            let (note, rest) = note(notes)?;
            notes = rest;
            Some(note)
        });
        all.filter_map(|note| self.probe(note))
    }

    fn probe<'a>(&self, note: Note<'a>) -> Option<Probe<'a>> {
        if (note.kind, note.name) != (KIND, NAME) {
            return None;
        }
        let (words, texts) = note.description.split_at_checked(24)?;
        let word = |index: usize| {
            Some(u64::from_le_bytes(
                words.get(8 * index..8 * index + 8)?.try_into().ok()?,
            ))
        };
        let (address, base, semaphore) = (word(0)?, word(1)?, word(2)?);
        let mut texts = texts.split(|&byte| byte == 0).map(str::from_utf8);
        let mut text = || texts.next()?.ok();
        let (provider, name, arguments) = (text()?, text()?, text()?);
        if provider.is_empty() || name.is_empty() {
            return None;
        }
        // Whoever moved the program, as prelink(8) did, left the notes as they were.
        let moved = match self.base {
            Some(now) if base != 0 => now.wrapping_sub(base),
            _ => 0,
        };
        Some(Probe {
            provider,
            name,
            address: address.wrapping_add(moved),
            semaphore: if semaphore == 0 {
                0
            } else {
                semaphore.wrapping_add(moved)
            },
            arguments,
        })
    }
}

/// A note of an ELF file.
#[derive(Clone, Copy)]
struct Note<'a> {
    kind: u32,
    name: &'a [u8],
    description: &'a [u8],
}

/// The first of `notes`, and what is behind it.
fn note(notes: &[u8]) -> Option<(Note<'_>, &[u8])> {
    let word = |at: usize| Some(u32::from_le_bytes(notes.get(at..at + 4)?.try_into().ok()?));
    let (name_len, len, kind) = (word(0)? as usize, word(4)? as usize, word(8)?);
    let name = notes.get(12..)?.get(..name_len)?;
    let start = 12_usize.checked_add(name_len.checked_next_multiple_of(4)?)?;
    let description = notes.get(start..)?.get(..len)?;
    let end = start.checked_add(len.checked_next_multiple_of(4)?)?.min(notes.len());
    let note = Note {
        kind,
        name,
        description,
    };
    Some((note, notes.get(end..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::note;

    #[test]
    fn probes_with_their_places_and_arguments() {
        let notes = [
            note([0x1000, 0x5000, 0], "shop", "checkout", "-4@%eax 8@-8(%rbp)"),
            note([0x2000, 0x5000, 0x9000], "shop", "checkout", ""),
            note([0x3000, 0, 0x9000], "", "none", ""),
            note([0x3000, 0, 0x9000], "shop", "open", "4@$1"),
        ]
        .concat();
        // What was not moved, and what was moved by 0x100.
        for (base, moved) in [(None, 0), (Some(0x5000), 0), (Some(0x5100), 0x100)] {
            let probes = Probes::of(notes.clone(), base);
            let found: Vec<_> = probes
                .iter()
                .map(|probe| (probe.name, probe.address, probe.semaphore, probe.arguments))
                .collect();
            assert_eq!(
                found,
                [
                    ("checkout", 0x1000 + moved, 0, "-4@%eax 8@-8(%rbp)"),
                    ("checkout", 0x2000 + moved, 0x9000 + moved, ""),
                    ("open", 0x3000, 0x9000, "4@$1"),
                ]
            );
        }
    }

    #[test]
    fn other_notes_and_broken_ends_are_passed_over() {
        let mut other = note([1, 2, 3], "a", "b", "");
        other[8] = 1;
        let mut foreign = note([1, 2, 3], "a", "b", "");
        foreign[12] = b'S';
        let good = note([1, 2, 3], "c", "d", "");
        let all = [&other[..], &foreign, &good, &good[..good.len() - 8]].concat();
        let probes = Probes::of(all, None);
        assert_eq!(probes.iter().map(|probe| probe.name).collect::<Vec<_>>(), ["d"]);
    }

    proptest! {
        #[test]
        fn notes_may_be_anything(
            mut notes in prop::collection::vec(any::<u8>(), 0..200),
            at in 0_usize..60,
            size in prop_oneof![0_u32..64, Just(u32::MAX)],
            base in any::<Option<u64>>(),
        ) {
            if let Some(place) = notes.get_mut(at..at + 4) {
                place.copy_from_slice(&size.to_le_bytes());
            }
            Probes::of([note([1, 2, 3], "a", "b", "c"), notes].concat(), base).iter().count();
        }
    }
}
