//! The functions of the kernel.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

/// Where functions begin, and their names one behind the other.
#[derive(Debug, Default)]
pub(super) struct Functions {
    /// Address, and where its name ends in `names`; it begins where the one before it in the file ended.
    starts: Vec<(u64, u32, u16)>,
    names: String,
}

impl Functions {
    /// Those in the list `path`, a `/proc/kallsyms`. None if it cannot be read, or has no addresses for us.
    pub(super) fn read(path: &Path) -> Self {
        match File::open(path) {
            Ok(file) => Self::parse(BufReader::new(file)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "The kernel's functions cannot be named");
                Self::default()
            }
        }
    }

    fn parse(list: impl BufRead) -> Self {
        let mut all = Self::default();
        for line in list.lines().map_while(Result::ok) {
            let mut words = line.split_ascii_whitespace();
            let (Some(address), Some("t" | "T" | "w" | "W"), Some(name)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let (Ok(address @ 1..), Ok(len), Ok(at)) = (
                u64::from_str_radix(address, 16),
                u16::try_from(name.len()),
                u32::try_from(all.names.len()),
            ) else {
                continue;
            };
            all.names.push_str(name);
            all.starts.push((address, at, len));
        }
        // Of several names of one address, the first counts.
        all.starts.sort_by_key(|&(address, ..)| address);
        all.starts.dedup_by_key(|&mut (address, ..)| address);
        all.starts.shrink_to_fit();
        all.names.shrink_to_fit();
        all
    }

    /// The function that `address` is in, and how far.
    pub(super) fn find(&self, address: u64) -> Option<(&str, u64)> {
        let behind = self.starts.partition_point(|&(start, ..)| start <= address);
        let (start, at, len) = *self.starts.get(behind.checked_sub(1)?)?;
        let name = self.names.get(at as usize..at as usize + usize::from(len))?;
        Some((name, address - start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_before_an_address() {
        let list = "ffffffff81000100 T second\n\
                    ffffffff81000000 T first\n\
                    ffffffff81000000 t alias\n\
                    ffffffff81000080 D data\n\
                    ffffffffc0000000 t module_function\t[module]\n\
                    0000000000000000 T hidden\n\
                    nonsense\n";
        let all = Functions::parse(list.as_bytes());
        assert_eq!(all.find(0xffff_ffff_8100_0000), Some(("first", 0)));
        assert_eq!(all.find(0xffff_ffff_8100_00ff), Some(("first", 0xff)));
        assert_eq!(all.find(0xffff_ffff_8100_0101), Some(("second", 1)));
        assert_eq!(all.find(0xffff_ffff_c000_0010), Some(("module_function", 16)));
        assert_eq!(all.find(0x1000), None);
        assert_eq!(Functions::default().find(1), None);
    }
}
