//! Selectors: what filters refer to, filters on the process, macros.

use expect_test::expect;

use crate::common::{kprobe, selector, spec};

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
