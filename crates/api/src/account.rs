//! `AwsAccount`: one AWS account, as an application team asks for it.
#![expect(
    unreachable_pub,
    reason = "KubeSchema derives a second, private struct from each of ours"
)]

use crate::{Awaiting, rules};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the account is for, whose it is, and which Baseline governs it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "bulkhead.dev",
    version = "v1alpha1",
    kind = "AwsAccount",
    plural = "awsaccounts",
    shortname = "awsacct",
    category = "bulkhead",
    namespaced,
    status = "AwsAccountStatus",
    derive = "PartialEq",
    doc = "One AWS account. It is created in AWS Organizations, placed in the organizational unit of its environment, carries its mandatory tags, and is proven usable before it is Ready. Deleting the object never closes the account.",
    printcolumn(name = "Account", type_ = "string", json_path = ".status.accountId"),
    printcolumn(name = "Env", type_ = "string", json_path = ".spec.environment"),
    printcolumn(name = "OU", type_ = "string", json_path = ".status.organizationalUnit.path"),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.baseline.assigned.revision"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Email", type_ = "string", json_path = ".status.email", priority = "1"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state", priority = "1"),
    printcolumn(name = "Owner", type_ = "string", json_path = ".spec.owner.team", priority = "1"),
    selectable = ".spec.environment",
    selectable = ".spec.workload",
    selectable = ".status.accountId",
    validation = rules::object_name(63),
    validation = rules::account_name_default()
)]
#[x_kube(
    validation = rules::immutable("environment"),
    validation = rules::frozen("email"),
    validation = rules::frozen("accountName")
)]
#[serde(rename_all = "camelCase")]
pub struct AwsAccountSpec {
    /// Name of the account in AWS: 1 to 50 printable ASCII characters without `<` and `>`. Default: the name of this
    /// object. Cannot be set, changed or removed after the object was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(validation = rules::account_name())]
    pub account_name: Option<String>,
    /// Email address of the account's root user, which is also where AWS sends a password reset. Only where the
    /// Baseline says `allowExplicitEmail: true`; default: the Baseline's `emailTemplate`. 6 to 64 characters, not in use
    /// by any other AWS account. Cannot be set, changed or removed after the object was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 6, max = 64))]
    #[x_kube(validation = rules::email())]
    pub email: Option<String>,
    /// The workload the account belongs to: one workload and one environment per account. 1 to 63 lower-case letters,
    /// digits and `-`. Example: `payments`.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::label("spec.workload"))]
    pub workload: String,
    /// The environment the account is for, one of those the Baseline names. Immutable. Example: `prod`.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::label("spec.environment"))]
    pub environment: String,
    /// What the account is used for, in one line of 1 to 256 characters. Example: `Card payment processing API`.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rules::one_line("spec.purpose"))]
    pub purpose: String,
    /// Who answers for the account.
    pub owner: Owner,
    /// Cost center that pays for the account: 1 to 64 letters, digits, spaces and `_.:/=+-@`. The Baseline's mandatory
    /// tags can read it. Example: `"4711"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::tag_text("spec.costCenter"))]
    pub cost_center: Option<String>,
    /// The Baseline that governs the account. Default: the Baseline named in the operator's configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_ref: Option<BaselineRef>,
    /// Keeps the account on one revision of its Baseline for a while, whatever is promoted. Only for who has the verb `pin` on
    /// `awsaccounts`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_pin: Option<BaselinePin>,
    /// Tags of the account, beside those the Baseline sets. At most 50; keys of 1 to 128 and values of up to 256
    /// letters, digits, spaces and `_.:/=+-@`. Only keys the Baseline allows; keys beginning with `aws:` or
    /// `bulkhead.dev/` never. Example: `{data-class: confidential}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::schema::tags")]
    #[x_kube(validation = rules::tag_keys(), validation = rules::reserved_tag_keys(), validation = rules::tag_values())]
    pub tags: BTreeMap<String, String>,
    /// What becomes of the AWS account when this object is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Where to publish the account's id and other facts for Terraform, Crossplane and pipelines. Default: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<OutputsSpec>,
    /// `true` stops the creation, moves and tag changes of this account until it is removed again. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

impl AwsAccountSpec {
    /// Name of its Baseline: the one it names, else the operator's default.
    pub fn baseline_or<'a>(&'a self, default: Option<&'a str>) -> Option<&'a str> {
        let named = self.baseline_ref.as_ref();
        named.map(|named| named.name.as_str()).or(default)
    }
}

/// Who answers for an account.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// The team: 1 to 63 letters, digits, spaces and `_.:/=+-@`. Example: `payments`.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::tag_text("spec.owner.team"))]
    pub team: String,
    /// Email address at which the team is reached, 1 to 254 characters. Example: `payments@example.com`.
    #[schemars(length(min = 1, max = 254))]
    #[x_kube(validation = rules::contact())]
    pub contact: String,
}

/// Names a Baseline.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BaselineRef {
    /// Name of the Baseline, at most 52 characters. Example: `standard`.
    #[schemars(length(min = 1, max = 52))]
    #[x_kube(validation = rules::subdomain("spec.baselineRef.name"))]
    pub name: String,
}

/// One revision of the Baseline that the account keeps.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BaselinePin {
    /// Name of the BaselineRevision, one that the account has or that succeeded in its environment. Example:
    /// `standard-3f9c2ab41d`.
    #[schemars(length(min = 12, max = 63))]
    #[x_kube(validation = rules::revision_reference("spec.baselinePin.revision"))]
    pub revision: String,
    /// Why, in one line of 1 to 256 characters.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rules::one_line("spec.baselinePin.reason"))]
    pub reason: String,
    /// When the pin ends, within the Baseline's `maxPinDuration`. Example: `2027-01-31T00:00:00Z`.
    #[schemars(schema_with = "crate::schema::short_timestamp")]
    pub expires_at: Timestamp,
}

/// What becomes of the AWS account when this object is deleted. `Retain` (default): nothing, it stays as it is.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeletionPolicy {
    /// The AWS account stays as it is.
    #[default]
    Retain,
}

/// Where facts about the account are published.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputsSpec {
    /// Name of a ConfigMap in the namespace of this object. It is created, kept up to date, and deleted together with
    /// this object. A ConfigMap of this name that exists already is not touched. Example: `payments-prod-account`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::subdomain("spec.outputs.configMapName"))]
    pub config_map_name: String,
}

/// What is known of the account. Written by the operator only: `creation` and `baseline.assigned` as field manager
/// `bulkhead-journal`, everything else as `bulkhead`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[schemars(extend("default" = {"observedGeneration": -1}))]
#[serde(rename_all = "camelCase")]
pub struct AwsAccountStatus {
    /// The `metadata.generation` this status was computed for; -1 before the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Id of the account, 12 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]{12}$"))]
    pub account_id: Option<String>,
    /// ARN of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// State as AWS reports it: PENDING_ACTIVATION, ACTIVE, SUSPENDED, PENDING_CLOSURE or CLOSED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Email of the account's root user: before the creation the one that will be used, then the one AWS holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Name of the account: before the creation the one that will be used, then the one AWS holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
    /// The Baseline that governs the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineStatusRef>,
    /// The policies of Bulkhead that are attached to the account now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub guardrails: Vec<GuardrailStatus>,
    /// The organizational unit the account is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organizational_unit: Option<OrganizationalUnitStatus>,
    /// The last attempt to create the account. It is written before AWS is called, and kept for audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation: Option<CreationStatus>,
    /// Tags on the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<TagsStatus>,
    /// The role through which the account was proven usable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessStatus>,
    /// Where facts about the account are published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<OutputsStatus>,
    /// What Bulkhead will not do alone and waits for an Approval of, by kind of decision: `bulkhead approve` shows and
    /// answers it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::awaiting")]
    pub awaiting: Vec<Awaiting>,
    /// One line for a person: what the account waits for, or what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
    /// Ready, and what it is made of. `Reconciling` and `Stalled` are present only while True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
}

/// The Baseline that governs an account.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BaselineStatusRef {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The revision of it that the account is to have. It is written before anything is changed for it, and before the
    /// account carries it as the tag `bulkhead.dev/revision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned: Option<AssignedStatus>,
    /// `assigned.sequence` as it was when the conditions and all else of this status were computed: while the two differ,
    /// Ready and Stalled speak of an earlier revision, as those of an earlier `observedGeneration` do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_sequence: Option<i64>,
    /// The revision that the account had in full when it was last seen so: every policy of it attached, none of an earlier
    /// one left, in its organizational unit, with its tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<AppliedStatus>,
    /// A later revision that the account does not get by itself; absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_available: Option<UpdateStatus>,
}

/// The revision of a Baseline that an account has.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppliedStatus {
    /// Its name.
    pub revision: String,
    /// Hash of its content: `sha256:` and 64 hexadecimal digits.
    pub hash: String,
    /// When it was first seen in full.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub at: Timestamp,
}

/// A revision of a Baseline that an account could have.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateStatus {
    /// Its name.
    pub revision: String,
    /// When the account gets it by itself; before that its owner takes it with the label `bulkhead.dev/upgrade: now`. Absent:
    /// a promotion brings it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub deadline: Option<Timestamp>,
}

/// A policy of Bulkhead that is attached to an account.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardrailStatus {
    /// Its name: `bulkhead-`, the installation, `-`, the environment, `-`, and the first 10 hexadecimal digits of the
    /// SHA-256 of its content.
    pub name: String,
    /// Its type, in AWS's word. Example: `SERVICE_CONTROL_POLICY`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub policy_type: Option<String>,
}

/// The revision of a Baseline that an account is to have.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignedStatus {
    /// Its name: the Baseline's, `-`, and the first 10 hexadecimal digits of its hash.
    pub revision: String,
    /// Hash of its content: `sha256:` and 64 hexadecimal digits.
    pub hash: String,
    /// Counts the revisions this account has had, from 1. An account in AWS that carries a higher number than this is not
    /// changed: the cluster was restored to an older state.
    #[schemars(range(min = 1))]
    pub sequence: i64,
    /// Who decided it: `Automatic`, `Promotion`, `Rollback` or `Pin`.
    pub by: String,
    /// The promotion that decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<AssignedPromotion>,
    /// Keys of the tags that Bulkhead writes on the account, stored before the first of them is written.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(length(max = 50))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub tag_keys: BTreeSet<String>,
}

/// Which part of which promotion gave an account its revision.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignedPromotion {
    /// Name of the EnvironmentPromotion.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The attempt.
    pub attempt: String,
    /// The stage.
    pub stage: String,
    /// The wave; absent: a rollback, or an account that came late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<String>,
    /// When it was decided.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub at: Timestamp,
}

/// An organizational unit.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationalUnitStatus {
    /// Its id. Example: `ou-a1b2-12345678`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its path of names below the organization's root. Example: `Workloads/Prod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// One attempt to create an account, with the values that were sent.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreationStatus {
    /// Names the attempt; the new account carries it as a tag.
    #[schemars(regex(pattern = "^[a-z0-9]{16,64}$"))]
    pub token: String,
    /// Number of the attempt, from 1.
    #[schemars(range(min = 1))]
    pub attempt: i64,
    /// When the attempt was decided.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub started_at: Timestamp,
    /// The leadership term of the operator that decided it.
    pub epoch: i64,
    /// Email in the request.
    pub email: String,
    /// Account name in the request.
    pub account_name: String,
    /// Name of the role that AWS makes in the account.
    pub role_name: String,
    /// Id that AWS gave the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// Tags on an account.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagsStatus {
    /// Tags that Bulkhead has set. Only these keys are ever changed or removed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub managed: BTreeMap<String, String>,
    /// How many other tags the account carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_count: Option<i64>,
}

/// The role through which an account was proven usable.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessStatus {
    /// ARN of the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// When it was first used with success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub verified_at: Option<Timestamp>,
}

/// Where facts about an account are published.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputsStatus {
    /// Name of the ConfigMap in the namespace of this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_name: Option<String>,
}
