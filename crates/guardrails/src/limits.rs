//! What AWS takes, by type of policy.
//!
//! Source: AWS Organizations User Guide, "Quotas and service limits" and the pages of each type, as of November 2026.

use model::PolicyType;

/// Limits of one type of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most characters of one document; each counts, white space too.
    pub characters: usize,
    /// Most policies attached to one root, organizational unit or account. What is inherited does not count.
    pub slots: usize,
    /// Fewest that must stay attached, once the type is enabled.
    pub minimum: usize,
    /// Slots taken by AWS's own policy that allows everything (`FullAWSAccess`, `RCPFullAWSAccess`).
    pub full_access: usize,
}

const fn limits_of(characters: usize, slots: usize) -> Limits {
    Limits {
        characters,
        slots,
        minimum: 0,
        full_access: 0,
    }
}

/// For types that AWS names without their limits, and for those this version does not know: every type that came since 2024
/// has 10,000 characters, and none has fewer than 5 slots. Where AWS takes less, it refuses the policy itself.
const ASSUMED: Limits = limits_of(10_000, 5);

/// The limits of a type.
pub fn limits(policy_type: &PolicyType) -> Limits {
    match policy_type.as_str() {
        PolicyType::SERVICE_CONTROL => Limits {
            minimum: 1,
            full_access: 1,
            ..limits_of(10_240, 10)
        },
        PolicyType::RESOURCE_CONTROL => Limits {
            minimum: 1,
            full_access: 1,
            ..limits_of(5_120, 5)
        },
        "AISERVICES_OPT_OUT_POLICY" => limits_of(2_500, 5),
        "CHATBOT_POLICY" => limits_of(10_000, 5),
        "TAG_POLICY"
        | "BACKUP_POLICY"
        | "SECURITYHUB_POLICY"
        | "DECLARATIVE_POLICY_EC2"
        | "INSPECTOR_POLICY"
        | "BEDROCK_POLICY"
        | "UPGRADE_ROLLOUT_POLICY"
        | "S3_POLICY" => limits_of(10_000, 10),
        _ => ASSUMED,
    }
}

/// How many documents of a type a revision may use on an account, when `reserved` slots are left to other tools.
///
/// Policies that add to each other are swapped side by side, old and new attached at once, so they may take half of what is
/// free. Those of other types merge, and two of ours would fight: one.
pub fn usable(policy_type: &PolicyType, reserved: usize) -> usize {
    let limits = limits(policy_type);
    if policy_type.is_additive() {
        limits.slots.saturating_sub(limits.full_access + reserved) / 2
    } else {
        1
    }
}

/// Why [`usable`] is what it is, for a person.
pub(crate) fn room(policy_type: &PolicyType, reserved: usize) -> String {
    if !policy_type.is_additive() {
        return "two of this type would override each other".to_owned();
    }
    let Limits {
        slots, full_access, ..
    } = limits(policy_type);
    format!(
        "AWS has {slots} places on an account, {full_access} of them is for its own policy that allows everything, \
         policies.reservedSlots keeps {reserved}, and half of the rest is free for the new documents while old and new ones \
         overlap"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> PolicyType {
        PolicyType::parse(text).unwrap()
    }

    #[test]
    fn half_the_free_slots_may_be_used() {
        let service = PolicyType::service_control();
        let shown: Vec<usize> = (0..=10).map(|reserved| usable(&service, reserved)).collect();
        assert_eq!(shown, [4, 4, 3, 3, 2, 2, 1, 1, 0, 0, 0]);
        let resource = of(PolicyType::RESOURCE_CONTROL);
        assert_eq!([0, 1, 3].map(|reserved| usable(&resource, reserved)), [2, 1, 0]);
        assert_eq!(usable(&of("TAG_POLICY"), 9), 1);
    }

    #[test]
    fn each_type_has_its_limits_and_an_unknown_one_those_of_its_kind() {
        let characters = |text| limits(&of(text)).characters;
        assert_eq!(characters("SERVICE_CONTROL_POLICY"), 10_240);
        assert_eq!(characters("RESOURCE_CONTROL_POLICY"), 5_120);
        assert_eq!(characters("AISERVICES_OPT_OUT_POLICY"), 2_500);
        assert_eq!(characters("TAG_POLICY"), 10_000);
        assert_eq!(limits(&of("QUANTUM_POLICY")), ASSUMED);
    }
}
