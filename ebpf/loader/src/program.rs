//! Programs in the kernel.

use std::{
    ffi::CString,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use ebpf_asm::Code;

use crate::{
    bytes::{kernel_name, machine_code},
    error::{Error, SysError},
    link::Link,
    loaded::Loaded,
    map::Map,
    probe,
    sys::{self, ProgLoad},
};

/// First size of the verifier's log, and the largest that is tried. The kernel refuses more than 16 MiB before 5.2, and
/// nobody reads more.
const LOG_SIZES: std::ops::RangeInclusive<u32> = 16..=24;

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
        let (prog_type, attach_type, attach_btf_id, flags) = kind.numbers();
        let load = ProgLoad {
            name: kernel_name(name),
            prog_type,
            attach_type,
            attach_btf_id,
            flags,
            code: &code,
            license: &loaded.inner.license,
            btf: loaded.btf.as_ref().map(AsFd::as_fd),
            func_info: (function.func_info_rec_size as u32, &functions),
            line_info: (function.line_info_rec_size as u32, &lines),
        };
        let fd = load_with_log(name, &load)?;
        let info = sys::prog_info(fd.as_fd()).unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            kind,
            fd,
            info,
        })
    }

    /// Loads a program that is code alone; `maps` are those that it refers to, in this order.
    pub(crate) fn load_code(name: &str, kind: ProgramKind, code: &Code, maps: &[&Map]) -> Result<Self, Error> {
        let mut insns = code.insns.clone();
        for (&(at, _), map) in code.maps.iter().zip(maps) {
            insns[at].imm = map.as_fd().as_raw_fd();
        }
        let bytes: Vec<u8> = insns.iter().flat_map(|insn| insn.bytes()).collect();
        let (prog_type, attach_type, attach_btf_id, flags) = kind.numbers();
        let load = ProgLoad {
            name: kernel_name(name),
            prog_type,
            attach_type,
            attach_btf_id,
            flags,
            code: &bytes,
            license: c"GPL",
            ..Default::default()
        };
        let fd = load_with_log(name, &load)?;
        let info = sys::prog_info(fd.as_fd()).unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            kind,
            fd,
            info,
        })
    }

    /// Its name in the object.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Instructions that the verifier went through; 0 before 5.16, which does not tell.
    pub fn verified_insns(&self) -> u32 {
        self.info.verified_insns
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
        let source = probe::KprobeSource::read()?;
        let failed = |source| self.attach_error(format!("kprobe {function}"), source);
        let config = if on_return { source.return_bit } else { 0 };
        let event = sys::open_kprobe(source.event_type, config, &symbol, offset).map_err(failed)?;
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
                Ok(Link::new(event))
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

/// Loads without a log, as making one costs the verifier time; on failure again with one large enough.
fn load_with_log(name: &str, load: &ProgLoad<'_>) -> Result<OwnedFd, Error> {
    let mut tries = 1;
    let mut source = loop {
        match sys::prog_load(load, &mut []) {
            Ok(fd) => return Ok(fd),
            Err(error) if error.errno() == libc::EAGAIN && tries < TRIES => tries += 1,
            Err(error) => break error,
        }
    };
    let mut log = vec![];
    for bits in LOG_SIZES.step_by(2) {
        log = vec![0; 1 << bits];
        match sys::prog_load(load, &mut log) {
            Ok(fd) => return Ok(fd),
            Err(error) if error.errno() == libc::ENOSPC => {}
            Err(error) => {
                source = error;
                break;
            }
        }
    }
    let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
    let log = String::from_utf8_lossy(&log[..end]).into_owned();
    Err(Error::Load {
        program: name.to_owned(),
        release: probe::kernel_release(),
        source,
        log,
    })
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, fs::File, io, os::fd::IntoRawFd as _, rc::Rc};

    use super::*;
    use crate::sys::{Command, ReadAttr as _, Syscall, fake::Fake};

    fn load(answers: Vec<i32>) -> (Result<OwnedFd, Error>, Vec<u32>) {
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
            if size > 0 {
                attr.fill_log(b"0: (95) exit\nR0 !read_ok\n\0");
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
    fn success_makes_no_log() {
        let (result, sizes) = load(vec![0]);
        assert!(result.is_ok());
        assert_eq!(sizes, [0]);
    }

    #[test]
    fn a_busy_kernel_is_asked_again() {
        let (result, sizes) = load(vec![libc::EAGAIN, libc::EAGAIN, 0]);
        assert!(result.is_ok());
        assert_eq!(sizes, [0, 0, 0]);
    }

    #[test]
    fn a_refusal_is_repeated_with_a_log_that_grows_until_it_fits() {
        let (result, sizes) = load(vec![libc::EACCES, libc::ENOSPC, libc::ENOSPC, libc::EACCES]);
        assert_eq!(sizes, [0, 1 << 16, 1 << 18, 1 << 20]);
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
