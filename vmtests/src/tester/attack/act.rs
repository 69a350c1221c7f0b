//! What is done, as system calls.

use std::{
    env,
    fs::OpenOptions,
    os::fd::{IntoRawFd as _, RawFd},
};

use anyhow::{Context as _, Result, bail};
use policy::syscalls::Syscall;

use super::stage::{FIFO, FORBIDDEN, MARKED, PORT, TARGET, UNMARKED};
use crate::{
    sys::{process, ring::Operation},
    tester::calls::{self, Arena},
};

/// What policies forbid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Write to a file.
    Write,
    /// Write to a named pipe.
    Send,
    /// Connect a TCP socket.
    Connect,
    /// Make a process in a new user namespace.
    Namespace,
    /// Make a permitted capability an effective one.
    Capability,
    /// Execute a program.
    Execute,
}

const ACTS: [(&str, Act); 6] = [
    ("write", Act::Write),
    ("send", Act::Send),
    ("connect", Act::Connect),
    ("namespace", Act::Namespace),
    ("capability", Act::Capability),
    ("execute", Act::Execute),
];

/// What is written.
const TAMPERED: &[u8] = b"tampered";

/// `_LINUX_CAPABILITY_VERSION_3`, and `CAP_SETUID`.
const VERSION: u32 = 0x2008_0522;
const SETUID: u32 = 1 << 7;

/// The user that has no effective capabilities.
const NOBODY: u32 = 1_000;

impl Act {
    pub(super) fn named(name: &str) -> Result<Self> {
        let act = ACTS.iter().find(|(known, _)| *known == name);
        act.map(|(_, act)| *act).with_context(|| format!("{name} is no act"))
    }

    /// Everything that comes before the act itself.
    pub(super) fn ready(self) -> Result<Deed> {
        let mut arena = Arena::new()?;
        let bytes = TAMPERED.len() as u32;
        let mut operation = None;
        let (name, arguments) = match self {
            Self::Write | Self::Send => {
                let path = if self == Self::Write { TARGET } else { FIFO };
                let fd = open(path)?;
                let address = arena.put(TAMPERED, 0)?;
                operation = Some(Operation::Write {
                    fd,
                    address,
                    len: bytes,
                });
                ("write", vec![fd as u64, address, bytes.into()])
            }
            Self::Connect => {
                let address = calls::address(&format!("127.0.0.1:{PORT}"))?;
                let (len, address) = (address.len() as u32, arena.put(&address, 0)?);
                let socket = [libc::AF_INET as u64, libc::SOCK_STREAM as u64, 0, 0, 0, 0];
                let fd = calls::perform(&syscall("socket")?, socket);
                if fd < 0 {
                    bail!("socket: error {}", -fd);
                }
                operation = Some(Operation::Connect {
                    fd: fd as i32,
                    address,
                    len,
                });
                ("connect", vec![fd as u64, address, len.into()])
            }
            Self::Namespace => ("clone", vec![(libc::CLONE_NEWUSER | libc::SIGCHLD) as u64]),
            Self::Capability => {
                process::step_down(NOBODY).context("step down")?;
                let header = arena.put(&words(&[VERSION, 0]), 0)?;
                // Effective, permitted and inheritable, then their upper halves.
                let sets = arena.put(&words(&[SETUID, SETUID, 0, 0, 0, 0]), 0)?;
                ("capset", vec![header, sets])
            }
            Self::Execute => {
                let folder = env::current_dir()?;
                let folder = folder.to_str().context("the working directory")?;
                let path = arena.put(format!("{folder}/{FORBIDDEN}").as_bytes(), 1)?;
                let mut argv = vec![];
                for text in [FORBIDDEN, "rename", UNMARKED, MARKED] {
                    argv.push(arena.put(text.as_bytes(), 1)?);
                }
                let wide: Vec<u8> = argv.iter().flat_map(|at| at.to_ne_bytes()).collect();
                let narrow: Vec<u8> = argv.iter().flat_map(|at| (*at as u32).to_ne_bytes()).collect();
                let (wide, narrow) = (arena.put(&wide, 8)?, arena.put(&narrow, 4)?);
                let none = arena.put(&[], 8)?;
                return Ok(Deed {
                    native: (syscall("execve")?, six(&[path, wide, none])),
                    compat: (syscall("i386/execve")?, six(&[path, narrow, none])),
                    operation: None,
                });
            }
        };
        Ok(Deed {
            native: (syscall(name)?, six(&arguments)),
            compat: (syscall(&format!("i386/{name}"))?, six(&arguments)),
            operation,
        })
    }
}

/// An act that was made ready. What it points to stays where it is as long as the process lives.
pub(super) struct Deed {
    native: (Syscall, [u64; 6]),
    compat: (Syscall, [u64; 6]),
    /// The same for `io_uring(7)`.
    pub(super) operation: Option<Operation>,
}

impl Deed {
    /// Does it; an error is its negated number.
    pub(super) fn call(&mut self, compat: bool) -> i64 {
        let (syscall, arguments) = if compat { &self.compat } else { &self.native };
        calls::perform(syscall, *arguments)
    }
}

/// What the process in the new namespace does, until it is killed. Nobody is to wait for what it may say.
pub(super) fn wait_in_namespace(tell: RawFd) -> ! {
    if let Ok(close) = syscall("close") {
        calls::perform(&close, six(&[tell as u64]));
    }
    loop {
        process::pause();
    }
}

fn open(path: &str) -> Result<RawFd> {
    let file = OpenOptions::new().write(true).open(path);
    Ok(file.with_context(|| format!("open {path}"))?.into_raw_fd())
}

fn syscall(name: &str) -> Result<Syscall> {
    Syscall::parse(name).with_context(|| format!("{name} is no system call"))
}

fn six(arguments: &[u64]) -> [u64; 6] {
    std::array::from_fn(|index| arguments.get(index).copied().unwrap_or(0))
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}
