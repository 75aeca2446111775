//! What the world is in truth: without lags, pages or permissions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::faults::Fault;

/// The whole organization, every list in order of its ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The simulated time of this view.
    pub now: Timestamp,
    /// `o-..`
    pub organization_id: String,
    /// Also among the accounts.
    pub management_account_id: String,
    /// The one root.
    pub root: RootView,
    /// Every account, closed ones until they vanish 90 days later.
    pub accounts: Vec<AccountView>,
    /// Every organizational unit.
    pub organizational_units: Vec<OrganizationalUnitView>,
    /// Every creation request, in order of acceptance.
    pub creations: Vec<CreationView>,
    /// Every policy, those that AWS manages included.
    pub policies: Vec<PolicyView>,
    /// In order of policy, then target.
    pub attachments: Vec<AttachmentView>,
    /// Every invitation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handshakes: Vec<HandshakeView>,
}

/// The root of the organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RootView {
    /// `r-..`
    pub id: String,
    /// By key.
    pub tags: BTreeMap<String, String>,
    /// `ENABLED`, `PENDING_ENABLE` or `PENDING_DISABLE`, by type; a disabled type is absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policy_types: BTreeMap<String, String>,
}

/// A member account, or the management account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountView {
    /// 12 digits.
    pub id: String,
    /// Not unique.
    pub name: String,
    /// As given at creation.
    pub email: String,
    /// Where the account is in its life.
    pub state: AccountState,
    /// The root's or an organizational unit's id.
    pub parent: String,
    /// Names of the units from below the root to the account, `Workloads/Prod`; empty in the root.
    pub path: String,
    /// By key.
    pub tags: BTreeMap<String, String>,
    /// The access role CreateAccount made; none in the management account.
    pub role_name: Option<String>,
    /// When the creation succeeded.
    pub joined_at: Timestamp,
    /// From when on the access role can be assumed.
    pub accessible_from: Timestamp,
}

/// AWS's `State` of an account. PENDING_ACTIVATION is not simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccountState {
    /// In use.
    Active,
    /// Restricted by AWS (not closed).
    Suspended,
    /// Closing, still usable.
    PendingClosure,
    /// Closed; shown for 90 days.
    Closed,
}

impl AccountState {
    /// The wire value of `State`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Suspended => "SUSPENDED",
            Self::PendingClosure => "PENDING_CLOSURE",
            Self::Closed => "CLOSED",
        }
    }

    /// The wire value of the retired `Status`, which knows no CLOSED.
    pub(crate) fn status(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Suspended | Self::Closed => "SUSPENDED",
            Self::PendingClosure => "PENDING_CLOSURE",
        }
    }
}

/// An organizational unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationalUnitView {
    /// `ou-..`
    pub id: String,
    /// Unique within the parent.
    pub name: String,
    /// The root's or another unit's id.
    pub parent: String,
    /// Names from below the root down to this one, `Workloads/Prod`.
    pub path: String,
    /// AWS's own path, of ids: `o-../r-../ou-../`.
    pub aws_path: String,
    /// By key.
    pub tags: BTreeMap<String, String>,
}

/// One accepted CreateAccount request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreationView {
    /// `car-..`
    pub id: String,
    /// The account's name.
    pub name: String,
    /// The account's email.
    pub email: String,
    /// The tags the request carried, by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// `IN_PROGRESS`, `SUCCEEDED` or `FAILED`.
    pub state: String,
    /// When it was accepted.
    pub requested_at: Timestamp,
    /// After success.
    pub account: Option<String>,
    /// After failure.
    pub failure_reason: Option<FailureReason>,
}

/// Why AWS failed to create an account: the 15 documented values of `FailureReason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(
    missing_docs,
    reason = "AWS's values, explained in the API reference of CreateAccountStatus"
)]
pub enum FailureReason {
    AccountLimitExceeded,
    ConcurrentAccountModification,
    EmailAlreadyExists,
    FailedBusinessValidation,
    GovcloudAccountAlreadyExists,
    InternalFailure,
    InvalidAddress,
    InvalidEmail,
    InvalidIdentityForBusinessValidation,
    InvalidPaymentInstrument,
    MissingBusinessValidation,
    MissingPaymentInstrument,
    PendingBusinessValidation,
    UnknownBusinessValidation,
    UpdateExistingResourcePolicyWithTagsNotSupported,
}

impl FailureReason {
    /// Every value.
    pub const ALL: [Self; 15] = [
        Self::AccountLimitExceeded,
        Self::ConcurrentAccountModification,
        Self::EmailAlreadyExists,
        Self::FailedBusinessValidation,
        Self::GovcloudAccountAlreadyExists,
        Self::InternalFailure,
        Self::InvalidAddress,
        Self::InvalidEmail,
        Self::InvalidIdentityForBusinessValidation,
        Self::InvalidPaymentInstrument,
        Self::MissingBusinessValidation,
        Self::MissingPaymentInstrument,
        Self::PendingBusinessValidation,
        Self::UnknownBusinessValidation,
        Self::UpdateExistingResourcePolicyWithTagsNotSupported,
    ];

    /// The wire value.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccountLimitExceeded => "ACCOUNT_LIMIT_EXCEEDED",
            Self::ConcurrentAccountModification => "CONCURRENT_ACCOUNT_MODIFICATION",
            Self::EmailAlreadyExists => "EMAIL_ALREADY_EXISTS",
            Self::FailedBusinessValidation => "FAILED_BUSINESS_VALIDATION",
            Self::GovcloudAccountAlreadyExists => "GOVCLOUD_ACCOUNT_ALREADY_EXISTS",
            Self::InternalFailure => "INTERNAL_FAILURE",
            Self::InvalidAddress => "INVALID_ADDRESS",
            Self::InvalidEmail => "INVALID_EMAIL",
            Self::InvalidIdentityForBusinessValidation => "INVALID_IDENTITY_FOR_BUSINESS_VALIDATION",
            Self::InvalidPaymentInstrument => "INVALID_PAYMENT_INSTRUMENT",
            Self::MissingBusinessValidation => "MISSING_BUSINESS_VALIDATION",
            Self::MissingPaymentInstrument => "MISSING_PAYMENT_INSTRUMENT",
            Self::PendingBusinessValidation => "PENDING_BUSINESS_VALIDATION",
            Self::UnknownBusinessValidation => "UNKNOWN_BUSINESS_VALIDATION",
            Self::UpdateExistingResourcePolicyWithTagsNotSupported => {
                "UPDATE_EXISTING_RESOURCE_POLICY_WITH_TAGS_NOT_SUPPORTED"
            }
        }
    }
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyView {
    /// `p-..`
    pub id: String,
    /// `SERVICE_CONTROL_POLICY` and so on.
    pub r#type: String,
    /// Unique per type.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// As it came, every character.
    pub content: String,
    /// FullAWSAccess and RCPFullAWSAccess.
    pub aws_managed: bool,
    /// By key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// A policy attached to a target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AttachmentView {
    /// `p-..`
    pub policy: String,
    /// A root's, unit's or account's id.
    pub target: String,
}

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandshakeView {
    /// `h-..`
    pub id: String,
    /// An account id or an email.
    pub target: String,
    /// `OPEN`, `CANCELED`, `ACCEPTED`, `DECLINED` or `EXPIRED`.
    pub state: String,
}

/// One request, in order of effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// When it took effect, or was refused.
    pub at: Timestamp,
    /// `organizations`, `tagging` or `sts`.
    pub service: String,
    /// As the caller named it.
    pub operation: String,
    /// `OK` or the error code; `NOT_PROCESSED` when a fault kept the request from arriving. What happened, not what the
    /// caller heard: `fault` may have kept the answer from it.
    pub outcome: String,
    /// The `Reason` of the refusal, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The calling account; none when the caller could not be told.
    pub caller: Option<String>,
    /// The fault of the plan that hit the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_named_as_it_is_written() {
        for reason in FailureReason::ALL {
            assert_eq!(serde_json::json!(reason), serde_json::json!(reason.name()));
        }
    }
}
