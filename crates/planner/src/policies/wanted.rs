//! Policies that accounts are to have, whichever account it is: made where they are missing, and repaired.
//!
//! A policy is trusted when its name, its whole content and its tag are as they should be.

use super::types;
use crate::planning::Planning;
use jiff::Timestamp;
use model::{Action, DesiredPolicy, ObservedPolicy, PolicyId, Read, Reason, Stage};
use std::rc::Rc;

/// How one policy stands.
#[derive(Debug)]
pub(crate) enum Wanted<'a> {
    /// It is as it should be, and can be attached.
    There(&'a ObservedPolicy),
    /// It is not, and why.
    Waits(Stage),
}

impl<'a> Wanted<'a> {
    pub(super) fn id(&self) -> Option<&'a PolicyId> {
        match self {
            Self::There(policy) => Some(&policy.id),
            Self::Waits(_) => None,
        }
    }
}

/// How the policies of this account's revision stand. Accounts of one revision and environment share the list, so it is
/// judged once for all of them.
pub(super) fn all<'a>(
    planning: &mut Planning<'a>,
    policies: &'a [DesiredPolicy],
    repairs: bool,
) -> Rc<[Wanted<'a>]> {
    // Only looked up by: that it differs from run to run changes nothing.
    let list = (policies.as_ptr().addr(), repairs);
    if let Some(judged) = planning.wanted.get(&list) {
        return Rc::clone(judged);
    }
    let judged: Rc<[Wanted<'a>]> = policies
        .iter()
        .map(|policy| judge(planning, policy, repairs).map_or_else(Wanted::Waits, Wanted::There))
        .collect();
    planning.wanted.insert(list, Rc::clone(&judged));
    judged
}

fn judge<'a>(
    planning: &mut Planning<'a>,
    wanted: &'a DesiredPolicy,
    repairs: bool,
) -> Result<&'a ObservedPolicy, Stage> {
    let DesiredPolicy {
        name,
        policy_type,
        content,
        ..
    } = wanted;
    if let Some(stage) = types::unavailable(planning, policy_type) {
        return Err(stage);
    }
    let observed = &planning.input.observed.policies;
    let (read, asked) = (observed.read(policy_type), observed.asked(policy_type));
    if read.is_none() {
        return Err(ask(planning, wanted, None));
    }
    let Some(found) = planning.index.policy(policy_type, name) else {
        let reason = if repairs {
            Reason::RepairingPolicies
        } else {
            Reason::AttachingPolicies
        };
        let action = Action::CreatePolicy {
            policy: wanted.clone(),
        };
        let id = format!("create-policy/{policy_type}/{name}");
        return Err(planning.step(None, id, action, reason, format!("making the policy {name}")));
    };
    if found.tags.is_none() {
        return Err(ask(planning, wanted, read));
    }
    if found.aws_managed || !found.is_of(planning.input.desired.installation.as_str()) {
        // The tags of a listing of everything may lag: the policies themselves are asked, and once more after each listing.
        if asked < observed.listed() {
            let stage = ask(planning, wanted, asked);
            if asked.is_none() {
                return Err(stage);
            }
        }
        let message = format!(
            "a policy of type {policy_type} is named {name}, and its tag does not say that it is Bulkhead's; rename or delete it"
        );
        return Err(Stage::Blocked(Reason::PolicyNameTaken, message));
    }
    if found.content.is_none() {
        return Err(ask(planning, wanted, read));
    }
    if !found.says(content) {
        let action = Action::UpdatePolicy {
            id: found.id.clone(),
            policy: wanted.clone(),
        };
        let id = format!("update-policy/{}/{name}", found.id);
        let message = format!("writing back the content of the policy {name}, which somebody has changed");
        return Err(planning.step(None, id, action, Reason::RepairingPolicies, message));
    }
    Ok(found)
}

/// Reads the policies of this type, again when the last read is old.
fn ask(planning: &mut Planning<'_>, wanted: &DesiredPolicy, last: Option<Timestamp>) -> Stage {
    let poll = planning.input.limits.poll;
    planning.again(Read::Policies(wanted.policy_type.clone()), last, poll);
    let message = format!("reading the policies of type {}", wanted.policy_type);
    Stage::Pending(Reason::Reobserving, message)
}
