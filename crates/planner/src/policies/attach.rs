//! Attaches the policies of an account's revision, and sees that AWS shows them.

use super::{Scene, Unmet, Wanted, overlap};
use crate::planning::Planning;
use guardrails::limits::limits;
use jiff::Timestamp;
use model::{Action, Attachments, Evidence, ObservedPolicy, PolicyType, Read, Reason, Stage};
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
    let free = free(planning, policy_type, attachments);
    for policy in missing.iter().take(free) {
        let action = Action::AttachPolicy {
            policy: policy.id.clone(),
            policy_type: policy_type.clone(),
            account: account.clone(),
        };
        let id = format!("attach/{}/{account}/{}", scene.desired.key, policy.id);
        let message = if scene.repairs {
            "attaching policies again that somebody has detached from the account"
        } else {
            "attaching the policies of the account's revision"
        };
        let key = Some(&scene.desired.key);
        unmet.add(planning.step(key, id, action, scene.reason(), message.into()));
    }
    if missing.len() > free {
        let asked = attachments.confirmed;
        let read = Read::Attachments(account.clone(), policy_type.clone());
        planning.again(read, asked, planning.input.limits.refresh_accounts);
        unmet.add(no_slot(
            planning,
            scene,
            policy_type,
            attachments,
            missing.len() - free,
        ));
    }
}

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
fn free(planning: &Planning<'_>, policy_type: &PolicyType, attachments: &Attachments) -> usize {
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

fn no_slot(
    planning: &Planning<'_>,
    scene: Scene<'_>,
    policy_type: &PolicyType,
    attachments: &Attachments,
    more: usize,
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
    let message = format!(
        "account {} has {} policies of type {policy_type} attached, AWS allows {}, {} are kept for others, and {more} more are needed{others}",
        scene.account.id,
        attachments.policies.len(),
        limits(policy_type).slots,
        planning.input.limits.policies.reserved_slots,
    );
    Stage::Pending(Reason::NoPolicySlot, message)
}
