//! What the configuration says of policies.

use super::ConfigError;
use jiff::SignedDuration;
use model::{PolicyLimits, PolicyType, RoleName};
use serde::{Deserialize, Serialize};

/// How policies are attached, replaced and deleted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PoliciesConfig {
    /// Places for policies on each account, per type, that are left to others (default 1), at most 7: a change needs two, one
    /// for the old document and one for the new.
    pub reserved_slots: usize,
    /// How long an old policy stays attached beside the new one (default 5m), because AWS enforces with a lag; at most 24h.
    pub overlap: SignedDuration,
    /// How long a policy of ours stays that no account has and none is to have (default 24h).
    pub delete_unused_after: SignedDuration,
}

impl Default for PoliciesConfig {
    fn default() -> Self {
        Self {
            reserved_slots: 1,
            overlap: SignedDuration::from_mins(5),
            delete_unused_after: SignedDuration::from_hours(24),
        }
    }
}

impl PoliciesConfig {
    pub(super) fn limits(&self, enable_types: bool) -> PolicyLimits {
        PolicyLimits {
            enable_types,
            reserved_slots: self.reserved_slots,
            overlap: self.overlap,
            delete_unused_after: self.delete_unused_after,
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let invalid = |key, value, rule| Err(ConfigError::Invalid { key, value, rule });
        // With more, no service control policy is possible at all.
        if guardrails::limits::usable(&PolicyType::service_control(), self.reserved_slots) == 0 {
            let rule = "must be at most 7: an account has 10 places for service control policies, 1 of them is for AWS's own, \
                        and a change needs 2, for the old document and for the new one";
            return invalid("policies.reservedSlots", self.reserved_slots.to_string(), rule);
        }
        if self.overlap.is_negative() || self.overlap > SignedDuration::from_hours(24) {
            let value = format!("{:#}", self.overlap);
            return invalid("policies.overlap", value, "must be 0s to 24h");
        }
        if self.delete_unused_after.is_negative() {
            let value = format!("{:#}", self.delete_unused_after);
            return invalid("policies.deleteUnusedAfter", value, "must be 0s or more");
        }
        Ok(())
    }
}

/// The roles that every guardrail exempts are exact: whoever can make a principal that matches is exempt.
pub(super) fn validate_exempt(principals: &[String]) -> Result<(), ConfigError> {
    let Ok(role) = RoleName::parse("any") else {
        return Ok(());
    };
    guardrails::Exemptions::new(&role, principals)
        .map(drop)
        .map_err(|refusal| ConfigError::Refused(format!("aws.{refusal}")))
}
