//! The sequence of an account's revisions: status knows it first, then the account carries it, then anything else is
//! changed for it.

use crate::{
    approval::{Ruling, StateRestore, ruling},
    brake::spent_by_revision,
    creation::tokens_of,
    planning::{Planning, Proposal},
    policies, tags,
};
use model::{
    AccountView, Action, ApprovalAction, Assigned, AssignedBy, Awaiting, Carried, DesiredAccount,
    JournalEntry, ObservedAccount, READ_LAG, Read, Reason, Stage, StepId, TagKey, UpdatePolicy, tag_keys,
};
use std::collections::BTreeSet;

/// What the account carries, as far as it was read.
pub(crate) fn carried(account: &ObservedAccount) -> Carried {
    let tag = account
        .tags
        .as_ref()
        .and_then(|tags| tags.get(tag_keys::REVISION));
    tag.map(|value| Carried::parse(value.as_str()))
        .unwrap_or_default()
}

/// Does the account carry what was assigned?
pub(crate) fn carries(account: &ObservedAccount, assigned: &Assigned) -> bool {
    let tag = account
        .tags
        .as_ref()
        .and_then(|tags| tags.get(tag_keys::REVISION));
    tag.is_some_and(|value| value.as_str() == assigned.tag())
}

/// What an account that does not exist yet is to be born with.
pub(crate) fn at_birth(desired: &DesiredAccount, entry: &JournalEntry) -> Assigned {
    let earlier = entry.assigned.as_ref();
    let mut tag_keys: BTreeSet<TagKey> = own_keys(desired).cloned().collect();
    // An earlier request may have its effect yet.
    tag_keys.extend(
        earlier
            .iter()
            .flat_map(|assigned| assigned.tag_keys.iter().cloned()),
    );
    match earlier {
        Some(assigned) if assigned.revision == desired.revision => Assigned {
            tag_keys,
            ..assigned.clone()
        },
        earlier => next(desired, earlier.map_or(0, |assigned| assigned.sequence), tag_keys),
    }
}

fn next(desired: &DesiredAccount, sequence: i64, tag_keys: BTreeSet<TagKey>) -> Assigned {
    at(desired, sequence.saturating_add(1), tag_keys)
}

fn at(desired: &DesiredAccount, sequence: i64, tag_keys: BTreeSet<TagKey>) -> Assigned {
    Assigned {
        revision: desired.revision.clone(),
        sequence,
        by: desired.by.clone(),
        tag_keys,
    }
}

/// Keys of tags that are wanted and not Bulkhead's own by their prefix.
fn own_keys(desired: &DesiredAccount) -> impl Iterator<Item = &TagKey> {
    desired
        .tags
        .keys()
        .filter(|key| !key.as_str().starts_with(tag_keys::PREFIX))
}

/// Is it stored that this key is ours?
pub(crate) fn is_recorded(entry: &JournalEntry, key: &TagKey) -> bool {
    let assigned = entry.assigned.as_ref();
    assigned.is_some_and(|assigned| assigned.tag_keys.contains(key)) || entry.managed_tags.contains_key(key)
}

/// Does the account carry a value that somebody else wrote, under a key that has not been ours?
pub(crate) fn is_foreign(entry: &JournalEntry, account: &ObservedAccount, key: &TagKey) -> bool {
    let carried = account.tags.as_ref().is_some_and(|tags| tags.contains_key(key));
    carried
        && !key.as_str().starts_with(tag_keys::PREFIX)
        && !entry.managed_tags.is_empty()
        && !is_recorded(entry, key)
}

/// A wanted key that has to be stored before it is written: not one under which somebody else wrote another value.
fn to_record(
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
    key: &TagKey,
) -> bool {
    let same = || account.tags.as_ref().and_then(|tags| tags.get(key)) == desired.tags.get(key);
    !is_recorded(entry, key) && (!is_foreign(entry, account, key) || same())
}

/// What status knows of this account's revisions. What was stored with the intent for an account yet to be born says nothing
/// of an account that another object asked for and that has come further: an object of another cluster, where a person has
/// decided by now that this one governs, or an earlier object of this name. An account that this very object asked for is
/// another matter, whichever of its intents it was.
pub(crate) fn known_of<'a>(entry: &'a JournalEntry, account: &ObservedAccount) -> Option<&'a Assigned> {
    let bound = entry.account_id.as_ref() == Some(&account.id);
    let token = account
        .tags
        .as_ref()
        .and_then(|tags| tags.get(tag_keys::CREATION_TOKEN));
    let made_for_it = token.is_some_and(|token| token.as_str().starts_with(&tokens_of(entry)));
    let further = |assigned: &Assigned| carried(account).sequence > assigned.sequence;
    entry
        .assigned
        .as_ref()
        .filter(|assigned| bound || made_for_it || !further(assigned))
}

/// Were the account's own tags read just now? What others wrote under a key is known to be theirs only until the key is
/// stored as ours. Where nothing was written yet, nothing is theirs.
fn just_read(planning: &Planning<'_>, entry: &JournalEntry, account: &ObservedAccount) -> bool {
    let read = planning.input.observed.tags_read(&account.id);
    let until = read.and_then(|read| read.checked_add(READ_LAG / 3).ok());
    entry.managed_tags.is_empty() || until.is_some_and(|until| until > planning.input.now)
}

/// What is to be stored as ours: what is wanted, and what was ours and the account still carries.
fn keys_to_store(
    planning: &Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
) -> BTreeSet<TagKey> {
    // New keys wait until the account was read: an account that a budget holds back is not read again and again for them.
    let takes_new = just_read(planning, entry, account);
    let wanted = own_keys(desired)
        .filter(|key| is_recorded(entry, key) || takes_new && to_record(desired, entry, account, key));
    let carried = account.tags.iter().flat_map(|tags| tags.keys());
    let earlier =
        carried.filter(|key| !key.as_str().starts_with(tag_keys::PREFIX) && is_recorded(entry, key));
    wanted.chain(earlier).cloned().collect()
}

/// Stores the revision the account is to have. Nothing else may be done for the account before this is done.
pub(crate) fn settle(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
    view: &mut AccountView,
) -> Stage {
    let carried = carried(account);
    let stored = known_of(entry, account);
    let approved =
        tags::approved(&planning.input, desired, entry, account).filter(|_| !tags::is_stored(entry, account));
    let ahead = stored.filter(|assigned| carried.sequence > assigned.sequence);
    if ahead.is_none()
        && let Some(assigned) = stored
        && assigned.revision == desired.revision
        && approved.is_none()
        && decider(desired, assigned).is_none()
        && !own_keys(desired).any(|key| to_record(desired, entry, account, key))
    {
        return Stage::Done;
    }
    if !account.tags_confirmed {
        planning.read(Read::Account(account.id.clone()));
        return Stage::Pending(Reason::Reobserving, "reading the account's tags".into());
    }
    let mut keys = keys_to_store(planning, desired, entry, account);
    match (stored, ahead) {
        (Some(assigned), Some(_)) => behind(planning, desired, entry, account, assigned, &carried, view),
        (Some(assigned), None) if assigned.revision == desired.revision => {
            let sequence = if let Some(change) = approved {
                keys.extend(change.edits.iter().map(|edit| edit.key.clone()));
                assigned.sequence.saturating_add(1)
            } else {
                assigned.sequence
            };
            let by = decider(desired, assigned).unwrap_or(&assigned.by).clone();
            let assigned = Assigned {
                by,
                ..at(desired, sequence, keys)
            };
            store_keys(planning, desired, entry, account, assigned)
        }
        (Some(assigned), None) => {
            if let Some(stage) = policies::finishes_first(planning, desired, entry, account) {
                return stage;
            }
            let assigned = next(desired, assigned.sequence, keys);
            assign(planning, desired, entry, account, assigned, Kind::Another)
        }
        (None, _) => found(planning, desired, entry, account, carried, keys),
    }
}

/// An account that is not known to have a revision: what it carries survives its cluster, and the sequence goes on from
/// there.
fn found(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
    carried: Carried,
    keys: BTreeSet<TagKey>,
) -> Stage {
    let (sequence, wanted) = (carried.sequence, &desired.revision.name);
    let (assigned, kind) = match carried.revision {
        None => (next(desired, sequence, keys), Kind::First),
        Some(name) if name == *wanted => (at(desired, sequence, keys), Kind::Same),
        Some(_) if desired.update == UpdatePolicy::Automatic => {
            (next(desired, sequence, keys), Kind::Another)
        }
        // Only a promotion gives it another one.
        Some(name) => {
            let Some(revision) = planning.input.desired.revisions.get(&name) else {
                let message = format!(
                    "account {} carries revision {name}, which is not in this cluster; its policies, place and tags are left as they are: create that BaselineRevision again, or promote another one",
                    account.id
                );
                return Stage::Pending(Reason::RevisionUnknown, message);
            };
            // Who is to give it another one has not given it this one.
            let assigned = Assigned {
                revision: revision.revision.clone(),
                by: AssignedBy::Automatic,
                ..at(desired, sequence, keys)
            };
            (assigned, Kind::Same)
        }
    };
    assign(planning, desired, entry, account, assigned, kind)
}

/// What an assigned revision is to the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It has had none.
    First,
    /// It has this one already, which is only written down; or a person has said so.
    Same,
    /// It has had another one.
    Another,
}

fn assign(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
    assigned: Assigned,
    kind: Kind,
) -> Stage {
    if desired.suspend && kind != Kind::Same {
        let message = "spec.suspend is true: the account keeps the revision it has";
        return Stage::Pending(Reason::Suspended, message.into());
    }
    let spends = match kind {
        // Going back is never braked.
        Kind::Another if matches!(assigned.by, AssignedBy::Rollback(_)) => None,
        Kind::Another => spent_by_revision(&planning.input, entry, &account.id, &assigned.revision),
        Kind::First | Kind::Same => None,
    };
    let id = format!("assign/{}/{}", desired.key, assigned.tag());
    let message = format!("storing the account's revision {}", assigned.revision.name);
    let action = Action::Assign {
        account: account.id.clone(),
        assigned,
    };
    let proposal = Proposal {
        key: Some(&desired.key),
        id: StepId(id),
        action,
        spends,
        reason: Reason::AssigningRevision,
    };
    planning.counted_step(proposal, message)
}

/// The promotion that gives the account now what it has already: it counts only accounts of which it is stored that it gave
/// them their revision. What anybody else decides later takes nothing from who has decided first.
fn decider<'a>(desired: &'a DesiredAccount, assigned: &Assigned) -> Option<&'a AssignedBy> {
    let new = desired.by.promotion()?;
    let known = assigned.by.promotion().is_some_and(|by| {
        // The time is the one of the turn that asked.
        (&by.uid, &by.attempt, &by.stage, &by.wave) == (&new.uid, &new.attempt, &new.stage, &new.wave)
    });
    (!known || desired.by.as_str() != assigned.by.as_str()).then_some(&desired.by)
}

/// Which keys are ours is stored before any of them is written; and who has decided.
fn store_keys(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
    assigned: Assigned,
) -> Stage {
    let decided = assigned.by.promotion();
    let left_out = own_keys(desired)
        .filter(|key| !assigned.tag_keys.contains(*key) && to_record(desired, entry, account, key))
        .count();
    let id = format!(
        "keys/{}/{}/{}/{}",
        desired.key,
        assigned.sequence,
        assigned.tag_keys.len() + left_out,
        decided.map_or_else(String::new, |by| {
            let wave = by.wave.as_deref().unwrap_or_default();
            format!("{}/{}/{}/{wave}", by.uid, by.attempt, by.stage)
        })
    );
    if left_out > 0 && planning.closed.is_none() {
        let message = "reading the account's tags".to_owned();
        let (stage, rests) = planning.resting(&StepId(id), Reason::Reobserving, message);
        if !rests {
            planning.read(Read::Account(account.id.clone()));
        }
        return stage;
    }
    let message = "storing which tags are Bulkhead's, and who gave the account its revision".to_owned();
    let action = Action::Assign {
        account: account.id.clone(),
        assigned,
    };
    planning.step(Some(&desired.key), id, action, Reason::Tagging, message)
}

/// The account was changed by a cluster that knew more than this one.
fn behind(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
    assigned: &Assigned,
    carried: &Carried,
    view: &mut AccountView,
) -> Stage {
    let key = &desired.key;
    if !planning.input.reread.contains(key) {
        // The watch may be old, and an earlier leader may have stored what this one has not seen: the API server itself
        // is asked. Whoever wrote the tag in an earlier term had stored the sequence before, so once in a term is enough.
        let id = format!("reread/{key}/{}/{}", assigned.sequence, carried.sequence);
        let message = "asking the API server for the object once more".into();
        return planning.step(Some(key), id, Action::Reread, Reason::Reobserving, message);
    }
    let (known, found) = (assigned.sequence, carried.sequence);
    let digest = StateRestore {
        uid: &entry.uid,
        claim: &desired.claim,
        account: &account.id,
        known,
        carried: found,
        revision: &desired.revision,
    }
    .digest();
    let ruling = ruling(&planning.input, key, ApprovalAction::StateRestore, &digest);
    if ruling == Ruling::Approved {
        // The approval is to go on from what this cluster says: what the newer state wrote under wanted keys is not
        // somebody else's.
        let mut keys = keys_to_store(planning, desired, entry, account);
        keys.extend(own_keys(desired).cloned());
        let assigned = next(desired, found, keys);
        let stage = assign(planning, desired, entry, account, assigned, Kind::Same);
        if !matches!(stage, Stage::Blocked(..)) {
            return stage;
        }
    }
    let carries = carried.revision.as_ref().map_or("", |revision| revision.as_str());
    view.awaiting.push(Awaiting {
        action: ApprovalAction::StateRestore,
        digest,
        summary: format!(
            "account {} carries revision {carries} as number {found}, this cluster knows of number {known} only; go on \
             from what this cluster says now, with revision {} as number {}",
            account.id,
            desired.revision.name,
            found.saturating_add(1)
        ),
    });
    let state = format!(
        "account {} carries revision number {found}, this object's status knows of number {known} only: the cluster was \
         restored to an older state, and nothing is changed for this account",
        account.id
    );
    let ask = format!(
        "compare the manifests with what the account should have, then run `bulkhead approve awsaccount {} -n {}`",
        key.name, key.namespace
    );
    match ruling {
        Ruling::Rejected(by) => Stage::Blocked(Reason::ApprovalRejected, format!("{state}; {by}")),
        Ruling::PolicyMissing(why) => Stage::Blocked(
            Reason::ApprovalPolicyMissing,
            format!("{state}; an Approval does not count: {why}"),
        ),
        Ruling::Open(Some(note)) => Stage::Blocked(Reason::StateBehindAws, format!("{state}; {ask}; {note}")),
        Ruling::Open(None) | Ruling::Approved => {
            Stage::Blocked(Reason::StateBehindAws, format!("{state}; {ask}"))
        }
    }
}
