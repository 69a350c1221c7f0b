//! What reading a file reports, case by case.

#![allow(clippy::needless_raw_string_hashes, reason = "written by expect-test")]
#![allow(clippy::needless_pass_by_value, reason = "the form of expect-test")]

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use policy::parse::{parse, print};
use policy::yaml::Budget;

fn check(text: &str, expected: Expect) {
    let (_, diagnostics) = parse(text, Budget::default());
    let lines: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    expected.assert_eq(&lines.join("\n"));
}

const HEAD: &str = "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata:\n  name: p\n";

fn spec(body: &str, expected: Expect) {
    check(&format!("{HEAD}spec:\n{body}"), expected);
}

#[test]
fn nothing() {
    check("", expect!["the file holds no policy"]);
    check("# only a comment\n---\n", expect!["the file holds no policy"]);
}

#[test]
fn no_mapping() {
    check(
        "[]",
        expect!["1:1: expected a mapping, found a list (it describes a policy)"],
    );
    check(
        "hello",
        expect!["1:1: expected a mapping, found `hello` (it describes a policy)"],
    );
}

#[test]
fn missing_fields() {
    check(
        "{}",
        expect![[r#"
        1:1: apiVersion: missing: a policy needs it (text)
        1:1: kind: missing: a policy needs it (a kind of policy)
        1:1: metadata: missing: a policy needs it (metadata)
        1:1: spec: missing: a policy needs it (spec)"#]],
    );
    check(
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {}\nspec:\n",
        expect![[r#"
        1:1: spec: missing: a policy needs it (spec)
        3:11: metadata.name: missing: metadata needs it (text)"#]],
    );
}

#[test]
fn kinds() {
    check(
        "apiVersion: v1\nkind: Pod\nspec: {a: [b]}",
        expect!["1:1: warning: a Pod, which is no policy, is passed over"],
    );
    check(
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolcy\nmetadata: {name: p}\nspec: {}",
        expect!["2:7: kind: `TracingPolcy` is not a kind of policy (did you mean `TracingPolicy`?)"],
    );
    check(
        "apiVersion: cilium.io/v1\nkind: TracingPolicy\nmetadata: {name: p}\nspec: {}",
        expect!["1:13: apiVersion: `cilium.io/v1` is no version of policies (write cilium.io/v1alpha1)"],
    );
}

#[test]
fn unknown_fields() {
    spec(
        "  kprobe: []\n  elephant: 1\n",
        expect![[r#"
        6:3: spec.kprobe: unknown field of spec (did you mean `kprobes`?)
        7:3: spec.elephant: unknown field of spec (allowed: kprobes, fentries, tracepoints, uprobes, usdts, lsmhooks, loader, lists, enforcers, options, selectorsMacros, podSelector, containerSelector, hostSelector, nodeSelector)"#]],
    );
    spec(
        "  kprobes:\n  - call: f\n    arg: []\n    selectors:\n    - matchArg: []\n      matchCurrentCred: []\n",
        expect![[r#"
        8:5: spec.kprobes[0].arg: unknown field of a kprobe (did you mean `args`?)
        10:7: spec.kprobes[0].selectors[0].matchArg: unknown field of a selector (did you mean `matchArgs`?)
        11:7: spec.kprobes[0].selectors[0].matchCurrentCred: unknown field of a selector (use `data` with `source: current_task` and `resolve: cred.uid.val`, and `matchData`)"#]],
    );
}

#[test]
fn duplicates() {
    spec(
        "  kprobes:\n  - call: f\n    call: g\n    Call: h\n",
        expect![[r#"
        8:5: spec.kprobes[0].call: stands twice, first on line 7
        9:5: spec.kprobes[0].Call: stands twice: it is the same as `call`"#]],
    );
    spec(
        "  podSelector: {matchLabels: {a: b, a: c}}\n",
        expect!["6:37: spec.podSelector.matchLabels.a: stands twice, first on line 6"],
    );
}

#[test]
fn types() {
    spec(
        "  kprobes: {}\n  loader: perhaps\n  lists: 1\n",
        expect![[r#"
        6:12: spec.kprobes: expected a list, found a mapping (each item is a kprobe)
        7:11: spec.loader: expected true or false, found `perhaps`
        8:10: spec.lists: expected a list, found `1` (each item is a list)"#]],
    );
    spec(
        "  kprobes:\n  - call: [f]\n    syscall: \"true\"\n    return: yes\n    message: 12\n",
        expect![[r#"
        7:11: spec.kprobes[0].call: expected text, found a list
        8:14: spec.kprobes[0].syscall: expected true or false, found `true`
        10:14: spec.kprobes[0].message: expected text, found `12` (write "12")"#]],
    );
    spec(
        "  kprobes:\n  - call: f\n    args:\n    - index: -1\n      type: strng\n    - index: 1.5\n      type: elephant\n    - type: int\n",
        expect![[r#"
        9:14: spec.kprobes[0].args[0].index: `-1` is out of range (0 to 4294967295)
        10:13: spec.kprobes[0].args[0].type: `strng` is not a type of argument (did you mean `string`?)
        11:14: spec.kprobes[0].args[1].index: expected a number from 0, found `1.5`
        12:13: spec.kprobes[0].args[1].type: `elephant` is not a type of argument (allowed: auto, int, int8, uint8, int16, uint16, uint32, int64, uint64, size_t, string, char_buf, char_iovec, iov_iter, const_buf, data_loc, fd, file, filename, path, dentry, kiocb, linux_binprm, skb, sock, socket, sockaddr, sockaddr_un, net_device, cred, user_namespace, capability, kernel_cap_t, cap_inheritable, cap_permitted, cap_effective, bpf_attr, bpf_cmd, bpf_map, bpf_prog, perf_event, load_info, module, syscall64, nop)
        13:7: spec.kprobes[0].args[2].index: missing: an argument needs it (a number from 0)"#]],
    );
}

#[test]
fn letter_case_of_fields() {
    spec(
        "  kprobes:\n  - call: f\n    args: [{index: 0, BTFType: s}]\n",
        expect![""],
    );
}

#[test]
fn not_yaml() {
    check("a: [", expect!["1:4: not YAML: unclosed bracket '['"]);
    check(
        "a: b: c",
        expect!["1:5: not YAML: mapping values are not allowed in this context"],
    );
    check(
        "a: *nowhere",
        expect!["1:4: not YAML: while parsing node, found unknown anchor"],
    );
    check("a: &a [*a]", expect!["1:8: an alias inside its own anchor"]);
    check("\u{0}", expect![[r#"1:1: not YAML: unexpected character: `\u{0}'"#]]);
}

#[test]
fn broken_document_keeps_the_others() {
    check(
        &format!("{HEAD}spec: {{loader: maybe}}\n---\na: [\n---\n{HEAD}spec: {{loader: 7}}\n"),
        expect![[r#"
        5:16: spec.loader: expected true or false, found `maybe`
        7:4: not YAML: unclosed bracket '['
        13:16: spec.loader: expected true or false, found `7`"#]],
    );
}

#[test]
fn budgets() {
    let deep = "[".repeat(1000);
    check(&deep, expect!["1:65: not YAML: recursion limit exceeded"]);
    let long = "a".repeat(5 << 20);
    check(&long, expect!["the file has 5242880 bytes (at most 4194304 are read)"]);
    let mut laughs = String::from("a: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let line = vec![format!("*a{}", i - 1); 9].join(", ");
        let _ = writeln!(laughs, "b{i}: &a{i} [{line}]");
    }
    check(
        &laughs,
        expect!["6:30: the file holds too many values (aliases count as what they stand for)"],
    );
}

#[test]
fn anchors_and_merges() {
    let text = format!(
        "{HEAD}spec:\n  kprobes:\n  - &k\n    call: f\n    syscall: false\n    args: &args\n    - index: 0\n      type: int\n  - <<: *k\n    call: g\n  - call: h\n    args: *args\n"
    );
    let (documents, diagnostics) = parse(&text, Budget::default());
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    expect![[r#"
        apiVersion: cilium.io/v1alpha1
        kind: TracingPolicy
        metadata:
          name: p
        spec:
          kprobes:
          - call: f
            syscall: false
            args:
            - index: 0
              type: int
          - call: g
            syscall: false
            args:
            - index: 0
              type: int
          - call: h
            args:
            - index: 0
              type: int
    "#]]
    .assert_eq(&print(&documents[0]));
}

#[test]
fn nothing_in_a_list() {
    spec(
        "  kprobes:\n  - call: f\n    tags: [~, null]\n  -\n  podSelector: {matchLabels: {a: }}\n",
        expect![[r#"
            8:12: spec.kprobes[0].tags[0]: expected text, found nothing
            8:15: spec.kprobes[0].tags[1]: expected text, found nothing
            9:4: spec.kprobes[1]: expected a mapping, found nothing (it describes a kprobe)
            10:32: spec.podSelector.matchLabels.a: expected text, found nothing"#]],
    );
    spec(
        "  kprobes:\n  - call: sys_read\n    selectors:\n    args: ~\n    message: null\n",
        expect![""],
    );
}

#[test]
fn files_of_other_systems() {
    let text = format!("\u{feff}{HEAD}spec:\n  loader: true\n").replace('\n', "\r\n");
    check(&text, expect![""]);
    check(
        "a:\n\tb: c",
        expect!["2:2: not YAML: tabs disallowed within this context (block indentation)"],
    );
    check(
        "spec: {{.Pid}}",
        expect![[r#"
        1:1: apiVersion: missing: a policy needs it (text)
        1:1: kind: missing: a policy needs it (a kind of policy)
        1:1: metadata: missing: a policy needs it (metadata)
        1:8: a key must be text
        1:8: spec.: unknown field of spec (allowed: kprobes, fentries, tracepoints, uprobes, usdts, lsmhooks, loader, lists, enforcers, options, selectorsMacros, podSelector, containerSelector, hostSelector, nodeSelector)"#]],
    );
}
