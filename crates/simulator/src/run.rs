//! Runs manifests in a world until everything is Ready.

use crate::{
    faults::Faults,
    manifest::{Manifest, ManifestError},
    report::Report,
    world::{World, WorldError},
};
use http::Method;
use kube::Client;
use operator::Config;
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};

/// How often the world is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// When nothing has changed for this long, nothing will.
const QUIET: Duration = Duration::from_hours(2);

/// What is no namespace to make: none at all, and those that every cluster has.
const BUILT_IN: [&str; 4] = ["", "default", "kube-system", "kube-public"];

/// What to simulate.
#[derive(Debug)]
pub struct Scenario {
    /// What is applied.
    pub manifests: Vec<Manifest>,
    /// The operator's configuration.
    pub config: Config,
    /// What goes wrong, from the moment the manifests are applied.
    pub faults: Faults,
    /// Everything random follows from it.
    pub seed: u64,
    /// The longest the simulation may last, in virtual time.
    pub until: Duration,
}

/// One line of the timeline: an Event on an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Virtual milliseconds since the start.
    pub at: u64,
    /// Kind of the object it is about.
    pub kind: String,
    /// Its namespace, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub type_: String,
    /// The reason.
    pub reason: String,
    /// What happened.
    pub note: String,
}

/// Why a simulation could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The manifests are wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// No world could be made.
    #[error(transparent)]
    World(#[from] WorldError),
    /// A fault plan made in code is wrong; what [`Faults`] reads is not.
    #[error("the fault plan is wrong")]
    Faults(#[source] orgsim::FaultPlanError),
    /// The operator ended by itself: a defect.
    #[error("the operator ended")]
    Operator(#[source] operator::Error),
}

/// Runs the scenario. `tell` gets each Event as it happens, `progress` the virtual time each virtual second. Must be
/// called in a current-thread tokio runtime with a paused clock.
pub async fn simulate(
    scenario: Scenario,
    mut tell: impl FnMut(&Entry),
    mut progress: impl FnMut(Duration),
) -> Result<Report, SimulateError> {
    let Scenario {
        manifests,
        config,
        faults,
        seed,
        until,
    } = scenario;
    let kubernetes = kubesim::Settings {
        seed,
        ..kubesim::Settings::default()
    };
    let organization = orgsim::Settings {
        seed,
        ..orgsim::Settings::default()
    };
    let world = World::new(kubernetes, organization)?;
    let client = world.client();
    apply(&client, &manifests).await?;
    // Not before: what a person applies is not what is put to the test.
    world
        .organization
        .set_faults(faults.aws)
        .map_err(SimulateError::Faults)?;
    world.kubernetes.set_faults(faults.kubernetes);
    let operator = world.operator(config, "simulation", seed);
    let mut running = Box::pin(operator::run(operator, std::future::pending()));
    let mut told = BTreeSet::new();
    let mut changed = (world.clock.elapsed(), 0);
    loop {
        tokio::select! {
            biased;
            ended = &mut running => {
                ended.map_err(SimulateError::Operator)?;
                return Ok(Report::of(&world));
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        progress(world.clock.elapsed());
        for entry in news(&world, &mut told) {
            tell(&entry);
        }
        let writes = world
            .kubernetes
            .writes()
            .iter()
            .filter(|write| write.plural != "leases")
            .count();
        if writes != changed.1 {
            changed = (world.clock.elapsed(), writes);
        }
        let report = Report::of(&world);
        let quiet = world.clock.elapsed().saturating_sub(changed.0) >= QUIET;
        if report.all_ready() || quiet || world.clock.elapsed() >= until {
            return Ok(report);
        }
    }
}

/// Events that have not been told yet, in order of time.
fn news(world: &World, told: &mut BTreeSet<String>) -> Vec<Entry> {
    let start = world.clock.elapsed();
    let now = executor::Clock::now(&world.clock);
    let mut events = world.kubernetes.objects("events.k8s.io", "events");
    // The order they were written in.
    events.sort_by_key(|event| {
        event["metadata"]["resourceVersion"]
            .as_str()
            .and_then(|version| version.parse::<u64>().ok())
            .unwrap_or(0)
    });
    events
        .iter()
        .filter(|event| told.insert(event["metadata"]["uid"].as_str().unwrap_or_default().to_owned()))
        .map(|event| {
            let text = |pointer: &str| {
                event
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            let at = text("/eventTime").parse::<jiff::Timestamp>().unwrap_or(now);
            let ago = now.duration_since(at).unsigned_abs();
            let namespace = text("/regarding/namespace");
            Entry {
                at: u64::try_from(start.saturating_sub(ago).as_millis()).unwrap_or(u64::MAX),
                kind: text("/regarding/kind"),
                namespace: (!namespace.is_empty()).then_some(namespace),
                name: text("/regarding/name"),
                type_: text("/type"),
                reason: text("/reason"),
                note: text("/note"),
            }
        })
        .collect()
}

/// Has every manifest judged as an API server with Bulkhead's CRDs would: schema, rules, no unknown field, nothing twice.
/// Namespaces that no manifest makes count as being there. Must be called in a current-thread tokio runtime with a paused
/// clock.
pub async fn admit(manifests: &[Manifest]) -> Result<(), SimulateError> {
    let world = World::new(kubesim::Settings::default(), orgsim::Settings::default())?;
    let client = world.client();
    let made: BTreeSet<&str> = manifests
        .iter()
        .filter(|manifest| manifest.kind() == "Namespace")
        .map(Manifest::name)
        .collect();
    let others: BTreeSet<&str> = manifests
        .iter()
        .map(Manifest::namespace)
        .filter(|name| !BUILT_IN.contains(name) && !made.contains(name))
        .collect();
    for name in others {
        create(&client, &Manifest::namespace_named(name)).await?;
    }
    apply(&client, manifests).await?;
    Ok(())
}

/// Creates the objects of all manifests.
pub async fn apply(client: &Client, manifests: &[Manifest]) -> Result<(), ManifestError> {
    for manifest in manifests {
        create(client, manifest).await?;
    }
    Ok(())
}

/// Creates one object as kubectl does: strictly, so that an unknown field is an error.
async fn create(client: &Client, manifest: &Manifest) -> Result<(), ManifestError> {
    let wrong = |line: usize, reason: String| ManifestError::Wrong {
        file: manifest.file.clone(),
        line,
        reason,
    };
    let path = match (manifest.object["apiVersion"].as_str(), manifest.kind()) {
        (Some("v1"), "Namespace") => "/api/v1/namespaces".to_owned(),
        (Some("v1"), "ConfigMap") => format!("/api/v1/namespaces/{}/configmaps", namespace(manifest)),
        (Some("bulkhead.dev/v1alpha1"), "Baseline") => "/apis/bulkhead.dev/v1alpha1/baselines".to_owned(),
        (Some("bulkhead.dev/v1alpha1"), "AwsAccount") => {
            format!(
                "/apis/bulkhead.dev/v1alpha1/namespaces/{}/awsaccounts",
                namespace(manifest)
            )
        }
        (version, kind) => {
            let served = "AwsAccount and Baseline (bulkhead.dev/v1alpha1), Namespace and ConfigMap (v1)";
            let reason = format!(
                "kind {kind:?} of {:?} cannot be simulated; {served} can",
                version.unwrap_or_default()
            );
            return Err(wrong(manifest.line_of("kind"), reason));
        }
    };
    let body = serde_json::to_vec(&manifest.object).unwrap_or_default();
    let request = http::Request::builder()
        .method(Method::POST)
        .uri(format!("{path}?fieldValidation=Strict&fieldManager=simulate"))
        .header("content-type", "application/json")
        .body(body)
        .map_err(|error| wrong(manifest.line, error.to_string()))?;
    match client.request::<Value>(request).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => {
            let cause = status.details.as_ref().and_then(|details| details.causes.first());
            let field = cause
                .map(|cause| cause.field.clone())
                .filter(|field| !field.is_empty());
            // Strict decoding names the field in its message only.
            let unknown = status
                .message
                .split_once("unknown field \"")
                .and_then(|(_, rest)| rest.split('"').next());
            let field = field.or_else(|| unknown.map(str::to_owned)).unwrap_or_default();
            Err(wrong(
                manifest.line_of(&field),
                format!("{manifest}: {}", status.message),
            ))
        }
        Err(error) => Err(wrong(manifest.line, format!("{manifest}: {error}"))),
    }
}

fn namespace(manifest: &Manifest) -> &str {
    match manifest.namespace() {
        "" => "default",
        namespace => namespace,
    }
}
