//! Policies on programs and libraries.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};
use policy::arg_type::ArgType;
use policy::place::Spanned;
use policy::spec::{Arg, Document, Uprobe, Usdt};

/// Arguments of one hook that a policy may have.
const ARGS: usize = 5;

/// Type of the notes that declare probes (`sys/sdt.h`).
const STAPSDT: u32 = 3;

/// A hook on all functions of the file at `path`.
pub(super) fn uprobes(path: &Path) -> anyhow::Result<Document> {
    let bytes = read(path)?;
    let file = parse(path, &bytes)?;
    let symbols = file.symbols().chain(file.dynamic_symbols());
    let functions = symbols.filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition());
    let names: BTreeSet<&str> = functions.filter_map(|symbol| symbol.name().ok()).collect();
    anyhow::ensure!(
        !names.is_empty(),
        "{}: no symbols of functions: it was stripped",
        path.display()
    );
    let mut document = Document::new("uprobes");
    document.spec.uprobes.push(Uprobe {
        path: Spanned::nowhere(path.display().to_string()),
        symbols: names
            .into_iter()
            .map(|name| Spanned::nowhere(name.to_owned()))
            .collect(),
        ..Uprobe::default()
    });
    Ok(document)
}

/// A hook on each probe that the file at `path` declares.
pub(super) fn usdts(path: &Path) -> anyhow::Result<Document> {
    let bytes = read(path)?;
    let file = parse(path, &bytes)?;
    let notes = file.section_by_name(".note.stapsdt");
    let notes = notes.and_then(|section| section.data().ok()).unwrap_or_default();
    let probes = probes(notes);
    anyhow::ensure!(!probes.is_empty(), "{} declares no probes", path.display());
    let usdt = |((provider, name), args): ((&str, &str), &str)| Usdt {
        path: Spanned::nowhere(path.display().to_string()),
        provider: Spanned::nowhere(provider.to_owned()),
        name: Spanned::nowhere(name.to_owned()),
        args: typed(args),
        ..Usdt::default()
    };
    let mut document = Document::new("usdts");
    document.spec.usdts = probes.into_iter().map(usdt).collect();
    Ok(document)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("read {}", path.display()))
}

fn parse<'a>(path: &Path, bytes: &'a [u8]) -> anyhow::Result<object::File<'a>> {
    object::File::parse(bytes).with_context(|| format!("{}: no program or library", path.display()))
}

/// Arguments of each probe, as the first of its notes has them, by provider and name.
fn probes(mut notes: &[u8]) -> BTreeMap<(&str, &str), &str> {
    let mut probes = BTreeMap::new();
    while let Some((kind, description, rest)) = note(notes) {
        notes = rest;
        if kind != STAPSDT {
            continue;
        }
        // Address of the probe, of a section and of the semaphore.
        let texts = description.get(24..).unwrap_or_default();
        let mut texts = texts
            .split(|&byte| byte == 0)
            .map(|text| str::from_utf8(text).unwrap_or_default());
        if let (Some(provider), Some(name), Some(args)) = (texts.next(), texts.next(), texts.next())
            && !provider.is_empty()
            && !name.is_empty()
        {
            probes.entry((provider, name)).or_insert(args);
        }
    }
    probes
}

/// Type and description of the first of `notes`, and what is behind it.
fn note(notes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let word = |at: usize| Some(u32::from_le_bytes(notes.get(at..at + 4)?.try_into().ok()?));
    let padded = |len: u32| (len as usize).checked_next_multiple_of(4);
    let (name, description, kind) = (padded(word(0)?)?, word(4)?, word(8)?);
    let start = 12_usize.checked_add(name)?;
    let bytes = notes.get(start..start.checked_add(description as usize)?)?;
    let end = start.checked_add(padded(description)?)?.min(notes.len());
    Some((kind, bytes, notes.get(end..)?))
}

/// The types of arguments such as `-4@%eax 8@-8(%rbp)`: width, minus for a sign, and where it is.
fn typed(args: &str) -> Vec<Arg> {
    let sizes = args.split_ascii_whitespace().filter_map(|arg| arg.split_once('@'));
    let arg = |(index, (size, _)): (usize, (&str, &str))| Arg {
        index: Spanned::nowhere(index as u32),
        arg_type: Spanned::nowhere(match size {
            "-1" => ArgType::Int8,
            "1" => ArgType::Uint8,
            "-2" => ArgType::Int16,
            "2" => ArgType::Uint16,
            "-4" => ArgType::Int,
            "4" => ArgType::Uint32,
            "-8" => ArgType::Int64,
            _ => ArgType::Uint64,
        }),
        ..Arg::default()
    };
    sizes.enumerate().map(arg).take(ARGS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(provider: &str, name: &str, args: &str) -> Vec<u8> {
        let description = [
            &[0; 24],
            provider.as_bytes(),
            b"\0",
            name.as_bytes(),
            b"\0",
            args.as_bytes(),
            b"\0",
        ]
        .concat();
        let mut note = vec![];
        for word in [8, description.len() as u32, STAPSDT] {
            note.extend(word.to_le_bytes());
        }
        note.extend(b"stapsdt\0");
        note.extend(description);
        note.resize(note.len().next_multiple_of(4), 0);
        note
    }

    #[test]
    fn probes_with_their_arguments() {
        let notes = [
            written("shop", "checkout", "-4@%eax 8@-8(%rbp)"),
            written("shop", "checkout", "-4@%ebx 8@%rax"),
            written("shop", "open", ""),
        ]
        .concat();
        let probes = probes(&notes);
        assert_eq!(probes.len(), 2);
        assert_eq!(probes[&("shop", "open")], "");
        let types: Vec<_> = typed(probes[&("shop", "checkout")])
            .iter()
            .map(|arg| (arg.index.value, arg.arg_type.value))
            .collect();
        assert_eq!(types, [(0, ArgType::Int), (1, ArgType::Uint64)]);
    }

    proptest! {
        #[test]
        fn notes_may_be_anything(mut notes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..60, size in 0_u32..64) {
            if let Some(place) = notes.get_mut(at..at + 4) {
                place.copy_from_slice(&size.to_le_bytes());
            }
            probes(&notes);
        }
    }
}
