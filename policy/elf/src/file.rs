//! The file as a whole: what is mapped where, and its sections.

use object::{
    LittleEndian as Little,
    elf::{
        ELFCLASS64, ELFDATA2LSB, ELFMAG, EM_X86_64, FileHeader64, PT_LOAD, ProgramHeader64, SHN_XINDEX, SectionHeader64,
    },
    pod::{Pod, from_bytes},
};

use crate::{
    Error, Source,
    source::{exactly, fill, records},
};

/// Longest name of a section that is looked at.
const SECTION_NAME: usize = 32;

/// A program or library.
#[derive(Debug)]
pub struct Elf<S> {
    pub(crate) source: S,
    segments: Vec<Segment>,
    pub(crate) sections: Vec<Section>,
    /// Position of the section that has the names of sections.
    names: usize,
    /// Address where it begins, 0 if nowhere.
    entry: u64,
}

/// Something that is mapped.
#[derive(Debug)]
struct Segment {
    address: u64,
    offset: u64,
    /// How much of it is in the file.
    len: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    /// Where its name begins.
    name: u32,
    pub(crate) kind: u32,
    pub(crate) address: u64,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    /// Position of the section that it refers to.
    pub(crate) link: u32,
}

impl<S: Source> Elf<S> {
    /// Reads what comes first. At most 65,535 segments and as many sections: a program has fifty.
    pub fn read(source: S) -> Result<Self, Error> {
        const LE: Little = Little;
        let mut bytes = [0; size_of::<FileHeader64<Little>>()];
        if fill(&source, &mut bytes, 0)? < bytes.len() {
            return Err(Error::Kind);
        }
        let header: &FileHeader64<Little> = record(&bytes).ok_or(Error::Kind)?;
        let ident = &header.e_ident;
        if ident.magic != ELFMAG
            || ident.class != ELFCLASS64
            || ident.data != ELFDATA2LSB
            || header.e_machine.get(LE) != EM_X86_64
        {
            return Err(Error::Kind);
        }
        let (mut segments, mut sections) = (vec![], vec![]);
        let (width, count) = (header.e_phentsize.get(LE), header.e_phnum.get(LE));
        if count > 0 && usize::from(width) != size_of::<ProgramHeader64<Little>>() {
            return Err(Error::Kind);
        }
        let table = (header.e_phoff.get(LE), u64::from(width) * u64::from(count));
        records(&source, table, usize::from(width).max(1), "segments", |bytes| {
            let segment: &ProgramHeader64<Little> = record(bytes).ok_or(Error::Kind)?;
            if segment.p_type.get(LE) == PT_LOAD {
                segments.push(Segment {
                    address: segment.p_vaddr.get(LE),
                    offset: segment.p_offset.get(LE),
                    len: segment.p_filesz.get(LE),
                });
            }
            Ok(())
        })?;
        let (width, count) = (header.e_shentsize.get(LE), header.e_shnum.get(LE));
        if count > 0 && usize::from(width) != size_of::<SectionHeader64<Little>>() {
            return Err(Error::Kind);
        }
        let names = header.e_shstrndx.get(LE);
        if (count == 0 && header.e_shoff.get(LE) != 0) || names == SHN_XINDEX {
            return Err(Error::TooLarge("sections"));
        }
        let table = (header.e_shoff.get(LE), u64::from(width) * u64::from(count));
        records(&source, table, usize::from(width).max(1), "sections", |bytes| {
            let section: &SectionHeader64<Little> = record(bytes).ok_or(Error::Kind)?;
            sections.push(Section {
                name: section.sh_name.get(LE),
                kind: section.sh_type.get(LE),
                address: section.sh_addr.get(LE),
                offset: section.sh_offset.get(LE),
                len: section.sh_size.get(LE),
                link: section.sh_link.get(LE),
            });
            Ok(())
        })?;
        Ok(Self {
            source,
            segments,
            sections,
            names: names.into(),
            entry: header.e_entry.get(LE),
        })
    }

    /// Where the file has what is at `address` when it runs.
    pub fn offset(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let within = address.checked_sub(segment.address)?;
            if within < segment.len {
                segment.offset.checked_add(within)
            } else {
                None
            }
        })
    }

    /// The note that the linker wrote to tell this build from others; nothing if it wrote none, or what it wrote cannot be
    /// read. At most 64 bytes.
    pub fn build_id(&self) -> Option<Vec<u8>> {
        /// Length of the name and of the rest, type, name.
        const HEAD: usize = 16;
        /// `NT_GNU_BUILD_ID` (elf(5)).
        const BUILD_ID: u32 = 3;
        const LONGEST: u32 = 64;
        let section = self.section(".note.gnu.build-id").ok()??;
        let bytes = self.contents(&section, 1 << 10, "build id").ok()?;
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let (name, len, kind) = (word(0)?, word(4)?, word(8)?);
        if (name, kind) != (4, BUILD_ID) || bytes.get(12..HEAD)? != b"GNU\0" || len > LONGEST {
            return None;
        }
        Some(bytes.get(HEAD..HEAD + len as usize)?.to_vec())
    }

    /// What runs from `offset` in the file on: its address, from where the file wants to be.
    pub fn address(&self, offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let within = offset.checked_sub(segment.offset)?;
            if within < segment.len {
                segment.address.checked_add(within)
            } else {
                None
            }
        })
    }

    /// Type information (BTF), if there is any, of at most `most` bytes.
    pub fn types(&self, most: u64) -> Result<Option<Vec<u8>>, Error> {
        let section = self.section(".BTF")?;
        let contents = |section| self.contents(&section, most, "type information");
        section.map(contents).transpose()
    }

    /// Whether the program or the dynamic linker begins at `address`: by a jump of the kernel, which leaves no address to return
    /// to.
    pub fn is_entry(&self, address: u64) -> bool {
        self.entry != 0 && self.entry == address
    }

    /// Whether the tools of Go made it.
    pub fn is_go(&self) -> Result<bool, Error> {
        /// Where its runtime looks for what is on stacks; the second one in programs that may be loaded anywhere.
        const TABLES: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];
        for name in TABLES {
            if self.section(name)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many bytes behind `offset` in the file the first one is that the processor takes for `ret`, among those that are
    /// mapped with what is there, 64 KiB at most.
    pub fn ret(&self, offset: u64) -> Result<Option<u64>, Error> {
        const RET: u8 = 0xc3;
        const FAR: u64 = 1 << 16;
        let left = self.segments.iter().find_map(|segment| {
            let within = offset.checked_sub(segment.offset)?;
            segment.len.checked_sub(within).filter(|left| *left > 0)
        });
        let mut bytes = vec![0; left.unwrap_or(0).min(FAR) as usize];
        let len = fill(&self.source, &mut bytes, offset)?;
        let found = bytes[..len].iter().position(|&byte| byte == RET);
        Ok(found.map(|at| at as u64))
    }

    /// The first section of that name, which has at most 31 bytes.
    pub(crate) fn section(&self, name: &str) -> Result<Option<Section>, Error> {
        let Some(names) = self.sections.get(self.names) else {
            return Ok(None);
        };
        let mut buffer = [0; SECTION_NAME];
        for section in &self.sections {
            let Some(at) = names.offset.checked_add(section.name.into()) else {
                continue;
            };
            let len = fill(&self.source, &mut buffer, at)?;
            let known = &buffer[..len];
            if known.starts_with(name.as_bytes()) && known.get(name.len()) == Some(&0) {
                return Ok(Some(*section));
            }
        }
        Ok(None)
    }

    /// What is in `section`, its `what`, if it is no more than `most` bytes.
    pub(crate) fn contents(&self, section: &Section, most: u64, what: &'static str) -> Result<Vec<u8>, Error> {
        if section.len > most {
            return Err(Error::TooLarge(what));
        }
        let mut bytes = vec![0; section.len as usize];
        exactly(&self.source, &mut bytes, section.offset, what)?;
        Ok(bytes)
    }
}

/// The record that `bytes` begin with.
pub(crate) fn record<T: Pod>(bytes: &[u8]) -> Option<&T> {
    from_bytes(bytes).ok().map(|(record, _)| record)
}
