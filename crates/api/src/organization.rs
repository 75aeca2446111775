//! `Organization`: a mirror of the AWS organization, to read.
#![expect(
    unreachable_pub,
    reason = "KubeSchema derives a second, private struct from each of ours"
)]

use crate::rules;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An Organization has no spec: it is written by the operator only.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "bulkhead.dev",
    version = "v1alpha1",
    kind = "Organization",
    plural = "organizations",
    shortname = "awsorg",
    category = "bulkhead",
    no_spec,
    status = "OrganizationStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "The AWS organization this installation governs, named after the installation. Written by the operator only, to be read.",
    printcolumn(name = "Organization", type_ = "string", json_path = ".status.organizationId"),
    printcolumn(name = "Installation", type_ = "string", json_path = ".status.installation"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = rules::object_name(32)
)]
pub struct OrganizationSpec {}

/// What is known of the organization.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[schemars(extend("default" = {"observedGeneration": -1}))]
#[serde(rename_all = "camelCase")]
pub struct OrganizationStatus {
    /// The `metadata.generation` this status was computed for; -1 before the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Id of the organization. Example: `o-exampleorgid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    /// Id of the management account, which Bulkhead never touches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_account_id: Option<String>,
    /// Id of the organization's root. Example: `r-a1b2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_id: Option<String>,
    /// Name of this installation, as it stands in the operator's configuration and in every account's claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<String>,
    /// Value of the tag `bulkhead.dev/installation` on the organization's root, which says who governs the organization:
    /// name of an installation, `:`, UID of its cluster's namespace kube-system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// The mark of this installation, once it has settled: its operators need not wait again after a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_mark: Option<String>,
    /// What is spent of the budgets that limit how fast things change. Written before each change is sent; without it
    /// nothing is spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brake: Option<BrakeStatus>,
    /// Ready: the organization was read, and this installation governs it. PoliciesInPlace is False while a policy of this
    /// installation is attached to the root, to a unit or to an account that Bulkhead did not make: somebody has attached it
    /// there, and Bulkhead never detaches it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
}

/// What is spent of the budgets that limit how fast things change, in slots of time. A slot counts until a whole window
/// after its end.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrakeStatus {
    /// CreateAccount requests, in slots of five minutes, for the budget of an hour (`creation.perHour`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub creations_by_5_minutes: Vec<CountSlot>,
    /// The same in slots of an hour, for the budget of 24 hours (`creation.perDay`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub creations_by_hour: Vec<CountSlot>,
    /// Accounts that were moved, in slots of a twelfth of the window (`massChange`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub moves: Vec<AccountsSlot>,
    /// Accounts whose policies were changed, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub policy_changes: Vec<AccountsSlot>,
}

/// How many there were in one slot.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CountSlot {
    /// When the slot began.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub started_at: Timestamp,
    /// How many.
    #[schemars(range(min = 0))]
    pub count: i64,
}

/// Which accounts there were in one slot.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountsSlot {
    /// When the slot began.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub started_at: Timestamp,
    /// Ids of the accounts. Each is in one slot only, its last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub account_ids: Vec<String>,
}
