//! Policies of ours that somebody else attached: Bulkhead attaches them to accounts that it made, and to nothing else.
//!
//! That is told and not repaired: what hangs on a unit is in force for accounts that are not Bulkhead's, and what it takes
//! from them when it goes is not Bulkhead's to judge.

use crate::planning::Planning;
use model::{PolicyId, PolicyTarget, Reason, Stray, Verdict, tag_keys};

/// Tells of them, as far as everything was read.
pub(crate) fn tell(planning: &mut Planning<'_>) {
    // Who only looks on tells too.
    let judges = matches!(
        planning.overall,
        None | Some(Verdict::Waiting(Reason::ObserveOnly, _))
    );
    let observed = planning.input.observed;
    if !judges || observed.full.is_none() {
        return;
    }
    let index = &planning.index;
    let stray = |target: &PolicyTarget, policy: &PolicyId| {
        let name = index.own_name(policy)?.to_owned();
        Some(Stray {
            target: target.clone(),
            name,
            policy: policy.clone(),
        })
    };
    let mut strays = Vec::new();
    for (target, policies) in &observed.policies.inherited {
        strays.extend(policies.iter().filter_map(|policy| stray(target, policy)));
    }
    // An account keeps its guardrails when its object goes; its claim says whose it was.
    let claim = format!("{}/", planning.input.desired.installation);
    for (account, types) in observed.policies.all_attached() {
        let tags = observed
            .accounts
            .get(account)
            .and_then(|known| known.tags.as_ref());
        let ours = |tags: &model::Tags| {
            let carried = tags.get(tag_keys::CLAIM);
            carried.is_some_and(|carried| carried.as_str().starts_with(&claim))
        };
        if index.is_held(account) || tags.is_none_or(ours) {
            continue;
        }
        let target = PolicyTarget::Account(account.clone());
        let attached = types.values().flat_map(|attachments| attachments.policies.keys());
        strays.extend(attached.filter_map(|policy| stray(&target, policy)));
    }
    strays.sort_unstable();
    planning.plan.strays = strays;
}
