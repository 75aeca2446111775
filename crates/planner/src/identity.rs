//! Which AWS account is this object's?
//!
//! Identity is the claim tag together with the email, for both survive a wiped cluster. An account that merely has the
//! email is somebody else's; one that merely has the claim does not fit the object. Tags decide only after they were
//! read from the account itself.

use crate::{creation, planning::Planning};
use model::{
    AccountId, AccountKey, AccountState, Claim, DesiredAccount, JournalEntry, KeptAccount, ObservedAccount,
    Reason, Tags, tag_keys,
};

/// The answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Identity<'a> {
    /// This one, for certain.
    Ours(&'a ObservedAccount),
    /// Perhaps this one: read it first.
    Ask(&'a AccountId),
    /// None that is visible.
    None,
    /// There is one, but a person has to act.
    Blocked(Reason, String),
}

/// Finds the object's account.
pub(crate) fn identify<'a>(
    planning: &Planning<'a>,
    desired: &DesiredAccount,
    entry: &'a JournalEntry,
) -> Identity<'a> {
    if let Some(id) = &entry.account_id {
        return bound(planning, (&desired.key, &desired.claim), id, true);
    }
    if let Some(id) = creation::answered(&planning.input, entry) {
        // AWS's answer to our own request says which account it made, even while its tags cannot be read yet.
        let visible = planning.input.observed.accounts.contains_key(id);
        return if visible {
            bound(planning, (&desired.key, &desired.claim), id, false)
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
    if let Some(account) = sent.as_ref().and_then(|sent| planning.index.with_email(sent)) {
        match by_email(planning, desired, account) {
            // The address that was sent is somebody else's, and it is not wanted any more.
            Identity::Blocked(Reason::EmailInUse, _) => {}
            identity => return identity,
        }
    }
    if let Some(account) = planning.index.with_email(&wanted) {
        match by_email(planning, desired, account) {
            // What was sent with another address is settled first.
            Identity::Blocked(Reason::EmailInUse, _)
                if sent.is_some() && creation::unsettled(&planning.input, entry) => {}
            identity => return identity,
        }
    }
    match planning.index.with_claim(desired.claim.as_str()) {
        Some(account) => by_claim_only(desired, account),
        None => Identity::None,
    }
}

/// The account that a rejected object keeps: the one its status says, where nothing speaks against it. Nothing of the
/// manifest counts, for it was not accepted; and the account itself has to name the object.
pub(crate) fn kept<'a>(planning: &Planning<'a>, kept: &KeptAccount, entry: &'a JournalEntry) -> Identity<'a> {
    let Some(id) = &entry.account_id else {
        return Identity::None;
    };
    let identity = bound(planning, (&kept.key, &kept.claim), id, true);
    if let Identity::Ours(account) = identity {
        let tags = account.tags.as_ref();
        if tags.is_none_or(|tags| value(tags, tag_keys::CLAIM) != Some(kept.claim.as_str())) {
            return Identity::None;
        }
    }
    identity
}

fn value<'t>(tags: &'t Tags, key: &str) -> Option<&'t str> {
    tags.get(key).map(model::TagValue::as_str)
}

fn confirmed(account: &ObservedAccount) -> Option<&Tags> {
    account.tags.as_ref().filter(|_| account.tags_confirmed)
}

/// The object is bound to this account: it stays so, unless the account names another object. `recorded`: the object's
/// status says so, and not only AWS's answer.
fn bound<'a>(
    planning: &Planning<'a>,
    (key, own_claim): (&AccountKey, &Claim),
    id: &'a AccountId,
    recorded: bool,
) -> Identity<'a> {
    if planning.input.observed.management.as_ref() == Some(id) {
        return mismatch(
            id,
            "it is the organization's management account, which is never touched",
        );
    }
    let Some(account) = planning.input.observed.accounts.get(id) else {
        return Identity::Ask(id);
    };
    let Some(tags) = &account.tags else {
        return Identity::Ask(id);
    };
    match value(tags, tag_keys::CLAIM) {
        Some(claim) if claim != own_claim.as_str() => match confirmed(account) {
            Some(_) => mismatch(id, &format!("its claim tag says {claim:?}")),
            None => Identity::Ask(id),
        },
        // A removed claim tag is drift, repaired like any other tag of ours.
        _ => unless_held_by_another(planning, key, account, recorded),
    }
}

fn by_email<'a>(
    planning: &Planning<'a>,
    desired: &DesiredAccount,
    account: &'a ObservedAccount,
) -> Identity<'a> {
    let id = &account.id;
    if planning.input.observed.management.as_ref() == Some(id) {
        let message = format!(
            "the organization's management account {id} has the email {}; choose another name or email",
            account.email
        );
        return Identity::Blocked(Reason::EmailInUse, message);
    }
    let Some(tags) = confirmed(account) else {
        return Identity::Ask(id);
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
    unless_held_by_another(planning, &desired.key, account, false)
}

fn by_claim_only<'a>(desired: &DesiredAccount, account: &'a ObservedAccount) -> Identity<'a> {
    let id = &account.id;
    if confirmed(account).is_none() {
        return Identity::Ask(id);
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

fn unless_held_by_another<'a>(
    planning: &Planning<'a>,
    key: &AccountKey,
    account: &'a ObservedAccount,
    bound: bool,
) -> Identity<'a> {
    if planning.index.held_by_another(&account.id, key, bound) {
        return mismatch(&account.id, "another object holds it");
    }
    Identity::Ours(account)
}

fn mismatch<'a>(id: &AccountId, why: &str) -> Identity<'a> {
    Identity::Blocked(
        Reason::ClaimMismatch,
        format!("account {id} carries this object's claim or is bound to it, but {why}"),
    )
}

fn closed<'a>(id: &AccountId) -> Identity<'a> {
    let message = format!("account {id} of this object is closed; it is never created again by itself");
    Identity::Blocked(Reason::AccountClosed, message)
}
