//! Who gets an email that several objects want.
//!
//! AWS takes an email once. The object that holds an account keeps its email, whatever else becomes of the object;
//! then the one whose creation may be under way; then the oldest. So no tenant can break another one's account.

use crate::{Rejection, account};
use api::AwsAccount;
use jiff::Timestamp;
use model::{AccountKey, DesiredAccount, JournalEntry, Reason};
use std::collections::BTreeMap;

/// What an object's right to an email rests on; the smaller one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Title {
    Account,
    Creation,
    Wish,
}

/// One object's right to one email. The order decides: title, age, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claimant {
    title: Title,
    created: Timestamp,
    key: AccountKey,
}

/// The emails an object holds by an account or a creation, be it rejected or being deleted.
pub(crate) fn held(key: &AccountKey, object: &AwsAccount, entry: &JournalEntry) -> Vec<(String, Claimant)> {
    let claimant = |title| Claimant {
        title,
        created: account::created(object),
        key: key.clone(),
    };
    if entry.account_id.is_some() {
        account::frozen_email(object, entry)
            .map(|email| (email.to_ascii_lowercase(), claimant(Title::Account)))
            .into_iter()
            .collect()
    } else {
        // Without the finalizer every creation is settled, so what is left of it is history.
        entry
            .creation
            .iter()
            .filter(|_| entry.held)
            .map(|creation| (creation.email.folded(), claimant(Title::Creation)))
            .collect()
    }
}

/// The accepted objects that want an email which another object has the better right to.
pub(crate) fn conflicts(
    accounts: &BTreeMap<AccountKey, DesiredAccount>,
    held: Vec<(String, Claimant)>,
) -> Vec<(AccountKey, Rejection)> {
    let wishes = accounts.values().map(|account| {
        (
            account.email.folded(),
            Claimant {
                title: Title::Wish,
                created: account.created,
                key: account.key.clone(),
            },
        )
    });
    let mut winners: BTreeMap<String, Claimant> = BTreeMap::new();
    for (email, claimant) in held.into_iter().chain(wishes) {
        let winner = winners.entry(email).or_insert_with(|| claimant.clone());
        if claimant < *winner {
            *winner = claimant;
        }
    }
    accounts
        .values()
        .filter(|account| {
            winners
                .get(&account.email.folded())
                .is_some_and(|winner| winner.key != account.key)
        })
        .map(|account| (account.key.clone(), conflict(account)))
        .collect()
}

/// Says nothing of the other object: it may be another tenant's.
fn conflict(account: &DesiredAccount) -> Rejection {
    Rejection::new(
        Reason::EmailConflict,
        format!(
            "the email {:?} is held by another object, and AWS takes an email for one account only; give this account \
             another email or, where it comes from the Baseline's emailTemplate, another name",
            account.email.as_str()
        ),
    )
}
