//! The policies of the toy: limits, lists that lag, and a judge of whether an account has all policies of one revision.

use super::{
    toy::{Dice, Failure},
    *,
};
use model::{Effect, HoldKind, PolicyContent, PolicyId, PolicyTarget, PolicyTypeState};

pub(super) const FULL_ACCESS: &str = "p-FullAWSAccess";

pub(super) fn scp() -> PolicyType {
    PolicyType::service_control()
}
pub(super) fn policy_id(id: &str) -> PolicyId {
    PolicyId::parse(id).unwrap()
}
/// A policy that a revision wants: another letter is another content.
pub(super) fn wanted_policy(letter: char) -> DesiredPolicy {
    DesiredPolicy {
        name: format!("bulkhead-acme-prod-{letter}"),
        policy_type: scp(),
        content: PolicyContent::parse(&format!("{{\"Sid\":\"{letter}\"}}")).unwrap(),
        parts: vec![],
    }
}
pub(super) fn wanted_policies(letters: &str) -> Arc<[DesiredPolicy]> {
    letters.chars().map(wanted_policy).collect()
}
pub(super) fn full_access() -> ObservedPolicy {
    ObservedPolicy {
        id: policy_id(FULL_ACCESS),
        name: "FullAWSAccess".into(),
        policy_type: scp(),
        aws_managed: true,
        content: None,
        tags: None,
    }
}
/// The policy as we make it.
pub(super) fn made(wanted: &DesiredPolicy, id: &str) -> ObservedPolicy {
    ObservedPolicy {
        id: policy_id(id),
        name: wanted.name.clone(),
        policy_type: wanted.policy_type.clone(),
        aws_managed: false,
        content: Some(wanted.content.clone()),
        tags: Some(tags(&[(tag_keys::MANAGED, "acme")])),
    }
}

/// What an account has, and what each of the two lists shows of it until it catches up.
#[derive(Clone, Default)]
struct Attached {
    real: BTreeSet<PolicyId>,
    shown: [(BTreeSet<PolicyId>, Option<Timestamp>); 2],
}

/// All policies as AWS has them.
pub(super) struct ToyPolicies {
    /// The type is enabled from then on; `None`: nobody has asked for it.
    pub(super) enabled: Option<Timestamp>,
    /// With the moment lists begin to show each.
    pub(super) by_id: BTreeMap<PolicyId, (ObservedPolicy, Timestamp)>,
    attached: BTreeMap<AccountId, Attached>,
    /// What revisions say: an account must always have all of one.
    pub(super) revisions: Vec<Arc<[DesiredPolicy]>>,
    /// Somebody changes policies behind our back: then nothing can be demanded at each moment.
    pub(super) meddled: bool,
    serial: u64,
}

impl ToyPolicies {
    pub(super) fn new() -> Self {
        Self {
            enabled: Some(at(0)),
            by_id: BTreeMap::from([(policy_id(FULL_ACCESS), (full_access(), at(0)))]),
            attached: BTreeMap::new(),
            revisions: vec![],
            meddled: false,
            serial: 0,
        }
    }

    pub(super) fn born(&mut self, account: &AccountId) {
        let full = BTreeSet::from([policy_id(FULL_ACCESS)]);
        let attached = Attached {
            real: full.clone(),
            shown: [(full.clone(), None), (full, None)],
        };
        self.attached.insert(account.clone(), attached);
    }

    pub(super) fn types(&self, now: Timestamp) -> BTreeMap<PolicyType, PolicyTypeState> {
        let state = |at: Timestamp| {
            if at <= now {
                PolicyTypeState::Enabled
            } else {
                PolicyTypeState::PendingEnable
            }
        };
        self.enabled.map(|at| (scp(), state(at))).into_iter().collect()
    }

    pub(super) fn list(&self, now: Timestamp) -> Vec<ObservedPolicy> {
        let shown = self.by_id.values().filter(|(_, listed)| *listed <= now);
        shown.map(|(policy, _)| policy.clone()).collect()
    }

    fn shown(&mut self, account: &AccountId, list: usize, now: Timestamp) -> BTreeSet<PolicyId> {
        let attached = self.attached.entry(account.clone()).or_default();
        let (shown, fresh) = &mut attached.shown[list];
        if fresh.is_none_or(|fresh| fresh <= now) {
            (*shown, *fresh) = (attached.real.clone(), None);
        }
        shown.clone()
    }

    /// What the account itself says.
    pub(super) fn of_account(&mut self, account: &AccountId, now: Timestamp) -> Vec<(PolicyId, String)> {
        let ids = self.shown(account, 0, now);
        ids.into_iter().map(|id| (id, "a name".into())).collect()
    }

    /// What a listing of everything says.
    pub(super) fn everything(&mut self, now: Timestamp) -> ListedPolicies {
        if self.enabled.is_none_or(|at| at > now) {
            return ListedPolicies::default();
        }
        let policies = self.list(now);
        let customer = policies.iter().filter(|policy| !policy.aws_managed);
        let mut targets: BTreeMap<PolicyId, BTreeSet<PolicyTarget>> = customer
            .map(|policy| (policy.id.clone(), BTreeSet::new()))
            .collect();
        for account in self.attached.keys().cloned().collect::<Vec<_>>() {
            for id in self.shown(&account, 1, now) {
                if let Some(targets) = targets.get_mut(&id) {
                    targets.insert(PolicyTarget::Account(account.clone()));
                }
            }
        }
        ListedPolicies {
            policies,
            attachments: targets.into_iter().collect(),
        }
    }

    /// Names of what the account really has, AWS's own left out.
    pub(super) fn names(&self, account: &AccountId) -> BTreeSet<String> {
        let ids = self.attached.get(account).into_iter().flat_map(|a| &a.real);
        let names = ids.filter(|id| id.as_str() != FULL_ACCESS);
        names.map(|id| self.by_id[id].0.name.clone()).collect()
    }

    /// Names of all policies of ours.
    pub(super) fn own(&self) -> BTreeSet<String> {
        let all = self.by_id.values().map(|(policy, _)| policy);
        all.filter(|policy| policy.is_of("acme"))
            .map(|policy| policy.name.clone())
            .collect()
    }

    /// Has the account all policies of some revision, with their content?
    pub(super) fn is_guarded(&self, account: &AccountId) -> bool {
        let real: Vec<&ObservedPolicy> = self
            .attached
            .get(account)
            .into_iter()
            .flat_map(|attached| &attached.real)
            .map(|id| &self.by_id[id].0)
            .collect();
        let has = |wanted: &DesiredPolicy| {
            real.iter()
                .any(|policy| policy.name == wanted.name && policy.says(&wanted.content))
        };
        self.revisions.is_empty() || self.revisions.iter().any(|revision| revision.iter().all(has))
    }

    /// Somebody attaches or detaches; the lists lag.
    pub(super) fn change(
        &mut self,
        account: &AccountId,
        dice: &mut Dice,
        now: Timestamp,
        change: impl FnOnce(&mut BTreeSet<PolicyId>),
    ) {
        for list in 0..2 {
            self.shown(account, list, now);
        }
        let attached = self.attached.entry(account.clone()).or_default();
        change(&mut attached.real);
        for (_, fresh) in &mut attached.shown {
            *fresh = Some(now.checked_add(secs(dice.below(40))).unwrap());
        }
    }

    /// Somebody writes a policy of their own.
    pub(super) fn foreign(&mut self, name: &str, now: Timestamp) -> PolicyId {
        self.serial += 1;
        let id = policy_id(&format!("p-foreign{:04}", self.serial));
        let policy = ObservedPolicy {
            name: name.into(),
            tags: Some(Tags::new()),
            ..made(&wanted_policy('z'), id.as_str())
        };
        self.by_id.insert(id.clone(), (policy, now));
        id
    }

    /// A policy of ours that is attached to the account.
    pub(super) fn any_own(&self, account: &AccountId) -> Option<PolicyId> {
        let ids = self.attached.get(account)?.real.iter();
        let mut own = ids.filter(|id| self.by_id[*id].0.is_of("acme"));
        own.next().cloned()
    }

    /// A call about policies arrives at AWS.
    pub(super) fn receives(
        &mut self,
        action: &Action,
        dice: &mut Dice,
        now: Timestamp,
        violations: &mut Vec<String>,
    ) -> Result<Effect, Failure> {
        let reobserve = Failure::Refused(HoldKind::Retry, Reason::Reobserving);
        match action {
            Action::EnablePolicyType { policy_type } => {
                let ready = now.checked_add(secs(dice.below(30))).unwrap();
                self.enabled.get_or_insert(ready);
                Ok(Effect::PolicyTypeEnabled(policy_type.clone()))
            }
            Action::CreatePolicy { policy } => {
                if self.by_id.values().any(|(known, _)| known.name == policy.name) {
                    return Err(reobserve);
                }
                self.serial += 1;
                let made = made(policy, &format!("p-own{:08}", self.serial));
                let listed = now.checked_add(secs(dice.below(20))).unwrap();
                self.by_id.insert(made.id.clone(), (made.clone(), listed));
                Ok(Effect::PolicyCreated(made))
            }
            Action::UpdatePolicy { id, policy } => {
                let known = self.own_policy(id, violations).ok_or(reobserve)?;
                known.content = Some(policy.content.clone());
                Ok(Effect::PolicyUpdated {
                    id: id.clone(),
                    content: policy.content.clone(),
                })
            }
            Action::DeletePolicy { id, .. } => {
                self.own_policy(id, violations).ok_or(reobserve)?;
                if self.attached.values().any(|attached| attached.real.contains(id)) {
                    return Err(reobserve);
                }
                self.by_id.remove(id);
                Ok(Effect::PolicyDeleted {
                    id: id.clone(),
                    policy_type: scp(),
                })
            }
            Action::AttachPolicy {
                policy,
                policy_type,
                account,
            } => {
                self.own_policy(policy, violations).ok_or(reobserve)?;
                if self.attached[account].real.len() >= 10 {
                    return Err(Failure::Refused(HoldKind::Stalled, Reason::PolicyLimitExceeded));
                }
                self.change(account, dice, now, |real| {
                    real.insert(policy.clone());
                });
                Ok(Effect::PolicyAttached {
                    policy: policy.clone(),
                    policy_type: policy_type.clone(),
                    account: account.clone(),
                })
            }
            Action::DetachPolicy {
                policy,
                policy_type,
                account,
            } => {
                self.own_policy(policy, violations).ok_or(reobserve)?;
                self.change(account, dice, now, |real| {
                    real.remove(policy);
                });
                if self.attached[account].real.is_empty() {
                    violations.push(format!("the last policy of {account} is detached"));
                }
                if !self.meddled && !self.is_guarded(account) {
                    violations.push(format!(
                        "{account} has all policies of no revision: {:?}",
                        self.names(account)
                    ));
                }
                Ok(Effect::PolicyDetached {
                    policy: policy.clone(),
                    policy_type: policy_type.clone(),
                    account: account.clone(),
                })
            }
            _ => unreachable!("not a call about policies"),
        }
    }

    fn own_policy(&mut self, id: &PolicyId, violations: &mut Vec<String>) -> Option<&mut ObservedPolicy> {
        let (policy, _) = self.by_id.get_mut(id)?;
        if !policy.is_of("acme") {
            violations.push(format!("{id} is not ours"));
        }
        Some(policy)
    }
}
