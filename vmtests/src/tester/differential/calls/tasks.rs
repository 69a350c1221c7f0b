//! Calls by other processes: with other privileges and namespaces, and other programs.

use std::{
    io::{Read as _, Write as _},
    net::UdpSocket,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use policy::eval::{Ancestor, Process, Value};

use super::{Input, Prepared, Raw, World, files, numbers, system_call};
use crate::{
    sys::process::{self, Fork},
    tester::differential::{facts, random::Random},
};

/// Executes a program, which makes a call itself.
pub(in super::super) fn execute(input: &Input, world: &World) -> Result<Prepared> {
    let (path, mode) = files::program(input, world)?;
    let bytes = path.as_os_str().as_bytes().to_vec();
    let mut ancestors = vec![Ancestor {
        pid: world.own.pid,
        namespace_pid: 0,
    }];
    ancestors.extend(&world.own.ancestors);
    let process = Process {
        // Nobody knows it before, and no filter names it.
        pid: u32::MAX,
        ancestors,
        ..world.own.clone()
    };
    let executed = Process {
        binary: Some(path.to_string_lossy().into_owned()),
        ..process.clone()
    };
    let values = vec![
        Raw::Value(Value::File {
            path: bytes.clone(),
            mode,
        }),
        Raw::Value(Value::Bytes(bytes)),
        Raw::Word(u64::MAX),
    ];
    Ok(Prepared {
        values,
        process,
        executed: Some(executed),
        act: Box::new(move || {
            let mut command = Command::new(&path);
            command
                .args(["calls", "getsid -1"])
                .env_clear()
                .stdin(Stdio::null())
                .stdout(Stdio::null());
            let mut child = command.spawn().context("execute a program")?;
            ensure!(child.wait()?.success(), "the program failed");
            Ok(child.id())
        }),
    })
}

/// Kinds of namespaces that a process leaves.
const LEFT: [i32; 5] = [
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWUSER,
];

/// Capabilities, namespaces and a number.
pub(in super::super) fn generate(random: &mut Random) -> Input {
    let mut words = numbers::generate_sets(random).words;
    words.push(if random.chance(60) { random.below(32) as u64 } else { 0 });
    words.push(numbers::number(random));
    Input {
        words,
        ..Input::default()
    }
}

/// A child with other namespaces and fewer capabilities calls `getpgid`.
pub(in super::super) fn fork(input: &Input, _: &World) -> Result<Prepared> {
    let words = input.words.clone();
    let number = words[5];
    let flags = (0..LEFT.len())
        .filter(|bit| words[4] & 1 << bit != 0)
        .fold(0, |flags, bit| flags | LEFT[bit]);
    let begin = move || {
        process::unshare(flags).context("unshare")?;
        let permitted = words[2];
        let set = numbers::set_capabilities(words[0] & permitted, permitted, words[1] & permitted);
        ensure!(set == 0, "capset: {set}");
        Ok(())
    };
    child(vec![Raw::Word(number)], begin, move |()| {
        system_call("getpgid", [number, 0, 0, 0, 0, 0]);
    })
}

/// In a network of its own, a child calls its loopback device as the input says, and asks for its flags.
pub(in super::super) fn device(input: &Input, _: &World) -> Result<Prepared> {
    /// Names in `struct ifreq`, and its size.
    const NAME: usize = 16;
    const REQUEST: usize = 40;
    let name = input.texts[0].clone();
    let value = Raw::Value(Value::Bytes(name.clone().into_bytes()));
    let begin = move || {
        process::unshare(libc::CLONE_NEWNET).context("unshare")?;
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        let mut request = [0_u8; REQUEST];
        request[..2].copy_from_slice(b"lo");
        request[NAME..NAME + name.len()].copy_from_slice(name.as_bytes());
        let ask = move |what: u64, request: &mut [u8; REQUEST]| {
            system_call(
                "ioctl",
                [socket.as_raw_fd() as u64, what, request.as_mut_ptr() as u64, 0, 0, 0],
            )
        };
        let renamed = ask(libc::SIOCSIFNAME, &mut request);
        ensure!(renamed == 0, "rename a device to {name:?}: {renamed}");
        let mut request = [0_u8; REQUEST];
        request[..name.len()].copy_from_slice(name.as_bytes());
        Ok((ask, request))
    };
    child(vec![value], begin, |(ask, mut request)| {
        ask(libc::SIOCGIFFLAGS, &mut request);
    })
}

/// A child that has done what comes first, and waits with the call.
fn child<T>(values: Vec<Raw>, begin: impl FnOnce() -> Result<T>, call: impl FnOnce(T)) -> Result<Prepared> {
    let (ready, say_ready) = rustix::pipe::pipe()?;
    let (go, say_go) = rustix::pipe::pipe()?;
    let pid = match process::fork().context("fork")? {
        Fork::Child => {
            drop((ready, say_go));
            match begin() {
                Ok(state) => {
                    if wait(go, say_ready) {
                        call(state);
                    }
                    process::exit_group(0);
                }
                Err(error) => {
                    eprintln!("tester: {error:#}");
                    process::exit_group(1);
                }
            }
        }
        Fork::Parent(pid) => pid,
    };
    drop((go, say_ready));
    let mut byte = [0];
    if std::fs::File::from(ready).read(&mut byte)? == 0 {
        bail!("a child failed");
    }
    Ok(Prepared {
        values,
        process: facts::of(pid as u32)?,
        executed: None,
        act: Box::new(move || {
            std::fs::File::from(say_go).write_all(b"g")?;
            let status = process::wait(pid).context("wait for a child")?;
            ensure!(status == 0, "a child ended with wait status {status:#x}");
            Ok(pid as u32)
        }),
    })
}

/// Says that the child is ready and waits until it may go on; false if nobody wants it to.
fn wait(go: OwnedFd, ready: OwnedFd) -> bool {
    let said = std::fs::File::from(ready).write_all(b"r");
    said.is_ok() && std::fs::File::from(go).read(&mut [0]).is_ok_and(|read| read == 1)
}
