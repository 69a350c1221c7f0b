//! Names that the kernel's headers give to numbers, as policies write them.

use crate::leaf::number;
use crate::object::keywords;
use crate::suggest;

keywords! {
    /// A kind of namespace. The order is that of the kernel's `/proc/PID/ns` as Tetragon reports it.
    Namespace = "a namespace" {
        /// Host and domain name.
        Uts = "Uts" | "uts";
        /// System V and POSIX message queues.
        Ipc = "Ipc" | "ipc";
        /// Mounts.
        Mnt = "Mnt" | "mnt";
        /// Process ids.
        Pid = "Pid" | "pid";
        /// Process ids of children to come.
        PidForChildren = "PidForChildren" | "pidforchildren";
        /// Network.
        Net = "Net" | "net";
        /// Boot and monotonic clocks. Kernel 5.6 and later.
        Time = "Time" | "time";
        /// Clocks of children to come. Kernel 5.6 and later.
        TimeForChildren = "TimeForChildren" | "timeforchildren";
        /// Root of the cgroup hierarchy.
        Cgroup = "Cgroup" | "cgroup";
        /// Users and capabilities.
        User = "User" | "user";
    }
}

keywords! {
    /// One of a process's sets of capabilities.
    CapabilitySet = "a set of capabilities" {
        /// Those that the kernel checks.
        Effective = "Effective";
        /// Those kept by exec of a file that has them as inheritable.
        Inheritable = "Inheritable";
        /// Those that may become effective.
        Permitted = "Permitted";
    }
}

keywords! {
    /// A type of file.
    FileType = "a type of file" {
        /// Regular file.
        Regular = "regular" | "reg";
        /// Directory.
        Directory = "dir" | "directory";
        /// Symbolic link.
        Link = "link" | "lnk";
        /// Socket.
        Socket = "socket" | "sock";
        /// Block device.
        Block = "block" | "blk";
        /// Character device.
        Character = "char" | "chr";
        /// Pipe.
        Pipe = "pipe" | "fifo";
    }
}

impl FileType {
    /// The type's bits in the mode of an inode (`S_IFMT`).
    pub const fn mode(self) -> u16 {
        match self {
            Self::Regular => 0o100_000,
            Self::Directory => 0o040_000,
            Self::Link => 0o120_000,
            Self::Socket => 0o140_000,
            Self::Block => 0o060_000,
            Self::Character => 0o020_000,
            Self::Pipe => 0o010_000,
        }
    }
}

/// A table of names and numbers.
#[derive(Debug)]
pub struct Numbers {
    /// What is named.
    pub what: &'static str,
    /// The largest number that means something.
    pub max: u64,
    table: &'static [(&'static str, u64)],
}

impl Numbers {
    /// The number of a name in any letter case, or written as a number. Else what is wrong, and what is allowed.
    pub fn parse(&self, text: &str) -> Result<u64, (String, String)> {
        if let Some(number) = number(text) {
            return u64::try_from(number)
                .ok()
                .filter(|number| *number <= self.max)
                .ok_or_else(|| (format!("`{text}` is no {}", self.what), format!("0 to {}", self.max)));
        }
        let found = self.table.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, number)| *number).ok_or_else(|| {
            let text = crate::yaml::shorten(text);
            // `TCP` for `IPPROTO_TCP`.
            let short = self.names().find(|name| {
                name.split_once('_')
                    .is_some_and(|(_, end)| end.eq_ignore_ascii_case(&text))
            });
            let help = match short {
                Some(name) => format!("did you mean `{name}`?"),
                None => suggest::allowed(&text, self.names()),
            };
            (format!("`{text}` is no {}", self.what), help)
        })
    }

    /// The name of a number.
    pub fn name(&self, number: u64) -> Option<&'static str> {
        self.table.iter().find(|(_, n)| *n == number).map(|(name, _)| *name)
    }

    /// The name of a number, or the number as text.
    pub fn display(&self, number: u64) -> String {
        self.name(number).map_or_else(|| number.to_string(), ToOwned::to_owned)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.table.iter().map(|(name, _)| *name)
    }
}

/// Capabilities of `linux/capability.h`. `DAC_OVERRIDE` is how Tetragon spells the second one in events.
pub static CAPABILITIES: Numbers = Numbers {
    what: "capability",
    max: 40,
    table: &[
        ("CAP_CHOWN", 0),
        ("CAP_DAC_OVERRIDE", 1),
        ("DAC_OVERRIDE", 1),
        ("CAP_DAC_READ_SEARCH", 2),
        ("CAP_FOWNER", 3),
        ("CAP_FSETID", 4),
        ("CAP_KILL", 5),
        ("CAP_SETGID", 6),
        ("CAP_SETUID", 7),
        ("CAP_SETPCAP", 8),
        ("CAP_LINUX_IMMUTABLE", 9),
        ("CAP_NET_BIND_SERVICE", 10),
        ("CAP_NET_BROADCAST", 11),
        ("CAP_NET_ADMIN", 12),
        ("CAP_NET_RAW", 13),
        ("CAP_IPC_LOCK", 14),
        ("CAP_IPC_OWNER", 15),
        ("CAP_SYS_MODULE", 16),
        ("CAP_SYS_RAWIO", 17),
        ("CAP_SYS_CHROOT", 18),
        ("CAP_SYS_PTRACE", 19),
        ("CAP_SYS_PACCT", 20),
        ("CAP_SYS_ADMIN", 21),
        ("CAP_SYS_BOOT", 22),
        ("CAP_SYS_NICE", 23),
        ("CAP_SYS_RESOURCE", 24),
        ("CAP_SYS_TIME", 25),
        ("CAP_SYS_TTY_CONFIG", 26),
        ("CAP_MKNOD", 27),
        ("CAP_LEASE", 28),
        ("CAP_AUDIT_WRITE", 29),
        ("CAP_AUDIT_CONTROL", 30),
        ("CAP_SETFCAP", 31),
        ("CAP_MAC_OVERRIDE", 32),
        ("CAP_MAC_ADMIN", 33),
        ("CAP_SYSLOG", 34),
        ("CAP_WAKE_ALARM", 35),
        ("CAP_BLOCK_SUSPEND", 36),
        ("CAP_AUDIT_READ", 37),
        ("CAP_PERFMON", 38),
        ("CAP_BPF", 39),
        ("CAP_CHECKPOINT_RESTORE", 40),
    ],
};

/// Address families of `linux/socket.h`.
pub static FAMILIES: Numbers = Numbers {
    what: "address family",
    max: 45,
    table: &[
        ("AF_UNSPEC", 0),
        ("AF_UNIX", 1),
        ("AF_LOCAL", 1),
        ("AF_INET", 2),
        ("AF_AX25", 3),
        ("AF_IPX", 4),
        ("AF_APPLETALK", 5),
        ("AF_NETROM", 6),
        ("AF_BRIDGE", 7),
        ("AF_ATMPVC", 8),
        ("AF_X25", 9),
        ("AF_INET6", 10),
        ("AF_ROSE", 11),
        ("AF_DECnet", 12),
        ("AF_NETBEUI", 13),
        ("AF_SECURITY", 14),
        ("AF_KEY", 15),
        ("AF_NETLINK", 16),
        ("AF_ROUTE", 16),
        ("AF_PACKET", 17),
        ("AF_ASH", 18),
        ("AF_ECONET", 19),
        ("AF_ATMSVC", 20),
        ("AF_RDS", 21),
        ("AF_SNA", 22),
        ("AF_IRDA", 23),
        ("AF_PPPOX", 24),
        ("AF_WANPIPE", 25),
        ("AF_LLC", 26),
        ("AF_IB", 27),
        ("AF_MPLS", 28),
        ("AF_CAN", 29),
        ("AF_TIPC", 30),
        ("AF_BLUETOOTH", 31),
        ("AF_IUCV", 32),
        ("AF_RXRPC", 33),
        ("AF_ISDN", 34),
        ("AF_PHONET", 35),
        ("AF_IEEE802154", 36),
        ("AF_CAIF", 37),
        ("AF_ALG", 38),
        ("AF_NFC", 39),
        ("AF_VSOCK", 40),
        ("AF_KCM", 41),
        ("AF_QIPCRTR", 42),
        ("AF_SMC", 43),
        ("AF_XDP", 44),
        ("AF_MCTP", 45),
    ],
};

/// Protocols of `linux/in.h` and `linux/in6.h`. The kernel keeps the number of a socket's protocol in 16 bits.
pub static PROTOCOLS: Numbers = Numbers {
    what: "protocol",
    max: 65535,
    table: &[
        ("IPPROTO_IP", 0),
        ("IPPROTO_HOPOPTS", 0),
        ("IPPROTO_ICMP", 1),
        ("IPPROTO_IGMP", 2),
        ("IPPROTO_IPIP", 4),
        ("IPPROTO_TCP", 6),
        ("IPPROTO_EGP", 8),
        ("IPPROTO_PUP", 12),
        ("IPPROTO_UDP", 17),
        ("IPPROTO_IDP", 22),
        ("IPPROTO_TP", 29),
        ("IPPROTO_DCCP", 33),
        ("IPPROTO_IPV6", 41),
        ("IPPROTO_ROUTING", 43),
        ("IPPROTO_FRAGMENT", 44),
        ("IPPROTO_RSVP", 46),
        ("IPPROTO_GRE", 47),
        ("IPPROTO_ESP", 50),
        ("IPPROTO_AH", 51),
        ("IPPROTO_ICMPV6", 58),
        ("IPPROTO_NONE", 59),
        ("IPPROTO_DSTOPTS", 60),
        ("IPPROTO_MTP", 92),
        ("IPPROTO_BEETPH", 94),
        ("IPPROTO_ENCAP", 98),
        ("IPPROTO_PIM", 103),
        ("IPPROTO_COMP", 108),
        ("IPPROTO_L2TP", 115),
        ("IPPROTO_SCTP", 132),
        ("IPPROTO_MH", 135),
        ("IPPROTO_UDPLITE", 136),
        ("IPPROTO_MPLS", 137),
        ("IPPROTO_ETHERNET", 143),
        ("IPPROTO_RAW", 255),
        ("IPPROTO_SMC", 256),
        ("IPPROTO_MPTCP", 262),
    ],
};

/// States of a TCP socket of `net/tcp_states.h`.
pub static TCP_STATES: Numbers = Numbers {
    what: "state of a TCP socket",
    max: 13,
    table: &[
        ("TCP_ESTABLISHED", 1),
        ("TCP_SYN_SENT", 2),
        ("TCP_SYN_RECV", 3),
        ("TCP_FIN_WAIT1", 4),
        ("TCP_FIN_WAIT2", 5),
        ("TCP_TIME_WAIT", 6),
        ("TCP_CLOSE", 7),
        ("TCP_CLOSE_WAIT", 8),
        ("TCP_LAST_ACK", 9),
        ("TCP_LISTEN", 10),
        ("TCP_CLOSING", 11),
        ("TCP_NEW_SYN_RECV", 12),
        ("TCP_BOUND_INACTIVE", 13),
    ],
};

/// Commands of `bpf(2)` of `linux/bpf.h`.
pub static BPF_COMMANDS: Numbers = Numbers {
    what: "command of bpf(2)",
    max: 255,
    table: &[
        ("BPF_MAP_CREATE", 0),
        ("BPF_MAP_LOOKUP_ELEM", 1),
        ("BPF_MAP_UPDATE_ELEM", 2),
        ("BPF_MAP_DELETE_ELEM", 3),
        ("BPF_MAP_GET_NEXT_KEY", 4),
        ("BPF_PROG_LOAD", 5),
        ("BPF_OBJ_PIN", 6),
        ("BPF_OBJ_GET", 7),
        ("BPF_PROG_ATTACH", 8),
        ("BPF_PROG_DETACH", 9),
        ("BPF_PROG_TEST_RUN", 10),
        ("BPF_PROG_RUN", 10),
        ("BPF_PROG_GET_NEXT_ID", 11),
        ("BPF_MAP_GET_NEXT_ID", 12),
        ("BPF_PROG_GET_FD_BY_ID", 13),
        ("BPF_MAP_GET_FD_BY_ID", 14),
        ("BPF_OBJ_GET_INFO_BY_FD", 15),
        ("BPF_PROG_QUERY", 16),
        ("BPF_RAW_TRACEPOINT_OPEN", 17),
        ("BPF_BTF_LOAD", 18),
        ("BPF_BTF_GET_FD_BY_ID", 19),
        ("BPF_TASK_FD_QUERY", 20),
        ("BPF_MAP_LOOKUP_AND_DELETE_ELEM", 21),
        ("BPF_MAP_FREEZE", 22),
        ("BPF_BTF_GET_NEXT_ID", 23),
        ("BPF_MAP_LOOKUP_BATCH", 24),
        ("BPF_MAP_LOOKUP_AND_DELETE_BATCH", 25),
        ("BPF_MAP_UPDATE_BATCH", 26),
        ("BPF_MAP_DELETE_BATCH", 27),
        ("BPF_LINK_CREATE", 28),
        ("BPF_LINK_UPDATE", 29),
        ("BPF_LINK_GET_FD_BY_ID", 30),
        ("BPF_LINK_GET_NEXT_ID", 31),
        ("BPF_ENABLE_STATS", 32),
        ("BPF_ITER_CREATE", 33),
        ("BPF_LINK_DETACH", 34),
        ("BPF_PROG_BIND_MAP", 35),
        ("BPF_TOKEN_CREATE", 36),
        ("BPF_PROG_STREAM_READ_BY_FD", 37),
    ],
};

/// Types of BPF programs (`enum bpf_prog_type`, include/uapi/linux/bpf.h, kernel 6.18).
pub const BPF_PROG_TYPES: Numbers = Numbers {
    what: "a type of BPF program",
    max: 32,
    table: &[
        ("BPF_PROG_TYPE_UNSPEC", 0),
        ("BPF_PROG_TYPE_SOCKET_FILTER", 1),
        ("BPF_PROG_TYPE_KPROBE", 2),
        ("BPF_PROG_TYPE_SCHED_CLS", 3),
        ("BPF_PROG_TYPE_SCHED_ACT", 4),
        ("BPF_PROG_TYPE_TRACEPOINT", 5),
        ("BPF_PROG_TYPE_XDP", 6),
        ("BPF_PROG_TYPE_PERF_EVENT", 7),
        ("BPF_PROG_TYPE_CGROUP_SKB", 8),
        ("BPF_PROG_TYPE_CGROUP_SOCK", 9),
        ("BPF_PROG_TYPE_LWT_IN", 10),
        ("BPF_PROG_TYPE_LWT_OUT", 11),
        ("BPF_PROG_TYPE_LWT_XMIT", 12),
        ("BPF_PROG_TYPE_SOCK_OPS", 13),
        ("BPF_PROG_TYPE_SK_SKB", 14),
        ("BPF_PROG_TYPE_CGROUP_DEVICE", 15),
        ("BPF_PROG_TYPE_SK_MSG", 16),
        ("BPF_PROG_TYPE_RAW_TRACEPOINT", 17),
        ("BPF_PROG_TYPE_CGROUP_SOCK_ADDR", 18),
        ("BPF_PROG_TYPE_LWT_SEG6LOCAL", 19),
        ("BPF_PROG_TYPE_LIRC_MODE2", 20),
        ("BPF_PROG_TYPE_SK_REUSEPORT", 21),
        ("BPF_PROG_TYPE_FLOW_DISSECTOR", 22),
        ("BPF_PROG_TYPE_CGROUP_SYSCTL", 23),
        ("BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE", 24),
        ("BPF_PROG_TYPE_CGROUP_SOCKOPT", 25),
        ("BPF_PROG_TYPE_TRACING", 26),
        ("BPF_PROG_TYPE_STRUCT_OPS", 27),
        ("BPF_PROG_TYPE_EXT", 28),
        ("BPF_PROG_TYPE_LSM", 29),
        ("BPF_PROG_TYPE_SK_LOOKUP", 30),
        ("BPF_PROG_TYPE_SYSCALL", 31),
        ("BPF_PROG_TYPE_NETFILTER", 32),
    ],
};

/// Types of BPF maps (`enum bpf_map_type`, likewise).
pub const BPF_MAP_TYPES: Numbers = Numbers {
    what: "a type of BPF map",
    max: 34,
    table: &[
        ("BPF_MAP_TYPE_UNSPEC", 0),
        ("BPF_MAP_TYPE_HASH", 1),
        ("BPF_MAP_TYPE_ARRAY", 2),
        ("BPF_MAP_TYPE_PROG_ARRAY", 3),
        ("BPF_MAP_TYPE_PERF_EVENT_ARRAY", 4),
        ("BPF_MAP_TYPE_PERCPU_HASH", 5),
        ("BPF_MAP_TYPE_PERCPU_ARRAY", 6),
        ("BPF_MAP_TYPE_STACK_TRACE", 7),
        ("BPF_MAP_TYPE_CGROUP_ARRAY", 8),
        ("BPF_MAP_TYPE_LRU_HASH", 9),
        ("BPF_MAP_TYPE_LRU_PERCPU_HASH", 10),
        ("BPF_MAP_TYPE_LPM_TRIE", 11),
        ("BPF_MAP_TYPE_ARRAY_OF_MAPS", 12),
        ("BPF_MAP_TYPE_HASH_OF_MAPS", 13),
        ("BPF_MAP_TYPE_DEVMAP", 14),
        ("BPF_MAP_TYPE_SOCKMAP", 15),
        ("BPF_MAP_TYPE_CPUMAP", 16),
        ("BPF_MAP_TYPE_XSKMAP", 17),
        ("BPF_MAP_TYPE_SOCKHASH", 18),
        ("BPF_MAP_TYPE_CGROUP_STORAGE", 19),
        ("BPF_MAP_TYPE_REUSEPORT_SOCKARRAY", 20),
        ("BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE", 21),
        ("BPF_MAP_TYPE_QUEUE", 22),
        ("BPF_MAP_TYPE_STACK", 23),
        ("BPF_MAP_TYPE_SK_STORAGE", 24),
        ("BPF_MAP_TYPE_DEVMAP_HASH", 25),
        ("BPF_MAP_TYPE_STRUCT_OPS", 26),
        ("BPF_MAP_TYPE_RINGBUF", 27),
        ("BPF_MAP_TYPE_INODE_STORAGE", 28),
        ("BPF_MAP_TYPE_TASK_STORAGE", 29),
        ("BPF_MAP_TYPE_BLOOM_FILTER", 30),
        ("BPF_MAP_TYPE_USER_RINGBUF", 31),
        ("BPF_MAP_TYPE_CGRP_STORAGE", 32),
        ("BPF_MAP_TYPE_ARENA", 33),
        ("BPF_MAP_TYPE_INSN_ARRAY", 34),
    ],
};

/// Types of performance events (`enum perf_type_id`, `include/uapi/linux/perf_event.h`). Devices have others.
pub const PERF_TYPES: Numbers = Numbers {
    what: "a type of performance event",
    max: 5,
    table: &[
        ("PERF_TYPE_HARDWARE", 0),
        ("PERF_TYPE_SOFTWARE", 1),
        ("PERF_TYPE_TRACEPOINT", 2),
        ("PERF_TYPE_HW_CACHE", 3),
        ("PERF_TYPE_RAW", 4),
        ("PERF_TYPE_BREAKPOINT", 5),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read_in_any_case() {
        assert_eq!(CAPABILITIES.parse("CAP_SYS_ADMIN"), Ok(21));
        assert_eq!(CAPABILITIES.parse("cap_bpf"), Ok(39));
        assert_eq!(CAPABILITIES.parse("0x28"), Ok(40));
        assert_eq!(FAMILIES.parse("10"), Ok(10));
        assert_eq!(FAMILIES.name(10), Some("AF_INET6"));
        assert_eq!(
            CAPABILITIES.parse("CAP_SYS_ADMN"),
            Err((
                "`CAP_SYS_ADMN` is no capability".into(),
                "did you mean `CAP_SYS_ADMIN`?".into()
            ))
        );
        assert_eq!(
            FAMILIES.parse("46"),
            Err(("`46` is no address family".into(), "0 to 45".into()))
        );
    }
}
