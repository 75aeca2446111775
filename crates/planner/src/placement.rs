//! Organizational units and moves.

use crate::planning::Planning;
use model::{Action, DesiredAccount, ObservedAccount, OuId, ParentId, Reason, Stage};

/// The unit an account belongs in: bound by id once, else found by its path, made where it is missing.
pub(crate) fn unit<'a>(planning: &mut Planning<'a>, desired: &'a DesiredAccount) -> Result<&'a OuId, Stage> {
    let path = &desired.organizational_unit;
    if let Some(id) = &desired.bound_unit {
        if planning.input.observed.units.contains_key(id) {
            return Ok(id);
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

/// Moves the account to its unit.
pub(crate) fn place(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    account: &ObservedAccount,
    to: &OuId,
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
    let message = format!("moving the account to {}", desired.organizational_unit);
    let id = format!("move/{}/{}/{to}", desired.key, account.id);
    let action = Action::MoveAccount {
        account: account.id.clone(),
        from: account.parent.clone(),
        to: ParentId::Ou(to.clone()),
    };
    planning.step(Some(&desired.key), id, action, Reason::Moving, message)
}
