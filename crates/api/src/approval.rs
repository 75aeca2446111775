//! `Approval`: one person's decision on one digest.
#![expect(
    unreachable_pub,
    reason = "KubeSchema derives a second, private struct from each of ours"
)]
#![expect(
    clippy::duplicated_attributes,
    reason = "each printcolumn has a type and a path"
)]

use crate::rules;
use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is decided, and by whom. Nothing of it ever changes.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "bulkhead.dev",
    version = "v1alpha1",
    kind = "Approval",
    plural = "approvals",
    shortname = "apv",
    category = "bulkhead",
    derive = "PartialEq",
    doc = "One person's decision on something that Bulkhead will not do alone, and shows under `status.awaiting` of the object it concerns. Written by `bulkhead approve`; never changed; a decision on one digest says nothing about another.",
    printcolumn(name = "Action", type_ = "string", json_path = ".spec.action"),
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.subject.kind"),
    printcolumn(name = "Namespace", type_ = "string", json_path = ".spec.subject.namespace"),
    printcolumn(name = "Subject", type_ = "string", json_path = ".spec.subject.name"),
    printcolumn(name = "Decision", type_ = "string", json_path = ".spec.decision"),
    printcolumn(name = "Approver", type_ = "string", json_path = ".spec.approver"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Expires",
        type_ = "string",
        json_path = ".spec.expiresAt",
        priority = "1"
    ),
    printcolumn(name = "Digest", type_ = "string", json_path = ".spec.digest", priority = "1"),
    printcolumn(
        name = "Comment",
        type_ = "string",
        json_path = ".spec.comment",
        priority = "1"
    )
)]
#[x_kube(
    validation = rules::approval_frozen(),
    validation = rules::approval_subject(),
    validation = rules::approval_namespace()
)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalSpec {
    /// What kind of thing is decided. It selects the resource that the approver needs the verb `approve` for: Promotion
    /// `promotions`, TagChange `tagchanges`, Closure `closures`, MassChange `masschanges`, StateRestore `staterestores`,
    /// all in the API group `bulkhead.dev`.
    pub action: ApprovalAction,
    /// The object that waits for the decision.
    pub subject: ApprovalSubject,
    /// The digest that the subject's `status.awaiting` shows for this action: `sha256:` and 64 hexadecimal digits. It
    /// covers everything that is decided, so a decision on another state of things is void.
    #[schemars(length(min = 71, max = 71))]
    #[x_kube(validation = rules::digest())]
    pub digest: String,
    /// Approve or Reject. A Reject stands as long as the object exists.
    pub decision: ApprovalDecision,
    /// The user who decides, as the API server knows it: 1 to 512 characters. An admission policy refuses any other than
    /// the user who creates this object. Example: `alice@example.com`.
    #[schemars(length(min = 1, max = 512))]
    pub approver: String,
    /// The group in whose name the approver decides, 1 to 512 characters. An admission policy demands that the approver is
    /// in it. Default: none. Example: `cloud-platform`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub group: Option<String>,
    /// Who asked for what is decided, 1 to 512 characters. An admission policy demands that it is not the approver.
    /// Default: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub requested_by: Option<String>,
    /// Why, for whoever reads it later: 1 to 1024 characters. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub comment: Option<String>,
    /// When the decision ends if it has not been used by then. Default: never. Example: `2027-01-31T00:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::short_timestamp")]
    pub expires_at: Option<Timestamp>,
}

/// Kinds of decisions.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ApprovalAction {
    /// A revision goes on to the next stage of an EnvironmentPromotion.
    Promotion,
    /// A tag whose changes need approval changes on an AwsAccount.
    TagChange,
    /// An AccountClosure goes on.
    Closure,
    /// More accounts than the brake allows change at once in an Organization.
    MassChange,
    /// An AwsAccount whose status is older than what its account in AWS carries is governed again.
    StateRestore,
}

impl ApprovalAction {
    /// Every action.
    pub const ALL: &'static [Self] = &[
        Self::Promotion,
        Self::TagChange,
        Self::Closure,
        Self::MassChange,
        Self::StateRestore,
    ];

    /// The word in `spec.action`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promotion => "Promotion",
            Self::TagChange => "TagChange",
            Self::Closure => "Closure",
            Self::MassChange => "MassChange",
            Self::StateRestore => "StateRestore",
        }
    }

    /// The virtual resource in group `bulkhead.dev` whose verb `approve` an approver needs.
    pub const fn resource(self) -> &'static str {
        match self {
            Self::Promotion => "promotions",
            Self::TagChange => "tagchanges",
            Self::Closure => "closures",
            Self::MassChange => "masschanges",
            Self::StateRestore => "staterestores",
        }
    }

    /// The kind of object that such a decision is about.
    pub const fn subject(self) -> SubjectKind {
        match self {
            Self::Promotion => SubjectKind::EnvironmentPromotion,
            Self::TagChange | Self::StateRestore => SubjectKind::AwsAccount,
            Self::Closure => SubjectKind::AccountClosure,
            Self::MassChange => SubjectKind::Organization,
        }
    }
}

impl fmt::Display for ApprovalAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an approver says.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApprovalDecision {
    /// Go on.
    Approve,
    /// Do not.
    Reject,
}

/// Kinds of objects that can wait for a decision.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubjectKind {
    /// An AwsAccount: TagChange, StateRestore.
    AwsAccount,
    /// An EnvironmentPromotion: Promotion.
    EnvironmentPromotion,
    /// An AccountClosure: Closure.
    AccountClosure,
    /// An Organization: MassChange.
    Organization,
}

impl SubjectKind {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwsAccount => "AwsAccount",
            Self::EnvironmentPromotion => "EnvironmentPromotion",
            Self::AccountClosure => "AccountClosure",
            Self::Organization => "Organization",
        }
    }
}

/// Names the object that waits for a decision.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalSubject {
    /// Its kind; each action is about one kind.
    pub kind: SubjectKind,
    /// Its namespace, where the kind has one: 1 to 63 lower-case letters, digits and `-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::label("spec.subject.namespace"))]
    pub namespace: Option<String>,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::subdomain("spec.subject.name"))]
    pub name: String,
}

/// Something that Bulkhead will not do alone.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Awaiting {
    /// What kind of decision it needs.
    pub action: ApprovalAction,
    /// What the decision has to name: `sha256:` and 64 hexadecimal digits. It changes with anything that is decided.
    pub digest: String,
    /// What would be done, in one line.
    pub summary: String,
}
