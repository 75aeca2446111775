//! One simulated world: a cluster, an organization, a clock.

use crate::answers::Answers;
use aws::inprocess::{LostAnswer, SharedHttpClient};
use executor::Clock;
use jiff::Timestamp;
use kube::Client;
use kubesim::{CompiledCrd, Kubesim};
use operator::{Config, Health, Metrics, Operator};
use orgsim::Orgsim;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// Virtual time: begins at a fixed moment and follows tokio's paused clock.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    start: Timestamp,
    origin: Instant,
}

impl VirtualClock {
    /// Shows `start` now. Inside a tokio runtime.
    pub fn starting_at(start: Timestamp) -> Self {
        Self {
            start,
            origin: Instant::now(),
        }
    }
    /// Virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.start.checked_add(self.elapsed()).unwrap_or(Timestamp::MAX)
    }
}

/// A world that cannot be made: a defect, for the CRDs are our own.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A CRD cannot be written as JSON.
    #[error("a CRD cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    /// kubesim does not take a CRD.
    #[error("the simulated API server does not take a CRD")]
    Crd(#[source] kubesim::CrdError),
}

/// Bulkhead's CRDs, compiled once for all clusters of this process: a simulation makes thousands of them.
fn crds() -> Result<&'static [CompiledCrd], WorldError> {
    static CRDS: OnceLock<Vec<CompiledCrd>> = OnceLock::new();
    if let Some(crds) = CRDS.get() {
        return Ok(crds);
    }
    let compile = |crd| {
        let crd = serde_json::to_value(&crd).map_err(WorldError::Json)?;
        CompiledCrd::new(&crd).map_err(WorldError::Crd)
    };
    let crds = api::crds()
        .into_iter()
        .map(compile)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(CRDS.get_or_init(|| crds))
}

/// A cluster and an organization on one clock.
#[derive(Clone)]
pub struct World {
    /// The cluster.
    pub kubernetes: Kubesim,
    /// The organization.
    pub organization: Orgsim,
    /// The clock of both.
    pub clock: VirtualClock,
    /// What gates of promotions are answered.
    pub answers: Answers,
    /// Whether AWS can be reached.
    network: Arc<AtomicBool>,
}

impl World {
    /// A new cluster with Bulkhead's CRDs, and a new organization.
    pub fn new(kubernetes: kubesim::Settings, organization: orgsim::Settings) -> Result<Self, WorldError> {
        let clock = VirtualClock::starting_at(organization.start);
        let organization = Orgsim::new(organization, move || clock.now());
        let kubernetes = Self::cluster(kubernetes, clock)?;
        Ok(Self {
            kubernetes,
            organization,
            clock,
            answers: Answers::default(),
            network: Arc::new(AtomicBool::new(true)),
        })
    }

    /// The same organization with another, new cluster: what remains when a cluster is lost.
    pub fn with_new_cluster(&self, settings: kubesim::Settings) -> Result<Self, WorldError> {
        let kubernetes = Self::cluster(settings, self.clock)?;
        Ok(Self {
            kubernetes,
            ..self.clone()
        })
    }

    fn cluster(settings: kubesim::Settings, clock: VirtualClock) -> Result<Kubesim, WorldError> {
        let kubernetes = Kubesim::new(settings, move || clock.now());
        for crd in crds()? {
            kubernetes.install(crd);
        }
        Ok(kubernetes)
    }

    /// Cuts AWS off (connections are refused) or lets it be reached again.
    pub fn reach_aws(&self, reachable: bool) {
        self.network.store(reachable, Ordering::Relaxed);
    }

    /// A client of the cluster.
    pub fn client(&self) -> Client {
        Client::new(self.kubernetes.service(), "default")
    }

    /// An operator of this world, as a new process would be: new clients, nothing remembered.
    pub fn operator(&self, config: Config, host: &str, seed: u64) -> Operator<aws::Aws, VirtualClock> {
        let organization = self.organization.clone();
        let network = self.network.clone();
        let http = aws::inprocess::http_client(move |request| {
            let (organization, network) = (organization.clone(), network.clone());
            async move {
                if network.load(Ordering::Relaxed) {
                    organization.handle(request).await.map_err(|lost| match lost {
                        orgsim::Lost::Refused => LostAnswer::Refused,
                        orgsim::Lost::Broken => LostAnswer::Broken,
                    })
                } else {
                    Err(LostAnswer::Refused)
                }
            }
        });
        self.operator_on(http, self.client(), config, host, seed)
    }

    /// As [`World::operator`], on wires of the caller's own.
    pub fn operator_on(
        &self,
        http: SharedHttpClient,
        client: Client,
        config: Config,
        host: &str,
        seed: u64,
    ) -> Operator<aws::Aws, VirtualClock> {
        let clock = self.clock;
        let metrics = Metrics::default();
        let observer = metrics.clone();
        let aws = aws::simulated(http, move || SystemTime::from(clock.now())).with_observer(Arc::new(
            move |call: &aws::CallRecord| {
                observer.aws_call(
                    call.service,
                    call.operation,
                    call.outcome,
                    call.duration.as_secs_f64(),
                );
            },
        ));
        let runner = gates::Runner::new(
            self.answers.clone(),
            client.clone(),
            gates::Settings {
                allowed_hosts: config.gates.allowed_hosts.clone(),
                prometheus_address: config.gates.prometheus_address.clone(),
                namespace: "default".to_owned(),
                service_account: "bulkhead".to_owned(),
            },
        );
        Operator {
            gates: operator::measuring(runner),
            aws,
            client,
            config,
            take_over: None,
            namespace: "default".to_owned(),
            host: host.to_owned(),
            clock,
            seed,
            health: Health::default(),
            metrics,
        }
    }
}
