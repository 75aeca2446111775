//! Policies of ours that nothing wants and nothing has.

use crate::planning::Planning;
use model::{Action, READ_LAG, Reason};

/// Deletes them after a while: what is wanted again is made again, so this only makes room.
pub(crate) fn unused(planning: &mut Planning<'_>) {
    // What an object that could not be judged wants is not known.
    if planning.input.desired.incomplete || planning.overall.is_some() {
        return;
    }
    let policies = &planning.input.observed.policies;
    let patience = planning.input.limits.policies.delete_unused_after;
    for (id, policy) in &policies.by_id {
        let Some(since) = policies
            .unattached_since(id)
            .filter(|_| planning.index.is_own(id))
        else {
            continue;
        };
        let wanted = planning.wishes.policies(&planning.input);
        if wanted.contains(&(&policy.policy_type, policy.name.as_str())) {
            continue;
        }
        let at = since.checked_add(patience).unwrap_or(jiff::Timestamp::MAX);
        if at > planning.input.now {
            planning.plan.wake_at(at);
            continue;
        }
        // Since our own last detachment everything was listed, and nothing has it.
        if policies.listed().is_none_or(|listed| listed < since + READ_LAG) {
            continue;
        }
        let action = Action::DeletePolicy {
            id: id.clone(),
            name: policy.name.clone(),
            policy_type: policy.policy_type.clone(),
        };
        let message = format!("deleting the policy {}, which nothing uses", policy.name);
        planning.step(None, format!("delete-policy/{id}"), action, Reason::Done, message);
    }
}
