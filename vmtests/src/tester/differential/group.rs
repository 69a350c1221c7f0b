//! Calls, the hooks that they reach, and what of them filters can look at.

use policy::arg_type::ArgType as T;

use super::{
    calls::{self, Input, Prepared, World},
    random::Random,
};

/// Calls of one kind. No call reaches a hook of another group.
pub(super) struct Group {
    pub(super) name: &'static str,
    /// How many policies are generated for it, and how many calls made.
    pub(super) policies: usize,
    pub(super) calls: usize,
    /// A call.
    pub(super) generate: fn(&mut Random) -> Input,
    /// Everything of a call but the call.
    pub(super) prepare: fn(&Input, &World) -> anyhow::Result<Prepared>,
    pub(super) hooks: &'static [Hook],
}

/// A hook as policies name it.
pub(super) struct Hook {
    /// Section of the policy.
    pub(super) section: &'static str,
    /// The fields that name it.
    pub(super) fields: &'static str,
    pub(super) args: &'static [Arg],
    /// Whose calls policies are about, as other processes reach it too.
    pub(super) whose: Whose,
    /// Whether it is reached by the program that the call executes.
    pub(super) executed: bool,
    /// Whether this process reaches it in other ways as well, such as when it reads events: it counts more then.
    pub(super) busy: bool,
}

/// Processes that calls are by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// This one.
    Own,
    /// A child.
    Childs,
}

/// An argument of a hook, a piece of data, or what it returns.
pub(super) struct Arg {
    pub(super) role: Role,
    pub(super) index: u32,
    /// Which of the call's values it is.
    pub(super) value: usize,
    /// As what policies may read it.
    pub(super) types: &'static [T],
    /// `sizeArgIndex`.
    pub(super) size: u32,
}

/// What of a hook it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Argument,
    /// The name of the thread.
    Data,
    Returned,
}

const NUMBERS: &[T] = &[
    T::Capability,
    T::BpfCmd,
    T::Int8,
    T::Uint8,
    T::Int16,
    T::Uint16,
    T::Int,
    T::Uint32,
    T::Int64,
    T::Uint64,
    T::SizeT,
];
/// The same of a tracepoint. Policies take turns with what comes first: between both, each is compared in all ways.
const FIELDS: &[T] = &[
    T::Syscall64,
    T::SizeT,
    T::Uint64,
    T::Int64,
    T::Uint32,
    T::Int,
    T::Uint16,
    T::Int16,
    T::Uint8,
    T::Int8,
];
/// Of what has 32 bits, the upper half of its word is undefined.
const HALVES: &[T] = &[T::Int8, T::Uint8, T::Int16, T::Uint16, T::Int, T::Uint32];
const PLAIN: &[T] = &[
    T::Int8,
    T::Uint8,
    T::Int16,
    T::Uint16,
    T::Int,
    T::Uint32,
    T::Int64,
    T::Uint64,
    T::SizeT,
];
const SETS: &[T] = &[T::KernelCapT, T::CapEffective, T::CapInheritable, T::CapPermitted];

const fn arg(index: u32, value: usize, types: &'static [T]) -> Arg {
    Arg {
        role: Role::Argument,
        index,
        value,
        types,
        size: 0,
    }
}

const fn sized(index: u32, value: usize, types: &'static [T], size: u32) -> Arg {
    Arg {
        size,
        ..arg(index, value, types)
    }
}

const fn hook(section: &'static str, fields: &'static str, args: &'static [Arg]) -> Hook {
    Hook {
        section,
        fields,
        args,
        whose: Whose::Own,
        executed: false,
        busy: false,
    }
}

const fn of_child(section: &'static str, fields: &'static str, args: &'static [Arg]) -> Hook {
    Hook {
        whose: Whose::Childs,
        ..hook(section, fields, args)
    }
}

macro_rules! function {
    ($name:literal) => {
        concat!(r#"{"call":""#, $name, r#"","syscall":false}"#)
    };
}

macro_rules! syscall {
    ($name:literal) => {
        concat!(r#"{"call":"sys_"#, $name, r#""}"#)
    };
}

macro_rules! lsm {
    ($name:literal) => {
        concat!(r#"{"hook":""#, $name, r#""}"#)
    };
}

macro_rules! tracepoint {
    ($group:literal, $name:literal) => {
        concat!(r#"{"subsystem":""#, $group, r#"","event":""#, $name, r#""}"#)
    };
}

pub(super) static GROUPS: &[Group] = &[
    Group {
        name: "numbers",
        policies: 110,
        calls: 40,
        generate: calls::numbers::generate,
        prepare: calls::numbers::prepare,
        hooks: &[
            hook(
                "kprobes",
                syscall!("readahead"),
                &[arg(1, 1, NUMBERS), arg(0, 0, NUMBERS)],
            ),
            hook(
                "tracepoints",
                tracepoint!("syscalls", "sys_enter_readahead"),
                &[arg(6, 1, FIELDS), arg(5, 0, FIELDS)],
            ),
        ],
    },
    Group {
        name: "strings",
        policies: 20,
        calls: 60,
        generate: calls::texts::generate,
        prepare: calls::texts::access,
        hooks: &[
            hook("kprobes", syscall!("access"), &[arg(0, 0, &[T::String])]),
            hook(
                "tracepoints",
                tracepoint!("syscalls", "sys_enter_access"),
                &[arg(5, 0, &[T::String])],
            ),
        ],
    },
    Group {
        name: "bytes",
        policies: 10,
        calls: 60,
        generate: calls::texts::generate,
        prepare: calls::texts::pwrite,
        hooks: &[hook("kprobes", syscall!("pwrite64"), &[sized(1, 0, &[T::CharBuf], 3)])],
    },
    Group {
        name: "pieces",
        policies: 8,
        calls: 40,
        generate: calls::texts::generate_pieces,
        prepare: calls::texts::pwritev,
        hooks: &[hook("kprobes", syscall!("pwritev"), &[sized(1, 0, &[T::CharIovec], 3)])],
    },
    Group {
        name: "filenames",
        policies: 10,
        calls: 40,
        generate: calls::texts::generate_some,
        prepare: calls::texts::open,
        hooks: &[hook(
            "kprobes",
            function!("${do_filp_open|do_file_open}"),
            &[arg(1, 0, &[T::Filename])],
        )],
    },
    Group {
        name: "names",
        policies: 10,
        calls: 40,
        generate: calls::texts::generate_short,
        prepare: calls::texts::thread_name,
        hooks: &[hook(
            "kprobes",
            syscall!("sched_get_priority_max"),
            &[Arg {
                role: Role::Data,
                ..arg(0, 0, &[T::String])
            }],
        )],
    },
    Group {
        name: "returned",
        policies: 10,
        calls: 40,
        generate: calls::numbers::generate,
        prepare: calls::numbers::write,
        hooks: &[hook(
            "kprobes",
            syscall!("write"),
            &[Arg {
                role: Role::Returned,
                ..arg(0, 0, PLAIN)
            }],
        )],
    },
    Group {
        name: "files",
        policies: 36,
        calls: 60,
        generate: calls::files::generate_open,
        prepare: calls::files::fcntl,
        hooks: &[
            hook(
                "kprobes",
                syscall!("fcntl"),
                &[arg(0, 0, &[T::Fd]), arg(1, 2, HALVES), arg(2, 3, NUMBERS)],
            ),
            hook(
                "kprobes",
                function!("security_file_fcntl"),
                &[arg(0, 1, &[T::File]), arg(1, 2, HALVES), arg(2, 3, NUMBERS)],
            ),
            hook(
                "lsmhooks",
                lsm!("file_fcntl"),
                &[arg(0, 1, &[T::File]), arg(1, 2, HALVES), arg(2, 3, NUMBERS)],
            ),
        ],
    },
    Group {
        name: "descriptors",
        policies: 12,
        calls: 40,
        generate: calls::files::generate_open,
        prepare: calls::files::advise,
        hooks: &[hook("kprobes", syscall!("fadvise64"), &[arg(0, 0, &[T::Fd])])],
    },
    Group {
        name: "paths",
        policies: 12,
        calls: 40,
        generate: calls::files::generate,
        prepare: calls::files::stat,
        hooks: &[Hook {
            busy: true,
            ..hook("kprobes", function!("security_inode_getattr"), &[arg(0, 0, &[T::Path])])
        }],
    },
    Group {
        name: "dentries",
        policies: 10,
        calls: 40,
        generate: calls::files::generate,
        prepare: calls::files::unlink,
        hooks: &[hook(
            "kprobes",
            function!("security_inode_unlink"),
            &[arg(1, 0, &[T::Dentry])],
        )],
    },
    Group {
        name: "writes",
        policies: 18,
        calls: 40,
        generate: calls::files::generate_write,
        prepare: calls::files::write,
        hooks: &[hook(
            "kprobes",
            function!("${shmem_file_write_iter|generic_file_write_iter}"),
            &[arg(0, 0, &[T::Kiocb]), arg(1, 1, &[T::IovIter])],
        )],
    },
    Group {
        name: "programs",
        policies: 30,
        calls: 16,
        generate: calls::files::generate,
        prepare: calls::tasks::execute,
        hooks: &[
            of_child(
                "kprobes",
                function!("security_bprm_check"),
                &[arg(0, 0, &[T::LinuxBinprm])],
            ),
            Hook {
                executed: true,
                ..of_child(
                    "tracepoints",
                    tracepoint!("sched", "sched_process_exec"),
                    &[arg(4, 1, &[T::DataLoc])],
                )
            },
            Hook {
                executed: true,
                ..of_child("kprobes", syscall!("getsid"), &[arg(0, 2, HALVES)])
            },
        ],
    },
    Group {
        name: "tasks",
        policies: 20,
        calls: 40,
        generate: calls::tasks::generate,
        prepare: calls::tasks::fork,
        hooks: &[of_child("kprobes", syscall!("getpgid"), &[arg(0, 0, PLAIN)])],
    },
    Group {
        name: "devices",
        policies: 10,
        calls: 20,
        generate: calls::texts::generate_short,
        prepare: calls::tasks::device,
        hooks: &[of_child(
            "kprobes",
            function!("${dev_get_flags|netif_get_flags}"),
            &[arg(0, 0, &[T::NetDevice])],
        )],
    },
    Group {
        name: "capabilities",
        policies: 18,
        calls: 60,
        generate: calls::numbers::generate_sets,
        prepare: calls::numbers::capset,
        hooks: &[hook(
            "kprobes",
            function!("security_capset"),
            &[arg(2, 0, SETS), arg(3, 1, SETS), arg(4, 2, SETS)],
        )],
    },
    Group {
        name: "sockets",
        policies: 18,
        calls: 60,
        generate: calls::sockets::generate,
        prepare: calls::sockets::name,
        hooks: &[hook(
            "kprobes",
            function!("security_socket_getsockname"),
            &[arg(0, 0, &[T::Socket])],
        )],
    },
    Group {
        name: "socks",
        policies: 18,
        calls: 40,
        generate: calls::sockets::generate_streams,
        prepare: calls::sockets::option,
        hooks: &[hook("kprobes", function!("tcp_getsockopt"), &[arg(0, 0, &[T::Sock])])],
    },
    Group {
        name: "addresses",
        policies: 16,
        calls: 60,
        generate: calls::sockets::generate_addresses,
        prepare: calls::sockets::connect,
        hooks: &[
            hook("kprobes", syscall!("connect"), &[arg(1, 0, &[T::Sockaddr])]),
            hook(
                "kprobes",
                function!("security_socket_connect"),
                &[arg(1, 0, &[T::Sockaddr])],
            ),
        ],
    },
    Group {
        name: "unix",
        policies: 16,
        calls: 40,
        generate: calls::texts::generate_path,
        prepare: calls::sockets::bind,
        hooks: &[
            hook("kprobes", syscall!("bind"), &[arg(1, 0, &[T::SockaddrUn])]),
            hook(
                "kprobes",
                function!("security_socket_bind"),
                &[arg(1, 0, &[T::SockaddrUn])],
            ),
        ],
    },
    Group {
        name: "packets",
        policies: 16,
        calls: 40,
        generate: calls::sockets::generate_packets,
        prepare: calls::sockets::send,
        hooks: &[hook("kprobes", function!("ip_send_skb"), &[arg(1, 0, &[T::Skb])])],
    },
    Group {
        name: "packets6",
        policies: 16,
        calls: 30,
        generate: calls::sockets::generate_packets6,
        prepare: calls::sockets::send,
        hooks: &[hook("kprobes", function!("ip6_send_skb"), &[arg(0, 0, &[T::Skb])])],
    },
];
