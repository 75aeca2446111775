//! `EnvironmentPromotion`: how revisions of one Baseline travel through its environments.
#![expect(
    unreachable_pub,
    reason = "KubeSchema derives a second, private struct from each of ours"
)]

mod gates;
mod status;

pub use gates::{ConditionGate, Gate, GateType, HttpGate, JobGate, PrometheusGate, RunAt};
pub use status::{
    AttemptEnding, AttemptHistory, AttemptOutcome, AttemptStatus, ChangingStatus, EnvironmentPromotionStatus,
    GateStatus, LastHandledStatus, PauseStatus, PlanStatus, RejectedStatus, StageApprovalStatus, StageStatus,
    TargetsStatus, WaveStatus, WindowStatus,
};

use crate::{BaselineRef, rules};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which revision of a Baseline goes through which environments, and how.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "bulkhead.dev",
    version = "v1alpha1",
    kind = "EnvironmentPromotion",
    plural = "environmentpromotions",
    shortname = "envpromo",
    category = "bulkhead",
    status = "EnvironmentPromotionStatus",
    derive = "PartialEq",
    doc = "How a revision of a Baseline travels through its environments: stage by stage and wave by wave, with gates, approvals, windows and bake time. It goes on only on success; a failed test rolls the stage back; a failed bake stops everything where it is. While one refers to a Baseline, it alone gives that Baseline's accounts their revisions.",
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.targetRevision.name"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Stage", type_ = "string", json_path = ".status.stage"),
    printcolumn(name = "Wave", type_ = "string", json_path = ".status.wave"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Stable",
        type_ = "string",
        json_path = ".status.stableRevision.name",
        priority = "1"
    ),
    printcolumn(name = "Updated", type_ = "string", json_path = ".status.updated", priority = "1"),
    printcolumn(name = "BakeEnds", type_ = "string", json_path = ".status.bakeEnds", priority = "1"),
    printcolumn(
        name = "Attempt",
        type_ = "string",
        json_path = ".status.attempt.id",
        priority = "1"
    ),
    validation = rules::object_name(63)
)]
#[x_kube(
    validation = rules::baseline_ref_immutable(),
    validation = rules::revision_policy(),
    validation = rules::unique_environments()
)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentPromotionSpec {
    /// The Baseline. Immutable. Only one EnvironmentPromotion may refer to a Baseline; the younger one is not accepted.
    pub baseline_ref: BaselineRef,
    /// Name of the BaselineRevision to promote. `bulkhead policy revision` tells it for a Baseline that is not applied yet.
    /// Required with `revisionPolicy: Manual`, and not allowed with `Automatic`. Example: `standard-3f9c2ab41d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 12, max = 63))]
    #[x_kube(validation = rules::revision_reference("spec.revision"))]
    pub revision: Option<String>,
    /// Which revision is promoted. Default: `Manual`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_policy: Option<RevisionPolicy>,
    /// `true`: no attempt, stage or wave begins, and what is changing is finished. A rollback goes on. Default: `false`.
    /// The annotation `bulkhead.dev/hold` does the same without a change of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// When another revision takes the place of the one under way. Default: `BetweenStages`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersede: Option<Supersede>,
    /// How many attempts that have ended are kept in status, 1 to 50. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub history_limit: Option<i64>,
    /// `true`: what would change is shown in `status.plan`, and nothing moves. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// The stages in their order, 1 to 16, each with another environment. An attempt runs with the stages as they were when
    /// it began.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub stages: Vec<Stage>,
}

/// Which revision is promoted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RevisionPolicy {
    /// The one that `spec.revision` names: a promotion is a reviewed change of this object.
    #[default]
    Manual,
    /// The newest accepted one: a promotion is a change of the Baseline.
    Automatic,
}

/// When another revision takes the place of the one under way.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Supersede {
    /// When the stage at hand is done.
    #[default]
    BetweenStages,
    /// As soon as no account is changing.
    Immediately,
    /// When the attempt has ended.
    Never,
}

/// One stage: one environment.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Name of the stage, 1 to 63 lower-case letters, digits and `-`. Example: `prod`.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::label("spec.stages.name"))]
    pub name: String,
    /// The environment, one of those the Baseline names; no two stages have the same. Example: `prod`.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::label("spec.stages.environment"))]
    pub environment: String,
    /// What to do when the environment has no accounts. Default: `Stop`, because a name may be wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_empty: Option<OnEmpty>,
    /// How the accounts are taken. Default: all at once, as far as `maxFailures` lets them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// How many accounts of the stage may fail before it stops: a number, or a percentage rounded down. One more than may
    /// still fail is the most that changes at a time. Default: 0, which means one account at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::int_or_percent")]
    #[x_kube(validation = rules::amount("spec.stages.maxFailures", 0))]
    pub max_failures: Option<IntOrString>,
    /// How long the stage may take, without the time it waits for people, windows and holds. Default: no limit. Example:
    /// `2h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::duration")]
    pub progress_deadline: Option<String>,
    /// What follows from failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_policy: Option<FailurePolicy>,
    /// Who has to agree before the stage begins. Default: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<StageApproval>,
    /// When waves may begin, at most 16. Any open Deny closes; where there is an Allow, one must be open. A wave that has
    /// begun is finished, and a rollback does not ask. Default: always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub windows: Vec<Window>,
    /// Tests, at most 32. That the accounts of a wave have the revision, are Ready and are proven usable is always required
    /// and needs no gate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub gates: Vec<Gate>,
    /// Accounts that have not got the stage's stable revision with a wave (late comers, accounts whose pin ended) are offered
    /// it for a while. Default: they get it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opt_in: Option<OptIn>,
}

/// What to do when an environment has no accounts.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnEmpty {
    /// The promotion stops.
    #[default]
    Stop,
    /// The stage is passed over.
    Skip,
}

/// How the accounts of a stage are taken.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = rules::strategy_block(), validation = rules::waves_reach_all())]
#[serde(rename_all = "camelCase")]
pub struct Strategy {
    /// Which form; the field of its name says more.
    #[serde(rename = "type")]
    pub type_: StrategyType,
    /// For Canary: one wave, then the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// For Linear: waves of equal size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear: Option<Linear>,
    /// For Waves: 1 to 32 waves in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub waves: Vec<Wave>,
    /// How many accounts change at a time at most: a number, or a percentage rounded down, at least 1. Default: no other
    /// limit than that of `maxFailures`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::int_or_percent")]
    #[x_kube(validation = rules::amount("spec.stages.strategy.maxConcurrency", 1))]
    pub max_concurrency: Option<IntOrString>,
    /// How long one account may take before it counts as failed. Default: `15m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::duration")]
    pub target_deadline: Option<String>,
}

/// Forms of a strategy.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StrategyType {
    /// One wave with all accounts.
    #[default]
    AllAtOnce,
    /// A first wave, then the rest.
    Canary,
    /// Waves of equal size.
    Linear,
    /// Waves as listed.
    Waves,
}

/// A first wave, then the rest.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// How many accounts the first wave has: a number, or a percentage rounded down, at least 1. Example: `1`.
    #[schemars(schema_with = "crate::schema::int_or_percent")]
    #[x_kube(validation = rules::amount("spec.stages.strategy.canary.first", 1))]
    pub first: IntOrString,
    /// How long it bakes before the rest begins. Default: not at all. Example: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::duration")]
    pub bake_time: Option<String>,
}

/// Waves of equal size.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Linear {
    /// How many accounts each wave adds: a number, or a percentage rounded down, at least 1. Example: `25%`.
    #[schemars(schema_with = "crate::schema::int_or_percent")]
    #[x_kube(validation = rules::amount("spec.stages.strategy.linear.step", 1))]
    pub step: IntOrString,
    /// How long each wave bakes. Default: not at all. Example: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::duration")]
    pub bake_time: Option<String>,
}

/// One wave.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wave {
    /// Name of the wave, 1 to 63 lower-case letters, digits and `-`. Example: `one-box`.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::label("spec.stages.strategy.waves.name"))]
    pub name: String,
    /// How many accounts have the revision once this wave is done, those of earlier waves included: a number, or a percentage
    /// rounded down. The last wave has `100%`.
    #[schemars(schema_with = "crate::schema::int_or_percent")]
    #[x_kube(validation = rules::amount("spec.stages.strategy.waves.targets", 1))]
    pub targets: IntOrString,
    /// How long the wave bakes once all its accounts have the revision. Default: not at all. Example: `12h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::duration")]
    pub bake_time: Option<String>,
}

/// What follows from failures.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailurePolicy {
    /// A gate after a wave or after the stage failed. Default: `Rollback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_test_failure: Option<OnFailure>,
    /// A gate failed during a bake. Default: `Stop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_bake_failure: Option<OnFailure>,
    /// A gate could not be measured. Default: `Retry`, as often as the gate's `consecutiveErrorLimit` says, then stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// The stage took longer than `progressDeadline`. Default: `Stop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_deadline: Option<OnDeadline>,
    /// What is rolled back. Default: `Stage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_scope: Option<RollbackScope>,
}

/// What follows from a failed gate.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// The accounts get the stage's stable revision back.
    Rollback,
    /// Everything stays where it is.
    Stop,
    /// It is shown, and nothing follows.
    Ignore,
}

/// What follows from a gate that could not be measured.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnError {
    /// It is measured again, then everything stops.
    Retry,
    /// Everything stops at once.
    Stop,
}

/// What follows when a stage takes too long.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnDeadline {
    /// Everything stays where it is.
    Stop,
    /// The accounts get the stage's stable revision back.
    Rollback,
}

/// What is rolled back.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RollbackScope {
    /// Every account that got the revision in this stage.
    Stage,
    /// Those of the wave at hand.
    Wave,
}

/// Who has to agree before a stage begins.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageApproval {
    /// How many people have to approve, 1 to 10.
    #[schemars(range(min = 1, max = 10))]
    pub required: i64,
    /// Only Approvals in the name of one of these groups count, at most 20. Default: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::groups")]
    pub groups: Vec<String>,
    /// `true`: whoever asked for the promotion (annotation `bulkhead.dev/requested-by`) may not approve it; where that is not
    /// known, nobody may. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_author: Option<bool>,
    /// How long is waited; then the attempt stops. Default: `168h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::duration")]
    pub timeout: Option<String>,
}

/// When waves may begin, or may not.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Allow or Deny.
    #[serde(rename = "type")]
    pub type_: WindowType,
    /// When it opens: cron with five fields (minute, hour, day of month, month, day of week) in the zone's local time.
    /// Example: `0 9 * * 1-4`.
    #[schemars(length(min = 9, max = 100))]
    pub schedule: String,
    /// How long it stays open. Example: `6h`.
    #[schemars(schema_with = "crate::schema::duration")]
    pub duration: String,
    /// IANA name of a time zone. Default: `UTC`. Example: `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
}

/// What a window says.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowType {
    /// Waves may begin while it is open.
    Allow,
    /// No wave begins while it is open.
    Deny,
}

/// Accounts may wait for a revision until a deadline.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OptIn {
    /// How long after the revision succeeded in the stage such an account gets it by itself. Until then its owner takes it
    /// with the label `bulkhead.dev/upgrade: now`. Example: `336h`.
    #[schemars(schema_with = "crate::schema::duration")]
    pub deadline: String,
}
