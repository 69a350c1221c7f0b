//! Golden lines, one for each rule of the JSON form, and what the parser takes and refuses.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::v1::get_events_response::Event;
use crate::v1::kprobe_argument::Arg;
use crate::v1::*;

/// Checks the text of `message`, and that it reads back as the same message.
fn check<M: Json + PartialEq + std::fmt::Debug>(message: &M, expected: &Expect) {
    let mut out = Vec::new();
    write(message, &mut out);
    let text = String::from_utf8(out).unwrap();
    expected.assert_eq(&text);
    assert_eq!(&parse::<M>(&text, Unknown::Reject).unwrap(), message);
}

fn time(seconds: i64, nanos: i32) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos }
}

fn arg(arg: Arg) -> KprobeArgument {
    KprobeArgument {
        label: String::new(),
        arg: Some(arg),
    }
}

fn short(pid: u32, binary: &str) -> Process {
    Process {
        pid: Some(pid),
        binary: binary.into(),
        ..Process::default()
    }
}

fn event(event: Event) -> GetEventsResponse {
    GetEventsResponse {
        event: Some(event),
        node_name: "host-7".into(),
        time: Some(time(1_900_000_000, 250_000_000)),
        ..GetEventsResponse::default()
    }
}

fn exec() -> GetEventsResponse {
    event(Event::ProcessExec(ProcessExec {
        process: Some(Process {
            exec_id: crate::exec_id::encode("host-7", 5_000_000_001, 321),
            pid: Some(321),
            uid: Some(0),
            cwd: "/var/tmp".into(),
            binary: "/usr/bin/grep".into(),
            arguments: "-e \"two words\" <in> & out".into(),
            flags: crate::flags::words(0x4001),
            start_time: Some(time(1_900_000_000, 1_000)),
            auid: Some(u32::MAX),
            docker: "0123456789abcdef0123456789abcde".into(),
            parent_exec_id: crate::exec_id::encode("host-7", 4_000_000_000, 300),
            refcnt: 1,
            tid: Some(321),
            in_init_tree: Some(false),
            ..Process::default()
        }),
        parent: Some(short(300, "/bin/sh")),
        ancestors: vec![Process {
            pid: Some(1),
            ..Process::default()
        }],
    }))
}

#[test]
fn exec_event() {
    check(
        &exec(),
        &expect![[
            r#"{"process_exec":{"process":{"exec_id":"aG9zdC03OjUwMDAwMDAwMDE6MzIx","pid":321,"uid":0,"cwd":"/var/tmp","binary":"/usr/bin/grep","arguments":"-e \"two words\" <in> & out","flags":"execve clone","start_time":"2030-03-17T17:46:40.000001Z","auid":4294967295,"docker":"0123456789abcdef0123456789abcde","parent_exec_id":"aG9zdC03OjQwMDAwMDAwMDA6MzAw","refcnt":1,"tid":321,"in_init_tree":false},"parent":{"pid":300,"binary":"/bin/sh"},"ancestors":[{"pid":1}]},"node_name":"host-7","time":"2030-03-17T17:46:40.250Z"}"#
        ]],
    );
}

#[test]
fn exit_event() {
    let exit = ProcessExit {
        process: Some(short(0, "/bin/true")),
        signal: "SIGTERM".into(),
        time: Some(time(1_900_000_000, 250_000_000)),
        ..ProcessExit::default()
    };
    check(
        &event(Event::ProcessExit(exit)),
        &expect![[
            r#"{"process_exit":{"process":{"pid":0,"binary":"/bin/true"},"signal":"SIGTERM","time":"2030-03-17T17:46:40.250Z"},"node_name":"host-7","time":"2030-03-17T17:46:40.250Z"}"#
        ]],
    );
}

#[test]
fn every_part_of_a_process() {
    let ns = |inum| {
        Some(Namespace {
            inum,
            is_host: inum == 1,
        })
    };
    let process = Process {
        pod: Some(Box::new(Pod {
            namespace: "shop".into(),
            container: Some(Container {
                id: "containerd://c0ffee".into(),
                pid: Some(12),
                security_context: Some(SecurityContext { privileged: false }),
                ..Container::default()
            }),
            pod_labels: BTreeMap::from([("tier".into(), "web".into()), ("app".into(), "cart".into())]),
            ..Pod::default()
        })),
        cap: Some(Box::new(Capabilities {
            permitted: vec![
                CapabilitiesType::CapChown as i32,
                CapabilitiesType::DacOverride as i32,
                63,
            ],
            ..Capabilities::default()
        })),
        ns: Some(Box::new(Namespaces {
            uts: ns(1),
            user: ns(4_026_531_837),
            ..Namespaces::default()
        })),
        process_credentials: Some(Box::new(ProcessCredentials {
            uid: Some(0),
            securebits: vec![SecureBitsType::SecBitNoRoot as i32],
            user_ns: Some(UserNamespace {
                level: Some(-1),
                ..UserNamespace::default()
            }),
            ..ProcessCredentials::default()
        })),
        binary_properties: Some(Box::new(BinaryProperties {
            setuid: Some(0),
            privileges_changed: vec![2],
            file: Some(FileProperties {
                inode: Some(InodeProperties {
                    number: u64::MAX,
                    links: Some(0),
                }),
                path: String::new(),
            }),
            ..BinaryProperties::default()
        })),
        user: Some(UserRecord { name: "root".into() }),
        environment_variables: vec![EnvVar {
            key: "A".into(),
            value: String::new(),
        }],
        ..Process::default()
    };
    check(
        &process,
        &expect![[
            r#"{"pod":{"namespace":"shop","container":{"id":"containerd://c0ffee","pid":12,"security_context":{}},"pod_labels":{"app":"cart","tier":"web"}},"cap":{"permitted":["CAP_CHOWN","DAC_OVERRIDE",63]},"ns":{"uts":{"inum":1,"is_host":true},"user":{"inum":4026531837}},"process_credentials":{"uid":0,"securebits":["SecBitNoRoot"],"user_ns":{"level":-1}},"binary_properties":{"setuid":0,"privileges_changed":["PRIVILEGES_RAISED_EXEC_FILE_SETUID"],"file":{"inode":{"number":"18446744073709551615","links":0}}},"user":{"name":"root"},"environment_variables":[{"Key":"A"}]}"#
        ]],
    );
}

#[test]
fn kprobe_event() {
    let kprobe = ProcessKprobe {
        process: Some(short(77, "/usr/bin/nc")),
        function_name: "tcp_connect".into(),
        args: vec![
            KprobeArgument {
                label: "peer".into(),
                arg: Some(Arg::SockArg(KprobeSock {
                    r#type: "SOCK_STREAM".into(),
                    daddr: "192.0.2.4".into(),
                    dport: 443,
                    cookie: 1 << 63,
                    ..KprobeSock::default()
                })),
            },
            arg(Arg::BytesArg(vec![0xfb, 0xff, 0])),
            arg(Arg::BpfAttrArg(KprobeBpfAttr {
                prog_type: "BPF_PROG_TYPE_LSM".into(),
                insn_cnt: 2,
                ..Default::default()
            })),
        ],
        r#return: Some(Box::new(arg(Arg::IntArg(-5)))),
        action: KprobeAction::Post as i32,
        kernel_stack_trace: vec![StackTraceEntry {
            offset: 1,
            symbol: "tcp_connect".into(),
            ..Default::default()
        }],
        return_action: 99,
        tags: vec!["net".into(), String::new()],
        ..ProcessKprobe::default()
    };
    check(
        &event(Event::ProcessKprobe(kprobe)),
        &expect![[
            r#"{"process_kprobe":{"process":{"pid":77,"binary":"/usr/bin/nc"},"function_name":"tcp_connect","args":[{"sock_arg":{"type":"SOCK_STREAM","daddr":"192.0.2.4","dport":443,"cookie":"9223372036854775808"},"label":"peer"},{"bytes_arg":"+/8A"},{"bpf_attr_arg":{"ProgType":"BPF_PROG_TYPE_LSM","InsnCnt":2}}],"return":{"int_arg":-5},"action":"KPROBE_ACTION_POST","kernel_stack_trace":[{"offset":"1","symbol":"tcp_connect"}],"return_action":99,"tags":["net",""]},"node_name":"host-7","time":"2030-03-17T17:46:40.250Z"}"#
        ]],
    );
}

#[test]
fn members_of_a_oneof_show_at_zero() {
    let args = vec![
        arg(Arg::IntArg(0)),
        arg(Arg::SizeArg(0)),
        arg(Arg::StringArg(String::new())),
        arg(Arg::BytesArg(Vec::new())),
        arg(Arg::BpfCmdArg(0)),
        arg(Arg::CapabilityArg(KprobeCapability::default())),
        KprobeArgument::default(),
    ];
    check(
        &ProcessTracepoint {
            args,
            ..Default::default()
        },
        &expect![[
            r#"{"args":[{"int_arg":0},{"size_arg":"0"},{"string_arg":""},{"bytes_arg":""},{"bpf_cmd_arg":"BPF_MAP_CREATE"},{"capability_arg":{}},{}]}"#
        ]],
    );
}

#[test]
fn other_event_types() {
    let throttle = ProcessThrottle {
        r#type: ThrottleType::ThrottleStart as i32,
        cgroup: "demo.scope".into(),
    };
    check(
        &GetEventsResponse {
            event: Some(Event::ProcessThrottle(throttle)),
            ..Default::default()
        },
        &expect![[r#"{"process_throttle":{"type":"THROTTLE_START","cgroup":"demo.scope"}}"#]],
    );
    let info = RateLimitInfo {
        number_of_dropped_process_events: 318,
    };
    check(
        &GetEventsResponse {
            event: Some(Event::RateLimitInfo(info)),
            ..Default::default()
        },
        &expect![[r#"{"rate_limit_info":{"number_of_dropped_process_events":"318"}}"#]],
    );
    let loader = ProcessLoader {
        buildid: vec![0xde, 0xad, 0xbe, 0xef],
        ..Default::default()
    };
    check(
        &GetEventsResponse {
            event: Some(Event::ProcessLoader(loader)),
            aggregation_info: Some(AggregationInfo { count: 2 }),
            cluster_name: "c".into(),
            node_labels: BTreeMap::from([("b".into(), "2".into()), ("a".into(), "1".into())]),
            ..Default::default()
        },
        &expect![[
            r#"{"process_loader":{"buildid":"3q2+7w=="},"aggregation_info":{"count":"2"},"cluster_name":"c","node_labels":{"a":"1","b":"2"}}"#
        ]],
    );
    check(&GetEventsResponse::default(), &expect![["{}"]]);
}

#[test]
fn only_necessary_escapes() {
    let binary = "\"\\/\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}<>&'é\u{2028}🦀\u{fffd}";
    check(
        &Process {
            binary: binary.into(),
            ..Default::default()
        },
        &expect![[r#"{"binary":"\"\\/\b\f\n\r\t\u0000\u001f<>&'é 🦀�"}"#]],
    );
}

#[test]
fn requests_and_other_messages() {
    let mask = prost_types::FieldMask {
        paths: vec!["process.exec_id".into(), "parent".into()],
    };
    check(
        &GetEventsRequest {
            allow_list: vec![Filter {
                health_check: Some(false),
                event_set: vec![1, 5],
                ..Default::default()
            }],
            aggregation_options: Some(AggregationOptions {
                window_size: Some(prost_types::Duration { seconds: 15, nanos: 0 }),
                channel_buffer_size: 0,
            }),
            field_filters: vec![FieldFilter {
                fields: Some(mask),
                action: 1,
                ..Default::default()
            }],
            ..Default::default()
        },
        &expect![[
            r#"{"allow_list":[{"health_check":false,"event_set":["PROCESS_EXEC","PROCESS_EXIT"]}],"aggregation_options":{"window_size":"15s"},"field_filters":[{"fields":"process.execId,parent","action":"EXCLUDE"}]}"#
        ]],
    );
    // Optional scalars and enums show at zero.
    check(
        &ConfigureTracingPolicyRequest {
            enable: Some(false),
            mode: Some(0),
            ..Default::default()
        },
        &expect![[r#"{"enable":false,"mode":"TP_MODE_UNKNOWN"}"#]],
    );
    check(
        &RuntimeHookRequest {
            event: Some(runtime_hook_request::Event::CreateContainer(CreateContainer {
                container_id: "c0".into(),
                pod_uid: "u".into(),
                ..Default::default()
            })),
        },
        &expect![[r#"{"createContainer":{"containerID":"c0","podUID":"u"}}"#]],
    );
    check(
        &ProcessInternal {
            refcnt_ops: BTreeMap::from([("process++".into(), 1)]),
            ..Default::default()
        },
        &expect![[r#"{"refcnt_ops":{"process++":1}}"#]],
    );
    check(
        &GetDebugResponse {
            flag: 0,
            arg: Some(get_debug_response::Arg::Level(0)),
        },
        &expect![[r#"{"level":"LOG_LEVEL_PANIC"}"#]],
    );
}

#[test]
fn any_values_of_get_info() {
    use prost_types::value::Kind;
    use prost_types::{Any, ListValue, Value};
    let any = |name: &str, value: Vec<u8>| {
        let value = Any {
            type_url: format!("type.googleapis.com/google.protobuf.{name}"),
            value,
        };
        get_info_response::ConfVal {
            key: "k".into(),
            value: Some(value),
        }
    };
    let item = |kind| Value { kind: Some(kind) };
    let list = ListValue {
        values: vec![item(Kind::StringValue("a".into())), item(Kind::NumberValue(1.0))],
    };
    let conf = vec![
        any("StringValue", "x".to_owned().encode_to_vec()),
        any("BoolValue", true.encode_to_vec()),
        any("Int64Value", (-7_i64).encode_to_vec()),
        any("ListValue", list.encode_to_vec()),
    ];
    check(
        &GetInfoResponse {
            probes: vec![get_info_response::Probe {
                name: "p".into(),
                enabled: Some(false),
            }],
            conf,
            ..Default::default()
        },
        &expect![[
            r#"{"probes":[{"Name":"p","Enabled":false}],"conf":[{"key":"k","value":{"@type":"type.googleapis.com/google.protobuf.StringValue","value":"x"}},{"key":"k","value":{"@type":"type.googleapis.com/google.protobuf.BoolValue","value":true}},{"key":"k","value":{"@type":"type.googleapis.com/google.protobuf.Int64Value","value":"-7"}},{"key":"k","value":{"@type":"type.googleapis.com/google.protobuf.ListValue","value":["a",1]}}]}"#
        ]],
    );
}

#[test]
fn lines_end_in_one_newline() {
    let mut out = b"before\n".to_vec();
    write_event(&GetEventsResponse::default(), &mut out);
    assert_eq!(out, b"before\n{}\n");
}

#[test]
fn input_may_be_spelled_in_other_ways() {
    let expected = exec();
    let mut out = Vec::new();
    write(&expected, &mut out);
    let text = String::from_utf8(out).unwrap();
    let camel = text
        .replace("process_exec", "processExec")
        .replace("exec_id", "execId")
        .replace("in_init_tree", "inInitTree")
        .replace("parent_execId", "parentExecId")
        .replace("start_time", "startTime")
        .replace("node_name", "nodeName")
        .replace("\"pid\":321", "\"pid\": \"321\"")
        .replace("\"uid\":0", "\"uid\":0.0");
    assert_eq!(parse::<GetEventsResponse>(&camel, Unknown::Reject).unwrap(), expected);

    let known = r#"{"process_exit":{"status":3,"signal":null},"time":null}"#;
    let later = r#"{"new":{"deep":[1,{}]},"process_exit":{"status":3,"signal":null,"exit_mood":"fine"},"time":null}"#;
    assert_eq!(
        parse_event(later).unwrap(),
        parse::<GetEventsResponse>(known, Unknown::Reject).unwrap()
    );
    assert_eq!(
        parse_event(r#"{"process_from_the_future":{}}"#).unwrap(),
        GetEventsResponse::default()
    );
    let unknown_name = parse_event(r#"{"process_kprobe":{"action":"KPROBE_ACTION_DANCE"}}"#).unwrap();
    assert_eq!(unknown_name.event, Some(Event::ProcessKprobe(ProcessKprobe::default())));
}

#[test]
fn input_that_is_refused() {
    let check = |text: &str, expected: &Expect| {
        expected.assert_eq(
            &parse::<GetEventsResponse>(text, Unknown::Reject)
                .unwrap_err()
                .to_string(),
        );
    };
    check("", &expect!["EOF while parsing a value at line 1 column 0"]);
    check(
        "[]",
        &expect!["invalid type: sequence, expected an object (GetEventsResponse) at line 1 column 0"],
    );
    check("{} x", &expect!["trailing characters at line 1 column 4"]);
    check(
        r#"{"nod_name":""}"#,
        &expect!["unknown field `nod_name` in GetEventsResponse at line 1 column 11"],
    );
    check(
        r#"{"node_name":1}"#,
        &expect!["`node_name` does not take a number at line 1 column 14"],
    );
    check(
        r#"{"node_name":"","nodeName":""}"#,
        &expect!["field `node_name` given twice at line 1 column 30"],
    );
    check(
        r#"{"process_exec":{},"process_exit":{}}"#,
        &expect!["`process_exit` excludes a field given before at line 1 column 37"],
    );
    check(
        r#"{"process_exec":{"process":{"pid":-1}}}"#,
        &expect!["-1 is out of range for `pid` at line 1 column 36"],
    );
    check(
        r#"{"process_exec":{"process":{"pid":true}}}"#,
        &expect!["invalid type: boolean `true`, expected a whole number for `pid` at line 1 column 38"],
    );
    check(
        r#"{"process_kprobe":{"action":"DANCE"}}"#,
        &expect![[r#"invalid value: string "DANCE", expected a name for `action` at line 1 column 35"#]],
    );
    check(
        r#"{"time":"yesterday"}"#,
        &expect![[r#"invalid value: string "yesterday", expected a string for `time` at line 1 column 19"#]],
    );
    check(
        r#"{"process_exec":{"ancestors":{}}}"#,
        &expect!["invalid type: map, expected a list for `ancestors` at line 1 column 31"],
    );
    check(
        r#"{"node_name":"\ud800"}"#,
        &expect!["unexpected end of hex escape at line 1 column 21"],
    );
    assert!(parse_event(&"[".repeat(100_000)).is_err());
    assert!(parse_event(&format!("{{\"x\":{}", "[".repeat(100_000))).is_err());
}

#[test]
fn errors_in_one_line_of_many_have_a_column() {
    let error = |line| parse_event(line).unwrap_err().in_line();
    assert_eq!(
        error("[]"),
        "invalid type: sequence, expected an object (GetEventsResponse)"
    );
    assert_eq!(error("{} x"), "trailing characters at column 4");
    assert_eq!(
        error(r#"{"process_exec":{"process":{"pid":-1}}}"#),
        "-1 is out of range for `pid` at column 36"
    );
    assert_eq!(
        parse::<GetEventsResponse>("{\n\"nod\":1}", Unknown::Reject)
            .unwrap_err()
            .in_line(),
        "unknown field `nod` in GetEventsResponse at column 5"
    );
}

#[test]
fn objects_one_after_another() {
    let filters: Vec<Filter> = parse_all("{\"pid\":[1]}{\"pid\":[2]}\n {} \n", Unknown::Reject).unwrap();
    assert_eq!(
        filters.iter().map(|filter| filter.pid.clone()).collect::<Vec<_>>(),
        [vec![1], vec![2], vec![]]
    );
    assert!(parse_all::<Filter>("{} ,", Unknown::Reject).is_err());
    assert!(parse_all::<Filter>("  ", Unknown::Reject).unwrap().is_empty());
}

fn any_process() -> impl Strategy<Value = Process> {
    (
        any::<[String; 4]>(),
        any::<[Option<u32>; 3]>(),
        any::<u32>(),
        any::<Option<bool>>(),
        any::<Option<(u32, u32)>>(),
        any::<Vec<String>>(),
    )
        .prop_map(
            |([exec_id, cwd, binary, arguments], [pid, uid, auid], refcnt, in_init_tree, start, names)| Process {
                exec_id,
                pid,
                uid,
                cwd,
                binary,
                arguments,
                refcnt,
                auid,
                in_init_tree,
                start_time: start.map(|(seconds, nanos)| prost_types::Timestamp {
                    seconds: i64::from(seconds),
                    nanos: (nanos % 1_000_000_000) as i32,
                }),
                pod: (!names.is_empty()).then(|| {
                    Box::new(Pod {
                        pod_labels: names.iter().map(|name| (name.clone(), name.clone())).collect(),
                        ..Default::default()
                    })
                }),
                environment_variables: names
                    .into_iter()
                    .map(|name| EnvVar {
                        key: name.clone(),
                        value: name,
                    })
                    .collect(),
                ..Default::default()
            },
        )
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        process in any_process(),
        parent in proptest::option::of(any_process()),
        exit in any::<bool>(),
        status in any::<u32>(),
        node_name in any::<String>(),
    ) {
        let process = Some(process);
        let event = if exit {
            Event::ProcessExit(ProcessExit { process, parent, status, ..Default::default() })
        } else {
            Event::ProcessExec(ProcessExec { process, parent, ..Default::default() })
        };
        let event = GetEventsResponse { event: Some(event), node_name, ..Default::default() };
        let mut line = Vec::new();
        write_event(&event, &mut line);
        let line = String::from_utf8(line).unwrap();
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
        prop_assert_eq!(parse_event(&line).unwrap(), event);
        // Nothing is escaped that another writer of JSON would not escape.
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(value.to_string().len() + 1, line.len());
    }

    #[test]
    fn input_never_panics(text in any::<String>(), cut in any::<proptest::sample::Index>()) {
        let _ = parse_event(&text);
        let mut line = Vec::new();
        write(&exec(), &mut line);
        let mut line = String::from_utf8(line).unwrap();
        let at = cut.index(line.len());
        line.replace_range(at..=at, &text);
        let _ = parse_event(&line);
    }
}

#[test]
fn escapes_at_every_position() {
    for special in ['"', '\\', '\0', '\u{1f}', '\n'] {
        for at in 0..20 {
            let mut binary = " !#[]^\u{7f}é".repeat(2);
            let at = binary.ceil_char_boundary(at);
            binary.insert(at, special);
            let mut out = Vec::new();
            write(
                &Process {
                    binary: binary.clone(),
                    ..Process::default()
                },
                &mut out,
            );
            assert_eq!(out, serde_json::json!({ "binary": binary }).to_string().into_bytes());
        }
    }
}
