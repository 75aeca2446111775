//! What old and new policies do together, while both are attached.
//!
//! What is denied then is what either of them denies, and with AWS's own policy on each level everything is allowed that none
//! denies: so each request that both allow stays allowed, and what must stay possible is proven of each content by itself
//! before it becomes a revision. But each of them may leave other Regions, and together leave none.

use super::Scene;
use crate::planning::Planning;
use guardrails::{policy::Document, proof};
use model::{Attachments, ObservedPolicy, ParentId, PolicyId, PolicyTarget, PolicyType};
use std::collections::{BTreeMap, BTreeSet};

/// The Regions that policies leave; `None`: all.
type Regions = Option<BTreeSet<String>>;

/// The Regions that each policy leaves, by its id: read once per plan.
pub(crate) type Known<'a> = BTreeMap<&'a PolicyId, Regions>;

/// Would the account be left without any Region while the policies of its revision stand beside those of the one before,
/// though each of the two leaves some? Says so.
pub(super) fn refuses(
    planning: &mut Planning<'_>,
    scene: Scene<'_>,
    attachments: &Attachments,
    missing: &[&ObservedPolicy],
) -> Option<String> {
    if !missing.iter().any(|policy| service_control(policy)) {
        return None;
    }
    let by_id = &planning.input.observed.policies.by_id;
    let wanted = |id: &PolicyId| {
        let name = by_id.get(id).map(|policy| &policy.name);
        let mut policies = scene.policies.iter();
        name.is_some_and(|name| policies.any(|wanted| wanted.name == *name))
    };
    let (new, old): (Vec<&PolicyId>, Vec<&PolicyId>) = attachments.policies.keys().partition(|id| wanted(id));
    let old: Vec<&PolicyId> = old.into_iter().filter(|id| planning.index.is_own(id)).collect();
    let missing = missing.iter().map(|policy| &policy.id);
    let new: Vec<&PolicyId> = new.into_iter().chain(missing).collect();
    if old.is_empty() {
        return None;
    }
    let above = inherited(planning, &scene.account.parent);
    let (old, new, above) = (
        left_by(planning, &old),
        left_by(planning, &new),
        left_by(planning, &above),
    );
    let (before, after) = (both(&old, &above), both(&new, &above));
    let none = |regions: &Regions| regions.as_ref().is_some_and(BTreeSet::is_empty);
    if !none(&both(&before, &after)) || none(&before) || none(&after) {
        return None;
    }
    let list = |regions: Regions| {
        let regions: Vec<String> = regions.unwrap_or_default().into_iter().collect();
        regions.join(", ")
    };
    Some(format!(
        "the policies that account {} has leave the Regions {}, those of its revision leave {}: while both are attached none would be left; give it a revision first that leaves some of each",
        scene.account.id,
        list(before),
        list(after)
    ))
}

/// Policies of the units above the account, and of the root.
fn inherited<'a>(planning: &Planning<'a>, parent: &ParentId) -> Vec<&'a PolicyId> {
    let observed = planning.input.observed;
    let (mut at, mut ids) = (parent, Vec::new());
    // AWS nests five levels at most; a longer walk means a broken picture.
    for _ in 0..16 {
        ids.extend(
            observed
                .policies
                .inherited
                .get(&PolicyTarget::from(at))
                .into_iter()
                .flatten(),
        );
        match at {
            ParentId::Ou(id) => match observed.units.get(id) {
                Some(unit) => at = &unit.parent,
                None => break,
            },
            ParentId::Root(_) => break,
        }
    }
    ids
}

/// The Regions that all of these leave; those whose content is not known are taken to leave all.
fn left_by(planning: &mut Planning<'_>, ids: &[&PolicyId]) -> Regions {
    let by_id = &planning.input.observed.policies.by_id;
    let mut left = None;
    for id in ids {
        let Some((id, policy)) = by_id.get_key_value(*id) else {
            continue;
        };
        let regions = planning.regions.entry(id).or_insert_with(|| {
            let content = policy.content.as_ref().filter(|_| service_control(policy))?;
            let document = Document::parse_text(content.as_str()).ok()?;
            proof::regions(&[document])
        });
        left = both(&left, regions);
    }
    left
}

fn service_control(policy: &ObservedPolicy) -> bool {
    policy.policy_type.as_str() == PolicyType::SERVICE_CONTROL
}

/// What two leave together.
fn both(one: &Regions, other: &Regions) -> Regions {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.intersection(other).cloned().collect()),
        (one, other) => one.clone().or_else(|| other.clone()),
    }
}
