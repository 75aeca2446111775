//! Takes policies of earlier revisions away, once those of the account's revision are in force.

use super::{Scene, Unmet, Wanted};
use crate::planning::Planning;
use guardrails::limits::limits;
use jiff::{SignedDuration, Timestamp};
use model::{Attachments, PolicyId, PolicyType, PolicyTypeState, READ_LAG, Read, Reason, Stage};

/// How long before the end of an overlap at most it was seen what the new policies say: who empties one of them while the
/// old ones still protect the account is noticed before they go.
pub(crate) const READ_AHEAD: SignedDuration = SignedDuration::from_secs(20);

/// Detaches what is ours and not part of the account's revision. `since`: when reads began to show that all of the revision
/// is attached. Never what is not ours.
pub(super) fn detach<'a>(
    planning: &mut Planning<'a>,
    scene: Scene<'_>,
    wanted: &[Wanted<'a>],
    since: Timestamp,
) -> Stage {
    let policies = &planning.input.observed.policies;
    let mut unmet = Unmet::default();
    for (policy_type, attachments) in scene.attached.into_iter().flatten() {
        // AWS detaches all policies of a type that is off.
        if policies.types.get(policy_type) != Some(&PolicyTypeState::Enabled) {
            continue;
        }
        let unknown = |id: &PolicyId| !policies.by_id.contains_key(id);
        if attachments.policies.keys().any(unknown) {
            // It may be one of ours that was not listed yet when everything was read.
            let read = Read::Policies(policy_type.clone());
            planning.again(read, policies.read(policy_type), READ_LAG / 3);
            let message = format!("reading the policies of type {policy_type}");
            unmet.add(Stage::Pending(Reason::Reobserving, message));
        }
        let surplus: Vec<&PolicyId> = attachments
            .policies
            .keys()
            .filter(|id| !wanted.iter().any(|wanted| wanted.id() == Some(*id)) && planning.index.is_own(id))
            .collect();
        if !surplus.is_empty() {
            let of_this = (policy_type, attachments);
            unmet.add(of_type(planning, scene, of_this, &surplus, since));
        }
    }
    unmet.0.unwrap_or(Stage::Done)
}

fn of_type(
    planning: &mut Planning<'_>,
    scene: Scene<'_>,
    (policy_type, attachments): (&PolicyType, &Attachments),
    surplus: &[&PolicyId],
    since: Timestamp,
) -> Stage {
    let over = ends(planning, policy_type, since);
    let ahead = over.checked_sub(READ_AHEAD).unwrap_or(Timestamp::MIN);
    if over > planning.input.now {
        // What the new ones say is read shortly before, once for all accounts whose overlap ends by then.
        if ahead > planning.input.now {
            planning.plan.wake_at(ahead);
        } else {
            // The overlap is not over anyway.
            let _ = super::content_seen(planning, scene.policies, scene.account, ahead, READ_AHEAD);
        }
        planning.plan.wake_at(over);
        let message = "the policies of the account's revision are attached; those of the one before stay until AWS \
                       enforces the new ones everywhere";
        return Stage::Pending(Reason::PolicyOverlap, message.into());
    }
    let account = &scene.account.id;
    if attachments.confirmed.is_none() {
        planning.read(Read::Attachments(account.clone(), policy_type.clone()));
        let message = format!("reading which policies of type {policy_type} are attached to the account");
        return Stage::Pending(scene.reason(), message);
    }
    if let Err(stage) = scene.may_change(planning) {
        return stage;
    }
    // Between two reads of everything somebody may have edited what is to protect the account from now on.
    let poll = planning.input.limits.poll;
    if let Err(stage) = super::content_seen(planning, scene.policies, scene.account, ahead, poll) {
        return stage;
    }
    let mut unmet = Unmet::default();
    // Of some types AWS keeps one on each account, and who detaches the last one gets an error.
    let others = attachments.policies.len().saturating_sub(surplus.len());
    let kept = limits(policy_type).minimum.saturating_sub(others);
    let count = surplus.len().saturating_sub(kept);
    if kept > 0 {
        let message = format!(
            "account {account} has no policy of type {policy_type} but such as are not wanted any more, and AWS keeps the last one; attach AWS's own, for service control policies FullAWSAccess"
        );
        let read = Read::Attachments(account.clone(), policy_type.clone());
        let refresh = planning.input.limits.refresh_accounts;
        planning.again(read, attachments.confirmed, refresh);
        unmet.add(Stage::Blocked(Reason::ConstraintViolation, message));
    }
    for policy in surplus.iter().take(count) {
        let message = "detaching policies that are not part of the account's revision".to_owned();
        unmet.add(scene.detach(planning, policy_type, policy, message));
    }
    unmet.0.unwrap_or(Stage::Done)
}

/// Until when old policies of this type stay beside the new ones. Of types whose policies merge, two at once are no
/// protection but a mixture: those are taken away as soon as the new ones are there.
fn ends(planning: &Planning<'_>, policy_type: &PolicyType, since: Timestamp) -> Timestamp {
    if policy_type.is_additive() {
        let overlap = planning.input.limits.policies.overlap;
        since.checked_add(overlap).unwrap_or(Timestamp::MAX)
    } else {
        since
    }
}
