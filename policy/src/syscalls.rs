//! System calls by name: as policies write them, their numbers, and the functions of the kernel that they are.
//!
//! Numbers are those of Linux 6.18 and older. They never change; newer kernels add at the end.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use crate::object::keywords;
use crate::suggest;

keywords! {
    /// The convention by which a system call is called.
    Abi = "an ABI" {
        /// 64-bit x86.
        X64 = "x64";
        /// 32-bit x86, also on a 64-bit kernel.
        I386 = "i386";
        /// 64-bit Arm.
        Arm64 = "arm64";
        /// 32-bit Arm, also on a 64-bit kernel.
        Arm32 = "arm32";
    }
}

impl Abi {
    /// The ABI of system calls that are named without one.
    pub const NATIVE: Self = if cfg!(target_arch = "aarch64") {
        Self::Arm64
    } else {
        Self::X64
    };

    /// Set in the number of a system call that is made by x32, which has the functions and mostly the numbers of 64-bit x86
    /// (`__X32_SYSCALL_BIT`, `arch/x86/include/uapi/asm/unistd.h`).
    pub const X32: u32 = 1 << 30;

    /// Set in the id of a system call of a 32-bit ABI.
    pub const IS_32_BIT: u32 = 0x8000_0000;

    /// Whether programs of 32 bits use it.
    pub const fn is_32_bit(self) -> bool {
        matches!(self, Self::I386 | Self::Arm32)
    }

    /// What the kernel's function names begin with.
    const fn symbol_prefix(self) -> &'static str {
        match self {
            Self::X64 => "__x64_sys_",
            Self::I386 => "__ia32_sys_",
            Self::Arm64 => "__arm64_sys_",
            Self::Arm32 => "__arm64_compat_sys_",
        }
    }

    fn numbers(self) -> &'static HashMap<&'static str, u32> {
        &TABLES[self as usize]
    }

    /// Names and numbers of all its system calls, in no order.
    pub fn syscalls(self) -> impl Iterator<Item = (&'static str, u32)> {
        self.numbers().iter().map(|(name, number)| (*name, *number))
    }
}

/// Numbers by name, in the order of [`Abi::ALL`]. A line is a number, a space, a name.
static TABLES: LazyLock<[HashMap<&'static str, u32>; 4]> = LazyLock::new(|| {
    let table = |text: &'static str| {
        let line = |line: &'static str| {
            line.split_once(' ')
                .and_then(|(number, name)| Some((name, number.parse().ok()?)))
        };
        text.lines().filter_map(line).collect()
    };
    [
        table(include_str!("syscalls/x64.txt")),
        table(include_str!("syscalls/i386.txt")),
        table(include_str!("syscalls/arm64.txt")),
        table(include_str!("syscalls/arm32.txt")),
    ]
});

/// System calls whose function in a 64-bit kernel has another name, with that name (`include/linux/syscalls.h`).
const FUNCTIONS: &[(&str, &str)] = &[
    ("stat", "newstat"),
    ("lstat", "newlstat"),
    ("fstat", "newfstat"),
    ("uname", "newuname"),
    ("umount2", "umount"),
    ("sendfile", "sendfile64"),
];

/// One system call of one ABI. Displays as `sys_dup`, and as `i386/sys_dup` when the ABI is not the native one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Syscall {
    /// How it is called.
    pub abi: Abi,
    /// Name in the table of its ABI, without `sys_`.
    pub name: &'static str,
    /// Number in the table of its ABI.
    pub number: u32,
}

impl Syscall {
    /// All those of `abi`, by name.
    pub fn all(abi: Abi) -> Vec<Self> {
        let mut all: Vec<_> = abi
            .syscalls()
            .map(|(name, number)| Self { abi, name, number })
            .collect();
        all.sort_unstable();
        all
    }

    /// Reads `sys_dup`, `dup`, `__x64_sys_dup`, `__ia32_sys_dup`, `i386/sys_dup` and the like.
    pub fn parse(text: &str) -> Option<Self> {
        let (abi, name) = split(text);
        let numbers = abi.numbers();
        let (name, number) = numbers.get_key_value(name).or_else(|| {
            let (table_name, _) = FUNCTIONS.iter().find(|(_, function)| *function == name)?;
            numbers.get_key_value(table_name)
        })?;
        Some(Self {
            abi,
            name,
            number: *number,
        })
    }

    /// The name nearest to one that is none.
    pub fn nearest(text: &str) -> Option<String> {
        let (abi, name) = split(text);
        suggest::nearest(name, abi.numbers().keys().copied()).map(|near| format!("sys_{near}"))
    }

    /// What to say of a name that is none.
    pub fn help(text: &str) -> String {
        match Self::nearest(text) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("no system call of {} has this name", split(text).0),
        }
    }

    /// The number, marked when the ABI is one of 32 bits: the value that an argument of type `syscall64` has.
    pub fn id(&self) -> u32 {
        if self.abi.is_32_bit() {
            self.number | Abi::IS_32_BIT
        } else {
            self.number
        }
    }

    /// The call that `number` is of programs of `abi`; `None` when there is none.
    pub fn of(abi: Abi, number: u32) -> Option<Self> {
        let (name, number) = abi.syscalls().find(|&(_, known)| known == number)?;
        Some(Self { abi, name, number })
    }

    /// Names that its function may have in a kernel, most likely first.
    pub fn symbols(&self) -> Vec<String> {
        let function = FUNCTIONS
            .iter()
            .find(|(name, _)| *name == self.name)
            .map_or(self.name, |(_, function)| function);
        let mut symbols = vec![format!("{}{function}", self.abi.symbol_prefix())];
        if self.abi == Abi::I386 {
            symbols.insert(0, format!("__ia32_compat_sys_{}", self.name));
        }
        if self.abi == Abi::Arm32 {
            symbols.push(format!("__arm64_sys_{function}"));
        }
        symbols
    }
}

impl fmt::Display for Syscall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.abi != Abi::NATIVE {
            write!(f, "{}/", self.abi)?;
        }
        write!(f, "sys_{}", self.name)
    }
}

/// The ABI that a text names, and the name without `sys_`.
fn split(text: &str) -> (Abi, &str) {
    let (abi, name) = split_abi(text);
    (abi, name.strip_prefix("sys_").unwrap_or(name))
}

fn split_abi(text: &str) -> (Abi, &str) {
    if let Some((abi, name)) = text.split_once('/')
        && let Some(abi) = Abi::from_name(abi)
    {
        return (abi, name);
    }
    for (prefix, abi) in [
        ("__x64_", Abi::X64),
        ("__ia32_compat_", Abi::I386),
        ("__ia32_", Abi::I386),
        ("__arm64_compat_", Abi::Arm32),
        ("__arm64_", Abi::Arm64),
        ("__arm32_", Abi::Arm32),
    ] {
        if let Some(name) = text.strip_prefix(prefix)
            && name.starts_with("sys_")
        {
            return (abi, name);
        }
    }
    (Abi::NATIVE, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_names_the_same_call() {
        for (text, abi, number) in [
            ("x64/sys_dup", Abi::X64, 32),
            ("__x64_sys_dup", Abi::X64, 32),
            ("__ia32_sys_dup", Abi::I386, 41),
            ("i386/sys_dup", Abi::I386, 41),
            ("__arm64_sys_dup", Abi::Arm64, 23),
            ("arm64/dup", Abi::Arm64, 23),
            ("arm32/sys_dup", Abi::Arm32, 41),
            ("x64/sys_newstat", Abi::X64, 4),
            ("x64/sys_stat", Abi::X64, 4),
        ] {
            let syscall = Syscall::parse(text).unwrap();
            assert_eq!((syscall.abi, syscall.number), (abi, number), "{text}");
        }
        for (text, help) in [
            ("x64/sys_opnat", "did you mean `sys_openat`?"),
            ("x64/fd_install", "no system call of x64 has this name"),
        ] {
            assert_eq!(Syscall::parse(text), None, "{text}");
            assert_eq!(Syscall::help(text), help);
        }
    }

    #[test]
    fn every_line_of_the_tables_is_understood() {
        let lines = [
            include_str!("syscalls/x64.txt"),
            include_str!("syscalls/i386.txt"),
            include_str!("syscalls/arm64.txt"),
            include_str!("syscalls/arm32.txt"),
        ];
        for (abi, text) in Abi::ALL.iter().zip(lines) {
            assert_eq!(abi.syscalls().count(), text.lines().count(), "{abi}");
        }
    }

    #[test]
    fn ids_and_symbols() {
        let of = |text| Syscall::parse(text).unwrap();
        assert_eq!(of("i386/sys_dup").id(), 0x8000_0029);
        assert_eq!(of("x64/sys_dup").id(), 32);
        assert_eq!(of("x64/sys_stat").symbols(), ["__x64_sys_newstat"]);
        assert_eq!(
            of("i386/sys_openat").symbols(),
            ["__ia32_compat_sys_openat", "__ia32_sys_openat"]
        );
    }
}
