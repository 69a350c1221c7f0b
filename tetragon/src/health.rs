//! The health service for probes, `grpc.health.v1`, on an address of its own.
//!
//! It knows the services `liveness` and `""`. Both serve from when sensors are attached until the agent is told to
//! stop.

use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::server::{Address, Listener, Serving};

/// The service that probes ask for.
const LIVENESS: &str = "liveness";

/// Where to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address.
    pub address: Address,
}

impl Options {
    /// The value of `--health-server-address`: `[host]:port`; `None` when empty.
    pub fn from_address(text: &str) -> Result<Option<Self>, &'static str> {
        if text.is_empty() {
            return Ok(None);
        }
        let address = Address::host_and_port(text, None).ok_or("give [host]:port, or nothing")?;
        Ok(Some(Self { address }))
    }
}

/// The health server.
#[derive(Debug)]
pub struct Health {
    reporter: HealthReporter,
    serving: Serving,
}

impl Health {
    /// Serves, without being healthy yet. An address that cannot be had is no reason not to observe: it is said, and
    /// there is no health server. Must be called within the runtime.
    pub fn start(options: &Options) -> Option<Self> {
        let Options { address } = options;
        match Listener::open(address) {
            Ok(listener) => {
                tracing::info!(%address, "Starting gRPC health server");
                Some(Self::serve(listener))
            }
            Err(error) => {
                tracing::warn!(%error, "There is no health server, see --health-server-address");
                None
            }
        }
    }

    fn serve(listener: Listener) -> Self {
        let (reporter, service) = tonic_health::server::health_reporter();
        Self {
            reporter,
            serving: Serving::start(&service, vec![listener]),
        }
    }

    /// Says whether the agent is healthy.
    pub async fn set(&self, healthy: bool) {
        let status = if healthy {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for service in ["", LIVENESS] {
            self.reporter.set_service_status(service, status).await;
        }
    }

    /// Ends the server.
    pub async fn stop(self) {
        self.set(false).await;
        self.serving.stop().await;
    }
}

#[cfg(test)]
mod tests {
    use tonic::transport::Endpoint;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    use super::*;

    #[tokio::test]
    async fn healthy_between_start_and_stop() {
        let Listener::Tcp(socket) = Listener::open(&Address::Tcp("localhost".into(), 0)).unwrap() else {
            panic!("not TCP");
        };
        let uri = format!("http://{}", socket.local_addr().unwrap());
        let health = Health::serve(Listener::Tcp(socket));
        let channel = Endpoint::from_shared(uri).unwrap().connect().await.unwrap();
        let mut client = HealthClient::new(channel);
        let mut status = async |service: &str| {
            let service = service.to_owned();
            let answer = client.check(HealthCheckRequest { service }).await;
            answer.map(|answer| answer.into_inner().status().as_str_name())
        };
        assert_eq!(status(LIVENESS).await.unwrap_err().code(), tonic::Code::NotFound);
        for (healthy, expected) in [(true, "SERVING"), (false, "NOT_SERVING")] {
            health.set(healthy).await;
            assert_eq!(status(LIVENESS).await.unwrap(), expected);
            assert_eq!(status("").await.unwrap(), expected);
        }
        assert!(status("other").await.is_err());
    }

    #[test]
    fn addresses() {
        assert_eq!(
            Options::from_address(":6789").unwrap().unwrap().address.to_string(),
            ":6789"
        );
        assert!(Options::from_address("").unwrap().is_none());
        assert!(Options::from_address("6789").is_err());
    }
}
