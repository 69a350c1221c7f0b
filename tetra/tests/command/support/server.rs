//! An agent without a kernel: answers as told, and remembers what it was asked.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tetragon_api::v1::fine_guidance_sensors_server::{FineGuidanceSensors, FineGuidanceSensorsServer};
use tetragon_api::v1::{self, GetEventsRequest, GetEventsResponse};
use tokio::sync::oneshot;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// What one call of `GetEvents` is answered with.
#[derive(Debug)]
pub(crate) enum Script {
    /// These events, and the end of the stream.
    End(Vec<GetEventsResponse>),
    /// These events, and no end.
    Stay(Vec<GetEventsResponse>),
    /// These events, and an error.
    Fail(Vec<GetEventsResponse>, Status),
    /// An error at once.
    Refuse(Status),
}

/// An event of the process `binary`.
pub(crate) fn event(binary: &str) -> GetEventsResponse {
    let line = format!(r#"{{"process_exec":{{"process":{{"binary":"{binary}"}}}},"node_name":"n"}}"#);
    tetragon_api::json::parse_event(&line).expect("an event")
}

/// A running agent. Gone, with all its connections, when dropped.
pub(crate) struct Agent {
    address: String,
    requests: Arc<Mutex<Vec<GetEventsRequest>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug)]
enum Listen<'a> {
    Unix(&'a Path),
    Tcp,
}

impl Agent {
    /// An agent at a unix socket, which answers calls of `GetEvents` by `scripts`, one after another.
    pub(crate) fn at(socket: &Path, scripts: Vec<Script>) -> Self {
        Self::start(Listen::Unix(socket), scripts)
    }

    /// An agent at a TCP port.
    pub(crate) fn on_tcp(scripts: Vec<Script>) -> Self {
        Self::start(Listen::Tcp, scripts)
    }

    /// Value of `--server-address`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What `GetEvents` was called with.
    pub(crate) fn requests(&self) -> Vec<GetEventsRequest> {
        self.requests.lock().expect("nobody panics with it").clone()
    }

    fn start(listen: Listen<'_>, scripts: Vec<Script>) -> Self {
        let requests = Arc::default();
        let service = FineGuidanceSensorsServer::new(Service {
            scripts: Mutex::new(scripts.into()),
            requests: Arc::clone(&requests),
        });
        let socket = match listen {
            Listen::Unix(path) => Some(path.to_owned()),
            Listen::Tcp => None,
        };
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = std::sync::mpsc::channel();
        let serve = async move {
            let listener = Listener::bind(socket).await;
            ready.send(listener.address()).expect("the test waits for it");
            let server = Server::builder();
            // Ends when stopped, without waiting for clients: what an agent that is killed looks like.
            tokio::select! {
                result = async {
                    match listener {
                        Listener::Unix(listener, _) => server.serve_with_incoming(service, listener).await,
                        Listener::Tcp(listener, _) => server.serve_with_incoming(service, listener).await,
                    }
                } => result.expect("a listener"),
                _ = stopped => {}
            }
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(serve);
        });
        Self {
            address: address.recv().expect("it listens"),
            requests,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let (Some(stop), Some(thread)) = (self.stop.take(), self.thread.take()) {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

enum Listener {
    Unix(UnixListenerStream, PathBuf),
    Tcp(TcpListenerStream, String),
}

impl Listener {
    async fn bind(socket: Option<PathBuf>) -> Self {
        if let Some(path) = socket {
            // Left by an agent before.
            let _ = std::fs::remove_file(&path);
            let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
            return Self::Unix(UnixListenerStream::new(listener), path);
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        Self::Tcp(TcpListenerStream::new(listener), address)
    }

    fn address(&self) -> String {
        match self {
            Self::Unix(_, path) => format!("unix://{}", path.display()),
            Self::Tcp(_, address) => address.clone(),
        }
    }
}

struct Service {
    scripts: Mutex<VecDeque<Script>>,
    requests: Arc<Mutex<Vec<GetEventsRequest>>>,
}

type Events = Pin<Box<dyn Stream<Item = Result<GetEventsResponse, Status>> + Send>>;
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + 'a>>;

/// The calls that no command makes yet, in the form that `async_trait` gives to methods: it does not look into macros.
macro_rules! not_here {
    ($($method:ident($request:ident) -> $response:ident;)*) => {$(
        fn $method<'a, 'b>(&'a self, _: Request<v1::$request>) -> Answer<'b, v1::$response>
        where
            'a: 'b,
            Self: 'b,
        {
            Box::pin(async { Err(Status::unimplemented(stringify!($method))) })
        }
    )*};
}

#[tonic::async_trait]
impl FineGuidanceSensors for Service {
    type GetEventsStream = Events;

    async fn get_events(&self, request: Request<GetEventsRequest>) -> Result<Response<Events>, Status> {
        let lock = "nobody panics with it";
        self.requests.lock().expect(lock).push(request.into_inner());
        let script = self.scripts.lock().expect(lock).pop_front();
        let events = |events: Vec<GetEventsResponse>| tokio_stream::iter(events.into_iter().map(Ok));
        let stream: Events = match script.unwrap_or(Script::End(Vec::new())) {
            Script::End(list) => Box::pin(events(list)),
            Script::Stay(list) => Box::pin(events(list).chain(tokio_stream::pending())),
            Script::Fail(list, status) => Box::pin(events(list).chain(tokio_stream::once(Err(status)))),
            Script::Refuse(status) => return Err(status),
        };
        Ok(Response::new(stream))
    }

    async fn get_health(
        &self,
        request: Request<v1::GetHealthStatusRequest>,
    ) -> Result<Response<v1::GetHealthStatusResponse>, Status> {
        assert_eq!(request.into_inner().event_set, [v1::HealthStatusType::Status as i32]);
        let health_status = vec![v1::HealthStatus {
            event: v1::HealthStatusType::Status.into(),
            status: v1::HealthStatusResult::HealthStatusRunning.into(),
            details: "running".into(),
        }];
        Ok(Response::new(v1::GetHealthStatusResponse { health_status }))
    }

    async fn get_version(&self, _: Request<v1::GetVersionRequest>) -> Result<Response<v1::GetVersionResponse>, Status> {
        let version = "v9.9.9\u{1b}[2J".into();
        Ok(Response::new(v1::GetVersionResponse { version }))
    }

    not_here! {
        add_tracing_policy(AddTracingPolicyRequest) -> AddTracingPolicyResponse;
        delete_tracing_policy(DeleteTracingPolicyRequest) -> DeleteTracingPolicyResponse;
        list_tracing_policies(ListTracingPoliciesRequest) -> ListTracingPoliciesResponse;
        configure_tracing_policy(ConfigureTracingPolicyRequest) -> ConfigureTracingPolicyResponse;
        enable_tracing_policy(EnableTracingPolicyRequest) -> EnableTracingPolicyResponse;
        disable_tracing_policy(DisableTracingPolicyRequest) -> DisableTracingPolicyResponse;
        list_sensors(ListSensorsRequest) -> ListSensorsResponse;
        enable_sensor(EnableSensorRequest) -> EnableSensorResponse;
        disable_sensor(DisableSensorRequest) -> DisableSensorResponse;
        remove_sensor(RemoveSensorRequest) -> RemoveSensorResponse;
        list_domains(ListDomainsRequest) -> ListDomainsResponse;
        get_info(GetInfoRequest) -> GetInfoResponse;
        runtime_hook(RuntimeHookRequest) -> RuntimeHookResponse;
        get_debug(GetDebugRequest) -> GetDebugResponse;
        set_debug(SetDebugRequest) -> SetDebugResponse;
    }
}
