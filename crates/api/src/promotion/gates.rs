//! Gates of a stage.
#![expect(
    unreachable_pub,
    reason = "KubeSchema derives a second, private struct from each of ours"
)]

use crate::rules;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A test. It is measured every `interval`; enough measurements make a verdict.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = rules::gate_block())]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// Name of the gate, 1 to 63 lower-case letters, digits and `-`. Example: `config-compliant`.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::label("spec.stages.gates.name"))]
    pub name: String,
    /// When it runs, 1 to 4 points.
    #[schemars(schema_with = "crate::schema::run_at")]
    pub run_at: Vec<RunAt>,
    /// What is measured; the field of its name says how.
    #[serde(rename = "type")]
    pub type_: GateType,
    /// For Condition: a condition that every account of the wave must show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<ConditionGate>,
    /// For Prometheus: a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusGate>,
    /// For HTTP: a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpGate>,
    /// For Job: a Kubernetes Job, whose success is the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobGate>,
    /// Time between measurements, 10s at least. Default: `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::duration")]
    pub interval: Option<String>,
    /// Time before the first measurement. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::duration")]
    pub initial_delay: Option<String>,
    /// How many measurements make a verdict, 1 to 1000. Default: 1; during a bake as many as fit into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub count: Option<i64>,
    /// How many of them may fail. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub failure_limit: Option<i64>,
    /// How many of them may be inconclusive; with more the promotion waits for a person. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub inconclusive_limit: Option<i64>,
    /// How many in a row may end in an error; with more the promotion stops. Default: 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub consecutive_error_limit: Option<i64>,
    /// `true`: it is measured and shown, and decides nothing. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// When a gate runs.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunAt {
    /// Before the first account of the stage is touched, and again right before the first write. A failure stops.
    BeforeStage,
    /// When all accounts of a wave have the revision. A failure rolls back, unless `failurePolicy` says otherwise.
    AfterWave,
    /// While a wave bakes. A failure stops, unless `failurePolicy` says otherwise.
    DuringBake,
    /// When all waves are done. A failure rolls back, unless `failurePolicy` says otherwise.
    AfterStage,
}

/// What a gate measures.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// A condition that every account of the wave must show.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionGate {
    /// Type of a condition in `status.conditions` of the AwsAccounts. Example: `network.example.com/VpcReady`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub type_: String,
    /// The status it must have: True, False or Unknown. Default: `True`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::condition_status")]
    pub status: Option<String>,
}

/// A query to a Prometheus.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrometheusGate {
    /// Its address, whose host the operator's configuration must allow (`gates.allowedHosts`). Default:
    /// `gates.prometheusAddress` of that configuration. Example: `https://prometheus.example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512))]
    #[x_kube(validation = rules::url("spec.stages.gates.prometheus.address"))]
    pub address: Option<String>,
    /// PromQL, 1 to 2048 characters. Example: `sum(config_noncompliant{env="prod"})`.
    #[schemars(length(min = 1, max = 2048))]
    pub query: String,
    /// CEL over `result`, a list of numbers, or one number for a scalar: true is a success. Example: `result[0] == 0.0`.
    #[schemars(length(min = 1, max = 1024))]
    pub success_condition: String,
    /// CEL over `result`: true is a failure; what is neither is inconclusive. Default: whatever is no success is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub failure_condition: Option<String>,
    /// How long an answer may take. Default: `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::duration")]
    pub timeout: Option<String>,
}

/// An HTTP request.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpGate {
    /// Where it goes; the operator's configuration must allow the host (`gates.allowedHosts`). Redirects are not followed.
    /// Example: `https://checks.example.com/guardrails?env=prod`.
    #[schemars(length(min = 8, max = 2048))]
    #[x_kube(validation = rules::url("spec.stages.gates.http.url"))]
    pub url: String,
    /// GET or POST. Default: `GET`. A POST carries the attempt, revision, stage, wave and gate as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::http_method")]
    pub method: Option<String>,
    /// Name of a Secret in the operator's namespace; each of its keys is sent as a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::subdomain("spec.stages.gates.http.headersSecret"))]
    pub headers_secret: Option<String>,
    /// JSONPath to the part of the answer that is `result`. Default: all of it. Example: `$.summary.violations`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub json_path: Option<String>,
    /// CEL over `result`: true is a success. Example: `result == 0`.
    #[schemars(length(min = 1, max = 1024))]
    pub success_condition: String,
    /// CEL over `result`: true is a failure; what is neither is inconclusive. Default: whatever is no success is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub failure_condition: Option<String>,
    /// How long an answer may take. Default: `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::duration")]
    pub timeout: Option<String>,
}

/// A Kubernetes Job in the operator's namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobGate {
    /// `JobTemplateSpec` of `batch/v1`: `metadata` with labels and annotations, and `spec`. What is promoted is in the
    /// environment variables BULKHEAD_ATTEMPT, _REVISION, _STAGE, _WAVE, _GATE and _ENVIRONMENT of its containers.
    #[schemars(schema_with = "crate::schema::free_object")]
    pub template: Value,
}
