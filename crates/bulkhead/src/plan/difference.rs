//! What is wanted, compared with what there is: everything that would be changed in the end, not only what could be
//! changed now. Pure.

use super::{
    pins::Pinned,
    promotions::{Grounds, RefusedPromotion, Said, travel},
    revisions,
    revisions::RevisionChange,
    snapshot::Objects,
};
use desired::{Decoded, Resolved};
use model::{
    AccountKey, AccountView, ApprovalAction, DesiredAccount, DesiredPolicy, JournalEntry, ObservedAccount,
    ObservedOrg, Plan, Reason, TagChange, TagKey, Tags, Verdict, tag_keys,
};
use promotion::{Objection, Why as Objecting};
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
    /// Promotions that are not accepted.
    pub(crate) promotions: Vec<RefusedPromotion>,
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
    /// The pin that says which revision it gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pin: Option<Pinned>,
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
        /// The value stays as it is. Absent: it is changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        kept: Option<Kept>,
    },
    /// The object is gone: its account stays as it is.
    Leave,
}

/// Why a tag keeps its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Kept {
    /// Until a person approves.
    AwaitsApproval,
    /// It never changes.
    Immutable,
}

impl Action {
    /// Is something changed?
    fn acts(&self) -> bool {
        !matches!(self, Self::Tag { kept: Some(_), .. })
    }
}

/// A Baseline that is not accepted.
#[derive(Debug, Serialize)]
pub(crate) struct RefusedBaseline {
    pub(crate) baseline: String,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// New accounts that wait until it is.
    pub(crate) accounts: usize,
}

/// How many of each; every account counts once but for a change that moves it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    pub(crate) create: usize,
    pub(crate) change: usize,
    #[serde(rename = "move")]
    pub(crate) moves: usize,
    pub(crate) leave: usize,
    /// Baselines with another content.
    pub(crate) baselines: usize,
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
    /// Pins that hold.
    pub(crate) pins: &'a BTreeMap<AccountKey, Pinned>,
    pub(crate) grounds: &'a Grounds<'a>,
    /// What keeps promotions from being accepted.
    pub(crate) objections: &'a BTreeMap<String, Vec<Objection>>,
    /// File and line of a promotion's field.
    pub(crate) place: &'a dyn Fn(&str, &str) -> Option<String>,
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
        .into_iter()
        .map(|(key, mut change)| {
            change.pin = sides.pins.get(key).cloned();
            (key, change)
        })
        .filter(|(key, change)| {
            // A pin is worth a line where it keeps something away.
            let pinned = change
                .pin
                .as_ref()
                .is_some_and(|pin| pin.unjudged || resolved.updates.contains_key(*key));
            let told = !change.actions.is_empty() || change.reason.is_some() || !change.awaiting.is_empty();
            told || pinned
        })
        .map(|(_, change)| change)
        .collect();
    let refused = resolved.baselines.iter().filter_map(|(name, verdict)| {
        let rejection = verdict.as_ref().err()?;
        Some(RefusedBaseline {
            baseline: name.clone(),
            reason: rejection.reason.as_str(),
            message: rejection.message.clone(),
            accounts: accounts
                .iter()
                .filter(|change| change.waits_for_baseline())
                .filter(|change| {
                    let key = AccountKey::new(&change.namespace, &change.name);
                    of_baseline(sides, &key) == Some(name)
                })
                .count(),
        })
    });
    let refused: Vec<RefusedBaseline> = refused.collect();
    let promotions = promotions(sides);
    let revisions = revisions::changes(resolved, objects, |baseline, to| {
        let accounts = members(sides, baseline);
        travel(sides.grounds, sides.objections, baseline, to, &accounts)
    });
    let wrong = promotions.iter().filter(|promotion| !promotion.waits).count();
    let summary = Summary {
        baselines: revisions.len(),
        ..summary(&accounts, refused.len() + wrong)
    };
    Difference {
        accounts,
        revisions,
        refused,
        promotions,
        summary,
    }
}

/// Name of the Baseline of an account.
fn of_baseline<'a>(sides: Sides<'a>, key: &AccountKey) -> Option<&'a str> {
    match sides.objects.accounts.get(key)? {
        Decoded::Good(object) => object
            .spec
            .baseline_or(sides.grounds.config.default_baseline.as_deref()),
        Decoded::Poison(_) => None,
    }
}

/// Accounts of a Baseline: environment, the revision each has, and whether a pin holds it.
fn members(sides: Sides<'_>, baseline: &str) -> Vec<(String, Option<String>, bool)> {
    let accounts = sides
        .objects
        .accounts
        .iter()
        .filter_map(|(key, account)| match account {
            Decoded::Good(object) => Some((key, object)),
            Decoded::Poison(_) => None,
        });
    accounts
        .filter(|(key, _)| of_baseline(sides, key) == Some(baseline))
        .map(|(key, object)| {
            let entry = sides.resolved.journal.get(key);
            let assigned = entry.and_then(|entry| entry.assigned.as_ref());
            (
                object.spec.environment.clone(),
                assigned.map(|assigned| assigned.revision.name.to_string()),
                sides.pins.contains_key(key),
            )
        })
        .collect()
}

fn promotions(sides: Sides<'_>) -> Vec<RefusedPromotion> {
    let each = sides.objections.iter().map(|(name, objections)| {
        let said = objections.iter().map(|objection| Said {
            reason: objection.why.as_str(),
            path: objection.path.clone(),
            message: objection.message.clone(),
            place: (sides.place)(name, &objection.path),
        });
        RefusedPromotion {
            promotion: name.clone(),
            waits: objections
                .iter()
                .all(|objection| objection.why == Objecting::RevisionNotFound),
            objections: said.collect(),
        }
    });
    each.collect()
}

impl AccountChange {
    /// It waits for a Baseline that is not accepted, as all new ones of that Baseline do.
    pub(crate) fn waits_for_baseline(&self) -> bool {
        let reason = Reason::BaselineNotAccepted.as_str();
        self.reason
            .as_ref()
            .is_some_and(|why| why.waits && why.reason == reason)
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
        pin: None,
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
        } else if change.actions.iter().any(Action::acts) {
            summary.change += 1;
            summary.moves += usize::from(has(|action| matches!(action, Action::Move { .. })));
        }
        match &change.reason {
            Some(why) if why.waits => summary.waiting += 1,
            Some(_) => summary.refused += 1,
            None if !change.actions.is_empty() && !change.actions.iter().any(Action::acts) => {
                summary.waiting += 1;
            }
            None => {}
        }
    }
    summary
}
