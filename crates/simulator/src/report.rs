//! What a simulation came to.

use crate::world::World;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The end of a simulation, as one document.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Baselines and AwsAccounts, sorted.
    pub objects: Vec<ObjectReport>,
    /// What happened at AWS.
    pub aws: AwsReport,
    /// What went wrong as a fault plan said.
    pub faults: FaultsReport,
    /// Virtual seconds until everything was Ready, or until the end.
    pub virtual_seconds: f64,
    /// Promotions, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub promotions: Vec<PromotionReport>,
    /// Accounts by environment and revision, where there are promotions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<RevisionReport>,
    /// What a scenario file said and what did not come.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
}

/// A promotion at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PromotionReport {
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: Option<String>,
    /// What it promotes.
    pub revision: Option<String>,
    /// Its stages.
    pub stages: Vec<StageReport>,
    /// Is its Ready condition True?
    pub ready: bool,
    /// Reason of its Ready condition.
    pub reason: Option<String>,
    /// What it says.
    pub message: Option<String>,
}

/// A stage at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StageReport {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
    /// How many of its accounts have the revision.
    pub updated: u64,
    /// How many accounts it has.
    pub total: u64,
}

/// How many accounts of an environment have a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionReport {
    /// The environment.
    pub environment: String,
    /// The revision that AWS was seen to have; none of an account that never had one.
    pub revision: Option<String>,
    /// How many accounts.
    pub accounts: usize,
}

impl PromotionReport {
    fn of(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let status = &object["status"];
        let stages = status["stages"].as_array().into_iter().flatten();
        let ObjectReport { ready, reason, .. } = ObjectReport::of(object);
        Self {
            ready,
            reason,
            name: text(&object["metadata"]["name"]).unwrap_or_default(),
            phase: text(&status["phase"]),
            revision: text(&status["targetRevision"]["name"]),
            message: text(&status["message"]),
            stages: stages
                .map(|stage| StageReport {
                    name: text(&stage["name"]).unwrap_or_default(),
                    state: text(&stage["state"]).unwrap_or_default(),
                    updated: stage["targets"]["updated"].as_u64().unwrap_or(0),
                    total: stage["targets"]["total"].as_u64().unwrap_or(0),
                })
                .collect(),
        }
    }
}

fn revisions(world: &World) -> Vec<RevisionReport> {
    let mut counts: BTreeMap<(String, Option<String>), usize> = BTreeMap::new();
    for account in world.kubernetes.objects(api::GROUP, "awsaccounts") {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let environment = text(&account["spec"]["environment"]).unwrap_or_default();
        let revision = text(&account["status"]["baseline"]["applied"]["revision"]);
        *counts.entry((environment, revision)).or_default() += 1;
    }
    let report = |((environment, revision), accounts)| RevisionReport {
        environment,
        revision,
        accounts,
    };
    counts.into_iter().map(report).collect()
}

/// One object at the end.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReport {
    /// Its kind.
    pub kind: String,
    /// Its namespace, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Is its Ready condition True?
    pub ready: bool,
    /// Reason of its Ready condition.
    pub reason: Option<String>,
    /// Message of its Ready condition.
    pub message: Option<String>,
    /// The environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The AWS account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// Path of the organizational unit it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organizational_unit: Option<String>,
    /// Email of its root user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// When it was made, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
}

/// What happened at AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AwsReport {
    /// Calls by operation.
    pub calls: BTreeMap<String, u64>,
    /// Calls that AWS refused or that failed, by operation and error.
    pub refused: BTreeMap<String, u64>,
    /// Member accounts there are; the management account is not counted.
    pub accounts: usize,
}

/// How often each fault hit, by its name in the plan. What a fault hit is part of [`AwsReport`] too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultsReport {
    /// Calls to AWS.
    pub aws: BTreeMap<&'static str, u64>,
    /// Requests to the API server, and lines of its watches.
    pub kubernetes: BTreeMap<&'static str, u64>,
}

impl FaultsReport {
    fn of(world: &World, calls: &[orgsim::Call]) -> Self {
        let mut report = Self::default();
        for fault in calls.iter().filter_map(|call| call.fault) {
            *report.aws.entry(fault.name()).or_default() += 1;
        }
        for hit in world.kubernetes.faults_since(0) {
            *report.kubernetes.entry(hit.fault.name()).or_default() += 1;
        }
        report
    }
}

impl Report {
    /// The world as it is.
    pub fn of(world: &World) -> Self {
        let objects = ["baselines", "awsaccounts"]
            .into_iter()
            .flat_map(|plural| world.kubernetes.objects(api::GROUP, plural))
            .map(|object| ObjectReport::of(&object))
            .collect();
        let mut calls = BTreeMap::new();
        let mut refused = BTreeMap::new();
        let all = world.organization.calls();
        for call in &all {
            *calls.entry(call.operation.clone()).or_default() += 1;
            if call.outcome != "OK" {
                *refused
                    .entry(format!("{}: {}", call.operation, call.outcome))
                    .or_default() += 1;
            }
        }
        let management = world.organization.management_account_id();
        let accounts = world
            .organization
            .state()
            .accounts
            .iter()
            .filter(|a| a.id != management)
            .count();
        let virtual_seconds = world.clock.elapsed().as_secs_f64();
        let promotions: Vec<PromotionReport> = world
            .kubernetes
            .objects(api::GROUP, "environmentpromotions")
            .iter()
            .map(PromotionReport::of)
            .collect();
        let revisions = if promotions.is_empty() {
            Vec::new()
        } else {
            revisions(world)
        };
        Self {
            objects,
            aws: AwsReport {
                calls,
                refused,
                accounts,
            },
            faults: FaultsReport::of(world, &all),
            virtual_seconds,
            promotions,
            revisions,
            failures: Vec::new(),
        }
    }

    /// Is every AwsAccount and every Baseline Ready?
    pub fn objects_ready(&self) -> bool {
        self.objects.iter().all(|object| object.ready)
    }

    /// Is every object Ready?
    pub fn all_ready(&self) -> bool {
        self.objects_ready() && self.promotions.iter().all(|promotion| promotion.ready)
    }
}

impl ObjectReport {
    fn of(object: &Value) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let ready = object["status"]["conditions"]
            .as_array()
            .and_then(|conditions| conditions.iter().find(|condition| condition["type"] == "Ready"));
        let of_ready = |field: &str| ready.and_then(|ready| ready[field].as_str()).map(str::to_owned);
        let generation = &object["metadata"]["generation"];
        Self {
            kind: text("/kind").unwrap_or_default(),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name").unwrap_or_default(),
            ready: of_ready("status").as_deref() == Some("True")
                && ready.is_some_and(|ready| ready["observedGeneration"] == *generation),
            reason: of_ready("reason"),
            message: of_ready("message"),
            environment: text("/spec/environment"),
            account_id: text("/status/accountId"),
            organizational_unit: text("/status/organizationalUnit/path"),
            email: text("/status/email"),
            created: text("/metadata/creationTimestamp"),
        }
    }
}
