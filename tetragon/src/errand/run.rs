//! Running an errand, for as long as it takes: up to ten seconds, and what the system's resolver takes before.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _},
    time::{Duration, Instant},
};

use super::{Request, Url, network::is_public};

/// From the first attempt to connect to the first line of the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Addresses of one name that are tried.
const ADDRESSES: usize = 4;

/// First line of an answer, at most.
const STATUS_LINE: usize = 1_024;

/// Does what `request` says; with `private`, wherever that leads. What is returned says what came of it.
pub(crate) fn run(request: &Request, private: bool) -> Result<String, String> {
    match request {
        Request::Get(url) => get(url, private),
        Request::LookUp(name) => {
            // With the dot behind it, nothing else is asked for: no name in the domains that the system searches.
            let addresses = resolve(&format!("{name}."), 0)?;
            Ok(format!("{} addresses", addresses.len()))
        }
    }
}

fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    match (host, port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(format!("resolve {host}: {error}")),
    }
}

fn get(url: &Url, private: bool) -> Result<String, String> {
    let mut addresses = resolve(&url.host, url.port)?;
    let all = addresses.len();
    addresses.retain(|address| private || is_public(address.ip()));
    if addresses.is_empty() {
        return Err(match all {
            0 => format!("{} has no address", url.host),
            _ => refused(&url.host),
        });
    }
    let until = Instant::now() + PATIENCE;
    let mut stream = connect(&addresses, until)?;
    // The public address of this very machine.
    let ends = stream
        .local_addr()
        .and_then(|local| Ok((local.ip(), stream.peer_addr()?.ip())));
    let (local, remote): (IpAddr, IpAddr) = ends.map_err(|error| format!("connect: {error}"))?;
    if local == remote && !private {
        return Err(refused(&url.host));
    }
    let head = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: tetragon\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        url.path, url.authority
    );
    let failed = |error: std::io::Error| format!("ask {}: {error}", url.authority);
    stream.set_write_timeout(Some(left(until)?)).map_err(failed)?;
    stream.write_all(head.as_bytes()).map_err(failed)?;
    status(&mut stream, until)
}

fn refused(host: &str) -> String {
    format!("{host} is not outside of this network: allow that with --allow-action-private-addresses")
}

/// What is left of the time.
fn left(until: Instant) -> Result<Duration, String> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(format!("no answer within {} seconds", PATIENCE.as_secs()));
    }
    Ok(left)
}

fn connect(addresses: &[SocketAddr], until: Instant) -> Result<TcpStream, String> {
    let mut failed = String::new();
    for address in addresses.iter().take(ADDRESSES) {
        match TcpStream::connect_timeout(address, left(until)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = format!("connect to {address}: {error}"),
        }
    }
    Err(failed)
}

/// Reads the first line of an answer. What is behind it is not read.
fn status(stream: &mut TcpStream, until: Instant) -> Result<String, String> {
    let mut line = vec![];
    while !line.contains(&b'\n') && line.len() < STATUS_LINE {
        let mut bytes = [0; STATUS_LINE];
        let read = stream
            .set_read_timeout(Some(left(until)?))
            .and_then(|()| stream.read(&mut bytes));
        match read {
            Ok(0) => break,
            Ok(len) => line.extend_from_slice(&bytes[..len]),
            // Looks at the time once more.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(format!("read the answer: {error}")),
        }
    }
    let status = line
        .strip_prefix(b"HTTP/1.")
        .and_then(|rest| rest.get(2..5))
        .filter(|digits| digits.iter().all(u8::is_ascii_digit));
    match status {
        Some(digits) => Ok(format!("status {}", String::from_utf8_lossy(digits))),
        None => Err("the answer is none of HTTP".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        net::{Ipv4Addr, TcpListener},
        thread,
    };

    use super::*;

    /// What a server that gives this answer was asked, and what the errand came to.
    fn against(answer: &'static [u8], private: bool) -> (Vec<String>, Result<String, String>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let request = Request::get(&format!("http://127.0.0.1:{port}/seen?by=canary")).unwrap();
        if !private {
            listener.set_nonblocking(true).unwrap();
            let result = run(&request, false);
            assert!(listener.accept().is_err(), "nobody connects");
            return (vec![], result);
        }
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(&stream).lines().map(Result::unwrap);
            let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            (&stream).write_all(answer).unwrap();
            (lines, format!("Host: 127.0.0.1:{port}"))
        });
        let result = run(&request, true);
        let (lines, host) = server.join().unwrap();
        assert_eq!(lines[1], host);
        (lines, result)
    }

    #[test]
    fn one_question_and_no_redirection() {
        let (lines, result) = against(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", true);
        assert_eq!(lines[0], "GET /seen?by=canary HTTP/1.1");
        assert_eq!(result, Ok("status 302".into()));
    }

    #[test]
    fn answers_that_are_none() {
        for answer in [
            b"".as_slice(),
            b"HTTP/1.1 ok\r\n",
            b"220 mail.example.org\r\n",
            &[b'x'; 5_000],
        ] {
            assert_eq!(against(answer, true).1, Err("the answer is none of HTTP".into()));
        }
    }

    #[test]
    fn nobody_inside_is_asked_unless_allowed() {
        let (_, result) = against(b"", false);
        assert!(result.unwrap_err().contains("--allow-action-private-addresses"));
    }
}
