//! What is put down before it is left: by an object that is deleted, by an operator that stops.

use crate::{
    creation::{Grace, Standing, look_every_poll, record_request, standing},
    planning::Planning,
};
use model::{AccountKey, Action, Attempt, JournalEntry, Reason};

/// An object on its way out: nothing is begun, what is under way is settled, then the finalizer goes. Retain is the
/// rule: no AWS call.
pub(crate) fn leave(planning: &mut Planning<'_>, key: &AccountKey) {
    let Some(entry) = planning.input.journal.get(key).filter(|entry| entry.held) else {
        return;
    };
    let claim = planning.input.desired.leaving.get(key);
    let visible = claim.is_some_and(|claim| planning.index.with_claim(claim.as_str()).is_some());
    let settled = entry.account_id.is_some()
        || visible
        || match standing(&planning.input, entry) {
            Standing::None
            | Standing::Fresh { .. }
            | Standing::Refused
            | Standing::Succeeded(_)
            | Standing::Failed { .. } => true,
            Standing::Sending | Standing::InProgress => false,
            Standing::Unknown(Grace { until, over }) => {
                let stray = entry.creation.as_ref().is_some_and(|creation| {
                    planning
                        .index
                        .stray_names
                        .contains(creation.account_name.as_str())
                });
                if !over || stray {
                    if planning.input.now >= until {
                        look_every_poll(planning);
                    } else {
                        planning.plan.wake_at(until);
                    }
                }
                over && !stray
            }
        };
    if settled {
        release(planning, key);
    } else {
        planning.unsettled += 1;
    }
}

/// Removes the finalizer.
pub(crate) fn release(planning: &mut Planning<'_>, key: &AccountKey) {
    let message = "no creation is unsettled".to_owned();
    planning.step(
        Some(key),
        format!("release/{key}"),
        Action::Release,
        Reason::Done,
        message,
    );
}

/// The operator stops: AWS's answers are stored, and intents that were never sent are taken back, so that a successor
/// need not wait to find out what became of them.
pub(crate) fn put_down(planning: &mut Planning<'_>, key: &AccountKey, entry: &JournalEntry) {
    record_request(planning, key, entry);
    let Some(creation) = &entry.creation else { return };
    if matches!(
        planning.input.attempts.get(&creation.token),
        Some(Attempt::Fresh { .. })
    ) {
        let id = format!("withdraw/{key}/{}", creation.token);
        let action = Action::Withdraw {
            token: creation.token.clone(),
        };
        planning.step(
            Some(key),
            id,
            action,
            Reason::Pending,
            "taking back an intent that was not sent".into(),
        );
    }
}
