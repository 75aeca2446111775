//! The types of policies: their limits, and enabling and disabling them in the root, which takes a while.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Event, World, check};
use crate::wire::ApiError;
use crate::wire::organizations::PolicyTypeInput;

/// What AWS allows of one type: user guide orgs_manage_policies and orgs_reference_limits. None of it is adjustable.
pub(crate) struct PolicyType {
    pub(crate) name: &'static str,
    /// Characters of a policy's content, white space included.
    pub(crate) size: usize,
    /// Policies directly attached to one target.
    pub(crate) most_attached: usize,
    /// Fewer may not be attached to one target while the type is enabled.
    pub(crate) fewest_attached: usize,
    /// Customer policies in the organization.
    pub(crate) policies: usize,
}

const fn of(
    name: &'static str,
    size: usize,
    most_attached: usize,
    fewest_attached: usize,
    policies: usize,
) -> PolicyType {
    PolicyType {
        name,
        size,
        most_attached,
        fewest_attached,
        policies,
    }
}

pub(crate) const SERVICE_CONTROL: &str = "SERVICE_CONTROL_POLICY";
pub(crate) const RESOURCE_CONTROL: &str = "RESOURCE_CONTROL_POLICY";

/// Where the sources are silent (the last eight numbers of policies; size and attachments of the last three), the
/// commonest figures are assumed.
const TYPES: &[PolicyType] = &[
    of(SERVICE_CONTROL, 10_240, 10, 1, 10_000),
    of(RESOURCE_CONTROL, 5_120, 5, 1, 2_000),
    of("TAG_POLICY", 10_000, 10, 0, 1_000),
    of("BACKUP_POLICY", 10_000, 10, 0, 1_000),
    of("SECURITYHUB_POLICY", 10_000, 10, 0, 1_000),
    of("DECLARATIVE_POLICY_EC2", 10_000, 10, 0, 1_000),
    of("AISERVICES_OPT_OUT_POLICY", 2_500, 5, 0, 1_000),
    of("CHATBOT_POLICY", 10_000, 5, 0, 1_000),
    of("INSPECTOR_POLICY", 10_000, 10, 0, 1_000),
    of("BEDROCK_POLICY", 10_000, 10, 0, 1_000),
    of("UPGRADE_ROLLOUT_POLICY", 10_000, 10, 0, 1_000),
    of("S3_POLICY", 10_000, 10, 0, 1_000),
    of("NETWORK_SECURITY_DIRECTOR_POLICY", 10_000, 10, 0, 1_000),
    of("GUARDDUTY_POLICY", 10_000, 10, 0, 1_000),
    of("SECURITYHUB_CSPM_POLICY", 10_000, 10, 0, 1_000),
];

/// Where a type is in the root. A type that is not there at all is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum TypeStatus {
    Enabled,
    PendingEnable,
    PendingDisable,
}

/// The type of that name, `INVALID_ENUM_POLICY_TYPE` for any other.
pub(crate) fn policy_type(
    member: &'static str,
    value: Option<&String>,
) -> Result<&'static PolicyType, ApiError> {
    let value = check::required(member, value)?;
    known_type(value).ok_or_else(|| {
        let message = format!("{member} is not a type of policy: {value:?}");
        ApiError::invalid_input("INVALID_ENUM_POLICY_TYPE", message)
    })
}

pub(crate) fn known_type(name: &str) -> Option<&'static PolicyType> {
    TYPES.iter().find(|known| known.name == name)
}

impl World {
    pub(crate) fn is_enabled(&self, policy_type: &str) -> bool {
        self.records.policy_types.get(policy_type) == Some(&TypeStatus::Enabled)
    }

    /// PolicyChangesInProgressException while any type is on its way.
    pub(crate) fn no_policy_changes(&self) -> Result<(), ApiError> {
        let mut statuses = self.records.policy_types.values();
        if statuses.all(|status| *status == TypeStatus::Enabled) {
            return Ok(());
        }
        Err(policy_changes_in_progress())
    }

    /// PolicyTypeNotAvailableForOrganizationException unless the organization has all features.
    pub(crate) fn policies_available(&self) -> Result<(), ApiError> {
        if self.settings.all_features {
            return Ok(());
        }
        Err(type_not_available())
    }

    fn check_type_change(&self, input: &PolicyTypeInput) -> Result<&'static PolicyType, ApiError> {
        let root = check::id("RootId", input.root_id.as_ref(), check::is_root)?;
        let changed = policy_type("PolicyType", input.policy_type.as_ref())?;
        if root != self.settings.root_id {
            let message = "We can't find a root with the RootId that you specified";
            return Err(ApiError::new("RootNotFoundException", message));
        }
        Ok(changed)
    }

    pub(crate) fn enable_policy_type(&mut self, input: &PolicyTypeInput) -> Result<Value, ApiError> {
        let changed = self.check_type_change(input)?;
        self.policies_available()?;
        if self.is_enabled(changed.name) {
            let message = "The specified policy type is already enabled in the specified root";
            return Err(ApiError::new("PolicyTypeAlreadyEnabledException", message));
        }
        self.no_policy_changes()?;
        Ok(self.begin_type_change(changed.name, TypeStatus::PendingEnable))
    }

    pub(crate) fn disable_policy_type(&mut self, input: &PolicyTypeInput) -> Result<Value, ApiError> {
        let changed = self.check_type_change(input)?;
        self.no_policy_changes()?;
        if !self.is_enabled(changed.name) {
            return Err(type_not_enabled());
        }
        Ok(self.begin_type_change(changed.name, TypeStatus::PendingDisable))
    }

    fn begin_type_change(&mut self, name: &str, status: TypeStatus) -> Value {
        self.records.policy_types.insert(name.to_owned(), status);
        let range = self.settings.policy_type_duration;
        let duration = self.random.policy_type_durations.duration(range);
        self.schedule(duration, Event::PolicyTypeSettles(name.to_owned()));
        json!({"Root": self.root_shape()})
    }

    /// Enabling attaches the AWS-managed policy everywhere and nothing else; disabling detaches all.
    pub(crate) fn settle_policy_type(&mut self, name: &str) {
        match self.records.policy_types.get(name) {
            Some(TypeStatus::PendingEnable) => {
                self.records
                    .policy_types
                    .insert(name.to_owned(), TypeStatus::Enabled);
                self.attach_managed_everywhere(name);
            }
            Some(TypeStatus::PendingDisable) => {
                self.records.policy_types.remove(name);
                self.detach_all_of(name);
            }
            Some(TypeStatus::Enabled) | None => {}
        }
    }
}

pub(crate) fn policy_changes_in_progress() -> ApiError {
    let message = "Changes to the effective policy are in progress, and its contents can't be returned. \
                   Try the operation again later";
    ApiError::new("PolicyChangesInProgressException", message)
}

pub(crate) fn type_not_available() -> ApiError {
    let message = "You can't use the specified policy type with the feature set currently enabled for this organization";
    ApiError::new("PolicyTypeNotAvailableForOrganizationException", message)
}

pub(crate) fn type_not_enabled() -> ApiError {
    let message = "The specified policy type isn't currently enabled in this root";
    ApiError::new("PolicyTypeNotEnabledException", message)
}
