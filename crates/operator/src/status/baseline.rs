//! The status of one Baseline.

use super::{Conditions, Standing, Truth};
use api::{
    AccountsStatus, Baseline, BaselineStatus, EnvironmentStatus, OrganizationalUnitStatus,
    conditions::{ACCEPTED, UNITS_BOUND},
};
use desired::Rejection;
use jiff::Timestamp;
use model::{ObservedOrg, OuId, ParentId, Plan, Reason};

/// What the status is computed from.
pub(crate) struct BaselineInput<'a> {
    pub(crate) object: &'a Baseline,
    pub(crate) verdict: Result<(), &'a Rejection>,
    pub(crate) plan: &'a Plan,
    pub(crate) observed: &'a ObservedOrg,
    /// Accounts that use it, and how many of them are Ready.
    pub(crate) total: usize,
    pub(crate) ready: usize,
    pub(crate) now: Timestamp,
}

/// The status.
pub(crate) fn baseline(input: &BaselineInput<'_>) -> BaselineStatus {
    let prior = input.object.status.clone().unwrap_or_default();
    let generation = input.object.metadata.generation;
    let mut conditions = Conditions::new(&prior.conditions, generation, input.now);
    let environments: Vec<EnvironmentStatus> = input
        .object
        .spec
        .environments
        .iter()
        .filter_map(|environment| {
            let path = &environment.organizational_unit;
            let bound = prior
                .environments
                .iter()
                .find(|bound| bound.name == environment.name);
            let unit = bound
                .and_then(|bound| bound.organizational_unit.clone())
                .filter(|unit| unit.path.as_ref() == Some(path))
                .or_else(|| {
                    let id = input.plan.units.get(path)?;
                    Some(OrganizationalUnitStatus {
                        id: Some(id.to_string()),
                        path: Some(path.clone()),
                    })
                })?;
            Some(EnvironmentStatus {
                name: environment.name.clone(),
                organizational_unit: Some(unit),
            })
        })
        .collect();
    match input.verdict {
        Ok(()) => {
            conditions.set(ACCEPTED, Truth::True, Reason::Accepted, "the spec is in force");
            conditions.standing(&Standing::Ready("the spec is in force".into()));
        }
        Err(Rejection { reason, message, .. }) => {
            conditions.set(ACCEPTED, Truth::False, *reason, message);
            conditions.standing(&Standing::Stalled(*reason, message.clone()));
        }
    }
    match drift(&environments, input.observed) {
        _ if environments.is_empty() || input.observed.full.is_none() => conditions.keep(&[UNITS_BOUND]),
        None => conditions.set(
            UNITS_BOUND,
            Truth::True,
            Reason::Done,
            "every unit in use is where the Baseline says",
        ),
        Some(message) => conditions.set(UNITS_BOUND, Truth::False, Reason::OURenamed, &message),
    }
    let count = |n: usize| i64::try_from(n).ok();
    BaselineStatus {
        observed_generation: generation,
        environments,
        accounts: Some(AccountsStatus {
            total: count(input.total),
            ready: count(input.ready),
        }),
        conditions: conditions.build(),
    }
}

/// A unit that was renamed, moved or deleted since it was bound: reported, never made again.
fn drift(environments: &[EnvironmentStatus], observed: &ObservedOrg) -> Option<String> {
    environments.iter().find_map(|environment| {
        let unit = environment.organizational_unit.as_ref()?;
        let (id, path) = (unit.id.as_deref()?, unit.path.as_deref()?);
        let now = observed.path_of(&ParentId::Ou(OuId::parse(id).ok()?));
        if now.as_deref() == Some(path) {
            return None;
        }
        let now = now.map_or_else(|| "gone".to_owned(), |now| format!("now at {now:?}"));
        Some(format!(
            "environment {:?} is bound to organizational unit {id}, which was at {path:?} and is {now}",
            environment.name
        ))
    })
}
