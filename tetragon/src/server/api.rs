//! What the agent answers to each call.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tetragon_api::filter::fields::FieldFilters;
use tetragon_api::filter::{Captured, Filters};
use tetragon_api::v1::event_log_service_server::EventLogService;
use tetragon_api::v1::fine_guidance_sensors_server::FineGuidanceSensors;
#[allow(
    clippy::wildcard_imports,
    reason = "a request and a response for each of twenty calls"
)]
use tetragon_api::v1::*;
use tonic::{Request, Response, Status};

use super::{Events, Hub, Info};
use crate::sensor::{self, Id, Sensors};
use policy::model::Mode;

/// The calls of the API. Clones are the same.
#[derive(Clone, Debug)]
pub struct Api {
    /// Where events come from.
    pub hub: Arc<Hub>,
    /// Events that may wait for one client.
    pub queue: usize,
    /// What filters may ask for.
    pub captured: Arc<Captured>,
    /// Whether calls that are deprecated in favour of `ConfigureTracingPolicy` are answered.
    pub deprecated: bool,
    /// What it tells about itself.
    pub info: Arc<Info>,
    /// The policies; not there yet while the agent starts.
    pub sensors: Arc<OnceLock<Mutex<Sensors>>>,
}

type Answer<T> = Result<Response<T>, Status>;

fn not_yet<T>(call: &str) -> Answer<T> {
    Err(Status::unimplemented(format!("{call} is not supported yet")))
}

/// Calls that Tetragon answers with an error, too. Not "unimplemented": a client would try other ways.
fn deprecated<T>(call: &str) -> Answer<T> {
    Err(Status::unknown(format!("{call} is deprecated")))
}

/// Domain of policies whose request names none.
const DOMAIN: &str = "grpc";

impl Api {
    /// Refuses a deprecated call unless `--enable-deprecated-tracingpolicy-grpc` is given.
    fn is_revived(&self, call: &str) -> Result<(), Status> {
        if self.deprecated {
            return Ok(());
        }
        Err(Status::unknown(format!(
            "{call} is deprecated: use ConfigureTracingPolicy, or start the agent with \
             --enable-deprecated-tracingpolicy-grpc"
        )))
    }

    /// Does something with the policies, on a thread where that may take its time.
    async fn with_sensors<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Sensors) -> Result<T, sensor::Error> + Send + 'static,
    ) -> Result<T, Status> {
        let sensors = Arc::clone(&self.sensors);
        let work = move || {
            let sensors = sensors
                .get()
                .ok_or_else(|| Status::unavailable("the agent is starting"))?;
            work(&mut sensors.lock().unwrap_or_else(PoisonError::into_inner)).map_err(|error| refused(&error))
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => Err(Status::internal(error.to_string())),
        }
    }
}

/// Why a policy was not added or deleted.
fn refused(error: &sensor::Error) -> Status {
    let message = error.to_string();
    match error {
        sensor::Error::Invalid(_) | sensor::Error::Empty | sensor::Error::Reserved => Status::invalid_argument(message),
        sensor::Error::Exists(_) => Status::already_exists(message),
        sensor::Error::Missing { .. } => Status::not_found(message),
        sensor::Error::NotYet { .. } => Status::unimplemented(message),
        _ => Status::failed_precondition(message),
    }
}

/// The policy that a request is about.
fn id(domain: String, namespace: String, name: String) -> Id {
    Id {
        domain: or_default(domain),
        namespace,
        name,
    }
}

fn or_default(domain: String) -> String {
    if domain.is_empty() { DOMAIN.to_owned() } else { domain }
}

/// The mode that a request asks for.
fn mode(mode: i32) -> Result<Mode, Status> {
    match TracingPolicyMode::try_from(mode) {
        Ok(TracingPolicyMode::TpModeEnforce) => Ok(Mode::Enforce),
        Ok(TracingPolicyMode::TpModeMonitor) => Ok(Mode::Monitor),
        _ => Err(Status::invalid_argument(
            "this is no mode that a policy can be given: give enforce or monitor",
        )),
    }
}

fn invalid(error: impl std::error::Error) -> Status {
    Status::invalid_argument(error.to_string())
}

#[tonic::async_trait]
impl FineGuidanceSensors for Api {
    type GetEventsStream = Events;

    async fn get_events(&self, request: Request<GetEventsRequest>) -> Answer<Events> {
        let GetEventsRequest {
            allow_list,
            deny_list,
            // No event type is merged: whatever the options say, nothing would be.
            aggregation_options: _,
            field_filters,
        } = request.into_inner();
        let filters = Filters::compile_for(&allow_list, &deny_list, &self.captured).map_err(invalid)?;
        let fields = FieldFilters::compile(&field_filters).map_err(invalid)?;
        let subscription = self.hub.subscribe(filters, self.queue);
        Ok(Response::new(Events::new(subscription, fields)))
    }

    async fn get_health(&self, _: Request<GetHealthStatusRequest>) -> Answer<GetHealthStatusResponse> {
        Ok(Response::new(GetHealthStatusResponse {
            health_status: vec![HealthStatus {
                event: HealthStatusType::Status.into(),
                status: HealthStatusResult::HealthStatusRunning.into(),
                details: "running".into(),
            }],
        }))
    }

    async fn get_version(&self, _: Request<GetVersionRequest>) -> Answer<GetVersionResponse> {
        Ok(Response::new(GetVersionResponse {
            version: crate::VERSION.into(),
        }))
    }

    async fn add_tracing_policy(&self, request: Request<AddTracingPolicyRequest>) -> Answer<AddTracingPolicyResponse> {
        let AddTracingPolicyRequest { yaml, domain } = request.into_inner();
        let domain = or_default(domain);
        self.with_sensors(move |sensors| sensors.add(&yaml, &domain)).await?;
        Ok(Response::new(AddTracingPolicyResponse {}))
    }

    async fn delete_tracing_policy(
        &self,
        request: Request<DeleteTracingPolicyRequest>,
    ) -> Answer<DeleteTracingPolicyResponse> {
        let DeleteTracingPolicyRequest {
            name,
            namespace,
            domain,
        } = request.into_inner();
        let id = id(domain, namespace, name);
        self.with_sensors(move |sensors| sensors.delete(&id)).await?;
        Ok(Response::new(DeleteTracingPolicyResponse {}))
    }

    async fn list_tracing_policies(
        &self,
        request: Request<ListTracingPoliciesRequest>,
    ) -> Answer<ListTracingPoliciesResponse> {
        let domain = request.into_inner().domain;
        let mut policies = self.with_sensors(|sensors| sensors.list()).await?;
        policies.retain(|policy| domain.is_empty() || policy.domain == domain);
        Ok(Response::new(ListTracingPoliciesResponse { policies }))
    }

    async fn configure_tracing_policy(
        &self,
        request: Request<ConfigureTracingPolicyRequest>,
    ) -> Answer<ConfigureTracingPolicyResponse> {
        let ConfigureTracingPolicyRequest {
            name,
            namespace,
            enable,
            mode: wanted,
            domain,
        } = request.into_inner();
        let id = id(domain, namespace, name);
        let mode = wanted.map(mode).transpose()?;
        self.with_sensors(move |sensors| sensors.configure(&id, mode, enable))
            .await?;
        Ok(Response::new(ConfigureTracingPolicyResponse {}))
    }

    async fn enable_tracing_policy(
        &self,
        request: Request<EnableTracingPolicyRequest>,
    ) -> Answer<EnableTracingPolicyResponse> {
        self.is_revived("EnableTracingPolicy")?;
        let EnableTracingPolicyRequest {
            name,
            namespace,
            domain,
        } = request.into_inner();
        let id = id(domain, namespace, name);
        self.with_sensors(move |sensors| sensors.configure(&id, None, Some(true)))
            .await?;
        Ok(Response::new(EnableTracingPolicyResponse {}))
    }

    async fn disable_tracing_policy(
        &self,
        request: Request<DisableTracingPolicyRequest>,
    ) -> Answer<DisableTracingPolicyResponse> {
        self.is_revived("DisableTracingPolicy")?;
        let DisableTracingPolicyRequest {
            name,
            namespace,
            domain,
        } = request.into_inner();
        let id = id(domain, namespace, name);
        self.with_sensors(move |sensors| sensors.configure(&id, None, Some(false)))
            .await?;
        Ok(Response::new(DisableTracingPolicyResponse {}))
    }

    async fn list_sensors(&self, _: Request<ListSensorsRequest>) -> Answer<ListSensorsResponse> {
        deprecated("ListSensors")
    }

    async fn enable_sensor(&self, _: Request<EnableSensorRequest>) -> Answer<EnableSensorResponse> {
        deprecated("EnableSensor")
    }

    async fn disable_sensor(&self, _: Request<DisableSensorRequest>) -> Answer<DisableSensorResponse> {
        deprecated("DisableSensor")
    }

    async fn remove_sensor(&self, _: Request<RemoveSensorRequest>) -> Answer<RemoveSensorResponse> {
        deprecated("RemoveSensor")
    }

    async fn list_domains(&self, _: Request<ListDomainsRequest>) -> Answer<ListDomainsResponse> {
        let domains = self.with_sensors(|sensors| Ok(sensors.domains())).await?;
        Ok(Response::new(ListDomainsResponse {
            domains: domains.into_iter().collect(),
        }))
    }

    async fn get_info(&self, _: Request<GetInfoRequest>) -> Answer<GetInfoResponse> {
        let info = Arc::clone(&self.info);
        match tokio::task::spawn_blocking(move || info.answer()).await {
            Ok(answer) => Ok(Response::new(answer)),
            Err(error) => Err(Status::internal(error.to_string())),
        }
    }

    async fn runtime_hook(&self, _: Request<RuntimeHookRequest>) -> Answer<RuntimeHookResponse> {
        not_yet("RuntimeHook")
    }

    async fn get_debug(&self, _: Request<GetDebugRequest>) -> Answer<GetDebugResponse> {
        not_yet("GetDebug")
    }

    async fn set_debug(&self, _: Request<SetDebugRequest>) -> Answer<SetDebugResponse> {
        not_yet("SetDebug")
    }
}

#[tonic::async_trait]
impl EventLogService for Api {
    async fn set_event_log_params(&self, _: Request<SetEventLogParamsRequest>) -> Answer<SetEventLogParamsResponse> {
        not_yet("SetEventLogParams")
    }

    async fn get_event_log_params(&self, _: Request<GetEventLogParamsRequest>) -> Answer<GetEventLogParamsResponse> {
        not_yet("GetEventLogParams")
    }
}
