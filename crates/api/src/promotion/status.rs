//! Status of an `EnvironmentPromotion`: what its state machine remembers, and what tools read.
#![expect(
    unreachable_pub,
    reason = "KubeSchema derives a second, private struct from each of ours"
)]

use super::Stage;
use crate::{Awaiting, RevisionStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of a promotion. Written by the operator only. It has no row per account: each AwsAccount says in its own
/// status which revision it has and by which attempt.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[schemars(extend("default" = {"observedGeneration": -1}))]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentPromotionStatus {
    /// The `metadata.generation` this status was computed for; -1 before the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the attempt stands, in one word for display; conditions carry the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// One line for a person: what happens, what is waited for, or what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Name of the stage at hand, for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Name of the wave at hand, for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<String>,
    /// Accounts of the stage at hand that have the revision, of how many, for display. Example: `4/40`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<String>,
    /// When the bake at hand ends, for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake_ends: Option<String>,
    /// What the attempt at hand, or the last one, promotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_revision: Option<RevisionStatus>,
    /// The last revision that passed all stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable_revision: Option<RevisionStatus>,
    /// Revisions that ended badly: they are not promoted again until somebody asks. At most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub rejected: Vec<RejectedStatus>,
    /// The attempt at hand, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptStatus>,
    /// The windows of the stage at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowStatus>,
    /// The attempt waits for a person or a clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<PauseStatus>,
    /// Each stage of the attempt at hand; and of stages that were, what their environments' accounts rely on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub stages: Vec<StageStatus>,
    /// What the stage at hand would change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,
    /// Requests that have been answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled: Option<LastHandledStatus>,
    /// Attempts that have ended, the newest first; at most `spec.historyLimit`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub history: Vec<AttemptHistory>,
    /// What waits for Approvals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::awaiting")]
    pub awaiting: Vec<Awaiting>,
    /// Ready, and what it is made of. `Reconciling`, `Waiting` and `Stalled` are present only while True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
}

/// A revision that ended badly.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RejectedStatus {
    /// Which content.
    pub hash: String,
    /// In which attempt.
    pub attempt: String,
    /// Why.
    pub reason: String,
    /// When.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub at: Timestamp,
}

/// One try to bring one revision through all stages.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptStatus {
    /// `a-` and a number that counts the attempts of this object, from 1.
    pub id: String,
    /// When it began.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub started_at: Timestamp,
    /// Who asked for it; absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// `sha256:` of the stages it runs with.
    pub spec_snapshot_hash: String,
    /// The stages it runs with, as they were when it began: what is edited since takes effect with the next attempt.
    #[schemars(schema_with = "crate::schema::snapshot")]
    pub stages: Vec<Stage>,
    /// It takes no more accounts: once none is changing it ends so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<AttemptEnding>,
    /// How it ended; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<AttemptOutcome>,
}

/// How an attempt is about to end.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptEnding {
    /// In which way.
    pub result: String,
    /// One line for a person.
    pub message: String,
}

/// How an attempt ended.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptOutcome {
    /// In which way.
    pub result: String,
    /// Why: a stable word.
    pub reason: String,
    /// One line for a person.
    pub message: String,
    /// When.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub at: Timestamp,
}

/// The windows of the stage at hand.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowStatus {
    /// No wave may begin.
    pub closed: bool,
    /// Which window says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When waves may begin next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub next_open: Option<Timestamp>,
    /// Until when they may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub next_close: Option<Timestamp>,
}

/// The attempt waits for a person or a clock: its deadlines do not run.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseStatus {
    /// Why; absent: it does not wait now, and `totalPausedSeconds` says how long it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub since: Option<Timestamp>,
    /// How long the stage at hand has waited before, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_paused_seconds: Option<i64>,
}

/// One stage.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageStatus {
    /// Its name.
    pub name: String,
    /// Its environment.
    pub environment: String,
    /// Where it stands.
    pub state: String,
    /// The revision that new accounts of its environment get: the last one that succeeded here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_revision: Option<RevisionStatus>,
    /// When that revision succeeded here; the deadline of `optIn` counts from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub current_since: Option<Timestamp>,
    /// The one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_revision: Option<String>,
    /// When the stage was entered in this attempt: its Approvals, windows and first gates came after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub entered_at: Option<Timestamp>,
    /// Since when Approvals are missing; their timeout counts from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub approval_since: Option<Timestamp>,
    /// Approvals, windows and holds let it start: what is left are its gates, run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared: Option<bool>,
    /// When its first wave began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub started_at: Option<Timestamp>,
    /// How its accounts stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<TargetsStatus>,
    /// How many accounts may change at once now: the smaller of `maxConcurrency` and the failures still allowed plus one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<i64>,
    /// `sha256:` of its members, frozen when it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets_snapshot_hash: Option<String>,
    /// Its members in the order they are taken, while it is under way; the accounts of late comers are added at the end
    /// when a wave begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub members: Vec<String>,
    /// Members that got the revision and are not done with it, by the time since when that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub changing: Vec<ChangingStatus>,
    /// Hashes of revisions that accounts of the environment were left with though they did not succeed here, the newest
    /// first; at most 10. Such an account is not touched but by a wave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub left: Vec<String>,
    /// Its waves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub waves: Vec<WaveStatus>,
    /// Its gates: the latest run of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub gates: Vec<GateStatus>,
    /// Who has decided on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub approvals: Vec<StageApprovalStatus>,
    /// `sha256:` of the plan it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<String>,
    /// Why it is rolled back, or why it failed: a stable word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How the accounts of a stage stand.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetsStatus {
    /// Members.
    pub total: i64,
    /// Have the revision, are Ready and proven.
    pub updated: i64,
    /// Are changing.
    pub progressing: i64,
    /// Cannot go on without a person.
    pub failed: i64,
    /// Are left out because they are pinned.
    pub pinned: i64,
    /// Were not done within the deadline of an account; counted like failures.
    pub unreachable: i64,
    /// Were members and are gone.
    pub retired: i64,
}

/// One wave.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaveStatus {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: String,
    /// How many members have the revision once it is done: it takes the members from the end of the wave before it up to
    /// this number. 0 until it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<i64>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub started_at: Option<Timestamp>,
    /// When all its accounts had the revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub updated_at: Option<Timestamp>,
    /// When its bake began. Written once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub bake_started_at: Option<Timestamp>,
    /// When its bake ends. Written once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub bake_ends_at: Option<Timestamp>,
    /// What it bakes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_hash: Option<String>,
}

/// The latest run of a gate.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GateStatus {
    /// Name of the gate.
    pub name: String,
    /// The point at which it runs.
    pub run_at: String,
    /// The wave it runs for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<String>,
    /// Counts the runs of this gate in this attempt, from 1: a measurement counts for one run only.
    pub run: i64,
    /// The revision it is about.
    pub revision_hash: String,
    /// Its verdict; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// It is measured and shown, and decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// When the run began.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub started_at: Timestamp,
    /// Measurements that ended, errors included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// Of these, successes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successes: Option<i64>,
    /// Of these, failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<i64>,
    /// Of these, inconclusive ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inconclusive: Option<i64>,
    /// Errors since the last measurement that was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_errors: Option<i64>,
    /// When the last one ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub last_at: Option<Timestamp>,
    /// What it said, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A decision that counted.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageApprovalStatus {
    /// Name of the Approval.
    pub name: String,
    /// Whose it is.
    pub by: String,
    /// In the name of which group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// When it was made, by the API server's clock.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub at: Timestamp,
    /// `Approve` or `Reject`.
    pub decision: String,
}

/// What the stage at hand would change.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanStatus {
    /// The stage.
    pub stage: String,
    /// `sha256:` over the members, what each has, and what it gets.
    pub digest: String,
    /// When it was made.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub computed_at: Timestamp,
    /// Accounts that change.
    pub changed: i64,
    /// Accounts that do not.
    pub unchanged: i64,
    /// What changes, in one line.
    pub summary: String,
}

/// Requests that have been answered: the value of each annotation.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastHandledStatus {
    /// `bulkhead.dev/reconcile-requested-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconcile: Option<String>,
    /// `bulkhead.dev/abort`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<String>,
    /// `bulkhead.dev/retry`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<String>,
    /// `bulkhead.dev/reverify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverify: Option<String>,
    /// `bulkhead.dev/skip-bake`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_bake: Option<String>,
}

/// An attempt that has ended.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptHistory {
    /// Its id.
    pub attempt: String,
    /// What it promoted.
    pub revision: String,
    /// How it ended.
    pub result: String,
    /// Why.
    pub reason: String,
    /// The stage at which it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Who approved it, by stage: `prod: alice@example.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub approved_by: Vec<String>,
    /// When it began.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub started_at: Timestamp,
    /// When it ended.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub finished_at: Timestamp,
}

/// Accounts that are changing.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangingStatus {
    /// Since when that is known.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub since: Timestamp,
    /// Which.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub accounts: Vec<String>,
}
