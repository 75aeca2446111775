//! Look-ups over the observed organization and the journal, made once per plan.

use crate::{Input, creation};
use model::{
    AccountId, AccountKey, Attempt, CreateRequestId, Creation, CreationState, OuId, ParentId, Token, tag_keys,
};
use std::collections::{BTreeMap, BTreeSet};

/// Look-ups for one plan.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    /// Accounts by lower-cased email.
    pub(crate) by_email: BTreeMap<String, &'a AccountId>,
    /// Accounts by claim tag.
    pub(crate) by_claim: BTreeMap<&'a str, &'a AccountId>,
    /// Which objects hold an account.
    pub(crate) holders: BTreeMap<&'a AccountId, Vec<&'a AccountKey>>,
    /// Units by parent and name.
    units: BTreeMap<&'a ParentId, BTreeMap<&'a str, &'a OuId>>,
    /// Account names of requests in progress that no object knows.
    pub(crate) stray_names: BTreeSet<&'a str>,
    /// Requests of objects without an account whose end has not been seen.
    pub(crate) open_requests: BTreeSet<CreateRequestId>,
    /// Requests that AWS is at, or may be at.
    pub(crate) in_flight: usize,
}

impl<'a> Index<'a> {
    pub(crate) fn new(input: &Input<'a>) -> Self {
        let mut index = Self {
            by_email: BTreeMap::new(),
            by_claim: BTreeMap::new(),
            holders: BTreeMap::new(),
            units: BTreeMap::new(),
            stray_names: BTreeSet::new(),
            open_requests: BTreeSet::new(),
            in_flight: 0,
        };
        for (id, account) in &input.observed.accounts {
            index
                .by_email
                .entry(account.email.to_ascii_lowercase())
                .or_insert(id);
            let claim = account
                .tags
                .iter()
                .flatten()
                .find(|(key, _)| key.as_str() == tag_keys::CLAIM);
            if let Some((_, claim)) = claim {
                index.by_claim.entry(claim.as_str()).or_insert(id);
            }
        }
        for (id, unit) in &input.observed.units {
            index
                .units
                .entry(&unit.parent)
                .or_default()
                .entry(&unit.name)
                .or_insert(id);
        }
        index.requests(input);
        index
    }

    fn requests(&mut self, input: &Input<'a>) {
        let mut known: BTreeSet<&CreateRequestId> = BTreeSet::new();
        let mut sent: BTreeMap<&Token, &Creation> = BTreeMap::new();
        for (key, entry) in input.journal {
            if let Some(id) = &entry.account_id {
                self.holders.entry(id).or_default().push(key);
            }
            let Some(creation) = &entry.creation else { continue };
            let request = creation::request_of(input, creation);
            known.extend(request);
            sent.insert(&creation.token, creation);
            // An account that was found ends the question, whatever became of the request.
            if entry.account_id.is_some() {
                continue;
            }
            let Some(request) = request else { continue };
            let open = match input.observed.creations.get(request).map(|record| &record.state) {
                None | Some(CreationState::InProgress) => true,
                // AWS's reads lag: a request it does not know may be a young one.
                Some(CreationState::Unknown) => !creation::grace(input, creation).over,
                Some(CreationState::Succeeded(_) | CreationState::Failed(_)) => false,
            };
            if open {
                self.open_requests.insert(request.clone());
            }
        }
        let mut in_progress: BTreeSet<&CreateRequestId> = self.open_requests.iter().collect();
        for (token, attempt) in input.attempts {
            self.in_flight += match attempt {
                Attempt::Accepted(id) => {
                    known.insert(id);
                    0
                }
                Attempt::Sending => 1,
                // Once AWS had the time to show it, it is in the listing or nowhere.
                Attempt::Unknown => usize::from(
                    sent.get(token)
                        .is_some_and(|creation| !creation::grace(input, creation).over),
                ),
                Attempt::Fresh { .. } | Attempt::Refused => 0,
            };
        }
        for record in input.observed.in_progress() {
            in_progress.insert(&record.id);
            if !known.contains(&record.id) {
                self.stray_names.insert(&record.account_name);
            }
        }
        self.in_flight += in_progress.len();
    }

    /// The unit of this name under this parent.
    pub(crate) fn child_unit(&self, parent: &ParentId, name: &str) -> Option<&'a OuId> {
        self.units.get(parent)?.get(name).copied()
    }
}
