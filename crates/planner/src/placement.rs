//! Organizational units and moves.

use crate::{
    brake::spent_by_move,
    planning::{Planning, Proposal},
    policies, refresh, revision,
};
use jiff::Timestamp;
use model::{
    Action, DesiredAccount, JournalEntry, ObservedAccount, OuId, ParentId, Read, Reason, Stage, StepId,
};

/// The unit an account belongs in: bound by id once, else found by its path, made where it is missing.
pub(crate) fn unit<'a>(planning: &mut Planning<'a>, desired: &'a DesiredAccount) -> Result<&'a OuId, Stage> {
    let path = &desired.organizational_unit;
    if let Some(id) = &desired.bound_unit {
        if planning.input.observed.units.contains_key(id) {
            return Ok(id);
        }
        if !planning.input.observed.has_shown_all_units() {
            refresh::full_again(planning);
            let message =
                format!("waiting for AWS to show the organizational unit {id} that {path} is bound to");
            return Err(Stage::Pending(Reason::OrganizationalUnitPending, message));
        }
        let message = format!("the organizational unit {id} that {path} is bound to no longer exists");
        return Err(Stage::Blocked(Reason::OrganizationalUnitMissing, message));
    }
    if let Some(found) = planning.units_found.get(path) {
        return Ok(found);
    }
    let Some(root) = planning.input.observed.root.clone() else {
        return Err(Stage::Unknown);
    };
    let mut parent = ParentId::Root(root);
    let mut found = None;
    for (depth, name) in path.names().iter().enumerate() {
        let Some(unit) = planning.index.child_unit(&parent, name) else {
            let here = path.names()[..=depth].join("/");
            let message = format!("making the organizational unit {here}");
            if desired.suspend {
                return Err(Stage::Pending(Reason::Suspended, "spec.suspend is true".into()));
            }
            let id = format!("unit/{parent}/{name}");
            let action = Action::CreateOrganizationalUnit {
                parent,
                name: name.clone(),
                path: here,
            };
            return Err(planning.step(
                Some(&desired.key),
                id,
                action,
                Reason::OrganizationalUnitPending,
                message,
            ));
        };
        parent = ParentId::Ou(unit.clone());
        found = Some(unit);
    }
    let Some(found) = found else {
        return Err(Stage::Unknown);
    };
    planning.plan.units.insert(path.to_string(), found.clone());
    planning.units_found.insert(path, found);
    Ok(found)
}

/// Moves the account to its unit, when its policies are attached: no unit ever has an account without them.
pub(crate) fn place(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
    to: &OuId,
    guarded: bool,
) -> Stage {
    if matches!(&account.parent, ParentId::Ou(unit) if unit == to) {
        return Stage::Done;
    }
    if desired.suspend {
        return Stage::Pending(
            Reason::Suspended,
            "spec.suspend is true: the account is not moved".into(),
        );
    }
    if !account.tags_confirmed {
        planning.read(Read::Account(account.id.clone()));
        return Stage::Pending(Reason::Reobserving, "reading the account's tags".into());
    }
    // The account carries its revision first: a cluster that is restored to an older state sees that it does not know it.
    if !entry
        .assigned
        .as_ref()
        .is_some_and(|assigned| revision::carries(account, assigned))
    {
        let message = "the account is moved when it carries its revision";
        return Stage::Pending(Reason::Tagging, message.into());
    }
    if !guarded {
        let message =
            "the account is moved when the policies of its revision are attached and AWS shows them";
        return Stage::Pending(Reason::AttachingPolicies, message.into());
    }
    let poll = planning.input.limits.poll;
    policies::content_seen(planning, &desired.policies, account, Timestamp::MIN, poll)
        .map_or_else(|stage| stage, |()| move_to(planning, desired, entry, account, to))
}

fn move_to(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    account: &ObservedAccount,
    to: &OuId,
) -> Stage {
    let message = format!("moving the account to {}", desired.organizational_unit);
    let id = format!("move/{}/{}/{to}", desired.key, account.id);
    let action = Action::MoveAccount {
        account: account.id.clone(),
        from: account.parent.clone(),
        to: ParentId::Ou(to.clone()),
    };
    let spends = spent_by_move(&planning.input, entry, &account.id, &account.parent);
    let proposal = Proposal {
        key: Some(&desired.key),
        id: StepId(id),
        action,
        spends,
        reason: Reason::Moving,
    };
    planning.counted_step(proposal, message)
}
