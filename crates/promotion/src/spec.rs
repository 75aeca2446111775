//! What people write: `spec.stages` of an EnvironmentPromotion. Field for field the shape of the custom resource; what is
//! left out gets its default when the stages are judged, in [`Program`](crate::Program).

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// One stage: an environment that the revision travels through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StageSpec {
    /// Its name, unique.
    pub name: String,
    /// The environment of the Baseline; no two stages have the same.
    pub environment: String,
    /// When the environment has no accounts. Default: Stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_empty: Option<OnEmpty>,
    /// How its accounts are taken. Default: all at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<StrategySpec>,
    /// How many accounts may fail before the stage stops: a number, or a percentage of its accounts. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_failures: Option<Amount>,
    /// How long the stage may take, without the time it waits for people, windows and holds. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_deadline: Option<Span>,
    /// What follows from failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_policy: Option<FailurePolicySpec>,
    /// Who has to agree before the stage begins. Default: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalSpec>,
    /// When waves may begin. Default: always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<WindowSpec>,
    /// Tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateSpec>,
    /// Accounts on another revision than the stage's newest stable one may wait. Default: they are taken with the stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opt_in: Option<OptInSpec>,
}

/// When an environment has no accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnEmpty {
    /// The promotion stops: a name may be wrong.
    #[default]
    Stop,
    /// The stage is passed over.
    Skip,
}

/// How the accounts of a stage are taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StrategySpec {
    /// Which of the forms; `canary`, `linear` and `waves` belong to one each.
    #[serde(rename = "type")]
    pub kind: StrategyType,
    /// One wave, then the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanarySpec>,
    /// Waves of equal size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear: Option<LinearSpec>,
    /// Waves one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<WaveSpec>,
    /// How many accounts change at the same time at most: a number, or a percentage of the stage's accounts. Default: no
    /// limit but the failures that are still allowed, plus one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<Amount>,
    /// How long one account may take until it counts as failed. Default: 15 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_deadline: Option<Span>,
}

/// The forms of a strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CanarySpec {
    /// How many accounts the first wave has.
    pub first: Amount,
    /// How long it bakes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake_time: Option<Span>,
}

/// Waves of equal size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinearSpec {
    /// How many accounts each wave adds.
    pub step: Amount,
    /// How long each bakes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake_time: Option<Span>,
}

/// One wave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaveSpec {
    /// Its name, unique in its stage.
    pub name: String,
    /// How many accounts have the revision once the wave is done, those of the waves before it included. The last says
    /// 100 %.
    pub targets: Amount,
    /// How long the wave bakes once all its accounts have the revision. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake_time: Option<Span>,
}

/// What follows from failures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FailurePolicySpec {
    /// A gate after a wave or a stage failed. Default: Rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_test_failure: Option<OnFailure>,
    /// A gate failed during the bake. Default: Stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_bake_failure: Option<OnFailure>,
    /// A gate could not be measured too often. Default: Retry, then Stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// The stage took too long. Default: Stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_deadline: Option<OnDeadline>,
    /// What is rolled back. Default: the stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_scope: Option<RollbackScope>,
}

/// What follows from a failed gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// The accounts get the stable revision back.
    Rollback,
    /// Everything stays where it is.
    Stop,
    /// It is shown, and nothing follows.
    Ignore,
}

/// What follows from a gate that could not be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnError {
    /// It is measured again, as often as `consecutiveErrorLimit` says; then everything stops.
    Retry,
    /// Everything stops at the first error.
    Stop,
}

/// What follows when a stage takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnDeadline {
    /// Everything stays where it is.
    Stop,
    /// The accounts get the stable revision back.
    Rollback,
}

/// What is rolled back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RollbackScope {
    /// Every account of the stage that got the revision in this attempt.
    #[default]
    Stage,
    /// Those of the wave at hand.
    Wave,
}

/// Who has to agree before a stage begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalSpec {
    /// How many people, at least 1.
    pub required: u32,
    /// Only Approvals in the name of one of these groups count. Default: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Whoever asked for the promotion does not count. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_author: Option<bool>,
    /// How long is waited; then the attempt ends as if rejected. Default: 168h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// When waves may begin. Any open Deny closes; where there is an Allow, one must be open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowSpec {
    /// Allow or Deny.
    #[serde(rename = "type")]
    pub kind: WindowType,
    /// When it opens: cron with five fields, minute to day of week, in the zone's local time.
    pub schedule: String,
    /// How long it stays open.
    pub duration: Span,
    /// An IANA zone. Default: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// What a window says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowType {
    /// Waves may begin while it is open.
    Allow,
    /// No wave begins while it is open.
    Deny,
}

/// A test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateSpec {
    /// Its name, unique in its stage.
    pub name: String,
    /// When it runs, at least once.
    pub run_at: Vec<RunAt>,
    /// What is measured; the block of the same name says how.
    #[serde(rename = "type")]
    pub kind: GateType,
    /// A condition that every account of the wave has to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<ConditionGate>,
    /// A query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusGate>,
    /// A request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpGate>,
    /// A Kubernetes Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobGate>,
    /// Time between measurements. Default: 1m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// Time before the first one. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<Span>,
    /// How many measurements make a verdict. Default: one; during a bake as many as fit into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// How many may fail. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_limit: Option<u32>,
    /// How many may be inconclusive. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inconclusive_limit: Option<u32>,
    /// How many in a row may end in an error. Default: 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_error_limit: Option<u32>,
    /// Measured and shown, never decisive. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// When a gate runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RunAt {
    /// Before the first account of the stage is touched, and again right before the first write.
    BeforeStage,
    /// When all accounts of a wave have the revision.
    AfterWave,
    /// While a wave bakes.
    DuringBake,
    /// When all waves are done.
    AfterStage,
}

/// What a gate measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GateType {
    /// A condition of the accounts.
    Condition,
    /// A query to a Prometheus.
    Prometheus,
    /// An HTTP request.
    #[serde(rename = "HTTP")]
    Http,
    /// A Kubernetes Job.
    Job,
}

/// A condition that every account of the wave has to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConditionGate {
    /// Its type.
    #[serde(rename = "type")]
    pub condition_type: String,
    /// The status it must have. Default: True.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// A query to a Prometheus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrometheusGate {
    /// Where it is. Default: `gates.prometheusAddress` of the operator's configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// PromQL.
    pub query: String,
    /// CEL over `result`: true is a success.
    pub success_condition: String,
    /// CEL over `result`: true is a failure; neither is inconclusive. Default: whatever is no success is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_condition: Option<String>,
    /// How long an answer may take. Default: 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpGate {
    /// Where it goes; its host must be allowed by the operator's configuration.
    pub url: String,
    /// GET or POST. Default: GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// A Secret in the operator's namespace; each of its keys is a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_secret: Option<String>,
    /// Which part of the answer is `result`. Default: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_path: Option<String>,
    /// CEL over `result`: true is a success.
    pub success_condition: String,
    /// CEL over `result`: true is a failure; neither is inconclusive. Default: whatever is no success is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_condition: Option<String>,
    /// How long an answer may take. Default: 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// A Kubernetes Job in the operator's namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobGate {
    /// `batch/v1` JobTemplateSpec: `metadata` (labels, annotations) and `spec`.
    pub template: Value,
}

/// Accounts may wait for the newest stable revision until a deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OptInSpec {
    /// How long after the revision succeeded in the stage an account gets it by itself.
    pub deadline: Span,
}

/// A number, or a percentage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// That many.
    Number(i64),
    /// `10%`.
    Percent(String),
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Percent(text) => f.write_str(text),
        }
    }
}

/// A duration, as Kubernetes writes it: `1h30m`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(pub String);

impl Span {
    /// How long; `None`: it is no duration such as `90s`, `5m` or `1h30m`, or it is negative.
    pub fn parse(&self) -> Option<SignedDuration> {
        let span: SignedDuration = self.0.parse().ok()?;
        (!span.is_negative()).then_some(span)
    }
}
