//! What all objects together want of policies, found out when somebody asks.

use crate::{
    Input,
    ascending::ascending,
    policies::given::{beside_wishes, content},
};
use model::{DesiredPolicy, PolicyType};
use std::{cell::OnceCell, collections::BTreeSet, sync::Arc};

/// What all objects together want.
#[derive(Debug, Default)]
pub(crate) struct Wishes<'a> {
    policies: OnceCell<BTreeSet<(&'a PolicyType, &'a str)>>,
    in_force: OnceCell<BTreeSet<&'a PolicyType>>,
}

impl<'a> Wishes<'a> {
    /// Every policy that some account is to have, by type and name.
    pub(crate) fn policies(&self, input: &Input<'a>) -> &BTreeSet<(&'a PolicyType, &'a str)> {
        self.policies.get_or_init(|| {
            let wishes = input.desired.accounts.values().map(|account| &account.policies);
            distinct(wishes.chain(beside_wishes(input)))
                .flat_map(|policies| policies.iter())
                .map(|policy| (&policy.policy_type, policy.name.as_str()))
                .collect()
        })
    }

    /// The types of policies that some account has had in full.
    pub(crate) fn in_force(&self, input: &Input<'a>) -> &BTreeSet<&'a PolicyType> {
        self.in_force.get_or_init(|| {
            let mut journal = ascending(input.journal.iter());
            let desired = input.desired;
            let accounts = desired.accounts.iter().filter_map(|(key, account)| {
                let applied = journal.get(key)?.applied.as_ref()?;
                if *applied == account.revision.name {
                    Some(&account.policies)
                } else {
                    content(desired, applied, &account.environment)
                }
            });
            let kept = desired.kept.values().filter_map(|kept| {
                let applied = input.journal.get(&kept.key)?.applied.as_ref()?;
                content(desired, applied, &kept.environment)
            });
            distinct(accounts.chain(kept))
                .flat_map(|policies| policies.iter().map(|policy| &policy.policy_type))
                .collect()
        })
    }
}

/// Accounts of one revision and environment share their list of policies: each list once.
fn distinct<'a>(
    lists: impl Iterator<Item = &'a Arc<[DesiredPolicy]>>,
) -> impl Iterator<Item = &'a Arc<[DesiredPolicy]>> {
    let mut seen = BTreeSet::new();
    lists.filter(move |policies| seen.insert(policies.as_ptr().addr()))
}
