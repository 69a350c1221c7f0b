//! Documents: names, workloads, lists, options, enforcers.

use expect_test::expect;
use policy::kernel::NoKernel;
use policy::limits::Limits;
use policy::resolve::load;
use policy::yaml::Budget;

use crate::common::{document, kprobe, policy, selector, spec};

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
        "call: sys_read\nreturn: true\nreturnArg: {index: 0, type: int}\n\
         selectors: [{matchReturnArgs: [{index: 0, operator: LT, values: [0]}]}, {}]",
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
