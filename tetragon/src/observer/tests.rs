//! Records in, events out: the path between ring and sink without a kernel.

use ebpf_abi::{
    event::{CloneEvent, DataEvent, ExecEvent, ExitEvent, Header, data_kind, exec_flag, op},
    map::{Credentials, ProcessKey},
};
use expect_test::{Expect, expect};
use tetragon_api::{json, v1::GetEventsResponse};
use zerocopy::IntoBytes as _;

use super::{Options, Replay};
use crate::sink::Sink;

const INIT: ProcessKey = ProcessKey::new(1, 1_000_000_000);

struct Lines(Vec<u8>);

impl Sink for Lines {
    fn emit(&mut self, event: &GetEventsResponse) {
        json::write_event(event, &mut self.0);
    }

    fn flush(&mut self) {}
}

/// An exec record of `process` running `filename`.
fn exec(
    process: ProcessKey,
    parent: ProcessKey,
    previous: ProcessKey,
    flags: u32,
    filename: &str,
    args: &str,
) -> Vec<u8> {
    let head = ExecEvent {
        header: Header::new(
            (size_of::<ExecEvent>() + filename.len() + 4 + args.len()) as u32,
            op::EXECVE,
            process.ktime,
        ),
        process,
        parent,
        previous,
        flags: exec_flag::EXECVE | flags,
        auid: u32::MAX,
        links: 1,
        filename_len: filename.len() as u16,
        cwd_len: 4,
        args_len: args.len() as u32,
        ..ExecEvent::default()
    };
    [head.as_bytes(), filename.as_bytes(), b"/tmp", args.as_bytes()].concat()
}

fn clone(process: ProcessKey, parent: ProcessKey) -> Vec<u8> {
    let head = CloneEvent {
        header: Header::new(size_of::<CloneEvent>() as u32, op::CLONE, process.ktime),
        process,
        parent,
        creds: Credentials {
            euid: 7,
            ..Credentials::default()
        },
        ..CloneEvent::default()
    };
    head.as_bytes().to_vec()
}

fn exit(process: ProcessKey, status: u32) -> Vec<u8> {
    let head = ExitEvent {
        header: Header::new(size_of::<ExitEvent>() as u32, op::EXIT, process.ktime + 500),
        process,
        status,
        tid: process.pid,
    };
    head.as_bytes().to_vec()
}

fn data(process: ProcessKey, offset: u32, bytes: &[u8]) -> Vec<u8> {
    let head = DataEvent {
        header: Header::new((size_of::<DataEvent>() + bytes.len()) as u32, op::DATA, process.ktime),
        process,
        kind: data_kind::ARGS,
        len: bytes.len() as u32,
        offset,
        reserved: 0,
    };
    [head.as_bytes(), bytes].concat()
}

/// What becomes of `records` after `init` was executed.
fn check(options: Options, records: &[Vec<u8>], expected: &Expect) {
    let options = Options {
        node_name: "n".to_owned(),
        ..options
    };
    let mut lines = Lines(Vec::new());
    let mut replay = Replay::new(options);
    let init = exec(INIT, ProcessKey::KERNEL, ProcessKey::default(), 0, "/init", "init\0");
    replay.handle(&init, &mut lines);
    lines.0.clear();
    for record in records {
        replay.handle(record, &mut lines);
    }
    replay.finish(&mut lines);
    expected.assert_eq(&String::from_utf8(lines.0).unwrap());
}

#[test]
fn clone_exec_exit() {
    let (cloned, executed) = (ProcessKey::new(5, 2_000_000_000), ProcessKey::new(5, 2_000_000_100));
    check(
        Options {
            cluster_name: "c".to_owned(),
            ..Options::default()
        },
        &[
            clone(cloned, INIT),
            exec(executed, INIT, cloned, exec_flag::CLONE, "a.out", "a.out\0b c\0"),
            exit(executed, 0x100),
        ],
        &expect![[r#"
            {"process_exec":{"process":{"exec_id":"bjoyMDAwMDAwMTAwOjU=","pid":5,"uid":0,"cwd":"/tmp","binary":"/tmp/a.out","arguments":" \"b c\"","flags":"execve clone","start_time":"1970-01-01T00:00:02.000000100Z","auid":4294967295,"parent_exec_id":"bjoxMDAwMDAwMDAwOjE=","refcnt":1,"tid":5,"in_init_tree":false},"parent":{"exec_id":"bjoxMDAwMDAwMDAwOjE=","pid":1,"uid":0,"cwd":"/tmp","binary":"/init","flags":"execve","start_time":"1970-01-01T00:00:01Z","auid":4294967295,"parent_exec_id":"bjoxOjA=","refcnt":2,"tid":1,"in_init_tree":false}},"node_name":"n","time":"1970-01-01T00:00:02.000000100Z","cluster_name":"c"}
            {"process_exit":{"process":{"exec_id":"bjoyMDAwMDAwMTAwOjU=","pid":5,"uid":0,"cwd":"/tmp","binary":"/tmp/a.out","arguments":" \"b c\"","flags":"execve clone","start_time":"1970-01-01T00:00:02.000000100Z","auid":4294967295,"parent_exec_id":"bjoxMDAwMDAwMDAwOjE=","tid":5,"in_init_tree":false},"parent":{"exec_id":"bjoxMDAwMDAwMDAwOjE=","pid":1,"uid":0,"cwd":"/tmp","binary":"/init","flags":"execve","start_time":"1970-01-01T00:00:01Z","auid":4294967295,"parent_exec_id":"bjoxOjA=","refcnt":1,"tid":1,"in_init_tree":false},"status":1,"time":"1970-01-01T00:00:02.000000600Z"},"node_name":"n","time":"1970-01-01T00:00:02.000000600Z","cluster_name":"c"}
        "#]],
    );
}

#[test]
fn a_clone_shows_what_its_parent_executes() {
    let cloned = ProcessKey::new(5, 2_000_000_000);
    check(
        Options::default(),
        &[clone(cloned, INIT), exit(cloned, 9)],
        &expect![[r#"
            {"process_exit":{"process":{"exec_id":"bjoyMDAwMDAwMDAwOjU=","pid":5,"uid":7,"cwd":"/tmp","binary":"/init","flags":"execve","start_time":"1970-01-01T00:00:02Z","auid":4294967295,"parent_exec_id":"bjoxMDAwMDAwMDAwOjE=","tid":5,"in_init_tree":false},"parent":{"exec_id":"bjoxMDAwMDAwMDAwOjE=","pid":1,"uid":0,"cwd":"/tmp","binary":"/init","flags":"execve","start_time":"1970-01-01T00:00:01Z","auid":4294967295,"parent_exec_id":"bjoxOjA=","refcnt":1,"tid":1,"in_init_tree":false},"signal":"SIGKILL","time":"1970-01-01T00:00:02.000000500Z"},"node_name":"n","time":"1970-01-01T00:00:02.000000500Z"}
        "#]],
    );
}

#[test]
fn an_image_that_another_one_executes_has_that_as_parent() {
    let (first, second) = (ProcessKey::new(5, 2_000_000_000), ProcessKey::new(5, 2_000_000_100));
    check(
        Options {
            ancestors: vec![tetragon_api::v1::EventType::ProcessExec],
            ..Options::default()
        },
        &[
            exec(first, INIT, ProcessKey::default(), 0, "/a", "a\0"),
            exec(second, INIT, first, 0, "/b", "b\0"),
        ],
        &expect![[r#"
            {"process_exec":{"process":{"exec_id":"bjoyMDAwMDAwMDAwOjU=","pid":5,"uid":0,"cwd":"/tmp","binary":"/a","flags":"execve","start_time":"1970-01-01T00:00:02Z","auid":4294967295,"parent_exec_id":"bjoxMDAwMDAwMDAwOjE=","refcnt":1,"tid":5,"in_init_tree":false},"parent":{"exec_id":"bjoxMDAwMDAwMDAwOjE=","pid":1,"uid":0,"cwd":"/tmp","binary":"/init","flags":"execve","start_time":"1970-01-01T00:00:01Z","auid":4294967295,"parent_exec_id":"bjoxOjA=","refcnt":2,"tid":1,"in_init_tree":false}},"node_name":"n","time":"1970-01-01T00:00:02Z"}
            {"process_exec":{"process":{"exec_id":"bjoyMDAwMDAwMTAwOjU=","pid":5,"uid":0,"cwd":"/tmp","binary":"/b","flags":"execve","start_time":"1970-01-01T00:00:02.000000100Z","auid":4294967295,"parent_exec_id":"bjoyMDAwMDAwMDAwOjU=","refcnt":1,"tid":5,"in_init_tree":false},"parent":{"exec_id":"bjoyMDAwMDAwMDAwOjU=","pid":5,"uid":0,"cwd":"/tmp","binary":"/a","flags":"execve","start_time":"1970-01-01T00:00:02Z","auid":4294967295,"parent_exec_id":"bjoxMDAwMDAwMDAwOjE=","refcnt":1,"tid":5,"in_init_tree":false},"ancestors":[{"exec_id":"bjoxMDAwMDAwMDAwOjE=","pid":1,"uid":0,"cwd":"/tmp","binary":"/init","flags":"execve","start_time":"1970-01-01T00:00:01Z","auid":4294967295,"parent_exec_id":"bjoxOjA=","refcnt":2,"tid":1,"in_init_tree":false}]},"node_name":"n","time":"1970-01-01T00:00:02.000000100Z"}
        "#]],
    );
}

#[test]
fn what_is_not_known_is_marked() {
    let (lost, parent, orphan) = (
        ProcessKey::new(5, 2_000_000_000),
        ProcessKey::new(6, 2_000_000_000),
        ProcessKey::new(7, 2_000_000_000),
    );
    check(
        Options::default(),
        &[
            exit(lost, 0),
            exec(orphan, parent, ProcessKey::default(), exec_flag::MISS, "/a", "a\0"),
        ],
        &expect![[r#"
            {"process_exec":{"process":{"exec_id":"bjoyMDAwMDAwMDAwOjc=","pid":7,"uid":0,"cwd":"/tmp","binary":"/a","flags":"execve miss","start_time":"1970-01-01T00:00:02Z","auid":4294967295,"parent_exec_id":"bjoyMDAwMDAwMDAwOjY=","refcnt":1,"tid":7,"in_init_tree":false},"parent":{"exec_id":"bjoyMDAwMDAwMDAwOjY=","pid":6,"flags":"unknown","start_time":"1970-01-01T00:00:02Z","tid":6}},"node_name":"n","time":"1970-01-01T00:00:02Z"}
            {"process_exit":{"process":{"exec_id":"bjoyMDAwMDAwMDAwOjU=","pid":5,"flags":"unknown","start_time":"1970-01-01T00:00:02Z","tid":5},"time":"1970-01-01T00:00:02.000000500Z"},"node_name":"n","time":"1970-01-01T00:00:02.000000500Z"}
        "#]],
    );
}

#[test]
fn long_arguments() {
    let [whole, cut] = [5, 6].map(|pid| ProcessKey::new(pid, 2_000_000_000));
    let long = |process| {
        let mut record = exec(process, INIT, ProcessKey::default(), exec_flag::DATA_ARGS, "/a", "");
        let at = std::mem::offset_of!(ExecEvent, args_data_len);
        record[at..at + 4].copy_from_slice(&9_u32.to_le_bytes());
        record
    };
    check(
        Options::default(),
        &[
            data(whole, 0, b"a\0long"),
            data(cut, 0, b"a\0cut"),
            data(whole, 6, b"er\0"),
            long(whole),
            long(cut),
        ],
        &expect![[r#"
            {"process_exec":{"process":{"exec_id":"bjoyMDAwMDAwMDAwOjU=","pid":5,"uid":0,"cwd":"/tmp","binary":"/a","arguments":"longer","flags":"execve dataArgs","start_time":"1970-01-01T00:00:02Z","auid":4294967295,"parent_exec_id":"bjoxMDAwMDAwMDAwOjE=","refcnt":1,"tid":5,"in_init_tree":false},"parent":{"exec_id":"bjoxMDAwMDAwMDAwOjE=","pid":1,"uid":0,"cwd":"/tmp","binary":"/init","flags":"execve","start_time":"1970-01-01T00:00:01Z","auid":4294967295,"parent_exec_id":"bjoxOjA=","refcnt":2,"tid":1,"in_init_tree":false}},"node_name":"n","time":"1970-01-01T00:00:02Z"}
            {"process_exec":{"process":{"exec_id":"bjoyMDAwMDAwMDAwOjY=","pid":6,"uid":0,"cwd":"/tmp","binary":"/a","arguments":"cut","flags":"execve truncArgs dataArgs","start_time":"1970-01-01T00:00:02Z","auid":4294967295,"parent_exec_id":"bjoxMDAwMDAwMDAwOjE=","refcnt":1,"tid":6,"in_init_tree":false},"parent":{"exec_id":"bjoxMDAwMDAwMDAwOjE=","pid":1,"uid":0,"cwd":"/tmp","binary":"/init","flags":"execve","start_time":"1970-01-01T00:00:01Z","auid":4294967295,"parent_exec_id":"bjoxOjA=","refcnt":3,"tid":1,"in_init_tree":false}},"node_name":"n","time":"1970-01-01T00:00:02Z"}
        "#]],
    );
}
