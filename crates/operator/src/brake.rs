//! What is spent of the budgets, as the Organization's status keeps it, and the clock it is counted by.

use api::{AccountsSlot, BrakeStatus, CountSlot, Organization};
use jiff::Timestamp;
use model::{AccountId, Brake, Change, Spending};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// The budgets of one term.
///
/// Its clock is the wall clock at the beginning of the term, and runs on by itself from there: a wall clock that is set
/// in between neither opens a budget nor closes it. What an earlier term has dated after this one's beginning was spent
/// before it, whatever the clock said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ledger {
    brake: Brake,
    began: Timestamp,
    origin: Instant,
}

impl Ledger {
    pub(crate) fn new(brake: Brake, began: Timestamp) -> Self {
        Self {
            brake,
            began,
            origin: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.began
            .checked_add(self.origin.elapsed())
            .unwrap_or(Timestamp::MAX)
    }

    /// What is spent; `None` if it cannot be read.
    pub(crate) fn read(&self, organization: &Organization) -> Option<Spending> {
        let now = self.now();
        let status = organization
            .status
            .as_ref()
            .and_then(|status| status.brake.as_ref());
        let spending = status.map_or_else(|| Some(Spending::default()), spending)?;
        let ahead = |slot: Option<&Timestamp>| slot.is_some_and(|slot| *slot > now);
        let any_ahead = ahead(spending.creations_by_5_minutes.keys().next_back())
            || ahead(spending.creations_by_hour.keys().next_back())
            || ahead(spending.moves.keys().next_back())
            || ahead(spending.policies.keys().next_back());
        Some(if any_ahead {
            spending.not_after(self.began)
        } else {
            spending
        })
    }

    /// What is spent once this change is counted; `None` if no budget is left for it.
    pub(crate) fn spend(&self, spending: &Spending, change: &Change) -> Option<Spending> {
        let now = self.now();
        self.brake
            .admits(spending, change, now)
            .then(|| self.brake.spend(spending, change, now))
    }
}

fn spending(status: &BrakeStatus) -> Option<Spending> {
    let BrakeStatus {
        creations_by_5_minutes,
        creations_by_hour,
        moves,
        policy_changes,
    } = status;
    Some(Spending {
        creations_by_5_minutes: counts(creations_by_5_minutes)?,
        creations_by_hour: counts(creations_by_hour)?,
        moves: accounts(moves)?,
        policies: accounts(policy_changes)?,
    })
}

fn counts(slots: &[CountSlot]) -> Option<BTreeMap<Timestamp, u32>> {
    let slots = slots.iter();
    slots
        .map(|slot| Some((slot.started_at, u32::try_from(slot.count).ok()?)))
        .collect()
}

fn accounts(slots: &[AccountsSlot]) -> Option<BTreeMap<Timestamp, BTreeSet<AccountId>>> {
    let ids = |slot: &AccountsSlot| -> Option<BTreeSet<AccountId>> {
        let ids = slot.account_ids.iter();
        ids.map(|id| AccountId::parse(id).ok()).collect()
    };
    slots
        .iter()
        .map(|slot| Some((slot.started_at, ids(slot)?)))
        .collect()
}

/// The same as status keeps it.
pub(crate) fn status(spending: &Spending) -> BrakeStatus {
    let Spending {
        creations_by_5_minutes,
        creations_by_hour,
        moves,
        policies,
    } = spending;
    let counts = |counts: &BTreeMap<Timestamp, u32>| {
        let slot = |(at, count): (&Timestamp, &u32)| CountSlot {
            started_at: *at,
            count: i64::from(*count),
        };
        counts.iter().map(slot).collect()
    };
    let accounts = |accounts: &BTreeMap<Timestamp, BTreeSet<AccountId>>| {
        let slot = |(at, accounts): (&Timestamp, &BTreeSet<AccountId>)| AccountsSlot {
            started_at: *at,
            account_ids: accounts.iter().map(ToString::to_string).collect(),
        };
        accounts.iter().map(slot).collect()
    };
    BrakeStatus {
        creations_by_5_minutes: counts(creations_by_5_minutes),
        creations_by_hour: counts(creations_by_hour),
        moves: accounts(moves),
        policy_changes: accounts(policies),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::MassChange;

    fn brake() -> Brake {
        Brake {
            creations_per_hour: Some(2),
            creations_per_day: Some(9),
            mass_change: Some(MassChange {
                window: jiff::SignedDuration::from_hours(1),
                max_accounts: 3,
            }),
        }
    }
    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + seconds).unwrap()
    }
    fn organization(brake: BrakeStatus) -> Organization {
        Organization {
            status: Some(api::OrganizationStatus {
                brake: Some(brake),
                ..api::OrganizationStatus::default()
            }),
            ..Organization::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_written_is_read_back() {
        let ledger = Ledger::new(brake(), at(0));
        let mut spent = Spending::default();
        let account = AccountId::parse("123456789012").unwrap();
        for change in [
            Change::Creation,
            Change::Move(account.clone()),
            Change::Policies(account),
        ] {
            spent = ledger.spend(&spent, &change).unwrap();
        }
        assert_eq!(ledger.read(&organization(status(&spent))), Some(spent.clone()));
        spent = ledger.spend(&spent, &Change::Creation).unwrap();
        assert_eq!(
            ledger.spend(&spent, &Change::Creation),
            None,
            "the budget of an hour"
        );
        assert_eq!(ledger.read(&Organization::default()), Some(Spending::default()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_is_not_taken_for_nothing() {
        let ledger = Ledger::new(brake(), at(0));
        let wrong = |count, id: &str| {
            organization(BrakeStatus {
                creations_by_hour: vec![CountSlot {
                    started_at: at(0),
                    count,
                }],
                moves: vec![AccountsSlot {
                    started_at: at(0),
                    account_ids: vec![id.to_owned()],
                }],
                ..BrakeStatus::default()
            })
        };
        assert!(ledger.read(&wrong(1, "123456789012")).is_some());
        assert_eq!(ledger.read(&wrong(-1, "123456789012")), None);
        assert_eq!(ledger.read(&wrong(1, "heron")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_term_that_was_dated_into_the_future_counts_from_now() {
        let ahead = Ledger::new(brake(), at(365 * 86_400));
        let mut spent = Spending::default();
        for _ in 0..2 {
            spent = ahead.spend(&spent, &Change::Creation).unwrap();
        }
        let stored = organization(status(&spent));
        let ledger = Ledger::new(brake(), at(0));
        assert_eq!(
            ledger.spend(&ledger.read(&stored).unwrap(), &Change::Creation),
            None
        );
        tokio::time::advance(std::time::Duration::from_secs(3901)).await;
        assert!(
            ledger
                .spend(&ledger.read(&stored).unwrap(), &Change::Creation)
                .is_some()
        );
    }
}
