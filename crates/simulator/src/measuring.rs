//! What measurements have in common: objects that are written at once, an operator that runs until they are as they should
//! be, and AWS's published token buckets, against which it is measured.

use crate::{World, WorldError};
use http::Method;
use jiff::Timestamp;
use kube::Client;
use operator::ConfigError;
use orgsim::{Call, MutateError};
use serde_json::{Value, json};
use std::{iter, time::Duration};

/// What is not done by then never will be.
pub(crate) const LIMIT: Duration = Duration::from_hours(24);
/// How often it is looked whether it is done.
const LOOK: Duration = Duration::from_secs(5);
const NAMESPACES: [&str; 2] = ["team-a", "team-b"];

/// Why a measurement could not be made: a defect.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// No world.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The measurement's own configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An object of the measurement was refused.
    #[error("an object could not be written")]
    Write(#[source] Box<kube::Error>),
    /// What the measurement itself does to the organization was refused.
    #[error(transparent)]
    Organization(#[from] MutateError),
    /// The operator ended by itself.
    #[error("the operator ended")]
    Operator(#[source] operator::Error),
    /// What is measured did not come to its end.
    #[error("not done within {LIMIT:?}: {0}")]
    NotDone(&'static str),
}

/// A token bucket as AWS publishes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// Requests at once.
    pub(crate) burst: f64,
    /// Seconds until the next one.
    pub(crate) seconds_per_request: f64,
}

impl Bucket {
    /// The least time it allows for as many requests, from the first to the last.
    pub(crate) fn ceiling(self, requests: usize) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "counts of calls are far below 2^52")]
        let seconds = (requests as f64 - self.burst).max(0.0) * self.seconds_per_request;
        Duration::from_secs_f64(seconds)
    }

    /// Share of it that was reached, 0 to 1.
    pub(crate) fn share(self, requests: usize, lasted: Duration) -> f64 {
        self.ceiling(requests).as_secs_f64() / lasted.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// How many calls these are, and the time from the first of them to the last.
pub(crate) fn count<'c>(calls: impl Iterator<Item = &'c Call>) -> (usize, Duration) {
    let times: Vec<Timestamp> = calls.map(|call| call.at).collect();
    let lasted = match (times.first(), times.last()) {
        (Some(first), Some(last)) => last.duration_since(*first).unsigned_abs(),
        _ => Duration::ZERO,
    };
    (times.len(), lasted)
}

/// Lets the operator run until it is `done`; `false`: it was not within [`LIMIT`] of the world's time.
pub(crate) async fn until(
    world: &World,
    running: &mut (impl Future<Output = Result<(), operator::Error>> + Unpin),
    done: impl Fn() -> bool,
) -> Result<bool, MeasureError> {
    while !done() {
        tokio::select! {
            biased;
            ended = &mut *running => ended.map_err(MeasureError::Operator)?,
            () = tokio::time::sleep(LOOK) => {}
        }
        if world.clock.elapsed() > LIMIT {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The namespace of the account with this number.
pub(crate) fn namespace_of(index: usize) -> &'static str {
    NAMESPACES[index % NAMESPACES.len()]
}

/// Creates the namespaces, the Baseline and as many AwsAccounts of its environment `dev`.
pub(crate) async fn create(client: &Client, baseline: Value, accounts: usize) -> Result<(), MeasureError> {
    let namespace = |name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let objects = NAMESPACES.map(namespace).into_iter().chain(iter::once(baseline));
    for object in objects.chain((0..accounts).map(account)) {
        write(client, Method::POST, path(&object), &object).await?;
    }
    Ok(())
}

fn account(index: usize) -> Value {
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "AwsAccount",
        "metadata": {"name": format!("bird-{index}"), "namespace": namespace_of(index)},
        "spec": {
            "workload": format!("bird-{index}"), "environment": "dev", "purpose": "To fly",
            "owner": {"team": "birds", "contact": "birds@example.com"},
        },
    })
}

/// Changes the Baseline.
pub(crate) async fn edit(client: &Client, baseline: &Value) -> Result<(), MeasureError> {
    let name = baseline["metadata"]["name"].as_str().unwrap_or_default();
    let path = format!("{}/{name}", path(baseline));
    write(client, Method::PATCH, path, baseline).await
}

async fn write(client: &Client, method: Method, path: String, object: &Value) -> Result<(), MeasureError> {
    let content = match method {
        Method::PATCH => "application/merge-patch+json",
        _ => "application/json",
    };
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", content)
        .body(serde_json::to_vec(object).unwrap_or_default())
        .map_err(|error| MeasureError::Write(Box::new(kube::Error::HttpError(error))))?;
    let written = client.request::<Value>(request).await;
    written
        .map(drop)
        .map_err(|error| MeasureError::Write(Box::new(error)))
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
