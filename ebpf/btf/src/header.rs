//! The header, and telling what is not BTF.

use crate::{error::Error, read::u32_at};

pub(crate) const MAGIC: u16 = 0xeb9f;
/// Length of the header as it was first defined; later kernels may append to it.
pub(crate) const HEADER_LEN: usize = 24;

/// The two sections that the header points to.
pub(crate) struct Sections<'a> {
    pub(crate) types: &'a [u8],
    pub(crate) strings: &'a [u8],
}

/// Finds the type and string sections of `bytes`.
pub(crate) fn sections(bytes: &[u8]) -> Result<Sections<'_>, Error> {
    let &[first, second, version, _flags, ..] = bytes else {
        return Err(Error::Truncated {
            announced: HEADER_LEN as u64,
            available: bytes.len(),
        });
    };
    let found = u16::from_le_bytes([first, second]);
    if found == MAGIC.swap_bytes() {
        return Err(Error::BigEndian);
    }
    if found != MAGIC {
        return Err(Error::NotBtf { found });
    }
    if version != 1 {
        return Err(Error::Version { version });
    }
    let number = |offset| {
        u32_at(bytes, offset).map(u64::from).ok_or(Error::Truncated {
            announced: HEADER_LEN as u64,
            available: bytes.len(),
        })
    };
    let (header, type_offset, type_len) = (number(4)?, number(8)?, number(12)?);
    let (string_offset, string_len) = (number(16)?, number(20)?);
    let slice = |offset: u64, len: u64| {
        let (start, end) = (header + offset, header + offset + len);
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        range
            .and_then(|(start, end)| bytes.get(start..end))
            .ok_or(Error::Truncated {
                announced: end,
                available: bytes.len(),
            })
    };
    Ok(Sections {
        types: slice(type_offset, type_len)?,
        strings: slice(string_offset, string_len)?,
    })
}
