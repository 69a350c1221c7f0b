//! One table: filters, an event, and whether it passes.

use super::*;
use crate::json::{Unknown, parse_all, parse_event};

fn filters(text: &str) -> Vec<Filter> {
    parse_all(text, Unknown::Reject).unwrap()
}

const EXEC: &str = r#"{"process_exec":{
    "process":{"exec_id":"c2VsZg==","pid":42,"binary":"/usr/bin/curl","arguments":"-s https://example.org","docker":"c0ffee00",
        "in_init_tree":true,
        "cap":{"permitted":["CAP_SYS_ADMIN","CAP_NET_RAW"],"effective":["CAP_NET_RAW"]},
        "pod":{"namespace":"shop","name":"cart-1","container":{"name":"main","maybe_exec_probe":true},
            "pod_labels":{"app":"cart"}}},
    "parent":{"pid":41,"binary":"/bin/sh","arguments":"-c curl"},
    "ancestors":[{"pid":7,"binary":"/usr/sbin/sshd"}]}}"#;
const HOST_EXIT: &str = r#"{"process_exit":{"process":{"pid":43,"binary":"/bin/true"},"parent":{"pid":1}}}"#;
const KPROBE: &str = r#"{"process_kprobe":{"process":{"pid":43},"policy_name":"watch"}}"#;
const USDT: &str = r#"{"process_usdt":{"process":{"pid":43},"policy_name":"watch"}}"#;
const THROTTLE: &str = r#"{"process_throttle":{"type":"THROTTLE_START"}}"#;

#[test]
fn conditions() {
    let cases = [
        ("{}", EXEC, true),
        ("{}", THROTTLE, true),
        (r#"{"event_set":["PROCESS_EXEC","PROCESS_KPROBE"]}"#, EXEC, true),
        (r#"{"event_set":["PROCESS_EXIT"]}"#, EXEC, false),
        (r#"{"event_set":["PROCESS_THROTTLE"]}"#, THROTTLE, true),
        (r#"{"binary_regex":["wget","curl$"]}"#, EXEC, true),
        (r#"{"binary_regex":["^curl"]}"#, EXEC, false),
        (r#"{"binary_regex":[""]}"#, THROTTLE, false),
        (r#"{"parent_binary_regex":["/sh$"]}"#, EXEC, true),
        (r#"{"parent_binary_regex":["curl"]}"#, EXEC, false),
        (r#"{"parent_binary_regex":[""]}"#, KPROBE, false),
        (r#"{"ancestor_binary_regex":["sshd"]}"#, EXEC, true),
        (r#"{"ancestor_binary_regex":["/sh$"]}"#, EXEC, false),
        (r#"{"arguments_regex":["https?://"]}"#, EXEC, true),
        (r#"{"arguments_regex":["ftp"]}"#, EXEC, false),
        (r#"{"parent_arguments_regex":["^-c"]}"#, EXEC, true),
        (r#"{"parent_arguments_regex":["https"]}"#, EXEC, false),
        (r#"{"namespace":["other","shop"]}"#, EXEC, true),
        (r#"{"namespace":["sho"]}"#, EXEC, false),
        (r#"{"namespace":[""]}"#, EXEC, false),
        (r#"{"namespace":[""]}"#, HOST_EXIT, true),
        (r#"{"namespace":[""]}"#, THROTTLE, false),
        (r#"{"namespace_regex":["^sho"]}"#, EXEC, true),
        (r#"{"namespace_regex":[""]}"#, HOST_EXIT, false),
        (r#"{"pod_regex":["^cart-"]}"#, EXEC, true),
        (r#"{"pod_regex":["main"]}"#, EXEC, false),
        (r#"{"container_name_regex":["main"]}"#, EXEC, true),
        (r#"{"container_name_regex":["cart"]}"#, EXEC, false),
        (r#"{"container_id":["^c0ff"]}"#, EXEC, true),
        (r#"{"container_id":["beef"]}"#, EXEC, false),
        (r#"{"labels":["app in (db)","app=cart"]}"#, EXEC, true),
        (r#"{"labels":["app=db"]}"#, EXEC, false),
        (r#"{"labels":["!app"]}"#, HOST_EXIT, false),
        (r#"{"pid":[1,42]}"#, EXEC, true),
        (r#"{"pid":[41]}"#, EXEC, false),
        (r#"{"health_check":true}"#, EXEC, true),
        (r#"{"health_check":false}"#, EXEC, false),
        (r#"{"health_check":false}"#, HOST_EXIT, true),
        (r#"{"in_init_tree":true}"#, EXEC, true),
        (r#"{"in_init_tree":false}"#, HOST_EXIT, true),
        (r#"{"in_init_tree":false}"#, THROTTLE, false),
        (r#"{"policy_names":["watch"]}"#, KPROBE, true),
        (r#"{"policy_names":["watch"]}"#, USDT, true),
        (r#"{"policy_names":["wat"]}"#, KPROBE, false),
        (r#"{"policy_names":["watch",""]}"#, EXEC, false),
        (
            r#"{"capabilities":{"permitted":{"any":["CAP_BPF","CAP_NET_RAW"]}}}"#,
            EXEC,
            true,
        ),
        (
            r#"{"capabilities":{"permitted":{"all":["CAP_BPF","CAP_NET_RAW"]}}}"#,
            EXEC,
            false,
        ),
        (
            r#"{"capabilities":{"effective":{"exactly":["CAP_NET_RAW"]}}}"#,
            EXEC,
            true,
        ),
        (
            r#"{"capabilities":{"permitted":{"exactly":["CAP_NET_RAW"]}}}"#,
            EXEC,
            false,
        ),
        (
            r#"{"capabilities":{"inheritable":{"none":["CAP_NET_RAW"]}}}"#,
            EXEC,
            true,
        ),
        (
            r#"{"capabilities":{"inheritable":{"none":["CAP_NET_RAW"]},"effective":{"any":["CAP_BPF"]}}}"#,
            EXEC,
            false,
        ),
        (
            r#"{"capabilities":{"inheritable":{"none":["CAP_NET_RAW"]}}}"#,
            HOST_EXIT,
            false,
        ),
        // Fields of one filter are joined by and, filters by or.
        (r#"{"pid":[42],"event_set":["PROCESS_EXIT"]}"#, EXEC, false),
        (r#"{"pid":[42],"event_set":["PROCESS_EXEC"]}"#, EXEC, true),
        (r#"{"pid":[1]} {"binary_regex":["curl"]}"#, EXEC, true),
    ];
    for (filter, event, expected) in cases {
        let event = parse_event(event).unwrap();
        let allow = Filters::compile(&filters(filter), &[]).unwrap();
        assert_eq!(allow.matches(&event), expected, "{filter} allows {event:?}");
        let deny = Filters::compile(&[], &filters(filter)).unwrap();
        assert_eq!(deny.matches(&event), !expected, "{filter} denies {event:?}");
    }
}

#[test]
fn allowed_and_not_denied() {
    let event = parse_event(EXEC).unwrap();
    let both = |allow, deny| {
        Filters::compile(&filters(allow), &filters(deny))
            .unwrap()
            .matches(&event)
    };
    assert!(both("", ""));
    assert!(both(r#"{"pid":[42]}"#, r#"{"pid":[1]}"#));
    assert!(!both(r#"{"pid":[42]}"#, r#"{"binary_regex":["curl"]}"#));
    assert!(Filters::compile(&[], &[]).unwrap().is_empty());
}

#[test]
fn pid_set_follows_descendants() {
    let exec = |pid: u32, id: &str, parent_pid: u32, parent_id: &str| {
        parse_event(&format!(
            r#"{{"process_exec":{{"process":{{"exec_id":"{id}","pid":{pid},"parent_exec_id":"{parent_id}"}},
                "parent":{{"exec_id":"{parent_id}","pid":{parent_pid}}}}}}}"#
        ))
        .unwrap()
    };
    // Learns also from events that the other fields keep out.
    let filters = Filters::compile(
        &filters(r#"{"pid_set":[10],"event_set":["PROCESS_EXIT"]}{"pid_set":[10],"binary_regex":["^$"]}"#),
        &[],
    )
    .unwrap();
    for (event, expected) in [
        (exec(9, "i", 1, "h"), false),
        (exec(11, "b", 10, "a"), true),
        (exec(12, "c", 11, "b"), true),
        (exec(10, "a", 1, "h"), true),
        // The same process id, later used by another process.
        (exec(12, "d", 1, "h"), false),
        (exec(13, "e", 12, "d"), false),
        (exec(14, "f", 12, "c"), true),
    ] {
        assert_eq!(filters.matches(&event), expected, "{event:?}");
    }
    let exit = parse_event(r#"{"process_exit":{"process":{"exec_id":"f","pid":14}}}"#).unwrap();
    assert!(filters.matches(&exit));
}

#[test]
fn refused() {
    let error = |text: &str| Filters::compile(&filters(text), &[]).unwrap_err().to_string();
    for (filter, expected) in [
        (
            r#"{"binary_regex":["ok","(x"]}"#,
            r#"filter: binary_regex: pattern "(x": unclosed group"#,
        ),
        (
            r#"{"cel_expression":["true"]}"#,
            "filter: cel_expression is not supported yet, use the other fields",
        ),
        (
            r#"{"labels":["a b"]}"#,
            r#"filter: labels: selector "a b": a key is made of letters, digits and - _ . /"#,
        ),
        (
            r#"{"capabilities":{"effective":{}}}"#,
            "filter: capabilities: effective: give exactly one of any, all, exactly, none",
        ),
        (
            r#"{"capabilities":{"effective":{"any":[1],"none":[2]}}}"#,
            "filter: capabilities: effective: give exactly one of any, all, exactly, none",
        ),
        (
            r#"{"capabilities":{}}"#,
            "filter: capabilities: give at least one of permitted, effective, inheritable",
        ),
    ] {
        assert_eq!(error(filter), expected);
    }
    let big = error(r#"{"binary_regex":["\\w{500}\\w{500}"]}"#);
    assert!(
        big.starts_with("filter: binary_regex: pattern") && !big.contains('\n'),
        "{big}"
    );
    let nested = error(&format!(r#"{{"binary_regex":["{}"]}}"#, "(".repeat(10_000)));
    assert!(!nested.contains('\n'), "{nested}");
    assert_eq!(
        error(&r#"{"binary_regex":["x"]}"#.repeat(PATTERN_LISTS + 1)),
        "filter: more than 64 lists of patterns, put patterns of one kind into one list"
    );
}

#[test]
fn what_is_not_captured_is_refused() {
    let captured = Captured {
        process_cred: false,
        ancestors: vec![EventType::ProcessExec],
    };
    let compile = |text: &str| Filters::compile_for(&filters(text), &[], &captured).map(|_| ());
    let capabilities = r#"{"capabilities":{"effective":{"any":["CAP_BPF"]}}}"#;
    assert_eq!(compile(capabilities), Err(FilterError::NoCredentials));
    assert_eq!(
        compile(r#"{"ancestor_binary_regex":["x"],"event_set":["PROCESS_EXEC"]}"#),
        Ok(())
    );
    assert_eq!(
        compile(r#"{"ancestor_binary_regex":["x"]}"#),
        Err(FilterError::NoAncestors("PROCESS_EXIT"))
    );
}
