//! What all objects together want of policies, found out when somebody asks.

use crate::{Input, ascending::ascending};
use model::{DesiredAccount, PolicyType};
use std::{cell::OnceCell, collections::BTreeSet};

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
            distinct(input.desired.accounts.values())
                .flat_map(|account| account.policies.iter())
                .map(|policy| (&policy.policy_type, policy.name.as_str()))
                .collect()
        })
    }

    /// The types of policies that some account has had in full.
    pub(crate) fn in_force(&self, input: &Input<'a>) -> &BTreeSet<&'a PolicyType> {
        self.in_force.get_or_init(|| {
            let mut journal = ascending(input.journal.iter());
            let accounts = input.desired.accounts.iter();
            let applied = accounts.filter(|(key, account)| {
                let entry = journal.get(key);
                entry.is_some_and(|entry| entry.applied.as_ref() == Some(&account.revision.name))
            });
            distinct(applied.map(|(_, account)| account))
                .flat_map(|account| account.policies.iter().map(|policy| &policy.policy_type))
                .collect()
        })
    }
}

/// One account of those that share their list of policies.
fn distinct<'a>(
    accounts: impl Iterator<Item = &'a DesiredAccount>,
) -> impl Iterator<Item = &'a DesiredAccount> {
    let mut seen = BTreeSet::new();
    accounts.filter(move |account| seen.insert(account.policies.as_ptr().addr()))
}
