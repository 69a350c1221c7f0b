//! What the cases observe: `tester NAME ARGS…` does one thing, and prints what it did as JSON, one object a line.
//!
//! Many take a command and become it in the end; that may be another tester: `tester user 1000 tester noop x`.

pub mod arguments;
pub mod attack;
pub mod calls;
pub mod container;
pub mod differential;
pub mod digest;
pub mod end;
mod events;
pub mod files;
pub mod functions;
pub mod limits;
pub mod mounts;
pub mod network;
pub mod pins;
pub mod privileges;
pub mod probes;
pub mod say;
pub mod siege;
pub mod sockets;
pub mod start;
pub mod swap;

use std::ffi::{CString, OsString};

use anyhow::{Context as _, Result, bail};

/// A tester: gets the arguments after its name.
type Tester = fn(&[CString]) -> Result<()>;

/// Name, what it takes and does, and the function.
const TESTERS: &[(&str, &str, Tester)] = &[
    ("noop", "ARGS…: nothing", |_| Ok(())),
    ("say", "TEXT: print {\"say\": TEXT}", say::text),
    ("exit", "CODE: end with it", end::exit),
    ("raise", "SIGNAL: end by it", end::raise),
    ("pause", "print the pid and wait to be killed", end::pause),
    (
        "exit-group",
        "THREADS CODE: many threads end at once while one ends the process",
        end::exit_group,
    ),
    (
        "leader-first",
        "CODE: the leader leaves, another thread ends the process with CODE",
        end::leader_first,
    ),
    (
        "last-thread",
        "the leader leaves with 3, the last thread with 4, nobody ends the process",
        end::last_thread,
    ),
    (
        "spawn",
        "COUNT PREFIX [BYTES]: processes one after the other",
        start::spawn,
    ),
    (
        "spawn-many",
        "COUNT AT_ONCE PREFIX: processes that overlap",
        start::spawn_many,
    ),
    ("linger", "ARGS…: end when standard input does", start::linger),
    (
        "crowd",
        "COUNT PREFIX: processes that are there all at once",
        start::crowd,
    ),
    (
        "spawn-until",
        "FILE PREFIX: processes until FILE exists",
        start::spawn_until,
    ),
    (
        "numbered",
        "PID COMMAND…: fork, exec in a child of this number, print how it ended",
        start::numbered,
    ),
    ("fork", "COMMAND…: fork, exec in the child, wait", start::fork),
    (
        "status",
        "COMMAND…: fork, exec in the child, print how it ended",
        start::status,
    ),
    (
        "fork-exit",
        "CODE: fork, no exec in the child, which ends with CODE",
        start::fork_exit,
    ),
    ("vfork", "COMMAND…: vfork, exec in the child, wait", start::vfork),
    (
        "double-fork",
        "COMMAND…: exec in a grandchild whose parent is gone",
        start::double_fork,
    ),
    (
        "subreaper",
        "COMMAND…: the same, adopted by this process",
        start::subreaper,
    ),
    (
        "adopted",
        "COUNT: orphans, each until process 1 has waited for it",
        start::adopted,
    ),
    (
        "thread-exec",
        "COMMAND…: exec from a thread that is not the leader",
        start::thread_exec,
    ),
    (
        "exec-twice",
        "COMMAND…: exec itself, then the command",
        start::exec_twice,
    ),
    (
        "reuse-pid",
        "LIMIT: processes until a pid was used twice",
        start::reuse_pid,
    ),
    (
        "reuse-calls",
        "COUNT LIMIT OFFSET…: processes that seek, until a pid was used twice",
        limits::reuse_calls,
    ),
    (
        "reuse-threads",
        "COUNT LIMIT OFFSET: threads that seek, until a number was used twice",
        limits::reuse_threads,
    ),
    (
        "clock-jumps",
        "OFFSET: seek, and again after the clock of the wall was set",
        limits::clock_jumps,
    ),
    (
        "args-invalid",
        "exec noop with bytes that are not UTF-8",
        arguments::invalid,
    ),
    (
        "args-long",
        "BYTES COUNT: exec noop with COUNT arguments of BYTES bytes",
        arguments::long,
    ),
    (
        "env-long",
        "BYTES COUNT: exec noop with COUNT variables of BYTES bytes",
        arguments::long_environment,
    ),
    (
        "large-stack",
        "COMMAND…: exec with no limit of the stack",
        arguments::large_stack,
    ),
    ("empty-argv", "exec noop without any argument", arguments::none),
    (
        "user-mount",
        "PATH COMMAND…: exec in a new user namespace that has mounted a file system with a file there",
        mounts::user_mount,
    ),
    (
        "unanswered",
        "PATH: a file system there, in a mount namespace of its own, with a file that is never read to its end",
        mounts::unanswered,
    ),
    ("deep", "DEPTH COMMAND…: exec in a directory so deep", files::deep),
    (
        "across-mounts",
        "COMMAND…: exec in a directory below two mounts",
        files::across_mounts,
    ),
    ("chroot", "exec noop in a directory of a changed root", files::chroot),
    (
        "hide",
        "PATH COMMAND…: exec where nothing is in that directory",
        files::hide,
    ),
    ("gone", "COMMAND…: exec in a directory that was removed", files::gone),
    ("memfd", "ARGS…: exec noop from memory", files::memfd),
    (
        "deleted",
        "ARGS…: exec noop from a file that was removed",
        files::deleted,
    ),
    ("self-fd", "ARGS…: exec noop through /proc/self/fd", files::self_fd),
    (
        "as",
        "PATH ARGS…: exec itself as the program at PATH, which stays as it is for all others",
        files::mounted_as,
    ),
    (
        "hard-link",
        "PATH COUNT: copy itself to PATH with so many names",
        files::hard_link,
    ),
    ("rename", "FROM TO", files::rename),
    (
        "bump-abi",
        "FROM TO: a kernel object of the next version",
        files::bump_abi,
    ),
    (
        "misplace",
        "STRUCTURE MEMBER OTHER TO: the kernel's type information, with a member where another one is",
        files::misplace,
    ),
    ("user", "ID COMMAND…: exec as that user and group", privileges::user),
    (
        "without",
        "CAPABILITIES COMMAND…: exec without these, separated by commas",
        privileges::without,
    ),
    (
        "locked-memory",
        "BYTES COMMAND…: exec with so much memory that may be locked",
        privileges::locked_memory,
    ),
    (
        "set-id",
        "MODE OWNER ARGS…: exec noop from a file of that octal mode and owner",
        privileges::set_id,
    ),
    (
        "file-caps",
        "ARGS…: exec noop from a file with cap_net_raw, as user 1000",
        privileges::file_capabilities,
    ),
    ("login", "ID COMMAND…: exec with that login id", privileges::login),
    (
        "pid-namespace",
        "COMMAND…: exec as process 1 of a new pid namespace, wait",
        container::pid_namespace,
    ),
    (
        "cgroup",
        "PATH COMMAND…: exec in that cgroup below /sys/fs/cgroup",
        container::cgroup,
    ),
    (
        "cgroup-v1",
        "COMMAND…: exec where /sys/fs/cgroup is of version 1",
        container::version_1,
    ),
    (
        "join-v1",
        "PATH COMMAND…: exec in that cgroup of every hierarchy",
        container::join_version_1,
    ),
    (
        "calls",
        "CALL…: system calls, such as 'openat -100 s:/etc/passwd 0'",
        calls::calls,
    ),
    ("each", "CALL…: the same, each in a thread of its own", calls::each),
    (
        "attack",
        "ACT ROUTE…: try to do what policies forbid, and tell what really came of it",
        attack::attack,
    ),
    (
        "differential",
        "EXPORT SEED [GROUP…]: policies and calls, compared with the reference evaluator",
        differential::differential,
    ),
    (
        "swap",
        "EXPORT FILE NAME ROUNDS: a policy that comes and goes while calls go on",
        swap::swap,
    ),
    (
        "many",
        "EXPORT ONE ALL: so many policies on one hook and in all",
        swap::many,
    ),
    (
        "probes",
        "PRICE TEXT: probes with these among their arguments",
        probes::probes,
    ),
    (
        "reprice",
        "PRICE: a probe with it in memory, and what it is then",
        probes::reprice,
    ),
    ("digest", "ALGORITHM FILE: print its digest", digest::digest),
    (
        "functions",
        "PRICE: functions to hook, in all the ways in which a call may end",
        functions::functions,
    ),
    (
        "hand-over",
        "PORT: sockets that other processes use",
        sockets::hand_over,
    ),
    (
        "serve",
        "PORT: answer HTTP requests until killed, print them",
        sockets::serve,
    ),
    (
        "names",
        "FILE LAST: be the name server that FILE (resolv.conf) names, until asked for LAST",
        sockets::names,
    ),
    (
        "network",
        "ADDRESSES COMMAND…: exec in a network of its own that has these besides 127.0.0.1",
        network::network,
    ),
    (
        "filtered",
        "COMMAND…: exec while a program of the cgroup looks at packets",
        network::filtered,
    ),
    (
        "siege",
        "FILE CALL…: calls such as '-13 openat -100 s:/secret 0', again and again until there is FILE.stop",
        siege::siege,
    ),
    (
        "until",
        "CALL…: each of such calls again and again until it comes to that",
        siege::until,
    ),
    (
        "attacked",
        "FILE ROUNDS: wait until the attacker has made so many more",
        siege::attacked,
    ),
    (
        "generations",
        "COUNT FILE DIRECTORY COMMAND…: agents that are killed while an attacker is at work",
        siege::generations,
    ),
    (
        "once",
        "EXPORT POLICY LAST: whether an event of POLICY is there twice",
        siege::once,
    ),
    ("pins", "PATH: what is there, and permissions", pins::pins),
    ("nest", "PATH DEPTH: folders within each other", pins::nest),
    ("unnest", "PATH: remove those", pins::unnest),
    ("pin", "DIRECTORY [AGENT]: pin something there", pins::pin),
    ("leave-v1", "PATH: remove that cgroup", container::leave_version_1),
];

/// Runs the tester that the command line names; returns its exit code.
pub fn main() -> i32 {
    match run() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("tester: {error:#}");
            101
        }
    }
}

fn run() -> Result<()> {
    use std::os::unix::ffi::OsStringExt as _;

    let arguments: Vec<CString> = std::env::args_os()
        .skip(1)
        .map(|argument: OsString| CString::new(argument.into_vec()).context("an argument"))
        .collect::<Result<_>>()?;
    // A script's interpreter and an exec without arguments bring no name; both have come as far as they are to come.
    let Some((name, rest)) = arguments.split_first() else {
        return Ok(());
    };
    let name = name.to_string_lossy();
    if let Some((_, _, tester)) = TESTERS.iter().find(|(known, _, _)| *known == name) {
        return tester(rest).with_context(|| name.into_owned());
    }
    for (name, usage, _) in TESTERS {
        eprintln!("  {name} {usage}");
    }
    bail!("{name} is no tester")
}
