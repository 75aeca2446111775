//! The organization as it was last seen, and how reads and our own writes change that picture.
//!
//! AWS's reads are eventually consistent without a documented bound, so the picture follows two rules: what we wrote
//! ourselves outweighs a read that began less than [`READ_LAG`] after it, and an account is forgotten only when several
//! reads in a row missed it for longer than that lag.

use crate::{
    AccountId, CreateRequestId, EffectivePolicy, ListedPolicies, ObservedPolicy, OrganizationId, OuId,
    ParentId, Policies, PolicyContent, PolicyId, PolicyType, PolicyTypeState, RootId, TagKey, TagValue,
    tag_keys,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How long a read may lag behind our own write before we believe the read. AWS documents no bound; listings have been
/// seen 10 s late, and one minute leaves room.
pub const READ_LAG: SignedDuration = SignedDuration::from_secs(60);

/// Reads in a row that must miss an account, and for [`READ_LAG`] at least, before it is taken for gone.
const MISSES: u32 = 3;

/// Tags of one resource.
pub type Tags = BTreeMap<TagKey, TagValue>;

/// `State` of an account (AWS Organizations; its predecessor `Status` is being retired).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum AccountState {
    /// Sign-up is incomplete; unusable.
    PendingActivation,
    /// In use.
    Active,
    /// Restricted by AWS; not the same as closed.
    Suspended,
    /// Being closed, still usable.
    PendingClosure,
    /// Closed; listed for about 90 days more.
    Closed,
    /// A state this version does not know.
    Unknown,
}

impl AccountState {
    /// AWS's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PendingActivation => "PENDING_ACTIVATION",
            Self::Active => "ACTIVE",
            Self::Suspended => "SUSPENDED",
            Self::PendingClosure => "PENDING_CLOSURE",
            Self::Closed => "CLOSED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// One member account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObservedAccount {
    /// Its id.
    pub id: AccountId,
    /// Its ARN.
    pub arn: String,
    /// Email as AWS holds it.
    pub email: String,
    /// Name as AWS holds it.
    pub name: String,
    /// Its life-cycle state.
    pub state: AccountState,
    /// The root or unit it is in.
    pub parent: ParentId,
    /// Its tags, as far as they are known.
    pub tags: Option<Tags>,
    /// The tags were read from the account itself, not from the bulk listing, whose staleness is not documented.
    pub tags_confirmed: bool,
}

/// One organizational unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObservedUnit {
    /// Its id; never changes.
    pub id: OuId,
    /// Its name; unique among its siblings.
    pub name: String,
    /// Where it hangs.
    pub parent: ParentId,
}

/// State of a CreateAccount request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum CreationState {
    /// AWS is at it.
    InProgress,
    /// There is an account.
    Succeeded(AccountId),
    /// There is none; AWS's FailureReason.
    Failed(String),
    /// AWS does not know the request (any more).
    Unknown,
}

/// One CreateAccount request as AWS reports it. It carries neither email nor tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreationRecord {
    /// Its id.
    pub id: CreateRequestId,
    /// Account name in the request; not unique.
    pub account_name: String,
    /// Where it stands.
    pub state: CreationState,
}

/// Result of one full read of the organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The organization.
    pub organization: OrganizationId,
    /// Its management account: never touched.
    pub management: AccountId,
    /// Its root.
    pub root: RootId,
    /// All organizational units.
    pub units: Vec<ObservedUnit>,
    /// All accounts, without tags.
    pub accounts: Vec<ObservedAccount>,
    /// Tags of accounts from the bulk listing; absent means untagged.
    pub tags: BTreeMap<AccountId, Tags>,
    /// CreateAccount requests in progress.
    pub in_progress: Vec<CreationRecord>,
    /// The policy types that the root has, with their states; those that are off are absent.
    pub policy_types: BTreeMap<PolicyType, PolicyTypeState>,
    /// Policies, and what they are attached to.
    pub policies: ListedPolicies,
}

/// What a read brought. `began` is when its first request was sent: a read tells nothing newer than that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// Everything.
    Full {
        /// Number of the look this read is.
        look: u64,
        /// When it began.
        began: Timestamp,
        /// What it saw.
        snapshot: Box<Snapshot>,
    },
    /// All accounts and all requests in progress.
    Look {
        /// Number of this look.
        look: u64,
        /// When it began.
        began: Timestamp,
        /// All accounts, without tags.
        accounts: Vec<ObservedAccount>,
        /// CreateAccount requests in progress.
        in_progress: Vec<CreationRecord>,
    },
    /// Requests in progress, and those that were asked for one by one because they are not.
    Creations {
        /// When the read began.
        began: Timestamp,
        /// All requests in progress.
        in_progress: Vec<CreationRecord>,
        /// Requests that were described singly.
        described: Vec<CreationRecord>,
    },
    /// One account with its tags.
    Account {
        /// When the read began.
        began: Timestamp,
        /// The account with its tags, `None` if AWS does not know it.
        account: Option<ObservedAccount>,
        /// Its id.
        id: AccountId,
    },
    /// What is attached directly to one account.
    Attachments {
        /// When the read began.
        began: Timestamp,
        /// Which account.
        account: AccountId,
        /// Policies of this type only.
        policy_type: PolicyType,
        /// Ids with names, AWS's own included; `None` if AWS does not know the account.
        attached: Option<Vec<(PolicyId, String)>>,
    },
    /// What the policies of one type come to on one account.
    EffectivePolicy {
        /// When the read began.
        began: Timestamp,
        /// Which account.
        account: AccountId,
        /// Policies of this type only.
        policy_type: PolicyType,
        /// What they come to.
        effective: EffectivePolicy,
    },
    /// The policies of one type.
    Policies {
        /// When the read began.
        began: Timestamp,
        /// Their type.
        policy_type: PolicyType,
        /// All of them; those of others may lack content and tags.
        policies: Vec<ObservedPolicy>,
    },
    /// The policy types of the root.
    PolicyTypes {
        /// When the read began.
        began: Timestamp,
        /// Those that are on, or on their way.
        types: BTreeMap<PolicyType, PolicyTypeState>,
    },
}

/// What one of our own writes changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Effect {
    /// A CreateAccount request was accepted.
    CreationAccepted(CreationRecord),
    /// A unit was made.
    UnitCreated(ObservedUnit),
    /// An account was moved.
    AccountMoved {
        /// Which.
        account: AccountId,
        /// Where it is now.
        to: ParentId,
    },
    /// Tags were set.
    Tagged {
        /// On which account.
        account: AccountId,
        /// These.
        tags: Tags,
    },
    /// Tags were removed.
    Untagged {
        /// From which account.
        account: AccountId,
        /// These keys.
        keys: BTreeSet<TagKey>,
    },
    /// A policy type is being enabled.
    PolicyTypeEnabled(PolicyType),
    /// A policy was made.
    PolicyCreated(ObservedPolicy),
    /// The content of a policy was written.
    PolicyUpdated {
        /// Which.
        id: PolicyId,
        /// What it says now.
        content: PolicyContent,
    },
    /// A policy was deleted.
    PolicyDeleted {
        /// Its id.
        id: PolicyId,
        /// Its type.
        policy_type: PolicyType,
    },
    /// A policy was attached.
    PolicyAttached {
        /// Which.
        policy: PolicyId,
        /// Its type.
        policy_type: PolicyType,
        /// To which account.
        account: AccountId,
    },
    /// A policy was detached.
    PolicyDetached {
        /// Which.
        policy: PolicyId,
        /// Its type.
        policy_type: PolicyType,
        /// From which account.
        account: AccountId,
    },
    /// The access role was used with success.
    AccessVerified {
        /// In which account.
        account: AccountId,
        /// Which role.
        role_arn: String,
        /// When.
        at: Timestamp,
    },
}

/// What we wrote ourselves to one account, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct OwnWrites {
    moved: Option<Timestamp>,
    tagged: Option<Timestamp>,
    /// Keys of tags that were written or removed of late.
    keys: BTreeSet<TagKey>,
}

impl OwnWrites {
    fn tagged<'k>(&mut self, keys: impl Iterator<Item = &'k TagKey>, at: Timestamp) {
        if self.tagged.is_none_or(|last| at >= last + READ_LAG) {
            self.keys.clear();
        }
        self.keys.extend(keys.cloned());
        self.tagged = Some(at);
    }
}

/// The organization as it was last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ObservedOrg {
    /// Known after the first full read.
    pub organization: Option<OrganizationId>,
    /// The management account: never touched.
    pub management: Option<AccountId>,
    /// The root.
    pub root: Option<RootId>,
    /// Organizational units by id.
    pub units: BTreeMap<OuId, ObservedUnit>,
    /// Member accounts by id.
    pub accounts: BTreeMap<AccountId, ObservedAccount>,
    /// CreateAccount requests we have heard of.
    pub creations: BTreeMap<CreateRequestId, CreationRecord>,
    /// Number of the last complete look, and when it began.
    pub look: Option<(u64, Timestamp)>,
    /// When the last complete full read began.
    pub full: Option<Timestamp>,
    /// When the last poll of creations began.
    pub polled: Option<Timestamp>,
    /// When we learned that a creation had succeeded or failed.
    pub settled: BTreeMap<CreateRequestId, Timestamp>,
    /// Policies, and what they are attached to.
    pub policies: Policies,
    /// Roles proven from inside their account by this process, and when.
    pub access: BTreeMap<AccountId, (String, Timestamp)>,
    /// Reads in a row that missed an account, and when the first of them began.
    misses: BTreeMap<AccountId, (u32, Timestamp)>,
    /// Accounts whose own tags the bulk listing contradicts.
    doubted: BTreeSet<AccountId>,
    /// When the last read of each account's own tags was over.
    tags_read: BTreeMap<AccountId, Timestamp>,
    /// Since when each account carries the revision that it carries, as far as it is known.
    carries: BTreeMap<AccountId, Timestamp>,
    /// Since when each account is where it is, as far as it is known.
    placed: BTreeMap<AccountId, Timestamp>,
    own: BTreeMap<AccountId, OwnWrites>,
    units_made: BTreeMap<OuId, Timestamp>,
    /// Full reads in a row that missed a unit.
    unit_misses: BTreeMap<OuId, u32>,
    /// How many full reads were complete, and when the first of them began.
    fulls: Option<(u32, Timestamp)>,
}

impl ObservedOrg {
    /// Takes in, at `now`, what a read brought.
    pub fn observe(&mut self, observation: Observation, now: Timestamp) {
        match observation {
            Observation::Full {
                look,
                began,
                snapshot,
            } => {
                let Snapshot {
                    organization,
                    management,
                    root,
                    units,
                    accounts,
                    tags,
                    in_progress,
                    policy_types,
                    policies,
                } = *snapshot;
                self.organization = Some(organization);
                self.management = Some(management);
                self.root = Some(root);
                self.merge_units(units, began);
                self.merge_accounts(accounts, began);
                self.merge_bulk_tags(&tags, began);
                let ids: Vec<AccountId> = self.accounts.keys().cloned().collect();
                self.policies.observe_all(policy_types, policies, &ids, began);
                self.merge_in_progress(in_progress);
                self.looked(look, began);
                self.full = Some(began);
                let (count, _) = self.fulls.get_or_insert((0, began));
                *count += 1;
            }
            Observation::Look {
                look,
                began,
                accounts,
                in_progress,
            } => {
                self.merge_accounts(accounts, began);
                self.merge_in_progress(in_progress);
                self.looked(look, began);
            }
            Observation::Creations {
                began,
                in_progress,
                described,
            } => {
                self.merge_in_progress(in_progress);
                for record in described {
                    self.record(record, now);
                }
                self.polled = Some(began);
            }
            Observation::Account {
                began,
                account: Some(account),
                id,
            } => {
                self.misses.remove(&id);
                self.doubted.remove(&id);
                if account.tags_confirmed {
                    self.tags_read.insert(id, now);
                }
                self.merge_account(account, began);
            }
            Observation::Account {
                began,
                id,
                account: None,
            } => self.miss(&id, began),
            observation @ (Observation::Attachments { .. }
            | Observation::EffectivePolicy { .. }
            | Observation::Policies { .. }
            | Observation::PolicyTypes { .. }) => self.policies.observe(observation),
        }
    }

    /// Takes in what one of our own writes changed at `at`.
    pub fn effect(&mut self, effect: Effect, at: Timestamp) {
        match effect {
            Effect::CreationAccepted(record) => self.record(record, at),
            Effect::UnitCreated(unit) => {
                self.units_made.insert(unit.id.clone(), at);
                self.units.insert(unit.id.clone(), unit);
            }
            Effect::AccountMoved { account, to } => {
                self.own.entry(account.clone()).or_default().moved = Some(at);
                self.placed.insert(account.clone(), at);
                if let Some(account) = self.accounts.get_mut(&account) {
                    account.parent = to;
                }
            }
            Effect::Tagged { account, tags } => {
                let own = self.own.entry(account.clone()).or_default();
                own.tagged(tags.keys(), at);
                if let Some(known) = self.accounts.get_mut(&account) {
                    let before = revision(known).cloned();
                    known.tags.get_or_insert_default().extend(tags);
                    if revision(known) != before.as_ref() {
                        self.carries.insert(account, at);
                    }
                }
            }
            Effect::Untagged { account, keys } => {
                let own = self.own.entry(account.clone()).or_default();
                own.tagged(keys.iter(), at);
                if let Some(tags) = self.accounts.get_mut(&account).and_then(|a| a.tags.as_mut()) {
                    tags.retain(|key, _| !keys.contains(key));
                }
            }
            Effect::AccessVerified {
                account,
                role_arn,
                at,
            } => {
                self.access.insert(account, (role_arn, at));
            }
            effect @ (Effect::PolicyTypeEnabled(_)
            | Effect::PolicyCreated(_)
            | Effect::PolicyUpdated { .. }
            | Effect::PolicyDeleted { .. }
            | Effect::PolicyAttached { .. }
            | Effect::PolicyDetached { .. }) => self.policies.effect(effect, at),
        }
    }

    /// The bulk listing contradicts what a read of the account itself has shown: only another such read can tell.
    pub fn tags_doubted(&self, id: &AccountId) -> bool {
        self.doubted.contains(id)
    }

    /// When the last read of the account itself was over; its tags are what such a read asks for last. `None`: this process
    /// has not read it.
    pub fn tags_read(&self, id: &AccountId) -> Option<Timestamp> {
        self.tags_read.get(id).copied()
    }

    /// Since when the account carries the revision that it carries, as far as it is known.
    pub fn carries_since(&self, id: &AccountId) -> Option<Timestamp> {
        self.carries.get(id).copied()
    }

    /// Since when the account is where it is, as far as it is known.
    pub fn placed_since(&self, id: &AccountId) -> Option<Timestamp> {
        self.placed.get(id).copied()
    }

    /// Has it been seen what this policy says, since it was attached to the account and the account carries its revision,
    /// and not before `since`?
    pub fn is_seen_on(&self, account: &AccountId, policy: &ObservedPolicy, since: Timestamp) -> bool {
        let carries = self.carries.get(account).copied();
        let since = carries.map_or(since, |carries| since.max(carries));
        self.policies.is_seen_on(account, policy, since)
    }

    /// Names from the root down to this parent, joined by `/`; empty for the root. `None` if a unit on the way is unknown.
    pub fn path_of(&self, parent: &ParentId) -> Option<String> {
        let mut names = Vec::new();
        let mut at = parent;
        while let ParentId::Ou(id) = at {
            let unit = self.units.get(id)?;
            names.push(unit.name.as_str());
            // AWS nests five levels at most; a longer walk means a broken picture.
            if names.len() > 16 {
                return None;
            }
            at = &unit.parent;
        }
        names.reverse();
        Some(names.join("/"))
    }

    /// Is a unit gone that no full read of this process has shown? Like an account, it is not gone because one listing
    /// missed it: several must have, over the time that AWS's lists may be behind.
    pub fn has_shown_all_units(&self) -> bool {
        self.fulls
            .zip(self.full)
            .is_some_and(|((count, first), last)| count >= MISSES && last >= first + READ_LAG)
    }

    /// Requests that are in progress, ours and others'.
    pub fn in_progress(&self) -> impl Iterator<Item = &CreationRecord> {
        self.creations
            .values()
            .filter(|record| record.state == CreationState::InProgress)
    }

    fn merge_units(&mut self, units: Vec<ObservedUnit>, began: Timestamp) {
        let mut fresh: BTreeMap<OuId, ObservedUnit> = units.into_iter().map(|u| (u.id.clone(), u)).collect();
        self.units_made.retain(|_, made| began < *made + READ_LAG);
        self.unit_misses.retain(|id, _| !fresh.contains_key(id));
        // Like an account, a unit is not gone because one listing missed it.
        for (id, unit) in &self.units {
            if fresh.contains_key(id) {
                continue;
            }
            let misses = self.unit_misses.entry(id.clone()).or_default();
            *misses += 1;
            if *misses < MISSES || self.units_made.contains_key(id) {
                fresh.insert(id.clone(), unit.clone());
            }
        }
        self.units = fresh;
    }

    fn merge_accounts(&mut self, accounts: Vec<ObservedAccount>, began: Timestamp) {
        let seen: BTreeSet<AccountId> = accounts.iter().map(|account| account.id.clone()).collect();
        for account in accounts {
            self.misses.remove(&account.id);
            self.merge_account(account, began);
        }
        let unseen: Vec<AccountId> = self
            .accounts
            .keys()
            .filter(|id| !seen.contains(*id))
            .cloned()
            .collect();
        for id in unseen {
            self.miss(&id, began);
        }
    }

    fn miss(&mut self, id: &AccountId, began: Timestamp) {
        let (misses, first) = self.misses.entry(id.clone()).or_insert((0, began));
        *misses += 1;
        // A new account may be missing from the listings for a while; looks can follow each other within a second.
        if *misses >= MISSES && began >= *first + READ_LAG {
            self.accounts.remove(id);
            self.policies.forget(id);
            self.access.remove(id);
            self.own.remove(id);
            self.misses.remove(id);
            self.doubted.remove(id);
            self.tags_read.remove(id);
            self.carries.remove(id);
            self.placed.remove(id);
        }
    }

    /// Reads may end in another order than they began: the newest complete look counts.
    fn looked(&mut self, look: u64, began: Timestamp) {
        if self.look.is_none_or(|(newest, _)| newest < look) {
            self.look = Some((look, began));
        }
    }

    /// What AWS says of one request, at the end of a read or in the answer to the call.
    fn record(&mut self, record: CreationRecord, now: Timestamp) {
        if matches!(
            record.state,
            CreationState::Succeeded(_) | CreationState::Failed(_)
        ) {
            self.settled.entry(record.id.clone()).or_insert(now);
        }
        self.creations.insert(record.id.clone(), record);
    }

    fn merge_account(&mut self, mut fresh: ObservedAccount, began: Timestamp) {
        let own = self.own.get(&fresh.id).cloned().unwrap_or_default();
        let recent = |at: Option<Timestamp>| at.is_some_and(|at| began < at + READ_LAG);
        let known = self.accounts.get(&fresh.id);
        if let Some(known) = known {
            if recent(own.moved) {
                fresh.parent = known.parent.clone();
            }
            if let Some(tags) = &mut fresh.tags {
                // What others wrote under other keys counts at once.
                for key in own.keys.iter().filter(|_| recent(own.tagged)) {
                    match known.tags.as_ref().and_then(|tags| tags.get(key)) {
                        Some(value) => drop(tags.insert(key.clone(), value.clone())),
                        None => drop(tags.remove(key)),
                    }
                }
            } else {
                fresh.tags.clone_from(&known.tags);
                fresh.tags_confirmed = known.tags_confirmed;
            }
        }
        if revision(&fresh) != known.and_then(revision) {
            self.carries.insert(fresh.id.clone(), began);
        }
        if known.is_none_or(|known| known.parent != fresh.parent) {
            self.placed.insert(fresh.id.clone(), began);
        }
        self.accounts.insert(fresh.id.clone(), fresh);
    }

    fn merge_bulk_tags(&mut self, tags: &BTreeMap<AccountId, Tags>, began: Timestamp) {
        for (id, account) in &mut self.accounts {
            let recent = self
                .own
                .get(id)
                .and_then(|own| own.tagged)
                .is_some_and(|at| began < at + READ_LAG);
            let bulk = tags.get(id).cloned().unwrap_or_default();
            // The bulk listing may be stale: it does not take back what a read of the account itself has shown, it only
            // makes us read the account again.
            match &account.tags {
                Some(known) if *known == bulk || recent => drop(self.doubted.remove(id)),
                Some(_) if account.tags_confirmed => {
                    account.tags_confirmed = false;
                    self.doubted.insert(id.clone());
                }
                _ => {
                    if bulk.get(tag_keys::REVISION) != revision(account) {
                        self.carries.insert(id.clone(), began);
                    }
                    account.tags = Some(bulk);
                }
            }
        }
    }

    fn merge_in_progress(&mut self, in_progress: Vec<CreationRecord>) {
        // The list is whole: a request that left it is not in progress any more, or not listed yet. Those that an object
        // knows are asked for one by one; nobody would ever ask for the others.
        let listed: BTreeSet<CreateRequestId> = in_progress.iter().map(|record| record.id.clone()).collect();
        self.creations
            .retain(|id, known| known.state != CreationState::InProgress || listed.contains(id));
        for record in in_progress {
            // A finished request never goes back to being in progress: a stale list must not say so.
            let settled = self.creations.get(&record.id).is_some_and(|known| {
                matches!(
                    known.state,
                    CreationState::Succeeded(_) | CreationState::Failed(_)
                )
            });
            if !settled {
                self.creations.insert(record.id.clone(), record);
            }
        }
    }
}

/// The tag that says which revision the account has.
fn revision(account: &ObservedAccount) -> Option<&TagValue> {
    account.tags.as_ref()?.get(tag_keys::REVISION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + seconds).unwrap()
    }
    fn account(parent: &str) -> ObservedAccount {
        ObservedAccount {
            id: AccountId::parse("111111111111").unwrap(),
            arn: "arn".into(),
            email: "a@example.com".into(),
            name: "a".into(),
            state: AccountState::Active,
            parent: ParentId::parse(parent).unwrap(),
            tags: None,
            tags_confirmed: false,
        }
    }
    fn look(org: &mut ObservedOrg, seconds: i64, accounts: Vec<ObservedAccount>) {
        let look = Observation::Look {
            look: 1,
            began: at(seconds),
            accounts,
            in_progress: vec![],
        };
        org.observe(look, at(seconds));
    }

    #[test]
    fn a_read_that_lags_does_not_undo_our_own_write() {
        let mut org = ObservedOrg::default();
        look(&mut org, 0, vec![account("r-a1b2")]);
        let id = AccountId::parse("111111111111").unwrap();
        let to = ParentId::parse("ou-a1b2-12345678").unwrap();
        org.effect(
            Effect::AccountMoved {
                account: id.clone(),
                to: to.clone(),
            },
            at(10),
        );
        look(&mut org, 20, vec![account("r-a1b2")]);
        assert_eq!(org.accounts[&id].parent, to);
        look(&mut org, 71, vec![account("r-a1b2")]);
        assert_eq!(
            org.accounts[&id].parent.as_str(),
            "r-a1b2",
            "later it is somebody else's move"
        );
    }

    #[test]
    fn what_others_tag_counts_beside_our_own_write_that_a_read_does_not_show_yet() {
        let tags = |pairs: &[(&str, &str)]| -> Tags {
            let pair =
                |(key, value): &(&str, &str)| (TagKey::parse(key).unwrap(), TagValue::parse(value).unwrap());
            pairs.iter().map(pair).collect()
        };
        let read = |org: &mut ObservedOrg, seconds, pairs: &[(&str, &str)]| {
            let account = ObservedAccount {
                tags: Some(tags(pairs)),
                tags_confirmed: true,
                ..account("r-a1b2")
            };
            let read = Observation::Account {
                began: at(seconds),
                id: account.id.clone(),
                account: Some(account),
            };
            org.observe(read, at(seconds + 1));
        };
        let (mut org, id) = (ObservedOrg::default(), account("r-a1b2").id);
        read(&mut org, 0, &[("team", "owls"), ("old", "1")]);
        assert_eq!(org.tags_read(&id), Some(at(1)));
        let written = Effect::Tagged {
            account: id.clone(),
            tags: tags(&[("team", "aviary")]),
        };
        org.effect(written, at(10));
        let keys = BTreeSet::from([TagKey::parse("old").unwrap()]);
        let account = id.clone();
        org.effect(Effect::Untagged { account, keys }, at(11));
        read(
            &mut org,
            20,
            &[("team", "owls"), ("old", "1"), ("crew", "theirs")],
        );
        let expected = tags(&[("team", "aviary"), ("crew", "theirs")]);
        assert_eq!(org.accounts[&id].tags.as_ref(), Some(&expected));
        assert_eq!(org.tags_read(&id), Some(at(21)));
        read(&mut org, 71, &[("team", "owls")]);
        assert_eq!(org.accounts[&id].tags, Some(tags(&[("team", "owls")])));
    }

    #[test]
    fn an_account_is_forgotten_only_after_several_misses_over_a_while() {
        let mut org = ObservedOrg::default();
        look(&mut org, 0, vec![account("r-a1b2")]);
        for seconds in [1, 2, 3, 4, 60] {
            look(&mut org, seconds, vec![]);
            assert_eq!(
                org.accounts.len(),
                1,
                "looks that follow each other closely share one lag"
            );
        }
        look(&mut org, 61, vec![]);
        assert!(org.accounts.is_empty());
    }

    #[test]
    fn an_account_that_is_seen_again_is_not_nearly_forgotten() {
        let mut org = ObservedOrg::default();
        look(&mut org, 0, vec![account("r-a1b2")]);
        look(&mut org, 1, vec![]);
        look(&mut org, 90, vec![]);
        look(&mut org, 91, vec![account("r-a1b2")]);
        look(&mut org, 92, vec![]);
        look(&mut org, 160, vec![]);
        assert_eq!(org.accounts.len(), 1);
    }

    #[test]
    fn a_request_that_left_the_list_is_not_in_progress_any_more() {
        let mut org = ObservedOrg::default();
        let id = CreateRequestId::parse("car-12345678").unwrap();
        let record = CreationRecord {
            id,
            account_name: "a".into(),
            state: CreationState::InProgress,
        };
        let list = |in_progress| Observation::Creations {
            began: at(0),
            in_progress,
            described: vec![],
        };
        org.observe(list(vec![record]), at(0));
        assert_eq!(org.in_progress().count(), 1);
        org.observe(list(vec![]), at(1));
        assert_eq!(org.in_progress().count(), 0);
    }

    #[test]
    fn the_newest_look_counts_in_whatever_order_they_end() {
        let mut org = ObservedOrg::default();
        let numbered = |look, seconds| Observation::Look {
            look,
            began: at(seconds),
            accounts: vec![],
            in_progress: vec![],
        };
        org.observe(numbered(2, 20), at(30));
        org.observe(numbered(1, 10), at(40));
        assert_eq!(org.look, Some((2, at(20))));
    }

    #[test]
    fn a_request_that_ended_in_the_answer_to_the_call_is_settled() {
        let mut org = ObservedOrg::default();
        let id = CreateRequestId::parse("car-12345678").unwrap();
        let state = CreationState::Failed("INVALID_EMAIL".into());
        let record = CreationRecord {
            id: id.clone(),
            account_name: "a".into(),
            state,
        };
        org.effect(Effect::CreationAccepted(record), at(5));
        assert_eq!(org.settled[&id], at(5));
    }

    #[test]
    fn a_unit_is_forgotten_only_after_several_misses() {
        let unit = ObservedUnit {
            id: OuId::parse("ou-a1b2-12345678").unwrap(),
            name: "Marsh".into(),
            parent: ParentId::parse("r-a1b2").unwrap(),
        };
        let mut org = ObservedOrg::default();
        org.merge_units(vec![unit], at(0));
        org.merge_units(vec![], at(1800));
        org.merge_units(vec![], at(3600));
        assert_eq!(org.units.len(), 1);
        org.merge_units(vec![], at(5400));
        assert!(org.units.is_empty());
    }

    #[test]
    fn a_finished_request_stays_finished() {
        let mut org = ObservedOrg::default();
        let id = CreateRequestId::parse("car-12345678").unwrap();
        let record = |state| CreationRecord {
            id: id.clone(),
            account_name: "a".into(),
            state,
        };
        let failed = record(CreationState::Failed("EMAIL_ALREADY_EXISTS".into()));
        org.observe(
            Observation::Creations {
                began: at(0),
                in_progress: vec![],
                described: vec![failed],
            },
            at(1),
        );
        org.observe(
            Observation::Creations {
                began: at(2),
                in_progress: vec![record(CreationState::InProgress)],
                described: vec![],
            },
            at(3),
        );
        assert_eq!(org.settled[&id], at(1));
        assert_eq!(org.in_progress().count(), 0);
    }
}
