//! What the running kernel and machine have, found out by asking or trying, never from the version number.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
};

use aya_obj::btf::BtfFeatures;
use ebpf_asm::{Alu, Assembler, Reg, Width};

use crate::{
    error::Error,
    program::{Program, ProgramKind, TracingAttach},
    sys::{self, BtfLoad},
};

/// CPUs that this machine may ever have: the number of values in an entry of a per-CPU map.
pub fn possible_cpus() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| cpu_file("/sys/devices/system/cpu/possible"))
}

/// CPUs that are running.
pub fn online_cpus() -> usize {
    cpu_file("/sys/devices/system/cpu/online")
}

fn cpu_file(path: &str) -> usize {
    let list = fs::read_to_string(path).unwrap_or_default();
    count_cpus(&list).unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Number of CPUs in a list such as `0-3,8`.
fn count_cpus(list: &str) -> Option<usize> {
    let mut count = 0_usize;
    for range in list.trim().split(',') {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (from, to): (usize, usize) = (from.parse().ok()?, to.parse().ok()?);
        count = count.checked_add(to.checked_sub(from)?.checked_add(1)?)?;
    }
    Some(count)
}

/// Whether programs can exchange a word of memory atomically (`BPF_XCHG`, kernel 5.12): loads one that does.
pub fn atomic_exchange() -> bool {
    static EXCHANGE: OnceLock<bool> = OnceLock::new();
    *EXCHANGE.get_or_init(|| {
        let mut asm = Assembler::new();
        asm.store_imm(Width::U64, Reg::R10, -8, 0);
        asm.set(Reg::R0, 0);
        asm.exchange(Reg::R10, -8, Reg::R0);
        asm.exit();
        let code = asm.finish();
        code.is_ok_and(|code| Program::load_code("exchange", ProgramKind::RawTracepoint, &code, &[]).is_ok())
    })
}

/// Whether programs can write to the memory of processes (`bpf_probe_write_user`, not where the kernel is locked down): loads
/// one that does.
pub fn write_user() -> bool {
    /// Its number (`enum bpf_func_id`).
    const PROBE_WRITE_USER: u32 = 36;
    static WRITE: OnceLock<bool> = OnceLock::new();
    *WRITE.get_or_init(|| {
        let mut asm = Assembler::new();
        asm.set(Reg::R1, 0);
        asm.store_imm(Width::U64, Reg::R10, -8, 0);
        asm.copy(Reg::R2, Reg::R10);
        asm.alu(Alu::Add, Reg::R2, -8);
        asm.set(Reg::R3, 8);
        asm.call_helper(PROBE_WRITE_USER);
        loads("write_user", ProgramKind::Kprobe, asm)
    })
}

/// Whether programs at uprobes can change registers (kernel 6.18): loads one that does.
pub fn write_registers() -> bool {
    /// Offset of `rax` in `struct pt_regs`.
    const RAX: i16 = 80;
    static WRITE: OnceLock<bool> = OnceLock::new();
    *WRITE.get_or_init(|| {
        let mut asm = Assembler::new();
        asm.set(Reg::R0, 0);
        asm.store(Width::U64, Reg::R1, RAX, Reg::R0);
        loads("write_registers", ProgramKind::Kprobe, asm)
    })
}

/// Whether the kernel measures files (`CONFIG_IMA`), as far as securityfs says.
pub fn ima() -> bool {
    let places = ["/sys/kernel/security/ima", "/sys/kernel/security/integrity/ima"];
    places.iter().any(|place| Path::new(place).exists())
}

/// Whether programs at security hooks are told hashes of files (`bpf_ima_file_hash`, kernel 5.18): loads one at the hook whose
/// function in the kernel's BTF is `btf_id` and whose first parameter is a file, such as `bpf_lsm_file_open`.
pub fn file_hash(btf_id: u32) -> bool {
    /// Its number (`enum bpf_func_id`).
    const IMA_FILE_HASH: u32 = 193;
    const LEN: u64 = 64;
    static HASH: OnceLock<bool> = OnceLock::new();
    *HASH.get_or_init(|| {
        let mut asm = Assembler::new();
        asm.load(Width::U64, Reg::R1, Reg::R1, 0);
        asm.copy(Reg::R2, Reg::R10);
        asm.alu(Alu::Add, Reg::R2, -(LEN as i32));
        asm.set(Reg::R3, LEN);
        asm.call_helper(IMA_FILE_HASH);
        let kind = ProgramKind::Lsm {
            btf_id,
            sleepable: true,
        };
        loads("file_hash", kind, asm)
    })
}

/// Whether the kernel takes a program of this kind that begins with `asm` and then returns 0.
fn loads(name: &str, kind: ProgramKind, mut asm: Assembler) -> bool {
    asm.set(Reg::R0, 0);
    asm.exit();
    let code = asm.finish();
    code.is_ok_and(|code| Program::load_code(name, kind, &code, &[]).is_ok())
}

/// Whether programs at kprobes can skip the function (`bpf_override_return`, `CONFIG_BPF_KPROBE_OVERRIDE`): loads one that
/// does.
pub fn override_return() -> bool {
    /// Its number (`enum bpf_func_id`).
    const OVERRIDE_RETURN: u32 = 58;
    static OVERRIDE: OnceLock<bool> = OnceLock::new();
    *OVERRIDE.get_or_init(|| {
        let mut asm = Assembler::new();
        asm.set(Reg::R2, 0);
        asm.call_helper(OVERRIDE_RETURN);
        loads("override", ProgramKind::Kprobe, asm)
    })
}

/// Whether programs at trampolines can skip the function that is `btf_id` in the kernel's BTF (`fmod_ret`, kernel 5.7): loads one
/// that does. Of system calls, it is those of 64-bit programs (seen on 7.3), or all (`CONFIG_FUNCTION_ERROR_INJECTION`).
pub fn can_be_modified(btf_id: u32) -> bool {
    static MODIFIED: Mutex<BTreeMap<u32, bool>> = Mutex::new(BTreeMap::new());
    let mut known = MODIFIED.lock().unwrap_or_else(PoisonError::into_inner);
    *known.entry(btf_id).or_insert_with(|| {
        let kind = ProgramKind::Tracing {
            attach: TracingAttach::ModifyReturn,
            btf_id,
            sleepable: false,
        };
        loads("modify", kind, Assembler::new())
    })
}

/// Whether programs at kprobes can skip function `name` ([`override_return`]), as far as can be told: where debugfs does not
/// list those that can be, it may be any.
pub fn can_be_skipped(name: &str) -> bool {
    static LIST: OnceLock<Option<HashSet<Box<str>>>> = OnceLock::new();
    let read = || {
        let list = fs::read_to_string("/sys/kernel/debug/error_injection/list").ok()?;
        // Behind the name, what values stand for an error.
        let names = list.lines().filter_map(|line| line.split_ascii_whitespace().next());
        Some(names.map(Box::from).collect())
    };
    override_return() && LIST.get_or_init(read).as_ref().is_none_or(|list| list.contains(name))
}

/// Whether the kernel may take the processor away from a task while that runs in the kernel, and with it from a program at a
/// trampoline: what debugfs says, else what it was built for (`init_utsname()->version`). Of one that was built to decide when
/// it starts, that is yes.
pub fn preemptible() -> bool {
    static PREEMPTIBLE: OnceLock<bool> = OnceLock::new();
    *PREEMPTIBLE.get_or_init(|| {
        let modes = fs::read_to_string("/sys/kernel/debug/sched/preempt").unwrap_or_default();
        let built = || fs::read_to_string("/proc/sys/kernel/version").unwrap_or_default();
        preempts(&modes).unwrap_or_else(|| built().contains("PREEMPT"))
    })
}

/// Whether the mode in parentheses, such as in `none voluntary (full)`, is one in which the kernel itself is preempted
/// (`preempt_modes`, kernel/sched/core.c).
fn preempts(modes: &str) -> Option<bool> {
    let (_, rest) = modes.split_once('(')?;
    let (mode, _) = rest.split_once(')')?;
    Some(!matches!(mode, "none" | "voluntary"))
}

/// Whether the security module `name`, such as `bpf`, is active; `None` when securityfs is not mounted.
pub fn lsm_enabled(name: &str) -> Option<bool> {
    let list = fs::read_to_string("/sys/kernel/security/lsm").ok()?;
    Some(list.trim().split(',').any(|module| module == name))
}

/// Release of the running kernel, such as `6.12.9-amd64`.
pub fn kernel_release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    if release.is_empty() {
        "a kernel of unknown release".to_owned()
    } else {
        release.to_owned()
    }
}

/// Number of the perf event of tracepoint `group`:`name`.
pub(crate) fn tracepoint(group: &str, name: &str) -> Result<u64, Error> {
    let path = format!("{TRACEFS}/events/{group}/{name}/id");
    let failed = |source| Error::Read {
        path: path.clone(),
        source,
    };
    let text = fs::read_to_string(&path).map_err(failed)?;
    text.trim()
        .parse()
        .map_err(|_| failed(std::io::ErrorKind::InvalidData.into()))
}

/// Where tracefs is mounted.
pub const TRACEFS: &str = "/sys/kernel/tracing";

/// How kprobes or uprobes are asked for.
pub(crate) struct ProbeSource {
    /// Type of perf event.
    pub(crate) event_type: u32,
    /// Bit of `config` that asks for the return of the function.
    pub(crate) return_bit: u64,
}

impl ProbeSource {
    /// `kind` is `kprobe` or `uprobe`.
    pub(crate) fn read(kind: &str) -> Result<Self, Error> {
        let read = |name: &str, prefix: &str| {
            let path = format!("/sys/bus/event_source/devices/{kind}/{name}");
            let failed = |source| Error::Read {
                path: path.clone(),
                source,
            };
            let text = fs::read_to_string(&path).map_err(failed)?;
            let number = text
                .trim()
                .strip_prefix(prefix)
                .and_then(|number| number.parse::<u32>().ok());
            number.ok_or_else(|| failed(std::io::ErrorKind::InvalidData.into()))
        };
        let bit = read("format/retprobe", "config:")?;
        Ok(Self {
            event_type: read("type", "")?,
            return_bit: 1 << (bit & 63),
        })
    }
}

/// Kinds of type information that the kernel takes, by offering it one of each.
pub(crate) fn btf_features() -> BtfFeatures {
    const GLOBAL: u32 = 1;
    let int = |builder: &mut Vec<u32>| builder.extend([1, 1 << 24, 4, 0x0100_0020]);
    let accepts = |words: &[u32]| {
        let mut types = vec![];
        int(&mut types);
        types.extend(words);
        sys::btf_load(BtfLoad(&tiny_btf(&types))).is_ok()
    };
    let func = |linkage: u32| [0, 13 << 24 | 1, 0, 1, 1, 1, 12 << 24 | linkage, 2];
    let var = [1, 14 << 24, 1, 0];
    let datasec = [3, 15 << 24 | 1, 4, 2, 0, 4];
    let datasec_zero = [3, 15 << 24, 0];
    BtfFeatures::new(
        accepts(&func(0)),
        accepts(&func(GLOBAL)),
        accepts(&[&var[..], &datasec].concat()),
        accepts(&datasec_zero),
        accepts(&[1, 16 << 24, 4]),
        accepts(&[&var[..], &[1, 17 << 24, 2, u32::MAX]].concat()),
        accepts(&[1, 18 << 24, 1, 0, 2 << 24, 2]),
        accepts(&[1, 19 << 24 | 1, 8, 1, 0, 0]),
    )
}

/// A file of the given type records; name 1 is `x`, name 3 is `.x`.
fn tiny_btf(types: &[u32]) -> Vec<u8> {
    let strings = b"\0x\0.x\0";
    let len = size_of_val(types) as u32;
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    let header = [24, 0, len, len, strings.len() as u32];
    bytes.extend(header.iter().chain(types).flat_map(|word| word.to_le_bytes()));
    bytes.extend(strings);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_of_preemption() {
        assert_eq!(preempts("none (voluntary) full\n"), Some(false));
        assert_eq!(preempts("(none) voluntary full lazy\n"), Some(false));
        assert_eq!(preempts("full (lazy)\n"), Some(true));
        assert_eq!(preempts("(full)"), Some(true));
        assert_eq!(preempts(""), None);
    }

    #[test]
    fn cpu_lists() {
        assert_eq!(count_cpus("0\n"), Some(1));
        assert_eq!(count_cpus("0-3,8,10-11\n"), Some(7));
        assert_eq!(count_cpus(""), None);
        assert_eq!(count_cpus("3-1"), None);
        assert_eq!(count_cpus("0-18446744073709551615"), None);
    }
}
