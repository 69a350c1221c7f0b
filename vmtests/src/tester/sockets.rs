//! Sockets that go from one process to another, and small servers.

use std::{
    ffi::CString,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
};

use anyhow::{Context as _, Result, ensure};
use rustix::net::{AddressFamily, Shutdown, SocketType, bind, listen, shutdown, socket};
use serde_json::json;

use super::say;
use crate::sys::process::{self, Fork};

/// `hand-over PORT`: a process makes sockets that others use.
///
/// A child listens on the first one, shuts it down, listens again, and binds it; then its parent shuts it down. Another
/// child sends five bytes to the second one, which listens on `PORT`. Each of the three prints its id when it is done, the
/// parent last.
pub fn hand_over(arguments: &[CString]) -> Result<()> {
    let port = say::number(arguments, 0)?;
    let first = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    child(|| {
        listen(&first, 5)?;
        shutdown(&first, Shutdown::Both)?;
        listen(&first, 6)?;
        // It is bound already, which the kernel finds out later than policies hear of it.
        let _ = bind(&first, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
        Ok(())
    })?;
    shutdown(&first, Shutdown::Both)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    child(|| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.write_all(b"hello")?;
        Ok(())
    })?;
    let mut text = String::new();
    listener.accept()?.0.read_to_string(&mut text)?;
    ensure!(text == "hello", "{text:?} came");
    say::own_pid()
}

/// Lets a child `work`, which then prints its id, and waits for its end.
fn child(work: impl FnOnce() -> Result<()>) -> Result<()> {
    match process::fork()? {
        Fork::Parent(pid) => {
            let status = process::wait(pid)?;
            ensure!(status == 0, "child {pid} ended with wait status {status:#x}");
            Ok(())
        }
        Fork::Child => match work().and_then(|()| say::own_pid()) {
            Ok(()) => process::exit_group(0),
            Err(error) => {
                eprintln!("tester: {error:#}");
                process::exit_group(1)
            }
        },
    }
}

/// `serve PORT`: answers HTTP requests until it is killed, and prints the first line of each.
pub fn serve(arguments: &[CString]) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, say::number::<u16>(arguments, 0)?))?;
    say::own_pid()?;
    for stream in listener.incoming() {
        let stream = stream?;
        let mut lines = BufReader::new(&stream).lines();
        let request = lines.next().context("an empty request")??;
        // To the end of the head: a connection with something unread is reset.
        for line in lines {
            if line?.is_empty() {
                break;
            }
        }
        (&stream).write_all(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")?;
        say::line(&json!({ "request": request }))?;
    }
    Ok(())
}

/// `names FILE LAST`: is the name server that the machine asks, by a new `FILE` in the form of resolv.conf(5), until it was
/// asked for every address of `LAST`; knows no name, and prints each that it is asked for.
pub fn names(arguments: &[CString]) -> Result<()> {
    const HEADER: usize = 12;
    let last = say::string(arguments, 1)?;
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53))?;
    fs::write(say::string(arguments, 0)?, "nameserver 127.0.0.1\n")?;
    say::own_pid()?;
    let mut seen: Vec<(String, Option<u8>)> = vec![];
    let mut message = [0; 512];
    // For IPv4 and for IPv6.
    while seen.iter().filter(|(name, _)| name == last).count() < 2 {
        let (len, from) = server.recv_from(&mut message)?;
        let message = &mut message[..len];
        let mut labels = vec![];
        let mut rest = message.get(HEADER..).context("a short question")?;
        while let Some((&label, behind)) = rest.split_first()
            && label != 0
        {
            let (label, behind) = behind.split_at_checked(label.into()).context("a short name")?;
            labels.push(String::from_utf8_lossy(label).into_owned());
            rest = behind;
        }
        let question = (labels.join("."), rest.get(2).copied());
        // An answer (RFC 1035, 4.1.1), recursion available, no such name.
        message[2] |= 0x80;
        message[3] = 0x83;
        server.send_to(message, from)?;
        if !seen.iter().any(|(name, _)| *name == question.0) {
            say::line(&json!({ "name": question.0 }))?;
        }
        if !seen.contains(&question) {
            seen.push(question);
        }
    }
    Ok(())
}
