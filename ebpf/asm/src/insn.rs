//! Instructions and their encoding.

/// Registers. `R0` is the result, `R1` to `R5` are arguments and lost in calls, `R6` to `R9` survive calls, `R10` is the
/// read-only frame pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the registers are described together")]
pub enum Reg {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    R10,
}

/// Widths of loads and stores; loads extend with zeroes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Width {
    U32 = 0x00,
    U16 = 0x08,
    U8 = 0x10,
    U64 = 0x18,
}

impl Width {
    /// The width of so many bytes: 1, 2 or 4, else 8.
    pub const fn of(bytes: u8) -> Self {
        match bytes {
            1 => Self::U8,
            2 => Self::U16,
            4 => Self::U32,
            _ => Self::U64,
        }
    }

    /// Number of bytes.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
            Self::U64 => 8,
        }
    }
}

/// Comparisons of 64-bit values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(
    missing_docs,
    reason = "`S` is signed, the others are unsigned; `Set` is `a & b != 0`"
)]
pub enum Condition {
    Eq = 0x10,
    Gt = 0x20,
    Ge = 0x30,
    Set = 0x40,
    Ne = 0x50,
    SGt = 0x60,
    SGe = 0x70,
    Lt = 0xa0,
    Le = 0xb0,
    SLt = 0xc0,
    SLe = 0xd0,
}

/// Arithmetic on 64-bit values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(
    missing_docs,
    reason = "the names say it; `Shr` fills with zeroes, `Sar` with the sign"
)]
pub enum Alu {
    Add = 0x00,
    Sub = 0x10,
    Or = 0x40,
    And = 0x50,
    Shl = 0x60,
    Shr = 0x70,
    Xor = 0xa0,
    Mov = 0xb0,
    Sar = 0xc0,
}

/// One instruction, as `struct bpf_insn` (linux/bpf.h) has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Insn {
    /// Operation.
    pub code: u8,
    /// Destination register.
    pub dst: u8,
    /// Source register.
    pub src: u8,
    /// Jump distance or memory offset.
    pub off: i16,
    /// Immediate value.
    pub imm: i32,
}

pub(crate) const LD_IMM64: u8 = 0x18;
pub(crate) const CALL: u8 = 0x85;
pub(crate) const EXIT: u8 = 0x95;
pub(crate) const JUMP: u8 = 0x05;
/// An atomic operation on 8 bytes of memory.
pub(crate) const EXCHANGE: u8 = 0xdb;
/// `BPF_PSEUDO_CALL`, in the source register of a call of a function of the program.
pub(crate) const PSEUDO_CALL: u8 = 1;
/// `BPF_PSEUDO_MAP_FD`, in the source register of a load of a map's address.
pub(crate) const PSEUDO_MAP_FD: u8 = 1;

impl Insn {
    /// The eight bytes that the kernel takes (little endian).
    pub fn bytes(self) -> [u8; 8] {
        let Self {
            code,
            dst,
            src,
            off,
            imm,
        } = self;
        let ([o0, o1], [i0, i1, i2, i3]) = (off.to_le_bytes(), imm.to_le_bytes());
        [code, src << 4 | dst, o0, o1, i0, i1, i2, i3]
    }
}
