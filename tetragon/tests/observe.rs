//! The observer on the kernel that the tests run on: as root, in an agent built with its kernel programs.
//!
//! Returns early elsewhere; the test machines run all of this and more on every kernel of the matrix.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

use std::{
    process::Command,
    sync::mpsc::{Receiver, Sender, channel},
    time::{Duration, Instant},
};

use tetragon::{
    observer::{Error, Observer, Options, Stats, Stop},
    sink::Sink,
};
use tetragon_api::v1::{GetEventsResponse, Process, ProcessExec, ProcessExit, get_events_response::Event};

struct Collect(Sender<GetEventsResponse>);

impl Sink for Collect {
    fn emit(&mut self, event: &GetEventsResponse) {
        let _gone = self.0.send(event.clone());
    }

    fn flush(&mut self) {}
}

struct Running {
    events: Receiver<GetEventsResponse>,
    stop: Stop,
    thread: std::thread::JoinHandle<Stats>,
}

/// Starts observing; `None` where that is not possible.
fn start(options: Options) -> Option<Running> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    if !status.lines().any(|line| line.starts_with("Uid:\t0\t0\t")) {
        return None;
    }
    let observer = match Observer::start(options) {
        Ok(observer) => observer,
        Err(Error::NoObject | Error::NoKernelTypes { .. }) => return None,
        Err(error) => panic!("{error}"),
    };
    let stop = Stop::new().unwrap();
    let (sender, events) = channel();
    let thread = std::thread::spawn({
        let stop = stop.clone();
        move || observer.run(&mut Collect(sender), &stop).unwrap()
    });
    Some(Running { events, stop, thread })
}

impl Running {
    /// The next event that `wanted` makes something of.
    fn wait<T>(&self, wanted: impl Fn(Event) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let response = self.events.recv_timeout(left).expect("the event comes");
            assert_eq!(response.node_name, "here");
            assert!(response.time.is_some());
            if let Some(found) = response.event.and_then(&wanted) {
                return found;
            }
        }
    }

    fn exec(&self, pid: u32) -> ProcessExec {
        self.wait(|event| match event {
            Event::ProcessExec(exec) if is(exec.process.as_ref(), pid) => Some(exec),
            _ => None,
        })
    }

    fn exit(&self, pid: u32) -> ProcessExit {
        self.wait(|event| match event {
            Event::ProcessExit(exit) if is(exit.process.as_ref(), pid) => Some(exit),
            _ => None,
        })
    }

    fn stop(self) -> Stats {
        self.stop.stop();
        self.thread.join().unwrap()
    }
}

fn is(process: Option<&Process>, pid: u32) -> bool {
    process.is_some_and(|process| process.pid == Some(pid))
}

fn run(command: &mut Command) -> u32 {
    let mut child = command.spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    pid
}

fn options() -> Options {
    Options {
        node_name: "here".to_owned(),
        ..Options::default()
    }
}

#[test]
fn an_execution_and_its_end() {
    let Some(running) = start(options()) else { return };
    let this = running.exec(std::process::id()).process.unwrap();
    assert!(this.flags.starts_with("procFS"), "{}", this.flags);
    assert_eq!(this.binary, std::env::current_exe().unwrap().to_str().unwrap());

    let pid = run(Command::new("/bin/sh").args(["-c", "exit 3", "a b", ""]));
    let exec = running.exec(pid);
    let process = exec.process.unwrap();
    assert_eq!(process.binary, "/bin/sh");
    assert_eq!(process.arguments, "-c \"exit 3\" \"a b\" ");
    assert_eq!(process.flags, "execve clone");
    assert_eq!(process.refcnt, 1);
    assert_eq!(process.parent_exec_id, this.exec_id);
    assert_eq!(exec.parent.unwrap().binary, this.binary);

    let exit = running.exit(pid);
    assert_eq!((exit.status, exit.signal.as_str()), (3, ""));
    assert_eq!(exit.process.unwrap().exec_id, process.exec_id);

    let stats = running.stop();
    println!("{stats}");
    for op in &stats.ops {
        assert_eq!(op.sent, op.received, "{}", op.name);
    }
    assert_eq!((stats.lost(), stats.malformed, stats.event_cache_incomplete), (0, 0, 0));
}

#[test]
fn long_arguments_and_all_that_can_be_switched_on() {
    let options = Options {
        process_cred: true,
        process_ns: true,
        ancestors: vec![tetragon_api::v1::EventType::ProcessExec],
        usernames: true,
        environment: Some(vec!["MARK".to_owned()]),
        ..options()
    };
    let Some(running) = start(options) else { return };
    let long: Vec<String> = (0..2).map(|n: u32| n.to_string().repeat(60_000)).collect();
    let pid = run(Command::new("/bin/true").args(&long).env("MARK", "x=y"));
    let exec = running.exec(pid);
    let process = exec.process.unwrap();
    assert_eq!(process.arguments, long.join(" "));
    assert_eq!(process.flags, "execve clone dataArgs");
    let variables = process.environment_variables.iter();
    let variables: Vec<_> = variables.map(|var| (&*var.key, &*var.value)).collect();
    assert_eq!(variables, [("MARK", "x=y")]);
    // Whose namespaces are the host's is known to those who may look at the first process.
    if std::fs::read_link("/proc/1/ns/mnt").is_ok() {
        assert_eq!(process.user.unwrap().name, "root");
    }
    assert!(process.ns.unwrap().mnt.unwrap().inum > 0);
    assert_eq!(process.process_credentials.unwrap().uid, Some(0));
    assert!(process.cap.is_some());
    assert!(!exec.ancestors.is_empty());
    assert_eq!(running.stop().lost(), 0);
}
