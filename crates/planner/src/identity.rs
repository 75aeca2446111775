//! Which AWS account is this object's?
//!
//! Identity is the claim tag together with the email, for both survive a wiped cluster. An account that merely has the
//! email is somebody else's; one that merely has the claim does not fit the object. Tags decide only after they were
//! read from the account itself.

use crate::{creation, planning::Planning};
use model::{
    AccountId, AccountState, DesiredAccount, JournalEntry, ObservedAccount, Reason, TagKey, Tags, tag_keys,
};

/// The answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// This one, for certain.
    Ours(AccountId),
    /// Perhaps this one: read it first.
    Ask(AccountId),
    /// None that is visible.
    None,
    /// There is one, but a person has to act.
    Blocked(Reason, String),
}

/// Finds the object's account.
pub(crate) fn identify(planning: &Planning<'_>, desired: &DesiredAccount, entry: &JournalEntry) -> Identity {
    if let Some(id) = &entry.account_id {
        return bound(planning, desired, id);
    }
    if let Some(id) = creation::answered(&planning.input, entry) {
        // AWS's answer to our own request says which account it made, even while its tags cannot be read yet.
        let visible = planning.input.observed.accounts.contains_key(id);
        return if visible {
            bound(planning, desired, id)
        } else {
            Identity::None
        };
    }
    let wanted = desired.email.folded();
    let sent = entry
        .creation
        .as_ref()
        .map(|creation| creation.email.folded())
        .filter(|sent| *sent != wanted);
    if let Some(id) = sent.as_ref().and_then(|sent| planning.index.by_email.get(sent)) {
        match by_email(planning, desired, id) {
            // The address that was sent is somebody else's, and it is not wanted any more.
            Identity::Blocked(Reason::EmailInUse, _) => {}
            identity => return identity,
        }
    }
    if let Some(id) = planning.index.by_email.get(&wanted) {
        match by_email(planning, desired, id) {
            // What was sent with another address is settled first.
            Identity::Blocked(Reason::EmailInUse, _)
                if sent.is_some() && creation::unsettled(&planning.input, entry) => {}
            identity => return identity,
        }
    }
    match planning.index.by_claim.get(desired.claim.as_str()) {
        Some(id) => by_claim_only(planning, desired, id),
        None => Identity::None,
    }
}

fn value<'t>(tags: &'t Tags, key: &str) -> Option<&'t str> {
    TagKey::parse(key)
        .ok()
        .and_then(|key| tags.get(&key))
        .map(model::TagValue::as_str)
}

fn confirmed(account: &ObservedAccount) -> Option<&Tags> {
    account.tags.as_ref().filter(|_| account.tags_confirmed)
}

/// The object is bound to this account: it stays so, unless the account names another object.
fn bound(planning: &Planning<'_>, desired: &DesiredAccount, id: &AccountId) -> Identity {
    if planning.input.observed.management.as_ref() == Some(id) {
        return mismatch(
            id,
            "it is the organization's management account, which is never touched",
        );
    }
    let Some(account) = planning.input.observed.accounts.get(id) else {
        return Identity::Ask(id.clone());
    };
    let Some(tags) = &account.tags else {
        return Identity::Ask(id.clone());
    };
    match value(tags, tag_keys::CLAIM) {
        Some(claim) if claim != desired.claim.as_str() => match confirmed(account) {
            Some(_) => mismatch(id, &format!("its claim tag says {claim:?}")),
            None => Identity::Ask(id.clone()),
        },
        // A removed claim tag is drift, repaired like any other tag of ours.
        _ => held_by_another(planning, desired, id).unwrap_or_else(|| Identity::Ours(id.clone())),
    }
}

fn by_email(planning: &Planning<'_>, desired: &DesiredAccount, id: &AccountId) -> Identity {
    let Some(account) = planning.input.observed.accounts.get(id) else {
        return Identity::Ask(id.clone());
    };
    if planning.input.observed.management.as_ref() == Some(id) {
        let message = format!(
            "the organization's management account {id} has the email {}; choose another name or email",
            account.email
        );
        return Identity::Blocked(Reason::EmailInUse, message);
    }
    let Some(tags) = confirmed(account) else {
        return Identity::Ask(id.clone());
    };
    if value(tags, tag_keys::CLAIM) != Some(desired.claim.as_str()) {
        let message = format!(
            "account {id} already has the email {}, and it does not carry this object's claim {:?}; choose another name or email, or ask the platform team",
            account.email,
            desired.claim.as_str()
        );
        return Identity::Blocked(Reason::EmailInUse, message);
    }
    if account.state == AccountState::Closed {
        return closed(id);
    }
    for (key, wanted) in [
        (tag_keys::WORKLOAD, &desired.workload),
        (tag_keys::ENVIRONMENT, &desired.environment),
    ] {
        if let Some(found) = value(tags, key)
            && found != wanted
        {
            return mismatch(
                id,
                &format!("its tag {key} says {found:?}, the object says {wanted:?}"),
            );
        }
    }
    held_by_another(planning, desired, id).unwrap_or_else(|| Identity::Ours(id.clone()))
}

fn by_claim_only(planning: &Planning<'_>, desired: &DesiredAccount, id: &AccountId) -> Identity {
    let Some(account) = planning.input.observed.accounts.get(id) else {
        return Identity::Ask(id.clone());
    };
    let Some(tags) = confirmed(account) else {
        return Identity::Ask(id.clone());
    };
    if value(tags, tag_keys::CLAIM) != Some(desired.claim.as_str()) {
        return Identity::None;
    }
    if account.state == AccountState::Closed {
        return closed(id);
    }
    mismatch(
        id,
        &format!(
            "its email is {}, the object's is {}",
            account.email, desired.email
        ),
    )
}

fn held_by_another(planning: &Planning<'_>, desired: &DesiredAccount, id: &AccountId) -> Option<Identity> {
    let another = planning
        .index
        .holders
        .get(id)?
        .iter()
        .any(|key| **key != desired.key);
    another.then(|| mismatch(id, "another object holds it"))
}

fn mismatch(id: &AccountId, why: &str) -> Identity {
    Identity::Blocked(
        Reason::ClaimMismatch,
        format!("account {id} carries this object's claim or is bound to it, but {why}"),
    )
}

fn closed(id: &AccountId) -> Identity {
    let message = format!("account {id} of this object is closed; it is never created again by itself");
    Identity::Blocked(Reason::AccountClosed, message)
}
