//! Attaches the policies of an account's revision, and sees that AWS shows them.

use super::{Scene, Unmet, Wanted, overlap, room};
use crate::planning::Planning;
use jiff::Timestamp;
use model::{Action, Attachments, Evidence, ObservedPolicy, ParentId, PolicyType, Read, Reason, Stage};
use std::collections::BTreeMap;

/// Of one type on one account.
#[derive(Default)]
struct OfType<'a> {
    missing: Vec<&'a ObservedPolicy>,
    /// When we attached the last of those that no read has shown.
    unconfirmed: Option<Timestamp>,
}

/// Since when every policy is attached as it should be and shown by reads; else what is missing.
pub(super) fn all<'a>(
    planning: &mut Planning<'a>,
    scene: Scene<'_>,
    wanted: &[Wanted<'a>],
) -> Result<Timestamp, Stage> {
    let policies = &planning.input.observed.policies;
    let attached = scene.attached;
    let (mut since, mut unmet) = (Timestamp::MIN, Unmet::default());
    let mut types: BTreeMap<&PolicyType, OfType<'a>> = BTreeMap::new();
    for wanted in wanted {
        let policy = match wanted {
            Wanted::There(policy) => *policy,
            Wanted::Waits(stage) => {
                unmet.add(stage.clone());
                continue;
            }
        };
        let shown = attached.and_then(|types| types.get(&policy.policy_type)?.policies.get(&policy.id));
        match shown {
            Some(Evidence::Read(at)) => {
                let says = policies.says_since(&policy.id).unwrap_or(*at);
                since = since.max(*at).max(says);
            }
            Some(Evidence::Attached(at)) => {
                let of_type = types.entry(&policy.policy_type).or_default();
                of_type.unconfirmed = of_type.unconfirmed.max(Some(*at));
            }
            None => types.entry(&policy.policy_type).or_default().missing.push(policy),
        }
    }
    for (policy_type, of_type) in types {
        let attachments = attached.and_then(|types| types.get(policy_type));
        if !of_type.missing.is_empty() {
            attach(
                planning,
                scene,
                (policy_type, attachments),
                &of_type.missing,
                &mut unmet,
            );
        } else if let Some(at) = of_type.unconfirmed {
            if matches!(scene.account.parent, ParentId::Root(_)) {
                // Before it is moved out of the root, what they say has to be seen too.
                let poll = planning.input.limits.poll;
                planning.again(
                    Read::Policies(policy_type.clone()),
                    policies.read(policy_type),
                    poll,
                );
            }
            let asked = attachments.and_then(|attachments| attachments.confirmed);
            let last = asked.filter(|asked| *asked >= at);
            let read = Read::Attachments(scene.account.id.clone(), policy_type.clone());
            planning.again(read, last, planning.input.limits.poll);
            let message = "waiting until AWS shows the policies that were attached to the account";
            unmet.add(Stage::Pending(Reason::ConfirmingPolicies, message.into()));
        }
    }
    unmet.0.map_or(Ok(since), Err)
}

/// Attaches policies of one type.
fn attach(
    planning: &mut Planning<'_>,
    scene: Scene<'_>,
    (policy_type, attachments): (&PolicyType, Option<&Attachments>),
    missing: &[&ObservedPolicy],
    unmet: &mut Unmet,
) {
    let account = &scene.account.id;
    // What others have attached, and AWS's own, is known only when the account itself was asked.
    let asked = attachments.filter(|attachments| attachments.confirmed.is_some());
    let Some(attachments) = asked else {
        planning.read(Read::Attachments(account.clone(), policy_type.clone()));
        let message = format!("reading which policies of type {policy_type} are attached to the account");
        return unmet.add(Stage::Pending(scene.reason(), message));
    };
    if let Err(stage) = scene.may_change(planning) {
        return unmet.add(stage);
    }
    if !scene.repairs
        && let Some(message) = overlap::refuses(planning, scene, attachments, missing)
    {
        return unmet.add(Stage::Blocked(Reason::PolicyOverlapDenies, message));
    }
    let free = room::free(planning, policy_type, attachments);
    let of_type = (policy_type, attachments);
    let more = missing.len().saturating_sub(free);
    if more > 0
        && scene.is_assigned
        && let Some(between) = room::gives_way(planning, scene, of_type, more)
    {
        for policy in between {
            let message = "detaching policies of a revision that the account never had in full, to make room for those of its \
                           revision";
            unmet.add(scene.detach(planning, policy_type, policy, message.to_owned()));
        }
        return;
    }
    for policy in missing.iter().take(free) {
        let action = Action::AttachPolicy {
            policy: policy.id.clone(),
            policy_type: policy_type.clone(),
            account: account.clone(),
        };
        let id = room::attach_id(scene.key, scene.account, &policy.id);
        let message = if scene.repairs {
            "attaching policies again that somebody has detached from the account"
        } else {
            "attaching the policies of the account's revision"
        };
        let stage = planning.step(Some(scene.key), id, action, scene.reason(), message.into());
        unmet.add(match stage {
            // AWS knew it before we could see it.
            Stage::Pending(Reason::NoPolicySlot, _) => {
                room::no_slot(planning, scene, of_type, missing.len(), true)
            }
            stage => stage,
        });
    }
    if more > 0 {
        let asked = attachments.confirmed;
        let read = Read::Attachments(account.clone(), policy_type.clone());
        planning.again(read, asked, planning.input.limits.refresh_accounts);
        unmet.add(room::no_slot(planning, scene, of_type, more, false));
    }
}
