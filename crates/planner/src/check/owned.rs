//! Whose an account is, and what AWS is at.

use crate::Input;
use model::{AccountId, AccountKey, Attempt, CreationState, JournalEntry, Step, Token, tag_keys};

/// The account is the one of the object the step is for.
pub(super) fn ours(input: &Input<'_>, step: &Step, account: &AccountId) -> bool {
    let entry = step.key.as_ref().and_then(|key| input.journal.get(key));
    entry.and_then(|entry| entry.account_id.as_ref()) == Some(account)
        || made(input, entry, account)
        || wanted(input, step.key.as_ref(), account)
}

/// AWS is at the stored intent, as far as this process knows.
pub(super) fn call_under_way(input: &Input<'_>, entry: &JournalEntry) -> bool {
    let Some(creation) = &entry.creation else {
        return false;
    };
    let attempt = input.attempts.get(&creation.token);
    let accepted = match attempt {
        Some(Attempt::Accepted(id)) => Some(id),
        _ => None,
    };
    let request = creation.request_id.as_ref().or(accepted);
    match request {
        Some(id) => {
            let state = input.observed.creations.get(id).map(|record| &record.state);
            matches!(state, None | Some(CreationState::InProgress))
        }
        None => matches!(attempt, Some(Attempt::Sending)),
    }
}

/// A call that may be in progress at AWS without being listed: under way, or of unknown outcome and young.
pub(super) fn may_be_in_flight(input: &Input<'_>, token: &Token, attempt: &Attempt) -> bool {
    match attempt {
        Attempt::Sending => true,
        Attempt::Unknown => input
            .journal
            .values()
            .filter_map(|entry| entry.creation.as_ref())
            .any(|creation| {
                creation.token == *token
                    && input.now.duration_since(creation.started_at) < input.limits.creation_grace
            }),
        Attempt::Fresh { .. } | Attempt::Refused | Attempt::Accepted(_) => false,
    }
}

/// AWS said that it made this account for the object's stored intent.
fn made(input: &Input<'_>, entry: Option<&JournalEntry>, account: &AccountId) -> bool {
    let Some(creation) = entry.and_then(|entry| entry.creation.as_ref()) else {
        return false;
    };
    let request = creation
        .request_id
        .as_ref()
        .or(match input.attempts.get(&creation.token) {
            Some(Attempt::Accepted(id)) => Some(id),
            _ => None,
        });
    request
        .and_then(|id| input.observed.creations.get(id))
        .is_some_and(|record| record.state == CreationState::Succeeded(account.clone()))
}

/// The account carries the claim of the object the step is for.
fn wanted(input: &Input<'_>, key: Option<&AccountKey>, account: &AccountId) -> bool {
    key.and_then(|key| input.desired.accounts.get(key))
        .is_some_and(|desired| claimed(input, account, desired.claim.as_str()))
}

pub(super) fn claimed(input: &Input<'_>, account: &AccountId, claim: &str) -> bool {
    let tags = input
        .observed
        .accounts
        .get(account)
        .and_then(|account| account.tags.as_ref());
    tags.is_some_and(|tags| {
        tags.iter()
            .any(|(key, value)| key.as_str() == tag_keys::CLAIM && value.as_str() == claim)
    })
}
