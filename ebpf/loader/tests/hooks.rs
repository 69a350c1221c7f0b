//! Policy code in the place of a function of the object, at a raw tracepoint of the running kernel.
//!
//! As root, after the kernel programs were built; elsewhere the case returns early. Observes only.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

use std::{os::fd::AsRawFd as _, path::Path};

use ebpf_abi::{
    event::{HookArg, HookEvent, op},
    hook::{path_kind, runtime},
};
use ebpf_asm::{Assembler, Code, Condition, Reg, Width};
use ebpf_loader::{Loaded, Object, Program, ProgramKind, RingBuffer};
use zerocopy::FromBytes as _;

const LSEEK: u64 = 8;

/// Number of a scratch; nobody else claims one here.
const SCRATCH: u64 = 0;

fn loaded() -> Option<Loaded> {
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bpf/tetragon.bpf.o")).ok()?;
    let kernel = std::fs::read("/sys/kernel/btf/vmlinux").ok()?;
    if !std::fs::read_to_string("/proc/self/status")
        .ok()?
        .contains("\nUid:\t0\t0\t")
    {
        return None;
    }
    let mut object = Object::parse(&bytes).unwrap();
    let kernel = btf::Btf::parse(&kernel).unwrap();
    let offsets = btf::fields::resolve(&kernel).unwrap().offsets;
    object
        .set_global("OFFSETS", zerocopy::IntoBytes::as_bytes(&offsets))
        .unwrap();
    Some(object.create().unwrap())
}

/// The program at raw tracepoints with `code` as its policies.
fn load(loaded: &Loaded, what: &str, code: &Code) -> Program {
    let replaced = [(runtime::POLICIES, code)];
    let program = loaded
        .load_with("hook_raw_tracepoint", ProgramKind::RawTracepoint, &replaced, &[])
        .unwrap();
    println!(
        "{what}: {} insns verified, {} bytes",
        program.verified_insns(),
        program.xlated_len()
    );
    program
}

/// What the verifier thinks of each function of the runtime.
#[test]
fn the_runtime_is_accepted() {
    let Some(loaded) = loaded() else { return };
    let functions = [
        runtime::STRING,
        runtime::PATH,
        runtime::BYTES,
        runtime::STRUCTURE,
        runtime::BINARY,
        runtime::FACT,
        runtime::COUNT,
        runtime::BEGIN,
        runtime::NUMBER,
        runtime::SLOT,
        runtime::ERROR,
        runtime::SEND,
        runtime::LOST,
        runtime::KEEP,
        runtime::RESUME,
        runtime::PIECES,
        runtime::SYSCALL,
        runtime::COUNT,
        runtime::CONTAINS,
        runtime::PARENT,
        runtime::PID,
        runtime::LIMITED,
    ];
    for function in functions {
        let mut asm = Assembler::new();
        for register in [Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5] {
            asm.set(register, 0);
        }
        asm.call(function);
        asm.set(Reg::R0, 0);
        asm.exit();
        let code = asm.finish().unwrap();
        load(&loaded, function, &code);
    }
}

#[test]
fn code_reads_a_path_and_reports_it() {
    let Some(loaded) = loaded() else { return };
    let mut asm = Assembler::new();
    let miss = asm.label();
    // sys_enter(regs, id)
    asm.load(Width::U64, Reg::R3, Reg::R1, 8);
    asm.jump_if(Condition::Ne, Reg::R3, LSEEK, miss);
    // The first argument: rdi is word 14 of struct pt_regs.
    asm.load(Width::U64, Reg::R3, Reg::R1, 0);
    asm.alu(ebpf_asm::Alu::Add, Reg::R3, 14 * 8);
    asm.copy(Reg::R1, Reg::R10);
    asm.alu(ebpf_asm::Alu::Add, Reg::R1, -8);
    asm.set(Reg::R2, 8);
    asm.call_helper(113);
    asm.load(Width::U64, Reg::R4, Reg::R10, -8);
    asm.set(Reg::R1, SCRATCH);
    asm.set(Reg::R2, 0);
    asm.set(Reg::R3, u64::from(path_kind::FD));
    asm.call(runtime::PATH);
    asm.jump_if(Condition::Eq, Reg::R0, 0, miss);
    asm.set(Reg::R1, SCRATCH);
    asm.set(Reg::R2, 1);
    asm.call(runtime::BINARY);
    asm.set(Reg::R1, SCRATCH);
    asm.set(Reg::R2, u64::from(op::TRACEPOINT));
    asm.set(Reg::R3, 77);
    asm.set(Reg::R4, 3 << 16 | 2);
    asm.call(runtime::BEGIN);
    asm.set(Reg::R1, SCRATCH);
    asm.set(Reg::R2, 11);
    asm.set(Reg::R3, 0x0123_4567_89ab_cdef);
    asm.call(runtime::NUMBER);
    for slot in [0, 1] {
        asm.set(Reg::R1, SCRATCH);
        asm.set(Reg::R2, 16);
        asm.set(Reg::R3, slot);
        asm.call(runtime::SLOT);
    }
    asm.set(Reg::R1, SCRATCH);
    asm.call(runtime::SEND);
    asm.bind(miss);
    asm.set(Reg::R0, 0);
    asm.exit();
    let code = asm.finish().unwrap();

    let mut ring = RingBuffer::new(loaded.map("tg_events").unwrap()).unwrap();
    let program = load(&loaded, "a path", &code);
    let link = program.attach_raw_tracepoint("sys_enter").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a file");
    let file = std::fs::File::create(&path).unwrap();
    for _ in 0..2 {
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0)).unwrap();
    }
    drop(link);
    assert!(file.as_raw_fd() > 0);
    let (mut seen, binary) = (0, std::env::current_exe().unwrap());
    ring.consume(usize::MAX, |record| {
        let (event, mut rest) = HookEvent::read_from_prefix(record).unwrap();
        if event.process.pid != std::process::id() {
            return;
        }
        assert_eq!((event.hook, event.selector, event.action, event.args), (77, 3, 2, 3));
        let mut values = vec![];
        for _ in 0..event.args {
            let (arg, behind) = HookArg::read_from_prefix(rest).unwrap();
            let (value, behind) = behind.split_at((arg.len as usize).next_multiple_of(8));
            values.push((
                arg.kind,
                arg.mode,
                String::from_utf8_lossy(&value[..arg.len as usize]).into_owned(),
            ));
            rest = behind;
        }
        assert_eq!(values[1].2, path.to_str().unwrap());
        assert_eq!(values[1].1, 0o100_644);
        assert_eq!(values[2].2, binary.to_str().unwrap());
        seen += 1;
    })
    .unwrap();
    assert_eq!(seen, 2);
}
