//! Rules about policies: only ours are touched, and no account is ever without all policies of one revision because of us.

use crate::{
    Input,
    policies::{surplus::READ_AHEAD, types::ENABLE},
    revision,
};
use jiff::{SignedDuration, Timestamp};
use model::{
    AccountId, AccountKey, Action, DesiredAccount, DesiredPolicy, Evidence, JournalEntry, ObservedPolicy,
    ParentId, Plan, PolicyId, PolicyType, PolicyTypeState, READ_LAG, RevisionName, Step,
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

    /// More than one type would be on its way at once.
    pub(super) fn several_types(&self, plan: &Plan) -> Option<String> {
        let steps = plan.steps.iter();
        let mut enabling = steps.filter(|step| matches!(step.action, Action::EnablePolicyType { .. }));
        let first = enabling.next()?;
        let states = &self.input.observed.policies.types;
        let changing = states.values().any(|state| *state != PolicyTypeState::Enabled);
        let asked = self.input.in_flight.iter().any(|step| step.0.starts_with(ENABLE));
        (changing || asked || enabling.next().is_some()).then(|| first.id.to_string())
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
                let may_have = step.key.as_ref().and_then(|key| self.may_have(key, account));
                let wanted = may_have.is_some_and(|policies| {
                    let mut found = policies.iter().filter_map(|wanted| self.found(wanted));
                    found.any(|found| found.id == *policy)
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
                    matches!(to, ParentId::Root(_)) || self.guarded(&desired.policies, account).is_some()
                });
                must(
                    guarded,
                    "no account is moved before the policies of its revision are attached and shown by a read",
                );
                let seen = self
                    .desired(step)
                    .is_none_or(|desired| self.seen(&desired.policies, account, Timestamp::MIN));
                must(
                    !guarded || matches!(to, ParentId::Root(_)) || seen,
                    "no account is moved before it was seen what its policies say, since they are attached",
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
        let key = step.key.as_ref();
        let attaches = matches!(step.action, Action::AttachPolicy { .. });
        let known = |key: &AccountKey| match self.assigned(key) {
            // What the account had, or carries, is put back though the content of what was assigned is not at hand.
            None => attaches && self.may_have(key, account).is_some(),
            Some(_) => true,
        };
        must(
            key.is_some_and(known),
            "policies are those of the assigned revision, or those that the account had",
        );
        let had = |key: &AccountKey| self.carries(key, account) || attaches && self.had(key).is_some();
        must(
            key.is_some_and(had),
            "an account carries its revision before its policies are changed for it",
        );
        let kept = key.and_then(|key| input.desired.kept.get(key));
        must(
            kept.is_none_or(|kept| super::claimed(input, account, kept.claim.as_str())),
            "the account of an object that was not accepted is kept only while it carries the claim",
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
        let key = step.key.as_ref();
        let Some((key, wanted)) = key.and_then(|key| Some((key, self.assigned(key)?))) else {
            return vec!["nothing is taken away from an account that nobody wants"];
        };
        let mut rules = Vec::new();
        let is_wanted = wanted
            .iter()
            .any(|wanted| self.found(wanted).is_some_and(|found| found.id == *policy));
        if is_wanted {
            rules.push("no policy is taken away that the account's revision wants");
        }
        let limits = &self.input.limits.policies;
        let kind = self.input.observed.policies.by_id.get(policy);
        let additive = kind.is_some_and(|policy| policy.policy_type.is_additive());
        match self.guarded(wanted, account) {
            None if self.gives_way(key, wanted, account, policy) => {}
            None => rules.push(
                "old policies stay until those of the account's revision are attached and shown by a read",
            ),
            Some(since) => {
                let overlap = if additive {
                    limits.overlap
                } else {
                    SignedDuration::ZERO
                };
                let end = since.checked_add(overlap).unwrap_or(Timestamp::MAX);
                if end > self.input.now {
                    rules.push("old policies stay until AWS enforces the new ones everywhere");
                } else if !self.seen(wanted, account, end.checked_sub(READ_AHEAD).unwrap_or(since)) {
                    rules.push("old policies stay until it was seen what the new ones say");
                }
            }
        }
        rules
    }

    /// There is no place for all that is wanted, and the policy is left of a revision which the account surely never had in
    /// full: not of the one it had in full last, nor of any other of which all is attached.
    fn gives_way(
        &self,
        key: &AccountKey,
        wanted: &[DesiredPolicy],
        account: &AccountId,
        policy: &PolicyId,
    ) -> bool {
        let observed = &self.input.observed.policies;
        let (Some(policy), Some(types), Some((entry, environment))) = (
            observed.by_id.get(policy),
            observed.attached_to(account),
            self.of(key),
        ) else {
            return false;
        };
        let Some(attachments) = types.get(&policy.policy_type) else {
            return false;
        };
        let ids: Vec<&PolicyId> = types.values().flat_map(|types| types.policies.keys()).collect();
        let attached = |wanted: &DesiredPolicy| {
            ids.iter().any(|id| {
                let known = observed.by_id.get(*id).filter(|_| self.is_ours(id));
                known
                    .is_some_and(|known| known.name == wanted.name && known.policy_type == wanted.policy_type)
            })
        };
        let of_type = wanted
            .iter()
            .filter(|wanted| wanted.policy_type == policy.policy_type);
        let missing = of_type.filter(|wanted| !attached(wanted)).count();
        let foreign = attachments.policies.keys().filter(|id| {
            let is_aws = observed.by_id.get(*id).is_some_and(|policy| policy.aws_managed);
            !is_aws && !self.is_ours(id)
        });
        let kept = self
            .input
            .limits
            .policies
            .reserved_slots
            .saturating_sub(foreign.count());
        let slots = guardrails::limits::limits(&policy.policy_type).slots;
        let names = |policies: &[DesiredPolicy]| {
            let mut policies = policies.iter();
            policies.any(|known| known.name == policy.name && known.policy_type == policy.policy_type)
        };
        let before = match &entry.applied {
            Some(_) => match self.applied(key) {
                Some(before) => before,
                None => return false,
            },
            None => &[],
        };
        let revisions = self.input.desired.revisions.values();
        let lists = revisions.filter_map(|known| known.policies.get(environment));
        let mut others = lists
            .filter(|policies| policies[..] != *wanted && policies[..] != *before && names(policies))
            .peekable();
        attachments.policies.len() + missing + kept > slots
            && !names(before)
            && others.peek().is_some()
            && others.all(|policies| !policies.iter().all(&attached))
    }

    /// Are all of these policies attached as they should be, and has a read shown it? Since when at the earliest; without
    /// policies since ever.
    fn guarded(&self, wanted: &[DesiredPolicy], account: &AccountId) -> Option<Timestamp> {
        let policies = &self.input.observed.policies;
        let mut since = Timestamp::MIN;
        for wanted in wanted {
            let found = self.found(wanted)?;
            let attachments = policies.attached(account, &wanted.policy_type)?;
            match attachments.policies.get(&found.id)? {
                Evidence::Read(at) => since = since.max(*at),
                Evidence::Attached(_) => return None,
            }
        }
        Some(since)
    }

    /// Was it seen what these policies say, as far as they are there, since they are attached and the account carries its
    /// revision, and not before `since`?
    fn seen(&self, wanted: &[DesiredPolicy], account: &AccountId, since: Timestamp) -> bool {
        let mut found = wanted.iter().filter_map(|wanted| self.found(wanted));
        found.all(|found| self.input.observed.is_seen_on(account, found, since))
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

    /// What is remembered of the object, accepted or kept, and its environment.
    fn of(&self, key: &AccountKey) -> Option<(&'a JournalEntry, &'a str)> {
        let desired = self.input.desired.accounts.get(key);
        let kept = self.input.desired.kept.get(key);
        let environment = desired
            .map(|desired| desired.environment.as_str())
            .or_else(|| kept.map(|kept| kept.environment.as_str()))?;
        Some((self.input.journal.get(key)?, environment))
    }

    fn content(&self, revision: &RevisionName, environment: &str) -> Option<&'a [DesiredPolicy]> {
        let known = self.input.desired.revisions.get(revision)?;
        known.policies.get(environment).map(AsRef::as_ref)
    }

    /// The policies of the assigned revision.
    fn assigned(&self, key: &AccountKey) -> Option<&'a [DesiredPolicy]> {
        let (entry, environment) = self.of(key)?;
        let assigned = entry.assigned.as_ref()?;
        let desired = self.input.desired.accounts.get(key);
        if let Some(desired) = desired.filter(|desired| desired.revision == assigned.revision) {
            return Some(&desired.policies);
        }
        let known = self.input.desired.revisions.get(&assigned.revision.name)?;
        self.content(&assigned.revision.name, environment)
            .filter(|_| known.revision == assigned.revision)
    }

    /// The policies of the revision that the account had in full.
    fn applied(&self, key: &AccountKey) -> Option<&'a [DesiredPolicy]> {
        let (entry, environment) = self.of(key)?;
        let applied = entry.applied.as_ref()?;
        let desired = self.input.desired.accounts.get(key);
        let desired = desired.filter(|desired| desired.revision.name == *applied);
        desired.map_or_else(
            || self.content(applied, environment),
            |desired| Some(&desired.policies),
        )
    }

    /// The same; of an account that had none in full, those of the earlier revision that it carries and was to get.
    fn had(&self, key: &AccountKey) -> Option<&'a [DesiredPolicy]> {
        let (entry, environment) = self.of(key)?;
        if entry.applied.is_some() {
            return self.applied(key);
        }
        let (assigned, account) = (entry.assigned.as_ref()?, entry.account_id.as_ref()?);
        let carried = revision::carried(self.input.observed.accounts.get(account)?);
        let earlier = carried
            .revision
            .filter(|_| carried.sequence < assigned.sequence)?;
        self.content(&earlier, environment)
    }

    /// The account carries what is assigned, or has had it in full.
    fn carries(&self, key: &AccountKey, account: &AccountId) -> bool {
        let entry = self.of(key).map(|(entry, _)| entry);
        let observed = self.input.observed.accounts.get(account);
        entry
            .and_then(|entry| Some((entry, entry.assigned.as_ref()?)))
            .is_some_and(|(entry, assigned)| {
                entry.applied.as_ref() == Some(&assigned.revision.name)
                    || observed.is_some_and(|observed| revision::carries(observed, assigned))
            })
    }

    /// What may be attached to the account: what it carries, or else what it had.
    fn may_have(&self, key: &AccountKey, account: &AccountId) -> Option<&'a [DesiredPolicy]> {
        if self.carries(key, account) {
            self.assigned(key)
        } else {
            self.had(key).or_else(|| self.assigned(key))
        }
    }

    /// What an account has that its object does not ask for: it was not accepted, or another revision is to come.
    fn keeps(&self, key: &AccountKey) -> Option<&'a [DesiredPolicy]> {
        let (entry, _) = self.of(key)?;
        let (assigned, account) = (entry.assigned.as_ref()?, entry.account_id.as_ref()?);
        let observed = self.input.observed.accounts.get(account)?;
        let desired = self.input.desired.accounts.get(key);
        let follows = desired.is_some_and(|desired| desired.revision == assigned.revision);
        if follows || revision::carried(observed).sequence > assigned.sequence {
            return None;
        }
        if self.carries(key, account) {
            self.assigned(key)
        } else {
            self.had(key)
        }
    }

    /// Every object, accepted or kept.
    fn keys(&self) -> impl Iterator<Item = &'a AccountKey> + use<'a> {
        let desired = self.input.desired;
        desired.accounts.keys().chain(desired.kept.keys())
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
        self.keys()
            .filter_map(|key| self.applied(key))
            .any(|policies| policies.iter().any(|policy| policy.policy_type == *policy_type))
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
            let mut seen = BTreeSet::new();
            let accounts = self.input.desired.accounts.values();
            let wishes = accounts.map(|desired| desired.policies.as_ref());
            wishes
                .chain(self.keys().filter_map(|key| self.keeps(key)))
                .filter(|policies| seen.insert(policies.as_ptr().addr()))
                .flatten()
                .collect()
        })
    }
}
