//! Why bytes are not usable BTF.

/// Why [`crate::Btf::parse`] refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The first bytes are not BTF's magic number.
    #[error("this is not BTF: it begins with {found:#06x}, not 0xeb9f (an ELF file holds BTF in its .BTF section)")]
    NotBtf {
        /// The first two bytes, little endian.
        found: u16,
    },
    /// BTF of a big-endian machine.
    #[error("this is BTF of a big-endian machine, which is not supported")]
    BigEndian,
    /// A version of the format that does not exist yet.
    #[error("this is BTF version {version}, only version 1 is known")]
    Version {
        /// The version in the header.
        version: u8,
    },
    /// There are fewer bytes than the header announces.
    #[error("truncated BTF: the header announces {announced} bytes, there are {available}")]
    Truncated {
        /// Bytes needed.
        announced: u64,
        /// Bytes given.
        available: usize,
    },
    /// The string section does not begin and end with NUL.
    #[error("corrupt BTF: the string section is not enclosed in NUL bytes")]
    Strings,
    /// A type reaches beyond the type section.
    #[error("corrupt BTF: type {id} reaches beyond the type section")]
    TypeBounds {
        /// Number of the type.
        id: u32,
    },
    /// A kind that this reader does not know; its length is unknown too, so that reading cannot go on.
    #[error("type {id} is of kind {kind}, which is newer than this program")]
    UnknownKind {
        /// Number of the type.
        id: u32,
        /// The kind.
        kind: u8,
    },
}
