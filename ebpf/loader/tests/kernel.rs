//! The object of this project on the kernel that the tests run on: as root, after the kernel programs were built.
//!
//! Every case returns early elsewhere. The programs observe only, and are gone when the test ends.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

use std::{os::fd::AsFd as _, path::Path, process::Command};

use ebpf_abi::event::ExecEvent;
use ebpf_loader::{Error, Loaded, Object, ProgramKind, RingBuffer, Update};
use zerocopy::FromBytes as _;

/// The object with offsets resolved; `None` where it cannot be tried.
fn object() -> Option<Object> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bpf/tetragon.bpf.o");
    let bytes = std::fs::read(path).ok()?;
    let kernel = std::fs::read("/sys/kernel/btf/vmlinux").ok()?;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let root = status.lines().any(|line| line.starts_with("Uid:\t0\t0\t"));
    if !root {
        return None;
    }
    // The bytes are embedded in the agent, where nothing aligns them.
    let mut shifted = vec![0];
    shifted.extend(&bytes);
    let mut object = Object::parse(&shifted[1..]).unwrap();
    let kernel = btf::Btf::parse(&kernel).unwrap();
    let offsets = btf::fields::resolve(&kernel).unwrap().offsets;
    object
        .set_global("OFFSETS", zerocopy::IntoBytes::as_bytes(&offsets))
        .unwrap();
    Some(object)
}

fn loaded() -> Option<Loaded> {
    let mut object = object()?;
    object.set_max_entries("tg_events", 1 << 18).unwrap();
    let loaded = object.create().unwrap();
    assert!(loaded.btf_refused().is_none(), "{}", loaded.btf_refused().unwrap());
    Some(loaded)
}

#[test]
fn observes_an_exec_through_the_ring() {
    let Some(loaded) = loaded() else { return };
    let mut ring = RingBuffer::new(loaded.map("tg_events").unwrap()).unwrap();
    assert_eq!(ring.size(), 1 << 18);
    let program = loaded.load("sched_process_exec", ProgramKind::RawTracepoint).unwrap();
    println!(
        "exec: {} insns, {} bytes",
        program.verified_insns(),
        program.xlated_len()
    );
    assert!(program.xlated_len() > 0);
    let link = program.attach_raw_tracepoint("sched_process_exec").unwrap();
    assert!(Command::new("/bin/true").status().unwrap().success());
    drop(link);
    let mut seen = 0;
    ring.consume(usize::MAX, |record| {
        seen += usize::from(record.windows(9).any(|window| window == b"/bin/true"));
    })
    .unwrap();
    assert!(seen >= 1);
    assert_eq!(ring.used(), 0);
    // Detached: nothing comes any more.
    assert!(Command::new("/bin/true").status().unwrap().success());
    assert_eq!(ring.consume(usize::MAX, |_| ()).unwrap(), 0);
    let _pollable = ring.as_fd();
}

#[test]
fn test_run_reads_this_process() {
    let Some(loaded) = loaded() else { return };
    let mut ring = RingBuffer::new(loaded.map("tg_events").unwrap()).unwrap();
    let program = loaded.load("sched_process_exec", ProgramKind::RawTracepoint).unwrap();
    // Without a `struct linux_binprm` the program reports the process that runs it.
    program.test_run(&[0; 3]).unwrap();
    let mut pids = vec![];
    ring.consume(usize::MAX, |record| {
        pids.extend(ExecEvent::read_from_prefix(record).map(|(event, _)| event.process.pid));
    })
    .unwrap();
    assert_eq!(pids, [std::process::id()]);
}

#[test]
fn maps_hold_what_is_put_into_them() {
    let Some(loaded) = loaded() else { return };
    let map = loaded.map("execve_map").unwrap();
    let entry = ebpf_abi::map::ProcessEntry {
        nspid: 7,
        ..Default::default()
    };
    map.set(&1_u32, &entry, Update::Insert).unwrap();
    map.set(&2_u32, &entry, Update::Any).unwrap();
    assert!(
        map.set(&1_u32, &entry, Update::Insert)
            .unwrap_err()
            .to_string()
            .contains("exists")
    );
    assert_eq!(map.get(&1_u32).unwrap(), Some(entry));
    let mut keys: Vec<u32> = map.keys().map(Result::unwrap).collect();
    keys.sort_unstable();
    assert_eq!(keys, [1, 2]);
    assert!(map.remove(&1_u32).unwrap());
    assert!(!map.remove(&1_u32).unwrap());
    assert_eq!(map.get::<u32, ebpf_abi::map::ProcessEntry>(&1).unwrap(), None);
    assert!(map.get::<u64, u32>(&1).is_err());
    let stats = loaded.map("tg_stats_map").unwrap();
    let counts: Vec<u64> = stats.get_per_cpu(&0_u32).unwrap();
    assert_eq!(counts, vec![0; ebpf_loader::probe::possible_cpus()]);
}

#[test]
fn wrong_names_and_sizes_are_told() {
    let Some(mut object) = object() else { return };
    let message = |result: Result<(), Error>| result.unwrap_err().to_string();
    assert_eq!(
        message(object.set_global("NOPE", &[])),
        "kernel program object has no global NOPE"
    );
    assert!(message(object.set_global("ABI_VERSION", &[1])).starts_with("global ABI_VERSION has 4 bytes, not 1"));
    assert_eq!(
        message(object.set_max_entries("nope", 1)),
        "kernel program object has no map nope"
    );
    object.set_max_entries("tg_events", 1000).unwrap();
    assert!(
        message(object.create().map(drop)).starts_with("create map \"tg_events\": BPF_MAP_CREATE: Invalid argument")
    );
}
