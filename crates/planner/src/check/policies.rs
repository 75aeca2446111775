//! Rules about policies: only ours are touched, and no account is ever without all policies of one revision because of us.

use crate::{Input, revision};
use jiff::Timestamp;
use model::{
    AccountId, Action, DesiredAccount, DesiredPolicy, Evidence, ObservedPolicy, ParentId, PolicyId,
    PolicyType, PolicyTypeState, READ_LAG, Step,
};
use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
};

/// What the rules look up.
pub(super) struct Policies<'a> {
    input: Input<'a>,
    named: OnceCell<BTreeMap<(&'a PolicyType, &'a str), &'a ObservedPolicy>>,
    wanted: OnceCell<BTreeSet<&'a DesiredPolicy>>,
}

impl<'a> Policies<'a> {
    pub(super) fn new(input: Input<'a>) -> Self {
        Self {
            input,
            named: OnceCell::new(),
            wanted: OnceCell::new(),
        }
    }

    /// The rules one step breaks by itself.
    pub(super) fn broken(&self, step: &Step) -> Vec<&'static str> {
        let mut rules = Vec::new();
        let mut must = |holds: bool, rule: &'static str| rules.extend((!holds).then_some(rule));
        let observed = &self.input.observed.policies;
        match &step.action {
            Action::EnablePolicyType { policy_type } => {
                let wanted = self
                    .wanted()
                    .iter()
                    .any(|policy| policy.policy_type == *policy_type);
                let off = !observed.types.contains_key(policy_type);
                must(
                    self.input.limits.policies.enable_types
                        && wanted
                        && off
                        && !self.was_in_force(policy_type),
                    "a policy type is enabled only where it is allowed, wanted, and was never in force",
                );
            }
            Action::CreatePolicy { policy } => {
                let name = (&policy.policy_type, policy.name.as_str());
                must(
                    self.wanted().contains(policy) && !self.named().contains_key(&name),
                    "a policy is made once, and only if it is wanted",
                );
            }
            Action::UpdatePolicy { id, policy } => {
                must(self.is_ours(id), "only policies of this installation are changed");
                let same = observed.by_id.get(id).is_some_and(|known| {
                    known.name == policy.name
                        && known.policy_type == policy.policy_type
                        && !known.says(&policy.content)
                });
                must(
                    self.wanted().contains(policy) && same,
                    "a policy is edited only to say what its name says",
                );
            }
            Action::DeletePolicy {
                id,
                name,
                policy_type,
            } => {
                must(self.is_ours(id), "only policies of this installation are changed");
                must(
                    !self.input.desired.incomplete,
                    "nothing is deleted while an object could not be judged",
                );
                must(
                    self.is_unused(id, name, policy_type),
                    "a policy is deleted only when nothing wants it and nothing has it",
                );
            }
            Action::AttachPolicy {
                policy,
                policy_type,
                account,
            } => {
                must(
                    self.is_ours(policy),
                    "only policies of this installation are changed",
                );
                rules.extend(self.changes(step, account, policy_type));
                let wanted = self.desired(step).is_some_and(|desired| {
                    let policies = desired.policies.iter();
                    policies
                        .filter_map(|wanted| self.found(wanted))
                        .any(|found| found.id == *policy)
                });
                if !wanted {
                    rules.push("only what the account's revision wants is attached, as it is to be");
                }
            }
            Action::DetachPolicy {
                policy,
                policy_type,
                account,
            } => {
                must(
                    self.is_ours(policy),
                    "only policies of this installation are changed",
                );
                rules.extend(self.changes(step, account, policy_type));
                rules.extend(self.detaches(step, account, policy));
            }
            Action::MoveAccount { account, to, .. } => {
                let guarded = self.desired(step).is_some_and(|desired| {
                    matches!(to, ParentId::Root(_)) || self.guarded(desired, account).is_some()
                });
                must(
                    guarded,
                    "no account is moved before the policies of its revision are attached and shown by a read",
                );
            }
            _ => {}
        }
        rules
    }

    /// What holds for each change of an account's attachments.
    fn changes(&self, step: &Step, account: &AccountId, policy_type: &PolicyType) -> Vec<&'static str> {
        let mut rules = Vec::new();
        let mut must = |holds: bool, rule: &'static str| rules.extend((!holds).then_some(rule));
        let input = &self.input;
        must(
            input.observed.management.as_ref() != Some(account),
            "the management account is never touched",
        );
        must(
            super::ours(input, step, account),
            "only accounts with this object's claim are changed",
        );
        let entry = step.key.as_ref().and_then(|key| input.journal.get(key));
        let observed = input.observed.accounts.get(account);
        let ahead = observed.is_none_or(|observed| {
            !observed.tags_confirmed || revision::carried(observed).sequence > super::known(entry)
        });
        must(
            !ahead,
            "an account whose sequence is ahead of status is not changed",
        );
        let assigned = entry.and_then(|entry| entry.assigned.as_ref());
        let settled = self
            .desired(step)
            .zip(assigned)
            .is_some_and(|(desired, assigned)| desired.revision == assigned.revision);
        must(settled, "policies are those of the assigned revision");
        let had = entry.zip(assigned).is_some_and(|(entry, assigned)| {
            entry.applied.as_ref() == Some(&assigned.revision.name)
                || observed.is_some_and(|observed| revision::carries(observed, assigned))
        });
        must(
            had,
            "an account carries its revision before its policies are changed for it",
        );
        let policies = &input.observed.policies;
        let attachments = policies.attached(account, policy_type);
        must(
            attachments.is_some_and(|attachments| attachments.confirmed.is_some()),
            "an account is asked for its policies before they are changed",
        );
        must(
            policies.types.get(policy_type) == Some(&PolicyTypeState::Enabled),
            "policies are attached only while their type is enabled",
        );
        rules
    }

    /// What holds for each policy that is taken away.
    fn detaches(&self, step: &Step, account: &AccountId, policy: &PolicyId) -> Vec<&'static str> {
        let Some(desired) = self.desired(step) else {
            return vec!["nothing is taken away from an account that nobody wants"];
        };
        let mut rules = Vec::new();
        let wanted = desired
            .policies
            .iter()
            .any(|wanted| self.found(wanted).is_some_and(|found| found.id == *policy));
        if wanted {
            rules.push("no policy is taken away that the account's revision wants");
        }
        let limits = &self.input.limits.policies;
        let kind = self.input.observed.policies.by_id.get(policy);
        let additive = kind.is_some_and(|policy| policy.policy_type.is_additive());
        match self.guarded(desired, account) {
            None => rules.push(
                "old policies stay until those of the account's revision are attached and shown by a read",
            ),
            Some(since)
                if additive
                    && since
                        .checked_add(limits.overlap)
                        .is_ok_and(|end| end > self.input.now) =>
            {
                rules.push("old policies stay until AWS enforces the new ones everywhere");
            }
            Some(_) => {}
        }
        rules
    }

    /// Are all policies of the account's revision attached as they should be, and has a read shown it? Since when at the
    /// earliest; without policies since ever.
    fn guarded(&self, desired: &DesiredAccount, account: &AccountId) -> Option<Timestamp> {
        let policies = &self.input.observed.policies;
        let mut since = Timestamp::MIN;
        for wanted in desired.policies.iter() {
            let found = self.found(wanted)?;
            let attachments = policies.attached(account, &wanted.policy_type)?;
            match attachments.policies.get(&found.id)? {
                Evidence::Read(at) => since = since.max(*at),
                Evidence::Attached(_) => return None,
            }
        }
        Some(since)
    }

    /// The policy that is wanted, if it is trusted.
    fn found(&self, wanted: &DesiredPolicy) -> Option<&'a ObservedPolicy> {
        let types = &self.input.observed.policies.types;
        let name = (&wanted.policy_type, wanted.name.as_str());
        self.named().get(&name).copied().filter(|found| {
            self.is_ours(&found.id)
                && found.says(&wanted.content)
                && types.get(&wanted.policy_type) == Some(&PolicyTypeState::Enabled)
        })
    }

    fn desired(&self, step: &Step) -> Option<&'a DesiredAccount> {
        self.input.desired.accounts.get(step.key.as_ref()?)
    }

    fn is_ours(&self, id: &PolicyId) -> bool {
        let policy = self.input.observed.policies.by_id.get(id);
        policy.is_some_and(|policy| {
            policy.is_of(self.input.desired.installation.as_str()) && !policy.aws_managed
        })
    }

    fn is_unused(&self, id: &PolicyId, name: &str, policy_type: &PolicyType) -> bool {
        let policies = &self.input.observed.policies;
        let patience = self.input.limits.policies.delete_unused_after;
        let wanted = self
            .wanted()
            .iter()
            .any(|wanted| wanted.name == name && wanted.policy_type == *policy_type);
        let unused = policies.unattached_since(id).is_some_and(|since| {
            since.checked_add(patience).is_ok_and(|end| end <= self.input.now)
                && policies.listed().is_some_and(|listed| listed >= since + READ_LAG)
        });
        !wanted && unused
    }

    fn was_in_force(&self, policy_type: &PolicyType) -> bool {
        self.input.desired.accounts.values().any(|desired| {
            let entry = self.input.journal.get(&desired.key);
            entry.is_some_and(|entry| entry.applied.as_ref() == Some(&desired.revision.name))
                && desired
                    .policies
                    .iter()
                    .any(|policy| policy.policy_type == *policy_type)
        })
    }

    fn named(&self) -> &BTreeMap<(&'a PolicyType, &'a str), &'a ObservedPolicy> {
        self.named.get_or_init(|| {
            let policies = self.input.observed.policies.by_id.values();
            policies
                .map(|policy| ((&policy.policy_type, policy.name.as_str()), policy))
                .collect()
        })
    }

    fn wanted(&self) -> &BTreeSet<&'a DesiredPolicy> {
        self.wanted.get_or_init(|| {
            let mut lists = BTreeSet::new();
            let accounts = self.input.desired.accounts.values();
            accounts
                .filter(|desired| lists.insert(desired.policies.as_ptr().addr()))
                .flat_map(|desired| desired.policies.iter())
                .collect()
        })
    }
}
