//! `BaselineRevision`: one content of a Baseline, as accounts get it. It never changes.
#![expect(
    unreachable_pub,
    reason = "KubeSchema derives a second, private struct from each of ours"
)]

use crate::{Assertion, TagChange, TagField, rules};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// What accounts of each environment get, compiled: nothing of it depends on a catalogue or on defaults any more.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "bulkhead.dev",
    version = "v1alpha1",
    kind = "BaselineRevision",
    plural = "baselinerevisions",
    shortname = "blrev",
    category = "bulkhead",
    derive = "PartialEq",
    doc = "One content of a Baseline, as accounts get it. Written by the operator only, named after the content, and never changed: the same content always is the same revision. Kept while an account has it, and as history.",
    printcolumn(name = "Baseline", type_ = "string", json_path = ".spec.baseline"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = rules::revision_name()
)]
#[x_kube(validation = rules::revision_frozen())]
#[serde(rename_all = "camelCase")]
pub struct BaselineRevisionSpec {
    /// Name of the Baseline.
    #[schemars(length(min = 1, max = 52))]
    #[x_kube(validation = rules::subdomain("spec.baseline"))]
    pub baseline: String,
    /// Hash of everything else in this spec: `sha256:` and 64 hexadecimal digits. A revision whose hash is another one is
    /// not used.
    #[schemars(length(min = 71, max = 71))]
    #[x_kube(validation = rules::hash())]
    pub hash: String,
    /// What accounts of each environment get.
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub environments: Vec<RevisionEnvironment>,
    /// Tags that every account carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".into()]))]
    pub mandatory_tags: Vec<RevisionTag>,
}

/// What accounts of one environment get.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionEnvironment {
    /// Name of the environment.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Organizational unit, as a path of names below the organization's root.
    #[schemars(length(min = 1, max = 644))]
    pub organizational_unit: String,
    /// Name of the role that AWS makes in a new account.
    #[schemars(length(min = 1, max = 64))]
    pub access_role_name: String,
    /// Policies that are attached to the account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub policies: Vec<RevisionPolicy>,
    /// What the policies were proven to allow and deny.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub assertions: Vec<Assertion>,
    /// Conditions on the AwsAccount that must be True before the account is Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::texts")]
    pub readiness_gates: Vec<String>,
}

/// A policy that is attached to accounts.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionPolicy {
    /// Its name in AWS.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// Its type, in AWS's word.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64))]
    pub policy_type: String,
    /// The document, exactly as AWS is given it.
    #[schemars(length(min = 1, max = 20_000))]
    pub content: String,
    /// Which guardrails and policies of the Baseline are in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::texts")]
    pub parts: Vec<String>,
}

/// A tag that every account carries.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionTag {
    /// Its key.
    #[schemars(length(min = 1, max = 128))]
    pub key: String,
    /// The field of the AwsAccount that its value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_field: Option<TagField>,
    /// The key in `spec.tags` of the AwsAccount that its value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub from_tag: Option<String>,
    /// Regular expression that the value matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub pattern: Option<String>,
    /// The values that are allowed; absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::texts")]
    pub allowed_values: Vec<String>,
    /// What happens when the value changes in its source; absent: `Free`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<TagChange>,
}
