//! What the act is done to, and what can be seen of it afterwards.

use std::{
    ffi::CString,
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read as _},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    thread,
};

use anyhow::{Context as _, Result};

use super::act::Act;
use crate::{sys::process, tester::files};

/// Files in the working directory.
pub(super) const TARGET: &str = "target";
pub(super) const FIFO: &str = "fifo";
pub(super) const FORBIDDEN: &str = "forbidden";
pub(super) const UNMARKED: &str = "unmarked";
pub(super) const MARKED: &str = "marked";

/// Where somebody listens.
pub(super) const PORT: u16 = 4_711;

/// What is in the file.
const UNTOUCHED: &str = "untouched";

/// States of connections that are not there yet, or no longer (of those in
/// `include/net/tcp_states.h`): `TIME_WAIT`,
/// `CLOSE`.
const OVER: [&str; 2] = ["06", "07"];

/// An object.
pub(super) enum Stage {
    File,
    Fifo(File),
    Listener(TcpListener),
    Processes,
    Thread,
    Program,
}

impl Stage {
    /// As it is before the act. Nothing is done for that which looks like it.
    pub(super) fn set(act: Act) -> Result<Self> {
        Ok(match act {
            Act::Write => {
                fs::write("fresh", UNTOUCHED)?;
                fs::rename("fresh", TARGET)?;
                Self::File
            }
            Act::Send => {
                let _ = fs::remove_file(FIFO);
                process::make_fifo(&CString::new(FIFO)?).context("make a pipe")?;
                let reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(FIFO);
                Self::Fifo(reader?)
            }
            Act::Connect => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).context("listen")?;
                listener.set_nonblocking(true)?;
                Self::Listener(listener)
            }
            Act::Namespace => Self::Processes,
            Act::Capability => Self::Thread,
            Act::Execute => {
                if !Path::new(FORBIDDEN).exists() {
                    files::copy_self(FORBIDDEN, 0o755)?;
                }
                fs::write(UNMARKED, "")?;
                let _ = fs::remove_file(MARKED);
                Self::Program
            }
        })
    }

    /// Whether the act took place, and what there is to see. Process `pid` made the attempt; `thread`, if it still can tell,
    /// waits.
    pub(super) fn look(&mut self, pid: i32, thread: Option<i32>) -> Result<(bool, String)> {
        Ok(match self {
            Self::File => {
                let text = fs::read_to_string(TARGET)?;
                (text != UNTOUCHED, text)
            }
            Self::Fifo(reader) => {
                let mut text = String::new();
                match reader.read_to_string(&mut text) {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error).context("read the pipe"),
                    _ => (!text.is_empty(), text),
                }
            }
            Self::Listener(listener) => {
                let connected = is_connected(listener)?;
                (connected, if connected { "accepted" } else { "nobody" }.to_owned())
            }
            Self::Processes => {
                let (own, group) = (user_namespace("self")?, group(pid)?);
                let others = group.iter().filter_map(|pid| user_namespace(pid).ok());
                let others: Vec<_> = others.filter(|namespace| *namespace != own).collect();
                (
                    !others.is_empty(),
                    format!("{} in another user namespace", others.len()),
                )
            }
            Self::Thread => match thread {
                None => (false, "gone".to_owned()),
                Some(thread) => {
                    let status = fs::read_to_string(format!("/proc/{thread}/status"))?;
                    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
                    let set = line.context("no CapEff")?.trim();
                    (set.bytes().any(|digit| digit != b'0'), format!("CapEff {set}"))
                }
            },
            Self::Program => {
                let marked = Path::new(MARKED).exists();
                (marked, if marked { MARKED } else { UNMARKED }.to_owned())
            }
        })
    }
}

/// Whether somebody connected. As long as there is a connection under way, it may still come.
fn is_connected(listener: &TcpListener) -> Result<bool> {
    loop {
        let under_way = is_under_way()?;
        match listener.accept() {
            Ok(_) => return Ok(true),
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error).context("accept"),
            Err(_) if under_way => thread::yield_now(),
            Err(_) => return Ok(false),
        }
    }
}

fn is_under_way() -> Result<bool> {
    let remote = format!(":{PORT:04X}");
    let table = fs::read_to_string("/proc/net/tcp").context("read /proc/net/tcp")?;
    Ok(table.lines().any(|line| {
        let mut words = line.split_ascii_whitespace().skip(2);
        words.next().is_some_and(|address| address.ends_with(&remote))
            && words.next().is_some_and(|state| !OVER.contains(&state))
    }))
}

/// The processes whose group process `leader` leads.
fn group(leader: i32) -> Result<Vec<String>> {
    let mut group = vec![];
    for entry in fs::read_dir("/proc").context("list /proc")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let Ok(stat) = fs::read_to_string(format!("/proc/{name}/stat")) else {
            continue;
        };
        // State, parent and group follow the name, which may hold anything.
        let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' '));
        if fields.and_then(|mut fields| fields.nth(2)) == Some(leader.to_string().as_str()) {
            group.push(name);
        }
    }
    Ok(group)
}

fn user_namespace(pid: &str) -> Result<std::path::PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/user")).with_context(|| format!("user namespace of {pid}"))
}
