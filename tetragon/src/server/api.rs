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

use super::{Events, Hub};
use crate::sensor::{self, Listed, Sensors};

/// The calls of the API. Clones are the same.
#[derive(Clone, Debug)]
pub struct Api {
    /// Where events come from.
    pub hub: Arc<Hub>,
    /// Events that may wait for one client.
    pub queue: usize,
    /// What filters may ask for.
    pub captured: Arc<Captured>,
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
        sensor::Error::Invalid(_) | sensor::Error::Empty => Status::invalid_argument(message),
        sensor::Error::Exists(_) => Status::already_exists(message),
        sensor::Error::Missing(_) => Status::not_found(message),
        sensor::Error::NotYet { .. } => Status::unimplemented(message),
        _ => Status::failed_precondition(message),
    }
}

/// A policy as lists show it.
fn status(policy: Listed) -> TracingPolicyStatus {
    let Listed {
        id,
        name,
        domain,
        hooks,
        memory,
        enforces,
    } = policy;
    TracingPolicyStatus {
        id,
        name,
        sensors: hooks,
        state: TracingPolicyState::TpStateEnabled.into(),
        kernel_memory_bytes: memory,
        mode: if enforces {
            TracingPolicyMode::TpModeEnforce
        } else {
            TracingPolicyMode::TpModeMonitorOnly
        }
        .into(),
        domain,
        ..TracingPolicyStatus::default()
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
        let domain = if domain.is_empty() { DOMAIN.to_owned() } else { domain };
        self.with_sensors(move |sensors| sensors.add(&yaml, &domain)).await?;
        Ok(Response::new(AddTracingPolicyResponse {}))
    }

    async fn delete_tracing_policy(
        &self,
        request: Request<DeleteTracingPolicyRequest>,
    ) -> Answer<DeleteTracingPolicyResponse> {
        let DeleteTracingPolicyRequest { name, .. } = request.into_inner();
        self.with_sensors(move |sensors| sensors.delete(&name)).await?;
        Ok(Response::new(DeleteTracingPolicyResponse {}))
    }

    async fn list_tracing_policies(
        &self,
        request: Request<ListTracingPoliciesRequest>,
    ) -> Answer<ListTracingPoliciesResponse> {
        let domain = request.into_inner().domain;
        let listed = self.with_sensors(|sensors| Ok(sensors.list())).await?;
        let wanted = |policy: &Listed| domain.is_empty() || policy.domain == domain;
        let policies = listed.into_iter().filter(wanted).map(status).collect();
        Ok(Response::new(ListTracingPoliciesResponse { policies }))
    }

    async fn configure_tracing_policy(
        &self,
        _: Request<ConfigureTracingPolicyRequest>,
    ) -> Answer<ConfigureTracingPolicyResponse> {
        not_yet("ConfigureTracingPolicy")
    }

    async fn enable_tracing_policy(
        &self,
        _: Request<EnableTracingPolicyRequest>,
    ) -> Answer<EnableTracingPolicyResponse> {
        not_yet("EnableTracingPolicy")
    }

    async fn disable_tracing_policy(
        &self,
        _: Request<DisableTracingPolicyRequest>,
    ) -> Answer<DisableTracingPolicyResponse> {
        not_yet("DisableTracingPolicy")
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
        not_yet("ListDomains")
    }

    async fn get_info(&self, _: Request<GetInfoRequest>) -> Answer<GetInfoResponse> {
        not_yet("GetInfo")
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
