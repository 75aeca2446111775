//! The tags of an account: owned by key. Ours are kept as they should be, all others are left alone; some values change
//! only when a person says so, and some never.
//!
//! What Kubernetes remembers as written tells a change of the source, which is decided on, from one in AWS, which is repaired.

mod write;

use crate::Input;
use crate::{
    approval::{Ruling, TagChange, TagEdit, ruling},
    ascending::ascending,
    planning::Planning,
    revision,
};
use model::{
    AccountView, ApprovalAction, Awaiting, DesiredAccount, JournalEntry, ObservedAccount, Read, Reason,
    Stage, TagChange as Rule, TagKey, TagValue, Tags, tag_keys,
};
use std::collections::BTreeSet;

/// Keeps the tags as they should be.
pub(crate) fn keep(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
    view: &mut AccountView,
) -> Stage {
    let Some(current) = &account.tags else {
        planning.read(Read::Account(account.id.clone()));
        return Stage::Pending(Reason::Reobserving, "reading the account's tags".into());
    };
    if planning.input.observed.tags_doubted(&account.id) {
        planning.read(Read::Account(account.id.clone()));
    }
    let mut carried = ascending(current.iter());
    let differs: Tags = desired
        .tags
        .iter()
        .filter(|(key, value)| carried.get(key) != Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let mut differs = with_revision(differs, entry, account);
    let stored = entry.assigned.iter().flat_map(|assigned| &assigned.tag_keys);
    let surplus: BTreeSet<_> = entry
        .managed_tags
        .keys()
        .chain(stored)
        .filter(|key| {
            !desired.tags.contains_key(*key)
                && current.contains_key(*key)
                && !key.as_str().starts_with(tag_keys::PREFIX)
        })
        .cloned()
        .collect();
    if differs.is_empty() && surplus.is_empty() {
        return Stage::Done;
    }
    if !account.tags_confirmed {
        // The bulk listing may be stale: read the account itself before writing.
        planning.read(Read::Account(account.id.clone()));
        return Stage::Pending(Reason::Reobserving, "reading the account's tags".into());
    }
    let decided = decide(&planning.input, desired, entry, account);
    differs.retain(|key, _| !decided.keeps(key));
    differs.extend(decided.put_back(entry, current));
    let changes = write::Changes {
        differs,
        surplus,
        approved: decided.approved.as_ref(),
    };
    let stage = write::write(planning, desired, entry, account, changes);
    // What stays as it is for now is told first, but for what needs a person anyway.
    match decided.tell(&planning.input, desired, account, view) {
        Some(told) if !matches!(stage, Stage::Blocked(..)) || matches!(told, Stage::Blocked(..)) => told,
        _ => stage,
    }
}

/// The tag of the revision, where the account does not carry it, travels with the others.
fn with_revision(mut differs: Tags, entry: &JournalEntry, account: &ObservedAccount) -> Tags {
    if let Some(assigned) = &entry.assigned
        && !revision::carries(account, assigned)
        && let (Ok(key), Ok(value)) = (
            TagKey::parse(tag_keys::REVISION),
            TagValue::parse(&assigned.tag()),
        )
    {
        differs.insert(key, value);
    }
    differs
}

/// Wanted values that are not those the account is known to have, by what may become of them. Those that are just written are
/// in none.
#[derive(Default)]
struct Decided<'a> {
    /// They wait for a person.
    waiting: Option<TagChange<'a>>,
    /// They never change.
    immutable: Vec<TagEdit<'a>>,
    /// To these a person has said yes.
    approved: Option<TagChange<'a>>,
}

/// Which values stay as they are for now.
fn decide<'a>(
    input: &Input<'_>,
    desired: &'a DesiredAccount,
    entry: &'a JournalEntry,
    account: &'a ObservedAccount,
) -> Decided<'a> {
    let approved = approved(input, desired, entry, account);
    let passes = |key: &TagKey| approved.as_ref().is_some_and(|change| change.has(key));
    let immutable = edits(desired, entry, account, |key| {
        let fixed = desired.tag_changes.get(key) == Some(&Rule::Immutable);
        fixed && !revision::is_foreign(entry, account, key) && !passes(key)
    });
    let waiting = edits(desired, entry, account, |key| {
        needs_approval(desired, entry, account, key) && !passes(key)
    });
    Decided {
        waiting: (!waiting.is_empty()).then(|| change(desired, entry, account, waiting)),
        immutable,
        approved,
    }
}

impl Decided<'_> {
    fn keeps(&self, key: &TagKey) -> bool {
        self.waiting.as_ref().is_some_and(|change| change.has(key))
            || self.immutable.iter().any(|edit| edit.key == key)
    }

    /// The values that stay, where the account does not carry them any more: somebody else has changed them there.
    fn put_back<'s>(
        &'s self,
        entry: &'s JournalEntry,
        current: &'s Tags,
    ) -> impl Iterator<Item = (TagKey, TagValue)> + 's {
        let waiting = self.waiting.iter().flat_map(|change| &change.edits);
        waiting.chain(&self.immutable).filter_map(|edit| {
            let kept = entry.managed_tags.get(edit.key)?;
            (current.get(edit.key) != Some(kept)).then(|| (edit.key.clone(), kept.clone()))
        })
    }

    /// What is told of them.
    fn tell(
        &self,
        input: &Input<'_>,
        desired: &DesiredAccount,
        account: &ObservedAccount,
        view: &mut AccountView,
    ) -> Option<Stage> {
        let waiting = self
            .waiting
            .as_ref()
            .map(|change| awaits(input, desired, change, view));
        if let Some(TagEdit { key, old, new, .. }) = self.immutable.first() {
            let message = format!(
                "tag {:?} of account {} never changes: it is {:?}, and {:?} is wanted; set its source back",
                key.as_str(),
                account.id,
                old.as_str(),
                new.as_str()
            );
            return Some(Stage::Blocked(Reason::TagImmutable, message));
        }
        waiting
    }
}

/// Changes of tags are shown as awaiting a decision.
fn awaits(
    input: &Input<'_>,
    desired: &DesiredAccount,
    change: &TagChange<'_>,
    view: &mut AccountView,
) -> Stage {
    let key = &desired.key;
    let digest = change.digest();
    let ruling = ruling(input, key, ApprovalAction::TagChange, &digest);
    view.awaiting.push(Awaiting {
        action: ApprovalAction::TagChange,
        digest,
        summary: format!("account {}: {}", change.account, change.summary()),
    });
    let foreign = change.edits.iter().find(|edit| edit.foreign);
    let (reason, state) = match foreign {
        Some(edit) => (
            Reason::TagConflict,
            format!(
                "tag {:?} is wanted on account {}, which carries it with a value that Bulkhead did not write; remove that tag from the account, or the key from the spec, or approve that it is overwritten",
                edit.key.as_str(),
                change.account
            ),
        ),
        None => (
            Reason::TagChangeAwaitingApproval,
            format!(
                "the account keeps its tags until a person approves: {}",
                change.summary()
            ),
        ),
    };
    let ask = format!(
        "run `bulkhead approve awsaccount {} -n {}`",
        key.name, key.namespace
    );
    let message = match ruling {
        Ruling::Rejected(by) => {
            return Stage::Blocked(Reason::ApprovalRejected, format!("{state}; {by}"));
        }
        Ruling::PolicyMissing(why) => {
            let message = format!("{state}; an Approval does not count: {why}");
            return Stage::Blocked(Reason::ApprovalPolicyMissing, message);
        }
        Ruling::Open(Some(note)) => format!("{state}; {ask}; {note}"),
        Ruling::Open(None) | Ruling::Approved => format!("{state}; {ask}"),
    };
    if foreign.is_some() {
        Stage::Blocked(reason, message)
    } else {
        Stage::Pending(reason, message)
    }
}

/// Values that the account is known to have, by what is remembered or else by what it carries, and that are not the wanted
/// ones, under keys of which `about` is true. What the account carries as it is wanted needs nothing.
fn edits<'a>(
    desired: &'a DesiredAccount,
    entry: &'a JournalEntry,
    account: &'a ObservedAccount,
    about: impl Fn(&TagKey) -> bool,
) -> Vec<TagEdit<'a>> {
    let Some(tags) = &account.tags else {
        return Vec::new();
    };
    let mut carried = ascending(tags.iter());
    desired
        .tags
        .iter()
        .filter_map(|(key, new)| {
            let found = carried.get(key);
            if found == Some(new) {
                return None;
            }
            let old = entry.managed_tags.get(key).or(found)?;
            (old != new && about(key)).then_some(TagEdit {
                key,
                old,
                new,
                foreign: false,
            })
        })
        .collect()
}

fn change<'a>(
    desired: &'a DesiredAccount,
    entry: &'a JournalEntry,
    account: &'a ObservedAccount,
    mut edits: Vec<TagEdit<'a>>,
) -> TagChange<'a> {
    for edit in &mut edits {
        edit.foreign = revision::is_foreign(entry, account, edit.key);
    }
    TagChange {
        uid: &entry.uid,
        claim: &desired.claim,
        account: &account.id,
        carried: revision::carried(account).sequence,
        edits,
    }
}

/// Does a person decide whether another value is written under this key?
fn needs_approval(
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
    key: &TagKey,
) -> bool {
    desired.tag_changes.get(key) == Some(&Rule::Approved) || revision::is_foreign(entry, account, key)
}

/// The change of tags that people have approved. Its digest names the sequence that the account carries, and before the tags
/// are written status gets the next one, which the account carries with them: so an Approval is good for one change.
///
/// Between the two a key that was somebody else's is stored as ours already, and is part of what was approved still.
pub(crate) fn approved<'a>(
    input: &Input<'_>,
    desired: &'a DesiredAccount,
    entry: &'a JournalEntry,
    account: &'a ObservedAccount,
) -> Option<TagChange<'a>> {
    let decisions = input.approvals.accounts.get(&desired.key)?;
    if desired.suspend
        || !decisions
            .iter()
            .any(|decision| decision.action == ApprovalAction::TagChange)
    {
        return None;
    }
    let counts = |edits: Vec<TagEdit<'a>>| {
        let change = change(desired, entry, account, edits);
        let approved = |change: &TagChange<'_>| {
            let digest = change.digest();
            ruling(input, &desired.key, ApprovalAction::TagChange, &digest) == Ruling::Approved
        };
        Some(change).filter(|change| !change.edits.is_empty() && approved(change))
    };
    let needs = |key: &TagKey| needs_approval(desired, entry, account, key);
    counts(edits(desired, entry, account, needs)).or_else(|| {
        let fresh = |key: &TagKey| {
            !key.as_str().starts_with(tag_keys::PREFIX) && !entry.managed_tags.contains_key(key)
        };
        let stored = is_stored(entry, account) && !entry.managed_tags.is_empty();
        stored
            .then(|| edits(desired, entry, account, |key| needs(key) || fresh(key)))
            .and_then(counts)
    })
}

/// Has status a sequence for what is to be written, which the account does not carry yet?
pub(crate) fn is_stored(entry: &JournalEntry, account: &ObservedAccount) -> bool {
    let assigned = entry.assigned.as_ref();
    assigned.is_some_and(|assigned| assigned.sequence > revision::carried(account).sequence)
}
