//! The brake: budgets of changes per window of time, and what of them is spent.
//!
//! What is spent is kept in coarse slots, so that the stored state is bounded whatever the limits are: a creation is
//! counted in the five minutes and in the hour it was sent in, a mass change in the twelfth of its window. A slot counts
//! until a whole window after its end, and so never too short: no window of time, wherever it begins, holds more than
//! the budget. The price is at most one slot's length of waiting (8 % of an hour, 4 % of a day).

use crate::AccountId;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A change that a budget counts, right before it is sent. Sent is what counts, not success: nobody knows of a crash in
/// between whether the call went out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Change {
    /// One CreateAccount call.
    Creation,
    /// This account is moved to another organizational unit.
    Move(AccountId),
    /// The policies attached to this account change.
    Policies(AccountId),
}

/// How many accounts may be changed in a window. Each account counts once, however often it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MassChange {
    /// The window, at least a minute.
    pub window: SignedDuration,
    /// Distinct accounts per kind of change; 0 forbids it.
    pub max_accounts: u32,
}

/// The budgets. `None` has no limit, 0 allows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Brake {
    /// CreateAccount calls in any hour.
    pub creations_per_hour: Option<u32>,
    /// CreateAccount calls in any 24 hours.
    pub creations_per_day: Option<u32>,
    /// Moves, and changes of policies: each kind has this budget of its own.
    pub mass_change: Option<MassChange>,
}

/// One budget, by the key that sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Budget {
    /// `creation.perHour`.
    CreationsPerHour,
    /// `creation.perDay`.
    CreationsPerDay,
    /// `massChange`, for moves.
    Moves,
    /// `massChange`, for changes of policies.
    Policies,
}

impl Budget {
    /// Every budget.
    pub const ALL: [Self; 4] = [
        Self::CreationsPerHour,
        Self::CreationsPerDay,
        Self::Moves,
        Self::Policies,
    ];

    /// The word for it in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreationsPerHour => "CreationsPerHour",
            Self::CreationsPerDay => "CreationsPerDay",
            Self::Moves => "Moves",
            Self::Policies => "Policies",
        }
    }
}

/// What is left of one budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Room {
    /// Which budget.
    pub budget: Budget,
    /// Its limit.
    pub limit: u32,
    /// Its window.
    pub window: SignedDuration,
    /// What may still be begun now.
    pub left: u32,
    /// When some of what is spent comes back; `None` when nothing is spent. Does not change while nothing is spent.
    pub frees: Option<Timestamp>,
}

/// What is spent: by the start of its slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spending {
    /// Creations by slots of five minutes.
    pub creations_by_5_minutes: BTreeMap<Timestamp, u32>,
    /// Creations by slots of an hour.
    pub creations_by_hour: BTreeMap<Timestamp, u32>,
    /// Accounts that were moved, by slots of a twelfth of the window.
    pub moves: BTreeMap<Timestamp, BTreeSet<AccountId>>,
    /// Accounts whose policies were changed, likewise.
    pub policies: BTreeMap<Timestamp, BTreeSet<AccountId>>,
}

/// How a window is cut.
#[derive(Clone, Copy)]
struct Slots {
    window: SignedDuration,
    length: SignedDuration,
}

impl Slots {
    const HOUR: Self = Self {
        window: HOUR,
        length: SignedDuration::from_mins(5),
    };
    const DAY: Self = Self {
        window: DAY,
        length: HOUR,
    };

    fn of(mass_change: MassChange) -> Self {
        let seconds = (mass_change.window.as_secs() / 12).max(1);
        Self {
            window: mass_change.window,
            length: SignedDuration::from_secs(seconds),
        }
    }

    /// The start of the slot that holds this moment.
    fn slot(self, at: Timestamp) -> Timestamp {
        let length = self.length.as_secs().max(1);
        let second = at.as_second().div_euclid(length) * length;
        Timestamp::from_second(second).unwrap_or(at)
    }

    /// When what was begun in this slot does not count any more.
    fn ends(self, slot: Timestamp) -> Timestamp {
        slot.checked_add(self.length + self.window)
            .unwrap_or(Timestamp::MAX)
    }

    fn counts(self, slot: Timestamp, now: Timestamp) -> bool {
        self.ends(slot) > now
    }

    fn room<T>(
        self,
        budget: Budget,
        limit: u32,
        (spent, slots): (usize, &BTreeMap<Timestamp, T>),
        now: Timestamp,
    ) -> Room {
        let oldest = slots.keys().find(|slot| self.counts(**slot, now));
        Room {
            budget,
            limit,
            window: self.window,
            left: limit.saturating_sub(u32::try_from(spent).unwrap_or(u32::MAX)),
            frees: oldest.map(|slot| self.ends(*slot)),
        }
    }

    fn creations(self, budget: Budget, limit: u32, slots: &BTreeMap<Timestamp, u32>, now: Timestamp) -> Room {
        let counted = slots.iter().filter(|(slot, _)| self.counts(**slot, now));
        let spent: u64 = counted.map(|(_, count)| u64::from(*count)).sum();
        let spent = usize::try_from(spent).unwrap_or(usize::MAX);
        self.room(budget, limit, (spent, slots), now)
    }

    fn accounts(self, budget: Budget, limit: u32, slots: &Accounts, now: Timestamp) -> Room {
        self.room(budget, limit, (self.changed(slots, now).len(), slots), now)
    }

    /// The accounts that count now.
    fn changed(self, slots: &Accounts, now: Timestamp) -> BTreeSet<&AccountId> {
        let counted = slots.iter().filter(|(slot, _)| self.counts(**slot, now));
        counted.flat_map(|(_, accounts)| accounts).collect()
    }
}

type Accounts = BTreeMap<Timestamp, BTreeSet<AccountId>>;

impl Brake {
    /// Does a budget count this change?
    pub const fn counts(&self, change: &Change) -> bool {
        match change {
            Change::Creation => self.creations_per_hour.is_some() || self.creations_per_day.is_some(),
            Change::Move(_) | Change::Policies(_) => self.mass_change.is_some(),
        }
    }

    /// What is left of each budget that there is.
    pub fn rooms(&self, spending: &Spending, now: Timestamp) -> Vec<Room> {
        let mut rooms = Vec::new();
        let Spending {
            creations_by_5_minutes,
            creations_by_hour,
            moves,
            policies,
        } = spending;
        if let Some(limit) = self.creations_per_hour {
            let budget = Budget::CreationsPerHour;
            rooms.push(Slots::HOUR.creations(budget, limit, creations_by_5_minutes, now));
        }
        if let Some(limit) = self.creations_per_day {
            rooms.push(Slots::DAY.creations(Budget::CreationsPerDay, limit, creations_by_hour, now));
        }
        if let Some(mass) = self.mass_change {
            let slots = Slots::of(mass);
            rooms.push(slots.accounts(Budget::Moves, mass.max_accounts, moves, now));
            rooms.push(slots.accounts(Budget::Policies, mass.max_accounts, policies, now));
        }
        rooms
    }

    /// What is left for creations: of the budget that has the least, and of several the one that frees last.
    pub fn creations(&self, spending: &Spending, now: Timestamp) -> Option<Room> {
        let rooms = self.rooms(spending, now).into_iter();
        rooms
            .filter(|room| matches!(room.budget, Budget::CreationsPerHour | Budget::CreationsPerDay))
            .min_by_key(|room| (room.left, std::cmp::Reverse(room.frees)))
    }

    /// What is left for moves.
    pub fn moves(&self, spending: &Spending, now: Timestamp) -> Option<Room> {
        let mut rooms = self.rooms(spending, now).into_iter();
        rooms.find(|room| room.budget == Budget::Moves)
    }

    /// What is left for changes of policies.
    pub fn policies(&self, spending: &Spending, now: Timestamp) -> Option<Room> {
        let mut rooms = self.rooms(spending, now).into_iter();
        rooms.find(|room| room.budget == Budget::Policies)
    }

    /// Accounts that were moved in the window: another move of them costs nothing.
    pub fn moved<'s>(&self, spending: &'s Spending, now: Timestamp) -> BTreeSet<&'s AccountId> {
        self.mass_change
            .map(|mass| Slots::of(mass).changed(&spending.moves, now))
            .unwrap_or_default()
    }

    /// Accounts whose policies were changed in the window: another change of them costs nothing.
    pub fn changed<'s>(&self, spending: &'s Spending, now: Timestamp) -> BTreeSet<&'s AccountId> {
        self.mass_change
            .map(|mass| Slots::of(mass).changed(&spending.policies, now))
            .unwrap_or_default()
    }

    /// May this change be begun?
    pub fn admits(&self, spending: &Spending, change: &Change, now: Timestamp) -> bool {
        let left = |room: Option<Room>| room.is_none_or(|room| room.left > 0);
        match change {
            Change::Creation => left(self.creations(spending, now)),
            Change::Move(account) => {
                self.moved(spending, now).contains(account) || left(self.moves(spending, now))
            }
            Change::Policies(account) => {
                self.changed(spending, now).contains(account) || left(self.policies(spending, now))
            }
        }
    }

    /// What is spent once this change is counted; what does not count any more is dropped.
    #[must_use]
    pub fn spend(&self, spending: &Spending, change: &Change, now: Timestamp) -> Spending {
        let mut spent = spending.clone();
        let mass = self.mass_change.map(Slots::of);
        match (change, mass) {
            (Change::Creation, _) => {
                for (slots, counts) in [
                    (Slots::HOUR, &mut spent.creations_by_5_minutes),
                    (Slots::DAY, &mut spent.creations_by_hour),
                ] {
                    let count = counts.entry(slots.slot(now)).or_default();
                    *count = count.saturating_add(1);
                }
            }
            (Change::Move(account), Some(slots)) => note(&mut spent.moves, slots, account, now),
            (Change::Policies(account), Some(slots)) => note(&mut spent.policies, slots, account, now),
            (Change::Move(_) | Change::Policies(_), None) => {}
        }
        let Spending {
            creations_by_5_minutes,
            creations_by_hour,
            moves,
            policies,
        } = &mut spent;
        creations_by_5_minutes.retain(|slot, _| Slots::HOUR.counts(*slot, now));
        creations_by_hour.retain(|slot, _| Slots::DAY.counts(*slot, now));
        for accounts in [moves, policies] {
            accounts.retain(|slot, _| mass.is_none_or(|slots| slots.counts(*slot, now)));
        }
        spent
    }
}

/// Counts the account in the slot of now, and in no earlier one any more: it is one account, last changed now.
fn note(accounts: &mut Accounts, slots: Slots, account: &AccountId, now: Timestamp) {
    for earlier in accounts.values_mut() {
        earlier.remove(account);
    }
    accounts.retain(|_, accounts| !accounts.is_empty());
    accounts
        .entry(slots.slot(now))
        .or_default()
        .insert(account.clone());
}

impl Spending {
    /// The same with nothing after `at`: what a clock that was ahead has dated into the future was begun before now.
    /// Without this, a clock that was a year ahead for a moment would close the budget for a year.
    #[must_use]
    pub fn not_after(self, at: Timestamp) -> Self {
        let sums = |counts: BTreeMap<Timestamp, u32>| {
            let mut kept = BTreeMap::new();
            for (slot, count) in counts {
                let sum: &mut u32 = kept.entry(slot.min(at)).or_default();
                *sum = sum.saturating_add(count);
            }
            kept
        };
        let unions = |counts: Accounts| {
            let mut kept = Accounts::new();
            for (slot, accounts) in counts {
                kept.entry(slot.min(at)).or_default().extend(accounts);
            }
            kept
        };
        Self {
            creations_by_5_minutes: sums(self.creations_by_5_minutes),
            creations_by_hour: sums(self.creations_by_hour),
            moves: unions(self.moves),
            policies: unions(self.policies),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + seconds).unwrap()
    }
    fn account(number: u64) -> AccountId {
        AccountId::parse(&format!("1{number:011}")).unwrap()
    }
    fn hourly(limit: u32) -> Brake {
        Brake {
            creations_per_hour: Some(limit),
            ..Brake::default()
        }
    }

    #[test]
    fn a_budget_comes_back_a_window_after_its_slot_has_ended() {
        let brake = hourly(2);
        let mut spending = Spending::default();
        assert_eq!(brake.creations(&spending, at(0)).unwrap().frees, None);
        for second in [10, 250] {
            assert!(brake.admits(&spending, &Change::Creation, at(second)));
            spending = brake.spend(&spending, &Change::Creation, at(second));
        }
        let room = brake.creations(&spending, at(260)).unwrap();
        assert_eq!((room.left, room.frees), (0, Some(at(3900))));
        assert_eq!(
            brake.creations(&spending, at(3899)).unwrap(),
            room,
            "nothing changes while nothing is spent"
        );
        assert!(!brake.admits(&spending, &Change::Creation, at(3899)));
        assert!(brake.admits(&spending, &Change::Creation, at(3900)));
    }

    #[test]
    fn without_a_limit_nothing_is_counted_and_zero_allows_nothing() {
        let off = Brake::default();
        assert!(!off.counts(&Change::Creation) && !off.counts(&Change::Move(account(1))));
        assert!(off.admits(&Spending::default(), &Change::Creation, at(0)));
        assert!(off.rooms(&Spending::default(), at(0)).is_empty());
        assert!(!hourly(0).admits(&Spending::default(), &Change::Creation, at(0)));
        assert_eq!(
            hourly(0).creations(&Spending::default(), at(0)).unwrap().frees,
            None
        );
    }

    #[test]
    fn of_hour_and_day_the_tighter_one_speaks() {
        let brake = Brake {
            creations_per_hour: Some(3),
            creations_per_day: Some(4),
            mass_change: None,
        };
        let mut spending = Spending::default();
        for _ in 0..3 {
            spending = brake.spend(&spending, &Change::Creation, at(0));
        }
        assert_eq!(
            brake.creations(&spending, at(1)).unwrap().budget,
            Budget::CreationsPerHour
        );
        spending = brake.spend(&spending, &Change::Creation, at(3900));
        let room = brake.creations(&spending, at(3901)).unwrap();
        assert_eq!(
            (room.budget, room.left, room.frees),
            (Budget::CreationsPerDay, 0, Some(at(25 * 3600)))
        );
    }

    #[test]
    fn an_account_counts_once_and_from_its_last_change() {
        let brake = Brake {
            mass_change: Some(MassChange {
                window: HOUR,
                max_accounts: 2,
            }),
            ..Brake::default()
        };
        let mut spending = Spending::default();
        for (second, number) in [(0, 1), (10, 2), (1000, 1)] {
            let change = Change::Move(account(number));
            assert!(brake.admits(&spending, &change, at(second)));
            spending = brake.spend(&spending, &change, at(second));
        }
        assert!(!brake.admits(&spending, &Change::Move(account(3)), at(1001)));
        assert!(brake.admits(&spending, &Change::Policies(account(3)), at(1001)));
        // Number 2 comes back first; number 1 counts from its second move on.
        assert!(brake.admits(&spending, &Change::Move(account(3)), at(3900)));
        spending = brake.spend(&spending, &Change::Move(account(3)), at(3900));
        assert!(!brake.admits(&spending, &Change::Move(account(4)), at(3901)));
        assert_eq!(spending.moves.len(), 2, "what does not count is dropped");
    }

    #[test]
    fn a_clock_that_was_ahead_closes_nothing_for_longer_than_a_window() {
        let brake = hourly(1);
        let year = 365 * 24 * 3600;
        let ahead = brake.spend(&Spending::default(), &Change::Creation, at(year));
        assert!(
            !brake.admits(&ahead, &Change::Creation, at(0)),
            "by itself it would close it for a year"
        );
        let redated = ahead.not_after(at(0));
        assert!(!brake.admits(&redated, &Change::Creation, at(3599)));
        assert!(brake.admits(&redated, &Change::Creation, at(3900)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

        /// However creations are asked for, no hour and no day holds more than its budget, and what is stored is bounded.
        #[test]
        fn no_window_holds_more_than_the_budget(gaps in prop::collection::vec(0_i64..4000, 1..400), hour in 1_u32..8, day in 1_u32..40) {
            let brake = Brake { creations_per_hour: Some(hour), creations_per_day: Some(day), mass_change: None };
            let (mut spending, mut now, mut sent) = (Spending::default(), 0, Vec::new());
            for gap in gaps {
                now += gap;
                if brake.admits(&spending, &Change::Creation, at(now)) {
                    spending = brake.spend(&spending, &Change::Creation, at(now));
                    sent.push(now);
                }
                prop_assert!(spending.creations_by_5_minutes.len() <= 14 && spending.creations_by_hour.len() <= 26);
            }
            for (window, limit) in [(3600, hour), (86_400, day)] {
                for first in &sent {
                    let within = sent.iter().filter(|at| (*first..*first + window).contains(*at)).count();
                    prop_assert!(within <= limit as usize, "{within} of {limit} in {window} s");
                }
            }
        }
    }
}
