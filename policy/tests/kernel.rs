//! What a kernel adds: functions that are there or not, parameters, fields and their types.

#![allow(clippy::needless_raw_string_hashes, reason = "written by expect-test")]
#![allow(clippy::needless_pass_by_value, reason = "the form of expect-test")]

mod common;

use common::{document, one_kprobe};
use expect_test::{Expect, expect};
use policy::arg_type::ArgType;
use policy::kernel::{Answer, Field, Kernel, Prototype, Root};
use policy::limits::Limits;
use policy::model::{Policy, ResolvePath, Test};
use policy::resolve::load;
use policy::suggest;
use policy::yaml::Budget;

/// A kernel with a few things.
struct Small;

const FUNCTIONS: [(&str, Option<u32>); 4] = [
    ("fd_install", Some(2)),
    ("vfs_read", Some(4)),
    ("no_types", None),
    ("__x64_sys_read", Some(1)),
];

fn missing<T>(what: &str, name: &str, names: &[&str]) -> Answer<T> {
    Answer::Missing {
        reason: format!("the kernel has no {what} `{name}`"),
        help: suggest::nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?")),
    }
}

impl Kernel for Small {
    fn function(&self, name: &str) -> Answer<Prototype> {
        match FUNCTIONS.iter().find(|(function, _)| *function == name) {
            Some((_, parameters)) => Answer::Known(Prototype {
                parameters: *parameters,
            }),
            None => missing("function", name, &FUNCTIONS.map(|(name, _)| name)),
        }
    }

    fn lsm_hook(&self, name: &str) -> Answer<Prototype> {
        match name {
            "file_open" => Answer::Known(Prototype { parameters: Some(1) }),
            _ => missing("LSM hook", name, &["file_open"]),
        }
    }

    fn tracepoint(&self, subsystem: &str, event: &str) -> Answer<Vec<Field>> {
        let field = |name: &str, arg_type| Field {
            name: name.into(),
            arg_type,
        };
        match (subsystem, event) {
            ("sched", "switch") => Answer::Known(vec![
                field("common_type", Some(ArgType::Uint16)),
                field("pid", Some(ArgType::Int)),
                field("comm", Some(ArgType::String)),
                field("strange", None),
            ]),
            _ => missing("tracepoint", &format!("{subsystem}/{event}"), &["sched/switch"]),
        }
    }

    fn raw_tracepoint(&self, _: &str, event: &str) -> Answer<Prototype> {
        match event {
            "switch" => Answer::Known(Prototype { parameters: Some(3) }),
            _ => missing("tracepoint", event, &["switch"]),
        }
    }

    fn resolve(&self, root: &Root<'_>, path: &ResolvePath) -> Answer<Option<ArgType>> {
        match (root, path.to_string().as_str()) {
            (Root::Function("fd_install", 1), "f_flags") => Answer::Known(Some(ArgType::Uint32)),
            (Root::LsmHook("file_open", 0) | Root::CurrentTask, "comm") => Answer::Known(Some(ArgType::String)),
            (Root::Return("fd_install"), "a") => Answer::Known(None),
            (_, path) => missing("member", path, &["f_flags", "comm"]),
        }
    }
}

fn load_small(body: &str) -> (Vec<Policy>, Vec<String>) {
    let (policies, diagnostics) = load(&document(body), Budget::default(), &Limits::default(), &Small);
    let lines = diagnostics.into_iter().map(|mut diagnostic| {
        diagnostic.place.line = 0;
        diagnostic.to_string()
    });
    (policies, lines.collect())
}

fn spec(body: &str, expected: Expect) {
    let (policies, lines) = load_small(body);
    assert_eq!(policies.is_empty(), !lines.is_empty());
    expected.assert_eq(&lines.join("\n"));
}

fn kprobe(body: &str, expected: Expect) {
    spec(&one_kprobe(body), expected);
}

#[test]
fn functions() {
    kprobe("call: fd_install\nsyscall: false", expect![""]);
    kprobe(
        "call: fd_instal\nsyscall: false",
        expect!["spec.kprobes[0].call: the kernel has no function `fd_instal` (did you mean `fd_install`?)"],
    );
    spec(
        "kprobes: [{call: fd_instal, syscall: false, ignore: {callNotFound: true}}]",
        expect![""],
    );
    kprobe(
        "call: fd_install\nsyscall: false\nargs: [{index: 2, type: nop}]",
        expect![""],
    );
    kprobe("call: sys_read", expect![""]);
    kprobe(
        "call: sys_write",
        expect!["spec.kprobes[0].call: the kernel has no system call sys_write"],
    );
    kprobe(
        "call: fd_install\nsyscall: false\nargs: [{index: 2, type: int}]",
        expect!["spec.kprobes[0].args[0].index: `fd_install` has no parameter 2 (0 to 1)"],
    );
    kprobe(
        "call: no_types\nsyscall: false\nargs: [{index: 2, type: int}]",
        expect![""],
    );
    kprobe("call: sys_read\nargs: [{index: 2, type: int}]", expect![""]);
    spec(
        "lists: [{name: l, values: [vfs_read, fd_install, vfs_raed]}]\nkprobes: [{call: \"list:l\", syscall: false, args: [{index: 3, type: int}]}]",
        expect![[r#"
            spec.kprobes[0].call: the kernel has no function `vfs_raed` (did you mean `vfs_read`?)
            spec.kprobes[0].args[0].index: not every function of the list has a parameter 3 (0 to 1)"#]],
    );
}

#[test]
fn ways() {
    let arg = |arg: &str, expected| {
        kprobe(&format!("call: fd_install\nsyscall: false\nargs: [{arg}]"), expected);
    };
    arg("{index: 1, type: int, resolve: f_flags}", expect![""]);
    arg(
        "{index: 1, type: int, resolve: f_flag}",
        expect!["spec.kprobes[0].args[0].resolve: the kernel has no member `f_flag` (did you mean `f_flags`?)"],
    );
    arg("{index: 1, resolve: f_flags}", expect![""]);
}

#[test]
fn the_end_of_a_way_has_the_type_that_the_kernel_says() {
    let (policies, lines) = load_small(&one_kprobe(
        "call: fd_install\nsyscall: false\nargs: [{index: 1, type: string, resolve: f_flags}]\n\
         selectors: [{matchArgs: [{index: 1, operator: GT, values: [5]}]}]",
    ));
    assert_eq!(lines, [""; 0]);
    assert_eq!(policies[0].hooks[0].args[0].arg_type, ArgType::Uint32);
    assert!(matches!(
        policies[0].hooks[0].selectors[0].args[0].test,
        Test::Int { .. }
    ));
}

#[test]
fn tracepoints() {
    let tracepoint = |rest: &str, expected| {
        spec(
            &format!("tracepoints: [{{subsystem: sched, event: switch, {rest}}}]"),
            expected,
        );
    };
    spec(
        "tracepoints: [{subsystem: sched, event: swich}]",
        expect!["spec.tracepoints[0].event: the kernel has no tracepoint `sched/swich` (did you mean `sched/switch`?)"],
    );
    spec(
        "tracepoints: [{subsystem: sched, event: swich, raw: true}]",
        expect!["spec.tracepoints[0].event: the kernel has no tracepoint `swich` (did you mean `switch`?)"],
    );
    tracepoint(
        "args: [{index: 4}]",
        expect![
            "spec.tracepoints[0].args[0].index: the tracepoint has no field 4 (0 common_type, 1 pid, 2 comm, 3 strange)"
        ],
    );
    tracepoint(
        "args: [{index: 3}]",
        expect!["spec.tracepoints[0].args[0]: the type of field `strange` has to be said"],
    );
    tracepoint("args: [{index: 3, type: int}]", expect![""]);
    tracepoint(
        "raw: true, args: [{index: 3, type: int}]",
        expect!["spec.tracepoints[0].args[0].index: `switch` has no parameter 3 (0 to 2)"],
    );
    let filter = "args: [{index: 2}, {index: 1}], selectors: [{matchArgs: [{index: 2, operator: Prefix, values: [a]}, ";
    tracepoint(
        &format!("{filter}{{index: 1, operator: LT, values: [5]}}]}}]"),
        expect![""],
    );
    tracepoint(
        &format!("{filter}{{index: 1, operator: Prefix, values: [a]}}]}}]"),
        expect![
            "spec.tracepoints[0].selectors[0].matchArgs[1].operator: Prefix cannot compare values of type int (allowed: Equal, NotEqual, GT, LT, Mask, InRange, NotInRange, InMap, NotInMap)"
        ],
    );
}

#[test]
fn lsm_hooks() {
    spec(
        "lsmhooks: [{hook: file_open, args: [{index: 0, type: string, resolve: comm}]}]",
        expect![""],
    );
    spec(
        "lsmhooks: [{hook: file_opne}]",
        expect!["spec.lsmhooks[0].hook: the kernel has no LSM hook `file_opne` (did you mean `file_open`?)"],
    );
    spec(
        "lsmhooks: [{hook: file_open, args: [{index: 1, type: int}]}]",
        expect!["spec.lsmhooks[0].args[0].index: `file_open` has no parameter 1 (0 to 0)"],
    );
}

#[test]
fn enforcers() {
    let calls = |calls: &str, expected| {
        let selectors = "[{matchActions: [{action: NotifyEnforcer, argSig: 9}]}]";
        let tell = format!("kprobes: [{{call: fd_install, syscall: false, selectors: {selectors}}}]");
        spec(&format!("enforcers: [{{calls: {calls}}}]\n{tell}"), expected);
    };
    calls("[sys_read]", expect![""]);
    calls(
        "[sys_read, i386/sys_read]",
        expect!["spec.enforcers[0].calls[1]: the kernel has no system call i386/sys_read"],
    );
    calls(
        "[security_file_opn]",
        expect!["spec.enforcers[0].calls[0]: the kernel has no function `security_file_opn`"],
    );
}
