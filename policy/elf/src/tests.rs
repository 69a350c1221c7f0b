//! Files that are written here, whole and broken.

use object::elf::{SHT_DYNSYM, SHT_GNU_VERSYM, SHT_NOTE, SHT_PROGBITS, SHT_STRTAB, SHT_SYMTAB};
use proptest::prelude::*;

use crate::{Elf, Error, Found};

/// A note of a probe: address, base and semaphore, then its texts.
pub(crate) fn note(words: [u64; 3], provider: &str, name: &str, arguments: &str) -> Vec<u8> {
    let words: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    let texts = format!("{provider}\0{name}\0{arguments}\0");
    let description = [words, texts.into_bytes()].concat();
    let mut note = vec![];
    for word in [8, description.len() as u32, 3] {
        note.extend(word.to_le_bytes());
    }
    note.extend(b"stapsdt\0");
    note.extend(description);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

/// What a section is made of: name, type, address, link, contents.
type Section<'a> = (&'a str, u32, u64, u32, Vec<u8>);

/// A program with one segment, mapped from offset 0 to `0x40_0000`, and these sections behind an empty one.
fn program(sections: &[Section<'_>]) -> Vec<u8> {
    let mut names = vec![0];
    let mut file = vec![0; 64 + 56];
    let mut headers = vec![0; 64];
    let all = sections
        .iter()
        .cloned()
        .chain([(".shstrtab", SHT_STRTAB, 0, 0, vec![])]);
    for (name, kind, address, link, contents) in all {
        let at = names.len() as u32;
        names.extend(name.as_bytes());
        names.push(0);
        let contents = if name == ".shstrtab" { names.clone() } else { contents };
        for word in [at, kind] {
            headers.extend(word.to_le_bytes());
        }
        for word in [0, address, file.len() as u64, contents.len() as u64] {
            headers.extend(word.to_le_bytes());
        }
        for word in [link, 0] {
            headers.extend(word.to_le_bytes());
        }
        headers.extend([0; 16]);
        file.extend(contents);
    }
    let table = file.len() as u64;
    file.extend(headers);
    file[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(18, &62_u16.to_le_bytes());
    put(32, &64_u64.to_le_bytes());
    put(40, &table.to_le_bytes());
    put(54, &56_u16.to_le_bytes());
    put(56, &1_u16.to_le_bytes());
    put(58, &64_u16.to_le_bytes());
    put(60, &(sections.len() as u16 + 2).to_le_bytes());
    put(62, &(sections.len() as u16 + 1).to_le_bytes());
    put(64, &1_u32.to_le_bytes());
    put(80, &0x40_0000_u64.to_le_bytes());
    put(96, &0x1000_u64.to_le_bytes());
    file
}

/// Symbols of functions, and their names.
fn symbols(functions: &[(&[u8], u64)]) -> (Vec<u8>, Vec<u8>) {
    let (mut table, mut names) = (vec![], vec![0]);
    for (name, address) in functions {
        table.extend((names.len() as u32).to_le_bytes());
        table.extend([2, 0, 1, 0]);
        table.extend(address.to_le_bytes());
        table.extend([0; 8]);
        names.extend(*name);
        names.push(0);
    }
    (table, names)
}

fn library() -> Vec<u8> {
    let long = vec![b'x'; 5_000];
    let (table, names) = symbols(&[
        (b"main", 0x40_0010),
        (b"usage", 0x40_0020),
        (b"usage", 0x40_0030),
        (b"\xff\xfe", 0x40_0040),
        (&long, 0x40_0050),
        (b"open", 0x40_0060),
    ]);
    let (dynamic, dynamic_names) = symbols(&[(b"open", 0x40_0070), (b"open", 0x40_0060), (b"old", 0x40_0080)]);
    let versions = [0x8002_u16, 3, 0x8002].into_iter().flat_map(u16::to_le_bytes).collect();
    program(&[
        (".symtab", SHT_SYMTAB, 0, 2, table),
        (".strtab", SHT_STRTAB, 0, 0, names),
        (".dynsym", SHT_DYNSYM, 0, 4, dynamic),
        (".dynstr", SHT_STRTAB, 0, 0, dynamic_names),
        (".gnu.version", SHT_GNU_VERSYM, 0, 3, versions),
        (
            ".note.stapsdt",
            SHT_NOTE,
            0,
            0,
            note([0x40_0010, 0x40_0f00, 0], "shop", "open", "4@$1"),
        ),
        (".stapsdt.base", SHT_PROGBITS, 0x40_0f10, 0, vec![0]),
    ])
}

#[test]
fn functions_by_name_and_what_is_no_single_one() {
    let file = library();
    let elf = Elf::read(&file[..]).unwrap();
    let found = elf.find(&["usage", "main", "none", "open", "old", "main"]).unwrap();
    assert_eq!(
        found,
        [
            Found::Several(0x40_0020, 0x40_0030),
            Found::At(0x40_0010),
            Found::Nothing,
            // The version of today.
            Found::At(0x40_0060),
            Found::At(0x40_0080),
            Found::At(0x40_0010),
        ]
    );
    let mut names = vec![];
    elf.functions(|function| names.push(function.name.to_owned())).unwrap();
    // No text and no name that is longer than any other is looked at.
    assert_eq!(names, ["main", "usage", "usage", "open", "open", "open", "old"]);
    assert_eq!(elf.offset(0x40_0010), Some(0x10));
    assert_eq!(elf.offset(0x40_1000), None);
    assert_eq!(elf.offset(0x3f_ffff), None);
}

#[test]
fn what_is_not_entered_by_a_call() {
    let (table, names) = symbols(&[
        (b"serve", 0x40_0010),
        (b"serve.cold", 0x40_0020),
        (b"serve.cold.1", 0x40_0030),
    ]);
    let mut file = program(&[
        (".symtab", SHT_SYMTAB, 0, 2, table),
        (".strtab", SHT_STRTAB, 0, 0, names),
    ]);
    assert!(!Elf::read(&file[..]).unwrap().is_entry(0));
    file[24..32].copy_from_slice(&0x40_0010_u64.to_le_bytes());
    let elf = Elf::read(&file[..]).unwrap();
    assert!(elf.is_entry(0x40_0010) && !elf.is_entry(0x40_0020));
    let mut halves = vec![];
    elf.functions(|function| halves.push(function.is_half())).unwrap();
    assert_eq!(halves, [false, true, true]);
}

#[test]
fn the_next_ret_within_what_is_mapped() {
    let code = |text: &[u8]| (".text", SHT_PROGBITS, 0, 0, text.to_vec());
    let file = program(&[code(&[0x90, 0x90, 0xc3, 0x90])]);
    let elf = Elf::read(&file[..]).unwrap();
    let start = file.iter().rposition(|&byte| byte == 0xc3).unwrap() as u64 - 2;
    assert_eq!(elf.ret(start).unwrap(), Some(2));
    assert_eq!(elf.ret(start + 2).unwrap(), Some(0));
    assert_eq!(elf.ret(start + 3).unwrap(), None);
    // Nothing of it is mapped.
    let mut data = vec![0; 0x1000];
    data.push(0xc3);
    let file = program(&[code(&data)]);
    let elf = Elf::read(&file[..]).unwrap();
    assert_eq!(elf.ret(0xfff).unwrap(), None);
    assert_eq!(elf.ret(0x1000).unwrap(), None);
    assert_eq!(elf.ret(u64::MAX).unwrap(), None);
}

#[test]
fn programs_in_go_have_tables_of_their_own() {
    for (name, expected) in [
        (".gopclntab", true),
        (".data.rel.ro.gopclntab", true),
        (".gopcln", false),
    ] {
        let file = program(&[(name, SHT_PROGBITS, 0, 0, vec![0])]);
        assert_eq!(Elf::read(&file[..]).unwrap().is_go().unwrap(), expected, "{name}");
    }
}

#[test]
fn probes_are_where_the_base_section_went() {
    let file = library();
    let probes = Elf::read(&file[..]).unwrap().probes().unwrap();
    let probes: Vec<_> = probes.iter().map(|probe| (probe.name, probe.address)).collect();
    assert_eq!(probes, [("open", 0x40_0020)]);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    // A symbol table of an exbibyte.
    let mut file = library();
    let headers = u64::from_le_bytes(file[40..48].try_into().unwrap()) as usize;
    file[headers + 64 + 32..][..8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
    let elf = Elf::read(&file[..]).unwrap();
    assert!(matches!(elf.find(&["main"]), Err(Error::TooLarge("symbols"))));
    // One of a hundred mebibytes that are not there.
    file[headers + 64 + 32..][..8].copy_from_slice(&(100_u64 << 20).to_le_bytes());
    let elf = Elf::read(&file[..]).unwrap();
    assert!(matches!(elf.find(&["main"]), Err(Error::Truncated("symbols"))));
    // Notes of as many.
    file[headers + 6 * 64 + 32..][..8].copy_from_slice(&(100_u64 << 20).to_le_bytes());
    let elf = Elf::read(&file[..]).unwrap();
    assert!(matches!(elf.probes(), Err(Error::TooLarge("notes of probes"))));
}

#[test]
fn other_files_are_none() {
    let mut arm = library();
    arm[18] = 183;
    for file in [&b""[..], b"#!/bin/sh\n", &arm] {
        assert!(matches!(Elf::read(file), Err(Error::Kind)));
    }
}

proptest! {
    #[test]
    fn broken_files_give_a_value(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        header in prop::collection::vec((0_usize..120, any::<u8>()), 0..3),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut file = library();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        for (at, byte) in header {
            file[at] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        if let Ok(elf) = Elf::read(&file[..]) {
            let _ = elf.find(&["main", "open"]);
            let _ = elf.offset(0x40_0010);
            let _ = (elf.is_go(), elf.ret(0x10));
            if let Ok(probes) = elf.probes() {
                probes.iter().count();
            }
        }
    }
}
