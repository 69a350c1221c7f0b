//! Serving a service on sockets until told to stop.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::transport::Server;

use super::listen::{Connections, Listener};

/// How long clients may take to finish when the agent ends.
const GRACE: Duration = Duration::from_secs(2);

/// Servers that run.
#[derive(Debug)]
pub struct Serving {
    stop: watch::Sender<()>,
    tasks: JoinSet<()>,
}

impl Serving {
    /// Serves `service` on `listeners`. Must be called within the runtime.
    pub fn start<S>(service: &S, listeners: Vec<Listener>) -> Self
    where
        S: Service<
                Request<Body>,
                Response = Response<Body>,
                Error = Infallible,
                Future = BoxFuture<Response<Body>, Infallible>,
            > + Clone
            + Send
            + Sync
            + 'static,
    {
        let (stop, stopped) = watch::channel(());
        let mut tasks = JoinSet::new();
        for listener in listeners {
            let service = service.clone();
            let mut stopped = stopped.clone();
            tasks.spawn(async move {
                let server = Server::builder();
                let stop = async move {
                    let _sender_is_gone = stopped.changed().await;
                };
                let result = match listener {
                    Listener::Unix(socket, file) => {
                        let connections = Connections::of(socket);
                        let result = server.serve_with_incoming_shutdown(service, connections, stop).await;
                        drop(file);
                        result
                    }
                    Listener::Tcp(socket) => {
                        let connections = Connections::of(socket);
                        server.serve_with_incoming_shutdown(service, connections, stop).await
                    }
                };
                if let Err(error) = result {
                    tracing::error!(%error, "A gRPC server has ended");
                }
            });
        }
        Self { stop, tasks }
    }

    /// Takes no more connections, and waits for clients to finish, but not for long.
    pub async fn stop(self) {
        let Self { stop, mut tasks } = self;
        drop(stop);
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::debug!("Some gRPC clients did not finish in time");
        }
        // Sockets are removed even then.
        tasks.shutdown().await;
    }
}
