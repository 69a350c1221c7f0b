//! Types of arguments.
//!
//! A type says how a value is read; its [`Class`] says what can be compared with it. The table of operators
//! ([`operator`](crate::operator)) speaks of classes only, so a new type takes its operators from the class it is given.

use crate::object::keywords;

keywords! {
    /// How an argument is read.
    ///
    /// Several spellings mean one type; the first is canonical.
    ArgType = "a type of argument" {
        /// As the kernel declares it. Only the fields of a tracepoint are declared well enough.
        Auto = "auto";
        /// Signed, 4 bytes.
        Int = "int" | "int32" | "sint32";
        /// Signed, 1 byte.
        Int8 = "int8" | "sint8";
        /// Unsigned, 1 byte.
        Uint8 = "uint8";
        /// Signed, 2 bytes.
        Int16 = "int16" | "sint16";
        /// Unsigned, 2 bytes.
        Uint16 = "uint16";
        /// Unsigned, 4 bytes.
        Uint32 = "uint32";
        /// Signed, 8 bytes.
        Int64 = "int64" | "sint64" | "long";
        /// Unsigned, 8 bytes.
        Uint64 = "uint64" | "ulong";
        /// Unsigned, 8 bytes: a size.
        SizeT = "size_t";
        /// Text that ends with a zero byte, in the memory of the kernel or of the process.
        String = "string";
        /// Bytes whose number another argument holds.
        CharBuf = "char_buf";
        /// An array of pieces of memory (`struct iovec`), whose number another argument holds.
        CharIovec = "char_iovec";
        /// The iterator over pieces of memory that the kernel's own functions use.
        IovIter = "iov_iter";
        /// Memory of a fixed size: arrays in tracepoints.
        ConstBuf = "const_buf";
        /// Text that a tracepoint keeps behind its fields.
        DataLoc = "data_loc";
        /// A file, by its descriptor in the process.
        Fd = "fd";
        /// A file (`struct file`).
        File = "file";
        /// The file name that a system call got (`struct filename`).
        Filename = "filename";
        /// A place in the tree of files (`struct path`).
        Path = "path";
        /// A place inside one file system (`struct dentry`).
        Dentry = "dentry";
        /// A file that is read or written (`struct kiocb`).
        Kiocb = "kiocb";
        /// A program about to run (`struct linux_binprm`).
        LinuxBinprm = "linux_binprm";
        /// A packet (`struct sk_buff`).
        Skb = "skb";
        /// A socket of the network layer (`struct sock`).
        Sock = "sock";
        /// A socket (`struct socket`).
        Socket = "socket";
        /// An Internet address and port (`struct sockaddr`).
        Sockaddr = "sockaddr";
        /// An address of a Unix socket (`struct sockaddr_un`).
        SockaddrUn = "sockaddr_un";
        /// A network device (`struct net_device`), by its name.
        NetDevice = "net_device";
        /// Credentials (`struct cred`).
        Cred = "cred";
        /// A user namespace (`struct user_namespace`).
        UserNamespace = "user_namespace";
        /// The number of a capability.
        Capability = "capability";
        /// A set of capabilities.
        KernelCapT = "kernel_cap_t";
        /// The inheritable set.
        CapInheritable = "cap_inheritable";
        /// The permitted set.
        CapPermitted = "cap_permitted";
        /// The effective set.
        CapEffective = "cap_effective";
        /// What `bpf(2)` got to load a program (`union bpf_attr`).
        BpfAttr = "bpf_attr";
        /// The command of `bpf(2)`.
        BpfCmd = "bpf_cmd";
        /// A map (`struct bpf_map`).
        BpfMap = "bpf_map";
        /// A program (`struct bpf_prog`).
        BpfProg = "bpf_prog";
        /// A performance event (`struct perf_event`).
        PerfEvent = "perf_event";
        /// A module about to be loaded (`struct load_info`).
        LoadInfo = "load_info";
        /// A module (`struct module`).
        Module = "module";
        /// The number of a system call, with the ABI it was called through.
        Syscall64 = "syscall64";
        /// Nothing: keeps the place.
        Nop = "nop";
    }
}

/// What a value is to an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A whole number of this many bits.
    Int {
        /// 8, 16, 32 or 64.
        bits: u32,
        /// Whether it has a sign.
        signed: bool,
    },
    /// Text of at most this many bytes, without the zero at its end.
    Text {
        /// Longest text there can be.
        max: usize,
    },
    /// The path and the mode of a file.
    File,
    /// Bytes.
    Bytes,
    /// A socket: addresses, ports, protocol, family, state.
    Sock,
    /// A packet: addresses, ports, protocol, family.
    Skb,
    /// One address and port.
    Sockaddr,
    /// The path of a Unix socket.
    SockaddrUn,
    /// A set of capabilities.
    CapSet,
    /// A capability.
    Capability,
    /// A command of `bpf(2)`.
    BpfCmd,
    /// A system call and its ABI.
    Syscall,
    /// Nothing that can be compared.
    Opaque,
    /// Only known once the kernel is asked.
    Unknown,
}

/// The longest path, without the zero at its end: the kernel's `PATH_MAX` counts the zero, but a walk does not stop there.
pub const PATH_MAX: usize = 4096;
/// The longest name of a network device (`IFNAMSIZ` less the zero).
pub const DEVICE_MAX: usize = 15;
/// The longest path of a Unix socket (`sun_path`).
pub const UNIX_PATH_MAX: usize = 108;

impl ArgType {
    /// The type of integers of so many bytes; what is wider is read as one of 8.
    pub const fn of_integer(bytes: u64, signed: bool) -> Self {
        match (bytes, signed) {
            (1, true) => Self::Int8,
            (1, false) => Self::Uint8,
            (2, true) => Self::Int16,
            (2, false) => Self::Uint16,
            (4, true) => Self::Int,
            (4, false) => Self::Uint32,
            (_, true) => Self::Int64,
            (_, false) => Self::Uint64,
        }
    }

    /// What values of this type are to an operator.
    pub const fn class(self) -> Class {
        use ArgType as T;
        match self {
            T::Auto => Class::Unknown,
            T::Int8 => Class::Int { bits: 8, signed: true },
            T::Uint8 => Class::Int { bits: 8, signed: false },
            T::Int16 => Class::Int { bits: 16, signed: true },
            T::Uint16 => Class::Int {
                bits: 16,
                signed: false,
            },
            T::Int => Class::Int { bits: 32, signed: true },
            T::Uint32 => Class::Int {
                bits: 32,
                signed: false,
            },
            T::Int64 => Class::Int { bits: 64, signed: true },
            T::Uint64 | T::SizeT => Class::Int {
                bits: 64,
                signed: false,
            },
            T::String | T::Filename | T::DataLoc | T::Dentry | T::LinuxBinprm => Class::Text { max: PATH_MAX },
            T::NetDevice => Class::Text { max: DEVICE_MAX },
            T::Fd | T::File | T::Path | T::Kiocb => Class::File,
            T::CharBuf | T::CharIovec | T::IovIter => Class::Bytes,
            T::Sock | T::Socket => Class::Sock,
            T::Skb => Class::Skb,
            T::Sockaddr => Class::Sockaddr,
            T::SockaddrUn => Class::SockaddrUn,
            T::KernelCapT | T::CapInheritable | T::CapPermitted | T::CapEffective => Class::CapSet,
            T::Capability => Class::Capability,
            T::BpfCmd => Class::BpfCmd,
            T::Syscall64 => Class::Syscall,
            T::ConstBuf
            | T::Cred
            | T::UserNamespace
            | T::BpfAttr
            | T::BpfMap
            | T::BpfProg
            | T::PerfEvent
            | T::LoadInfo
            | T::Module
            | T::Nop => Class::Opaque,
        }
    }

    /// Whether programs have values of this type: of all others, the address that a program hands over would be read in the
    /// kernel's memory.
    pub const fn is_in_programs(self) -> bool {
        use ArgType as T;
        match self {
            T::Int8
            | T::Uint8
            | T::Int16
            | T::Uint16
            | T::Int
            | T::Uint32
            | T::Int64
            | T::Uint64
            | T::SizeT
            | T::Capability
            | T::BpfCmd
            | T::String
            | T::CharBuf
            | T::CharIovec
            | T::Sockaddr
            | T::SockaddrUn
            | T::Fd
            | T::Auto
            | T::Nop => true,
            T::KernelCapT
            | T::CapInheritable
            | T::CapPermitted
            | T::CapEffective
            | T::DataLoc
            | T::Filename
            | T::NetDevice
            | T::ConstBuf
            | T::IovIter
            | T::Syscall64
            | T::File
            | T::Path
            | T::Dentry
            | T::Kiocb
            | T::LinuxBinprm
            | T::Sock
            | T::Socket
            | T::Skb
            | T::Cred
            | T::UserNamespace
            | T::BpfAttr
            | T::BpfProg
            | T::BpfMap
            | T::PerfEvent
            | T::Module
            | T::LoadInfo => false,
        }
    }

    /// Whether the value is a path, which no filter takes for matching when it is empty.
    pub const fn is_path(self) -> bool {
        matches!(
            self,
            Self::Fd | Self::File | Self::Path | Self::Kiocb | Self::Dentry | Self::LinuxBinprm
        )
    }
}
