//! Which functions the kernel programs call, read from the instructions themselves.
//!
//! A program that calls `memset` and its kin walks memory byte by byte in the verifier, and one that can panic ends in a
//! loop that the verifier refuses. Both slip in by an innocent line of Rust, so the object is checked before any kernel
//! sees it. That such functions are in the object is fine: `aya-ebpf` brings them. That they are called is not.

use anyhow::{Context as _, Result, bail};
use object::read::elf::ElfFile64;
use object::{Endianness, Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SectionKind};
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
        let code = section.data()?;
        let functions = functions(&elf, section.index())?;
        let relocations: BTreeMap<u64, _> = section.relocations().collect();
        for (position, instruction) in code.chunks_exact(INSTRUCTION).enumerate() {
            if instruction[0] != CALL || instruction[1] >> 4 != PSEUDO_CALL {
                continue;
            }
            let offset = (position * INSTRUCTION) as u64;
            let immediate = i32::from_le_bytes(instruction[4..].try_into()?);
            let callee = match relocations.get(&offset) {
                // Relative to the symbol: the section (addend in the instruction) or the function itself.
                Some(relocation) => {
                    let RelocationTarget::Symbol(index) = relocation.target() else {
                        bail!("a call at {}+{offset:#x} has no symbol", section.name()?);
                    };
                    let symbol = elf.symbol_by_index(index)?;
                    match symbol.section_index() {
                        Some(other) if symbol.kind() == object::SymbolKind::Section => {
                            let target = (i64::from(immediate) + 1) * INSTRUCTION as i64;
                            containing(&self::functions(&elf, other)?, target as u64)
                        }
                        _ => symbol.name()?.to_owned(),
                    }
                }
                None => {
                    let target = offset as i64 + (i64::from(immediate) + 1) * INSTRUCTION as i64;
                    containing(&functions, target as u64)
                }
            };
            pairs.insert((containing(&functions, offset), callee));
        }
    }
    Ok(pairs)
}

/// Functions of a section by their first byte.
fn functions(elf: &ElfFile64<'_>, section: object::SectionIndex) -> Result<BTreeMap<u64, String>> {
    let inside = elf.symbols().filter(|symbol| symbol.section_index() == Some(section));
    let named = inside.filter(|symbol| symbol.kind() == object::SymbolKind::Text);
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
