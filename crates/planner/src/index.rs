//! Look-ups over the observed organization and the journal, made once per plan.

use crate::Input;
use model::{AccountId, AccountKey, Attempt, CreateRequestId, CreationState, tag_keys};
use std::collections::{BTreeMap, BTreeSet};

/// Look-ups for one plan.
#[derive(Debug)]
pub(crate) struct Index {
    /// Accounts by lower-cased email.
    pub(crate) by_email: BTreeMap<String, Vec<AccountId>>,
    /// Accounts by claim tag.
    pub(crate) by_claim: BTreeMap<String, Vec<AccountId>>,
    /// Which objects hold an account.
    pub(crate) holders: BTreeMap<AccountId, Vec<AccountKey>>,
    /// Create requests that some object knows.
    known_requests: BTreeSet<CreateRequestId>,
    /// Account names of requests in progress that no object knows.
    pub(crate) stray_names: BTreeSet<String>,
    /// Requests that AWS is at, or may be at.
    pub(crate) in_flight: usize,
}

impl Index {
    pub(crate) fn new(input: &Input<'_>) -> Self {
        let mut index = Self {
            by_email: BTreeMap::new(),
            by_claim: BTreeMap::new(),
            holders: BTreeMap::new(),
            known_requests: BTreeSet::new(),
            stray_names: BTreeSet::new(),
            in_flight: 0,
        };
        for account in input.observed.accounts.values() {
            index.by_email.entry(account.email.to_ascii_lowercase()).or_default().push(account.id.clone());
            let claim =
                account.tags.iter().flatten().find(|(key, _)| key.as_str() == tag_keys::CLAIM).map(|(_, value)| value);
            if let Some(claim) = claim {
                index.by_claim.entry(claim.as_str().to_owned()).or_default().push(account.id.clone());
            }
        }
        for (key, entry) in input.journal {
            if let Some(id) = &entry.account_id {
                index.holders.entry(id.clone()).or_default().push(key.clone());
            }
            if let Some(id) = entry.creation.as_ref().and_then(|creation| creation.request_id.clone()) {
                index.known_requests.insert(id);
            }
        }
        for attempt in input.attempts.values() {
            match attempt {
                Attempt::Accepted(id) => {
                    index.known_requests.insert(id.clone());
                }
                Attempt::Sending | Attempt::Unknown => index.in_flight += 1,
                Attempt::Fresh { .. } | Attempt::Refused => {}
            }
        }
        for record in input.observed.in_progress() {
            index.in_flight += 1;
            if !index.known_requests.contains(&record.id) {
                index.stray_names.insert(record.account_name.clone());
            }
        }
        index
    }

    /// Requests that some object knows and whose end has not been seen.
    pub(crate) fn open_requests(&self, input: &Input<'_>) -> BTreeSet<CreateRequestId> {
        self.known_requests
            .iter()
            .filter(|id| {
                input.observed.creations.get(*id).is_none_or(|record| record.state == CreationState::InProgress)
            })
            .cloned()
            .collect()
    }
}
