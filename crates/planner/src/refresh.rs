//! What to look at again because the last look is old, and the installation mark.

use crate::planning::Planning;
use jiff::{SignedDuration, Timestamp};
use model::{Action, MarkVerdict, Mode, READ_LAG, Read, Reason, StepId};

/// Name under which a failed read of the mark rests.
pub(crate) const MARK: &str = "read/mark";
/// Name under which a failed full read rests.
pub(crate) const FULL: &str = "read/full";
const LOOK: &str = "read/look";
const CREATIONS: &str = "read/creations";

/// Reads the mark again in time, and writes it where it is free or named to be taken over.
pub(crate) fn mark(planning: &mut Planning<'_>) {
    let next = planning.input.mark.next_read(planning.input.now);
    due(planning, MARK, next, Read::Mark);
    if planning.input.mark.verdict(planning.input.now) == MarkVerdict::Write
        && planning.input.limits.mode == Mode::Enforce
        && let Some(root) = planning.input.observed.root.as_ref()
    {
        let value = planning.input.mark.own.clone();
        let id = mark_id(root, &value);
        let message = format!("writing the installation mark {value:?} to the root");
        planning.step(
            None,
            id,
            Action::WriteMark { value },
            Reason::InstallationMarkSettling,
            message,
        );
    }
}

/// Name of the step that writes the mark.
pub(crate) fn mark_id(root: &model::RootId, value: &str) -> String {
    format!("mark/{root}/{value}")
}

/// Reads the organization again when the last read is old.
pub(crate) fn organization(planning: &mut Planning<'_>) {
    let (observed, limits, now) = (planning.input.observed, planning.input.limits, planning.input.now);
    let full = observed
        .full
        .map_or(now, |began| after(began, limits.refresh_full));
    due(planning, FULL, full, Read::Full);
    if let (Some(_), Some((_, began))) = (observed.full, observed.look) {
        due(planning, LOOK, after(began, limits.refresh_accounts), Read::Look);
    }
}

/// Reads everything again soon: something is missing that lists may show a little later.
pub(crate) fn full_again(planning: &mut Planning<'_>) {
    if let Some(began) = planning.input.observed.full {
        due(planning, FULL, after(began, READ_LAG / 3), Read::Full);
    }
}

/// Polls creations that some object waits for: one list for all, and single questions for those that left the list.
pub(crate) fn creations(planning: &mut Planning<'_>) {
    let open = std::mem::take(&mut planning.index.open_requests);
    if open.is_empty() {
        return;
    }
    let poll = planning.input.limits.poll;
    let next = planning
        .input
        .observed
        .polled
        .map_or(planning.input.now, |began| after(began, poll));
    due(planning, CREATIONS, next, Read::Creations(open));
}

fn after(began: Timestamp, period: SignedDuration) -> Timestamp {
    began.checked_add(period).unwrap_or(Timestamp::MAX)
}

fn due(planning: &mut Planning<'_>, name: &str, at: Timestamp, read: Read) {
    let at = planning
        .input
        .held
        .get(&StepId(name.to_owned()))
        .map_or(at, |hold| at.max(hold.until));
    if at <= planning.input.now {
        planning.read(read);
    } else {
        planning.plan.wake_at(at);
    }
}
