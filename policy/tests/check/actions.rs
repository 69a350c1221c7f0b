//! Actions: what they need, which hooks can do them.

use expect_test::expect;

use crate::common::{kprobe, selector, spec};

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
    selector(
        "matchActions: [{action: Signal, argSig: 0}]",
        expect!["spec.kprobes[0].selectors[0].matchActions[0].argSig: no signal has the number 0 (1 to 64)"],
    );
    selector(
        "matchActions: [{action: Signal, argSig: -9}]",
        expect!["spec.kprobes[0].selectors[0].matchActions[0].argSig: `-9` is out of range (0 to 4294967295)"],
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
fn only_one_place_to_continue_at() {
    selector(
        "matchActions: [{action: Post, argNewSymbol: a, argNewOffset: 1}]",
        expect![[r#"
            warning: spec.kprobes[0].selectors[0].matchActions[0].argNewSymbol: Post has no argNewSymbol: it is without effect
            warning: spec.kprobes[0].selectors[0].matchActions[0].argNewOffset: Post has no argNewOffset: it is without effect
            spec.kprobes[0].selectors[0].matchActions[0].argNewOffset: argNewOffset and argNewSymbol exclude each other"#]],
    );
    spec(
        "uprobes: [{path: /a, symbols: [b], selectors: [{matchActions: [{action: Override, argNewAddr: 1, argNewOffset: 1}]}]}]",
        expect![
            "spec.uprobes[0].selectors[0].matchActions[0].argNewOffset: argNewOffset and argNewAddr exclude each other"
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
