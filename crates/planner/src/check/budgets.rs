//! Rules about what budgets count.

use crate::{Input, revision};
use model::{AccountId, Action, Assigned, AssignedBy, Budget, Change, ParentId, Plan, Step};
use std::collections::BTreeSet;

/// Something that a budget counts is not counted, or more is begun than is left.
pub(super) fn over_budget(input: &Input<'_>, plan: &Plan) -> Option<String> {
    let brake = &input.limits.brake;
    let uncounted = plan.steps.iter().find(|step| match &step.action {
        Action::CreateAccount { .. } => {
            brake.counts(&Change::Creation) && step.spends != Some(Change::Creation)
        }
        Action::MoveAccount { account, from, .. } => {
            let counted = Change::Move(account.clone());
            matches!(from, ParentId::Ou(_)) && brake.counts(&counted) && step.spends != Some(counted)
        }
        Action::Assign { account, assigned } => {
            let counted = Change::Policies(account.clone());
            changes_revision(input, step, account, assigned)
                && brake.counts(&counted)
                && step.spends != Some(counted)
        }
        _ => false,
    });
    if let Some(step) = uncounted {
        return Some(format!("{} is not counted", step.id));
    }
    let spends: Vec<&Change> = plan
        .steps
        .iter()
        .filter_map(|step| step.spends.as_ref())
        .filter(|change| brake.counts(change))
        .collect();
    if spends.is_empty() {
        return None;
    }
    let Some(spending) = input.spending else {
        return Some("what is spent is not known".to_owned());
    };
    let creations = spends
        .iter()
        .filter(|change| ***change == Change::Creation)
        .count();
    let now = input.spending_now;
    let (moved, changed) = (brake.moved(spending, now), brake.changed(spending, now));
    let (mut moves, mut policies) = (BTreeSet::new(), BTreeSet::new());
    for change in spends {
        match change {
            Change::Move(account) if !moved.contains(account) => drop(moves.insert(account)),
            Change::Policies(account) if !changed.contains(account) => drop(policies.insert(account)),
            Change::Creation | Change::Move(_) | Change::Policies(_) => {}
        }
    }
    brake
        .rooms(spending, input.spending_now)
        .into_iter()
        .find_map(|room| {
            let wanted = match room.budget {
                Budget::CreationsPerHour | Budget::CreationsPerDay => creations,
                Budget::Moves => moves.len(),
                Budget::Policies => policies.len(),
            };
            (u32::try_from(wanted).unwrap_or(u32::MAX) > room.left)
                .then(|| format!("{wanted} planned of {}, {} left", room.budget.as_str(), room.left))
        })
}

/// An account that has a revision gets another one, which it has not had in full and nobody has decided; and it is no way
/// back.
fn changes_revision(input: &Input<'_>, step: &Step, account: &AccountId, assigned: &Assigned) -> bool {
    let entry = step.key.as_ref().and_then(|key| input.journal.get(key));
    let Some((entry, observed)) = entry.zip(input.observed.accounts.get(account)) else {
        return false;
    };
    let carried = revision::carried(observed);
    let known = revision::known_of(entry, observed);
    let decided = known.is_some_and(|known| carried.sequence > known.sequence);
    let before = known
        .map(|known| &known.revision.name)
        .or(carried.revision.as_ref());
    let new = &assigned.revision.name;
    let back = matches!(assigned.by, AssignedBy::Rollback(_));
    !back && !decided && before.is_some_and(|before| before != new) && entry.applied.as_ref() != Some(new)
}
