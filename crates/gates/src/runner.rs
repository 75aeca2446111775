//! What measures: the trait, and the implementation that asks the world.

use crate::{fetch::BoxError, job, message, prometheus, web};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use jiff::Timestamp;
use kube::Client;
use promotion::{GateSpec, GateType, Measure, Measured};
use std::sync::Arc;
use tower::Service;

/// Makes measurements.
pub trait Gates: Clone {
    /// Makes one. It ends always: with [`Error`](promotion::MeasuredResult::Error) if it cannot be made, or not in time.
    /// Dropping the future gives up waiting; a Job goes on, and the same measurement finds it again.
    fn measure(&self, measure: Measure, now: Timestamp) -> impl Future<Output = Measured>;

    /// Could this gate be measured, as far as that is known without asking anybody? As [`check_gate`](crate::check_gate) has
    /// it. A promotion is accepted only with gates that can.
    fn check(&self, gate: &GateSpec) -> Result<(), (String, String)>;
}

/// What the operator's configuration says about gates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Hosts that gates may ask, a Prometheus included: `host`, `host:port`, `*.domain` or `*.domain:port`. Without a port
    /// it is the scheme's own, 443 or 80. The list is the whole decision: a host that is on it may be asked over http, too.
    pub allowed_hosts: Vec<String>,
    /// Where the Prometheus of gates is that name none.
    pub prometheus_address: Option<String>,
    /// The operator's namespace: Secrets, service accounts and Jobs are there.
    pub namespace: String,
    /// The operator's own service account: no Job runs as it.
    pub service_account: String,
}

/// Asks the world: over `T`, a [`Transport`](crate::Transport) or a service in the same process, and over a client of the
/// Kubernetes API.
#[derive(Clone)]
pub struct Runner<T> {
    transport: T,
    client: Client,
    settings: Arc<Settings>,
}

impl<T> Runner<T> {
    /// Needs of the Kubernetes API, in the operator's namespace: `secrets: get`, `serviceaccounts: get`, and
    /// `jobs.batch: create, get`.
    pub fn new(transport: T, client: Client, settings: Settings) -> Self {
        Self {
            transport,
            client,
            settings: Arc::new(settings),
        }
    }
}

impl<T, B> Gates for Runner<T>
where
    T: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
    T::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    fn check(&self, gate: &GateSpec) -> Result<(), (String, String)> {
        crate::check_gate(gate, &self.settings)
    }

    async fn measure(&self, measure: Measure, now: Timestamp) -> Measured {
        let (transport, client, settings) = (&self.transport, &self.client, self.settings.as_ref());
        let gate = &measure.gate;
        let measured = match (gate.kind, &gate.prometheus, &gate.http, &gate.job) {
            (GateType::Prometheus, Some(query), _, _) => {
                prometheus::measure(transport, settings, query, now).await
            }
            (GateType::Http, _, Some(endpoint), _) => {
                web::measure(transport, client, settings, &measure, endpoint).await
            }
            (GateType::Job, _, _, Some(job)) => job::measure(client, settings, &measure, job).await,
            (GateType::Condition, ..) => {
                Err("the conditions of accounts are known, and not measured".to_owned())
            }
            _ => Err("the gate has no block that says what is measured".to_owned()),
        };
        measured.unwrap_or_else(|why| message::error(&why))
    }
}
