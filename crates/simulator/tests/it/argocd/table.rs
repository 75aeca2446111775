//! What each fixture is taken from, and what Argo CD and kstatus are to say of it.

use super::lua::NOW;
use serde_json::{Value, json};

/// One object, and what is to be said of it.
pub(crate) struct Fixture {
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    pub(crate) source: Source,
    /// Argo CD's health.
    pub(crate) health: &'static str,
    /// kstatus's word; `error` where it has none.
    pub(crate) kstatus: &'static str,
    /// The actions that are offered.
    pub(crate) actions: &'static [&'static str],
}

pub(crate) enum Source {
    /// The first version that was written with this phase (empty: any), this reason of Ready, and this text in its
    /// conditions.
    Written(&'static str, &'static str, &'static str),
    /// Another fixture of the kind with a change that the operator does not make.
    Changed(&'static str, fn(&mut Value)),
}

use Source::{Changed, Written};

const fn fixture(
    kind: &'static str,
    name: &'static str,
    source: Source,
    (health, kstatus): (&'static str, &'static str),
    actions: &'static [&'static str],
) -> Fixture {
    Fixture {
        kind,
        name,
        source,
        health,
        kstatus,
        actions,
    }
}

const HEALTHY: (&str, &str) = ("Healthy", "Current");
const PROGRESSING: (&str, &str) = ("Progressing", "InProgress");
const SUSPENDED: (&str, &str) = ("Suspended", "InProgress");
const DEGRADED: (&str, &str) = ("Degraded", "Failed");

const P: &str = "EnvironmentPromotion";
const A: &str = "AwsAccount";
const B: &str = "Baseline";
const O: &str = "Organization";

/// What is offered while an attempt runs.
const RUNS: &[&str] = &["abort", "hold", "reconcile"];
const IDLE: &[&str] = &["hold", "reconcile"];
const OVER: &[&str] = &["hold", "reconcile", "retry"];

pub(crate) const FIXTURES: &[Fixture] = &[
    fixture(
        P,
        "revision-not-found",
        Written("Pending", "RevisionNotFound", ""),
        PROGRESSING,
        IDLE,
    ),
    fixture(P, "planned", Written("Planned", "Planned", ""), HEALTHY, IDLE),
    fixture(
        P,
        "suspended",
        Written("Paused", "Suspended", ""),
        SUSPENDED,
        IDLE,
    ),
    fixture(
        P,
        "held",
        Written("Paused", "Suspended", "held by the annotation"),
        SUSPENDED,
        &["abort", "reconcile", "release"],
    ),
    fixture(
        P,
        "waiting-approval",
        Written("WaitingApproval", "AwaitingApproval", ""),
        SUSPENDED,
        &["abort", "reconcile", "release"],
    ),
    fixture(
        P,
        "waiting-window",
        Written("WaitingWindow", "WindowClosed", ""),
        SUSPENDED,
        RUNS,
    ),
    fixture(
        P,
        "inconclusive",
        Written("Paused", "Inconclusive", ""),
        SUSPENDED,
        &["abort", "hold", "reconcile", "reverify"],
    ),
    fixture(
        P,
        "rolling-out",
        Written("RollingOut", "RollingOut", ""),
        PROGRESSING,
        RUNS,
    ),
    fixture(
        P,
        "verifying",
        Written("Verifying", "Verifying", ""),
        PROGRESSING,
        &["abort", "reconcile", "release"],
    ),
    fixture(P, "baking", Written("Baking", "Baking", ""), PROGRESSING, RUNS),
    fixture(
        P,
        "rolling-back",
        Written("RollingBack", "RollingBack", ""),
        PROGRESSING,
        IDLE,
    ),
    fixture(
        P,
        "rolled-back",
        Written("RolledBack", "RolledBack", ""),
        DEGRADED,
        OVER,
    ),
    fixture(P, "stopped", Written("Stopped", "BakeFailed", ""), DEGRADED, OVER),
    fixture(P, "aborted", Written("Aborted", "Aborted", ""), DEGRADED, OVER),
    fixture(P, "conflicted", Written("", "Conflicted", ""), DEGRADED, IDLE),
    fixture(
        P,
        "succeeded",
        Written("Succeeded", "Promoted", ""),
        HEALTHY,
        IDLE,
    ),
    fixture(
        P,
        "never-seen",
        Changed("succeeded", never_seen),
        PROGRESSING,
        IDLE,
    ),
    fixture(
        P,
        "no-status",
        Changed("succeeded", no_status),
        ("Progressing", "Current"),
        IDLE,
    ),
    fixture(P, "stale", Changed("succeeded", stale), PROGRESSING, IDLE),
    fixture(P, "stale-stalled", Changed("stopped", stale), PROGRESSING, IDLE),
    fixture(
        P,
        "reconciling-and-stalled",
        Changed("baking", both),
        ("Degraded", "InProgress"),
        RUNS,
    ),
    fixture(
        P,
        "generation-is-text",
        Changed("succeeded", text),
        ("Progressing", "error"),
        IDLE,
    ),
    fixture(
        A,
        "creating",
        Written("", "CreationInProgress", ""),
        PROGRESSING,
        &[],
    ),
    fixture(
        A,
        "baseline-not-found",
        Written("", "BaselineNotFound", ""),
        SUSPENDED,
        &[],
    ),
    fixture(
        A,
        "budget-exhausted",
        Written("", "CreationBudgetExhausted", ""),
        SUSPENDED,
        &[],
    ),
    fixture(
        A,
        "awaiting-approval",
        Written("", "TagChangeAwaitingApproval", ""),
        SUSPENDED,
        &[],
    ),
    fixture(
        A,
        "access-pending",
        Written("", "AccessPending", ""),
        PROGRESSING,
        &[],
    ),
    fixture(A, "ready", Written("", "Ready", ""), HEALTHY, &[]),
    fixture(
        A,
        "update-available",
        Written("", "Ready", "UpdateAvailable"),
        HEALTHY,
        &["upgrade"],
    ),
    fixture(
        A,
        "unknown-environment",
        Written("", "UnknownEnvironment", ""),
        DEGRADED,
        &[],
    ),
    fixture(
        A,
        "organization-claimed",
        Written("", "OrganizationClaimed", ""),
        DEGRADED,
        &[],
    ),
    fixture(A, "never-seen", Changed("ready", never_seen), PROGRESSING, &[]),
    fixture(A, "stale", Changed("ready", stale), PROGRESSING, &[]),
    fixture(B, "ready", Written("", "Ready", ""), HEALTHY, &[]),
    fixture(B, "refused", Written("", "UnknownGuardrail", ""), DEGRADED, &[]),
    fixture(B, "never-seen", Changed("ready", never_seen), PROGRESSING, &[]),
    fixture(B, "stale", Changed("ready", stale), PROGRESSING, &[]),
    fixture(
        O,
        "settling",
        Written("", "InstallationMarkSettling", ""),
        PROGRESSING,
        &[],
    ),
    fixture(O, "ready", Written("", "Ready", ""), HEALTHY, &[]),
    fixture(
        O,
        "claimed",
        Written("", "OrganizationClaimed", ""),
        DEGRADED,
        &[],
    ),
    fixture(O, "never-seen", Changed("ready", never_seen), PROGRESSING, &[]),
];

/// Of these kstatus says something else than Argo CD, or nothing: see the specification, 3.6 T05 and 3.7.
pub(crate) const MALFORMED: [&str; 3] = ["no-status", "reconciling-and-stalled", "generation-is-text"];

/// What an action does to a fixture.
pub(crate) struct Action {
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    pub(crate) fixture: &'static str,
    /// `annotations` or `labels`.
    pub(crate) place: &'static str,
    pub(crate) key: &'static str,
    /// `None`: it is taken away.
    pub(crate) value: Option<&'static str>,
}

impl Action {
    /// The merge patch.
    pub(crate) fn patch(&self) -> Value {
        json!({"metadata": {self.place: {self.key: self.value}}})
    }
}

const fn annotates(
    name: &'static str,
    fixture: &'static str,
    key: &'static str,
    value: Option<&'static str>,
) -> Action {
    Action {
        kind: P,
        name,
        fixture,
        place: "annotations",
        key,
        value,
    }
}

pub(crate) const ACTIONS: &[Action] = &[
    annotates("abort", "baking", "bulkhead.dev/abort", Some("a-1")),
    annotates("retry", "stopped", "bulkhead.dev/retry", Some(NOW)),
    annotates(
        "hold",
        "rolling-out",
        "bulkhead.dev/hold",
        Some("held in Argo CD"),
    ),
    annotates("release", "held", "bulkhead.dev/hold", None),
    annotates(
        "reconcile",
        "waiting-window",
        "bulkhead.dev/reconcile-requested-at",
        Some(NOW),
    ),
    annotates(
        "reverify",
        "inconclusive",
        "bulkhead.dev/reverify",
        Some("prod/prod-checks@a-1#0001-01-01T00:00:00Z"),
    ),
    Action {
        kind: A,
        name: "upgrade",
        fixture: "update-available",
        place: "labels",
        key: "bulkhead.dev/upgrade",
        value: Some("now"),
    },
];

/// As the API server makes it.
fn never_seen(object: &mut Value) {
    object["status"] = json!({"observedGeneration": -1});
}

fn no_status(object: &mut Value) {
    object.as_object_mut().unwrap().remove("status");
}

fn stale(object: &mut Value) {
    let generation = object["metadata"]["generation"].as_i64().unwrap();
    object["metadata"]["generation"] = (generation + 1).into();
}

fn both(object: &mut Value) {
    let conditions = object["status"]["conditions"].as_array_mut().unwrap();
    let at = conditions
        .iter()
        .position(|condition| condition["type"] == "Reconciling")
        .unwrap();
    let mut stalled = conditions[at].clone();
    stalled["type"] = "Stalled".into();
    conditions.insert(at + 1, stalled);
}

fn text(object: &mut Value) {
    let generation = object["metadata"]["generation"].to_string();
    object["status"]["observedGeneration"] = generation.into();
}
