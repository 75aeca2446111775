//! Rules about tags.

use crate::{Input, revision, tags::approved};
use model::{AccountId, JournalEntry, Step, TagChange as TagRule, TagKey, Tags, tag_keys};

/// Each key is ours by its prefix, or it is stored that it is.
pub(super) fn stored_keys(entry: Option<&JournalEntry>, tags: &Tags) -> bool {
    let prefixed = |key: &TagKey| key.as_str().starts_with(tag_keys::PREFIX);
    entry.is_some_and(|entry| {
        tags.keys()
            .all(|key| prefixed(key) || revision::is_recorded(entry, key))
    })
}

/// A value that a person decides on, or nobody, is another one only if somebody has decided so.
pub(super) fn may_overwrite(input: &Input<'_>, step: &Step, account: &AccountId, tags: &Tags) -> bool {
    let key = step.key.as_ref();
    let known = key.and_then(|key| {
        let desired = input.desired.accounts.get(key)?;
        Some((
            desired,
            input.journal.get(key)?,
            input.observed.accounts.get(account)?,
        ))
    });
    let Some((desired, entry, observed)) = known else {
        return true;
    };
    let approved = approved(input, desired, entry, observed);
    let carried = |key: &TagKey| observed.tags.as_ref().and_then(|tags| tags.get(key));
    tags.iter().all(|(key, value)| {
        // What is remembered says what the value is, whatever somebody else made of it.
        let before = entry.managed_tags.get(key).or_else(|| carried(key));
        let changes = before.is_some_and(|old| old != value) && carried(key) != Some(value);
        let decides = matches!(
            desired.tag_changes.get(key),
            Some(TagRule::Approved | TagRule::Immutable)
        );
        let passes = approved.as_ref().is_some_and(|change| change.has(key));
        !changes || !decides && !revision::is_foreign(entry, observed, key) || passes
    })
}
