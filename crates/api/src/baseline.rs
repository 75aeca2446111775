//! `Baseline`: what the accounts of each environment get, as the platform team says.
#![expect(
    unreachable_pub,
    reason = "KubeSchema derives a second, private struct from each of ours"
)]

use crate::rules;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Who may vend accounts, where they go, what they may do, and which tags they must carry.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "bulkhead.dev",
    version = "v1alpha1",
    kind = "Baseline",
    plural = "baselines",
    shortname = "bl",
    category = "bulkhead",
    status = "BaselineStatus",
    derive = "PartialEq",
    doc = "What AWS accounts get: the environments they can be for, the organizational unit and the policies of each, who may vend there, and the tags every account must carry.",
    printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.latestRevision.name"),
    printcolumn(name = "Accounts", type_ = "integer", json_path = ".status.accounts.total"),
    printcolumn(name = "Ready Accounts", type_ = "integer", json_path = ".status.accounts.ready"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", priority = "1"),
    validation = rules::object_name(52)
)]
#[serde(rename_all = "camelCase")]
pub struct BaselineSpec {
    /// Which namespaces may use this Baseline at all, by their labels. `{}`: all namespaces.
    #[schemars(schema_with = "crate::schema::label_selector")]
    #[x_kube(validation = rules::selector())]
    pub namespace_selector: LabelSelector,
    /// Email address of an account's root user, made from `{name}` and `{namespace}` of the object, which must both be
    /// there, and `{workload}` and `{environment}`. The result has at most 64 characters, and its mailbox must exist: AWS
    /// sends password resets to it. A later change concerns new accounts only. Example:
    /// `aws+{namespace}.{name}@example.com`.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rules::template_placeholders(), validation = rules::template_identity(), validation = rules::template_shape())]
    pub email_template: String,
    /// Whether an AwsAccount may name its own `email`. Whoever controls that mailbox controls the account. Default:
    /// `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_explicit_email: Option<bool>,
    /// Tag keys that an AwsAccount may set in `spec.tags`: a key, or a beginning followed by `*`. Keys that
    /// `mandatoryTags` read from `spec.tags` are always allowed. Default: no others. Example: `["data-class", "team:*"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::tag_key_patterns")]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = rules::allowed_tag_keys()
    )]
    pub allowed_tag_keys: Vec<String>,
    /// The environments an account can be for, 1 to 50.
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub environments: Vec<Environment>,
    /// Tags that every account of this Baseline carries, at most 40. An account without a value for one of them is not
    /// created.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".into()]))]
    pub mandatory_tags: Vec<MandatoryTag>,
    /// How long `spec.baselinePin` of an AwsAccount may keep it on another revision at most. Default: `720h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::duration")]
    pub max_pin_duration: Option<String>,
    /// When accounts get what changes here. Default: `OnPromotion`. It counts only while no EnvironmentPromotion is about
    /// this Baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_policy: Option<UpdatePolicy>,
    /// How many revisions that nothing refers to any more are kept, 1 to 100. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub revision_history_limit: Option<i64>,
}

/// When accounts get a new revision of their Baseline.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdatePolicy {
    /// A promotion gives it to them. Until then an account keeps the revision it has, and a new account gets the current
    /// revision of its environment. The first revision of an environment is given at once.
    #[default]
    OnPromotion,
    /// At once.
    Automatic,
}

/// One environment: where its accounts go, and who may vend there.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// Name of the environment, 1 to 63 lower-case letters, digits and `-`. Example: `prod`.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::label("spec.environments.name"))]
    pub name: String,
    /// Organizational unit of its accounts, as a path of 1 to 5 names below the organization's root. It is created when
    /// it does not exist. Example: `Workloads/Prod`.
    #[schemars(length(min = 1, max = 644))]
    #[x_kube(validation = rules::unit_depth(), validation = rules::unit_names())]
    pub organizational_unit: String,
    /// Which of the namespaces that may use the Baseline may vend in this environment. Default: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::label_selector")]
    #[x_kube(validation = rules::selector())]
    pub namespace_selector: Option<LabelSelector>,
    /// Name of the role that AWS makes in a new account and through which it is proven usable. Default:
    /// `OrganizationAccountAccessRole`. A later change concerns new accounts only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::role_name())]
    pub access_role_name: Option<String>,
    /// Guardrails of the catalogue that its accounts are under, at most 20. `kubectl bulkhead guardrails` lists them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub guardrails: Vec<Guardrail>,
    /// Policy documents of your own beside the catalogue, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub policies: Vec<RawPolicy>,
    /// Requests that must be allowed or denied: unit tests of the policies, at most 50. Policies that break one are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub assertions: Vec<Assertion>,
    /// Conditions on the AwsAccount, set by other controllers, that must be True before the account is Ready; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["conditionType".into()]))]
    pub readiness_gates: Vec<ReadinessGate>,
}

/// A guardrail of the catalogue.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Guardrail {
    /// Its name in the catalogue, 1 to 64 letters and digits. Example: `allowedRegions`.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::guardrail_name())]
    pub name: String,
    /// Its parameters; `kubectl bulkhead guardrails show NAME` explains them. Default: those of the catalogue. Example:
    /// `{regions: [eu-west-1, eu-central-1]}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::schema::free_object")]
    pub parameters: BTreeMap<String, Value>,
}

/// A policy document of your own.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawPolicy {
    /// Name of the policy, 1 to 63 lower-case letters, digits and `-`. Example: `no-expensive`.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::label("spec.environments.policies.name"))]
    pub name: String,
    /// Its type, in AWS's word. Example: `SERVICE_CONTROL_POLICY`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::policy_type())]
    pub policy_type: String,
    /// The document, as AWS Organizations takes it for this type.
    #[schemars(schema_with = "crate::schema::free_object")]
    pub document: BTreeMap<String, Value>,
}

/// A request that the policies of an environment must allow or deny.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assertion {
    /// What it is about, in one line of 1 to 128 characters. Example: `break-glass works`.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rules::one_line("spec.environments.assertions.name"))]
    pub name: String,
    /// What the policies must say to it.
    pub expect: Expectation,
    /// ARN of who asks, at most 640 characters; `*` in place of the account id stands for every account. Example:
    /// `arn:aws:iam::*:role/break-glass`.
    #[schemars(length(min = 1, max = 640))]
    #[x_kube(validation = rules::principal())]
    pub principal: String,
    /// What is asked, at most 128 characters. Example: `iam:CreateRole`.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rules::action())]
    pub action: String,
    /// ARN of what it is asked about, or `*`, at most 1600 characters.
    #[schemars(length(min = 1, max = 1600))]
    #[x_kube(validation = rules::resource())]
    pub resource: String,
    /// Region in which it is asked, at most 32 characters. Default: none, as if the request named no region; a guardrail that
    /// denies all but some regions then denies it, because none is not among them. Example: `eu-west-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = rules::label("spec.environments.assertions.region"))]
    pub region: Option<String>,
    /// Further condition keys of the request with their values, at most 20 keys of at most 20 values each. Example:
    /// `{"ec2:InstanceType": [t3.micro]}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::schema::context")]
    pub context: BTreeMap<String, Vec<String>>,
}

/// What policies say to a request.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expectation {
    /// They let it pass.
    Allow,
    /// They refuse it.
    Deny,
}

/// A condition that another controller sets on an AwsAccount.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessGate {
    /// Type of the condition, with the domain of its controller. Example: `network.example.com/VpcReady`.
    #[schemars(length(min = 1, max = 316))]
    #[x_kube(validation = rules::gate())]
    pub condition_type: String,
}

/// A tag that every account must carry.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MandatoryTag {
    /// Key of the tag: 1 to 128 letters, digits, spaces and `_.:/=+-@`, not beginning with `aws:` or `bulkhead.dev/`.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rules::mandatory_key())]
    pub key: String,
    /// Where its value comes from.
    pub value_from: TagSource,
    /// Regular expression that the value must match, from `^` to `$`, at most 256 characters. Example: `^[0-9]{4}$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 256))]
    #[x_kube(validation = rules::anchored())]
    pub pattern: Option<String>,
    /// The values that are allowed, at most 100. Default: all. Example: `[public, internal, confidential]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::tag_value_list")]
    #[x_kube(merge_strategy = ListMerge::Set, validation = rules::allowed_values())]
    pub allowed_values: Vec<String>,
    /// What happens when the value changes in its source. Default: `Free`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<TagChange>,
}

/// What happens when the value of a mandatory tag changes in its source.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TagChange {
    /// The account gets the new value.
    #[default]
    Free,
    /// The account keeps its value until somebody approves the new one: `kubectl bulkhead approve`.
    Approved,
    /// The account keeps its value for good.
    Immutable,
}

/// Where the value of a mandatory tag comes from: exactly one of `field` and `tag`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = rules::one_source())]
#[serde(rename_all = "camelCase")]
pub struct TagSource {
    /// A field of the AwsAccount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<TagField>,
    /// A key in `spec.tags` of the AwsAccount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rules::source_tag())]
    pub tag: Option<String>,
}

/// A field of the AwsAccount whose value the tag shows. `name` and `namespace` are those of the object; the others are
/// fields of its spec, `accountName` with its default.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TagField {
    /// Name of the account in AWS.
    #[serde(rename = "accountName")]
    AccountName,
    /// Namespace of the object.
    #[serde(rename = "namespace")]
    Namespace,
    /// Name of the object.
    #[serde(rename = "name")]
    Name,
    /// `spec.workload`.
    #[serde(rename = "workload")]
    Workload,
    /// `spec.environment`.
    #[serde(rename = "environment")]
    Environment,
    /// `spec.purpose`.
    #[serde(rename = "purpose")]
    Purpose,
    /// `spec.owner.team`.
    #[serde(rename = "owner.team")]
    OwnerTeam,
    /// `spec.owner.contact`.
    #[serde(rename = "owner.contact")]
    OwnerContact,
    /// `spec.costCenter`.
    #[serde(rename = "costCenter")]
    CostCenter,
}

impl TagField {
    /// The word in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountName => "accountName",
            Self::Namespace => "namespace",
            Self::Name => "name",
            Self::Workload => "workload",
            Self::Environment => "environment",
            Self::Purpose => "purpose",
            Self::OwnerTeam => "owner.team",
            Self::OwnerContact => "owner.contact",
            Self::CostCenter => "costCenter",
        }
    }
}

/// What became of the Baseline. Written by the operator only.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[schemars(extend("default" = {"observedGeneration": -1}))]
#[serde(rename_all = "camelCase")]
pub struct BaselineStatus {
    /// The `metadata.generation` this status was computed for; -1 before the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The revision that the spec is: what a promotion would give to accounts. While the spec is not accepted, the last
    /// one that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_revision: Option<RevisionStatus>,
    /// What each environment has. The organizational unit it is bound to: from the first use on the id counts, not the name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub environments: Vec<EnvironmentStatus>,
    /// How many accounts use this Baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<AccountsStatus>,
    /// Accepted and Ready: the spec is in force. How many of its accounts are Ready stands in `accounts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
}

/// A revision of a Baseline.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionStatus {
    /// Name of its BaselineRevision: the Baseline's name, `-`, and the first 10 hexadecimal digits of the hash.
    pub name: String,
    /// Hash of its content: `sha256:` and 64 hexadecimal digits.
    pub hash: String,
}

/// What is known of one environment.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// Name of the environment.
    pub name: String,
    /// The organizational unit it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organizational_unit: Option<crate::OrganizationalUnitStatus>,
    /// Its current revision: what a new account gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionStatus>,
    /// What the policies of the latest revision take of AWS's limits, by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub policies: Vec<PolicyBudget>,
}

/// What policies of one type take of AWS's limits.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyBudget {
    /// The type, in AWS's word.
    #[serde(rename = "type")]
    pub policy_type: String,
    /// How many documents there are.
    pub documents: i64,
    /// How many there may be: while accounts change from one revision to another, they have the documents of both.
    pub max_documents: i64,
    /// Characters of the largest document.
    pub characters: i64,
    /// Characters that AWS takes.
    pub max_characters: i64,
}

/// How many accounts use a Baseline.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountsStatus {
    /// All of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// Those that are Ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<i64>,
    /// How many have which revision assigned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["revision".into()]))]
    pub by_revision: Vec<RevisionCount>,
}

/// How many accounts have one revision.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionCount {
    /// Name of the revision.
    pub revision: String,
    /// How many.
    pub total: i64,
}
