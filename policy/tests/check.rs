//! The rules of policies, case by case: what is reported, and where.

#![allow(clippy::needless_raw_string_hashes, reason = "written by expect-test")]
#![allow(clippy::needless_pass_by_value, reason = "the form of expect-test")]

mod common;

use common::{document, function_arg, kprobe, kprobe_arg, policy, selector, spec};
use expect_test::expect;
use policy::kernel::NoKernel;
use policy::limits::Limits;
use policy::resolve::load;
use policy::yaml::Budget;

#[test]
fn names() {
    let named = |name: &str, expected| {
        policy(
            &format!(
                "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {{name: {name}}}\nspec: {{loader: true}}"
            ),
            expected,
        );
    };
    named("fine", expect![""]);
    named("fine-1.name.2", expect![""]);
    named(
        "Upper",
        expect![
            "metadata.name: `Upper` is no name of an object (lower-case letters, digits, `-` and `.`, with a letter or digit at both ends of each part between dots)"
        ],
    );
    named(
        "under_score",
        expect![
            "metadata.name: `under_score` is no name of an object (lower-case letters, digits, `-` and `.`, with a letter or digit at both ends of each part between dots)"
        ],
    );
    named(
        "-dash",
        expect![
            "metadata.name: `-dash` is no name of an object (lower-case letters, digits, `-` and `.`, with a letter or digit at both ends of each part between dots)"
        ],
    );
    named(
        "dash-",
        expect![
            "metadata.name: `dash-` is no name of an object (lower-case letters, digits, `-` and `.`, with a letter or digit at both ends of each part between dots)"
        ],
    );
    named(
        "two..dots",
        expect![
            "metadata.name: `two..dots` is no name of an object (lower-case letters, digits, `-` and `.`, with a letter or digit at both ends of each part between dots)"
        ],
    );
    named("\"\"", expect!["metadata.name: the name is empty"]);
    named(&"a".repeat(253), expect![""]);
    named(
        &"a".repeat(254),
        expect!["metadata.name: a name of 254 characters (at most 253)"],
    );
    named(
        "12",
        expect![[r#"metadata.name: expected text, found `12` (write "12")"#]],
    );
}

#[test]
fn namespaces() {
    let document = |kind: &str, namespace: &str, spec: &str, expected| {
        let text =
            format!("apiVersion: cilium.io/v1alpha1\nkind: {kind}\nmetadata: {{name: p{namespace}}}\nspec: {spec}");
        policy(&text, expected);
    };
    document(
        "TracingPolicyNamespaced",
        "",
        "{loader: true}",
        expect!["metadata.namespace: missing: a TracingPolicyNamespaced is for the pods of one namespace"],
    );
    document(
        "TracingPolicyNamespaced",
        ", namespace: web",
        "{loader: true}",
        expect![""],
    );
    document(
        "TracingPolicyNamespaced",
        ", namespace: we.b",
        "{loader: true}",
        expect!["metadata.namespace: no name of a namespace (at most 63 lower-case letters, digits and `-`)"],
    );
    document(
        "TracingPolicyNamespaced",
        ", namespace: Web",
        "{loader: true}",
        expect![
            "metadata.namespace: `Web` is no name of an object (lower-case letters, digits, `-` and `.`, with a letter or digit at both ends of each part between dots)"
        ],
    );
    document(
        "TracingPolicy",
        ", namespace: web",
        "{loader: true}",
        expect![
            "metadata.namespace: a TracingPolicy is for the whole machine: it has no namespace (write kind: TracingPolicyNamespaced)"
        ],
    );
    document(
        "TracingPolicyNamespaced",
        ", namespace: web",
        "{loader: true, hostSelector: {}}",
        expect!["spec.hostSelector: a namespaced policy is for pods: it cannot have a hostSelector"],
    );
    document(
        "TracingPolicyNamespaced",
        ", namespace: web",
        "{uprobes: [{path: /bin/sh, symbols: [main]}], usdts: [{path: /bin/sh, provider: p, name: n}]}",
        expect![[r#"
            spec.uprobes[0]: a namespaced policy cannot have uprobes and usdts (their file would be that of the host, not of the pod)
            spec.usdts[0]: a namespaced policy cannot have uprobes and usdts (their file would be that of the host, not of the pod)"#]],
    );
}

#[test]
fn two_policies_of_one_name() {
    let one = "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: p}\nspec: {loader: true}\n";
    policy(
        &format!("{one}---\n{one}"),
        expect!["metadata.name: the file has another policy of the name `p`"],
    );
}

#[test]
fn workloads() {
    spec("podSelector: {matchLabels: {app: web}}", expect![""]);
    spec(
        "hostSelector: {matchLabels: {a: b}}",
        expect!["spec.hostSelector: the host has no labels (leave hostSelector out, or write {})"],
    );
    spec(
        "hostSelector: {matchExpressions: [{key: a, operator: Exists}]}",
        expect!["spec.hostSelector: the host has no labels (leave hostSelector out, or write {})"],
    );
    spec("hostSelector:", expect![""]);
    spec(
        "containerSelector: {matchLabels: {name: a, image: b}}",
        expect![
            "spec.containerSelector.matchLabels.image: `image` is nothing that containers are known by (name or repo)"
        ],
    );
    spec(
        "podSelector: {matchExpressions: [{key: a, operator: In}, {key: a, operator: Exists, values: [b]}]}",
        expect![[r#"
        spec.podSelector.matchExpressions[0]: In needs values
        spec.podSelector.matchExpressions[1].values[0]: Exists takes no values"#]],
    );
    spec(
        "podSelector: {matchExpressions: [{key: a, operator: Is}]}",
        expect![
            "spec.podSelector.matchExpressions[0].operator: `Is` is not an operator on labels (did you mean `In`?)"
        ],
    );
    spec(
        "nodeSelector: {matchExpressions: [{operator: In, values: [1]}]}",
        expect![[r#"
        spec.nodeSelector.matchExpressions[0].key: missing: a label expression needs it (text)
        spec.nodeSelector.matchExpressions[0].values[0]: expected text, found `1` (write "1")"#]],
    );
}

#[test]
fn lists() {
    spec(
        "lists: [{name: a, type: syscalls, values: [sys_dup, i386/sys_dup, __x64_sys_dup2]}]",
        expect![""],
    );
    spec(
        "lists: [{name: a, type: syscalls, values: [sys_dpu]}]",
        expect!["spec.lists[0].values[0]: `sys_dpu` is no system call (did you mean `sys_dup`?)"],
    );
    spec(
        "lists: [{name: a, type: syscalls, values: []}]",
        expect!["spec.lists[0]: the list is empty (it needs values)"],
    );
    spec(
        "lists: [{name: a, values: [f]}, {name: a, values: [g]}]",
        expect!["spec.lists[1].name: another list has the name `a`"],
    );
    spec(
        "lists: [{name: a, type: generated_syscalls, values: [sys_dup]}]",
        expect!["spec.lists[0].values[0]: a generated list has no values of its own"],
    );
    spec(
        "lists: [{name: a, type: generated_ftrace}]",
        expect!["spec.lists[0]: a list of type generated_ftrace needs a pattern"],
    );
    spec(
        "lists: [{name: a, type: generated_ftrace, pattern: \"^ksys_(\"}]",
        expect!["spec.lists[0].pattern: no regular expression: unclosed group"],
    );
    spec(
        "lists: [{name: a, type: generated_ftrace, pattern: ^ksys_, values: [f]}]",
        expect!["spec.lists[0].values[0]: a generated list has no values of its own"],
    );
    spec(
        "lists: [{name: a, values: [f], pattern: x}]",
        expect!["spec.lists[0].pattern: only lists of type generated_ftrace have a pattern"],
    );
    spec(
        "lists: [{name: a, type: syscall, values: [sys_dup]}]",
        expect!["spec.lists[0].type: `syscall` is not a type of list (did you mean `syscalls`?)"],
    );
    spec(
        "lists: [{name: calls, values: [f]}]\nkprobes: [{call: \"list:call\", syscall: false}]",
        expect!["spec.kprobes[0].call: no list has the name `call` (did you mean `calls`?)"],
    );
    spec(
        "kprobes: [{call: \"list:call\"}]",
        expect!["spec.kprobes[0].call: no list has the name `call` (spec.lists has none)"],
    );
    spec(
        "lists: [{name: calls, values: [\"f g\", 1x]}]\nkprobes: [{call: \"list:calls\", syscall: false}]",
        expect![[r#"
        spec.lists[0].values[0]: `f g` is no name of a function
        spec.lists[0].values[1]: `1x` is no name of a function"#]],
    );
}

#[test]
fn options() {
    spec(
        "options: [{name: policy-mode, value: monitor}, {name: disable-kprobe-multi, value: 1}]",
        expect![""],
    );
    spec(
        "options: [{name: policy-mode, value: watch}, {name: disable-kprobe-multi, value: 2}]",
        expect![[r#"
        spec.options[0].value: `watch` is no value of option policy-mode (enforce or monitor)
        spec.options[1].value: `2` is no value of option disable-kprobe-multi (true or false)"#]],
    );
    spec(
        "options: [{name: override-method, value: fmod}, {name: sleepable-preload-size, value: -1}]",
        expect![[r#"
        spec.options[0].value: `fmod` is no value of option override-method (fmod-ret or override-return)
        spec.options[1].value: `-1` is no value of option sleepable-preload-size (a number of bytes)"#]],
    );
    spec(
        "options: [{name: policy-mod, value: x}]",
        expect![
            "warning: spec.options[0].name: option `policy-mod` is unknown and without effect (did you mean `policy-mode`?)"
        ],
    );
    spec(
        "options: [{name: policy-mode, value: monitor}, {name: policy-mode, value: enforce}]",
        expect!["spec.options[1].name: option `policy-mode` stands twice"],
    );
}

#[test]
fn enforcers() {
    spec(
        "enforcers: [{calls: [sys_dup, security_file_open]}]",
        expect!["warning: spec.enforcers[0]: the enforcer stops nothing: no action is NotifyEnforcer"],
    );
    spec(
        "enforcers: [{calls: [sys_dup]}, {calls: [sys_dup2]}]",
        expect!["spec.enforcers[1]: 2 enforcers (at most 1)"],
    );
    spec(
        "enforcers: [{calls: []}]",
        expect!["spec.enforcers[0]: the enforcer has no calls"],
    );
    spec(
        "enforcers: [{}]",
        expect!["spec.enforcers[0].calls: missing: an enforcer needs it (a list)"],
    );
    spec(
        "enforcers: [{calls: [fd_install]}]",
        expect!["spec.enforcers[0].calls[0]: `fd_install` is no system call (no system call of x64 has this name)"],
    );
    spec(
        "enforcers: [{calls: [\"list:a\"]}]\nlists: [{name: a, values: [close_fd]}]",
        expect!["spec.enforcers[0].calls[0]: `close_fd` is no system call (no system call of x64 has this name)"],
    );
    spec(
        "enforcers: [{calls: [\"list:a\"]}]\nlists: [{name: a, type: generated_ftrace, pattern: x}]",
        expect![
            "spec.enforcers[0].calls[0]: an enforcer stops system calls and security_ functions only (a list of type generated_ftrace may hold others)"
        ],
    );
}

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

#[test]
fn what_does_nothing() {
    let head = "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: p}\n";
    policy(
        &format!("{head}spec: {{}}"),
        expect!["warning: spec: the policy observes nothing: it has no hooks"],
    );
    spec(
        "kprobes: [{call: sys_read}]\nenforcers: [{calls: [sys_read]}]",
        expect!["warning: spec.enforcers[0]: the enforcer stops nothing: no action is NotifyEnforcer"],
    );
    kprobe(
        "call: sys_read\nselectors: [{}, {matchPIDs: [{operator: In, values: [1]}]}]",
        expect!["warning: spec.kprobes[0].selectors[1]: never reached: selectors[0] before it always passes"],
    );
    kprobe(
        "call: sys_read\nselectors: [{matchActions: [{action: NoPost}]}, {}]",
        expect!["warning: spec.kprobes[0].selectors[1]: never reached: selectors[0] before it always passes"],
    );
    kprobe(
        "call: sys_read\nselectors: [{matchPIDs: [{operator: In, values: [1]}]}, {}]",
        expect![""],
    );
    kprobe(
        "call: sys_read\nreturn: true\nreturnArg: {index: 0, type: int}\n\
         selectors: [{}, {matchReturnArgs: [{index: 0, operator: LT, values: [0]}]}]",
        expect![""],
    );
    kprobe(
        "call: sys_read\nargs: [{index: 1, type: char_buf, returnCopy: true}]\n\
         selectors: [{matchArgs: [{index: 1, operator: Prefix, values: [a]}]}]",
        expect![
            "spec.kprobes[0].selectors[0].matchArgs[0].index: the argument is read when the function returns, and the filter is decided before"
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
fn references() {
    selector(
        "matchArgs: [{index: 3, operator: Equal, values: [1]}]",
        expect!["spec.kprobes[0].selectors[0].matchArgs[0].index: no entry of args has index 3 (declared: 0, 1)"],
    );
    selector(
        "matchArgs: [{args: [5], operator: Equal, values: [1]}]",
        expect!["spec.kprobes[0].selectors[0].matchArgs[0].args[0]: args has no entry 5 (0 to 1)"],
    );
    selector(
        "matchArgs: [{args: [0, 1], operator: Equal, values: [1]}]",
        expect!["spec.kprobes[0].selectors[0].matchArgs[0].args[1]: Equal compares one argument"],
    );
    selector("matchArgs: [{operator: Equal, values: [1]}]", expect![""]);
    selector(
        "matchArgs: [{index: 0, values: [1]}]",
        expect!["spec.kprobes[0].selectors[0].matchArgs[0].operator: missing: a filter needs it (an operator)"],
    );
    selector(
        "matchArgs: [{index: 0, operator: Equal}]",
        expect!["spec.kprobes[0].selectors[0].matchArgs[0]: Equal needs values"],
    );
    selector(
        "matchData: [{index: 0, operator: Equal, values: [1]}]",
        expect!["spec.kprobes[0].selectors[0].matchData[0].index: data has no entry 0 (data has no entries)"],
    );
    selector(
        "matchReturnArgs: [{index: 0, operator: GT, values: [1]}]",
        expect![
            "spec.kprobes[0].selectors[0].matchReturnArgs[0]: matchReturnArgs needs `return: true` and a returnArg"
        ],
    );
    selector(
        "matchReturnActions: [{action: Post}]",
        expect![
            "spec.kprobes[0].selectors[0].matchReturnActions[0]: matchReturnActions needs `return: true` and a returnArg"
        ],
    );
    selector(
        "matchArgs: [{index: 0, operator: CelExpr, values: [\"arg0 == 1\"]}]",
        expect![
            "spec.kprobes[0].selectors[0].matchArgs[0].operator: CelExpr is not supported (use several filters or selectors)"
        ],
    );
    kprobe(
        "call: sys_read\nargs: [{index: 0, type: strng}]\nselectors: [{matchArgs: [{index: 7, operator: Prefix, values: [a]}, {index: 0, operator: Mask, values: [a]}]}]",
        expect!["spec.kprobes[0].args[0].type: `strng` is not a type of argument (did you mean `string`?)"],
    );
}

#[test]
fn capabilities_gained() {
    let gained = |filter: &str, expected| {
        kprobe(
            &format!(
                "call: f\nsyscall: false\nargs: [{{index: 0, type: kernel_cap_t}}, {{index: 1, type: kernel_cap_t}}, {{index: 2, type: int}}]\nselectors: [{{matchArgs: [{filter}]}}]"
            ),
            expected,
        );
    };
    gained("{args: [0, 1], operator: CapabilitiesGained}", expect![""]);
    gained(
        "{args: [0], operator: CapabilitiesGained}",
        expect![
            "spec.kprobes[0].selectors[0].matchArgs[0]: CapabilitiesGained compares two arguments (such as `args: [0, 1]`, old and new)"
        ],
    );
    gained(
        "{index: 0, operator: CapabilitiesGained}",
        expect![
            "spec.kprobes[0].selectors[0].matchArgs[0]: CapabilitiesGained compares two arguments (such as `args: [0, 1]`, old and new)"
        ],
    );
    gained(
        "{args: [0, 1, 2], operator: CapabilitiesGained}",
        expect![
            "spec.kprobes[0].selectors[0].matchArgs[0]: CapabilitiesGained compares two arguments (such as `args: [0, 1]`, old and new)"
        ],
    );
    gained(
        "{args: [0, 2], operator: CapabilitiesGained}",
        expect![
            "spec.kprobes[0].selectors[0].matchArgs[0].args[1]: CapabilitiesGained cannot compare values of type int (allowed: kernel_cap_t, cap_inheritable, cap_permitted, cap_effective)"
        ],
    );
    gained(
        "{args: [2, 0], operator: CapabilitiesGained}",
        expect![
            "spec.kprobes[0].selectors[0].matchArgs[0].operator: CapabilitiesGained cannot compare values of type int (allowed: Equal, NotEqual, GT, LT, Mask, InRange, NotInRange, InMap, NotInMap)"
        ],
    );
    gained(
        "{args: [0, 1], operator: CapabilitiesGained, values: [1]}",
        expect!["spec.kprobes[0].selectors[0].matchArgs[0].values[0]: CapabilitiesGained takes no values"],
    );
    gained(
        "{args: [0, 9], operator: CapabilitiesGained}",
        expect!["spec.kprobes[0].selectors[0].matchArgs[0].args[1]: args has no entry 9 (0 to 2)"],
    );
}

#[test]
fn process_filters() {
    selector("matchBinaries: [{operator: In, values: [/bin/sh]}]", expect![""]);
    selector(
        "matchBinaries: [{operator: In, values: [bin/sh, \"\"]}]",
        expect![[r#"
        spec.kprobes[0].selectors[0].matchBinaries[0].values[0]: `bin/sh` never fits: paths of executables begin with `/`
        spec.kprobes[0].selectors[0].matchBinaries[0].values[1]: the path is empty: no executable has it"#]],
    );
    selector("matchBinaries: [{operator: Postfix, values: [sh]}]", expect![""]);
    selector(
        "matchBinaries: [{operator: Prefix, values: [/bin], followChildren: true}]",
        expect![
            "spec.kprobes[0].selectors[0].matchBinaries[0].followChildren: Prefix cannot follow children (In and NotIn can)"
        ],
    );
    selector(
        "matchBinaries: [{operator: Equal, values: [/bin]}]",
        expect![
            "spec.kprobes[0].selectors[0].matchBinaries[0].operator: `Equal` is not an operator on paths (allowed: In, NotIn, Prefix, NotPrefix, Postfix, NotPostfix)"
        ],
    );
    selector(
        "matchBinaries: [{operator: In, values: []}]",
        expect!["spec.kprobes[0].selectors[0].matchBinaries[0]: the filter has no values"],
    );
    selector(
        "matchBinaries: [{operator: In}]",
        expect![
            "spec.kprobes[0].selectors[0].matchBinaries[0].values: missing: a filter on executables needs it (a list)"
        ],
    );
    selector(
        &format!("matchBinaries: [{{operator: In, values: [/{}]}}]", "a".repeat(255)),
        expect!["spec.kprobes[0].selectors[0].matchBinaries[0].values[0]: a path of 256 bytes (at most 255 for In)"],
    );
    selector(
        &format!("matchBinaries: [{{operator: Postfix, values: [{}]}}]", "a".repeat(128)),
        expect![
            "spec.kprobes[0].selectors[0].matchBinaries[0].values[0]: a path of 128 bytes (at most 127 for Postfix)"
        ],
    );
    selector(
        "matchBinaries: [{operator: In, values: [/a]}, {operator: In, values: [/b]}]",
        expect!["spec.kprobes[0].selectors[0].matchBinaries[1]: 2 entries of matchBinaries (at most 1)"],
    );
    selector(
        "matchParentBinaries: [{operator: In, values: [/a]}, {operator: In, values: [/b]}]",
        expect!["spec.kprobes[0].selectors[0].matchParentBinaries[1]: 2 entries of matchParentBinaries (at most 1)"],
    );
    selector(
        "matchPIDs: [{operator: In, values: [1], followForks: true}, {operator: NotIn, values: [2]}]",
        expect![""],
    );
    selector(
        "matchPIDs: [{operator: Equal, values: [-1]}]",
        expect![[r#"
            spec.kprobes[0].selectors[0].matchPIDs[0].operator: `Equal` is not an operator on sets (allowed: In, NotIn)
            spec.kprobes[0].selectors[0].matchPIDs[0].values[0]: `-1` is out of range (0 to 4294967295)"#]],
    );
    selector(
        "matchPIDs: [{operator: In, values: []}]",
        expect!["spec.kprobes[0].selectors[0].matchPIDs[0]: the filter has no values"],
    );
    selector(
        "matchNamespaces: [{namespace: Pid, operator: NotIn, values: [host_ns, \"4026531836\", 4026531835]}]",
        expect![""],
    );
    selector(
        "matchNamespaces: [{namespace: Pids, operator: In, values: [host, 0]}]",
        expect![
            "spec.kprobes[0].selectors[0].matchNamespaces[0].namespace: `Pids` is not a namespace (did you mean `Pid`?)"
        ],
    );
    selector(
        "matchNamespaces: [{namespace: Pid, operator: In, values: [host, \"-1\"]}]",
        expect![[r#"
        spec.kprobes[0].selectors[0].matchNamespaces[0].values[0]: `host` is no namespace (host_ns, or an inode number as in /proc/PID/ns)
        spec.kprobes[0].selectors[0].matchNamespaces[0].values[1]: `-1` is no namespace (host_ns, or an inode number as in /proc/PID/ns)"#]],
    );
    selector(
        "matchNamespaceChanges: [{operator: In, values: [Mnt, Uts]}]",
        expect![""],
    );
    selector(
        "matchNamespaceChanges: [{operator: In, values: [Mount]}]",
        expect![
            "spec.kprobes[0].selectors[0].matchNamespaceChanges[0].values[0]: `Mount` is not a namespace (allowed: Uts, Ipc, Mnt, Pid, PidForChildren, Net, Time, TimeForChildren, Cgroup, User)"
        ],
    );
    selector(
        "matchNamespaceChanges: [{operator: In}]",
        expect!["spec.kprobes[0].selectors[0].matchNamespaceChanges[0]: the filter has no values"],
    );
    selector(
        "matchCapabilities: [{operator: In, values: [CAP_SYS_ADMIN]}, {type: Permitted, operator: NotIn, values: [DAC_OVERRIDE], isNamespaceCapability: true}]",
        expect![""],
    );
    selector(
        "matchCapabilities: [{type: Bounding, operator: In, values: [CAP_SYS_ADMIN]}]",
        expect![
            "spec.kprobes[0].selectors[0].matchCapabilities[0].type: `Bounding` is not a set of capabilities (allowed: Effective, Inheritable, Permitted)"
        ],
    );
    selector(
        "matchCapabilities: [{operator: In, values: [CAP_SYS_ADM, ADMIN]}]",
        expect![[r#"
        spec.kprobes[0].selectors[0].matchCapabilities[0].values[0]: `CAP_SYS_ADM` is no capability (did you mean `CAP_SYS_ADMIN`?)
        spec.kprobes[0].selectors[0].matchCapabilities[0].values[1]: `ADMIN` is no capability (allowed: CAP_CHOWN, CAP_DAC_OVERRIDE, DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_LINUX_IMMUTABLE, CAP_NET_BIND_SERVICE, CAP_NET_BROADCAST, CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK, CAP_IPC_OWNER, CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_CHROOT, CAP_SYS_PTRACE, CAP_SYS_PACCT, CAP_SYS_ADMIN, CAP_SYS_BOOT, CAP_SYS_NICE, CAP_SYS_RESOURCE, CAP_SYS_TIME, CAP_SYS_TTY_CONFIG, CAP_MKNOD, CAP_LEASE, CAP_AUDIT_WRITE, CAP_AUDIT_CONTROL, CAP_SETFCAP, CAP_MAC_OVERRIDE, CAP_MAC_ADMIN, CAP_SYSLOG, CAP_WAKE_ALARM, CAP_BLOCK_SUSPEND, CAP_AUDIT_READ, CAP_PERFMON, CAP_BPF, CAP_CHECKPOINT_RESTORE)"#]],
    );
    selector(
        "matchCapabilityChanges: [{operator: In, values: [CAP_CHOWN]}]",
        expect![""],
    );
    selector(
        "matchWorkloads: {hostSelector: {matchLabels: {a: b}}}",
        expect![
            "spec.kprobes[0].selectors[0].matchWorkloads.hostSelector: the host has no labels (leave hostSelector out, or write {})"
        ],
    );
    selector(
        "matchWorkloads: {podSelectr: {}}",
        expect![
            "spec.kprobes[0].selectors[0].matchWorkloads.podSelectr: unknown field of workloads (did you mean `podSelector`?)"
        ],
    );
}

#[test]
fn macros() {
    let with = |macros: &str, selector: &str, expected| {
        spec(
            &format!(
                "selectorsMacros: {macros}\nkprobes: [{{call: sys_read, args: [{{index: 0, type: int}}], selectors: [{selector}]}}]"
            ),
            expected,
        );
    };
    with(
        "{shell: {matchBinaries: [{operator: In, values: [/bin/sh]}]}}",
        "{macros: [shell]}",
        expect![""],
    );
    with(
        "{shell: {matchBinaries: [{operator: In, values: [/bin/sh]}]}}",
        "{macros: [shel]}",
        expect!["spec.kprobes[0].selectors[0].macros[0]: no macro has the name `shel` (did you mean `shell`?)"],
    );
    with(
        "{}",
        "{macros: [shell]}",
        expect![
            "spec.kprobes[0].selectors[0].macros[0]: no macro has the name `shell` (spec.selectorsMacros has none)"
        ],
    );
    with(
        "{a: {matchPIDs: [{operator: In, values: [1]}]}}",
        "{macros: [a], matchPIDs: [{operator: In, values: [2]}]}",
        expect![
            "spec.kprobes[0].selectors[0].macros[0]: macro `a` has matchPIDs, which the selector or another macro has too"
        ],
    );
    with(
        "{a: {matchPIDs: [{operator: In, values: [1]}]}, b: {matchPIDs: [{operator: In, values: [1]}]}}",
        "{macros: [a, b]}",
        expect![
            "spec.kprobes[0].selectors[0].macros[1]: macro `b` has matchPIDs, which the selector or another macro has too"
        ],
    );
    with(
        "{a: {macros: [b]}, b: {}}",
        "{macros: [b]}",
        expect!["spec.selectorsMacros.a.macros[0]: a macro cannot refer to macros"],
    );
    with(
        "{a: {matchArgs: [{index: 9, operator: Equal, values: [1]}]}}",
        "{macros: [a]}",
        expect!["spec.selectorsMacros.a.matchArgs[0].index: no entry of args has index 9 (declared: 0)"],
    );
    with(
        "{a: {matchPIDs: [{operator: In, values: [x]}]}}",
        "{macros: [a]}",
        expect!["spec.selectorsMacros.a.matchPIDs[0].values[0]: expected a number from 0, found `x`"],
    );
}

#[test]
fn actions() {
    selector(
        "matchActions: [{action: Post}, {action: Sigkill}, {action: NoPost}]",
        expect![""],
    );
    selector(
        "matchActions: [{action: Post}, {action: Post}, {action: Post}, {action: Post}]",
        expect!["spec.kprobes[0].selectors[0].matchActions[3]: 4 actions (at most 3)"],
    );
    selector(
        "matchActions: [{action: FollowFD}]",
        expect![
            "spec.kprobes[0].selectors[0].matchActions[0].action: `FollowFD` is not an action (allowed: Post, NoPost, Signal, Sigkill, Override, GetUrl, DnsLookup, TrackSock, UntrackSock, NotifyEnforcer, CleanupEnforcerNotification, Set)"
        ],
    );
    selector(
        "matchActions: [{action: sigkill}]",
        expect![
            "spec.kprobes[0].selectors[0].matchActions[0].action: `sigkill` is not an action (did you mean `Sigkill`?)"
        ],
    );
    selector(
        "matchActions: [{}]",
        expect!["spec.kprobes[0].selectors[0].matchActions[0].action: missing: an action needs it (an action)"],
    );
    selector(
        "matchActions: [{action: Sigkill, argError: -1}]",
        expect![
            "warning: spec.kprobes[0].selectors[0].matchActions[0].argError: Sigkill has no argError: it is without effect"
        ],
    );
    selector(
        "matchActions: [{action: Signal}]",
        expect!["spec.kprobes[0].selectors[0].matchActions[0]: Signal needs argSig (a signal number)"],
    );
    selector(
        "matchActions: [{action: Signal, argSig: 65}]",
        expect!["spec.kprobes[0].selectors[0].matchActions[0].argSig: no signal has the number 65 (1 to 64)"],
    );
    selector("matchActions: [{action: Signal, argSig: 10}]", expect![""]);
    selector(
        "matchActions: [{action: Override}]",
        expect![
            "spec.kprobes[0].selectors[0].matchActions[0]: Override needs argError, the value to return (such as -1 for EPERM)"
        ],
    );
    selector(
        "matchActions: [{action: Override, argError: -4096}]",
        expect!["spec.kprobes[0].selectors[0].matchActions[0].argError: -4096 is no error (-4095 to 4095)"],
    );
    selector("matchActions: [{action: Override, argError: -1}]", expect![""]);
    selector(
        "matchActions: [{action: Override, argRegs: [rax=0]}]",
        expect!["spec.kprobes[0].selectors[0].matchActions[0].argRegs[0]: argRegs is for uprobes"],
    );
    selector(
        "matchActions: [{action: Override, argNewSymbol: a, argNewAddr: 1}]",
        expect![
            "spec.kprobes[0].selectors[0].matchActions[0].argNewAddr: argNewAddr and argNewSymbol exclude each other"
        ],
    );
    selector(
        "matchActions: [{action: GetUrl}, {action: DnsLookup}]",
        expect![[r#"
        spec.kprobes[0].selectors[0].matchActions[0]: GetUrl needs argUrl
        spec.kprobes[0].selectors[0].matchActions[1]: DnsLookup needs argFqdn"#]],
    );
    selector(
        "matchActions: [{action: GetUrl, argUrl: \"http://a\"}, {action: DnsLookup, argFqdn: a}]",
        expect![""],
    );
    selector(
        "matchActions: [{action: TrackSock}]",
        expect![
            "spec.kprobes[0].selectors[0].matchActions[0]: TrackSock needs an argument of type sock or socket (entry 0 of args is of type int)"
        ],
    );
    selector(
        "matchActions: [{action: TrackSock, argSock: 7}]",
        expect![
            "spec.kprobes[0].selectors[0].matchActions[0].argSock: args has no entry 7 (argSock is the position of a sock in args)"
        ],
    );
    selector(
        "matchActions: [{action: NotifyEnforcer, argError: -1}]",
        expect![
            "spec.kprobes[0].selectors[0].matchActions[0].action: NotifyEnforcer needs spec.enforcers, which says what can be stopped"
        ],
    );
    selector(
        "matchActions: [{action: Set, argIndex: 0, argValue: 1}]",
        expect![
            "spec.kprobes[0].selectors[0].matchActions[0].action: Set is not possible here: only the arguments of usdts can be written"
        ],
    );
    selector(
        "matchActions: [{action: Post, rateLimit: 5, rateLimitScope: global}]",
        expect![""],
    );
    selector(
        "matchActions: [{action: Post, rateLimit: 1m, kernelStackTrace: true, userStackTrace: true}]",
        expect![""],
    );
    selector(
        "matchActions: [{action: Post, rateLimit: 1d, rateLimitScope: pod}]",
        expect![[r#"
        spec.kprobes[0].selectors[0].matchActions[0].rateLimit: `1d` is no time (30 or 30s, 5m, 1h; at most 49 days)
        spec.kprobes[0].selectors[0].matchActions[0].rateLimitScope: `pod` is no scope of a rate limit (allowed: thread, process, global)"#]],
    );
    selector(
        "matchActions: [{action: Post, rateLimit: \"\"}, {action: Post, rateLimit: s}, {action: Post, rateLimit: 99999h}]",
        expect![[r#"
        spec.kprobes[0].selectors[0].matchActions[0].rateLimit: `` is no time (30 or 30s, 5m, 1h; at most 49 days)
        spec.kprobes[0].selectors[0].matchActions[1].rateLimit: `s` is no time (30 or 30s, 5m, 1h; at most 49 days)
        spec.kprobes[0].selectors[0].matchActions[2].rateLimit: `99999h` is no time (30 or 30s, 5m, 1h; at most 49 days)"#]],
    );
    selector(
        "matchActions: [{action: Post, rateLimitScope: global}]",
        expect!["spec.kprobes[0].selectors[0].matchActions[0].rateLimitScope: rateLimitScope needs rateLimit"],
    );
    selector(
        "matchActions: [{action: Sigkill, rateLimit: 5, kernelStackTrace: true}]",
        expect![[r#"
        spec.kprobes[0].selectors[0].matchActions[0].rateLimit: Sigkill has no rateLimit (Post has)
        spec.kprobes[0].selectors[0].matchActions[0].kernelStackTrace: Sigkill has no kernelStackTrace (Post has)"#]],
    );
    selector(
        "matchActions: [{action: Post, imaHash: true}]",
        expect![
            "spec.kprobes[0].selectors[0].matchActions[0].imaHash: no file's hash is known here (LSM hooks that have one: bprm_check_security, bprm_committed_creds, bprm_committing_creds, bprm_creds_for_exec, bprm_creds_from_file, file_ioctl, file_lock, file_open, file_post_open, file_receive, mmap_file)"
        ],
    );
}

#[test]
fn actions_by_hook() {
    let all = "[{action: Override, argError: -1}, {action: Sigkill}, {action: Signal, argSig: 1}]";
    let rest =
        "[{action: NotifyEnforcer, argError: -1}, {action: CleanupEnforcerNotification}, {action: GetUrl, argUrl: u}]";
    let more = "[{action: TrackSock}, {action: UntrackSock}, {action: Set, argIndex: 0, argValue: 1}]";
    for (hook, expected) in [
        (
            "kprobes: [{call: sys_read",
            [
                expect![""],
                expect![
                    "spec.kprobes[0].selectors[0].matchActions[0].action: NotifyEnforcer needs spec.enforcers, which says what can be stopped"
                ],
                expect![[r#"
            spec.kprobes[0].selectors[0].matchActions[0]: TrackSock needs an argument of type sock or socket (entry 0 of args is of type int)
            spec.kprobes[0].selectors[0].matchActions[1]: UntrackSock needs an argument of type sock or socket (entry 0 of args is of type int)
            spec.kprobes[0].selectors[0].matchActions[2].action: Set is not possible here: only the arguments of usdts can be written"#]],
            ],
        ),
        (
            "fentries: [{call: sys_read",
            [
                expect![[r#"
            spec.fentries[0].selectors[0].matchActions[0].action: Override is not possible here: fentries only observe; use kprobes
            spec.fentries[0].selectors[0].matchActions[1].action: Sigkill is not possible here: fentries only observe; use kprobes
            spec.fentries[0].selectors[0].matchActions[2].action: Signal is not possible here: fentries only observe; use kprobes"#]],
                expect![[r#"
            spec.fentries[0].selectors[0].matchActions[0].action: NotifyEnforcer is not possible here: fentries only observe; use kprobes
            spec.fentries[0].selectors[0].matchActions[1].action: CleanupEnforcerNotification is not possible here: only kprobes and tracepoints notify enforcers"#]],
                expect![[r#"
            spec.fentries[0].selectors[0].matchActions[0]: TrackSock needs an argument of type sock or socket (entry 0 of args is of type int)
            spec.fentries[0].selectors[0].matchActions[1]: UntrackSock needs an argument of type sock or socket (entry 0 of args is of type int)
            spec.fentries[0].selectors[0].matchActions[2].action: Set is not possible here: fentries only observe; use kprobes"#]],
            ],
        ),
        (
            "tracepoints: [{subsystem: a, event: b",
            [
                expect![
                    "spec.tracepoints[0].selectors[0].matchActions[0].action: Override is not possible here: a tracepoint cannot stop anything; use NotifyEnforcer"
                ],
                expect![
                    "spec.tracepoints[0].selectors[0].matchActions[0].action: NotifyEnforcer needs spec.enforcers, which says what can be stopped"
                ],
                expect![[r#"
            spec.tracepoints[0].selectors[0].matchActions[0]: TrackSock needs an argument of type sock or socket (entry 0 of args is of type int)
            spec.tracepoints[0].selectors[0].matchActions[1]: UntrackSock needs an argument of type sock or socket (entry 0 of args is of type int)
            spec.tracepoints[0].selectors[0].matchActions[2].action: Set is not possible here: only the arguments of usdts can be written"#]],
            ],
        ),
        (
            "lsmhooks: [{hook: file_open",
            [
                expect![""],
                expect![[r#"
            spec.lsmhooks[0].selectors[0].matchActions[0].action: NotifyEnforcer is not possible here: only kprobes and tracepoints notify enforcers
            spec.lsmhooks[0].selectors[0].matchActions[1].action: CleanupEnforcerNotification is not possible here: only kprobes and tracepoints notify enforcers
            spec.lsmhooks[0].selectors[0].matchActions[2].action: GetUrl is not possible here: LSM hooks have Post, NoPost, Signal, Sigkill and Override"#]],
                expect![[r#"
            spec.lsmhooks[0].selectors[0].matchActions[0].action: TrackSock is not possible here: LSM hooks have Post, NoPost, Signal, Sigkill and Override
            spec.lsmhooks[0].selectors[0].matchActions[1].action: UntrackSock is not possible here: LSM hooks have Post, NoPost, Signal, Sigkill and Override
            spec.lsmhooks[0].selectors[0].matchActions[2].action: Set is not possible here: only the arguments of usdts can be written"#]],
            ],
        ),
        (
            "uprobes: [{path: /a, symbols: [b]",
            [
                expect![""],
                expect![[r#"
            spec.uprobes[0].selectors[0].matchActions[0].action: NotifyEnforcer is not possible here: only kprobes and tracepoints notify enforcers
            spec.uprobes[0].selectors[0].matchActions[1].action: CleanupEnforcerNotification is not possible here: only kprobes and tracepoints notify enforcers
            spec.uprobes[0].selectors[0].matchActions[2].action: GetUrl is not possible here: uprobes and usdts cannot"#]],
                expect![[r#"
            spec.uprobes[0].selectors[0].matchActions[0].action: TrackSock is not possible here: programs do not have the kernel's sockets
            spec.uprobes[0].selectors[0].matchActions[1].action: UntrackSock is not possible here: programs do not have the kernel's sockets
            spec.uprobes[0].selectors[0].matchActions[2].action: Set is not possible here: only the arguments of usdts can be written"#]],
            ],
        ),
        (
            "usdts: [{path: /a, provider: b, name: c",
            [
                expect![
                    "spec.usdts[0].selectors[0].matchActions[0].action: Override is not possible here: nothing is called"
                ],
                expect![[r#"
            spec.usdts[0].selectors[0].matchActions[0].action: NotifyEnforcer is not possible here: only kprobes and tracepoints notify enforcers
            spec.usdts[0].selectors[0].matchActions[1].action: CleanupEnforcerNotification is not possible here: only kprobes and tracepoints notify enforcers
            spec.usdts[0].selectors[0].matchActions[2].action: GetUrl is not possible here: uprobes and usdts cannot"#]],
                expect![[r#"
            spec.usdts[0].selectors[0].matchActions[0].action: TrackSock is not possible here: programs do not have the kernel's sockets
            spec.usdts[0].selectors[0].matchActions[1].action: UntrackSock is not possible here: programs do not have the kernel's sockets"#]],
            ],
        ),
    ] {
        for (actions, expected) in [all, rest, more].into_iter().zip(expected) {
            spec(
                &format!("{hook}, args: [{{index: 0, type: int32}}], selectors: [{{matchActions: {actions}}}]}}]"),
                expected,
            );
        }
    }
}

#[test]
fn actions_at_the_return() {
    let body = "call: sys_read\nreturn: true\nreturnArg: {index: 0, type: int}\n";
    kprobe(
        &format!("{body}selectors: [{{matchReturnActions: [{{action: Sigkill}}, {{action: Post}}]}}]"),
        expect![""],
    );
    kprobe(
        &format!("{body}selectors: [{{matchReturnActions: [{{action: Override, argError: -1}}]}}]"),
        expect![
            "spec.kprobes[0].selectors[0].matchReturnActions[0].action: Override is not possible here: the function has run already"
        ],
    );
    kprobe(
        &format!("{body}selectors: [{{matchReturnArgs: [{{index: 0, operator: Prefix, values: [a]}}]}}]"),
        expect![
            "spec.kprobes[0].selectors[0].matchReturnArgs[0].operator: Prefix cannot compare values of type int (allowed: Equal, NotEqual, GT, LT, Mask, InRange, NotInRange, InMap, NotInMap)"
        ],
    );
    kprobe(
        &format!("{body}selectors: [{{matchReturnArgs: [{{index: 0, operator: LT, values: [0]}}]}}]"),
        expect![""],
    );
}

#[test]
fn what_can_be_overridden() {
    let deny = "selectors: [{matchActions: [{action: Override, argError: -1}]}]";
    kprobe(
        &format!("call: security_file_open\nsyscall: false\n{deny}"),
        expect![""],
    );
    kprobe(
        &format!("call: ksys_read\nsyscall: false\n{deny}"),
        expect![
            "spec.kprobes[0].selectors[0].matchActions[0].action: only system calls and security_ functions can be overridden (use Signal or Sigkill, or hook the system call)"
        ],
    );
    spec(
        &format!(
            "lists: [{{name: a, values: [security_file_open, close_fd]}}]\nkprobes: [{{call: \"list:a\", syscall: false, {deny}}}]"
        ),
        expect![
            "spec.kprobes[0].selectors[0].matchActions[0].action: only system calls and security_ functions can be overridden (use Signal or Sigkill, or hook the system call)"
        ],
    );
    spec(
        &format!("lists: [{{name: a, type: syscalls, values: [sys_dup]}}]\nkprobes: [{{call: \"list:a\", {deny}}}]"),
        expect![""],
    );
    spec(
        "lsmhooks: [{hook: file_open, selectors: [{matchActions: [{action: Override, argError: 0}]}]}]",
        expect![
            "spec.lsmhooks[0].selectors[0].matchActions[0].argError: an LSM hook that returns 0 allows (such as -1 for EPERM)"
        ],
    );
    spec(
        "lsmhooks: [{hook: file_open, selectors: [{matchActions: [{action: Post, imaHash: true, kernelStackTrace: true}]}]}]",
        expect!["spec.lsmhooks[0].selectors[0].matchActions[0].kernelStackTrace: LSM hooks have no stack traces"],
    );
    spec(
        "lsmhooks: [{hook: task_kill, selectors: [{matchActions: [{action: Post, imaHash: true}]}]}]",
        expect![
            "spec.lsmhooks[0].selectors[0].matchActions[0].imaHash: no file's hash is known here (LSM hooks that have one: bprm_check_security, bprm_committed_creds, bprm_committing_creds, bprm_creds_for_exec, bprm_creds_from_file, file_ioctl, file_lock, file_open, file_post_open, file_receive, mmap_file)"
        ],
    );
    let registers = |regs: &str, expected| {
        spec(
            &format!(
                "uprobes: [{{path: /a, symbols: [b], selectors: [{{matchActions: [{{action: Override, argRegs: [{regs}]}}]}}]}}]"
            ),
            expected,
        );
    };
    registers(
        "rax=0, rip=%rdi, rsp=8%rsp, \"rip=(%rsp)\", \"rax=-8(%rbp)\", rax=-1",
        expect![""],
    );
    registers(
        "rax, =5, rax=rdi, \"rax=8(rdi)\", \"rax=8(%rdi\", rax=99999999999999999999",
        expect![[r#"
        spec.uprobes[0].selectors[0].matchActions[0].argRegs[0]: `rax` is no change of a register (rax=0, rip=%rdi, rsp=8%rsp or rip=(%rsp))
        spec.uprobes[0].selectors[0].matchActions[0].argRegs[1]: `=5` is no change of a register (rax=0, rip=%rdi, rsp=8%rsp or rip=(%rsp))
        spec.uprobes[0].selectors[0].matchActions[0].argRegs[2]: `rax=rdi` is no change of a register (rax=0, rip=%rdi, rsp=8%rsp or rip=(%rsp))
        spec.uprobes[0].selectors[0].matchActions[0].argRegs[3]: `rax=8(rdi)` is no change of a register (rax=0, rip=%rdi, rsp=8%rsp or rip=(%rsp))
        spec.uprobes[0].selectors[0].matchActions[0].argRegs[4]: `rax=8(%rdi` is no change of a register (rax=0, rip=%rdi, rsp=8%rsp or rip=(%rsp))
        spec.uprobes[0].selectors[0].matchActions[0].argRegs[5]: `rax=99999999999999999999` is no change of a register (rax=0, rip=%rdi, rsp=8%rsp or rip=(%rsp))"#]],
    );
    registers(
        &vec!["rax=0"; 19].join(", "),
        expect!["spec.uprobes[0].selectors[0].matchActions[0].argRegs[18]: 19 registers (at most 18)"],
    );
}

#[test]
fn enforcer_notifications() {
    let with = |action: &str, expected| {
        spec(
            &format!(
                "enforcers: [{{calls: [sys_dup]}}]\ntracepoints: [{{subsystem: raw_syscalls, event: sys_enter, args: [{{index: 4, type: syscall64}}], selectors: [{{matchActions: [{action}]}}]}}]"
            ),
            expected,
        );
    };
    with("{action: NotifyEnforcer, argError: -1, argSig: 9}", expect![""]);
    with("{action: NotifyEnforcer, argSig: 9}", expect![""]);
    with(
        "{action: NotifyEnforcer}",
        expect![
            "spec.tracepoints[0].selectors[0].matchActions[0]: NotifyEnforcer does nothing without argError or argSig"
        ],
    );
    with(
        "{action: NotifyEnforcer, argSig: 99}",
        expect!["spec.tracepoints[0].selectors[0].matchActions[0].argSig: no signal has the number 99 (1 to 64)"],
    );
    with(
        "{action: NotifyEnforcer, argError: -9999}",
        expect!["spec.tracepoints[0].selectors[0].matchActions[0].argError: -9999 is no error (-4095 to 4095)"],
    );
}

#[test]
fn too_much() {
    let six = ["{matchPIDs: [{operator: In, values: [1]}]}"; 6].join(", ");
    kprobe(
        &format!("call: sys_read\nselectors: [{six}]"),
        expect!["spec.kprobes[0].selectors[5]: 6 selectors (at most 5)"],
    );
    let six = ["{index: 0, operator: Equal, values: [1]}"; 6].join(", ");
    selector(
        &format!("matchArgs: [{six}]"),
        expect!["spec.kprobes[0].selectors[0].matchArgs[5]: 6 filters on arguments and data (at most 5)"],
    );
    let many = document(&format!("tracepoints: [{}]", vec!["[unknown]"; 300].join(", ")));
    let (policies, diagnostics) = load(&many, Budget::default(), &Limits::default(), &NoKernel);
    assert!(policies.is_empty());
    assert_eq!(diagnostics.len(), 201);
    expect!["more problems are not shown"].assert_eq(&diagnostics[200].to_string());
}
