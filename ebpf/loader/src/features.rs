//! What today's agent probes a kernel for, under its names: each found out by trying.
//!
//! Programs are loaded and never attached; links are asked for to things that are not there.

use std::{fs::File, os::fd::AsFd as _, os::fd::OwnedFd, path::Path};

use btf::Btf;
use ebpf_asm::{Assembler, Code, Reg, Width};

use crate::{
    bytes::kernel_name,
    probe,
    sys::{self, MapFd, MapSpec, ProgLoad},
};

/// Where the kernel says how uprobes count references.
const REFERENCE_COUNTER: &str = "/sys/bus/event_source/devices/uprobe/format/ref_ctr_offset";

/// A function that every kernel has, and that programs may be attached to in every way.
const FUNCTION: &str = "security_file_open";

/// Types of programs (`enum bpf_prog_type`).
const KPROBE: u32 = 2;
const TRACING: u32 = 26;
const LSM: u32 = 29;

/// How programs of these types are attached (`enum bpf_attach_type`).
const FENTRY: u32 = 24;
const FEXIT: u32 = 25;
const LSM_MAC: u32 = 27;

/// Helpers (`enum bpf_func_id`).
const TAIL_CALL: u32 = 12;
const SEND_SIGNAL: u32 = 109;
const GET_FUNC_RET: u32 = 184;

/// The features in the order in which they are shown, and whether the running kernel, whose types are `types`, has them.
/// Without privileges it has none.
pub fn features(types: Option<&Btf<'_>>) -> Vec<(&'static str, bool)> {
    let function = |name: &str| {
        types
            .and_then(|types| types.function(name))
            .map(|function| function.id.0)
    };
    let member = |structure: &str, path: &str| {
        types.is_some_and(|types| {
            let structure = types.structure(structure);
            structure.is_some_and(|structure| types.member(structure, path).is_some())
        })
    };
    let at = |prog_type, attach_type, name: &str, code: &Code| {
        function(name).is_some_and(|id| load(prog_type, attach_type, id, code).is_some())
    };
    let kprobe = |code: &Code| load(KPROBE, 0, 0, code).is_some();
    let nothing = code(|_| {});
    vec![
        ("override_return", probe::override_return()),
        ("buildid", sys::build_id_event().is_ok()),
        ("kprobe_multi", kprobe_multi(&nothing)),
        ("uprobe_multi", uprobe_multi(&nothing)),
        ("fmodret", function(FUNCTION).is_some_and(probe::can_be_modified)),
        (
            "fmodret_syscall",
            function("__x64_sys_read").is_some_and(probe::can_be_modified),
        ),
        ("signal", kprobe(&code(|asm| call(asm, SEND_SIGNAL)))),
        ("large", kprobe(&code(large))),
        ("link_pin", perf_links(&nothing)),
        (
            "lsm",
            probe::lsm_enabled("bpf") == Some(true) && at(LSM, LSM_MAC, "bpf_lsm_file_open", &nothing),
        ),
        (
            "missed_stats_kprobe_multi",
            member("bpf_link_info", "kprobe_multi.missed"),
        ),
        (
            "missed_stats_kprobe",
            member("bpf_link_info", "perf_event.kprobe.missed"),
        ),
        ("batch_update", batches()),
        ("uprobe_refctroff", Path::new(REFERENCE_COUNTER).exists()),
        ("audit_loginuid", member("task_struct", "loginuid")),
        ("probe_write_user", probe::write_user()),
        ("uprobe_regs_change", probe::write_registers()),
        ("mix_bpf_and_tail_calls", calls_and_tail_calls()),
        ("fentry", at(TRACING, FENTRY, FUNCTION, &nothing)),
        ("get_func_ret", at(TRACING, FEXIT, FUNCTION, &code(function_result))),
        ("substring_kfunc", function("bpf_strnstr").is_some()),
        ("copy_from_user_str", function("bpf_copy_from_user_str").is_some()),
    ]
}

/// A program that returns 0, and does something before.
fn code(body: impl FnOnce(&mut Assembler)) -> Code {
    let mut asm = Assembler::new();
    body(&mut asm);
    asm.set(Reg::R0, 0);
    asm.exit();
    asm.finish().unwrap_or_default()
}

/// Calls a helper that takes the context or a number, then a number.
fn call(asm: &mut Assembler, helper: u32) {
    if helper == SEND_SIGNAL {
        asm.set(Reg::R1, 0);
    }
    asm.set(Reg::R2, 0);
    asm.call_helper(helper);
}

/// More instructions than unprivileged programs may have, which was the limit of all before 5.2.
fn large(asm: &mut Assembler) {
    for _ in 0..5_000 {
        asm.set(Reg::R0, 0);
    }
}

/// Eight bytes of the stack, at `register`.
fn place(asm: &mut Assembler, register: Reg) {
    asm.copy(register, Reg::R10);
    asm.alu(ebpf_asm::Alu::Add, register, -8);
    asm.store_imm(Width::U64, Reg::R10, -8, 0);
}

fn function_result(asm: &mut Assembler) {
    place(asm, Reg::R2);
    asm.call_helper(GET_FUNC_RET);
}

fn load(prog_type: u32, attach_type: u32, attach_btf_id: u32, code: &Code) -> Option<OwnedFd> {
    let bytes: Vec<u8> = code.insns.iter().flat_map(|insn| insn.bytes()).collect();
    let load = ProgLoad {
        name: kernel_name("probe"),
        prog_type,
        attach_type,
        attach_btf_id,
        code: &bytes,
        license: c"GPL",
        ..Default::default()
    };
    sys::prog_load(&load, sys::LogLevel::Statistics, &mut []).ok()
}

/// Whether a kernel that knows such links says that there is no such function.
fn kprobe_multi(nothing: &Code) -> bool {
    load(KPROBE, sys::KPROBE_MULTI, 0, nothing).is_some_and(|program| {
        let link = sys::kprobe_multi(program.as_fd(), c"there is no such function");
        link.is_err_and(|error| error.errno() == libc::ESRCH)
    })
}

/// Whether a kernel that knows such links says that a folder has no functions.
fn uprobe_multi(nothing: &Code) -> bool {
    load(KPROBE, sys::UPROBE_MULTI, 0, nothing).is_some_and(|program| {
        let link = sys::uprobe_multi(program.as_fd(), c"/");
        link.is_err_and(|error| error.errno() == libc::EBADF)
    })
}

/// Whether a kernel that knows links on perf events says that this is none.
fn perf_links(nothing: &Code) -> bool {
    let (Some(program), Ok(file)) = (load(KPROBE, 0, 0, nothing), File::open("/dev/null")) else {
        return false;
    };
    let link = sys::link_create_perf(program.as_fd(), file.as_fd());
    link.is_err_and(|error| error.errno() == libc::EBADF)
}

fn batches() -> bool {
    map(1).is_some_and(|map| sys::update_nothing(map.as_fd()).is_ok())
}

fn map(map_type: u32) -> Option<MapFd> {
    let spec = MapSpec {
        name: kernel_name("probe"),
        map_type,
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        ..Default::default()
    };
    MapFd::create(spec, None).ok()
}

/// A program that calls a function of its own and continues in another program.
fn calls_and_tail_calls() -> bool {
    /// `BPF_MAP_TYPE_PROG_ARRAY`.
    const PROGRAMS: u32 = 3;
    let Some(programs) = map(PROGRAMS) else { return false };
    let mut asm = Assembler::new();
    asm.copy(Reg::R6, Reg::R1);
    asm.call("function");
    asm.copy(Reg::R1, Reg::R6);
    asm.map(Reg::R2, "programs");
    asm.set(Reg::R3, 0);
    asm.call_helper(TAIL_CALL);
    asm.set(Reg::R0, 0);
    asm.exit();
    let function = asm.len();
    asm.set(Reg::R0, 0);
    asm.exit();
    let Ok(mut code) = asm.finish() else { return false };
    for &(at, _) in &code.calls {
        code.insns[at].imm = (function - at - 1) as i32;
    }
    for &(at, _) in &code.maps {
        code.insns[at].imm = std::os::fd::AsRawFd::as_raw_fd(&programs.as_fd());
    }
    load(KPROBE, 0, 0, &code).is_some()
}
