//! Linking: one program and the functions that it calls, some of them replaced by code written at run time.

use std::{
    collections::HashSet,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya_obj::{Function, generated::bpf_insn};
use ebpf_asm::{Code, Insn};

use crate::{error::Error, loaded::Loaded, map::Map};

/// Bytes of an instruction.
const INS_SIZE: usize = 8;

/// Where a replaced function pretends to be in its section: beyond everything, so that none of the relocations of the
/// section applies to its instructions.
const BEYOND: usize = 1 << 30;

/// Program `name` with every function that it calls behind it.
///
/// `own` are maps that the code refers to beside those of the object.
pub(crate) fn program(
    loaded: &Loaded,
    name: &str,
    replaced: &[(&str, &Code)],
    own: &[(&str, &Map)],
) -> Result<Function, Error> {
    let mut object = loaded.inner.clone();
    if !object.programs.contains_key(name) {
        let mut there: Vec<_> = object.programs.keys().cloned().collect();
        there.sort_unstable();
        return Err(Error::NoProgram {
            name: name.to_owned(),
            there,
        });
    }
    object.programs.retain(|program, _| program == name);
    for (part, code) in replaced {
        replace(loaded, &mut object, part, code, own)?;
    }
    let text: HashSet<usize> = object.functions.keys().map(|&(section, _)| section).collect();
    object
        .relocate_calls(&text)
        .map_err(|error| Error::relocation(&error))?;
    let key = object.programs[name].function_key();
    object
        .functions
        .remove(&key)
        .ok_or_else(|| Error::NoFunction(name.to_owned()))
}

fn replace(
    loaded: &Loaded,
    object: &mut aya_obj::Object,
    part: &str,
    code: &Code,
    own: &[(&str, &Map)],
) -> Result<(), Error> {
    let key = *find(object, part)?;
    let mut instructions: Vec<bpf_insn> = code.insns.iter().map(|&insn| instruction(insn)).collect();
    for &(at, map) in &code.maps {
        let found = match own.iter().find(|(name, _)| *name == map) {
            Some((_, map)) => map,
            None => loaded.maps.get(map)?,
        };
        instructions[at].imm = found.fd.as_fd().as_raw_fd();
    }
    for &(at, callee) in &code.calls {
        let &(section, address) = find(object, callee)?;
        if section != key.0 {
            return Err(Error::Relocate(format!("{callee} is in another section than {part}")));
        }
        // The distance that the linker turns into the address again.
        let from = (BEYOND + (at + 1) * INS_SIZE) as i64;
        instructions[at].imm = ((address as i64 - from) / INS_SIZE as i64) as i32;
    }
    let Some(function) = object.functions.get_mut(&key) else {
        return Err(Error::NoFunction(part.to_owned()));
    };
    function.instructions = instructions;
    function.section_offset = BEYOND;
    // A function needs a line at its first instruction when others have lines: that of the function it replaces.
    let line = &mut function.line_info;
    line.line_info.truncate(1);
    line.num_info = line.line_info.len() as u32;
    Ok(())
}

/// The one function whose symbol is or contains `part`.
fn find<'a>(object: &'a aya_obj::Object, part: &str) -> Result<&'a (usize, u64), Error> {
    let exact = object.functions.iter().find(|(_, function)| function.name == part);
    let mut containing = object
        .functions
        .iter()
        .filter(|(_, function)| function.name.contains(part));
    match (exact, containing.next(), containing.next()) {
        (Some((key, _)), ..) | (None, Some((key, _)), None) => Ok(key),
        _ => Err(Error::NoFunction(part.to_owned())),
    }
}

fn instruction(insn: Insn) -> bpf_insn {
    let Insn {
        code,
        dst,
        src,
        off,
        imm,
    } = insn;
    bpf_insn {
        code,
        _bitfield_align_1: [],
        _bitfield_1: bpf_insn::new_bitfield_1(dst, src),
        off,
        imm,
    }
}
