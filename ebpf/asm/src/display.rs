//! Code as text, in the notation of the verifier's log.

use std::fmt;

use crate::{
    Code,
    insn::{CALL, EXCHANGE, EXIT, Insn, JUMP, LD_IMM64, PSEUDO_CALL},
};

impl fmt::Display for Code {
    /// A line an instruction: position, text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut at = 0;
        while let Some(insn) = self.insns.get(at) {
            write!(f, "{at}: ")?;
            let name = |list: &[(usize, &'static str)]| list.iter().find(|entry| entry.0 == at).map(|entry| entry.1);
            if insn.code == LD_IMM64 {
                let high = self.insns.get(at + 1).map_or(0, |insn| insn.imm);
                let value = u64::from(high as u32) << 32 | u64::from(insn.imm as u32);
                match name(&self.maps) {
                    Some(map) => writeln!(f, "r{} = map[{map}]", insn.dst)?,
                    None => writeln!(f, "r{} = {value:#x} ll", insn.dst)?,
                }
                at += 2;
                continue;
            }
            if insn.code == CALL && insn.src == PSEUDO_CALL {
                writeln!(f, "call {}", name(&self.calls).unwrap_or("?"))?;
            } else {
                plain(*insn, at, f)?;
            }
            at += 1;
        }
        Ok(())
    }
}

fn plain(insn: Insn, at: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Insn {
        code,
        dst,
        src,
        off,
        imm,
    } = insn;
    let width = match code & 0x18 {
        0x00 => "u32",
        0x08 => "u16",
        0x10 => "u8",
        _ => "u64",
    };
    let operand = if code & 8 == 0 {
        format!("{imm}")
    } else {
        format!("r{src}")
    };
    let target = at as i64 + 1 + i64::from(off);
    match code {
        CALL => writeln!(f, "call helper {imm}"),
        EXIT => writeln!(f, "exit"),
        JUMP => writeln!(f, "goto {target}"),
        EXCHANGE => writeln!(f, "r{src} = xchg(*(u64*)(r{dst} {off:+}), r{src})"),
        _ => match code & 7 {
            1 => writeln!(f, "r{dst} = *({width}*)(r{src} {off:+})"),
            2 => writeln!(f, "*({width}*)(r{dst} {off:+}) = {imm}"),
            3 => writeln!(f, "*({width}*)(r{dst} {off:+}) = r{src}"),
            5 => writeln!(f, "if r{dst} {} {operand} goto {target}", comparison(code)),
            7 if code & 0xf0 == 0xb0 => writeln!(f, "r{dst} = {operand}"),
            7 => writeln!(f, "r{dst} {}= {operand}", arithmetic(code)),
            _ => writeln!(f, "{code:#04x}"),
        },
    }
}

fn comparison(code: u8) -> &'static str {
    match code & 0xf0 {
        0x10 => "==",
        0x20 => ">",
        0x30 => ">=",
        0x40 => "&",
        0x50 => "!=",
        0x60 => "s>",
        0x70 => "s>=",
        0xa0 => "<",
        0xb0 => "<=",
        0xc0 => "s<",
        0xd0 => "s<=",
        _ => "?",
    }
}

fn arithmetic(code: u8) -> &'static str {
    match code & 0xf0 {
        0x00 => "+",
        0x10 => "-",
        0x40 => "|",
        0x50 => "&",
        0x60 => "<<",
        0x70 => ">>",
        0xa0 => "^",
        0xc0 => "s>>",
        _ => "?",
    }
}
