//! The brake: what the budgets leave room for, and what an object is told that has to wait.
//!
//! The order of the queue decides who gets what is left, so a namespace uses a budget up only while no other has
//! something waiting.

use crate::{Input, account};
use jiff::{SignedDuration, Timestamp};
use model::{
    AccountId, AccountKey, Action, Budget, Change, JournalEntry, ParentId, Plan, Reason, Revision, Room,
    Stage, Step,
};

/// What of a budget this plan may use.
#[derive(Debug)]
pub(crate) enum Allowance {
    /// There is no such budget.
    Unlimited,
    /// What is spent is not known.
    Unknown,
    /// So many; and what is told, and when to plan again, when there are none.
    Left {
        /// So many.
        left: u32,
        /// Made once: thousands may have to be told.
        stage: Stage,
        frees: Option<Timestamp>,
    },
}

impl Allowance {
    fn new(input: &Input<'_>, limited: bool, room: impl FnOnce(&model::Spending) -> Option<Room>) -> Self {
        let soon = input
            .now
            .checked_add(SignedDuration::from_secs(1))
            .unwrap_or(Timestamp::MAX);
        match (limited, input.spending) {
            (false, _) => Self::Unlimited,
            (true, None) => Self::Unknown,
            (true, Some(spending)) => room(spending).map_or(Self::Unlimited, |room| Self::Left {
                left: room.left,
                stage: exhausted(&room),
                // Its clock may run behind ours: a moment that has passed is no time to wake up at.
                frees: room.frees.map(|frees| frees.max(soon)),
            }),
        }
    }

    /// For creations.
    pub(crate) fn creations(input: &Input<'_>) -> Self {
        let brake = &input.limits.brake;
        Self::new(input, brake.counts(&Change::Creation), |spending| {
            brake.creations(spending, input.spending_now)
        })
    }

    fn moves(input: &Input<'_>) -> Self {
        let brake = &input.limits.brake;
        Self::new(input, brake.mass_change.is_some(), |spending| {
            brake.moves(spending, input.spending_now)
        })
    }

    fn policies(input: &Input<'_>) -> Self {
        let brake = &input.limits.brake;
        Self::new(input, brake.mass_change.is_some(), |spending| {
            brake.policies(spending, input.spending_now)
        })
    }

    /// Does it matter who comes next?
    pub(crate) fn any_left(&self) -> bool {
        matches!(self, Self::Left { left, .. } if *left > 0)
    }

    /// Takes one; if there is none, says why, and plans again when there is.
    pub(crate) fn take(&mut self, plan: &mut Plan) -> Result<(), Stage> {
        match self {
            Self::Unlimited => Ok(()),
            Self::Unknown => {
                let message = "what is spent of the budgets cannot be read: the Organization object is missing or cannot be decoded";
                Err(Stage::Pending(Reason::BudgetUnknown, message.into()))
            }
            Self::Left {
                left: 0,
                stage,
                frees,
            } => {
                if let Some(frees) = *frees {
                    plan.wake_at(frees);
                }
                Err(stage.clone())
            }
            Self::Left { left, .. } => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

/// Nothing in it changes while the budget is used up, so status does not either.
fn exhausted(room: &Room) -> Stage {
    let Room {
        budget,
        limit,
        window,
        frees,
        ..
    } = room;
    let (reason, allows, work) = match budget {
        Budget::CreationsPerHour => (
            Reason::CreationBudgetExhausted,
            format!("creation.perHour allows {limit} creations in an hour"),
            "creations",
        ),
        Budget::CreationsPerDay => (
            Reason::CreationBudgetExhausted,
            format!("creation.perDay allows {limit} creations in 24 hours"),
            "creations",
        ),
        Budget::Moves => (
            Reason::MoveBudgetExhausted,
            format!("massChange allows {limit} accounts to be moved in {window:#}"),
            "moves",
        ),
        Budget::Policies => (
            Reason::PolicyBudgetExhausted,
            format!("massChange allows {limit} accounts to get another revision in {window:#}"),
            "changes of revisions",
        ),
    };
    let message = match frees {
        Some(frees) => format!("{allows}, and they are taken; {work} go on at {frees}"),
        None if *limit == 0 => format!("{allows}: {work} are switched off"),
        None => format!("{allows}, and they are taken by others that come first"),
    };
    Stage::Pending(reason, message)
}

/// What a move spends. The first one, out of the root where AWS makes accounts, is part of the creation and was counted
/// with it; every other one counts, also one that repairs drift: a brake that knows good moves from bad ones is none.
pub(crate) fn spent_by_move(
    input: &Input<'_>,
    entry: &JournalEntry,
    account: &AccountId,
    from: &ParentId,
) -> Option<Change> {
    let born = matches!(from, ParentId::Root(_)) && entry.creation.is_some() && entry.verified_role.is_none();
    let change = Change::Move(account.clone());
    (!born && input.limits.brake.counts(&change)).then_some(change)
}

/// What another revision for an account spends: what the account has now is changed. To go back to the revision that it has
/// had in full costs nothing, a brake must not stand in the way of that.
pub(crate) fn spent_by_revision(
    input: &Input<'_>,
    entry: &JournalEntry,
    account: &AccountId,
    revision: &Revision,
) -> Option<Change> {
    let change = Change::Policies(account.clone());
    let back = entry.applied.as_ref() == Some(&revision.name);
    (!back && input.limits.brake.counts(&change)).then_some(change)
}

/// Takes the moves and the new revisions that no budget is left for out of the plan, last ones first, and tells their
/// objects.
pub(crate) fn hold_back(input: &Input<'_>, plan: &mut Plan) {
    let is_counted = |step: &Step| matches!(step.spends, Some(Change::Move(_) | Change::Policies(_)));
    if !plan.steps.iter().any(is_counted) {
        return;
    }
    let brake = &input.limits.brake;
    let (moved, changed) = input
        .spending
        .map(|spending| {
            let now = input.spending_now;
            (brake.moved(spending, now), brake.changed(spending, now))
        })
        .unwrap_or_default();
    let (mut moves, mut policies) = (Allowance::moves(input), Allowance::policies(input));
    let mut braked: Vec<(AccountKey, Stage)> = Vec::new();
    let mut steps = std::mem::take(&mut plan.steps);
    steps.retain(|step| {
        let (allowance, costs) = match (&step.spends, &step.action) {
            (Some(Change::Move(account)), Action::MoveAccount { .. }) => {
                (&mut moves, !moved.contains(account))
            }
            (Some(Change::Policies(account)), Action::Assign { .. }) => {
                (&mut policies, !changed.contains(account))
            }
            _ => return true,
        };
        if !costs {
            return true;
        }
        match (allowance.take(plan), &step.key) {
            (Ok(()), _) => true,
            (Err(stage), key) => {
                braked.extend(key.clone().map(|key| (key, stage)));
                false
            }
        }
    });
    plan.steps = steps;
    for (key, stage) in braked {
        let desired = input.desired.accounts.get(&key);
        if let (Some(view), Some(desired)) = (plan.accounts.get_mut(&key), desired) {
            // One that failed before keeps saying why. An account whose revision is not settled is not moved.
            if matches!(view.placed, Stage::Pending(Reason::Moving, _)) {
                view.placed = stage;
            } else if matches!(view.assigned, Stage::Pending(Reason::AssigningRevision, _)) {
                view.assigned = stage;
            } else {
                continue;
            }
            view.verdict = account::verdict(view, &Stage::Unknown, desired);
        }
    }
}
