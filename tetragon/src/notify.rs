//! Tells the service manager how far the agent is (`sd_notify`): one datagram to the socket that it names in
//! `NOTIFY_SOCKET`, nothing without one.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sensors are attached, the processes that run already are known, and the API listens.
pub const READY: &str = "READY=1";
/// The agent is about to end.
pub const STOPPING: &str = "STOPPING=1";

/// Sends `state`. A service manager that does not listen is none of the agent's business: it goes on.
pub fn notify(state: &str) {
    if let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty())
        && let Err(error) = send(&socket, state)
    {
        tracing::debug!(%error, state, "Cannot tell the service manager");
    }
}

fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    // A name that begins with `@` is one without a file.
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let len = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    #[test]
    fn to_a_path_and_to_an_abstract_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), READY).unwrap();
        assert_eq!(receive(&socket), READY);

        let name = format!("tetragon-notify-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(OsStr::new(&format!("@{name}")), STOPPING).unwrap();
        assert_eq!(receive(&socket), STOPPING);

        assert!(send(OsStr::new("/nowhere/notify"), READY).is_err());
    }
}
