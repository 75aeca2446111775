//! Look-ups over the observed organization and the journal, made once per plan.

use crate::{Input, creation, policies::Attached};
use model::{
    AccountId, AccountKey, Attempt, CreateRequestId, Creation, CreationState, ObservedAccount,
    ObservedPolicy, OuId, ParentId, PolicyId, PolicyType, Token, tag_keys,
};
use std::{
    borrow::Cow,
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
};

/// Look-ups for one plan.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    accounts: &'a BTreeMap<AccountId, ObservedAccount>,
    /// Accounts by lower-cased email, and by claim tag, sorted: made when the first object without an account asks.
    by_email: OnceCell<Vec<(Cow<'a, str>, &'a ObservedAccount)>>,
    by_claim: OnceCell<Vec<(&'a str, &'a ObservedAccount)>>,
    /// Which objects hold an account, sorted.
    holders: Vec<(&'a AccountId, &'a AccountKey)>,
    /// Accounts that several objects hold.
    contested: BTreeSet<&'a AccountId>,
    /// Units by parent and name.
    units: BTreeMap<&'a ParentId, BTreeMap<&'a str, &'a OuId>>,
    /// Names from the root down to each unit, joined by `/`.
    paths: BTreeMap<&'a OuId, String>,
    /// Policies by type and name.
    policies: BTreeMap<(&'a PolicyType, &'a str), &'a ObservedPolicy>,
    policies_by_id: &'a BTreeMap<PolicyId, ObservedPolicy>,
    /// Names of the policies of this installation.
    own_policies: BTreeMap<&'a PolicyId, &'a str>,
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
            accounts: &input.observed.accounts,
            by_email: OnceCell::new(),
            by_claim: OnceCell::new(),
            holders: Vec::with_capacity(input.journal.len()),
            contested: BTreeSet::new(),
            units: BTreeMap::new(),
            paths: BTreeMap::new(),
            policies: BTreeMap::new(),
            policies_by_id: &input.observed.policies.by_id,
            own_policies: BTreeMap::new(),
            stray_names: BTreeSet::new(),
            open_requests: BTreeSet::new(),
            in_flight: 0,
        };
        for (id, unit) in &input.observed.units {
            index.paths.extend(
                input
                    .observed
                    .path_of(&ParentId::Ou(id.clone()))
                    .map(|path| (id, path)),
            );
            index
                .units
                .entry(&unit.parent)
                .or_default()
                .entry(&unit.name)
                .or_insert(id);
        }
        let installation = input.desired.installation.as_str();
        for (id, policy) in &input.observed.policies.by_id {
            let named = (&policy.policy_type, policy.name.as_str());
            index.policies.entry(named).or_insert(policy);
            if policy.is_of(installation) && !policy.aws_managed {
                index.own_policies.insert(id, &policy.name);
            }
        }
        index.requests(input);
        index
    }

    fn requests(&mut self, input: &Input<'a>) {
        let mut known: BTreeSet<&CreateRequestId> = BTreeSet::new();
        let mut sent: BTreeMap<&Token, &Creation> = BTreeMap::new();
        for (key, entry) in input.journal {
            if let Some(id) = &entry.account_id {
                self.holders.push((id, key));
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
        self.holders.sort_unstable();
        let neighbours = self.holders.windows(2);
        self.contested = neighbours
            .filter(|pair| pair[0].0 == pair[1].0)
            .map(|pair| pair[0].0)
            .collect();
    }

    /// The account with this lower-cased email.
    pub(crate) fn with_email(&self, email: &str) -> Option<&'a ObservedAccount> {
        let by_email = self.by_email.get_or_init(|| {
            let mut all: Vec<_> = self
                .accounts
                .values()
                .map(|account| (folded(&account.email), account))
                .collect();
            // Stable: of several accounts the one with the lowest id is found.
            all.sort_by(|(a, _), (b, _)| a.cmp(b));
            all
        });
        let at = by_email.partition_point(|(known, _)| known.as_ref() < email);
        by_email
            .get(at)
            .filter(|(known, _)| known == email)
            .map(|(_, account)| *account)
    }

    /// The account with this claim tag.
    pub(crate) fn with_claim(&self, claim: &str) -> Option<&'a ObservedAccount> {
        let by_claim = self.by_claim.get_or_init(|| {
            let claim = |account: &'a ObservedAccount| account.tags.as_ref()?.get(tag_keys::CLAIM);
            let mut all: Vec<_> = self
                .accounts
                .values()
                .filter_map(|account| Some((claim(account)?.as_str(), account)))
                .collect();
            all.sort_by_key(|(claim, _)| *claim);
            all
        });
        let at = by_claim.partition_point(|(known, _)| *known < claim);
        by_claim
            .get(at)
            .filter(|(known, _)| *known == claim)
            .map(|(_, account)| *account)
    }

    /// Names from the root down to this parent; empty for the root. `None` if a unit on the way is unknown.
    pub(crate) fn path_of(&self, parent: &ParentId) -> Option<&str> {
        match parent {
            ParentId::Root(_) => Some(""),
            ParentId::Ou(id) => self.paths.get(id).map(String::as_str),
        }
    }

    /// Does an object other than this one hold the account? `bound`: this one does.
    pub(crate) fn held_by_another(&self, id: &AccountId, key: &AccountKey, bound: bool) -> bool {
        if bound {
            return self.contested.contains(id);
        }
        let at = self.holders.partition_point(|(held, _)| *held < id);
        self.holders[at..]
            .iter()
            .take_while(|(held, _)| *held == id)
            .any(|(_, holder)| *holder != key)
    }

    /// Does any object hold the account?
    pub(crate) fn is_held(&self, id: &AccountId) -> bool {
        self.holders.binary_search_by_key(&id, |(held, _)| *held).is_ok()
    }

    /// The policy of this type and name.
    pub(crate) fn policy(&self, policy_type: &PolicyType, name: &str) -> Option<&'a ObservedPolicy> {
        self.policies.get(&(policy_type, name)).copied()
    }

    /// Did this installation make this policy?
    pub(crate) fn is_own(&self, id: &PolicyId) -> bool {
        self.own_policies.contains_key(id)
    }

    /// The name of a policy that this installation made.
    pub(crate) fn own_name(&self, id: &PolicyId) -> Option<&'a str> {
        self.own_policies.get(id).copied()
    }

    /// Did it, or is the policy not known yet?
    pub(crate) fn may_be_own(&self, id: &PolicyId) -> bool {
        self.is_own(id) || !self.policies_by_id.contains_key(id)
    }

    /// Names of this installation's policies among these, in order.
    pub(crate) fn own_names(&self, attached: Option<&Attached>) -> Vec<String> {
        let types = attached.into_iter().flatten();
        let ids = types.flat_map(|(_, attachments)| attachments.policies.keys());
        let names = ids.filter_map(|id| self.own_policies.get(id));
        let mut names: Vec<String> = names.map(|name| (*name).to_owned()).collect();
        names.sort_unstable();
        names
    }

    /// The unit of this name under this parent.
    pub(crate) fn child_unit(&self, parent: &ParentId, name: &str) -> Option<&'a OuId> {
        self.units.get(parent)?.get(name).copied()
    }
}

/// Lower-cased; most emails are.
fn folded(email: &str) -> Cow<'_, str> {
    if email.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(email.to_ascii_lowercase())
    } else {
        Cow::Borrowed(email)
    }
}
