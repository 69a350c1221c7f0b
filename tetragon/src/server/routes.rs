//! Which service a request is for. Two names need no router.

use std::convert::Infallible;
use std::task::{Context, Poll};

use tetragon_api::v1::event_log_service_server::{EventLogServiceServer, SERVICE_NAME as EVENT_LOG};
use tetragon_api::v1::fine_guidance_sensors_server::FineGuidanceSensorsServer;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service};

use super::Api;

/// Both services of the API. What is for neither, the first one answers as unimplemented.
#[derive(Clone, Debug)]
pub struct Routes {
    sensors: FineGuidanceSensorsServer<Api>,
    event_log: EventLogServiceServer<Api>,
}

impl Routes {
    /// To `api`.
    pub fn to(api: Api) -> Self {
        Self {
            sensors: FineGuidanceSensorsServer::new(api.clone()),
            event_log: EventLogServiceServer::new(api),
        }
    }
}

impl Service<Request<Body>> for Routes {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match request.uri().path().split('/').nth(1) {
            Some(EVENT_LOG) => self.event_log.call(request),
            _ => self.sensors.call(request),
        }
    }
}
