//! Policies on programs and libraries.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use anyhow::Context as _;
use policy::arg_type::ArgType;
use policy::place::Spanned;
use policy::spec::{Arg, Document, Uprobe, Usdt};
use policy_elf::{Elf, Operand, Probes};

/// Arguments of one hook that a policy may have.
const ARGS: usize = 5;

/// A hook on all functions of the file at `path`.
pub(super) fn uprobes(path: &Path) -> anyhow::Result<Document> {
    let mut names = BTreeSet::new();
    let elf = open(path)?;
    elf.functions(|function| {
        names.insert(function.name.to_owned());
    })
    .with_context(|| path.display().to_string())?;
    anyhow::ensure!(
        !names.is_empty(),
        "{}: no symbols of functions: it was stripped",
        path.display()
    );
    let mut document = Document::new("uprobes");
    document.spec.uprobes.push(Uprobe {
        path: Spanned::nowhere(path.display().to_string()),
        symbols: names.into_iter().map(Spanned::nowhere).collect(),
        ..Uprobe::default()
    });
    Ok(document)
}

/// A hook on each probe that the file at `path` declares.
pub(super) fn usdts(path: &Path) -> anyhow::Result<Document> {
    let probes = open(path)?.probes().with_context(|| path.display().to_string())?;
    let mut document = Document::new("usdts");
    document.spec.usdts = hooks(path, &probes);
    anyhow::ensure!(!document.spec.usdts.is_empty(), "{} declares no probes", path.display());
    Ok(document)
}

fn open(path: &Path) -> anyhow::Result<Elf<File>> {
    let file = File::open(path).with_context(|| format!("read {}", path.display()))?;
    Elf::read(file).with_context(|| path.display().to_string())
}

/// A hook for each probe, by provider and name, with the arguments that the first of its places has.
fn hooks(path: &Path, probes: &Probes) -> Vec<Usdt> {
    let mut known = BTreeSet::new();
    let mut first: Vec<_> = probes
        .iter()
        .filter(|probe| known.insert((probe.provider, probe.name)))
        .collect();
    first.sort_by_key(|probe| (probe.provider, probe.name));
    let hook = |probe: policy_elf::Probe<'_>| Usdt {
        path: Spanned::nowhere(path.display().to_string()),
        provider: Spanned::nowhere(probe.provider.to_owned()),
        name: Spanned::nowhere(probe.name.to_owned()),
        args: typed(probe.arguments),
        ..Usdt::default()
    };
    first.into_iter().map(hook).collect()
}

/// The first arguments of a probe that can be read, with their types.
fn typed(arguments: &str) -> Vec<Arg> {
    let operands = policy_elf::split(arguments).map(Operand::parse);
    let arg = |(index, operand): (usize, Operand<'_>)| Arg {
        index: Spanned::nowhere(index as u32),
        arg_type: Spanned::nowhere(match (operand.bytes, operand.signed) {
            (1, true) => ArgType::Int8,
            (1, false) => ArgType::Uint8,
            (2, true) => ArgType::Int16,
            (2, false) => ArgType::Uint16,
            (4, true) => ArgType::Int,
            (4, false) => ArgType::Uint32,
            (_, true) => ArgType::Int64,
            (_, false) => ArgType::Uint64,
        }),
        ..Arg::default()
    };
    let readable = operands
        .enumerate()
        .filter_map(|(index, operand)| Some((index, operand.ok()?)));
    readable.map(arg).take(ARGS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(provider: &str, name: &str, arguments: &str) -> Vec<u8> {
        let texts = format!("{provider}\0{name}\0{arguments}\0");
        let description = [&[0; 24], texts.as_bytes()].concat();
        let mut note = vec![];
        for word in [8, description.len() as u32, 3] {
            note.extend(word.to_le_bytes());
        }
        note.extend(b"stapsdt\0");
        note.extend(description);
        note.resize(note.len().next_multiple_of(4), 0);
        note
    }

    #[test]
    fn a_hook_for_each_probe_with_the_arguments_that_can_be_read() {
        let notes = [
            note("shop", "open", ""),
            note("shop", "checkout", "-4@%eax 8f@%xmm0 8@-8(%rbp)"),
            note("shop", "checkout", "-4@%ebx 8@%rax"),
        ]
        .concat();
        let hooks = hooks(Path::new("/bin/shop"), &Probes::of(notes, None));
        let hooks: Vec<_> = hooks
            .iter()
            .map(|hook| {
                let args = hook.args.iter().map(|arg| (arg.index.value, arg.arg_type.value));
                (hook.name.as_str(), args.collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(
            hooks,
            [
                ("checkout", vec![(0, ArgType::Int), (2, ArgType::Uint64)]),
                ("open", vec![])
            ]
        );
    }
}
