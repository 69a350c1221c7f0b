//! Programs in the kernel.

use std::{
    ffi::CString,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use ebpf_asm::{Assembler, Code, Reg};

use crate::{
    bytes::{kernel_name, machine_code},
    error::{Error, SysError},
    link::Link,
    loaded::Loaded,
    map::Map,
    probe,
    sys::{self, Ending, LogLevel, ProgLoad},
};

/// First size of the verifier's log, and the largest that is tried. The kernel refuses more than 16 MiB before 5.2, and
/// nobody reads more.
const LOG_SIZES: std::ops::RangeInclusive<u32> = 16..=24;

/// Room for the verifier's statistics: some lines, and a number for each function.
const STATISTICS: usize = 4096;

/// Tries before a program that the kernel was too busy to verify (`EAGAIN`: a signal was pending) is given up.
const TRIES: u32 = 5;

/// `BPF_F_SLEEPABLE`.
const SLEEPABLE: u32 = 1 << 4;

/// What a program is loaded as. The section it is in does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramKind {
    /// Runs at a raw tracepoint, which is named when it is attached.
    RawTracepoint,
    /// Runs at the perf event of a tracepoint.
    Tracepoint,
    /// Runs at a kprobe or kretprobe.
    Kprobe,
    /// Runs at a kernel function or tracepoint with typed arguments.
    Tracing {
        /// Where exactly.
        attach: TracingAttach,
        /// The function, or the `btf_trace_…` typedef of the tracepoint, in the kernel's BTF.
        btf_id: u32,
        /// Whether it may fault in user memory.
        sleepable: bool,
    },
    /// Runs at a hook of the security modules and may refuse what is about to happen.
    Lsm {
        /// The `bpf_lsm_…` function in the kernel's BTF.
        btf_id: u32,
        /// Whether it may fault in user memory.
        sleepable: bool,
    },
}

/// Where a tracing program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum TracingAttach {
    /// At a tracepoint (`tp_btf`).
    RawTracepoint = 23,
    /// When a function is entered.
    Entry = 24,
    /// When a function returns.
    Exit = 25,
    /// Before a function, whose return value it may decide (`fmod_ret`).
    ModifyReturn = 26,
}

impl ProgramKind {
    /// `enum bpf_prog_type`, `enum bpf_attach_type`, BTF number and flags.
    const fn numbers(self) -> (u32, u32, u32, u32) {
        match self {
            Self::Kprobe => (2, 0, 0, 0),
            Self::Tracepoint => (5, 0, 0, 0),
            Self::RawTracepoint => (17, 0, 0, 0),
            Self::Tracing {
                attach,
                btf_id,
                sleepable,
            } => (26, attach as u32, btf_id, flags(sleepable)),
            Self::Lsm { btf_id, sleepable } => (29, 27, btf_id, flags(sleepable)),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Kprobe => "kprobe",
            Self::Tracepoint => "tracepoint",
            Self::RawTracepoint => "raw tracepoint",
            Self::Tracing { .. } => "tracing",
            Self::Lsm { .. } => "LSM",
        }
    }
}

const fn flags(sleepable: bool) -> u32 {
    if sleepable { SLEEPABLE } else { 0 }
}

/// A loaded program. Attached only while a [`Link`] lives; dropping the program does not detach it.
#[derive(Debug)]
pub struct Program {
    name: String,
    kind: ProgramKind,
    fd: OwnedFd,
    info: sys::ProgInfo,
    verified_insns: u32,
}

impl Program {
    pub(crate) fn load(
        loaded: &Loaded,
        name: &str,
        kind: ProgramKind,
        function: &aya_obj::Function,
    ) -> Result<Self, Error> {
        let code = machine_code(&function.instructions);
        let (functions, lines) = (
            function.func_info.func_info_bytes(),
            function.line_info.line_info_bytes(),
        );
        let load = ProgLoad {
            code: &code,
            license: &loaded.inner.license,
            btf: loaded.btf.as_ref().map(AsFd::as_fd),
            func_info: (function.func_info_rec_size as u32, &functions),
            line_info: (function.line_info_rec_size as u32, &lines),
            ..Default::default()
        };
        Self::accepted(name, kind, &load)
    }

    /// Loads a program that is code alone; `maps` are those that it refers to, in this order.
    pub(crate) fn load_code(name: &str, kind: ProgramKind, code: &Code, maps: &[&Map]) -> Result<Self, Error> {
        let mut insns = code.insns.clone();
        for (&(at, _), map) in code.maps.iter().zip(maps) {
            insns[at].imm = map.as_fd().as_raw_fd();
        }
        let bytes: Vec<u8> = insns.iter().flat_map(|insn| insn.bytes()).collect();
        let load = ProgLoad {
            code: &bytes,
            license: c"GPL",
            ..Default::default()
        };
        Self::accepted(name, kind, &load)
    }

    /// Loads a program that does nothing: what it costs is what its hook costs.
    pub fn empty(name: &str, kind: ProgramKind) -> Result<Self, Error> {
        let mut asm = Assembler::new();
        asm.set(Reg::R0, 0);
        asm.exit();
        let code = asm.finish().map_err(|error| Error::Relocate(error.to_string()))?;
        Self::load_code(name, kind, &code, &[])
    }

    /// The program of `load`, which says everything but what it is called and loaded as.
    fn accepted(name: &str, kind: ProgramKind, load: &ProgLoad<'_>) -> Result<Self, Error> {
        let (prog_type, attach_type, attach_btf_id, flags) = kind.numbers();
        let load = ProgLoad {
            name: kernel_name(name),
            prog_type,
            attach_type,
            attach_btf_id,
            flags,
            ..*load
        };
        let (fd, verified_insns) = load_with_log(name, &load)?;
        let info = sys::prog_info(fd.as_fd()).unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            kind,
            fd,
            info,
            verified_insns,
        })
    }

    /// Its name in the object.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Instructions that the verifier went through.
    pub fn verified_insns(&self) -> u32 {
        self.verified_insns
    }

    /// Bytes of the program after verification; branches that constants rule out are gone.
    pub fn xlated_len(&self) -> u32 {
        self.info.xlated_len
    }

    /// Bytes of machine code; 0 without a JIT compiler.
    pub fn jited_len(&self) -> u32 {
        self.info.jited_len
    }

    /// The kernel's number for it, as `bpftool prog` shows.
    pub fn id(&self) -> u32 {
        self.info.id
    }

    /// Times so far that it did not run because it was running already on the same CPU; 0 before 5.12, which does not
    /// tell.
    pub fn missed(&self) -> u64 {
        sys::prog_info(self.fd.as_fd()).map_or(0, |info| info.recursion_misses)
    }

    /// Attaches a [`ProgramKind::RawTracepoint`] program to tracepoint `name`, such as `sched_process_exec`.
    pub fn attach_raw_tracepoint(&self, name: &str) -> Result<Link, Error> {
        self.expect(matches!(self.kind, ProgramKind::RawTracepoint))?;
        let tracepoint = c_string(name)?;
        let link = sys::raw_tracepoint_open(self.fd.as_fd(), Some(&tracepoint));
        link.map(Link::new)
            .map_err(|source| self.attach_error(format!("raw tracepoint {name}"), source))
    }

    /// Attaches a [`ProgramKind::Tracing`] or [`ProgramKind::Lsm`] program to what it was loaded for.
    pub fn attach(&self) -> Result<Link, Error> {
        let (ProgramKind::Tracing { btf_id, .. } | ProgramKind::Lsm { btf_id, .. }) = self.kind else {
            return Err(self.kind_error());
        };
        let link = sys::raw_tracepoint_open(self.fd.as_fd(), None);
        link.map(Link::new)
            .map_err(|source| self.attach_error(format!("kernel BTF type {btf_id}"), source))
    }

    /// Attaches a [`ProgramKind::Kprobe`] program to `function` plus `offset` bytes, or to its return.
    pub fn attach_kprobe(&self, function: &str, offset: u64, on_return: bool) -> Result<Link, Error> {
        self.expect(matches!(self.kind, ProgramKind::Kprobe))?;
        let symbol = c_string(function)?;
        let source = probe::ProbeSource::read("kprobe")?;
        let failed = |source| self.attach_error(format!("kprobe {function}"), source);
        let config = if on_return { source.return_bit } else { 0 };
        let event = sys::open_probe(source.event_type, config, &symbol, offset).map_err(failed)?;
        self.attach_event(event).map_err(failed)
    }

    /// Attaches a [`ProgramKind::Kprobe`] program to the code at `offset` bytes into `file`, whatever process runs it, or
    /// to the return of the function that begins there: if none does, whoever runs the code crashes.
    /// `counter` is the offset of the number of those who watch, which the kernel keeps up to date, 0 for none (kernel
    /// 4.20). `path` is what errors call the file. The kernel wants a path as well, and gets the one of the descriptor:
    /// `/proc` must be mounted.
    pub fn attach_uprobe(
        &self,
        file: BorrowedFd<'_>,
        path: &str,
        (offset, on_return): (u64, bool),
        counter: u64,
    ) -> Result<Link, Error> {
        /// Where in `config` the counter is (`PERF_UPROBE_REF_CTR_OFFSET_SHIFT`, `include/linux/trace_events.h`).
        const COUNTER_SHIFT: u32 = 32;
        self.expect(matches!(self.kind, ProgramKind::Kprobe))?;
        let file = c_string(&format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let source = probe::ProbeSource::read("uprobe")?;
        let failed = |source| self.attach_error(format!("uprobe {path}+{offset:#x}"), source);
        let config = counter << COUNTER_SHIFT | if on_return { source.return_bit } else { 0 };
        let event = sys::open_probe(source.event_type, config, &file, offset).map_err(failed)?;
        self.attach_event(event).map_err(failed)
    }

    /// Attaches a [`ProgramKind::Tracepoint`] program to the perf event of tracepoint `group`:`name`, such as
    /// `sched`:`sched_process_exec`. Needs tracefs at its usual place.
    pub fn attach_tracepoint(&self, group: &str, name: &str) -> Result<Link, Error> {
        self.expect(matches!(self.kind, ProgramKind::Tracepoint))?;
        let id = probe::tracepoint(group, name)?;
        let event = sys::open_tracepoint(id);
        let link = event.and_then(|event| self.attach_event(event));
        link.map_err(|source| self.attach_error(format!("tracepoint {group}:{name}"), source))
    }

    fn attach_event(&self, event: OwnedFd) -> Result<Link, SysError> {
        match sys::link_create_perf(self.fd.as_fd(), event.as_fd()) {
            Ok(link) => Ok(Link::with_event(link, event)),
            // Before 5.15 the kernel does not know links on perf events.
            Err(error) if error.errno() == libc::EINVAL => {
                sys::perf_attach(event.as_fd(), self.fd.as_fd())?;
                Ok(Link::of_event(event))
            }
            Err(error) => Err(error),
        }
    }

    /// Runs a [`ProgramKind::RawTracepoint`] program once with `arguments` as those of the tracepoint, in the context
    /// of this process (`BPF_PROG_TEST_RUN`, 5.10). Returns what the program returned.
    pub fn test_run(&self, arguments: &[u64]) -> Result<u32, Error> {
        sys::test_run(self.fd.as_fd(), arguments).map_err(|source| Error::TestRun {
            program: self.name.clone(),
            source,
        })
    }

    /// Runs this program and then `early` as [`Self::test_run`] does, but in the context of a new process, which ends as
    /// `ending` says: this one as its first act, `early` when it has all of its threads, if it ever has more than one.
    /// Returns the status that wait(2) gives for it. What does not run says nothing of it.
    pub fn doomed_run(&self, early: &Self, ending: Ending) -> Result<i32, Error> {
        sys::doomed(self.fd.as_fd(), early.fd.as_fd(), ending).map_err(|source| Error::Doomed { source })
    }

    fn expect(&self, right: bool) -> Result<(), Error> {
        if right { Ok(()) } else { Err(self.kind_error()) }
    }

    fn kind_error(&self) -> Error {
        Error::Kind {
            program: self.name.clone(),
            kind: self.kind.name(),
        }
    }

    fn attach_error(&self, target: String, source: SysError) -> Error {
        Error::Attach {
            program: self.name.clone(),
            target,
            source,
        }
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn c_string(name: &str) -> Result<CString, Error> {
    CString::new(name).map_err(|_| Error::Nul { name: name.to_owned() })
}

/// Loads without a log of steps, as making one costs the verifier time; on failure again with one large enough. Returns
/// the number of instructions that the verifier went through as well.
fn load_with_log(name: &str, load: &ProgLoad<'_>) -> Result<(OwnedFd, u32), Error> {
    let mut tries = 1;
    let mut statistics = [0; STATISTICS];
    let mut source = loop {
        match sys::prog_load(load, LogLevel::Statistics, &mut statistics) {
            Ok(fd) => return Ok((fd, processed(&text(&statistics)))),
            Err(error) if error.errno() == libc::EAGAIN && tries < TRIES => tries += 1,
            Err(error) => break error,
        }
    };
    let mut log = vec![];
    for bits in LOG_SIZES.step_by(2) {
        log = vec![0; 1 << bits];
        match sys::prog_load(load, LogLevel::Steps, &mut log) {
            Ok(fd) => return Ok((fd, processed(&text(&log)))),
            Err(error) if error.errno() == libc::ENOSPC => {}
            Err(error) => {
                source = error;
                break;
            }
        }
    }
    let mut log = text(&log);
    if LOCKED_DOWN.iter().any(|words| log.contains(words)) {
        source.hint = Some("the kernel is locked down, which forbids reading kernel memory".to_owned());
        log.clear();
    }
    Err(Error::Load {
        program: name.to_owned(),
        release: probe::kernel_release(),
        source,
        log,
    })
}

/// What verifiers say of the helper that lockdown (confidentiality) takes away; every kernel has it otherwise.
const LOCKED_DOWN: [&str; 2] = [
    "unknown func bpf_probe_read_kernel",
    "cannot use helper bpf_probe_read_kernel",
];

/// A log up to its NUL.
fn text(log: &[u8]) -> String {
    let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
    String::from_utf8_lossy(&log[..end]).into_owned()
}

/// `N` of `processed N insns (limit …`, which the log ends with; 0 when it does not.
fn processed(log: &str) -> u32 {
    let line = log.lines().rev().find_map(|line| line.strip_prefix("processed "));
    line.and_then(|line| line.split(' ').next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, fs::File, io, os::fd::IntoRawFd as _, rc::Rc};

    use super::*;
    use crate::sys::{Command, ReadAttr as _, Syscall, fake::Fake};

    fn load(answers: Vec<i32>) -> (Result<(OwnedFd, u32), Error>, Vec<u32>) {
        let log_sizes = Rc::new(RefCell::new(vec![]));
        let seen = Rc::clone(&log_sizes);
        let mut answers = answers.into_iter();
        let _fake = Fake::new(move |call| {
            let Syscall::Bpf {
                command: Command::ProgLoad,
                attr,
            } = call
            else {
                panic!("unexpected {call:?}")
            };
            let size = attr.number(28);
            seen.borrow_mut().push(size);
            assert_eq!((attr.number(0), attr.number(4)), (17, 1));
            match attr.number(24) {
                1 => attr.fill_log(b"0: (95) exit\nR0 !read_ok\n\0"),
                4 => attr.fill_log(b"stack depth 0\nprocessed 21 insns (limit 1000000)\n\0"),
                other => panic!("log level {other}"),
            }
            match answers.next().unwrap() {
                0 => Ok(File::open("/dev/null").unwrap().into_raw_fd() as u64),
                errno => Err(io::Error::from_raw_os_error(errno)),
            }
        });
        let code = [0x95, 0, 0, 0, 0, 0, 0, 0];
        let load = ProgLoad {
            prog_type: 17,
            code: &code,
            license: c"GPL",
            ..Default::default()
        };
        let result = load_with_log("exec", &load);
        let sizes = log_sizes.borrow().clone();
        (result, sizes)
    }

    #[test]
    fn success_makes_a_log_of_statistics_alone() {
        let (result, sizes) = load(vec![0]);
        assert_eq!(result.unwrap().1, 21);
        assert_eq!(sizes, [4096]);
    }

    #[test]
    fn a_busy_kernel_is_asked_again() {
        let (result, sizes) = load(vec![libc::EAGAIN, libc::EAGAIN, 0]);
        assert!(result.is_ok());
        assert_eq!(sizes, [4096; 3]);
    }

    #[test]
    fn a_refusal_is_repeated_with_a_log_that_grows_until_it_fits() {
        let (result, sizes) = load(vec![libc::EACCES, libc::ENOSPC, libc::ENOSPC, libc::EACCES]);
        assert_eq!(sizes, [4096, 1 << 16, 1 << 18, 1 << 20]);
        let text = result.unwrap_err().to_string();
        assert!(text.starts_with("load program \"exec\" on "), "{text}");
        assert!(
            text.ends_with("BPF_PROG_LOAD: Permission denied (os error 13)\n  0: (95) exit\n  R0 !read_ok"),
            "{text}"
        );
    }

    #[test]
    fn a_log_that_never_fits_ends_at_16_mebibytes() {
        let mut answers = vec![libc::EINVAL];
        answers.extend([libc::ENOSPC; 5]);
        let (result, sizes) = load(answers);
        assert_eq!(sizes.last(), Some(&(1 << 24)));
        assert!(result.unwrap_err().to_string().contains("Invalid argument"));
    }
}
