//! Which functions the kernel programs call, read from the instructions themselves.
//!
//! A program that calls `memset` and its kin walks memory byte by byte in the verifier, and one that can panic ends in a
//! loop that the verifier refuses. Both slip in by an innocent line of Rust, so the object is checked before any kernel
//! sees it. That such functions are in the object is fine: `aya-ebpf` brings them. That they are called is not.

use anyhow::{Context as _, Result, bail};
use object::read::elf::ElfFile64;
use object::{
    Endianness, Object as _, ObjectSection as _, ObjectSymbol as _, Relocation, RelocationTarget, SectionKind,
    SymbolKind,
};
use std::collections::{BTreeMap, BTreeSet};

/// Instruction "call" (`BPF_JMP | BPF_CALL`).
const CALL: u8 = 0x85;

/// Source register of a call to a function of the object itself (`BPF_PSEUDO_CALL`), as opposed to a helper.
const PSEUDO_CALL: u8 = 1;

/// Bytes of an instruction.
const INSTRUCTION: usize = 8;

/// Fails when a program calls a function that the verifier does not stomach; names caller and callee.
pub(super) fn check(object: &[u8]) -> Result<()> {
    let calls = calls(object)?;
    let refused: Vec<String> = calls
        .iter()
        .filter(|(_, callee)| is_memory_builtin(callee) || is_panic(callee))
        .map(|(caller, callee)| format!("{caller} calls {callee}"))
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    bail!(
        "{}\nmemory functions come from copying or zeroing structures: write fields one by one, or use a helper; \
         panics come from indexing, slicing, division and unwrap: use get and checked arithmetic",
        refused.join("\n")
    )
}

/// Functions to which the compiler lowers copies and comparisons.
fn is_memory_builtin(name: &str) -> bool {
    matches!(name, "memcpy" | "memmove" | "memset" | "memcmp" | "bcmp")
}

/// The panic handler and whatever leads to it, mangled in either scheme.
fn is_panic(name: &str) -> bool {
    name.contains("rust_begin_unwind")
        || [
            "9panicking",
            "panic_fmt",
            "panic_bounds",
            "unwrap_failed",
            "expect_failed",
            "slice_index_fail",
            "3fmt",
        ]
        .iter()
        .any(|part| name.contains(part))
}

/// All pairs of caller and callee among the functions of the object.
fn calls(bytes: &[u8]) -> Result<BTreeSet<(String, String)>> {
    let elf = ElfFile64::<Endianness>::parse(bytes).context("the object is not a 64-bit ELF file")?;
    let mut pairs = BTreeSet::new();
    for section in elf.sections().filter(|section| section.kind() == SectionKind::Text) {
        let functions = functions(&elf, section.index())?;
        let relocations: BTreeMap<u64, Relocation> = section.relocations().collect();
        for (position, instruction) in section.data()?.chunks_exact(INSTRUCTION).enumerate() {
            if instruction[0] != CALL || instruction[1] >> 4 != PSEUDO_CALL {
                continue;
            }
            let offset = (position * INSTRUCTION) as u64;
            // From the instruction itself: the field counts instructions from the one after the call.
            let distance = (i64::from(i32::from_le_bytes(instruction[4..].try_into()?)) + 1) * INSTRUCTION as i64;
            let callee = match relocations.get(&offset) {
                Some(relocation) => relocated(&elf, relocation, distance)?,
                None => containing(&functions, offset.wrapping_add_signed(distance)),
            };
            pairs.insert((containing(&functions, offset), callee));
        }
    }
    Ok(pairs)
}

/// The function that a call with a relocation goes to: named by its own symbol, or by its place in a section.
fn relocated(elf: &ElfFile64<'_>, relocation: &Relocation, distance: i64) -> Result<String> {
    let RelocationTarget::Symbol(index) = relocation.target() else {
        bail!("a call has a relocation without symbol");
    };
    let symbol = elf.symbol_by_index(index)?;
    match symbol.section_index() {
        Some(section) if symbol.kind() == SymbolKind::Section => Ok(containing(
            &functions(elf, section)?,
            0_u64.wrapping_add_signed(distance),
        )),
        _ => Ok(symbol.name()?.to_owned()),
    }
}

/// Functions of a section by their first byte.
fn functions(elf: &ElfFile64<'_>, section: object::SectionIndex) -> Result<BTreeMap<u64, String>> {
    let inside = elf.symbols().filter(|symbol| symbol.section_index() == Some(section));
    let named = inside.filter(|symbol| symbol.kind() == SymbolKind::Text);
    named
        .map(|symbol| Ok((symbol.address(), symbol.name()?.to_owned())))
        .collect()
}

/// Name of the function that an offset lies in.
fn containing(functions: &BTreeMap<u64, String>, offset: u64) -> String {
    functions
        .range(..=offset)
        .next_back()
        .map_or_else(|| "?".to_owned(), |(_, name)| name.clone())
}

#[cfg(test)]
mod tests {
    use super::check;
    use expect_test::{Expect, expect};
    use object::write::{Object, Relocation, StandardSection, Symbol, SymbolSection};
    use object::{Architecture, BinaryFormat, Endianness, RelocationFlags, SymbolFlags, SymbolKind, SymbolScope, elf};

    const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];

    /// A call by distance in instructions.
    const fn call(distance: u8) -> [u8; 8] {
        [0x85, 0x10, 0, 0, distance, 0, 0, 0]
    }

    /// An object of functions with two instructions each, the second of which is an end.
    fn object(functions: &[(&str, [u8; 8])], relocate: Option<(u64, usize)>) -> Vec<u8> {
        let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
        let text = object.section_id(StandardSection::Text);
        let mut symbols = Vec::new();
        for (name, first) in functions {
            let value = object.append_section_data(text, &[*first, EXIT].concat(), 8);
            symbols.push(object.add_symbol(Symbol {
                name: name.as_bytes().to_vec(),
                value,
                size: 16,
                kind: SymbolKind::Text,
                scope: SymbolScope::Linkage,
                weak: false,
                section: SymbolSection::Section(text),
                flags: SymbolFlags::None,
            }));
        }
        if let Some((offset, callee)) = relocate {
            let flags = RelocationFlags::Elf {
                r_type: elf::R_BPF_64_32,
            };
            let relocation = Relocation {
                offset,
                symbol: symbols[callee],
                addend: 0,
                flags,
            };
            object.add_relocation(text, relocation).unwrap();
        }
        object.write().unwrap()
    }

    fn refused(object: &[u8], expected: &Expect) {
        let error = check(object).unwrap_err().to_string();
        expected.assert_eq(error.lines().next().unwrap());
    }

    #[test]
    fn functions_that_are_not_called_are_fine() {
        check(&object(
            &[("exec", call(1)), ("path_walk", EXIT), ("memset", EXIT)],
            None,
        ))
        .unwrap();
    }

    #[test]
    fn helpers_are_fine() {
        // The number of a helper could be the distance of memset.
        check(&object(
            &[("exec", [0x85, 0, 0, 0, 1, 0, 0, 0]), ("memset", EXIT)],
            None,
        ))
        .unwrap();
    }

    #[test]
    fn calls_by_distance() {
        refused(
            &object(&[("exec", call(1)), ("memset", EXIT)], None),
            &expect!["exec calls memset"],
        );
    }

    #[test]
    fn calls_by_relocation() {
        let panic = "_ZN4core9panicking18panic_bounds_check17h0E";
        let functions = [
            ("exec", [0x85, 0x10, 0, 0, 255, 255, 255, 255]),
            ("path_walk", EXIT),
            (panic, EXIT),
        ];
        refused(
            &object(&functions, Some((0, 2))),
            &expect!["exec calls _ZN4core9panicking18panic_bounds_check17h0E"],
        );
    }
}
