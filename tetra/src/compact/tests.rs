//! Lines of every type of event. Events are given as JSON, escape characters are shown as `␛`, ends of lines as `⏎`.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them so")]

mod hostile;
mod kprobes;

use expect_test::{Expect, expect};

use super::*;

const PLAIN: Options = Options {
    colour: false,
    timestamps: false,
    stack_traces: true,
    ima_hash: true,
};

fn lines(options: Options, event: &str) -> String {
    let event = tetragon_api::json::parse_event(event).unwrap();
    let mut out = String::new();
    match Compact::new(options).encode(&event, &mut out) {
        Ok(()) => out.replace('\x1b', "␛").replace('\n', "⏎\n"),
        Err(error) => {
            assert_eq!(out, "", "nothing is written on an error");
            format!("error: {error}\n")
        }
    }
}

/// The lines without colours and with them.
#[track_caller]
fn check(event: &str, expected: &Expect) {
    expected.assert_eq(&(lines(PLAIN, event) + &lines(Options { colour: true, ..PLAIN }, event)));
}

/// An event of a process `/usr/bin/curl` on `node-a`.
fn event(kind: &str, fields: &str) -> String {
    format!(r#"{{"{kind}":{{"process":{{"binary":"/usr/bin/curl"}},{fields}}},"node_name":"node-a"}}"#)
}

#[test]
fn exec() {
    check(
        r#"{"process_exec":{"process":{"binary":"/usr/bin/curl","arguments":"cilium.io"}},"node_name":"my-node"}"#,
        &expect![[r#"
            🚀 process my-node /usr/bin/curl cilium.io⏎
            ␛[34m🚀 process␛[0m ␛[32mmy-node␛[0m ␛[35m/usr/bin/curl␛[0m ␛[36mcilium.io␛[0m⏎
        "#]],
    );
    check(
        r#"{"process_exec":{"process":{"binary":"/bin/ls"}},"node_name":"host"}"#,
        &expect![[r#"
            🚀 process host /bin/ls ⏎
            ␛[34m🚀 process␛[0m ␛[32mhost␛[0m ␛[35m/bin/ls␛[0m ␛[36m␛[0m⏎
        "#]],
    );
    check(
        r#"{"process_exec":{"process":{"binary":"/bin/sh","arguments":"-c \"ls -la\"",
            "pod":{"namespace":"shop","name":"cart"}}},"node_name":"host"}"#,
        &expect![[r#"
            🚀 process shop/cart /bin/sh "-c \"ls -la\""⏎
            ␛[34m🚀 process␛[0m ␛[32mshop/cart␛[0m ␛[35m/bin/sh␛[0m ␛[36m"-c \"ls -la\""␛[0m⏎
        "#]],
    );
    check(
        r#"{"process_exec":{"process":{"binary":"/my tool","arguments":"naïve"}}}"#,
        &expect![[r#"
            🚀 process  "/my tool" naïve⏎
            ␛[34m🚀 process␛[0m ␛[32m␛[0m ␛[35m"/my tool"␛[0m ␛[36mnaïve␛[0m⏎
        "#]],
    );
    check(
        r#"{"process_exec":{"parent":{"binary":"/bin/sh"}}}"#,
        &expect![[r#"
        error: an event without a process has no compact form: keep the field `process`, or use -o json
        error: an event without a process has no compact form: keep the field `process`, or use -o json
    "#]],
    );
}

#[test]
fn exit() {
    check(
        &event("process_exit", r#""status":1"#),
        &expect![[r#"
        💥 exit    node-a /usr/bin/curl  1⏎
        ␛[34m💥 exit   ␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m ␛[36m␛[0m ␛[31m1␛[0m⏎
    "#]],
    );
    check(
        &event("process_exit", r#""signal":"SIGKILL","status":0"#),
        &expect![[r#"
        💥 exit    node-a /usr/bin/curl  SIGKILL⏎
        ␛[34m💥 exit   ␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m ␛[36m␛[0m ␛[31mSIGKILL␛[0m⏎
    "#]],
    );
    check(
        r#"{"process_exit":{"process":{"binary":"/bin/sleep","arguments":"1 2","pod":{"namespace":"a","name":"b"}}}}"#,
        &expect![[r#"
            💥 exit    a/b /bin/sleep "1 2" 0⏎
            ␛[34m💥 exit   ␛[0m ␛[32ma/b␛[0m ␛[35m/bin/sleep␛[0m ␛[36m"1 2"␛[0m ␛[31m0␛[0m⏎
        "#]],
    );
}

#[test]
fn privileged_processes_are_marked() {
    let exec = |arguments: &str, effective: &str| {
        format!(
            r#"{{"process_exec":{{"process":{{"binary":"/bin/id","arguments":"{arguments}",
                "cap":{{"effective":[{effective}]}}}}}},"node_name":"n"}}"#
        )
    };
    check(
        &exec("-u", r#""CAP_SYS_ADMIN""#),
        &expect![[r#"
        🚀 process n /bin/id -u                                                                                 🛑 CAP_SYS_ADMIN⏎
        ␛[34m🚀 process␛[0m ␛[32mn␛[0m ␛[35m/bin/id␛[0m ␛[36m-u␛[0m                                    ␛[35m🛑 CAP_SYS_ADMIN␛[0m⏎
    "#]],
    );
    check(
        &exec("-u", r#""CAP_CHOWN","CAP_BPF""#),
        &expect![[r#"
        🚀 process n /bin/id -u⏎
        ␛[34m🚀 process␛[0m ␛[32mn␛[0m ␛[35m/bin/id␛[0m ␛[36m-u␛[0m⏎
    "#]],
    );
    // A line that is too long for the column.
    check(
        &exec(&"x".repeat(110), r#""CAP_CHOWN","CAP_SYS_ADMIN""#),
        &expect![[r#"
        🚀 process n /bin/id xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 🛑 CAP_SYS_ADMIN⏎
        ␛[34m🚀 process␛[0m ␛[32mn␛[0m ␛[35m/bin/id␛[0m ␛[36mxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx␛[0m ␛[35m🛑 CAP_SYS_ADMIN␛[0m⏎
    "#]],
    );
}

#[test]
fn tracepoints() {
    check(
        &event("process_tracepoint", r#""subsys":"sched","event":"sched_switch""#),
        &expect![[r#"
            ⁉️ tracepoint node-a /usr/bin/curl sched sched_switch⏎
            ␛[34m⁉️ tracepoint␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m sched sched_switch⏎
        "#]],
    );
    let enter = |args: &str| {
        event(
            "process_tracepoint",
            &format!(r#""subsys":"raw_syscalls","event":"sys_enter","args":[{args}]"#),
        )
    };
    check(
        &enter(""),
        &expect![[r#"
        ☎  syscall node-a /usr/bin/curl unknown⏎
        ␛[34m☎  syscall␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m unknown⏎
    "#]],
    );
    check(
        &enter(r#"{"syscall_id":{"id":59,"abi":"x64"}},{"size_arg":"4096"},{"size_arg":"18446744073709551615"}"#),
        &expect![[r#"
            ☎  syscall node-a /usr/bin/curl execve(const char *filename=0x1000, const char *const *argv=0xffffffffffffffff, const char *const * envp=?)⏎
            ␛[34m☎  syscall␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m execve(const char *filename=0x1000, const char *const *argv=0xffffffffffffffff, const char *const * envp=?)⏎
        "#]],
    );
    check(
        &enter(r#"{"syscall_id":{"id":3,"abi":"x64"}},{"size_arg":"7"}"#),
        &expect![[r#"
            ☎  syscall node-a /usr/bin/curl close(unsigned int fd=7)⏎
            ␛[34m☎  syscall␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m close(unsigned int fd=7)⏎
        "#]],
    );
    check(
        &enter(r#"{"long_arg":"39"}"#),
        &expect![[r#"
        ☎  syscall node-a /usr/bin/curl getpid()⏎
        ␛[34m☎  syscall␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m getpid()⏎
    "#]],
    );
    check(
        &enter(r#"{"syscall_id":{"id":4,"abi":"i386"}},{"size_arg":"7"}"#),
        &expect![[r#"
            ☎  syscall node-a /usr/bin/curl i386/write⏎
            ␛[34m☎  syscall␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m i386/write⏎
        "#]],
    );
    check(
        &enter(r#"{"syscall_id":{"id":9999,"abi":"x64"}}"#),
        &expect![[r#"
        ☎  syscall node-a /usr/bin/curl unknown⏎
        ␛[34m☎  syscall␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m unknown⏎
    "#]],
    );
    check(
        &enter(r#"{"syscall_id":{"id":4,"abi":"\u001b[2J"}}"#),
        &expect![[r#"
        ☎  syscall node-a /usr/bin/curl unknown⏎
        ␛[34m☎  syscall␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m unknown⏎
    "#]],
    );
}

#[test]
fn probes_of_programs() {
    check(
        &event("process_uprobe", r#""path":"/usr/bin/bash","symbol":"readline""#),
        &expect![[r#"
            🕵️ uprobe  node-a /usr/bin/curl /usr/bin/bash readline⏎
            ␛[34m🕵️ uprobe ␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m ␛[36m/usr/bin/bash␛[0m ␛[36mreadline␛[0m⏎
        "#]],
    );
    check(
        &event(
            "process_usdt",
            r#""path":"/opt/app","provider":"shop","name":"check out""#,
        ),
        &expect![[r#"
            🕵️ usdt    node-a /usr/bin/curl /opt/app shop "check out"⏎
            ␛[34m🕵️ usdt   ␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m ␛[36m/opt/app␛[0m ␛[36mshop␛[0m ␛[36m"check out"␛[0m⏎
        "#]],
    );
}

#[test]
fn lsm() {
    check(
        &event(
            "process_lsm",
            r#""function_name":"file_open","args":[{"file_arg":{"path":"/etc/hosts"}}]"#,
        ),
        &expect![[r#"
            🔒 LSM     node-a /usr/bin/curl file_open⏎
            ␛[34m🔒 LSM    ␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m file_open⏎
        "#]],
    );
    check(
        &event(
            "process_lsm",
            r#""function_name":"file_open","args":[{"file_arg":{"path":"/a b"}}],"ima_hash":"sha256:00ff""#,
        ),
        &expect![[r#"
            🔒 LSM     node-a /usr/bin/curl file_open⏎
               "/a b" sha256:00ff⏎
            ␛[34m🔒 LSM    ␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m file_open⏎
               ␛[32m"/a b"␛[0m ␛[34msha256:00ff␛[0m⏎
        "#]],
    );
    check(
        &event(
            "process_lsm",
            r#""function_name":"bprm_check_security","args":[{"linux_binprm_arg":{"path":"/bin/ls"}}],"ima_hash":"md5:1""#,
        ),
        &expect![[r#"
            🔒 LSM     node-a /usr/bin/curl bprm_check_security⏎
               /bin/ls md5:1⏎
            ␛[34m🔒 LSM    ␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m bprm_check_security⏎
               ␛[32m/bin/ls␛[0m ␛[34mmd5:1␛[0m⏎
        "#]],
    );
    // Of a hook that measures no file.
    check(
        &event(
            "process_lsm",
            r#""function_name":"bpf","args":[{"int_arg":1}],"ima_hash":"md5:1""#,
        ),
        &expect![[r#"
            🔒 LSM     node-a /usr/bin/curl bpf⏎
            ␛[34m🔒 LSM    ␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m bpf⏎
        "#]],
    );
}

#[test]
fn loader() {
    check(
        &event(
            "process_loader",
            r#""path":"/usr/lib/libdemo.so.1","buildid":"3q2+7w==""#,
        ),
        &expect![[r#"
            🧬 loader  node-a /usr/bin/curl deadbeef /usr/lib/libdemo.so.1⏎
            ␛[34m🧬 loader ␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m deadbeef ␛[33m/usr/lib/libdemo.so.1␛[0m⏎
        "#]],
    );
    check(
        &event("process_loader", r#""path":"/usr/lib/libdemo.so.1""#),
        &expect![[r#"
            🧬 loader  node-a /usr/bin/curl /usr/lib/libdemo.so.1⏎
            ␛[34m🧬 loader ␛[0m ␛[32mnode-a␛[0m ␛[35m/usr/bin/curl␛[0m ␛[33m/usr/lib/libdemo.so.1␛[0m⏎
        "#]],
    );
}

#[test]
fn events_without_a_process() {
    let throttle =
        |kind: &str| format!(r#"{{"process_throttle":{{"type":"{kind}","cgroup":"demo.scope"}},"node_name":"n"}}"#);
    check(
        &throttle("THROTTLE_START"),
        &expect![[r#"
        🧬 throttle START demo.scope⏎
        ␛[31m🧬 throttle␛[0m ␛[31mSTART␛[0m ␛[36mdemo.scope␛[0m⏎
    "#]],
    );
    check(
        &throttle("THROTTLE_STOP"),
        &expect![[r#"
        🧬 throttle STOP  demo.scope⏎
        ␛[31m🧬 throttle␛[0m ␛[32mSTOP ␛[0m ␛[36mdemo.scope␛[0m⏎
    "#]],
    );
    check(
        &throttle("THROTTLE_UNKNOWN"),
        &expect![[r#"
        🧬 throttle UNKNOWN demo.scope⏎
        ␛[31m🧬 throttle␛[0m UNKNOWN ␛[36mdemo.scope␛[0m⏎
    "#]],
    );
    check(
        r#"{"test":{"arg0":"1"},"node_name":"n"}"#,
        &expect![[r#"
        TEST EVENT⏎
        TEST EVENT⏎
    "#]],
    );
    check(
        r#"{"rate_limit_info":{"number_of_dropped_process_events":"318"}}"#,
        &expect![[r#"
            error: 318 events were dropped by the agent's export rate limit
            error: 318 events were dropped by the agent's export rate limit
        "#]],
    );
    check(
        r#"{"node_name":"n"}"#,
        &expect![[r#"
        error: an event of a type that this version does not know: use a newer tetra
        error: an event of a type that this version does not know: use a newer tetra
    "#]],
    );
    for kind in [
        "exec",
        "exit",
        "kprobe",
        "tracepoint",
        "uprobe",
        "usdt",
        "lsm",
        "loader",
    ] {
        let event = format!(r#"{{"process_{kind}":{{}},"node_name":"n"}}"#);
        assert!(
            lines(PLAIN, &event).starts_with("error: an event without a process"),
            "{kind}"
        );
    }
}

#[test]
fn options() {
    let event = r#"{"process_lsm":{"process":{"binary":"/bin/a"},"function_name":"file_open",
        "args":[{"file_arg":{"path":"/b"}}],"ima_hash":"md5:1"},"time":"2031-02-03T04:05:06.5Z"}"#;
    let stack = r#"{"process_kprobe":{"process":{"binary":"/bin/a"},"function_name":"f",
        "kernel_stack_trace":[{"symbol":"f"}]},"time":"2031-02-03T04:05:06Z"}"#;
    let options = Options {
        timestamps: true,
        stack_traces: false,
        ima_hash: false,
        ..PLAIN
    };
    expect![[r#"
        2031-02-03T04:05:06.500000000Z 🔒 LSM      /bin/a file_open⏎
        2031-02-03T04:05:06.000000000Z ❓ syscall  /bin/a f⏎
    "#]]
    .assert_eq(&(lines(options, event) + &lines(options, stack)));
    expect![[r#"
        2031-02-03T04:05:06.500000000Z 🔒 LSM      /bin/a file_open⏎
           /b md5:1⏎
        ❓ syscall  /bin/a f⏎
        Kernel:⏎
           0x0: f+0x0⏎
    "#]]
    .assert_eq(
        &(lines(
            Options {
                timestamps: true,
                ..PLAIN
            },
            event,
        ) + &lines(PLAIN, stack)),
    );
}
