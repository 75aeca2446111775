//! The status of one Baseline.

use super::{Conditions, Standing, Truth};
use api::{
    AccountsStatus, Baseline, BaselineRevisionSpec, BaselineStatus, EnvironmentStatus,
    OrganizationalUnitStatus, RevisionCount, RevisionPolicy, RevisionStatus,
    conditions::{ACCEPTED, UNITS_BOUND},
};
use desired::{EnvironmentState, Rejection};
use jiff::Timestamp;
use model::{Hold, ObservedOrg, OuId, ParentId, Plan, Reason, Revision, StepId};
use std::collections::BTreeMap;

/// What the status is computed from.
pub(crate) struct BaselineInput<'a> {
    pub(crate) object: &'a Baseline,
    pub(crate) verdict: Result<&'a Revision, &'a Rejection>,
    /// Its environments, by name.
    pub(crate) environments: &'a BTreeMap<String, EnvironmentState>,
    pub(crate) plan: &'a Plan,
    pub(crate) observed: &'a ObservedOrg,
    /// The accounts that use it.
    pub(crate) users: &'a Users,
    /// What AWS said to a document of its newest revision that it did not take: see [`malformed`].
    pub(crate) malformed: Option<String>,
    pub(crate) now: Timestamp,
}

/// The accounts that use a Baseline.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Users {
    pub(crate) total: usize,
    pub(crate) ready: usize,
    /// How many are to have each revision.
    pub(crate) by_revision: BTreeMap<String, usize>,
}

fn told(revision: &Revision) -> RevisionStatus {
    RevisionStatus {
        name: revision.name.to_string(),
        hash: revision.hash.to_string(),
    }
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
            self::environment(input, &prior, &environment.name, &environment.organizational_unit)
        })
        .collect();
    match input.verdict {
        Ok(_) => {
            conditions.set(ACCEPTED, Truth::True, Reason::Accepted, "the spec is in force");
            conditions.standing(&match &input.malformed {
                Some(message) => Standing::Stalled(Reason::MalformedPolicyDocument, message.clone()),
                None => Standing::Ready("the spec is in force".into()),
            });
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
        // What was accepted last stays in force while what is there now is not accepted.
        latest_revision: input.verdict.map(told).ok().or(prior.latest_revision),
        environments,
        accounts: Some(AccountsStatus {
            total: count(input.users.total),
            ready: count(input.users.ready),
            by_revision: input
                .users
                .by_revision
                .iter()
                .map(|(revision, total)| RevisionCount {
                    revision: revision.clone(),
                    total: count(*total).unwrap_or(i64::MAX),
                })
                .collect(),
        }),
        conditions: conditions.build(),
    }
}

/// A document of the revision that AWS did not take, with its place in the Baseline. Whoever has an earlier revision keeps
/// it: nothing old is detached before everything new is attached.
pub(crate) fn malformed(revision: &BaselineRevisionSpec, held: &BTreeMap<StepId, Hold>) -> Option<String> {
    let refused = |policy: &RevisionPolicy| {
        let mut holds = held.iter();
        holds.find_map(|(id, hold)| {
            let of = id.0.rsplit_once('/').map(|(_, name)| name);
            (hold.reason == Reason::MalformedPolicyDocument && of == Some(policy.name.as_str()))
                .then_some(&hold.message)
        })
    };
    revision.environments.iter().find_map(|environment| {
        let (policy, message) = environment
            .policies
            .iter()
            .find_map(|policy| Some((policy, refused(policy)?)))?;
        Some(format!(
            "spec.environments[{}]: AWS refuses the policy made of {}: {message}; accounts keep the revision they have, and \
             new ones wait",
            environment.name,
            policy.parts.join(", ")
        ))
    })
}

/// One environment: its unit, bound from the first use on, its current revision, and what its policies take.
fn environment(
    input: &BaselineInput<'_>,
    prior: &BaselineStatus,
    name: &str,
    path: &String,
) -> Option<EnvironmentStatus> {
    let bound = prior.environments.iter().find(|bound| bound.name == name);
    let unit = bound
        .and_then(|bound| bound.organizational_unit.clone())
        .filter(|unit| unit.path.as_ref() == Some(path))
        .or_else(|| {
            let id = input.plan.units.get(path)?;
            Some(OrganizationalUnitStatus {
                id: Some(id.to_string()),
                path: Some(path.clone()),
            })
        });
    let state = input.environments.get(name);
    let revision = state.and_then(|state| state.current.as_ref()).map(told);
    let policies = state.map(|state| state.budgets.clone()).unwrap_or_default();
    (unit.is_some() || revision.is_some() || !policies.is_empty()).then(|| EnvironmentStatus {
        name: name.to_owned(),
        organizational_unit: unit,
        revision,
        policies,
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use model::HoldKind;
    use serde_json::json;

    #[test]
    fn a_document_that_aws_refuses_is_told_with_its_place() {
        let revision: BaselineRevisionSpec = serde_json::from_value(json!({
            "baseline": "river", "hash": "0".repeat(64),
            "environments": [{
                "name": "prod", "organizationalUnit": "Workloads", "accessRoleName": "Access",
                "policies": [{
                    "name": "bulkhead-acme-prod-0123456789", "type": "TAG_POLICY", "content": "{}",
                    "parts": ["policies[tags]"],
                }],
            }],
        }))
        .unwrap();
        let hold = |reason| Hold {
            kind: HoldKind::Stalled,
            reason,
            message: "MalformedPolicyDocumentException".into(),
            until: Timestamp::UNIX_EPOCH,
            failures: 1,
        };
        let held = |name: &str, reason| {
            let id = StepId(format!("create-policy/TAG_POLICY/{name}"));
            BTreeMap::from([(id, hold(reason))])
        };
        let name = "bulkhead-acme-prod-0123456789";
        let said = malformed(&revision, &held(name, Reason::MalformedPolicyDocument)).unwrap();
        let expected = "spec.environments[prod]: AWS refuses the policy made of policies[tags]: MalformedPolicyDocumentException";
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(
            malformed(&revision, &held("other", Reason::MalformedPolicyDocument)),
            None
        );
        assert_eq!(malformed(&revision, &held(name, Reason::PolicyNameTaken)), None);
    }
}
