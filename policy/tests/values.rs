//! Which operators compare which types, and how values are written.

#![allow(clippy::needless_raw_string_hashes, reason = "written by expect-test")]
#![allow(clippy::needless_pass_by_value, reason = "the form of expect-test")]

mod common;

use std::fmt::Write as _;

use common::{document, good, spec};
use expect_test::{Expect, expect};
use policy::arg_type::{ArgType, Class};
use policy::diagnostic::Severity;
use policy::kernel::NoKernel;
use policy::limits::Limits;
use policy::operator::{Grammar, Operator};
use policy::resolve::load;
use policy::yaml::Budget;

/// A tracepoint, which can have every type, with two arguments of the type and one filter.
fn body(arg_type: &str, filter: &str) -> String {
    format!(
        "tracepoints: [{{subsystem: a, event: b, args: [{{index: 4, type: {arg_type}}}, {{index: 5, type: {arg_type}}}], \
         selectors: [{{matchArgs: [{{{filter}}}]}}]}}]"
    )
}

/// Whether a policy with this filter loads.
fn loads(arg_type: &str, filter: &str) -> bool {
    let text = document(&body(arg_type, filter));
    let (policies, diagnostics) = load(&text, Budget::default(), &Limits::default(), &NoKernel);
    let failed = diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error);
    assert_ne!(failed, !policies.is_empty(), "{text}");
    !failed
}

/// A value that the operator takes for the type.
fn sample(operator: Operator, class: Class) -> &'static str {
    match (operator.row().grammar, class) {
        (Grammar::OfClass, Class::Text { .. } | Class::File | Class::Bytes | Class::SockaddrUn) => "abc",
        (Grammar::OfClass | Grammar::Bits | Grammar::Set, _) => "1",
        (Grammar::Range, _) => "\"1:2\"",
        (Grammar::Network, _) => "10.0.0.0/8",
        (Grammar::Port, _) => "80",
        (Grammar::Protocol, _) => "IPPROTO_TCP",
        (Grammar::Family, _) => "AF_INET",
        (Grammar::State, _) => "TCP_LISTEN",
        (Grammar::FileType, _) => "reg",
        (Grammar::Expression | Grammar::Nothing, _) => "",
    }
}

#[test]
fn every_operator_on_every_type() {
    let mut table = String::new();
    for arg_type in ArgType::ALL {
        let mut operators = Vec::new();
        for operator in Operator::ALL {
            let class = arg_type.class();
            let reference = match operator {
                Operator::CapabilitiesGained => "args: [0, 1]",
                _ => "index: 4",
            };
            let value = sample(*operator, class);
            let known = class != Class::Unknown;
            let loads = loads(
                arg_type.name(),
                &format!("{reference}, operator: {operator}, values: [{value}]"),
            );
            if loads && known {
                operators.push(operator.name());
            }
            // What is not compared is refused; what is compared is taken. Without a type, everything is open.
            let supported = operator.compares(class) && *operator != Operator::CelExpr;
            assert_eq!(loads, supported, "{arg_type} {operator} {value}");
            if loads && known && operator.row().grammar != Grammar::Nothing {
                let wrong = format!("{reference}, operator: {operator}, values: []");
                assert!(!self::loads(arg_type.name(), &wrong), "{arg_type} {wrong}");
            }
        }
        let _ = writeln!(table, "{arg_type}: {}", operators.join(" "));
    }
    expect![[r#"
        auto: 
        int: Equal NotEqual GT LT Mask InRange NotInRange InMap NotInMap
        int8: Equal NotEqual GT LT Mask InRange NotInRange InMap NotInMap
        uint8: Equal NotEqual GT LT Mask InRange NotInRange InMap NotInMap
        int16: Equal NotEqual GT LT Mask InRange NotInRange InMap NotInMap
        uint16: Equal NotEqual GT LT Mask InRange NotInRange InMap NotInMap
        uint32: Equal NotEqual GT LT Mask InRange NotInRange InMap NotInMap
        int64: Equal NotEqual GT LT Mask InRange NotInRange InMap NotInMap
        uint64: Equal NotEqual GT LT Mask InRange NotInRange InMap NotInMap
        size_t: Equal NotEqual GT LT Mask InRange NotInRange InMap NotInMap
        string: Equal NotEqual Prefix NotPrefix Postfix NotPostfix SubString SubStringIgnCase
        char_buf: Equal NotEqual Prefix NotPrefix Postfix NotPostfix
        char_iovec: Equal NotEqual Prefix NotPrefix Postfix NotPostfix
        iov_iter: Equal NotEqual Prefix NotPrefix Postfix NotPostfix
        const_buf: 
        data_loc: Equal NotEqual Prefix NotPrefix Postfix NotPostfix SubString SubStringIgnCase
        fd: Equal NotEqual Prefix NotPrefix Postfix NotPostfix SubString SubStringIgnCase FileType NotFileType
        file: Equal NotEqual Prefix NotPrefix Postfix NotPostfix SubString SubStringIgnCase FileType NotFileType
        filename: Equal NotEqual Prefix NotPrefix Postfix NotPostfix SubString SubStringIgnCase
        path: Equal NotEqual Prefix NotPrefix Postfix NotPostfix SubString SubStringIgnCase FileType NotFileType
        dentry: Equal NotEqual Prefix NotPrefix Postfix NotPostfix SubString SubStringIgnCase
        kiocb: Equal NotEqual Prefix NotPrefix Postfix NotPostfix SubString SubStringIgnCase FileType NotFileType
        linux_binprm: Equal NotEqual Prefix NotPrefix Postfix NotPostfix SubString SubStringIgnCase
        skb: SAddr NotSAddr DAddr NotDAddr SPort NotSPort DPort NotDPort SPortPriv NotSPortPriv DPortPriv NotDPortPriv Protocol Family
        sock: SAddr NotSAddr DAddr NotDAddr SPort NotSPort DPort NotDPort SPortPriv NotSPortPriv DPortPriv NotDPortPriv Protocol Family State
        socket: SAddr NotSAddr DAddr NotDAddr SPort NotSPort DPort NotDPort SPortPriv NotSPortPriv DPortPriv NotDPortPriv Protocol Family State
        sockaddr: SAddr NotSAddr SPort NotSPort SPortPriv NotSPortPriv Family
        sockaddr_un: Equal NotEqual Prefix NotPrefix SubString SubStringIgnCase Family
        net_device: Equal NotEqual Prefix NotPrefix Postfix NotPostfix SubString SubStringIgnCase
        cred: 
        user_namespace: 
        capability: Equal NotEqual
        kernel_cap_t: Equal NotEqual Mask CapabilitiesGained
        cap_inheritable: Equal NotEqual Mask CapabilitiesGained
        cap_permitted: Equal NotEqual Mask CapabilitiesGained
        cap_effective: Equal NotEqual Mask CapabilitiesGained
        bpf_attr: 
        bpf_cmd: Equal NotEqual
        bpf_map: 
        bpf_prog: 
        perf_event: 
        load_info: 
        module: 
        syscall64: Equal NotEqual InMap NotInMap
        nop: 
    "#]].assert_eq(&table);
}

/// What becomes of the values, or what is wrong with them.
fn check(arg_type: &str, operator: &str, values: &str, expected: Expect) {
    let body = body(arg_type, &format!("index: 4, operator: {operator}, values: [{values}]"));
    if loads(arg_type, &format!("index: 4, operator: {operator}, values: [{values}]")) {
        let policy = good(&document(&body));
        expected.assert_eq(&format!("{:?}", policy.hooks[0].selectors[0].args[0].test));
    } else {
        let prefix = "spec.tracepoints[0].selectors[0].matchArgs[0]";
        let (_, diagnostics) = load(&document(&body), Budget::default(), &Limits::default(), &NoKernel);
        let lines: Vec<String> = diagnostics
            .into_iter()
            .map(|mut diagnostic| {
                diagnostic.place.line = 0;
                diagnostic.to_string().replace(prefix, "")
            })
            .collect();
        expected.assert_eq(&lines.join("\n"));
    }
}

#[test]
fn numbers() {
    check(
        "int",
        "Equal",
        "1, -1, 0x10, 010, \"7\"",
        expect![
            "Int { operator: In, values: [IntRange { min: 1, max: 1 }, IntRange { min: -1, max: -1 }, IntRange { min: 16, max: 16 }, IntRange { min: 8, max: 8 }, IntRange { min: 7, max: 7 }] }"
        ],
    );
    check(
        "int",
        "Equal",
        "2147483647, -2147483648",
        expect![
            "Int { operator: In, values: [IntRange { min: 2147483647, max: 2147483647 }, IntRange { min: -2147483648, max: -2147483648 }] }"
        ],
    );
    check(
        "int",
        "Equal",
        "2147483648, -2147483649, 0xffffffff",
        expect![[r#"
        .values[0]: `2147483648` is out of range (a number from -2147483648 to 2147483647)
        .values[1]: `-2147483649` is out of range (a number from -2147483648 to 2147483647)
        .values[2]: `0xffffffff` is out of range (a number from -2147483648 to 2147483647)"#]],
    );
    check(
        "uint32",
        "Equal",
        "4294967295, 4294967296, -1",
        expect![[r#"
        .values[1]: `4294967296` is out of range (a number from 0 to 4294967295)
        .values[2]: `-1` is out of range (a number from 0 to 4294967295)"#]],
    );
    check(
        "int8",
        "NotEqual",
        "-128, 127, 128",
        expect![".values[2]: `128` is out of range (a number from -128 to 127)"],
    );
    check(
        "uint8",
        "GT",
        "255, 256",
        expect![[r#"
            .values[0]: GT 255 never passes (values are from 0 to 255)
            .values[1]: `256` is out of range (a number from 0 to 255)"#]],
    );
    check(
        "int16",
        "LT",
        "-32768, 32768",
        expect![[r#"
            .values[0]: LT -32768 never passes (values are from -32768 to 32767)
            .values[1]: `32768` is out of range (a number from -32768 to 32767)"#]],
    );
    check(
        "uint16",
        "Equal",
        "65535, 65536",
        expect![".values[1]: `65536` is out of range (a number from 0 to 65535)"],
    );
    check(
        "long",
        "Equal",
        "-9223372036854775808, 9223372036854775808",
        expect![
            ".values[1]: `9223372036854775808` is out of range (a number from -9223372036854775808 to 9223372036854775807)"
        ],
    );
    check(
        "ulong",
        "Equal",
        "18446744073709551615, 18446744073709551616",
        expect![".values[1]: `18446744073709551616` is out of range (a number from 0 to 18446744073709551615)"],
    );
    check(
        "size_t",
        "GT",
        "4294967296",
        expect!["Int { operator: Greater, values: [IntRange { min: 4294967296, max: 4294967296 }] }"],
    );
    check(
        "int",
        "Equal",
        "one, \"\", 1.5, 1e3, \" 1\", 1_0",
        expect![[r#"
        .values[0]: `one` is no number (a number from -2147483648 to 2147483647)
        .values[1]: `` is no number (a number from -2147483648 to 2147483647)
        .values[2]: `1.5` is no number (a number from -2147483648 to 2147483647)
        .values[3]: `1e3` is no number (a number from -2147483648 to 2147483647)
        .values[4]: ` 1` is no number (a number from -2147483648 to 2147483647)
        .values[5]: `1_0` is no number (a number from -2147483648 to 2147483647)"#]],
    );
    check(
        "int",
        "Equal",
        "\"1:2\"",
        expect![".values[0]: `1:2` is no number (a number from -2147483648 to 2147483647)"],
    );
    check(
        "int",
        "Equal",
        "{}, []",
        expect![[r#"
        .values[0]: expected text, found a mapping
        .values[1]: expected text, found a list"#]],
    );
}

#[test]
fn bits() {
    check(
        "int",
        "Mask",
        "1, 0x80000000, -1",
        expect!["Mask { values: [1, 2147483648, 4294967295] }"],
    );
    check(
        "int",
        "Mask",
        "0, 0x100000000, -2147483649",
        expect![[r#"
        .values[0]: no bit is set: the filter never passes (32 bits: a number from -2147483648 to 0xffffffff)
        .values[1]: `0x100000000` is out of range (32 bits: a number from -2147483648 to 0xffffffff)
        .values[2]: `-2147483649` is out of range (32 bits: a number from -2147483648 to 0xffffffff)"#]],
    );
    check(
        "uint8",
        "Mask",
        "255, 256, -1",
        expect![[r#"
        .values[1]: `256` is out of range (8 bits: a number from 0 to 0xff)
        .values[2]: `-1` is out of range (8 bits: a number from 0 to 0xff)"#]],
    );
    check(
        "uint64",
        "Mask",
        "0xffffffffffffffff, 0x10000000000000000",
        expect![".values[1]: `0x10000000000000000` is out of range (64 bits: a number from 0 to 0xffffffffffffffff)"],
    );
    check(
        "cap_effective",
        "Mask",
        "CAP_SYS_ADMIN, \"CAP_CHOWN,CAP_KILL\", 0x3",
        expect!["Mask { values: [2097152, 33, 3] }"],
    );
}

#[test]
fn ranges() {
    check(
        "int",
        "InRange",
        "\"1:5\", \"-5:-1\", \"7:7\"",
        expect![
            "Int { operator: In, values: [IntRange { min: 1, max: 5 }, IntRange { min: -5, max: -1 }, IntRange { min: 7, max: 7 }] }"
        ],
    );
    check(
        "int",
        "InRange",
        "\"5:1\", 5, \"a:b\", \"1:\", \"1:2:3\", \"1:99999999999\"",
        expect![[r#"
            .values[0]: nothing lies in `5:1` (min:max, both included)
            .values[1]: `5` is no range (min:max, both included)
            .values[2]: `a` is no number (a number from -2147483648 to 2147483647)
            .values[3]: `` is no number (a number from -2147483648 to 2147483647)
            .values[4]: `2:3` is no number (a number from -2147483648 to 2147483647)
            .values[5]: `99999999999` is out of range (a number from -2147483648 to 2147483647)"#]],
    );
    check(
        "uint64",
        "NotInRange",
        "\"0:18446744073709551615\"",
        expect!["Int { operator: NotIn, values: [IntRange { min: 0, max: 18446744073709551615 }] }"],
    );
    check(
        "int",
        "InMap",
        "1, \"3:5\", \"list:a\"",
        expect![".values[2]: no list has the name `a` (spec.lists has none)"],
    );
    check(
        "int",
        "NotInMap",
        "-1, 9999999999",
        expect![".values[1]: `9999999999` is out of range (a number from -2147483648 to 2147483647)"],
    );
}

#[test]
fn lists() {
    let filter = |arg_type: &str, operator: &str, list: &str, expected| {
        let body = body(
            arg_type,
            &format!("index: 4, operator: {operator}, values: [\"list:a\"]"),
        );
        spec(&format!("lists: [{{name: a, {list}}}]\n{body}"), expected);
    };
    filter(
        "syscall64",
        "InMap",
        "type: syscalls, values: [sys_dup, i386/sys_dup]",
        expect![""],
    );
    filter("uint64", "InMap", "type: syscalls, values: [x64/sys_dup]", expect![""]);
    filter(
        "uint64",
        "InMap",
        "type: syscalls, values: [i386/sys_dup]",
        expect![
            "spec.tracepoints[0].selectors[0].matchArgs[0].values[0]: the list has system calls of a 32-bit ABI, which a number alone does not tell from others (declare the argument as syscall64)"
        ],
    );
    filter(
        "int",
        "InMap",
        "type: syscalls, values: [sys_dup]",
        expect![
            "spec.tracepoints[0].selectors[0].matchArgs[0].values[0]: a list of system calls is compared with the number of one (declare the argument as syscall64)"
        ],
    );
    filter(
        "syscall64",
        "InMap",
        "values: [f]",
        expect![
            "spec.tracepoints[0].selectors[0].matchArgs[0].values[0]: a list of functions has no numbers (a list of type syscalls has)"
        ],
    );
    filter("syscall64", "NotInMap", "type: generated_syscalls", expect![""]);
    filter(
        "syscall64",
        "Equal",
        "type: generated_syscalls",
        expect![
            "spec.tracepoints[0].selectors[0].matchArgs[0].values[0]: `list:a` is no system call (did you mean `sys_listen`?)"
        ],
    );
}

#[test]
fn system_calls() {
    check(
        "syscall64",
        "Equal",
        "32, x64/sys_dup, __ia32_sys_dup, arm64/sys_dup",
        expect![
            "Int { operator: In, values: [IntRange { min: 32, max: 32 }, IntRange { min: 32, max: 32 }, IntRange { min: 2147483689, max: 2147483689 }, IntRange { min: 23, max: 23 }] }"
        ],
    );
    check(
        "syscall64",
        "NotEqual",
        "sys_dpu, -1, 4294967296",
        expect![[r#"
        .values[0]: `sys_dpu` is no system call (did you mean `sys_dup`?)
        .values[1]: `-1` is out of range (a number from 0 to 4294967295)
        .values[2]: `4294967296` is out of range (a number from 0 to 4294967295)"#]],
    );
    check(
        "syscall64",
        "InMap",
        "\"1:3\", i386/sys_dup",
        expect![
            "Int { operator: In, values: [IntRange { min: 1, max: 3 }, IntRange { min: 2147483689, max: 2147483689 }] }"
        ],
    );
}

#[test]
fn texts() {
    check(
        "string",
        "Equal",
        "/etc/passwd, \"security.capability\\0\", \"\", 12, true",
        expect![
            "Bytes { operator: Equal, negated: false, values: [[47, 101, 116, 99, 47, 112, 97, 115, 115, 119, 100], [115, 101, 99, 117, 114, 105, 116, 121, 46, 99, 97, 112, 97, 98, 105, 108, 105, 116, 121], [], [49, 50], [116, 114, 117, 101]] }"
        ],
    );
    check(
        "string",
        "Equal",
        "\"a\\0b\"",
        expect![".values[0]: a zero byte ends a text: it never has one inside (leave it out)"],
    );
    check(
        "string",
        "Prefix",
        "\"\"",
        expect![".values[0]: with an empty text Prefix always passes (leave the filter out)"],
    );
    check(
        "string",
        "NotPostfix",
        "\"\"",
        expect![".values[0]: with an empty text NotPostfix never passes (leave the filter out)"],
    );
    check(
        "file",
        "Equal",
        "\"\"",
        expect![".values[0]: no filter passes an empty path (pipes and sockets have none: use FileType)"],
    );
    check(
        "file",
        "NotEqual",
        "\"\"",
        expect!["Bytes { operator: Equal, negated: true, values: [[]] }"],
    );
    check(
        "char_buf",
        "Equal",
        "\"a\\0\"",
        expect!["Bytes { operator: Equal, negated: false, values: [[97, 0]] }"],
    );
    check(
        "char_buf",
        "Prefix",
        "\"\\0\"",
        expect!["Bytes { operator: Prefix, negated: false, values: [[0]] }"],
    );
    check(
        "string",
        "SubString",
        "a, B",
        expect!["Bytes { operator: Contains, negated: false, values: [[97], [66]] }"],
    );
    check(
        "string",
        "SubStringIgnoreCase",
        "a, B",
        expect!["Bytes { operator: ContainsIgnoringCase, negated: false, values: [[97], [66]] }"],
    );
    check(
        "string",
        "NotPrefix",
        "é",
        expect!["Bytes { operator: Prefix, negated: true, values: [[195, 169]] }"],
    );
    check(
        "sockaddr_un",
        "Equal",
        "\"@abstract\"",
        expect!["Bytes { operator: Equal, negated: false, values: [[64, 97, 98, 115, 116, 114, 97, 99, 116]] }"],
    );
}

#[test]
fn lengths() {
    let of = |length: usize| "a".repeat(length);
    for (arg_type, operator, longest) in [
        ("string", "Equal", 4096),
        ("string", "Prefix", 255),
        ("string", "NotPostfix", 127),
        ("file", "SubString", 99),
        ("net_device", "Equal", 15),
        ("net_device", "Prefix", 15),
        ("sockaddr_un", "Equal", 108),
        ("char_buf", "Postfix", 127),
    ] {
        let filter = |length: usize| format!("index: 4, operator: {operator}, values: [{}]", of(length));
        assert!(loads(arg_type, &filter(longest)), "{arg_type} {operator} {longest}");
        assert!(
            !loads(arg_type, &filter(longest + 1)),
            "{arg_type} {operator} {longest} + 1"
        );
    }
    check(
        "string",
        "Prefix",
        &of(256),
        expect![".values[0]: a text of 256 bytes (at most 255 for Prefix)"],
    );
    check(
        "net_device",
        "Equal",
        &of(16),
        expect![".values[0]: a text of 16 bytes (no value of type net_device has more than 15)"],
    );
    check(
        "string",
        "SubString",
        &vec!["a"; 101].join(", "),
        expect![".values[100]: 101 values (at most 100)"],
    );
}

#[test]
fn networks() {
    check(
        "sock",
        "DAddr",
        "127.0.0.1/8, 10.0.0.0/8, \"::1\", \"fe80::1/10\", 1.2.3.4",
        expect![
            "Address { side: Destination, negated: false, values: [Network { address: 127.0.0.0, length: 8 }, Network { address: 10.0.0.0, length: 8 }, Network { address: ::1, length: 128 }, Network { address: fe80::, length: 10 }, Network { address: 1.2.3.4, length: 32 }] }"
        ],
    );
    check(
        "sock",
        "SAddr",
        "\"::ffff:10.0.0.1\", \"::ffff:10.0.0.0/104\", \"::/0\", 0.0.0.0/0",
        expect![
            "Address { side: Source, negated: false, values: [Network { address: 10.0.0.1, length: 32 }, Network { address: 10.0.0.0, length: 8 }, Network { address: ::, length: 0 }, Network { address: 0.0.0.0, length: 0 }] }"
        ],
    );
    check(
        "skb",
        "NotDAddr",
        "localhost, 10.0.0.0/33, \"::/129\", 10.0.0/8, 10.0.0.0/, 10.0.0.0/+8, \"\"",
        expect![[r#"
            .values[0]: `localhost` is no address or network (such as 10.0.0.0/8, 127.0.0.1, ::1 or fe80::/10)
            .values[1]: `10.0.0.0/33` is no address or network (such as 10.0.0.0/8, 127.0.0.1, ::1 or fe80::/10)
            .values[2]: `::/129` is no address or network (such as 10.0.0.0/8, 127.0.0.1, ::1 or fe80::/10)
            .values[3]: `10.0.0/8` is no address or network (such as 10.0.0.0/8, 127.0.0.1, ::1 or fe80::/10)
            .values[4]: `10.0.0.0/` is no address or network (such as 10.0.0.0/8, 127.0.0.1, ::1 or fe80::/10)
            .values[5]: `10.0.0.0/+8` is no address or network (such as 10.0.0.0/8, 127.0.0.1, ::1 or fe80::/10)
            .values[6]: `` is no address or network (such as 10.0.0.0/8, 127.0.0.1, ::1 or fe80::/10)"#]],
    );
}

#[test]
fn ports() {
    check(
        "sock",
        "DPort",
        "53, \"1024:2048\", \"80:80\"",
        expect!["Port { side: Destination, negated: false, values: [(53, 53), (1024, 2048), (80, 80)] }"],
    );
    check(
        "sock",
        "NotSPort",
        "65536, -1, http, \"2:1\", \"1:x\"",
        expect![[r#"
        .values[0]: `65536` is no port (a port from 0 to 65535, or first:last)
        .values[1]: `-1` is no port (a port from 0 to 65535, or first:last)
        .values[2]: `http` is no port (a port from 0 to 65535, or first:last)
        .values[3]: nothing lies in `2:1` (a port from 0 to 65535, or first:last)
        .values[4]: `x` is no port (a port from 0 to 65535, or first:last)"#]],
    );
    check(
        "sock",
        "SPortPriv",
        "",
        expect!["Port { side: Source, negated: false, values: [(0, 1023)] }"],
    );
    check(
        "sock",
        "NotSportPriv",
        "",
        expect!["Port { side: Source, negated: true, values: [(0, 1023)] }"],
    );
    check(
        "sock",
        "DPortPriv",
        "80",
        expect![".values[0]: DPortPriv takes no values"],
    );
}

#[test]
fn named_numbers() {
    check(
        "sock",
        "Protocol",
        "IPPROTO_TCP, 17, ipproto_icmp, 262",
        expect!["Protocol { values: [6, 17, 1, 262] }"],
    );
    check(
        "sock",
        "Protocol",
        "TCP, 65536",
        expect![[r#"
            .values[0]: `TCP` is no protocol (did you mean `IPPROTO_TCP`?)
            .values[1]: `65536` is no protocol (0 to 65535)"#]],
    );
    check("sock", "Family", "AF_INET, 10", expect!["Family { values: [2, 10] }"]);
    check(
        "sock",
        "Family",
        "INET, 46",
        expect![[r#"
            .values[0]: `INET` is no address family (did you mean `AF_INET`?)
            .values[1]: `46` is no address family (0 to 45)"#]],
    );
    check("sock", "State", "TCP_SYN_RECV, 1", expect!["State { values: [3, 1] }"]);
    check(
        "sock",
        "State",
        "SYN_RECV, 14",
        expect![[r#"
            .values[0]: `SYN_RECV` is no state of a TCP socket (did you mean `TCP_SYN_RECV`?)
            .values[1]: `14` is no state of a TCP socket (0 to 13)"#]],
    );
    check(
        "file",
        "FileType",
        "reg, directory, pipe, blk",
        expect!["FileType { negated: false, values: [Regular, Directory, Pipe, Block] }"],
    );
    check(
        "file",
        "NotFileType",
        "folder, 1",
        expect![[r#"
        .values[0]: `folder` is no type of file (allowed: regular, dir, link, socket, block, char, pipe)
        .values[1]: `1` is no type of file (allowed: regular, dir, link, socket, block, char, pipe)"#]],
    );
    check(
        "bpf_cmd",
        "Equal",
        "BPF_PROG_LOAD, 5",
        expect!["Int { operator: In, values: [IntRange { min: 5, max: 5 }, IntRange { min: 5, max: 5 }] }"],
    );
    check(
        "bpf_cmd",
        "Equal",
        "PROG_LOAD",
        expect![".values[0]: `PROG_LOAD` is no command of bpf(2) (did you mean `BPF_PROG_LOAD`?)"],
    );
    check(
        "capability",
        "Equal",
        "CAP_SYS_ADMIN, 12",
        expect!["Int { operator: In, values: [IntRange { min: 21, max: 21 }, IntRange { min: 12, max: 12 }] }"],
    );
    check(
        "kernel_cap_t",
        "Equal",
        "0, \"CAP_CHOWN, CAP_KILL\", 0x1ffffffffff",
        expect!["CapSet { negated: false, values: [0, 33, 2199023255551] }"],
    );
    check(
        "kernel_cap_t",
        "NotEqual",
        "\"CAP_CHOWN,CAP_X\", -1",
        expect![[r#"
        .values[0]: `CAP_X` is no capability (allowed: CAP_CHOWN, CAP_DAC_OVERRIDE, DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_LINUX_IMMUTABLE, CAP_NET_BIND_SERVICE, CAP_NET_BROADCAST, CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK, CAP_IPC_OWNER, CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_CHROOT, CAP_SYS_PTRACE, CAP_SYS_PACCT, CAP_SYS_ADMIN, CAP_SYS_BOOT, CAP_SYS_NICE, CAP_SYS_RESOURCE, CAP_SYS_TIME, CAP_SYS_TTY_CONFIG, CAP_MKNOD, CAP_LEASE, CAP_AUDIT_WRITE, CAP_AUDIT_CONTROL, CAP_SETFCAP, CAP_MAC_OVERRIDE, CAP_MAC_ADMIN, CAP_SYSLOG, CAP_WAKE_ALARM, CAP_BLOCK_SUSPEND, CAP_AUDIT_READ, CAP_PERFMON, CAP_BPF, CAP_CHECKPOINT_RESTORE)
        .values[1]: `-1` is out of range (a number of 64 bits, or names separated by commas)"#]],
    );
}

#[test]
fn without_a_type() {
    check(
        "auto",
        "Equal",
        "anything",
        expect![[r#"Unknown { values: ["anything"] }"#]],
    );
    check(
        "auto",
        "CelExpr",
        "a",
        expect![".operator: CelExpr is not supported (use several filters or selectors)"],
    );
    check(
        "module",
        "Equal",
        "a",
        expect![".operator: values of type module cannot be compared"],
    );
    check(
        "cred",
        "Equal",
        "a",
        expect![
            ".operator: values of type cred cannot be compared (use `resolve`, such as `resolve: uid.val` with type uint32)"
        ],
    );
}
