//! What policies do with calls.

mod common;

use common::{document, good, one_kprobe};
use policy::eval::{Address, Ancestor, Process, Socket, Value, entry, returned};
use policy::model::{Hook, Policy};
use policy::names::Namespace;

/// A process in a container, two forks below its init.
fn process() -> Process {
    let mut process = Process {
        pid: 100,
        namespace_pid: 7,
        binary: Some("/usr/bin/curl".into()),
        inherited_binaries: vec!["/bin/sh".into(), "/usr/bin/runc".into()],
        parent_binary: Some("/bin/sh".into()),
        parent_inherited_binaries: vec!["/usr/bin/runc".into()],
        ancestors: vec![
            Ancestor {
                pid: 90,
                namespace_pid: 5,
            },
            Ancestor {
                pid: 80,
                namespace_pid: 1,
            },
            Ancestor {
                pid: 1,
                namespace_pid: 0,
            },
        ],
        ..Process::default()
    };
    for i in 0..10 {
        process.host_namespaces.0[i as usize] = 1000 + i;
        process.namespaces.0[i as usize] = 2000 + i;
    }
    process.recorded_namespaces = process.namespaces;
    process.capabilities.effective = 1 << 21 | 1;
    process.recorded_capabilities = process.capabilities;
    process
}

fn policy(selectors: &str) -> Policy {
    let args = "args: [{index: 0, type: int}, {index: 1, type: string}, {index: 2, type: file}]";
    good(&document(&one_kprobe(&format!(
        "call: f\nsyscall: false\nreturn: true\nreturnArg: {{index: 0, type: int}}\n{args}\nselectors: [{selectors}]"
    ))))
}

fn args() -> [Value; 3] {
    let file = Value::File {
        path: b"/etc/passwd".to_vec(),
        mode: 0o100_644,
    };
    [Value::Int(5), Value::Bytes(b"hello".to_vec()), file]
}

/// The selector that wins.
fn wins(hook: &Hook, process: &Process, args: &[Value]) -> Option<usize> {
    entry(hook, process, args, &[]).map(|verdict| verdict.selector)
}

/// Whether a selector with this filter passes.
fn passes(filter: &str, process: &Process) -> bool {
    let policy = policy(&format!("{{{filter}}}"));
    wins(&policy.hooks[0], process, &args()).is_some()
}

fn check(cases: &[(&str, bool)], process: &Process) {
    for (filter, expected) in cases {
        assert_eq!(passes(filter, process), *expected, "{filter}");
    }
}

#[test]
fn no_selector_posts_everything() {
    let policy = good(&document(&one_kprobe("call: sys_read")));
    let verdict = entry(&policy.hooks[0], &process(), &[], &[]).unwrap();
    assert!(verdict.posts());
    assert_eq!(verdict.selector, 0);
}

#[test]
fn the_first_selector_that_passes_wins() {
    let policy = policy(
        "{matchArgs: [{index: 0, operator: Equal, values: [6]}]}, \
         {matchArgs: [{index: 0, operator: Equal, values: [5]}], matchActions: [{action: NoPost}, {action: Sigkill}]}, \
         {}",
    );
    let hook = &policy.hooks[0];
    assert_eq!(wins(hook, &process(), &args()), Some(1));
    let verdict = entry(hook, &process(), &args(), &[]).unwrap();
    assert!(!verdict.posts());
    assert_eq!(verdict.last().unwrap().kind().name(), "Sigkill");
    let other = [Value::Int(7), Value::Failed, Value::Failed];
    assert_eq!(wins(hook, &process(), &other), Some(2));
}

#[test]
fn filters_are_anded_and_values_ored() {
    let both = |first: &str, second: &str| {
        passes(
            &format!(
                "matchArgs: [{{index: 0, operator: Equal, values: [{first}]}}, {{index: 1, operator: Equal, values: [{second}]}}]"
            ),
            &process(),
        )
    };
    assert!(both("4, 5", "hello"));
    assert!(both("5", "a, hello"));
    assert!(!both("4", "hello"));
    assert!(!both("5", "a"));
}

#[test]
fn integers() {
    check(
        &[
            ("matchArgs: [{index: 0, operator: NotEqual, values: [1, 2]}]", true),
            ("matchArgs: [{index: 0, operator: NotEqual, values: [1, 5]}]", false),
            ("matchArgs: [{index: 0, operator: GT, values: [4]}]", true),
            ("matchArgs: [{index: 0, operator: GT, values: [5]}]", false),
            ("matchArgs: [{index: 0, operator: GT, values: [9, -1]}]", true),
            ("matchArgs: [{index: 0, operator: LT, values: [6]}]", true),
            ("matchArgs: [{index: 0, operator: LT, values: [5, -3]}]", false),
            ("matchArgs: [{index: 0, operator: Mask, values: [4]}]", true),
            ("matchArgs: [{index: 0, operator: Mask, values: [2, 8]}]", false),
            ("matchArgs: [{index: 0, operator: InRange, values: [\"5:9\"]}]", true),
            (
                "matchArgs: [{index: 0, operator: NotInRange, values: [\"1:4\", \"6:9\"]}]",
                true,
            ),
            (
                "matchArgs: [{index: 0, operator: NotInRange, values: [\"1:4\", \"0:5\"]}]",
                false,
            ),
            ("matchArgs: [{index: 0, operator: InMap, values: [1, \"4:6\"]}]", true),
            ("matchArgs: [{index: 0, operator: NotInMap, values: [1, 5]}]", false),
        ],
        &process(),
    );
}

#[test]
fn small_signed_numbers_compare_as_signed() {
    let policy = good(&document(&one_kprobe(
        "call: f\nsyscall: false\nargs: [{index: 0, type: int8}]\nselectors: [{matchArgs: [{index: 0, operator: LT, values: [0]}]}]",
    )));
    assert_eq!(wins(&policy.hooks[0], &process(), &[Value::Int(-1)]), Some(0));
    assert_eq!(wins(&policy.hooks[0], &process(), &[Value::Int(127)]), None);
}

#[test]
fn texts_and_files() {
    check(
        &[
            ("matchArgs: [{index: 1, operator: Prefix, values: [he]}]", true),
            ("matchArgs: [{index: 1, operator: NotPrefix, values: [x, he]}]", false),
            ("matchArgs: [{index: 1, operator: Postfix, values: [llo]}]", true),
            ("matchArgs: [{index: 1, operator: NotPostfix, values: [x, y]}]", true),
            ("matchArgs: [{index: 1, operator: SubString, values: [ell]}]", true),
            ("matchArgs: [{index: 1, operator: SubString, values: [ELL]}]", false),
            (
                "matchArgs: [{index: 1, operator: SubStringIgnCase, values: [ELL]}]",
                true,
            ),
            ("matchArgs: [{index: 1, operator: Equal, values: [\"hello\\0\"]}]", true),
            ("matchArgs: [{index: 1, operator: Equal, values: [\"\"]}]", false),
            ("matchArgs: [{index: 2, operator: Prefix, values: [/etc]}]", true),
            ("matchArgs: [{index: 2, operator: FileType, values: [dir, reg]}]", true),
            ("matchArgs: [{index: 2, operator: NotFileType, values: [reg]}]", false),
        ],
        &process(),
    );
}

#[test]
fn what_cannot_be_read_fits_nothing() {
    let hook = |operator: &str, value: &str| {
        policy(&format!(
            "{{matchArgs: [{{index: 2, operator: {operator}, values: [{value}]}}]}}"
        ))
        .hooks
        .remove(0)
    };
    let nameless = Value::File {
        path: Vec::new(),
        mode: 0o010_600,
    };
    for (operator, value) in [
        ("Equal", "/a"),
        ("NotEqual", "/a"),
        ("NotPrefix", "/a"),
        ("NotFileType", "dir"),
    ] {
        let hook = hook(operator, value);
        let mut values = args();
        values[2] = Value::Failed;
        assert_eq!(wins(&hook, &process(), &values), None, "{operator}");
        values[2] = nameless.clone();
        assert_eq!(
            wins(&hook, &process(), &values).is_some(),
            operator == "NotFileType",
            "{operator}"
        );
    }
}

#[test]
fn process_ids() {
    let own = process();
    let host = Process {
        namespace_pid: 0,
        ..process()
    };
    check(
        &[
            ("matchPIDs: [{operator: In, values: [100]}]", true),
            ("matchPIDs: [{operator: In, values: [90]}]", false),
            ("matchPIDs: [{operator: In, values: [90], followForks: true}]", true),
            ("matchPIDs: [{operator: NotIn, values: [1], followForks: true}]", false),
            ("matchPIDs: [{operator: NotIn, values: [1]}]", true),
            ("matchPIDs: [{operator: In, values: [7], isNamespacePID: true}]", true),
            (
                "matchPIDs: [{operator: In, values: [100], isNamespacePID: true}]",
                false,
            ),
            (
                "matchPIDs: [{operator: NotIn, values: [1], isNamespacePID: true, followForks: true}]",
                false,
            ),
            // The host's ancestors have no id in the container.
            (
                "matchPIDs: [{operator: NotIn, values: [0], isNamespacePID: true, followForks: true}]",
                true,
            ),
            (
                "matchPIDs: [{operator: NotIn, values: [2]}, {operator: NotIn, values: [100]}]",
                false,
            ),
            (
                "matchPIDs: [{operator: NotIn, values: [2]}, {operator: NotIn, values: [3]}]",
                true,
            ),
        ],
        &own,
    );
    check(
        &[
            ("matchPIDs: [{operator: In, values: [0], isNamespacePID: true}]", false),
            (
                "matchPIDs: [{operator: NotIn, values: [1], isNamespacePID: true}]",
                false,
            ),
        ],
        &host,
    );
}

#[test]
fn executables() {
    check(
        &[
            ("matchBinaries: [{operator: In, values: [/bin/x, /usr/bin/curl]}]", true),
            (
                "matchBinaries: [{operator: NotIn, values: [/bin/x, /usr/bin/curl]}]",
                false,
            ),
            ("matchBinaries: [{operator: In, values: [/bin/sh]}]", false),
            (
                "matchBinaries: [{operator: In, values: [/bin/sh], followChildren: true}]",
                true,
            ),
            (
                "matchBinaries: [{operator: NotIn, values: [/bin/sh], followChildren: true}]",
                false,
            ),
            ("matchBinaries: [{operator: Prefix, values: [/usr/bin/]}]", true),
            ("matchBinaries: [{operator: NotPostfix, values: [wget, curl]}]", false),
            ("matchParentBinaries: [{operator: In, values: [/bin/sh]}]", true),
            (
                "matchParentBinaries: [{operator: In, values: [/usr/bin/runc], followChildren: true}]",
                true,
            ),
        ],
        &process(),
    );
    let unknown = Process {
        binary: None,
        ..process()
    };
    check(
        &[
            ("matchBinaries: [{operator: In, values: [/a]}]", false),
            ("matchBinaries: [{operator: NotIn, values: [/a]}]", false),
        ],
        &unknown,
    );
}

#[test]
fn namespaces() {
    let own = process();
    check(
        &[
            (
                "matchNamespaces: [{namespace: Pid, operator: In, values: [host_ns]}]",
                false,
            ),
            (
                "matchNamespaces: [{namespace: Pid, operator: NotIn, values: [host_ns]}]",
                true,
            ),
            (
                "matchNamespaces: [{namespace: Uts, operator: In, values: [\"2000\", 5]}]",
                true,
            ),
            (
                "matchNamespaces: [{namespace: Uts, operator: In, values: [2000]}, {namespace: Ipc, operator: In, values: [1]}]",
                false,
            ),
            ("matchNamespaceChanges: [{operator: In, values: [Mnt]}]", false),
            ("matchNamespaceChanges: [{operator: NotIn, values: [Mnt]}]", true),
        ],
        &own,
    );
    let mut moved = process();
    moved.namespaces.0[Namespace::Mnt as usize] = 1;
    check(
        &[
            ("matchNamespaceChanges: [{operator: In, values: [Uts, Mnt]}]", true),
            ("matchNamespaceChanges: [{operator: In, values: [Uts]}]", false),
            ("matchNamespaceChanges: [{operator: NotIn, values: [Uts, Mnt]}]", false),
        ],
        &moved,
    );
}

#[test]
fn capabilities() {
    check(
        &[
            (
                "matchCapabilities: [{operator: In, values: [CAP_SYS_ADMIN, CAP_BPF]}]",
                true,
            ),
            ("matchCapabilities: [{operator: In, values: [CAP_BPF]}]", false),
            (
                "matchCapabilities: [{operator: NotIn, values: [CAP_BPF, CAP_KILL]}]",
                true,
            ),
            (
                "matchCapabilities: [{operator: NotIn, values: [CAP_BPF, CAP_CHOWN]}]",
                false,
            ),
            (
                "matchCapabilities: [{type: Permitted, operator: In, values: [CAP_CHOWN]}]",
                false,
            ),
            (
                "matchCapabilities: [{operator: In, values: [CAP_CHOWN], isNamespaceCapability: true}]",
                true,
            ),
            (
                "matchCapabilities: [{operator: In, values: [CAP_CHOWN]}, {operator: NotIn, values: [CAP_SYS_ADMIN]}]",
                false,
            ),
            ("matchCapabilityChanges: [{operator: In, values: [CAP_CHOWN]}]", false),
        ],
        &process(),
    );
    let mut host = process();
    host.namespaces = host.host_namespaces;
    host.recorded_capabilities.effective = 0;
    check(
        &[
            (
                "matchCapabilities: [{operator: In, values: [CAP_CHOWN], isNamespaceCapability: true}]",
                false,
            ),
            ("matchCapabilityChanges: [{operator: In, values: [CAP_CHOWN]}]", true),
            ("matchCapabilityChanges: [{operator: In, values: [CAP_BPF]}]", false),
        ],
        &host,
    );
}

#[test]
fn sockets() {
    let policy = |filter: &str| {
        good(&document(&one_kprobe(&format!(
            "call: tcp_connect\nsyscall: false\nargs: [{{index: 0, type: sock}}]\nselectors: [{{matchArgs: [{{index: 0, {filter}}}]}}]"
        ))))
    };
    let end = |address: &str, port| {
        Some(Address {
            address: address.parse().unwrap(),
            port,
        })
    };
    let tcp = Socket {
        family: 2,
        protocol: 6,
        state: 10,
        source: end("127.0.0.1", Some(22)),
        destination: end("10.1.2.3", Some(443)),
    };
    let mapped = Socket {
        family: 10,
        destination: end("::ffff:10.1.2.3", Some(443)),
        ..tcp.clone()
    };
    let six = Socket {
        family: 10,
        destination: end("fe80::1", Some(443)),
        ..tcp.clone()
    };
    let unix = Socket {
        family: 1,
        source: None,
        destination: None,
        ..tcp.clone()
    };
    let icmp = Socket {
        destination: end("10.1.2.3", None),
        ..tcp.clone()
    };
    for (filter, expected) in [
        (
            "operator: DAddr, values: [10.0.0.0/8]",
            [true, true, false, false, true],
        ),
        (
            "operator: NotDAddr, values: [10.0.0.0/8]",
            [false, false, true, false, false],
        ),
        (
            "operator: NotDAddr, values: [127.0.0.1, \"fe80::/10\"]",
            [true, true, false, false, true],
        ),
        ("operator: SAddr, values: [127.0.0.1]", [true, true, true, false, true]),
        (
            "operator: DPort, values: [\"400:500\"]",
            [true, true, true, false, false],
        ),
        (
            "operator: NotDPort, values: [80, 443]",
            [false, false, false, false, false],
        ),
        ("operator: NotDPort, values: [80]", [true, true, true, false, false]),
        ("operator: SPortPriv", [true, true, true, false, true]),
        ("operator: NotDPortPriv", [false, false, false, false, false]),
        ("operator: Protocol, values: [IPPROTO_TCP, IPPROTO_UDP]", [true; 5]),
        (
            "operator: Family, values: [AF_INET6]",
            [false, true, true, false, false],
        ),
        ("operator: State, values: [TCP_LISTEN]", [true; 5]),
        ("operator: State, values: [TCP_CLOSE]", [false; 5]),
    ] {
        let policy = policy(filter);
        for (socket, expected) in [&tcp, &mapped, &six, &unix, &icmp].into_iter().zip(expected) {
            let value = Value::Socket(socket.clone());
            assert_eq!(
                wins(&policy.hooks[0], &process(), &[value]).is_some(),
                expected,
                "{filter} {socket:?}"
            );
        }
    }
}

#[test]
fn sets_of_capabilities() {
    let policy = |filter: &str| {
        good(&document(&one_kprobe(&format!(
            "call: f\nsyscall: false\nargs: [{{index: 0, type: kernel_cap_t}}, {{index: 1, type: cap_effective}}]\nselectors: [{{matchArgs: [{{{filter}}}]}}]"
        ))))
    };
    let values = |old, new| [Value::CapSet(old), Value::CapSet(new)];
    for (filter, old, new, expected) in [
        ("args: [0, 1], operator: CapabilitiesGained", 1, 3, true),
        ("args: [0, 1], operator: CapabilitiesGained", 3, 1, false),
        ("args: [1, 0], operator: CapabilitiesGained", 3, 1, true),
        (
            "index: 0, operator: Equal, values: [\"CAP_CHOWN,CAP_DAC_OVERRIDE\"]",
            3,
            0,
            true,
        ),
        ("index: 0, operator: Equal, values: [CAP_CHOWN]", 3, 0, false),
        ("index: 0, operator: NotEqual, values: [0, 3]", 3, 0, false),
        ("index: 1, operator: Mask, values: [CAP_CHOWN, CAP_KILL]", 0, 0x20, true),
        (
            "index: 1, operator: Mask, values: [CAP_CHOWN, CAP_KILL]",
            0,
            0x10,
            false,
        ),
    ] {
        assert_eq!(
            wins(&policy(filter).hooks[0], &process(), &values(old, new)).is_some(),
            expected,
            "{filter}"
        );
    }
}

#[test]
fn data() {
    let policy = good(&document(&one_kprobe(
        "call: f\nsyscall: false\nargs: [{index: 0, type: int}]\n\
         data: [{index: 0, type: uint32, source: current_task, resolve: cred.uid.val}]\n\
         selectors: [{matchData: [{index: 0, operator: Equal, values: [1000]}]}]",
    )));
    let uid = |uid| entry(&policy.hooks[0], &process(), &[Value::Int(0)], &[Value::Int(uid)]).is_some();
    assert!(uid(1000));
    assert!(!uid(0));
}

#[test]
fn the_return_is_decided_apart() {
    let policy = policy(
        "{matchReturnArgs: [{index: 0, operator: LT, values: [0]}], matchReturnActions: [{action: Sigkill}]}, \
         {matchReturnArgs: [{index: 0, operator: Equal, values: [7]}]}",
    );
    let verdict = |value| returned(&policy.hooks[0], &Value::Int(value)).map(|verdict| verdict.selector);
    assert_eq!(verdict(-1), Some(0));
    assert_eq!(verdict(7), Some(1));
    assert_eq!(verdict(0), None);
    let verdict = returned(&policy.hooks[0], &Value::Int(-1)).unwrap();
    assert_eq!(verdict.last().unwrap().kind().name(), "Sigkill");
    let verdict = returned(&policy.hooks[0], &Value::Int(7)).unwrap();
    assert_eq!(verdict.last().unwrap().kind().name(), "Post");
}
