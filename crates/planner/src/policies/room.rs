//! Places for policies: AWS allows so many of each type on an account, and some are left to others.

use super::{
    Scene,
    given::{content, given},
};
use crate::planning::Planning;
use guardrails::limits::limits;
use model::{
    Attachments, DesiredAccount, DesiredPolicy, JournalEntry, ObservedAccount, PolicyId, PolicyType, Read,
    Reason, Stage, StepId,
};
use std::{collections::BTreeSet, sync::Arc};

/// Names of policies that are attached and neither Bulkhead's nor AWS's own, in order.
fn foreign<'p>(planning: &'p Planning<'_>, attachments: &'p Attachments) -> Vec<&'p str> {
    let policies = &planning.input.observed.policies.by_id;
    let ids = attachments.policies.keys();
    let mut names: Vec<&str> = ids
        .filter_map(|id| match policies.get(id) {
            Some(policy) if policy.aws_managed || planning.index.is_own(id) => None,
            Some(policy) => Some(policy.name.as_str()),
            None => Some(id.as_str()),
        })
        .collect();
    names.sort_unstable();
    names
}

/// How many more policies may be attached: places that are left to others and that they have taken are not kept twice.
pub(super) fn free(planning: &Planning<'_>, policy_type: &PolicyType, attachments: &Attachments) -> usize {
    let others = foreign(planning, attachments).len();
    let kept = planning
        .input
        .limits
        .policies
        .reserved_slots
        .saturating_sub(others);
    let slots = limits(policy_type).slots;
    slots.saturating_sub(attachments.policies.len() + kept)
}

/// What a person reads where policies have no place. `refused`: AWS has said so, whatever it shows.
pub(super) fn no_slot(
    planning: &Planning<'_>,
    scene: Scene<'_>,
    (policy_type, attachments): (&PolicyType, &Attachments),
    more: usize,
    refused: bool,
) -> Stage {
    let others = foreign(planning, attachments);
    let others = if others.is_empty() {
        String::new()
    } else {
        format!(
            "; of these, the following are not Bulkhead's, detach what is not needed: {}",
            others.join(", ")
        )
    };
    let refused = if refused {
        " by the last look, and AWS has refused another since; looking again"
    } else {
        ""
    };
    let message = format!(
        "account {} has {} policies of type {policy_type} attached, AWS allows {}, {} are kept for others, and {more} more are needed{others}{refused}",
        scene.account.id,
        attachments.policies.len(),
        limits(policy_type).slots,
        planning.input.limits.policies.reserved_slots,
    );
    Stage::Pending(Reason::NoPolicySlot, message)
}

/// Are all of these attached? Without any, no.
fn is_whole(attached: &BTreeSet<(&PolicyType, &str)>, policies: &[DesiredPolicy]) -> bool {
    let has = |policy: &DesiredPolicy| attached.contains(&(&policy.policy_type, policy.name.as_str()));
    !policies.is_empty() && policies.iter().all(has)
}

/// Policies of ours on the account, by type and name.
fn own<'p>(planning: &Planning<'p>, scene: Scene<'_>) -> BTreeSet<(&'p PolicyType, &'p str)> {
    let by_id = &planning.input.observed.policies.by_id;
    let types = scene.attached.into_iter().flatten();
    let ids = types.flat_map(|(_, attachments)| attachments.policies.keys());
    let own = ids.filter(|id| planning.index.is_own(id));
    own.filter_map(|id| by_id.get(id))
        .map(|policy| (&policy.policy_type, policy.name.as_str()))
        .collect()
}

/// What may give way to policies that have no place: what is ours and belongs neither to the account's revision nor to the
/// one it had in full before. That is left of a revision in between, which the account never had in full. One that it might
/// have in full by now does not give way: without it the account would go back.
pub(super) fn gives_way<'s>(
    planning: &Planning<'_>,
    scene: Scene<'_>,
    (policy_type, attachments): (&PolicyType, &'s Attachments),
    more: usize,
) -> Option<Vec<&'s PolicyId>> {
    let desired = planning.input.desired;
    let base = match &scene.entry.applied {
        Some(applied) => Some(content(desired, applied, scene.environment)?),
        None => None,
    };
    let by_id = &planning.input.observed.policies.by_id;
    let stays = |name: &str| {
        let base = base.map_or(&[][..], |policies| policies);
        base.iter()
            .chain(scene.policies)
            .any(|policy| policy.policy_type == *policy_type && policy.name == name)
    };
    let ids = attachments.policies.keys().filter(|id| planning.index.is_own(id));
    let between: Vec<&PolicyId> = ids
        .filter(|id| by_id.get(*id).is_some_and(|policy| !stays(&policy.name)))
        .collect();
    let left = attachments.policies.len() - between.len();
    if between.len() < more || left < limits(policy_type).minimum {
        return None;
    }
    let attached = own(planning, scene);
    let others = desired.revisions.values();
    let others = others.filter_map(|known| known.policies.get(scene.environment));
    let others: Vec<&Arc<[DesiredPolicy]>> = others
        .filter(|policies| policies[..] != *scene.policies && Some(*policies) != base)
        .collect();
    let may_go = between.iter().all(|id| {
        let name = by_id.get(*id).map(|policy| policy.name.as_str());
        let of = |policies: &&&Arc<[DesiredPolicy]>| {
            let mut policies = policies.iter();
            policies.any(|policy| policy.policy_type == *policy_type && Some(policy.name.as_str()) == name)
        };
        let mut known = others.iter().filter(of).peekable();
        known.peek().is_some() && known.all(|policies| !is_whole(&attached, policies))
    });
    may_go.then_some(between)
}

/// Why an account is not given another revision yet: it is just changing from one to the next, has all of the next one, and
/// there is no place for a third beside the two. The change is finished first, which takes as long as the overlap.
pub(crate) fn finishes_first(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
) -> Option<Stage> {
    let given = given(&planning.input, &desired.environment, entry, account);
    let now = given.filter(|given| given.is_assigned)?.policies;
    let types = planning.input.observed.policies.attached_to(&account.id)?;
    let has = |planning: &Planning<'_>, policy: &DesiredPolicy| {
        let found = planning.index.policy(&policy.policy_type, &policy.name);
        let found = found.filter(|found| planning.index.is_own(&found.id) && found.says(&policy.content));
        let (found, attachments) = (found?, types.get(&policy.policy_type)?);
        // What is under way may be attached by the time another revision is stored.
        let step = attach_id(&desired.key, account, &found.id);
        let under_way = planning.input.in_flight.contains(&StepId(step));
        Some(under_way || attachments.policies.contains_key(&found.id))
    };
    if now.is_empty() || !now.iter().all(|policy| has(planning, policy) == Some(true)) {
        return None;
    }
    let is_part = |id: &PolicyId| {
        let by_id = &planning.input.observed.policies.by_id;
        let name = by_id.get(id).map(|policy| &policy.name);
        now.iter().any(|policy| Some(&policy.name) == name)
    };
    let is_surplus = |id: &PolicyId| planning.index.is_own(id) && !is_part(id);
    let changing: Vec<(&PolicyType, &Attachments)> = types
        .iter()
        .filter(|(_, attachments)| attachments.policies.keys().any(is_surplus))
        .collect();
    for (policy_type, attachments) in changing {
        if attachments.confirmed.is_none() {
            planning.read(Read::Attachments(account.id.clone(), policy_type.clone()));
            let message = format!("reading which policies of type {policy_type} are attached to the account");
            return Some(Stage::Pending(Reason::Reobserving, message));
        }
        let of_type = desired.policies.iter();
        let of_type = of_type.filter(|policy| policy.policy_type == *policy_type);
        let missing = of_type.filter(|policy| {
            let found = planning.index.policy(policy_type, &policy.name);
            !found.is_some_and(|found| attachments.policies.contains_key(&found.id))
        });
        if missing.count() > free(planning, policy_type, attachments) {
            let message = format!(
                "there is no place for the policies of revision {} beside those of the revision that the account is just getting and of the one before; these go first",
                desired.revision.name
            );
            return Some(Stage::Pending(Reason::PolicyOverlap, message));
        }
    }
    None
}

/// The step that attaches a policy.
pub(super) fn attach_id(key: &model::AccountKey, account: &ObservedAccount, policy: &PolicyId) -> String {
    format!("attach/{key}/{}/{policy}", account.id)
}
