//! What policies of types that inherit by operators come to on an account. A policy further up may allow those below it fewer
//! operators, and then ours is attached and says nothing: before its revision counts as applied, AWS is asked.

use super::{Scene, Unmet};
use crate::planning::Planning;
use guardrails::policy::in_vain;
use jiff::Timestamp;
use model::{DesiredPolicy, EffectivePolicy, Evidence, PolicyType, READ_LAG, Read, Reason, Stage};
use std::collections::BTreeMap;

/// Does AWS say what the policies of the account's revision ask for?
pub(super) fn seen(planning: &mut Planning<'_>, scene: Scene<'_>) -> Stage {
    let mut types: BTreeMap<&PolicyType, Vec<&DesiredPolicy>> = BTreeMap::new();
    for policy in scene
        .policies
        .iter()
        .filter(|policy| !policy.policy_type.is_additive())
    {
        types.entry(&policy.policy_type).or_default().push(policy);
    }
    let mut unmet = Unmet::default();
    for (policy_type, policies) in types {
        unmet.add(of_type(planning, scene, policy_type, &policies));
    }
    unmet.0.unwrap_or(Stage::Done)
}

fn of_type(
    planning: &mut Planning<'_>,
    scene: Scene<'_>,
    policy_type: &PolicyType,
    policies: &[&DesiredPolicy],
) -> Stage {
    let observed = planning.input.observed;
    let account = &scene.account.id;
    let read = Read::EffectivePolicy(account.clone(), policy_type.clone());
    let since = since(planning, scene, policy_type);
    let seen = observed.policies.effective(account, policy_type);
    let Some(effective) = seen.filter(|seen| seen.read >= since) else {
        let message = format!("reading what the policies of type {policy_type} come to on the account");
        let (stage, rests) = planning.resting(&read.id(), Reason::ConfirmingPolicies, message);
        if !rests {
            planning.read(read);
        }
        return stage;
    };
    let told = match &effective.policy {
        EffectivePolicy::Untold => return Stage::Done,
        EffectivePolicy::Nothing => "{}",
        EffectivePolicy::Says(text) => text,
    };
    let documents: Vec<&str> = policies.iter().map(|policy| policy.content.as_str()).collect();
    let vain = in_vain(&documents, told);
    if vain.is_empty() {
        return Stage::Done;
    }
    // AWS takes its time for the effective policy as well.
    let patience = planning.input.limits.policies.overlap.max(READ_LAG);
    let told_since = effective.since.max(since);
    if told_since
        .checked_add(patience)
        .is_ok_and(|end| effective.read < end)
    {
        planning.again(read, Some(effective.read), READ_LAG / 3);
        let message = format!(
            "waiting until the effective policy of type {policy_type} says what the account's revision does"
        );
        return Stage::Pending(Reason::ConfirmingPolicies, message);
    }
    planning.again(read, Some(effective.read), planning.input.limits.refresh_full);
    let message = format!(
        "the effective policy of type {policy_type} of account {account} does not say what its revision asks for at {}: a policy of a unit above, or another one of the account, has its way; compare with DescribeEffectivePolicy",
        vain.join(", ")
    );
    Stage::Blocked(Reason::EffectivePolicyDiffers, message)
}

/// Since when the account is where it is, carries its revision and has all of its policies of this type, as far as reads have
/// shown: what policies come to depends on all three.
fn since(planning: &Planning<'_>, scene: Scene<'_>, policy_type: &PolicyType) -> Timestamp {
    let observed = planning.input.observed;
    let carries = observed.carries_since(&scene.account.id);
    let placed = observed.placed_since(&scene.account.id);
    let attachments = scene.attached.and_then(|types| types.get(policy_type));
    let wanted = scene
        .policies
        .iter()
        .filter(|policy| policy.policy_type == *policy_type);
    let shown = wanted.filter_map(|policy| {
        let found = planning.index.policy(policy_type, &policy.name)?;
        match attachments?.policies.get(&found.id)? {
            Evidence::Read(at) | Evidence::Attached(at) => Some(*at),
        }
    });
    shown.chain(carries).chain(placed).max().unwrap_or(Timestamp::MIN)
}
