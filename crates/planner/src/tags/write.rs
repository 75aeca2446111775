//! Which tags are written in which call: what AWS refuses, or has no room for, keeps nothing else waiting.

use crate::{approval::TagChange, planning::Planning, policies::Unmet, revision};
use model::{
    Action, DesiredAccount, HoldKind, JournalEntry, ObservedAccount, Reason, Stage, StepId, TagKey, Tags,
    tag_keys,
};
use std::collections::BTreeSet;

/// AWS's limit of tags on one account (AWS Organizations quotas). Those of AWS itself do not count.
const MOST: usize = 50;
/// How the keys of AWS's own tags begin.
const AWS: &str = "aws:";

/// What is to be changed on one account.
pub(super) struct Changes<'c> {
    /// What is to be written.
    pub(super) differs: Tags,
    /// What is to go.
    pub(super) surplus: BTreeSet<TagKey>,
    /// What a person has said yes to.
    pub(super) approved: Option<&'c TagChange<'c>>,
}

/// Writes first and removes afterwards, unless there is no room to write or AWS refuses it.
pub(super) fn write(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
    changes: Changes<'_>,
) -> Stage {
    let Changes {
        mut differs,
        surplus,
        approved,
    } = changes;
    if differs.is_empty() && surplus.is_empty() {
        return Stage::Done;
    }
    if desired.suspend {
        return Stage::Pending(
            Reason::Suspended,
            "spec.suspend is true: tags are not changed".into(),
        );
    }
    let left_out = left_out(account, &differs, approved);
    differs.retain(|key, _| !left_out.contains(key));
    let mut removes = differs.is_empty() || !left_out.is_empty();
    let mut unmet = Unmet::default();
    if !left_out.is_empty() && surplus.is_empty() {
        unmet.add(no_room(entry, account, &left_out));
    }
    let (calls, refused) = calls(planning, desired, account, differs, approved);
    if let Some(stage) = refused {
        unmet.add(stage);
    }
    for tags in calls {
        unmet.add(tag(planning, desired, account, tags));
    }
    removes |= matches!(unmet.0, Some(Stage::Blocked(..)));
    if removes && !surplus.is_empty() {
        unmet.add(untag(planning, desired, account, surplus));
    }
    unmet.0.unwrap_or(Stage::Done)
}

/// Keys that the account has no room for: the revision comes first, then what a person has approved.
fn left_out(account: &ObservedAccount, differs: &Tags, approved: Option<&TagChange<'_>>) -> BTreeSet<TagKey> {
    let carries = |key: &TagKey| account.tags.as_ref().is_some_and(|tags| tags.contains_key(key));
    let count = |tags: &Tags| tags.keys().filter(|key| !key.as_str().starts_with(AWS)).count();
    let room = MOST.saturating_sub(account.tags.as_ref().map_or(0, count));
    let mut new: Vec<&TagKey> = differs.keys().filter(|key| !carries(key)).collect();
    new.sort_by_key(|key| {
        let approved = approved.is_some_and(|change| change.has(key));
        (key.as_str() != tag_keys::REVISION, !approved)
    });
    new.into_iter().skip(room).cloned().collect()
}

fn no_room(entry: &JournalEntry, account: &ObservedAccount, keys: &BTreeSet<TagKey>) -> Stage {
    let carried = account.tags.iter().flat_map(Tags::keys);
    let counted: Vec<&TagKey> = carried.filter(|key| !key.as_str().starts_with(AWS)).collect();
    let ours = |key: &TagKey| key.as_str().starts_with(tag_keys::PREFIX) || revision::is_recorded(entry, key);
    let foreign = counted.iter().filter(|key| !ours(key)).count();
    let names: Vec<String> = keys.iter().map(|key| format!("{:?}", key.as_str())).collect();
    let message = format!(
        "account {} carries {} of {MOST} tags, {foreign} of them not Bulkhead's, and has no room for {}; remove tags from the \
         account, or keys from the spec",
        account.id,
        counted.len(),
        names.join(", ")
    );
    Stage::Blocked(Reason::TooManyTags, message)
}

/// What is written in one call each, and what is told of a call that AWS has refused: everything together, until AWS refuses
/// that; then each by itself, and what goes neither well nor on by itself stays so, while the rest goes together again.
///
/// What a person has approved goes with the revision, whose sequence uses the approval up.
fn calls(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    account: &ObservedAccount,
    differs: Tags,
    approved: Option<&TagChange<'_>>,
) -> (Vec<Tags>, Option<Stage>) {
    let by_itself = |(key, value): (TagKey, model::TagValue)| Tags::from([(key, value)]);
    let is_bound =
        |key: &TagKey| approved.is_some_and(|change| change.has(key) || key.as_str() == tag_keys::REVISION);
    let (bound, free): (Tags, Tags) = differs.into_iter().partition(|(key, _)| is_bound(key));
    let input = planning.input;
    let (alone, rest): (Vec<Tags>, Vec<Tags>) = free.into_iter().map(by_itself).partition(|tags| {
        let id = step_id(desired, account, tags);
        input.held.contains_key(&id) || input.in_flight.contains(&id)
    });
    let together: Tags = rest
        .iter()
        .flatten()
        .chain(&bound)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let id = step_id(desired, account, &together);
    let held = input.held.get(&id);
    let is_refused = held.is_some_and(|hold| hold.kind == HoldKind::Stalled);
    let parts = rest.len() + usize::from(!bound.is_empty());
    let mut calls = alone;
    if !is_refused || parts < 2 {
        calls.extend([together].into_iter().filter(|tags| !tags.is_empty()));
        return (calls, None);
    }
    let (stage, _) = planning.resting(&id, Reason::Tagging, String::new());
    calls.extend(rest);
    calls.extend([bound].into_iter().filter(|tags| !tags.is_empty()));
    (calls, Some(stage))
}

fn step_id(desired: &DesiredAccount, account: &ObservedAccount, tags: &Tags) -> StepId {
    let wanted = tags
        .iter()
        .flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    StepId(format!("tag/{}/{}/{}", desired.key, account.id, join(wanted)))
}

fn tag(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    account: &ObservedAccount,
    tags: Tags,
) -> Stage {
    let StepId(id) = step_id(desired, account, &tags);
    let action = Action::TagAccount {
        account: account.id.clone(),
        tags,
    };
    let message = "writing the account's tags".into();
    planning.step(Some(&desired.key), id, action, Reason::Tagging, message)
}

fn untag(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    account: &ObservedAccount,
    keys: BTreeSet<TagKey>,
) -> Stage {
    let names = join(keys.iter().map(TagKey::as_str));
    let id = format!("untag/{}/{}/{names}", desired.key, account.id);
    let action = Action::UntagAccount {
        account: account.id.clone(),
        keys,
    };
    let message = "removing tags from the account".into();
    planning.step(Some(&desired.key), id, action, Reason::Tagging, message)
}

fn join<'t>(parts: impl Iterator<Item = &'t str>) -> String {
    parts.collect::<Vec<_>>().join(",")
}
