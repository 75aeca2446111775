//! What is wanted, compared with what there is: everything that would be changed in the end, not only what could be
//! changed now. Pure.

use super::{revisions, revisions::RevisionChange, snapshot::Objects};
use desired::Resolved;
use model::{
    AccountKey, DesiredAccount, DesiredPolicy, JournalEntry, ObservedAccount, ObservedOrg, Plan, TagKey,
    Tags, Verdict, tag_keys,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that would be changed.
#[derive(Debug, Serialize)]
pub(crate) struct Difference {
    /// Accounts for which there is something to do or to say.
    pub(crate) accounts: Vec<AccountChange>,
    /// Baselines whose content is another one than it was.
    pub(crate) revisions: Vec<RevisionChange>,
    /// Baselines that are not accepted.
    pub(crate) refused: Vec<RefusedBaseline>,
    pub(crate) summary: Summary,
}

/// One account.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountChange {
    pub(crate) namespace: String,
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account_id: Option<String>,
    pub(crate) actions: Vec<Action>,
    /// Why nothing, or not all of it, is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Why>,
    /// What somebody has to decide first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) awaiting: Vec<String>,
}

/// Why something is not done.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Why {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// It is not wrong, something else has to happen first.
    pub(crate) waits: bool,
}

/// A policy by name and content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PolicyRef {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) policy_type: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<String>,
}

/// One change of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub(crate) enum Action {
    Create {
        email: String,
        account_name: String,
    },
    Revision {
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        to: String,
    },
    Move {
        /// Names from the root down; empty for the root, absent for an account that is to be made.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        to: String,
    },
    Attach(PolicyRef),
    Detach(PolicyRef),
    /// The content is not what the name says: it is written back.
    Repair(PolicyRef),
    Tag {
        key: String,
        /// Absent: there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// Absent: it is removed.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// The object is gone: its account stays as it is.
    Leave,
}

/// A Baseline that is not accepted.
#[derive(Debug, Serialize)]
pub(crate) struct RefusedBaseline {
    pub(crate) baseline: String,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// How many of each; every account counts once but for a change that moves it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    pub(crate) create: usize,
    pub(crate) change: usize,
    #[serde(rename = "move")]
    pub(crate) moves: usize,
    pub(crate) leave: usize,
    pub(crate) waiting: usize,
    pub(crate) refused: usize,
}

/// What is compared.
#[derive(Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub(crate) resolved: &'a Resolved,
    pub(crate) objects: &'a Objects,
    pub(crate) observed: &'a ObservedOrg,
    /// One plan of the operator, for what it would refuse; `None`: nothing is known of the organization.
    pub(crate) plan: Option<&'a Plan>,
    /// Objects that are gone.
    pub(crate) leaving: &'a BTreeSet<AccountKey>,
}

/// Compares.
pub(crate) fn difference(sides: Sides<'_>) -> Difference {
    let Sides {
        resolved, objects, ..
    } = sides;
    let rejected = resolved.rejections.iter().map(|(key, rejection)| {
        let why = Why {
            reason: rejection.reason.as_str(),
            message: rejection.message.clone(),
            waits: rejection.waits,
        };
        (key, change(key, None, Vec::new(), Some(why)))
    });
    let accepted = resolved.desired.accounts.values().map(|desired| {
        let nothing = JournalEntry::default();
        let entry = resolved.journal.get(&desired.key).unwrap_or(&nothing);
        (&desired.key, of_account(sides, desired, entry))
    });
    let left = sides
        .leaving
        .iter()
        .map(|key| (key, change(key, None, vec![Action::Leave], None)));
    let by_key: BTreeMap<&AccountKey, AccountChange> = rejected.chain(accepted).chain(left).collect();
    let accounts: Vec<AccountChange> = by_key
        .into_values()
        .filter(|change| !change.actions.is_empty() || change.reason.is_some() || !change.awaiting.is_empty())
        .collect();
    let refused = resolved.baselines.iter().filter_map(|(name, verdict)| {
        let rejection = verdict.as_ref().err()?;
        Some(RefusedBaseline {
            baseline: name.clone(),
            reason: rejection.reason.as_str(),
            message: rejection.message.clone(),
        })
    });
    let refused: Vec<RefusedBaseline> = refused.collect();
    Difference {
        summary: summary(&accounts, refused.len()),
        revisions: revisions::changes(resolved, objects),
        accounts,
        refused,
    }
}

impl Difference {
    /// Is there nothing that would be changed?
    pub(crate) fn is_empty(&self) -> bool {
        self.revisions.is_empty() && self.accounts.iter().all(|change| change.actions.is_empty())
    }
}

fn change(key: &AccountKey, id: Option<String>, actions: Vec<Action>, reason: Option<Why>) -> AccountChange {
    AccountChange {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        account_id: id,
        actions,
        reason,
        awaiting: Vec::new(),
    }
}

fn of_account(sides: Sides<'_>, desired: &DesiredAccount, entry: &JournalEntry) -> AccountChange {
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
        (Some(account), _) => changed(sides, desired, entry, account),
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
    actions.extend(tags(&desired.tags, &Tags::new(), std::iter::empty()));
    actions
}

/// What an account has that it is not to have, and the other way round.
fn changed(
    sides: Sides<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
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
    actions.extend(tags(
        &desired.tags,
        account.tags.as_ref().unwrap_or(&nothing),
        entry.managed_tags.keys().chain(stored),
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
    let revisions = objects.revisions.values().filter_map(|decoded| match decoded {
        desired::Decoded::Good(revision) => Some(revision),
        desired::Decoded::Poison(_) => None,
    });
    revisions
        .flat_map(|revision| &revision.spec.environments)
        .flat_map(|environment| &environment.policies)
        .find(|policy| policy.name == name)
        .map_or_else(Vec::new, |policy| policy.parts.clone())
}

/// Tags that are to be written or removed. `ours`: keys that Bulkhead has written.
fn tags<'k>(desired: &'k Tags, carried: &Tags, ours: impl Iterator<Item = &'k TagKey>) -> Vec<Action> {
    let mut keys: BTreeSet<&TagKey> = desired.keys().collect();
    keys.extend(ours.filter(|key| carried.contains_key(*key) && !key.as_str().starts_with(tag_keys::PREFIX)));
    keys.into_iter()
        .filter(|key| desired.get(*key) != carried.get(*key))
        .map(|key| Action::Tag {
            key: key.to_string(),
            from: carried.get(key).map(ToString::to_string),
            to: desired.get(key).map(ToString::to_string),
        })
        .collect()
}

fn summary(accounts: &[AccountChange], refused: usize) -> Summary {
    let mut summary = Summary {
        refused,
        ..Summary::default()
    };
    for change in accounts {
        let has = |wanted: fn(&Action) -> bool| change.actions.iter().any(wanted);
        if has(|action| matches!(action, Action::Create { .. })) {
            summary.create += 1;
        } else if has(|action| matches!(action, Action::Leave)) {
            summary.leave += 1;
        } else if !change.actions.is_empty() {
            summary.change += 1;
            summary.moves += usize::from(has(|action| matches!(action, Action::Move { .. })));
        }
        match &change.reason {
            Some(why) if why.waits => summary.waiting += 1,
            Some(_) => summary.refused += 1,
            None => {}
        }
    }
    summary
}
