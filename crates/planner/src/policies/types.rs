//! Policy types: enabled on the root where the configuration allows it, never disabled.

use crate::planning::Planning;
use model::{Action, PolicyType, PolicyTypeState, Read, Reason, Stage};

/// Why policies of this type cannot be made or attached now; `None`: they can.
pub(super) fn unavailable(planning: &mut Planning<'_>, policy_type: &PolicyType) -> Option<Stage> {
    let limits = planning.input.limits;
    let was_in_force = |planning: &Planning<'_>| {
        let message = format!(
            "policies of type {policy_type} were in force and somebody has disabled their type, so AWS has detached them all; find out who and why, and enable the type on the organization's root"
        );
        let in_force = planning.wishes.in_force(&planning.input).contains(policy_type);
        in_force.then_some(Stage::Blocked(Reason::PolicyTypeDisabled, message))
    };
    match planning.input.observed.policies.types.get(policy_type) {
        Some(PolicyTypeState::Enabled) => None,
        Some(PolicyTypeState::PendingEnable) => {
            ask_again(planning, limits.poll);
            let message = format!("AWS is enabling policies of type {policy_type}");
            Some(Stage::Pending(Reason::PolicyTypePending, message))
        }
        Some(PolicyTypeState::PendingDisable) => {
            ask_again(planning, limits.poll);
            let message = format!("policies of type {policy_type} are being disabled by somebody");
            let waits = Stage::Pending(Reason::PolicyTypeDisabled, message);
            Some(was_in_force(planning).unwrap_or(waits))
        }
        None => {
            ask_again(planning, limits.refresh_accounts);
            if let Some(alarm) = was_in_force(planning) {
                return Some(alarm);
            }
            if !limits.policies.enable_types {
                let message = format!(
                    "policies of type {policy_type} are not enabled on the organization's root; enable them there, or set aws.enablePolicyTypes"
                );
                return Some(Stage::Pending(Reason::PolicyTypeDisabled, message));
            }
            let action = Action::EnablePolicyType {
                policy_type: policy_type.clone(),
            };
            let message = format!("enabling policies of type {policy_type} on the organization's root");
            let id = format!("enable-policy-type/{policy_type}");
            Some(planning.step(None, id, action, Reason::PolicyTypePending, message))
        }
    }
}

/// Looks again when the last look is older than this.
fn ask_again(planning: &mut Planning<'_>, period: jiff::SignedDuration) {
    let last = planning.input.observed.policies.types_read();
    planning.again(Read::PolicyTypes, last, period);
}
