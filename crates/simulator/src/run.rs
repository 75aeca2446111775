//! Runs manifests in a world until everything is Ready.

use crate::{
    faults::Faults,
    manifest::{Manifest, ManifestError},
    play::Play,
    report::Report,
    script::Script,
    world::{World, WorldError},
};
use http::Method;
use kube::{Client, core::Status};
use operator::Config;
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};

/// How often the world is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often while a scenario is played, which takes days.
const LOOK_AT_SCENARIO: Duration = Duration::from_secs(5);
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
    /// What happens after the manifests were applied; then the simulation lasts until all of it has happened.
    pub script: Option<Script>,
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
    /// Who may approve could not be set up: a defect.
    #[error("the admission policy on Approvals could not be installed")]
    Approvals(#[source] Box<kube::Error>),
    /// The operator ended by itself: a defect.
    #[error("the operator ended")]
    Operator(#[source] operator::Error),
}

/// Runs the scenario. `tell` gets each Event as it happens, `look` the world again and again. Must be called in a
/// current-thread tokio runtime with a paused clock.
pub async fn simulate(
    scenario: Scenario,
    mut tell: impl FnMut(&Entry),
    mut look: impl FnMut(&World),
) -> Result<Report, SimulateError> {
    let Scenario {
        manifests,
        config,
        faults,
        seed,
        until,
        script,
    } = scenario;
    let world = world(seed, script.as_ref())?;
    let client = world.client();
    if let Some(script) = &script {
        let installed = world.install_admission_policies().await;
        installed.map_err(|error| SimulateError::Approvals(Box::new(error)))?;
        for user in script.approvers.keys() {
            world.allow_to_approve(user);
        }
        apply(&client, &script.manifests).await?;
    }
    apply(&client, &manifests).await?;
    // Not before: what a person applies is not what is put to the test.
    world
        .organization
        .set_faults(faults.aws)
        .map_err(SimulateError::Faults)?;
    world.kubernetes.set_faults(faults.kubernetes);
    let operator = world.operator(config, "simulation", seed);
    let mut running = Box::pin(operator::run(operator, std::future::pending()));
    let mut play = script.as_ref().map(Play::new);
    let pause = if play.is_some() { LOOK_AT_SCENARIO } else { LOOK };
    let mut told = BTreeSet::new();
    let (mut seen, mut changed) = (0, world.clock.elapsed());
    loop {
        tokio::select! {
            biased;
            ended = &mut running => {
                ended.map_err(SimulateError::Operator)?;
                return Ok(Report::of(&world));
            }
            () = tokio::time::sleep(pause) => {}
        }
        look(&world);
        let writes = world.kubernetes.writes_since(seen);
        seen += writes.len();
        let written = writes.iter().any(|write| write.plural != "leases");
        if written {
            changed = world.clock.elapsed();
            news(&world, &mut told).iter().for_each(&mut tell);
        }
        let late = world.clock.elapsed() >= until;
        if let Some(play) = &mut play {
            let (done, entries) = tokio::select! {
                biased;
                ended = &mut running => {
                    ended.map_err(SimulateError::Operator)?;
                    return Ok(Report::of(&world));
                }
                played = play.go_on(&world) => played?,
            };
            entries.iter().for_each(&mut tell);
            if done || late {
                let mut report = Report::of(&world);
                report.failures = play.failures(&world);
                return Ok(report);
            }
            continue;
        }
        let report = Report::of(&world);
        let quiet = world.clock.elapsed().saturating_sub(changed) >= QUIET;
        if report.all_ready() || quiet || late {
            return Ok(report);
        }
    }
}

/// The world that a scenario begins in.
fn world(seed: u64, script: Option<&Script>) -> Result<World, WorldError> {
    let kubernetes = kubesim::Settings {
        seed,
        ..kubesim::Settings::default()
    };
    let mut organization = orgsim::Settings {
        seed,
        ..orgsim::Settings::default()
    };
    if let Some(start) = script.and_then(|script| script.start) {
        organization.start = start;
    }
    World::new(kubernetes, organization)
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

/// Creates the objects of all manifests; the error says everything that is wrong with any of them.
pub async fn apply(client: &Client, manifests: &[Manifest]) -> Result<(), ManifestError> {
    let mut errors = Vec::new();
    for manifest in manifests {
        if let Err(error) = create(client, manifest).await {
            errors.extend(error.each());
        }
    }
    ManifestError::all(errors).map_or(Ok(()), Err)
}

/// Creates one object as kubectl does: strictly, so that an unknown field is an error.
async fn create(client: &Client, manifest: &Manifest) -> Result<(), ManifestError> {
    let path = path_of(manifest)?;
    send(client, manifest, Method::POST, &path, &manifest.object).await
}

/// Creates one object, or replaces what is there by it; labels and annotations that it does not name stay.
pub(crate) async fn upsert(client: &Client, manifest: &Manifest) -> Result<(), ManifestError> {
    let path = path_of(manifest)?;
    let one = format!("{path}/{}", manifest.name());
    let request = http::Request::get(&one).body(Vec::new());
    let request = request.map_err(|error| manifest.wrong("", error.to_string()))?;
    let Ok(live) = client.request::<Value>(request).await else {
        return send(client, manifest, Method::POST, &path, &manifest.object).await;
    };
    let mut object = manifest.object.clone();
    for kept in ["labels", "annotations"] {
        let mut all = live["metadata"][kept].as_object().cloned().unwrap_or_default();
        all.extend(object["metadata"][kept].as_object().cloned().unwrap_or_default());
        if !all.is_empty() {
            object["metadata"][kept] = Value::Object(all);
        }
    }
    for kept in ["resourceVersion", "finalizers"] {
        if let Some(value) = live["metadata"].get(kept) {
            object["metadata"][kept] = value.clone();
        }
    }
    send(client, manifest, Method::PUT, &one, &object).await
}

/// Where objects of its kind are.
fn path_of(manifest: &Manifest) -> Result<String, ManifestError> {
    let group = "/apis/bulkhead.dev/v1alpha1";
    Ok(match (manifest.object["apiVersion"].as_str(), manifest.kind()) {
        (Some("v1"), "Namespace") => "/api/v1/namespaces".to_owned(),
        (Some("v1"), "ConfigMap") => format!("/api/v1/namespaces/{}/configmaps", namespace(manifest)),
        (Some("bulkhead.dev/v1alpha1"), "Baseline") => format!("{group}/baselines"),
        (Some("bulkhead.dev/v1alpha1"), "EnvironmentPromotion") => format!("{group}/environmentpromotions"),
        (Some("bulkhead.dev/v1alpha1"), "AwsAccount") => {
            format!("{group}/namespaces/{}/awsaccounts", namespace(manifest))
        }
        (version, kind) => {
            let served = "AwsAccount, Baseline and EnvironmentPromotion (bulkhead.dev/v1alpha1), Namespace and ConfigMap (v1)";
            let reason = format!(
                "kind {kind:?} of {:?} cannot be simulated; {served} can",
                version.unwrap_or_default()
            );
            return Err(manifest.wrong("kind", reason));
        }
    })
}

/// Sends one object strictly; what the API server does not take is named with its line.
async fn send(
    client: &Client,
    manifest: &Manifest,
    method: Method,
    path: &str,
    object: &Value,
) -> Result<(), ManifestError> {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("{path}?fieldValidation=Strict&fieldManager=simulate"))
        .header("content-type", "application/json")
        .body(serde_json::to_vec(object).unwrap_or_default())
        .map_err(|error| manifest.wrong("", error.to_string()))?;
    match client.request::<Value>(request).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => {
            let found = findings(&status);
            let errors = found
                .into_iter()
                .map(|(field, reason)| manifest.wrong(&field, format!("{manifest}: {reason}")));
            let errors: Vec<ManifestError> = errors.collect();
            ManifestError::all(errors).map_or(Ok(()), Err)
        }
        Err(error) => Err(manifest.wrong("", format!("{manifest}: {error}"))),
    }
}

/// What the API server says is wrong: field and reason of each, at least one.
fn findings(status: &Status) -> Vec<(String, String)> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    // "<nil>" is about no field: it says that rules are looked at once the schema holds.
    let causes: Vec<_> = causes
        .filter(|cause| !matches!(cause.field.as_str(), "" | "<nil>"))
        .collect();
    // Strict decoding names fields in its message only.
    let unknown: Vec<&str> = status
        .message
        .split("unknown field \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    match (causes.as_slice(), unknown.as_slice()) {
        ([], []) => vec![(String::new(), status.message.clone())],
        ([only], _) => vec![(only.field.clone(), status.message.clone())],
        ([], [only]) => vec![((*only).to_owned(), status.message.clone())],
        ([], several) => several
            .iter()
            .map(|field| ((*field).to_owned(), format!("unknown field {field:?}")))
            .collect(),
        (several, _) => several
            .iter()
            .map(|cause| (cause.field.clone(), format!("{}: {}", cause.field, cause.message)))
            .collect(),
    }
}

fn namespace(manifest: &Manifest) -> &str {
    match manifest.namespace() {
        "" => "default",
        namespace => namespace,
    }
}
