//! Which policies an account has by the revision it was given, whatever its object asks for now.

use crate::{Input, ascending::ascending, revision};
use model::{DesiredOrg, DesiredPolicy, JournalEntry, ObservedAccount, RevisionName};
use std::sync::Arc;

/// What an account was given.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) policies: &'a Arc<[DesiredPolicy]>,
    /// It is what is assigned, and the account carries it: what is not part of it may go in time. Else it is what the account
    /// had before, or carries and was to get, and is only attached.
    pub(crate) is_assigned: bool,
}

/// The policies of accounts of this environment by a revision; `None`: its content is not at hand.
pub(crate) fn content<'a>(
    desired: &'a DesiredOrg,
    revision: &RevisionName,
    environment: &str,
) -> Option<&'a Arc<[DesiredPolicy]>> {
    desired.revisions.get(revision)?.policies.get(environment)
}

/// What an account was given, as far as that is at hand; `None` also for an account that is ahead of what is known here.
pub(crate) fn given<'a>(
    input: &Input<'a>,
    environment: &str,
    entry: &JournalEntry,
    account: &ObservedAccount,
) -> Option<Given<'a>> {
    let assigned = entry.assigned.as_ref()?;
    if revision::carried(account).sequence > assigned.sequence {
        return None;
    }
    let name = &assigned.revision.name;
    let applied = entry.applied.as_ref();
    if applied == Some(name) || revision::carries(account, assigned) {
        let known = input.desired.revisions.get(name)?;
        let policies = known.policies.get(environment)?;
        return (known.revision == assigned.revision).then_some(Given {
            policies,
            is_assigned: true,
        });
    }
    // One that never had any in full was to get the earlier one that it carries: better that than nothing.
    let carried = revision::carried(account);
    let carried = carried.revision.filter(|_| carried.sequence < assigned.sequence);
    let policies = content(input.desired, applied.or(carried.as_ref())?, environment)?;
    Some(Given {
        policies,
        is_assigned: false,
    })
}

/// What accounts have by a revision that is not the one their objects ask for: those of rejected objects, and those that do
/// not follow yet.
pub(crate) fn beside_wishes<'a>(input: &Input<'a>) -> impl Iterator<Item = &'a Arc<[DesiredPolicy]>> {
    let input = *input;
    let mut journal = ascending(input.journal.iter());
    let of = move |environment: &str, entry: &JournalEntry| {
        let account = input.observed.accounts.get(entry.account_id.as_ref()?)?;
        Some(given(&input, environment, entry, account)?.policies)
    };
    let accounts = input.desired.accounts.iter().filter_map(move |(key, desired)| {
        let entry = journal.get(key)?;
        let assigned = entry.assigned.as_ref()?;
        let follows = assigned.revision == desired.revision;
        (!follows).then(|| of(&desired.environment, entry)).flatten()
    });
    let kept = input.desired.kept.values().filter_map(move |kept| {
        let entry = input.journal.get(&kept.key)?;
        of(&kept.environment, entry)
    });
    accounts.chain(kept)
}
