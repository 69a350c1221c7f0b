//! Hooks: what they are on, what they return, which texts they carry.

use expect_test::expect;

use crate::common::{kprobe, spec};

#[test]
fn calls() {
    kprobe("call: sys_write", expect![""]);
    kprobe("call: __x64_sys_write", expect![""]);
    kprobe(
        "call: sys_wriet",
        expect![
            "spec.kprobes[0].call: `sys_wriet` is no system call (did you mean `sys_write`? a plain function needs `syscall: false`)"
        ],
    );
    kprobe(
        "call: fd_install",
        expect!["spec.kprobes[0].call: `fd_install` is no system call (a plain function needs `syscall: false`)"],
    );
    kprobe("call: fd_install\nsyscall: false", expect![""]);
    kprobe("call: \"\"", expect!["spec.kprobes[0].call: the name is empty"]);
    kprobe(
        "call: f g\nsyscall: false",
        expect!["spec.kprobes[0].call: `f g` is no name of a function"],
    );
    kprobe(
        "syscall: false",
        expect!["spec.kprobes[0].call: missing: a kprobe needs it (text)"],
    );
}

#[test]
fn returns() {
    kprobe(
        "call: sys_write\nreturn: true",
        expect!["spec.kprobes[0]: `return: true` needs a returnArg, which says the type of the returned value"],
    );
    kprobe(
        "call: sys_write\nreturn: true\nreturnArg: {index: 0, type: int}",
        expect![""],
    );
    kprobe("call: sys_write\nreturnArg: {index: 0, type: int}", expect![""]);
    kprobe(
        "call: sys_write\nreturn: true\nreturnArg: {index: 0}",
        expect!["spec.kprobes[0].returnArg: the type of the returned value has to be said (type: int)"],
    );
    kprobe(
        "call: sys_write\nreturn: true\nreturnArg: {index: 0, type: int, maxData: true, sizeArgIndex: 1}",
        expect![[r#"
        spec.kprobes[0].returnArg.maxData: a returned value has no maxData
        spec.kprobes[0].returnArg.sizeArgIndex: a returned value has no sizeArgIndex"#]],
    );
    kprobe(
        "call: f\nsyscall: false\nreturn: true\nreturnArg: {index: 0, type: sock}\nreturnArgAction: TrackSock",
        expect![""],
    );
    kprobe(
        "call: f\nsyscall: false\nreturn: true\nreturnArg: {index: 0, type: int}\nreturnArgAction: TrackSock",
        expect!["spec.kprobes[0].returnArgAction: TrackSock needs a returnArg of type sock or socket, not int"],
    );
    kprobe(
        "call: f\nsyscall: false\nreturnArgAction: TrackSock",
        expect![
            "spec.kprobes[0].returnArgAction: TrackSock needs `return: true` and a returnArg of type sock or socket"
        ],
    );
    kprobe(
        "call: f\nsyscall: false\nreturnArgAction: Post",
        expect![
            "spec.kprobes[0].returnArgAction: the returned value is posted without being told to (omit returnArgAction or use TrackSock or UntrackSock)"
        ],
    );
    kprobe(
        "call: f\nsyscall: false\nreturnArgAction: Bogus",
        expect![
            "spec.kprobes[0].returnArgAction: `Bogus` is nothing to do with a returned value (allowed: TrackSock, UntrackSock)"
        ],
    );
    spec(
        "uprobes: [{path: /bin/sh, symbols: [main], return: true}]",
        expect!["spec.uprobes[0]: `return: true` needs a returnArg, which says the type of the returned value"],
    );
    spec(
        "fentries: [{call: sys_dup, return: true}]",
        expect!["spec.fentries[0]: `return: true` needs a returnArg, which says the type of the returned value"],
    );
}

#[test]
fn texts() {
    kprobe("call: sys_write\nmessage: fine\ntags: [ab, cd]", expect![""]);
    kprobe(
        "call: sys_write\nmessage: x\ntags: [\"\", a]",
        expect![[r#"
        spec.kprobes[0].message: the message is too short (at least 2 characters)
        spec.kprobes[0].tags[0]: the tag is too short (at least 2 characters)
        spec.kprobes[0].tags[1]: the tag is too short (at least 2 characters)"#]],
    );
    kprobe(
        &format!(
            "call: sys_write\nmessage: {}\ntags: [{}]",
            "é".repeat(200),
            "b".repeat(129)
        ),
        expect![[r#"
        warning: spec.kprobes[0].message: the message has 400 bytes and is cut (at most 256)
        warning: spec.kprobes[0].tags[0]: the tag has 129 bytes and is cut (at most 128)"#]],
    );
    kprobe(
        &format!("call: sys_write\ntags: [{}]", vec!["ab"; 17].join(", ")),
        expect!["spec.kprobes[0].tags[16]: 17 tags (at most 16)"],
    );
}

#[test]
fn tracepoints() {
    spec(
        "tracepoints: [{subsystem: sched, event: sched_process_exec, args: [{index: 4}]}]",
        expect![""],
    );
    spec(
        "tracepoints: [{subsystem: \"\", event: a/b}]",
        expect![[r#"
        spec.tracepoints[0].subsystem: `` is no name of a tracepoint (as below /sys/kernel/tracing/events)
        spec.tracepoints[0].event: `a/b` is no name of a tracepoint (as below /sys/kernel/tracing/events)"#]],
    );
    spec(
        "tracepoints: [{event: a}]",
        expect!["spec.tracepoints[0].subsystem: missing: a tracepoint needs it (text)"],
    );
    spec(
        "tracepoints: [{subsystem: a, event: b, raw: true, args: [{index: 2, type: linux_binprm}]}]",
        expect![""],
    );
    spec(
        "tracepoints: [{subsystem: a, event: b, raw: true, args: [{index: 12, type: int}]}]",
        expect!["spec.tracepoints[0].args[0].index: parameter 12 of a raw tracepoint cannot be read (0 to 11)"],
    );
    spec(
        "tracepoints: [{subsystem: a, event: b, raw: true, args: [{index: 0}]}]",
        expect![
            "spec.tracepoints[0].args[0]: the type has to be said (only fields of tracepoints have types that are known)"
        ],
    );
    spec(
        "tracepoints: [{subsystem: a, event: b, args: [{index: 5, type: char_buf, returnCopy: true}]}]",
        expect![
            "spec.tracepoints[0].args[0].returnCopy: only functions return (returnCopy is for kprobes, fentries, uprobes)"
        ],
    );
    spec(
        "tracepoints: [{subsystem: a, event: b, args: [{index: 4, type: syscall64}], selectors: [{matchArgs: [{index: 0, operator: Equal, values: [sys_dup]}]}]}]",
        expect![""],
    );
    spec(
        "tracepoints: [{subsystem: a, event: b, args: [{index: 4, type: int}], selectors: [{matchArgs: [{index: 5, operator: Equal, values: [1]}]}]}]",
        expect!["spec.tracepoints[0].selectors[0].matchArgs[0].index: no entry of args has index 5 (declared: 4)"],
    );
    spec(
        "tracepoints: [{subsystem: a, event: b, selectors: [{matchReturnArgs: [{index: 0, operator: Equal, values: [1]}]}]}]",
        expect![
            "spec.tracepoints[0].selectors[0].matchReturnArgs[0]: matchReturnArgs cannot be had here: tracepoints do not return"
        ],
    );
}

#[test]
fn lsm_hooks() {
    spec(
        "lsmhooks: [{hook: file_open, args: [{index: 0, type: file}]}]",
        expect![""],
    );
    spec(
        "lsmhooks: [{hook: \"\"}]",
        expect!["spec.lsmhooks[0].hook: `` is no name of an LSM hook (such as file_open)"],
    );
    spec(
        "lsmhooks: [{hook: file open}]",
        expect!["spec.lsmhooks[0].hook: `file open` is no name of an LSM hook (such as file_open)"],
    );
    spec(
        "lsmhooks: [{}]",
        expect!["spec.lsmhooks[0].hook: missing: an LSM hook needs it (text)"],
    );
    spec(
        "lsmhooks: [{hook: file_open, args: [{index: 5, type: file}]}]",
        expect!["spec.lsmhooks[0].args[0].index: parameter 5 of a function cannot be read (0 to 4)"],
    );
    spec(
        "lsmhooks: [{hook: file_open, selectors: [{matchReturnArgs: [{index: 0, operator: Equal, values: [0]}]}]}]",
        expect![
            "spec.lsmhooks[0].selectors[0].matchReturnArgs[0]: matchReturnArgs cannot be had here: lsmhooks do not return"
        ],
    );
    spec(
        "lsmhooks: [{hook: file_open, selectors: [{matchReturnActions: [{action: Post}]}]}]",
        expect![
            "spec.lsmhooks[0].selectors[0].matchReturnActions[0]: matchReturnActions cannot be had here: lsmhooks do not return"
        ],
    );
}

#[test]
fn uprobes() {
    spec("uprobes: [{path: /bin/sh, symbols: [main, main+0x10]}]", expect![""]);
    spec(
        "uprobes: [{path: bin/sh, symbols: [main]}]",
        expect!["spec.uprobes[0].path: `bin/sh` is no absolute path"],
    );
    spec(
        "uprobes: [{path: \"\", symbols: [main]}]",
        expect!["spec.uprobes[0].path: the path is empty"],
    );
    spec(
        "uprobes: [{path: /bin/sh}]",
        expect!["spec.uprobes[0]: a uprobe needs a place (one of symbols, offsets and addrs)"],
    );
    spec(
        "uprobes: [{path: /bin/sh, symbols: [main], offsets: [1]}]",
        expect!["spec.uprobes[0].offsets[0]: offsets and symbols exclude each other"],
    );
    spec(
        "uprobes: [{path: /bin/sh, offsets: [1], addrs: [0x2]}]",
        expect!["spec.uprobes[0].addrs[0]: addrs and offsets exclude each other"],
    );
    spec(
        "uprobes: [{path: /bin/sh, symbols: [main+x, \"+1\"]}]",
        expect![[r#"
        spec.uprobes[0].symbols[0]: `x` is no offset (such as malloc+0x10)
        spec.uprobes[0].symbols[1]: the symbol is empty"#]],
    );
    spec(
        "uprobes: [{path: /bin/sh, offsets: [1, 2], refCtrOffsets: [1]}]",
        expect![
            "spec.uprobes[0].refCtrOffsets[0]: 1 refCtrOffsets for 2 places (one for each symbol, offset or address)"
        ],
    );
    spec(
        "uprobes: [{path: /bin/sh, offsets: [-1]}]",
        expect!["spec.uprobes[0].offsets[0]: `-1` is out of range (0 to 18446744073709551615)"],
    );
    spec(
        "uprobes: [{path: /bin/sh, symbols: [main], binaryDigests: [\"build-id: 0a0B\", md5:00, sha1:00, sha256, \"sha256:xyz\"]}]",
        expect![[r#"
        spec.uprobes[0].binaryDigests[1]: `md5` is no algorithm of digests (allowed: sha1, sha256, sha384, sha512, build-id)
        spec.uprobes[0].binaryDigests[2]: the digest has 1 bytes (sha1 has 20)
        spec.uprobes[0].binaryDigests[3]: `sha256` is no digest (algorithm:hex, such as sha256:…)
        spec.uprobes[0].binaryDigests[4]: the digest is not hexadecimal"#]],
    );
    spec(
        "usdts: [{path: /bin/sh, provider: \"\", name: n}, {path: /bin/sh, provider: p}]",
        expect![[r#"
        spec.usdts[0].provider: the name is empty
        spec.usdts[1].name: missing: a USDT probe needs it (text)"#]],
    );
    spec(
        "usdts: [{path: /bin/sh, provider: p, name: n, args: [{index: 12, type: int}]}]",
        expect!["spec.usdts[0].args[0].index: parameter 12 of a USDT probe cannot be read (0 to 11)"],
    );
}

#[test]
fn references_to_much() {
    let names: Vec<String> = (0..2000).map(|i| format!("f{i}")).collect();
    let hooks = vec!["{call: \"list:a\", syscall: false}"; 600].join(", ");
    spec(
        &format!(
            "lists: [{{name: a, values: [{}]}}]\nkprobes: [{hooks}]",
            names.join(", ")
        ),
        expect![""],
    );
}
