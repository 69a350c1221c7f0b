//! How kprobe events of well-known kernel functions are shown: one row a function.

use std::borrow::Cow;

use tetragon_api::v1::KprobeArgument;
use tetragon_api::v1::kprobe_argument::Arg;

use super::colour::Colour;
use super::event::Line;
use super::quote;

/// Prefixes that system calls have in a kernel's symbol table.
const ARCHITECTURES: [&str; 3] = ["__x64_", "__arm64_", "__ia32_"];

/// What stands in front of a function that has no row, and of one whose arguments say too little.
const UNKNOWN: &str = "❓";

struct Row {
    /// Names without the architecture's prefix.
    functions: &'static [&'static str],
    head: Head,
    words: &'static [Word],
}

/// Emoji and verb.
enum Head {
    Fixed(&'static str, &'static str),
    /// The same, if the event has arguments at all, else the function's name.
    WithArguments(&'static str, &'static str),
    /// By the access that argument 1 asks for: `MAY_WRITE` 2, `MAY_READ` 4 (`include/linux/fs.h`).
    Access,
    /// By the protection in argument 1: `PROT_READ` 1, `PROT_WRITE` 2, `PROT_EXEC` 4 (`asm-generic/mman-common.h`).
    Protection,
}

/// One word of the line, from the argument at an index. Empty when the event lacks that argument.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word {
    /// Path of a file argument.
    File(usize),
    /// Path of a path argument.
    Path(usize),
    /// String argument.
    Text(usize),
    /// Size argument, as a number of bytes.
    Size(usize),
    /// Integer argument.
    Integer(usize),
    /// Integer argument, as the name of a kind of namespace.
    Namespace(usize),
    /// Both ends of a TCP socket.
    Socket(usize),
    /// Integer argument, as what was sent.
    Sent(usize),
    /// What is known of a BPF program to load.
    Program(usize),
    /// What a perf event watches.
    PerfEvent(usize),
    /// Shape of a BPF map.
    Map(usize),
}

use Head::{Access, Fixed, Protection, WithArguments};
use Word::{File, Integer, Map, Namespace, Path, PerfEvent, Program, Sent, Size, Socket, Text};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(&["sys_write"], Fixed("📝", "write"), &[File(0), Size(2)]),
    row(&["sys_read"], Fixed("📚", "read"), &[File(0), Size(2)]),
    row(&["fd_install"], Fixed("📬", "open"), &[File(1)]),
    row(&["sys_openat"], Fixed("📬\u{fe0f}", "openat"), &[Text(1)]),
    // Argument 1 as in Tetragon, though the path of open(2) is argument 0: policies written for it list both.
    row(&["sys_open"], Fixed("📬\u{fe0f}", "open"), &[Text(1)]),
    row(&["sys_close"], Fixed("📪", "close"), &[File(0)]),
    row(&["sys_mount"], Fixed("💾", "mount"), &[Text(0), Text(1)]),
    row(&["sys_pivot_root"], Fixed("💾", "pivot_root"), &[Text(0), Text(1)]),
    row(&["sys_setuid"], Fixed("🔑", "setuid"), &[Integer(0)]),
    row(&["sys_clock_settime"], Fixed("⏰", "clock_settime"), &[]),
    row(&["proc_exec_connector"], Fixed("🔧", "proc_exec_connector"), &[]),
    row(&["sys_setns"], Fixed("🔧", "setns"), &[Namespace(1)]),
    row(&["tcp_connect"], Fixed("🔌", "connect"), &[Socket(0)]),
    row(&["tcp_close"], Fixed("🧹", "close"), &[Socket(0)]),
    row(&["tcp_sendmsg"], Fixed("📤", "sendmsg"), &[Socket(0), Sent(1)]),
    row(&["bpf_check"], Fixed("🐝", "bpf_load"), &[Program(0)]),
    row(&["security_perf_event_alloc"], Fixed("🐝", "perf_event_alloc"), &[PerfEvent(0)]),
    row(&["security_bpf_map_alloc", "security_bpf_map_create"], Fixed("🗺", "bpf_map_create"), &[Map(0)]),
    row(&["security_file_permission"], Access, &[File(0)]),
    row(&["security_mmap_file"], Protection, &[File(0)]),
    row(&["security_path_truncate"], WithArguments("📝", "truncate"), &[Path(0)]),
    row(&["security_file_truncate"], WithArguments("📝", "truncate"), &[File(0)]),
];

const fn row(functions: &'static [&'static str], head: Head, words: &'static [Word]) -> Row {
    Row { functions, head, words }
}

/// How one event is shown.
pub(super) struct Shown {
    pub(super) emoji: &'static str,
    pub(super) verb: Cow<'static, str>,
    pub(super) words: &'static [Word],
    /// The line ends with the function's name as received.
    pub(super) function: bool,
}

/// How an event of `function` with `args` is shown.
pub(super) fn shown(function: &str, args: &[KprobeArgument]) -> Shown {
    let name = ARCHITECTURES
        .iter()
        .find_map(|prefix| function.strip_prefix(prefix))
        .unwrap_or(function);
    let found = ROWS.iter().find_map(|row| {
        let function = row.functions.iter().find(|&&function| function == name)?;
        Some((*function, row))
    });
    let Some((name, Row { head, words, .. })) = found else {
        return Shown {
            emoji: UNKNOWN,
            verb: "syscall".into(),
            words: &[],
            function: true,
        };
    };
    let unclear = (UNKNOWN, Cow::Borrowed(name));
    let (emoji, verb) = match *head {
        Fixed(emoji, verb) => (emoji, verb.into()),
        WithArguments(emoji, verb) if !args.is_empty() => (emoji, verb.into()),
        WithArguments(..) => unclear,
        Access => match args.get(1) {
            Some(KprobeArgument {
                arg: Some(Arg::IntArg(2)),
                ..
            }) => ("📝", "write".into()),
            Some(KprobeArgument {
                arg: Some(Arg::IntArg(4)),
                ..
            }) => ("📚", "read".into()),
            _ => unclear,
        },
        Protection => match args.get(1) {
            Some(argument) => ("📝", format!("mmap-{}", protection(argument)).into()),
            None => unclear,
        },
    };
    Shown {
        emoji,
        verb,
        words,
        function: false,
    }
}

fn protection(argument: &KprobeArgument) -> String {
    let bits = match argument.arg {
        Some(Arg::UintArg(bits)) => bits,
        _ => 0,
    };
    [(1, 'r'), (2, 'w'), (4, 'x')]
        .into_iter()
        .filter(|(bit, _)| bits & bit != 0)
        .map(|(_, letter)| letter)
        .collect()
}

impl Word {
    /// Appends this word of an event with `args` to `line`.
    pub(super) fn write(self, args: &[KprobeArgument], line: &mut Line<'_>) {
        let given = |index: usize| args.get(index);
        let value = |index: usize| given(index).and_then(|argument| argument.arg.as_ref());
        let integer = |index| {
            if let Some(&Arg::IntArg(value)) = value(index) {
                value
            } else {
                0
            }
        };
        match self {
            File(index) => match value(index) {
                Some(Arg::FileArg(file)) => line.word(Colour::Cyan, &file.path),
                _ => line.plain(""),
            },
            Path(index) => match value(index) {
                Some(Arg::PathArg(path)) => line.word(Colour::Cyan, &path.path),
                _ => line.plain(""),
            },
            Text(index) => match value(index) {
                Some(Arg::StringArg(text)) => line.word(Colour::Cyan, text),
                _ => line.plain(""),
            },
            Size(index) => match (given(index), value(index)) {
                (_, Some(Arg::SizeArg(size))) => line.text(Colour::Cyan, format_args!("{size} bytes")),
                (Some(_), _) => line.text(Colour::Cyan, "0 bytes"),
                (None, _) => line.plain(""),
            },
            Integer(index) if given(index).is_some() => line.text(Colour::Cyan, integer(index)),
            Namespace(index) if given(index).is_some() => line.plain(namespace(integer(index))),
            Socket(index) => match value(index) {
                Some(Arg::SockArg(sock)) => {
                    let (source, destination) = (quote::name(&sock.saddr), quote::name(&sock.daddr));
                    let (from, to) = (sock.sport, sock.dport);
                    line.text(Colour::Cyan, format_args!("tcp {source}:{from} -> {destination}:{to}"));
                }
                _ => line.plain(""),
            },
            Sent(index) => line.plain(format_args!("bytes {}", integer(index))),
            Program(index) => match value(index) {
                Some(Arg::BpfAttrArg(program)) => {
                    let (kind, name) = (quote::name(&program.prog_type), quote::name(&program.prog_name));
                    let count = program.insn_cnt;
                    line.text(Colour::Cyan, format_args!("{kind} {name} instruction count {count}"));
                }
                _ => line.plain(""),
            },
            PerfEvent(index) => match value(index) {
                Some(Arg::PerfEventArg(event)) => {
                    let (kind, function) = (quote::name(&event.r#type), quote::name(&event.kprobe_func));
                    line.text(Colour::Cyan, format_args!("{kind} {function}"));
                }
                _ => line.plain(""),
            },
            Map(index) => match value(index) {
                Some(Arg::BpfMapArg(map)) => {
                    let (kind, name) = (quote::name(&map.map_type), quote::name(&map.map_name));
                    let (key, value, max) = (map.key_size, map.value_size, map.max_entries);
                    let shape = format_args!("{kind} {name} key size {key} value size {value} max entries {max}");
                    line.text(Colour::Cyan, shape);
                }
                _ => line.plain(""),
            },
            Integer(_) | Namespace(_) => line.plain(""),
        }
    }
}

/// Name of the kind of namespace that `flag` of setns(2) stands for (`include/uapi/linux/sched.h`).
fn namespace(flag: i32) -> &'static str {
    match flag {
        0 => "any",
        0x80 => "time",
        0x2_0000 => "mnt",
        0x200_0000 => "cgroup",
        0x400_0000 => "uts",
        0x800_0000 => "ipc",
        0x1000_0000 => "user",
        0x2000_0000 => "pid",
        0x4000_0000 => "net",
        _ => "",
    }
}
