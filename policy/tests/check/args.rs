//! Arguments, data and ways through structures.

use expect_test::expect;

use crate::common::{function_arg, kprobe, kprobe_arg, spec};

#[test]
fn arguments() {
    kprobe_arg("{index: 4, type: int}", expect![""]);
    kprobe_arg(
        "{index: 5, type: int}",
        expect!["spec.kprobes[0].args[0].index: parameter 5 of a function cannot be read (0 to 4)"],
    );
    kprobe_arg(
        "{index: 0}",
        expect![
            "spec.kprobes[0].args[0]: the type has to be said (only fields of tracepoints have types that are known)"
        ],
    );
    kprobe_arg(
        "{index: 0, type: syscall64}",
        expect!["spec.kprobes[0].args[0].type: type syscall64 is of tracepoints only"],
    );
    kprobe_arg(
        "{index: 0, type: data_loc}",
        expect!["spec.kprobes[0].args[0].type: type data_loc is of tracepoints only"],
    );
    kprobe_arg(
        "{index: 0, type: const_buf}",
        expect!["spec.kprobes[0].args[0].type: type const_buf is of tracepoints only"],
    );
    function_arg("{index: 0, resolve: mm.owner.comm}", expect![""]);
    function_arg(
        "{index: 0, type: string, resolve: a..b}",
        expect![
            "spec.kprobes[0].args[0].resolve: `a..b` is no way through a structure: a name is missing at a dot (such as `mm.owner.comm` or `a[2].b`)"
        ],
    );
    function_arg(
        "{index: 0, type: string, resolve: a.b.c.d.e.f.g.h.i.j.k}",
        expect!["spec.kprobes[0].args[0].resolve: 11 steps (at most 10)"],
    );
    kprobe_arg(
        "{index: 0, type: int, source: current_task}",
        expect!["spec.kprobes[0].args[0].source: an argument has no source (data has)"],
    );
    kprobe_arg(
        "{index: 0, type: char_buf}",
        expect![
            "spec.kprobes[0].args[0]: type char_buf needs sizeArgIndex (the parameter, counted from 1, that holds the size in bytes)"
        ],
    );
    kprobe_arg("{index: 0, type: char_buf, sizeArgIndex: 3}", expect![""]);
    kprobe_arg(
        "{index: 0, type: char_buf, sizeArgIndex: 6}",
        expect!["spec.kprobes[0].args[0].sizeArgIndex: parameter 6 (counted from 1) cannot be read (1 to 5)"],
    );
    kprobe_arg(
        "{index: 0, type: char_buf, sizeArgIndex: -1}",
        expect!["spec.kprobes[0].args[0].sizeArgIndex: `-1` is out of range (0 to 4294967295)"],
    );
    kprobe_arg("{index: 0, type: char_buf, returnCopy: true}", expect![""]);
    kprobe_arg(
        "{index: 0, type: char_iovec}",
        expect![
            "spec.kprobes[0].args[0]: type char_iovec needs sizeArgIndex (the parameter, counted from 1, that holds the number of pieces)"
        ],
    );
    kprobe_arg(
        "{index: 0, type: char_buf, sizeArgIndex: 3, maxData: true}",
        expect![""],
    );
    kprobe_arg(
        "{index: 0, type: char_buf, returnCopy: true, maxData: true}",
        expect!["spec.kprobes[0].args[0].maxData: maxData and returnCopy exclude each other"],
    );
    kprobe_arg(
        "{index: 0, type: int, maxData: true}",
        expect!["spec.kprobes[0].args[0].maxData: type int has no maxData (char_buf and iov_iter have)"],
    );
    kprobe_arg(
        "{index: 0, type: int, btfTypeModule: m}",
        expect!["spec.kprobes[0].args[0]: btfTypeModule needs btfType"],
    );
    kprobe(
        "call: sys_read\nargs: [{index: 0, type: char_buf, returnCopy: true}, {index: 1, type: char_buf, returnCopy: true}]",
        expect!["spec.kprobes[0].args[1].returnCopy: only one argument of a hook can be read at the return"],
    );
    let six = ["{index: 0, type: int}"; 6].join(", ");
    kprobe(
        &format!("call: sys_read\nargs: [{six}]"),
        expect!["spec.kprobes[0].args[5]: 6 arguments and data (at most 5)"],
    );
}

#[test]
fn ways() {
    function_arg(
        "{index: 0, type: int, resolve: a.b, btfType: s, btfTypeModule: m}",
        expect![""],
    );
    kprobe_arg(
        "{index: 0, type: int, resolve: a.b}",
        expect![
            "spec.kprobes[0].args[0].resolve: the parameters of system calls point to no structure that is known (btfType names one)"
        ],
    );
    kprobe_arg("{index: 0, type: int, resolve: a.b, btfType: s}", expect![""]);
    let tracepoint = |rest: &str, expected| {
        spec(
            &format!("tracepoints: [{{subsystem: a, event: b, args: [{{index: 0, type: int, resolve: a.b}}]{rest}}}]"),
            expected,
        );
    };
    tracepoint(
        "",
        expect![
            "spec.tracepoints[0].args[0].resolve: the fields of a tracepoint cannot be resolved (with `raw: true` its parameters can)"
        ],
    );
    tracepoint(", raw: true", expect![""]);
    let uprobe = |rest: &str, expected| {
        spec(
            &format!("uprobes: [{{path: /a, symbols: [b], args: [{{index: 0, type: int, resolve: a.b{rest}}}]}}]"),
            expected,
        );
    };
    uprobe(
        "",
        expect![
            "spec.uprobes[0].args[0].resolve: resolve needs to know the structure (btfType names it, in the file of btfPath)"
        ],
    );
    uprobe(
        ", btfType: s",
        expect![
            "spec.uprobes[0].args[0].resolve: the structures of a program are known from a file (btfPath names it)"
        ],
    );
    spec(
        "uprobes: [{path: /a, btfPath: /b, symbols: [b], args: [{index: 0, type: int, resolve: a.b, btfType: s}]}]",
        expect![""],
    );
}

#[test]
fn types_that_programs_do_not_have() {
    let uprobe = |rest: &str, expected| spec(&format!("uprobes: [{{path: /a, symbols: [b], {rest}}}]"), expected);
    uprobe("args: [{index: 0, type: sockaddr}, {index: 1, type: fd}]", expect![""]);
    uprobe(
        "args: [{index: 0, type: file}]",
        expect![
            "spec.uprobes[0].args[0].type: type file is of what the kernel has in its memory (no argument of a program is of it)"
        ],
    );
    uprobe(
        "args: [{index: 0, type: data_loc}]",
        expect!["spec.uprobes[0].args[0].type: type data_loc is of tracepoints only"],
    );
    uprobe(
        "return: true, returnArg: {index: 0, type: data_loc}",
        expect![
            "spec.uprobes[0].returnArg.type: type data_loc is of what the kernel has in its memory (no argument of a program is of it)"
        ],
    );
    uprobe(
        "data: [{index: 0, type: path, source: current_task, resolve: fs.pwd}]",
        expect![""],
    );
    uprobe(
        "data: [{index: 0, type: sock, source: pt_regs, resolve: rdi}]",
        expect![
            "spec.uprobes[0].data[0].type: type sock is of what the kernel has in its memory (no argument of a program is of it)"
        ],
    );
    spec(
        "usdts: [{path: /a, provider: p, name: n, args: [{index: 0, type: cred}]}]",
        expect![
            "spec.usdts[0].args[0].type: type cred is of what the kernel has in its memory (no argument of a program is of it)"
        ],
    );
}

#[test]
fn data() {
    kprobe(
        "call: sys_read\ndata: [{index: 0, type: uint32, source: current_task, resolve: cred.uid.val}]",
        expect![""],
    );
    kprobe(
        "call: sys_read\ndata: [{index: 0, type: uint32, source: pt_regs, resolve: rdi}]",
        expect![""],
    );
    kprobe(
        "call: sys_read\ndata: [{index: 0, type: uint32, resolve: cred.uid.val}]",
        expect!["spec.kprobes[0].data[0]: data needs a source (current_task or pt_regs)"],
    );
    kprobe(
        "call: sys_read\ndata: [{index: 0, type: uint32, source: current_task}]",
        expect!["spec.kprobes[0].data[0]: data of current_task needs `resolve` (such as `resolve: cred.uid.val`)"],
    );
    kprobe(
        "call: sys_read\ndata: [{index: 0, type: uint32, source: pt_regs}]",
        expect![
            "spec.kprobes[0].data[0]: data of pt_regs needs the name of a register in `resolve` (such as `resolve: rdi`)"
        ],
    );
    kprobe(
        "call: sys_read\ndata: [{index: 0, type: uint32, source: pt_reg, resolve: rdi}]",
        expect!["spec.kprobes[0].data[0].source: `pt_reg` is no source of data (did you mean `pt_regs`?)"],
    );
    kprobe(
        "call: sys_read\ndata: [{type: uint32, source: pt_regs, resolve: rdi}]",
        expect!["spec.kprobes[0].data[0].index: missing: an argument needs it (a number from 0)"],
    );
}
