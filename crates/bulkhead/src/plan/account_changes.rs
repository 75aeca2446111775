//! What one account is to have, compared with what it has. Pure.

use super::{
    difference::{AccountChange, Action, Kept, PolicyRef, Sides, Why},
    snapshot::Objects,
};
use desired::Decoded;
use model::{
    AccountKey, AccountView, ApprovalAction, DesiredAccount, DesiredPolicy, JournalEntry, ObservedAccount,
    TagChange, TagKey, Tags, Verdict, tag_keys,
};
use std::collections::{BTreeMap, BTreeSet};

/// What is told of an account.
pub(super) fn change(
    key: &AccountKey,
    id: Option<String>,
    actions: Vec<Action>,
    reason: Option<Why>,
) -> AccountChange {
    AccountChange {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        account_id: id,
        actions,
        reason,
        awaiting: Vec::new(),
        pin: None,
    }
}

/// Compares one account.
pub(super) fn of_account(sides: Sides<'_>, desired: &DesiredAccount, entry: &JournalEntry) -> AccountChange {
    let view = sides.plan.and_then(|plan| plan.accounts.get(&desired.key));
    let refused = view.and_then(|view| match &view.verdict {
        Verdict::Refused(reason, message) => Some(Why {
            reason: reason.as_str(),
            message: message.clone(),
            waits: false,
        }),
        Verdict::Ready | Verdict::Working(..) | Verdict::Waiting(..) => None,
    });
    let id = view
        .and_then(|view| view.account.as_ref())
        .map(|facts| &facts.id)
        .or(entry.account_id.as_ref());
    let account = id.and_then(|id| sides.observed.accounts.get(id));
    let actions = match (account, &refused) {
        (Some(account), _) => changed(sides, desired, entry, account, view),
        // What it is bound to cannot be seen, or what it asks for is not to be had.
        (None, Some(_)) => Vec::new(),
        (None, None) if id.is_some() => Vec::new(),
        (None, None) => created(desired),
    };
    let awaiting = view.into_iter().flat_map(|view| &view.awaiting);
    AccountChange {
        awaiting: awaiting
            .map(|awaiting| format!("{:?}: {}", awaiting.action, awaiting.summary))
            .collect(),
        ..change(&desired.key, id.map(ToString::to_string), actions, refused)
    }
}

/// Everything a new account gets.
fn created(desired: &DesiredAccount) -> Vec<Action> {
    let mut actions = vec![
        Action::Create {
            email: desired.email.to_string(),
            account_name: desired.account_name.to_string(),
        },
        Action::Revision {
            from: None,
            to: desired.revision.name.to_string(),
        },
        Action::Move {
            from: None,
            to: desired.organizational_unit.to_string(),
        },
    ];
    actions.extend(
        desired
            .policies
            .iter()
            .map(|policy| Action::Attach(wanted(policy))),
    );
    actions.extend(tags(&desired.tags, &Tags::new(), std::iter::empty(), |_| None));
    actions
}

/// What an account has that it is not to have, and the other way round.
fn changed(
    sides: Sides<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
    view: Option<&AccountView>,
) -> Vec<Action> {
    let mut actions = Vec::new();
    let assigned = entry.assigned.as_ref();
    let from = assigned.map(|assigned| &assigned.revision);
    if from != Some(&desired.revision) {
        actions.push(Action::Revision {
            from: from.map(|from| from.name.to_string()),
            to: desired.revision.name.to_string(),
        });
    }
    let to = desired.organizational_unit.to_string();
    let path = sides.observed.path_of(&account.parent);
    if path.as_ref() != Some(&to) {
        let from = path.or_else(|| Some(account.parent.as_str().to_owned()));
        actions.push(Action::Move { from, to });
    }
    actions.extend(policies(sides, desired, account));
    let stored = assigned.into_iter().flat_map(|assigned| &assigned.tag_keys);
    let nothing = Tags::new();
    let carried = account.tags.as_ref().unwrap_or(&nothing);
    actions.extend(tags(
        &desired.tags,
        carried,
        entry.managed_tags.keys().chain(stored),
        |key| kept(desired, entry, carried, view, key),
    ));
    actions
}

fn policies(sides: Sides<'_>, desired: &DesiredAccount, account: &ObservedAccount) -> Vec<Action> {
    let known = &sides.observed.policies;
    let installation = sides.resolved.desired.installation.as_str();
    let attached = known.attached_to(&account.id).into_iter();
    let ours: BTreeMap<_, _> = attached
        .flat_map(BTreeMap::values)
        .flat_map(|attachments| attachments.policies.keys())
        .filter_map(|id| known.by_id.get(id))
        .filter(|policy| policy.is_of(installation))
        .map(|policy| ((&policy.policy_type, policy.name.as_str()), policy))
        .collect();
    let mut actions = Vec::new();
    for policy in desired.policies.iter() {
        match ours.get(&(&policy.policy_type, policy.name.as_str())) {
            None => actions.push(Action::Attach(wanted(policy))),
            Some(found) if !found.says(&policy.content) => actions.push(Action::Repair(wanted(policy))),
            Some(_) => {}
        }
    }
    for ((policy_type, name), _) in ours {
        let same = |policy: &DesiredPolicy| policy.policy_type == *policy_type && policy.name == name;
        if !desired.policies.iter().any(same) {
            actions.push(Action::Detach(PolicyRef {
                name: name.to_owned(),
                policy_type: policy_type.to_string(),
                parts: parts(sides.objects, name),
            }));
        }
    }
    actions
}

fn wanted(policy: &DesiredPolicy) -> PolicyRef {
    PolicyRef {
        name: policy.name.clone(),
        policy_type: policy.policy_type.to_string(),
        parts: policy.parts.clone(),
    }
}

/// What is in a policy of an earlier revision, as far as the revision is at hand.
fn parts(objects: &Objects, name: &str) -> Vec<String> {
    let revisions = objects.revisions.values().filter_map(Decoded::good);
    revisions
        .flat_map(|revision| &revision.spec.environments)
        .flat_map(|environment| &environment.policies)
        .find(|policy| policy.name == name)
        .map_or_else(Vec::new, |policy| policy.parts.clone())
}

/// Does the account keep its value of this tag, whatever is wanted?
fn kept(
    desired: &DesiredAccount,
    entry: &JournalEntry,
    carried: &Tags,
    view: Option<&AccountView>,
    key: &TagKey,
) -> Option<Kept> {
    let old = entry.managed_tags.get(key).or(carried.get(key))?;
    let new = desired.tags.get(key)?;
    let rule = desired.tag_changes.get(key);
    let awaits = view.is_some_and(|view| {
        let mut awaiting = view.awaiting.iter();
        awaiting.any(|awaiting| awaiting.action == ApprovalAction::TagChange)
    });
    // What somebody else has written is overwritten only when a person says so.
    let foreign = !entry.managed_tags.contains_key(key) && entry.account_id.is_some();
    if old == new {
        None
    } else if awaits && (rule == Some(&TagChange::Approved) || foreign) {
        Some(Kept::AwaitsApproval)
    } else if rule == Some(&TagChange::Immutable) {
        Some(Kept::Immutable)
    } else {
        None
    }
}

/// Tags that are to be written or removed. `ours`: keys that Bulkhead has written; `kept`: which values stay.
fn tags<'k>(
    desired: &'k Tags,
    carried: &Tags,
    ours: impl Iterator<Item = &'k TagKey>,
    kept: impl Fn(&TagKey) -> Option<Kept>,
) -> Vec<Action> {
    let mut keys: BTreeSet<&TagKey> = desired.keys().collect();
    keys.extend(ours.filter(|key| carried.contains_key(*key) && !key.as_str().starts_with(tag_keys::PREFIX)));
    keys.into_iter()
        .filter(|key| desired.get(*key) != carried.get(*key))
        .map(|key| Action::Tag {
            key: key.to_string(),
            from: carried.get(key).map(ToString::to_string),
            to: desired.get(key).map(ToString::to_string),
            kept: kept(key),
        })
        .collect()
}
