//! Names and instructions in the form that bpf(2) takes.

use aya_obj::generated::bpf_insn;

/// A name cut to the 15 bytes that the kernel keeps, other characters than its own replaced.
pub(crate) fn kernel_name(name: &str) -> [u8; 16] {
    let mut kept = [0; 16];
    for (slot, byte) in kept.iter_mut().take(15).zip(name.bytes()) {
        *slot = if byte.is_ascii_alphanumeric() || byte == b'.' {
            byte
        } else {
            b'_'
        };
    }
    kept
}

/// Machine code of `instructions`.
pub(crate) fn machine_code(instructions: &[bpf_insn]) -> Vec<u8> {
    let mut code = Vec::with_capacity(instructions.len() * 8);
    for instruction in instructions {
        code.extend([instruction.code, instruction.src_reg() << 4 | instruction.dst_reg()]);
        code.extend(instruction.off.to_le_bytes());
        code.extend(instruction.imm.to_le_bytes());
    }
    code
}
