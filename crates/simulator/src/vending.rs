//! How close vending comes to AWS's ceiling: many accounts at once, published limits, virtual time.

use crate::{Report, World, WorldError};
use operator::{Config, ConfigError};
use orgsim::Mutation;
use serde_json::{Value, json};
use std::{fmt, time::Duration};

/// AWS's published bucket for CreateAccount: a burst, then one request per so many seconds.
const BURST: f64 = 3.0;
const SECONDS_PER_REQUEST: f64 = 10.0;
/// What is not done by then never will be.
const LIMIT: Duration = Duration::from_hours(24);
const CONFIG: &str = "{installation: heron, defaultBaseline: standard, aws: {awsShare: 1.0}, \
                      creation: {perHour: null, perDay: null}, massChange: null}";

/// Why the measurement could not be made: a defect.
#[derive(Debug, thiserror::Error)]
pub enum VendingError {
    /// No world.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The measurement's own configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An object of the measurement was refused.
    #[error("an object could not be created")]
    Create(#[source] Box<kube::Error>),
    /// The measurement's own other tool.
    #[error(transparent)]
    OtherTool(#[from] orgsim::MutateError),
    /// The operator ended by itself.
    #[error("the operator ended")]
    Operator(#[source] operator::Error),
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vending {
    /// Objects that were applied.
    pub objects: usize,
    /// Objects that are Ready at the end.
    pub ready: usize,
    /// From apply to the end, virtual time.
    pub lasted: Duration,
    /// CreateAccount requests that AWS accepted.
    pub accepted: usize,
    /// From the first accepted request to the last, virtual time.
    pub creating: Duration,
    /// Calls to AWS Organizations and the tagging API.
    pub calls: usize,
    /// Of these, refused or failed for any reason.
    pub refused: usize,
    /// Of these, throttled.
    pub throttled: usize,
    /// Calls to STS.
    pub sts: usize,
    /// Of these, answered that the new account's role cannot be used yet.
    pub not_usable_yet: usize,
}

#[expect(clippy::cast_precision_loss, reason = "counts of calls are far below 2^52")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

impl Vending {
    /// The least time AWS's published bucket allows for as many requests, from the first to the last.
    pub fn ceiling(&self) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "counts of calls are far below 2^52")]
        let seconds = (self.accepted as f64 - BURST).max(0.0) * SECONDS_PER_REQUEST;
        Duration::from_secs_f64(seconds)
    }

    /// Share of AWS's ceiling that was reached, 0 to 1.
    pub fn share_of_ceiling(&self) -> f64 {
        self.ceiling().as_secs_f64() / self.creating.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Share of the calls that AWS refused, 0 to 1. STS's word that a new role is not usable yet is not counted: it is the
    /// answer to the question, and costs no request rate of AWS Organizations.
    pub fn share_refused(&self) -> f64 {
        share(self.refused, self.calls)
    }

    /// Share of the calls that were throttled, 0 to 1.
    pub fn share_throttled(&self) -> f64 {
        share(self.throttled, self.calls)
    }
}

impl fmt::Display for Vending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| 100.0 * share;
        writeln!(
            f,
            "{} of {} accounts Ready after {:.0} s of virtual time",
            self.ready,
            self.objects,
            self.lasted.as_secs_f64()
        )?;
        writeln!(
            f,
            "CreateAccount: {} accepted in {:.1} s; AWS's ceiling allows it in {:.1} s: {:.2} % of the ceiling",
            self.accepted,
            self.creating.as_secs_f64(),
            self.ceiling().as_secs_f64(),
            percent(self.share_of_ceiling())
        )?;
        writeln!(
            f,
            "calls to AWS Organizations and tagging: {}; refused {} ({:.2} %), of these throttled {} ({:.2} %)",
            self.calls,
            self.refused,
            percent(self.share_refused()),
            self.throttled,
            percent(self.share_throttled())
        )?;
        write!(
            f,
            "calls to STS: {}, of these {} \"not usable yet\"",
            self.sts, self.not_usable_yet
        )
    }
}

/// Applies `accounts` objects at once and waits until all are Ready. `other_traffic`: the share of every bucket, in percent,
/// that another tool in the management account takes all the while. Must be called in a current-thread tokio runtime with
/// a paused clock.
pub async fn vending(accounts: usize, seed: u64, other_traffic: u8) -> Result<Vending, VendingError> {
    let kubernetes = kubesim::Settings {
        seed,
        ..kubesim::Settings::default()
    };
    let organization = orgsim::Settings {
        seed,
        account_quota: accounts + 10,
        ..orgsim::Settings::default()
    };
    let world = World::new(kubernetes, organization)?;
    if other_traffic > 0 {
        world.organization.mutate(Mutation::OtherTraffic {
            percent: other_traffic,
        })?;
    }
    let client = world.client();
    for object in objects(accounts) {
        let body = serde_json::to_vec(&object).unwrap_or_default();
        let request = http::Request::post(path(&object)).header("content-type", "application/json");
        let Ok(request) = request.body(body) else { continue };
        client
            .request::<Value>(request)
            .await
            .map_err(|error| VendingError::Create(Box::new(error)))?;
    }
    let operator = world.operator(Config::parse(CONFIG)?, "measured", seed);
    let mut running = Box::pin(operator::run(operator, std::future::pending()));
    loop {
        tokio::select! {
            biased;
            ended = &mut running => ended.map_err(VendingError::Operator)?,
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
        if Report::of(&world).all_ready() || world.clock.elapsed() > LIMIT {
            return Ok(measure(&world, accounts));
        }
    }
}

fn measure(world: &World, objects: usize) -> Vending {
    let calls = world.organization.calls();
    let accepted: Vec<_> = calls
        .iter()
        .filter(|call| call.operation == "CreateAccount" && call.outcome == "OK")
        .collect();
    let creating = match (accepted.first(), accepted.last()) {
        (Some(first), Some(last)) => last.at.duration_since(first.at).unsigned_abs(),
        _ => Duration::ZERO,
    };
    let (sts, others): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.service == "sts");
    let throttles = ["TooManyRequestsException", "ThrottledException", "Throttling"];
    let ready = Report::of(world)
        .objects
        .into_iter()
        .filter(|object| object.kind == "AwsAccount" && object.ready);
    Vending {
        objects,
        ready: ready.count(),
        lasted: world.clock.elapsed(),
        accepted: accepted.len(),
        creating,
        calls: others.len(),
        refused: others.iter().filter(|call| call.outcome != "OK").count(),
        throttled: others
            .iter()
            .filter(|call| throttles.contains(&call.outcome.as_str()))
            .count(),
        sts: sts.len(),
        not_usable_yet: sts.iter().filter(|call| call.outcome == "AccessDenied").count(),
    }
}

fn objects(accounts: usize) -> Vec<Value> {
    let namespaces = ["team-a", "team-b"];
    let namespace = |name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let baseline = json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Baseline", "metadata": {"name": "standard"},
        "spec": {
            "namespaceSelector": {}, "emailTemplate": "aws+{namespace}.{name}@example.com",
            "environments": [{"name": "dev", "organizationalUnit": "Workloads/Dev"}],
            "mandatoryTags": [{"key": "workload", "valueFrom": {"field": "workload"}}],
        },
    });
    let account = |index: usize| {
        json!({
            "apiVersion": "bulkhead.dev/v1alpha1", "kind": "AwsAccount",
            "metadata": {"name": format!("bird-{index}"), "namespace": namespaces[index % 2]},
            "spec": {
                "workload": format!("bird-{index}"), "environment": "dev", "purpose": "To fly",
                "owner": {"team": "birds", "contact": "birds@example.com"},
            },
        })
    };
    namespaces
        .map(namespace)
        .into_iter()
        .chain([baseline])
        .chain((0..accounts).map(account))
        .collect()
}

fn path(object: &Value) -> String {
    match object["kind"].as_str() {
        Some("Namespace") => "/api/v1/namespaces".to_owned(),
        Some("Baseline") => "/apis/bulkhead.dev/v1alpha1/baselines".to_owned(),
        _ => {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
            format!("/apis/bulkhead.dev/v1alpha1/namespaces/{namespace}/awsaccounts")
        }
    }
}
