//! How close vending comes to AWS's ceiling: many accounts at once, published limits, virtual time.

use crate::{
    MeasureError, Report, World,
    measuring::{Bucket, count, create, until},
};
use operator::Config;
use orgsim::Mutation;
use serde_json::{Value, json};
use std::{fmt, time::Duration};

/// AWS's published bucket for CreateAccount.
const BUCKET: Bucket = Bucket {
    burst: 3.0,
    seconds_per_request: 10.0,
};
const CONFIG: &str = "{installation: heron, defaultBaseline: standard, aws: {awsShare: 1.0}, \
                      creation: {perHour: null, perDay: null}, massChange: null}";

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
        BUCKET.ceiling(self.accepted)
    }

    /// Share of AWS's ceiling that was reached, 0 to 1.
    pub fn share_of_ceiling(&self) -> f64 {
        BUCKET.share(self.accepted, self.creating)
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
pub async fn vending(accounts: usize, seed: u64, other_traffic: u8) -> Result<Vending, MeasureError> {
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
    create(&world.client(), baseline(), accounts).await?;
    let operator = world.operator(Config::parse(CONFIG)?, "measured", seed);
    let mut running = Box::pin(operator::run(operator, std::future::pending()));
    // Also what is not done in the end is told.
    until(&world, &mut running, || Report::of(&world).all_ready()).await?;
    Ok(measure(&world, accounts))
}

fn measure(world: &World, objects: usize) -> Vending {
    let calls = world.organization.calls();
    let accepted = calls
        .iter()
        .filter(|call| call.operation == "CreateAccount" && call.outcome == "OK");
    let (accepted, creating) = count(accepted);
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
        accepted,
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

fn baseline() -> Value {
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Baseline", "metadata": {"name": "standard"},
        "spec": {
            "namespaceSelector": {}, "emailTemplate": "aws+{namespace}.{name}@example.com",
            "environments": [{"name": "dev", "organizationalUnit": "Workloads/Dev"}],
            "mandatoryTags": [{"key": "workload", "valueFrom": {"field": "workload"}}],
        },
    })
}
