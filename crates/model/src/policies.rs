//! The policies as they were last seen, and how reads and our own writes change that picture.
//!
//! Lists lag. So what we attached or detached ourselves outweighs a read that began less than [`READ_LAG`] after it, and a
//! listing of everything that contradicts what the account itself has shown only raises a doubt: the account is asked.
//! Times are those of this process: after a restart everything is as old as the first read, so whatever has to have stood
//! for a while may stand longer for it, and never shorter.

use crate::{
    AccountId, Effect, EffectivePolicy, ListedPolicies, Observation, ObservedPolicy, PolicyContent, PolicyId,
    PolicyTarget, PolicyType, PolicyTypeState, READ_LAG, tag_keys,
};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How we know that a policy is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Evidence {
    /// We attached it; no read has shown it since.
    Attached(Timestamp),
    /// Every read has shown it since the one that began at this time.
    Read(Timestamp),
}

/// What we did ourselves, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Own {
    Attached(Timestamp),
    Detached(Timestamp),
}

impl Own {
    /// Does it outweigh a read that began then?
    fn outweighs(self, began: Timestamp) -> bool {
        let (Self::Attached(at) | Self::Detached(at)) = self;
        began < at + READ_LAG
    }
}

/// What is attached directly to one account, of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attachments {
    /// Every policy that is attached, and how that is known. AWS's own are known only after the account itself was asked.
    pub policies: BTreeMap<PolicyId, Evidence>,
    /// When the account itself was last asked; `None`: never, or a later listing contradicts what it said.
    pub confirmed: Option<Timestamp>,
    /// A listing contradicts what the account itself has said: it has to be asked again.
    pub doubted: bool,
    own: BTreeMap<PolicyId, Own>,
}

impl Attachments {
    /// Since when this policy is attached, as far as it is known.
    fn since(&self, id: &PolicyId) -> Option<Timestamp> {
        let (Evidence::Attached(at) | Evidence::Read(at)) = *self.policies.get(id)?;
        Some(match self.own.get(id) {
            Some(Own::Attached(own)) => *own,
            Some(Own::Detached(_)) | None => at,
        })
    }

    /// Takes in what a read that began at `began` shows of the policies that `about` is true for.
    fn merge(&mut self, shown: &BTreeSet<PolicyId>, began: Timestamp, about: impl Fn(&PolicyId) -> bool) {
        self.own.retain(|_, own| own.outweighs(began));
        let own = &self.own;
        self.policies.retain(|id, _| {
            !about(id) || shown.contains(id) || matches!(own.get(id), Some(Own::Attached(_)))
        });
        for id in shown {
            let first = match self.policies.get(id) {
                Some(Evidence::Attached(at)) => began >= *at,
                Some(Evidence::Read(_)) => false,
                None => !matches!(own.get(id), Some(Own::Detached(_))),
            };
            if first {
                self.policies.insert(id.clone(), Evidence::Read(began));
            }
        }
    }
}

/// What policies of one type come to on one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// When the last read began.
    pub read: Timestamp,
    /// When the first of those began that have told the same.
    pub since: Timestamp,
    /// What they told.
    pub policy: EffectivePolicy,
}

/// All policies, and what is attached where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Policies {
    /// The policy types that are on, or on their way on or off.
    pub types: BTreeMap<PolicyType, PolicyTypeState>,
    /// Policies by id.
    pub by_id: BTreeMap<PolicyId, ObservedPolicy>,
    /// What the root and the units have; their own and AWS's are not in it.
    pub inherited: BTreeMap<PolicyTarget, BTreeSet<PolicyId>>,
    attached: BTreeMap<AccountId, BTreeMap<PolicyType, Attachments>>,
    /// When we made or edited a policy.
    written: BTreeMap<PolicyId, Timestamp>,
    /// Policies that we deleted, of which type, and when: a list may still show them.
    deleted: BTreeMap<PolicyId, (PolicyType, Timestamp)>,
    /// When we asked for a policy type.
    enabled: BTreeMap<PolicyType, Timestamp>,
    /// Since when no read has shown a policy attached to anything.
    unattached: BTreeMap<PolicyId, Timestamp>,
    /// When the attachments of everything were last listed.
    listed: Option<Timestamp>,
    /// When the types were last read.
    types_read: Option<Timestamp>,
    /// When the policies of each type were last listed, with everything else or by themselves.
    read: BTreeMap<PolicyType, Timestamp>,
    /// When they were last listed by themselves.
    asked: BTreeMap<PolicyType, Timestamp>,
    /// Since when each policy says what it says.
    since: BTreeMap<PolicyId, Timestamp>,
    /// When it was last seen to say that: by a read, or because we wrote it.
    seen: BTreeMap<PolicyId, Timestamp>,
    /// What policies come to on accounts, and when the read began that told it.
    effective: BTreeMap<AccountId, BTreeMap<PolicyType, Effective>>,
}

impl Policies {
    /// What is attached directly to an account; `None`: nothing is known.
    pub fn attached(&self, account: &AccountId, policy_type: &PolicyType) -> Option<&Attachments> {
        self.attached.get(account)?.get(policy_type)
    }

    /// The same for every type.
    pub fn attached_to(&self, account: &AccountId) -> Option<&BTreeMap<PolicyType, Attachments>> {
        self.attached.get(account)
    }

    /// Accounts to which something is attached directly, in order, with what.
    pub fn all_attached(&self) -> impl Iterator<Item = (&AccountId, &BTreeMap<PolicyType, Attachments>)> {
        self.attached.iter()
    }

    /// When the types were last read.
    pub fn types_read(&self) -> Option<Timestamp> {
        self.types_read
    }

    /// When the policies of this type were last listed; `None`: it is not known which there are.
    pub fn read(&self, policy_type: &PolicyType) -> Option<Timestamp> {
        self.read.get(policy_type).copied()
    }

    /// When they were last listed by themselves: tags are then those of the policies, not of a bulk listing that lags.
    pub fn asked(&self, policy_type: &PolicyType) -> Option<Timestamp> {
        self.asked.get(policy_type).copied()
    }

    /// When the attachments of everything were last listed.
    pub fn listed(&self) -> Option<Timestamp> {
        self.listed
    }

    /// Since when a policy has said what it says now, as far as it is known.
    pub fn says_since(&self, id: &PolicyId) -> Option<Timestamp> {
        self.since.get(id).copied()
    }

    /// Has it been seen what this policy says, since it was attached to the account and not before `since`?
    pub(crate) fn is_seen_on(&self, account: &AccountId, policy: &ObservedPolicy, since: Timestamp) -> bool {
        let attachments = self.attached(account, &policy.policy_type);
        let attached = attachments.and_then(|attachments| attachments.since(&policy.id));
        let seen = self.seen.get(&policy.id).copied();
        attached
            .zip(seen)
            .is_some_and(|(attached, seen)| seen >= attached.max(since))
    }

    /// What policies of this type come to on the account, as it was last read.
    pub fn effective(&self, account: &AccountId, policy_type: &PolicyType) -> Option<&Effective> {
        self.effective.get(account)?.get(policy_type)
    }

    /// A policy by its name and type. AWS refuses a second one.
    pub fn named(&self, name: &str, policy_type: &PolicyType) -> Option<&ObservedPolicy> {
        self.by_id
            .values()
            .find(|policy| policy.name == name && policy.policy_type == *policy_type)
    }

    /// Since when nothing has this policy, as far as it is known; `None`: something has it.
    pub fn unattached_since(&self, id: &PolicyId) -> Option<Timestamp> {
        self.unattached.get(id).copied()
    }

    /// Takes in a listing of everything.
    pub(crate) fn observe_all(
        &mut self,
        types: BTreeMap<PolicyType, PolicyTypeState>,
        listed: ListedPolicies,
        accounts: &[AccountId],
        began: Timestamp,
    ) {
        self.observe_types(types, began);
        // Of a type that is on its way on or off nothing is listed.
        let on: Vec<PolicyType> = self
            .types
            .iter()
            .filter(|(_, state)| **state == PolicyTypeState::Enabled)
            .map(|(kind, _)| kind.clone())
            .collect();
        let ListedPolicies {
            policies,
            attachments,
        } = listed;
        let kinds: BTreeMap<PolicyId, PolicyType> = policies
            .iter()
            .map(|policy| (policy.id.clone(), policy.policy_type.clone()))
            .collect();
        self.merge_policies(policies, None, began);
        let read = |kind: &PolicyType| self.read.get(kind).map_or(began, |read| began.max(*read));
        self.read = on.iter().map(|kind| (kind.clone(), read(kind))).collect();
        self.inherited.clear();
        let mut direct: BTreeMap<(AccountId, PolicyType), BTreeSet<PolicyId>> = BTreeMap::new();
        for (id, targets) in attachments {
            let Some(kind) = kinds.get(&id) else { continue };
            if targets.is_empty() {
                self.unattached.entry(id.clone()).or_insert(began);
            } else {
                self.unattached.remove(&id);
            }
            for target in targets {
                match target {
                    PolicyTarget::Account(account) => {
                        let shown = direct.entry((account, kind.clone())).or_default();
                        shown.insert(id.clone());
                    }
                    above => drop(self.inherited.entry(above).or_default().insert(id.clone())),
                }
            }
        }
        self.unattached.retain(|id, _| self.by_id.contains_key(id));
        for account in accounts {
            for kind in &on {
                let shown = direct
                    .remove(&(account.clone(), kind.clone()))
                    .unwrap_or_default();
                self.merge_listed(account, kind, &shown, began);
            }
        }
        self.listed = Some(began);
    }

    /// What the listing of everything says of one account. It does not show AWS's own policies.
    fn merge_listed(
        &mut self,
        account: &AccountId,
        kind: &PolicyType,
        shown: &BTreeSet<PolicyId>,
        began: Timestamp,
    ) {
        let by_id = &self.by_id;
        let customer = |id: &PolicyId| by_id.get(id).is_none_or(|policy| !policy.aws_managed);
        let attachments = self
            .attached
            .entry(account.clone())
            .or_default()
            .entry(kind.clone())
            .or_default();
        let Some(confirmed) = attachments.confirmed else {
            attachments.merge(shown, began, customer);
            return;
        };
        let mut after = attachments.clone();
        after.merge(shown, began, customer);
        let same = after.policies.keys().eq(attachments.policies.keys());
        if same {
            *attachments = after;
        } else if began > confirmed {
            attachments.confirmed = None;
            attachments.doubted = true;
        }
    }

    /// Takes in one of the smaller reads.
    pub(crate) fn observe(&mut self, observation: Observation) {
        match observation {
            Observation::Attachments {
                began,
                account,
                policy_type,
                attached: Some(attached),
            } => {
                let shown: BTreeSet<PolicyId> = attached.into_iter().map(|(id, _)| id).collect();
                for id in &shown {
                    self.unattached.remove(id);
                }
                let types = self.attached.entry(account).or_default();
                let attachments = types.entry(policy_type).or_default();
                // Reads may end in another order than they began.
                if attachments.confirmed.is_none_or(|newest| newest <= began) {
                    attachments.merge(&shown, began, |_| true);
                    attachments.confirmed = Some(began);
                    attachments.doubted = false;
                }
            }
            Observation::Policies {
                began,
                policy_type,
                policies,
            } => {
                self.merge_policies(policies, Some(&policy_type), began);
                for times in [&mut self.read, &mut self.asked] {
                    let at = times.entry(policy_type.clone()).or_insert(began);
                    *at = began.max(*at);
                }
            }
            Observation::PolicyTypes { began, types } => self.observe_types(types, began),
            Observation::EffectivePolicy {
                began,
                account,
                policy_type,
                effective,
            } => {
                let types = self.effective.entry(account).or_default();
                let known = types.get(&policy_type);
                if known.is_none_or(|known| known.read <= began) {
                    let same = known.filter(|known| known.policy == effective);
                    let effective = Effective {
                        read: began,
                        since: same.map_or(began, |known| known.since),
                        policy: effective,
                    };
                    types.insert(policy_type, effective);
                }
            }
            Observation::Full { .. }
            | Observation::Look { .. }
            | Observation::Creations { .. }
            | Observation::Account { .. }
            | Observation::Attachments { attached: None, .. } => {}
        }
    }

    /// Takes in what one of our own writes changed at `at`.
    pub(crate) fn effect(&mut self, effect: Effect, at: Timestamp) {
        match effect {
            Effect::PolicyTypeEnabled(policy_type) => {
                self.enabled.insert(policy_type.clone(), at);
                self.types
                    .entry(policy_type)
                    .or_insert(PolicyTypeState::PendingEnable);
            }
            Effect::PolicyCreated(policy) => {
                self.written.insert(policy.id.clone(), at);
                self.unattached.insert(policy.id.clone(), at);
                self.since.insert(policy.id.clone(), at);
                self.seen.insert(policy.id.clone(), at);
                self.by_id.insert(policy.id.clone(), policy);
            }
            Effect::PolicyUpdated { id, content } => {
                self.written.insert(id.clone(), at);
                self.since.insert(id.clone(), at);
                self.seen.insert(id.clone(), at);
                if let Some(policy) = self.by_id.get_mut(&id) {
                    policy.content = Some(content);
                }
            }
            Effect::PolicyDeleted { id, policy_type } => {
                self.by_id.remove(&id);
                self.deleted.insert(id.clone(), (policy_type, at));
                self.unattached.remove(&id);
                self.since.remove(&id);
                self.seen.remove(&id);
            }
            Effect::PolicyAttached {
                policy,
                policy_type,
                account,
            } => {
                self.unattached.remove(&policy);
                let types = self.attached.entry(account).or_default();
                let attachments = types.entry(policy_type).or_default();
                attachments.own.insert(policy.clone(), Own::Attached(at));
                attachments.policies.insert(policy, Evidence::Attached(at));
            }
            Effect::PolicyDetached {
                policy,
                policy_type,
                account,
            } => {
                let types = self.attached.entry(account).or_default();
                let attachments = types.entry(policy_type).or_default();
                attachments.policies.remove(&policy);
                attachments.own.insert(policy.clone(), Own::Detached(at));
                if !self.is_attached_anywhere(&policy) {
                    self.unattached.insert(policy, at);
                }
            }
            Effect::CreationAccepted(_)
            | Effect::UnitCreated(_)
            | Effect::AccountMoved { .. }
            | Effect::Tagged { .. }
            | Effect::Untagged { .. }
            | Effect::AccessVerified { .. } => {}
        }
    }

    /// Forgets an account that is gone.
    pub(crate) fn forget(&mut self, account: &AccountId) {
        self.attached.remove(account);
        self.effective.remove(account);
    }

    fn is_attached_anywhere(&self, id: &PolicyId) -> bool {
        self.inherited.values().any(|ids| ids.contains(id))
            || self
                .attached
                .values()
                .flat_map(BTreeMap::values)
                .any(|attachments| attachments.policies.contains_key(id))
    }

    fn observe_types(&mut self, types: BTreeMap<PolicyType, PolicyTypeState>, began: Timestamp) {
        let recent: Vec<PolicyType> = self
            .enabled
            .iter()
            .filter(|(kind, at)| began < **at + READ_LAG && !types.contains_key(*kind))
            .map(|(kind, _)| kind.clone())
            .collect();
        let before = std::mem::replace(&mut self.types, types);
        for kind in recent {
            self.types.insert(kind, PolicyTypeState::PendingEnable);
        }
        self.types_read = Some(self.types_read.map_or(began, |at| at.max(began)));
        // AWS has detached every policy of a type that is off, and such policies are not listed.
        for kind in before.keys().filter(|kind| !self.types.contains_key(*kind)) {
            self.attached
                .values_mut()
                .for_each(|types| drop(types.remove(kind)));
            self.by_id.retain(|_, policy| policy.policy_type != *kind);
            self.read.remove(kind);
            self.asked.remove(kind);
            self.effective
                .values_mut()
                .for_each(|types| drop(types.remove(kind)));
        }
    }

    /// `only`: the list holds policies of this type, and says nothing of others.
    fn merge_policies(&mut self, policies: Vec<ObservedPolicy>, only: Option<&PolicyType>, began: Timestamp) {
        // A read that began late enough shows our writes, if it is about them.
        let shows =
            |kind: &PolicyType, at: Timestamp| began >= at + READ_LAG && only.is_none_or(|only| only == kind);
        let by_id = &self.by_id;
        self.written.retain(|id, at| {
            by_id
                .get(id)
                .is_some_and(|policy| !shows(&policy.policy_type, *at))
        });
        self.deleted.retain(|_, (kind, at)| !shows(kind, *at));
        // Reads may end in another order than they began: of a type that was read since, the later reading stands.
        let later: BTreeSet<PolicyType> = self
            .read
            .iter()
            .filter(|(_, read)| **read > began)
            .map(|(kind, _)| kind.clone())
            .collect();
        let (late, policies): (Vec<_>, Vec<_>) = policies
            .into_iter()
            .filter(|policy| !self.deleted.contains_key(&policy.id))
            .partition(|policy| later.contains(&policy.policy_type));
        for policy in late {
            self.merge_late(policy, began);
        }
        let mut fresh: BTreeMap<PolicyId, ObservedPolicy> = policies
            .into_iter()
            .map(|policy| (policy.id.clone(), policy))
            .collect();
        let mut seen = Vec::new();
        for (id, known) in &self.by_id {
            if later.contains(&known.policy_type) {
                fresh.insert(id.clone(), known.clone());
                continue;
            }
            let other_type = only.is_some_and(|only| known.policy_type != *only);
            if other_type || self.written.contains_key(id) {
                // A read that may lag counts where it says what we wrote.
                if fresh.get(id).is_some_and(|read| read.content == known.content) {
                    seen.push(id.clone());
                }
                fresh.insert(id.clone(), known.clone());
            } else if let Some(policy) = fresh.get_mut(id) {
                if policy.content.is_some() {
                    seen.push(id.clone());
                }
                if policy.content.is_none() {
                    policy.content.clone_from(&known.content);
                }
                if policy.tags.is_none() {
                    policy.tags.clone_from(&known.tags);
                }
            }
        }
        let new = fresh.iter().filter(|(id, _)| !self.by_id.contains_key(*id));
        seen.extend(
            new.filter(|(_, policy)| policy.content.is_some())
                .map(|(id, _)| id.clone()),
        );
        for id in seen {
            let at = self.seen.entry(id).or_insert(began);
            *at = began.max(*at);
        }
        self.seen.retain(|id, _| fresh.contains_key(id));
        self.since.retain(|id, _| fresh.contains_key(id));
        for (id, policy) in &fresh {
            let known = self.by_id.get(id);
            if known.is_none_or(|known| known.content != policy.content) {
                self.since.insert(id.clone(), began);
            }
        }
        self.by_id = fresh;
    }

    /// What a read says of a policy that a later one has listed: it may have asked for what the later one did not.
    fn merge_late(&mut self, policy: ObservedPolicy, began: Timestamp) {
        let Some(known) = self.by_id.get_mut(&policy.id) else {
            return;
        };
        known.tags = known.tags.take().or(policy.tags);
        let is_newer = self.seen.get(&policy.id).is_none_or(|seen| *seen < began);
        if policy.content.is_none() || !is_newer || self.written.contains_key(&policy.id) {
            return;
        }
        if known.content != policy.content {
            known.content = policy.content;
            self.since.insert(policy.id.clone(), began);
        }
        self.seen.insert(policy.id, began);
    }
}

impl ObservedPolicy {
    /// Does its tag say that this installation made it?
    pub fn is_of(&self, installation: &str) -> bool {
        let tags = self.tags.as_ref();
        tags.and_then(|tags| tags.get(tag_keys::MANAGED))
            .is_some_and(|value| value.as_str() == installation)
    }

    /// Has it exactly this content?
    pub fn says(&self, content: &PolicyContent) -> bool {
        self.content.as_ref() == Some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TagKey, TagValue};

    const ACCOUNT: &str = "111111111111";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + seconds).unwrap()
    }
    fn scp() -> PolicyType {
        PolicyType::service_control()
    }
    fn account() -> AccountId {
        AccountId::parse(ACCOUNT).unwrap()
    }
    fn id(letter: char) -> PolicyId {
        PolicyId::parse(&format!("p-{}", String::from(letter).repeat(8))).unwrap()
    }
    fn policy(letter: char, content: &str) -> ObservedPolicy {
        let key = TagKey::parse(tag_keys::MANAGED).unwrap();
        ObservedPolicy {
            id: id(letter),
            name: letter.into(),
            policy_type: scp(),
            aws_managed: letter == 'F',
            content: Some(PolicyContent::parse(content).unwrap()),
            tags: Some([(key, TagValue::parse("acme").unwrap())].into()),
        }
    }
    fn on() -> BTreeMap<PolicyType, PolicyTypeState> {
        BTreeMap::from([(scp(), PolicyTypeState::Enabled)])
    }
    /// A listing of everything: these policies, of which these are attached to the account.
    fn full(known: &mut Policies, seconds: i64, all: &str, attached: &str) {
        let targets = |letter| {
            let account = PolicyTarget::Account(account());
            attached.contains(letter).then_some(account).into_iter().collect()
        };
        let listed = ListedPolicies {
            policies: all.chars().map(|letter| policy(letter, "{}")).collect(),
            attachments: all.chars().map(|letter| (id(letter), targets(letter))).collect(),
        };
        known.observe_all(on(), listed, &[account()], at(seconds));
    }
    fn asked(known: &mut Policies, seconds: i64, attached: &str) {
        known.observe(Observation::Attachments {
            began: at(seconds),
            account: account(),
            policy_type: scp(),
            attached: Some(
                attached
                    .chars()
                    .map(|letter| (id(letter), letter.into()))
                    .collect(),
            ),
        });
    }
    fn attach(known: &mut Policies, seconds: i64, letter: char) {
        let effect = Effect::PolicyAttached {
            policy: id(letter),
            policy_type: scp(),
            account: account(),
        };
        known.effect(effect, at(seconds));
    }
    fn evidence(known: &Policies, letter: char) -> Option<Evidence> {
        let attached = known.attached(&account(), &scp())?;
        attached.policies.get(&id(letter)).copied()
    }
    fn of(known: &Policies) -> &Attachments {
        known.attached(&account(), &scp()).unwrap()
    }

    #[test]
    fn a_read_that_lags_does_not_undo_our_own_write_even_after_another_has_shown_it() {
        let mut known = Policies::default();
        asked(&mut known, 0, "F");
        attach(&mut known, 10, 'a');
        asked(&mut known, 11, "F");
        assert_eq!(evidence(&known, 'a'), Some(Evidence::Attached(at(10))));
        asked(&mut known, 12, "Fa");
        assert_eq!(evidence(&known, 'a'), Some(Evidence::Read(at(12))));
        asked(&mut known, 20, "F");
        assert_eq!(
            evidence(&known, 'a'),
            Some(Evidence::Read(at(12))),
            "another replica"
        );
        asked(&mut known, 70, "F");
        assert_eq!(evidence(&known, 'a'), None);
    }

    #[test]
    fn what_we_detached_does_not_come_back_by_a_read_that_lags() {
        let mut known = Policies::default();
        asked(&mut known, 0, "Fa");
        let effect = Effect::PolicyDetached {
            policy: id('a'),
            policy_type: scp(),
            account: account(),
        };
        known.effect(effect, at(10));
        asked(&mut known, 69, "Fa");
        assert_eq!(evidence(&known, 'a'), None);
        asked(&mut known, 70, "Fa");
        assert_eq!(evidence(&known, 'a'), Some(Evidence::Read(at(70))));
    }

    #[test]
    fn the_first_read_counts_in_whatever_order_they_end() {
        let mut known = Policies::default();
        asked(&mut known, 10, "a");
        asked(&mut known, 20, "a");
        assert_eq!(evidence(&known, 'a'), Some(Evidence::Read(at(10))));
        asked(&mut known, 30, "");
        asked(&mut known, 25, "a");
        assert_eq!(evidence(&known, 'a'), None, "an older read tells nothing new");
        assert_eq!(of(&known).confirmed, Some(at(30)));
    }

    #[test]
    fn a_slow_listing_takes_nothing_away_that_a_later_one_has_shown() {
        let mut known = Policies::default();
        full(&mut known, 0, "a", "");
        known.effect(Effect::PolicyCreated(policy('b', "{}")), at(50));
        let mut foreign = policy('c', "{}");
        foreign.content = None;
        known.observe(Observation::Policies {
            began: at(200),
            policy_type: scp(),
            policies: vec![policy('b', "{}"), foreign],
        });
        full(&mut known, 10, "ac", "");
        let names: Vec<&str> = known.by_id.values().map(|policy| policy.name.as_str()).collect();
        assert_eq!(names, ["b", "c"], "it began before b was made and a was deleted");
        assert!(known.by_id[&id('c')].content.is_some(), "it asked for more");
        assert_eq!(known.read(&scp()), Some(at(200)));
        full(&mut known, 300, "bd", "");
        let names: Vec<&str> = known.by_id.values().map(|policy| policy.name.as_str()).collect();
        assert_eq!(names, ["b", "d"]);
    }

    #[test]
    fn an_overtaken_listing_still_says_what_foreign_policies_say() {
        let mut known = Policies::default();
        let listed = |content: &str| ListedPolicies {
            policies: vec![policy('c', content)],
            attachments: [(id('c'), BTreeSet::new())].into(),
        };
        known.observe_all(on(), listed("1"), &[account()], at(0));
        let mut bare = policy('c', "1");
        bare.content = None;
        known.observe(Observation::Policies {
            began: at(200),
            policy_type: scp(),
            policies: vec![bare],
        });
        let says = |known: &Policies| known.by_id[&id('c')].content.clone().unwrap();
        known.observe_all(on(), listed("2"), &[account()], at(100));
        assert_eq!(
            says(&known).as_str(),
            "2",
            "the later one did not ask for its content"
        );
        assert_eq!(known.says_since(&id('c')), Some(at(100)));
        known.observe_all(on(), listed("1"), &[account()], at(50));
        assert_eq!(says(&known).as_str(), "2", "this one is older");
    }

    #[test]
    fn a_read_of_another_type_does_not_say_what_became_of_our_writes() {
        let mut known = Policies::default();
        full(&mut known, 0, "a", "");
        known.effect(Effect::PolicyCreated(policy('b', "{}")), at(10));
        known.effect(
            Effect::PolicyDeleted {
                id: id('a'),
                policy_type: scp(),
            },
            at(10),
        );
        known.observe(Observation::Policies {
            began: at(300),
            policy_type: PolicyType::parse("TAG_POLICY").unwrap(),
            policies: vec![],
        });
        known.observe(Observation::Policies {
            began: at(11),
            policy_type: scp(),
            policies: vec![policy('a', "{}")],
        });
        let names: Vec<&str> = known.by_id.values().map(|policy| policy.name.as_str()).collect();
        assert_eq!(names, ["b"], "that list lags");
    }

    #[test]
    fn a_listing_raises_a_doubt_and_only_the_account_settles_it() {
        let mut known = Policies::default();
        full(&mut known, 0, "aF", "a");
        assert_eq!((of(&known).confirmed, of(&known).doubted), (None, false));
        asked(&mut known, 10, "Fa");
        full(&mut known, 20, "aF", "a");
        assert!(!of(&known).doubted, "it does not show AWS's own");
        full(&mut known, 5, "aF", "");
        assert!(!of(&known).doubted, "it began before the account was asked");
        full(&mut known, 30, "aF", "");
        assert_eq!((of(&known).confirmed, of(&known).doubted), (None, true));
        assert_eq!(evidence(&known, 'a'), Some(Evidence::Read(at(0))));
        asked(&mut known, 31, "F");
        assert_eq!((of(&known).confirmed, of(&known).doubted), (Some(at(31)), false));
        assert_eq!(evidence(&known, 'a'), None);
    }

    #[test]
    fn of_a_type_that_is_off_nothing_is_known_any_more() {
        let mut known = Policies::default();
        full(&mut known, 0, "a", "a");
        assert_eq!(known.read(&scp()), Some(at(0)));
        let off = |seconds| Observation::PolicyTypes {
            began: at(seconds),
            types: BTreeMap::new(),
        };
        known.observe(off(10));
        assert_eq!(
            (known.attached(&account(), &scp()), known.read(&scp())),
            (None, None)
        );
        assert!(known.by_id.is_empty());
        known.effect(Effect::PolicyTypeEnabled(scp()), at(20));
        known.observe(off(30));
        assert_eq!(
            known.types[&scp()],
            PolicyTypeState::PendingEnable,
            "the read lags"
        );
        known.observe(off(90));
        assert!(known.types.is_empty());
    }

    #[test]
    fn since_when_a_policy_says_what_it_says() {
        let mut known = Policies::default();
        let list = |known: &mut Policies, seconds, content| {
            known.observe(Observation::Policies {
                began: at(seconds),
                policy_type: scp(),
                policies: vec![policy('a', content)],
            });
            known.says_since(&id('a'))
        };
        assert_eq!(list(&mut known, 0, "1"), Some(at(0)));
        assert_eq!(list(&mut known, 10, "1"), Some(at(0)));
        assert_eq!(list(&mut known, 20, "2"), Some(at(20)));
        let effect = Effect::PolicyUpdated {
            id: id('a'),
            content: PolicyContent::parse("1").unwrap(),
        };
        known.effect(effect, at(30));
        assert_eq!(list(&mut known, 40, "2"), Some(at(30)), "a list that lags");
        assert_eq!(list(&mut known, 90, "1"), Some(at(30)));
    }

    #[test]
    fn a_policy_is_unattached_since_no_read_shows_it_anywhere() {
        let mut known = Policies::default();
        full(&mut known, 0, "ab", "a");
        assert_eq!(known.unattached_since(&id('a')), None);
        assert_eq!(known.unattached_since(&id('b')), Some(at(0)));
        full(&mut known, 10, "ab", "");
        assert_eq!(known.unattached_since(&id('a')), Some(at(10)));
        assert_eq!(known.unattached_since(&id('b')), Some(at(0)));
        asked(&mut known, 20, "b");
        assert_eq!(known.unattached_since(&id('b')), None);
    }
}
