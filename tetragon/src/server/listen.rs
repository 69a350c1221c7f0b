//! Opening the sockets that clients connect to, and taking their connections.

use std::fs::Permissions;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::Sleep;
use tokio_stream::Stream;

use super::Address;

/// A server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else listens there.
    #[error("{0} is in use: stop what listens there, most likely another tetragon, or choose another address")]
    InUse(Address),
    /// Something else is at the place of the socket.
    #[error("{}: is there and not a socket: remove it, or choose another address", .0.display())]
    NotASocket(PathBuf),
    /// Anything else.
    #[error("listen on {address}: {operation}: {error}")]
    Io {
        /// Where.
        address: Address,
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        error: io::Error,
    },
}

/// An open socket.
#[derive(Debug)]
pub enum Listener {
    /// In the file system. The file goes away with this.
    Unix(UnixListener, SocketFile),
    /// On the network.
    Tcp(TcpListener),
}

/// The file of a socket, removed when this is dropped.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _gone_already = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Listens on `address`. Must be called within the runtime.
    pub fn open(address: &Address) -> Result<Self, ListenError> {
        match address {
            Address::Unix(path) => open_unix(address, path),
            Address::Tcp(host, port) => open_tcp(address, host, *port),
        }
    }
}

/// Nobody sees the socket before it listens and has its permissions: it is made in a directory of its own beside its
/// place, then moved there. A socket that nobody listens to any more is replaced.
fn open_unix(address: &Address, path: &Path) -> Result<Listener, ListenError> {
    let failed = |operation| {
        move |error| ListenError::Io {
            address: address.clone(),
            operation,
            error,
        }
    };
    match path.symlink_metadata() {
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(ListenError::NotASocket(path.to_owned())),
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(ListenError::InUse(address.clone())),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            // Somebody listens but takes no connections now.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(ListenError::InUse(address.clone())),
            Err(error) => return Err(failed("try the socket that is there")(error)),
        },
        Err(_) => {}
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut builder = std::fs::DirBuilder::new();
    let created = builder.mode(0o755).recursive(true).create(directory);
    created.map_err(failed("create the directory of the socket"))?;
    let private = directory.join(format!(".tetragon-{}", std::process::id()));
    let _not_there = std::fs::remove_dir_all(&private);
    let created = builder.mode(0o700).recursive(false).create(&private);
    created.map_err(failed("create a directory beside the socket"))?;
    let made = || {
        let hidden = private.join("socket");
        let listener = UnixListener::bind(&hidden).map_err(failed("bind"))?;
        std::fs::set_permissions(&hidden, Permissions::from_mode(0o660)).map_err(failed("set permissions"))?;
        std::fs::rename(&hidden, path).map_err(failed("move the socket to its place"))?;
        Ok(Listener::Unix(listener, SocketFile(path.to_owned())))
    };
    let result = made();
    let _left_behind = std::fs::remove_dir_all(&private);
    result
}

fn open_tcp(address: &Address, host: &str, port: u16) -> Result<Listener, ListenError> {
    let failed = |operation| {
        move |error: io::Error| match error.kind() {
            ErrorKind::AddrInUse => ListenError::InUse(address.clone()),
            _ => ListenError::Io {
                address: address.clone(),
                operation,
                error,
            },
        }
    };
    let listener = match host {
        // Both families where there are both.
        "" => std::net::TcpListener::bind(("::", port)).or_else(|error| match error.kind() {
            ErrorKind::AddrInUse => Err(error),
            _ => std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)),
        }),
        // Needs no resolver, which hosts that are just starting may not have.
        "localhost" => std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)),
        host => {
            let addresses = (host, port).to_socket_addrs().map_err(failed("resolve the name"))?;
            let mut addresses: Vec<SocketAddr> = addresses.collect();
            addresses.sort_by_key(|address| matches!(address.ip(), IpAddr::V6(_)));
            std::net::TcpListener::bind(addresses.as_slice())
        }
    };
    let listener = listener.map_err(failed("bind"))?;
    listener.set_nonblocking(true).map_err(failed("set non-blocking"))?;
    TcpListener::from_std(listener)
        .map(Listener::Tcp)
        .map_err(failed("register"))
}

/// Something that takes connections.
pub(super) trait Accept {
    /// A connection.
    type Connection;

    /// The next one.
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Self::Connection>>;
}

impl Accept for UnixListener {
    type Connection = UnixStream;

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        Self::poll_accept(self, context).map_ok(|(stream, _)| stream)
    }
}

impl Accept for TcpListener {
    type Connection = TcpStream;

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        Self::poll_accept(self, context).map_ok(|(stream, _)| stream)
    }
}

/// The connections of a socket. When one cannot be taken, as when there are too many open files, waits before the next.
#[derive(Debug)]
pub(super) struct Connections<L> {
    listener: L,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<L> Connections<L> {
    /// Of `listener`.
    pub(super) fn of(listener: L) -> Self {
        Self { listener, pause: None }
    }
}

impl<L: Accept + Unpin> Stream for Connections<L> {
    type Item = io::Result<L::Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let result = ready!(self.listener.poll_accept(context));
        if let Err(error) = &result {
            tracing::warn!(%error, "Cannot take a connection to the gRPC API");
            self.pause = Some(Box::pin(tokio::time::sleep(Duration::from_millis(500))));
        }
        Poll::Ready(Some(result))
    }
}
