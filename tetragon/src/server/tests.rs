//! Clients of the API on real sockets, in one process with the agent's side.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tetragon_api::filter::Captured;
use tetragon_api::v1::event_log_service_client::EventLogServiceClient;
use tetragon_api::v1::fine_guidance_sensors_client::FineGuidanceSensorsClient;
use tetragon_api::v1::{
    ConfigureTracingPolicyRequest, EnableTracingPolicyRequest, Filter, GetEventLogParamsRequest, GetEventsRequest,
    GetEventsResponse, GetHealthStatusRequest, GetInfoRequest, GetVersionRequest, ListSensorsRequest,
    ListTracingPoliciesRequest, TracingPolicyMode,
};
use tetragon_api::{event, json};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Streaming};

use super::{Address, Api, Hub, ListenError, Listener, Routes, Serving};

type Client = FineGuidanceSensorsClient<Channel>;

/// A server on a socket in a directory of its own.
struct Agent {
    directory: TempDir,
    hub: Arc<Hub>,
    serving: Serving,
}

impl Agent {
    fn start(queue: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let hub = Arc::<Hub>::default();
        let routes = Routes::to(Api {
            sensors: Arc::default(),
            hub: Arc::clone(&hub),
            queue,
            deprecated: false,
            info: Arc::default(),
            captured: Arc::new(Captured::default()),
        });
        let listener = Listener::open(&Address::Unix(socket(&directory))).unwrap();
        let serving = Serving::start(&routes, vec![listener]);
        Self {
            directory,
            hub,
            serving,
        }
    }

    async fn channel(&self) -> Channel {
        let uri = format!("unix:{}", socket(&self.directory).display());
        Endpoint::from_shared(uri).unwrap().connect().await.unwrap()
    }

    async fn client(&self) -> Client {
        Client::new(self.channel().await)
    }

    /// A stream; the server knows it when this returns.
    async fn events(&self, request: GetEventsRequest) -> Streaming<GetEventsResponse> {
        self.client().await.get_events(request).await.unwrap().into_inner()
    }

    fn publish(&self, binary: &str) {
        let line = format!(r#"{{"process_exec":{{"process":{{"binary":"{binary}","cwd":"/"}}}},"node_name":"n"}}"#);
        self.hub.publish(&json::parse_event(&line).unwrap());
    }
}

fn socket(directory: &TempDir) -> PathBuf {
    directory.path().join("run/tetragon.sock")
}

fn binary(event: &GetEventsResponse) -> &str {
    event::process(event).map_or("", |process| &process.binary)
}

fn filter(text: &str) -> Filter {
    json::parse(text, json::Unknown::Reject).unwrap()
}

#[tokio::test]
async fn clients_get_what_they_ask_for_from_now_on() {
    let agent = Agent::start(10);
    agent.publish("before");
    let mut all = agent.events(GetEventsRequest::default()).await;
    let request = GetEventsRequest {
        allow_list: vec![filter(r#"{"binary_regex":["b$"]}"#)],
        field_filters: vec![json::parse(r#"{"fields":"process.binary"}"#, json::Unknown::Reject).unwrap()],
        ..GetEventsRequest::default()
    };
    let mut some = agent.events(request).await;
    assert_eq!(agent.hub.clients(), 2);
    for name in ["/a", "/b"] {
        agent.publish(name);
    }
    for name in ["/a", "/b"] {
        let event = all.message().await.unwrap().unwrap();
        assert_eq!((binary(&event), event.node_name.as_str()), (name, "n"));
        assert_eq!(event::process(&event).unwrap().cwd, "/");
    }
    let event = some.message().await.unwrap().unwrap();
    assert_eq!(binary(&event), "/b");
    assert_eq!(event::process(&event).unwrap().cwd, "");
}

#[tokio::test]
async fn a_slow_client_loses_events_and_no_one_waits_for_it() {
    let agent = Agent::start(3);
    // The test and the server share one thread, so that nothing is taken from the queue meanwhile.
    let mut slow = agent.events(GetEventsRequest::default()).await;
    for name in ["/a", "/b", "/c", "/d", "/e"] {
        agent.publish(name);
    }
    assert_eq!(agent.hub.dropped(), 2);
    for name in ["/a", "/b", "/c"] {
        assert_eq!(binary(&slow.message().await.unwrap().unwrap()), name);
    }
    agent.publish("/f");
    // It keeps up again.
    assert_eq!(binary(&slow.message().await.unwrap().unwrap()), "/f");
    assert_eq!(agent.hub.dropped(), 2);
}

#[tokio::test]
async fn filters_that_are_wrong_are_refused() {
    let agent = Agent::start(3);
    let mut client = agent.client().await;
    for (text, expected) in [
        (
            r#"{"binary_regex":["("]}"#,
            r#"filter: binary_regex: pattern "(": unclosed group"#,
        ),
        (
            r#"{"ancestor_binary_regex":["a"],"event_set":["PROCESS_EXEC"]}"#,
            "filter: ancestor_binary_regex: PROCESS_EXEC events have no ancestors, start the agent with \
             --enable-ancestors",
        ),
    ] {
        let request = GetEventsRequest {
            deny_list: vec![filter(text)],
            ..GetEventsRequest::default()
        };
        let status = client.get_events(request).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, expected));
    }
    assert_eq!(agent.hub.clients(), 0);
}

#[tokio::test]
async fn a_client_that_goes_is_forgotten() {
    let agent = Agent::start(3);
    let stream = agent.events(GetEventsRequest::default()).await;
    drop(stream);
    // The server hears of it when it tries to send, or earlier.
    while agent.hub.clients() > 0 {
        agent.publish("/a");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_end_of_the_agent_ends_streams_and_removes_the_socket() {
    let agent = Agent::start(3);
    let mut stream = agent.events(GetEventsRequest::default()).await;
    agent.publish("/last");
    agent.hub.close();
    let Agent { directory, serving, .. } = agent;
    let stopping = tokio::spawn(serving.stop());
    assert_eq!(binary(&stream.message().await.unwrap().unwrap()), "/last");
    assert_eq!(stream.message().await.unwrap(), None);
    stopping.await.unwrap();
    assert!(!socket(&directory).exists());
}

#[tokio::test]
async fn answers() {
    let agent = Agent::start(3);
    let mut client = agent.client().await;
    let version = client.get_version(GetVersionRequest {}).await.unwrap().into_inner();
    assert_eq!(version.version, crate::VERSION);
    let health = client.get_health(GetHealthStatusRequest::default()).await.unwrap();
    let mut text = Vec::new();
    json::write(&health.into_inner(), &mut text);
    assert_eq!(
        str::from_utf8(&text).unwrap(),
        r#"{"health_status":[{"event":"HEALTH_STATUS_TYPE_STATUS","status":"HEALTH_STATUS_RUNNING","details":"running"}]}"#
    );
    let status = client
        .list_tracing_policies(ListTracingPoliciesRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "the agent is starting")
    );
    let info = client.get_info(GetInfoRequest::default()).await.unwrap().into_inner();
    assert_eq!(
        (info.name.as_str(), info.version.as_str()),
        ("tetragon", crate::VERSION)
    );
    assert_eq!(info.probes[0].name, "override_return");
    #[allow(deprecated, reason = "old clients still call it")]
    let status = client.list_sensors(ListSensorsRequest {}).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unknown, "ListSensors is deprecated")
    );
    #[allow(deprecated, reason = "old clients still call it")]
    let status = client
        .enable_tracing_policy(EnableTracingPolicyRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::Unknown,
            "EnableTracingPolicy is deprecated: use ConfigureTracingPolicy, or start the agent with \
             --enable-deprecated-tracingpolicy-grpc"
        )
    );
    let status = client
        .configure_tracing_policy(ConfigureTracingPolicyRequest {
            mode: Some(TracingPolicyMode::TpModeMonitorOnly.into()),
            ..ConfigureTracingPolicyRequest::default()
        })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let mut log = EventLogServiceClient::new(agent.channel().await);
    let status = log.get_event_log_params(GetEventLogParamsRequest {}).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unimplemented, "GetEventLogParams is not supported yet")
    );
}

#[tokio::test]
async fn a_socket_in_use_is_an_error_and_a_stale_one_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.sock");
    let open = |path: &Path| Listener::open(&Address::Unix(path.to_owned()));
    let first = open(&path).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
    let error = open(&path).unwrap_err();
    assert!(matches!(error, ListenError::InUse(_)), "{error}");
    // The first one is not touched by that.
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
    drop(first);
    assert!(!path.exists());

    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let replaced = open(&path).unwrap();
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
    drop(replaced);

    let file = directory.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    assert!(matches!(open(&file), Err(ListenError::NotASocket(_))));
    assert!(matches!(open(&file.join("t.sock")), Err(ListenError::Io { .. })));
    // Nothing but the file is left.
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
}

#[tokio::test]
async fn tcp() {
    let Listener::Tcp(socket) = Listener::open(&Address::Tcp("localhost".into(), 0)).unwrap() else {
        panic!("not TCP");
    };
    let port = socket.local_addr().unwrap().port();
    let error = Listener::open(&Address::Tcp("127.0.0.1".into(), port)).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(&format!("127.0.0.1:{port} is in use: ")), "{text}");
    let routes = Routes::to(Api {
        sensors: Arc::default(),
        hub: Arc::default(),
        queue: 1,
        deprecated: false,
        info: Arc::default(),
        captured: Arc::default(),
    });
    let serving = Serving::start(&routes, vec![Listener::Tcp(socket)]);
    let channel = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
    let mut client = Client::new(channel.connect().await.unwrap());
    assert!(client.get_version(GetVersionRequest {}).await.is_ok());
    drop(client);
    serving.stop().await;
}
