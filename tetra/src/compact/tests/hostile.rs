//! Whatever an event contains, no more than text and the encoder's own colours reaches the terminal.

use proptest::prelude::*;
use tetragon_api::v1::get_events_response::Event;
use tetragon_api::v1::kprobe_argument::Arg;
use tetragon_api::v1::{
    KprobeArgument, KprobeFile, KprobePath, KprobeSock, Pod, Process, ProcessExec, ProcessExit, ProcessKprobe,
    ProcessLoader, ProcessLsm, ProcessThrottle, ProcessTracepoint, ProcessUprobe, ProcessUsdt, StackTraceEntry,
    SyscallId,
};

use super::*;

/// Text in which what terminals obey is frequent.
fn text() -> impl Strategy<Value = String> {
    let obeyed = prop::sample::select(vec![
        "\x1b[2J",
        "\n",
        "\r",
        "\t",
        "\0",
        "\x7f",
        "\u{9b}31m",
        "\u{202e}",
        "\u{2028}",
        "\\",
        "\"",
        " ",
    ]);
    let piece = prop_oneof![obeyed.prop_map(str::to_owned), any::<String>(), "[a-z/]{0,8}"];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn process() -> impl Strategy<Value = Option<Process>> {
    let pod = prop::option::of((text(), text()).prop_map(|(namespace, name)| {
        Pod {
            namespace,
            name,
            ..Pod::default()
        }
        .into()
    }));
    let process = (text(), text(), pod).prop_map(|(binary, arguments, pod)| Process {
        binary,
        arguments,
        pod,
        ..Process::default()
    });
    prop::option::weighted(0.95, process)
}

fn argument() -> impl Strategy<Value = KprobeArgument> {
    let arg = prop_oneof![
        text().prop_map(Arg::StringArg),
        any::<i32>().prop_map(Arg::IntArg),
        any::<u32>().prop_map(Arg::UintArg),
        any::<u64>().prop_map(Arg::SizeArg),
        any::<i64>().prop_map(Arg::LongArg),
        text().prop_map(|path| Arg::FileArg(KprobeFile {
            path,
            ..KprobeFile::default()
        })),
        text().prop_map(|path| Arg::PathArg(KprobePath {
            path,
            ..KprobePath::default()
        })),
        (text(), text()).prop_map(|(saddr, daddr)| Arg::SockArg(KprobeSock {
            saddr,
            daddr,
            ..KprobeSock::default()
        })),
        (any::<u32>(), text()).prop_map(|(id, abi)| Arg::SyscallId(SyscallId { id, abi })),
    ];
    prop::option::weighted(0.9, arg).prop_map(|arg| KprobeArgument {
        arg,
        label: String::new(),
    })
}

fn function() -> impl Strategy<Value = String> {
    let known = [
        "sys_write",
        "fd_install",
        "sys_openat",
        "sys_mount",
        "tcp_sendmsg",
        "security_mmap_file",
        "bpf_check",
    ];
    prop_oneof![text(), prop::sample::select(known.to_vec()).prop_map(str::to_owned)]
}

fn any_event() -> impl Strategy<Value = GetEventsResponse> {
    let args = || prop::collection::vec(argument(), 0..4);
    let frames = prop::collection::vec(
        (text(), text()).prop_map(|(symbol, module)| StackTraceEntry {
            symbol,
            module,
            ..StackTraceEntry::default()
        }),
        0..3,
    );
    let event = prop_oneof![
        process().prop_map(|process| Event::ProcessExec(ProcessExec {
            process,
            ..ProcessExec::default()
        })),
        (process(), text()).prop_map(|(process, signal)| Event::ProcessExit(ProcessExit {
            process,
            signal,
            ..ProcessExit::default()
        })),
        (process(), function(), args(), frames).prop_map(|(process, function_name, args, frames)| {
            let (kernel_stack_trace, user_stack_trace) = (frames.clone(), frames);
            let kprobe = ProcessKprobe {
                process,
                function_name,
                args,
                kernel_stack_trace,
                user_stack_trace,
                ..ProcessKprobe::default()
            };
            Event::ProcessKprobe(kprobe)
        }),
        (process(), text(), text(), args()).prop_map(|(process, subsys, event, args)| {
            Event::ProcessTracepoint(ProcessTracepoint {
                process,
                subsys,
                event,
                args,
                ..ProcessTracepoint::default()
            })
        }),
        (process(), args()).prop_map(|(process, args)| {
            let (subsys, event) = ("raw_syscalls".into(), "sys_enter".into());
            Event::ProcessTracepoint(ProcessTracepoint {
                process,
                subsys,
                event,
                args,
                ..ProcessTracepoint::default()
            })
        }),
        (process(), text(), text()).prop_map(|(process, path, symbol)| {
            Event::ProcessUprobe(ProcessUprobe {
                process,
                path,
                symbol,
                ..ProcessUprobe::default()
            })
        }),
        (process(), text(), text(), text()).prop_map(|(process, path, provider, name)| {
            Event::ProcessUsdt(ProcessUsdt {
                process,
                path,
                provider,
                name,
                ..ProcessUsdt::default()
            })
        }),
        (process(), prop_oneof![text(), Just("file_open".into())], args(), text()).prop_map(
            |(process, function_name, args, ima_hash)| {
                Event::ProcessLsm(ProcessLsm {
                    process,
                    function_name,
                    args,
                    ima_hash,
                    ..ProcessLsm::default()
                })
            }
        ),
        (process(), text(), any::<Vec<u8>>()).prop_map(|(process, path, buildid)| {
            Event::ProcessLoader(ProcessLoader {
                process,
                path,
                buildid,
                ..ProcessLoader::default()
            })
        }),
        (any::<i32>(), text()).prop_map(|(r#type, cgroup)| Event::ProcessThrottle(ProcessThrottle { r#type, cgroup })),
    ];
    let time = prop::option::of(
        (any::<i64>(), any::<i32>()).prop_map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos }),
    );
    (event, text(), time).prop_map(|(event, node_name, time)| GetEventsResponse {
        event: Some(event),
        node_name,
        time,
        ..GetEventsResponse::default()
    })
}

proptest! {
    #[test]
    fn only_text_and_colours_are_written(event in any_event(), colour: bool, timestamps: bool) {
        let options = Options { colour, timestamps, ..PLAIN };
        let mut out = String::new();
        if let Err(error) = Compact::new(options).encode(&event, &mut out) {
            prop_assert_eq!(error, Error::MissingProcess);
            prop_assert_eq!(out, "");
            return Ok(());
        }
        let frames = match &event.event {
            Some(Event::ProcessKprobe(kprobe)) if !kprobe.kernel_stack_trace.is_empty() => 2 + 2 * kprobe.kernel_stack_trace.len(),
            _ => 0,
        };
        let lines = out.lines().count();
        prop_assert!(lines == 1 + frames || (lines == 2 && matches!(event.event, Some(Event::ProcessLsm(_)))), "{}", out);
        let mut rest = out.clone();
        if colour {
            for code in [0, 31, 32, 33, 34, 35, 36] {
                rest = rest.replace(&format!("\x1b[{code}m"), "");
            }
        }
        // Variation selectors and emoji of the encoder itself are printable too.
        for line in rest.lines() {
            prop_assert_eq!(escape(line), line);
        }
    }
}
