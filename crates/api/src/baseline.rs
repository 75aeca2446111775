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

/// Who may vend accounts, where they go, and which tags they must carry.
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
    doc = "What AWS accounts get: the environments they can be for, the organizational unit of each, who may vend there, and the tags every account must carry.",
    printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
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
    /// Conditions on the AwsAccount, set by other controllers, that must be True before the account is Ready; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["conditionType".into()]))]
    pub readiness_gates: Vec<ReadinessGate>,
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
    /// The organizational unit each environment is bound to. From the first use on the id counts, not the name.
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

/// The organizational unit of one environment.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// Name of the environment.
    pub name: String,
    /// The organizational unit it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organizational_unit: Option<crate::OrganizationalUnitStatus>,
}

/// How many accounts use a Baseline.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountsStatus {
    /// All of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// Those that are Ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<i64>,
}
