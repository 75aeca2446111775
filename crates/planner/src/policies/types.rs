//! Policy types: enabled on the root where the configuration allows it, never disabled.

use crate::planning::Planning;
use model::{Action, PolicyType, PolicyTypeState, Read, Reason, Stage};

/// How the steps that enable a type begin.
pub(crate) const ENABLE: &str = "enable-policy-type/";

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
            let id = format!("{ENABLE}{policy_type}");
            if let Some(stage) = waits_for_another(planning, policy_type, &id) {
                return Some(stage);
            }
            let action = Action::EnablePolicyType {
                policy_type: policy_type.clone(),
            };
            let message = format!("enabling policies of type {policy_type} on the organization's root");
            Some(planning.step(None, id, action, Reason::PolicyTypePending, message))
        }
    }
}

/// Types are enabled one after the other, because AWS refuses a change of one while it is at another; service control policies
/// first, for they are what keeps the operator's work safe.
fn waits_for_another(planning: &mut Planning<'_>, policy_type: &PolicyType, own: &str) -> Option<Stage> {
    let first = PolicyType::service_control();
    let is_off = !planning.input.observed.policies.types.contains_key(&first);
    let wishes = planning.wishes.policies(&planning.input);
    if *policy_type != first && is_off && wishes.iter().any(|(wanted, _)| **wanted == first) {
        // Where AWS refuses that, the others do not wait for it.
        unavailable(planning, &first);
    }
    let states = &planning.input.observed.policies.types;
    let changing = states
        .iter()
        .find(|(_, state)| **state != PolicyTypeState::Enabled)
        .map(|(other, _)| other.to_string());
    let proposed = planning.plan.steps.iter().map(|step| &step.id);
    let mut steps = planning.input.in_flight.iter().chain(proposed);
    let asked = steps.find_map(|step| step.0.strip_prefix(ENABLE).filter(|_| step.0 != own));
    let other = changing.or_else(|| asked.map(str::to_owned))?;
    ask_again(planning, planning.input.limits.poll);
    let message =
        format!("AWS is at policies of type {other}; those of type {policy_type} are enabled after that");
    Some(Stage::Pending(Reason::PolicyTypePending, message))
}

/// Looks again when the last look is older than this.
fn ask_again(planning: &mut Planning<'_>, period: jiff::SignedDuration) {
    let last = planning.input.observed.policies.types_read();
    planning.again(Read::PolicyTypes, last, period);
}
