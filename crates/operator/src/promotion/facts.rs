//! What the objects say of a promotion's world.

use crate::status::was_ready;
use api::{AwsAccount, Baseline, EnvironmentPromotion, conditions};
use desired::{Decoded, Given, Pinning, revision};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use model::{AccountId, AccountKey, AssignedBy, Revision, RevisionHash, RevisionName};
use promotion::{AssignedFact, PinFact, Requests, RevisionFact, Target};
use std::{collections::BTreeMap, sync::Arc};

/// Accounts by key.
pub(crate) type Accounts = BTreeMap<AccountKey, Decoded<AwsAccount>>;

/// Pins that hold now, and those that cannot be.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    pub(crate) held: BTreeMap<AccountKey, PinFact>,
    pub(crate) given: BTreeMap<AccountKey, Given>,
    pub(crate) refused: BTreeMap<AccountKey, String>,
}

/// What is known of one Baseline.
pub(crate) struct Facts {
    pub(crate) revisions: BTreeMap<RevisionName, RevisionFact>,
    pub(crate) latest: Option<Revision>,
    pub(crate) environments: Option<BTreeMap<String, Option<Revision>>>,
}

/// The Baselines, and the revisions that are at hand of each.
pub(crate) struct Baselines<'a> {
    pub(crate) objects: &'a BTreeMap<String, Decoded<Baseline>>,
    pub(crate) at_hand: BTreeMap<RevisionName, RevisionFact>,
}

impl Baselines<'_> {
    /// What is known of one.
    pub(crate) fn facts(&self, name: &str) -> Facts {
        let revisions = self
            .at_hand
            .iter()
            .filter(|(revision, _)| revision.baseline() == name)
            .map(|(revision, fact)| (revision.clone(), fact.clone()))
            .collect();
        let object = match self.objects.get(name) {
            Some(Decoded::Good(object)) => Some(object),
            Some(Decoded::Poison(_)) | None => None,
        };
        let status = object.and_then(|object| object.status.as_ref());
        Facts {
            revisions,
            latest: status.and_then(|status| revision(status.latest_revision.as_ref()?)),
            environments: object.map(|object| {
                let environments = object.spec.environments.iter();
                environments
                    .map(|environment| {
                        let current = desired::current(object, &environment.name);
                        (environment.name.clone(), current)
                    })
                    .collect()
            }),
        }
    }
}

/// Judges every pin.
pub(crate) fn pins(accounts: &Accounts, pinning: &Pinning<'_>) -> Pins {
    let mut pins = Pins::default();
    for (key, account) in accounts {
        let Decoded::Good(object) = account else { continue };
        let Some(judged) = pinning.judge(object) else {
            continue;
        };
        match (judged, &object.spec.baseline_pin) {
            (Ok(revision), Some(pin)) => {
                let fact = PinFact {
                    revision: revision.name.clone(),
                    expires_at: pin.expires_at,
                };
                pins.held.insert(key.clone(), fact);
                let by = AssignedBy::Pin;
                pins.given.insert(key.clone(), Given { revision, by });
            }
            (Err(why), _) => drop(pins.refused.insert(key.clone(), why)),
            (Ok(_), None) => {}
        }
    }
    pins
}

/// The accounts of one Baseline.
pub(crate) fn targets(
    accounts: &Accounts,
    baseline: &str,
    default: Option<&str>,
    pins: &Pins,
) -> Vec<Target> {
    accounts
        .iter()
        .filter_map(|(key, account)| Some((key, account.good()?)))
        .filter(|(_, object)| object.spec.baseline_or(default) == Some(baseline))
        .map(|(key, object)| target(key, object, pins))
        .collect()
}

fn target(key: &AccountKey, object: &Arc<AwsAccount>, pins: &Pins) -> Target {
    let generation = object.metadata.generation;
    let status = object.status.as_ref();
    let baseline = status.and_then(|status| status.baseline.as_ref());
    let assigned =
        |baseline: &api::BaselineStatusRef| baseline.assigned.as_ref().map(|assigned| assigned.sequence);
    // To assign a revision changes neither the conditions nor the generation: what was said of the one before says nothing
    // of this one, be it Ready or Stalled.
    let of_assigned = baseline.is_none_or(|baseline| baseline.observed_sequence == assigned(baseline));
    let said = status.filter(|_| of_assigned);
    let all: &[Condition] = said.map_or(&[], |status| &status.conditions);
    let of_now = |condition: &&Condition| {
        condition.observed_generation.is_none() || condition.observed_generation == generation
    };
    let conditions: BTreeMap<String, String> = all
        .iter()
        .filter(of_now)
        .map(|condition| (condition.type_.clone(), condition.status.clone()))
        .collect();
    let is = |type_: &str| conditions.get(type_).is_some_and(|status| status == "True");
    let stalled = all.iter().filter(of_now);
    let stalled = stalled
        .filter(|condition| condition.type_ == conditions::STALLED && condition.status == "True")
        .map(|condition| (condition.reason.clone(), condition.message.clone()))
        .next();
    let entry = desired::journal_entry(object);
    Target {
        key: key.clone(),
        id: status
            .and_then(|status| status.account_id.as_deref())
            .and_then(|id| AccountId::parse(id).ok()),
        environment: object.spec.environment.clone(),
        leaving: object.metadata.deletion_timestamp.is_some(),
        assigned: entry.assigned.map(|assigned| AssignedFact {
            by: assigned.by.promotion().map(|by| promotion::AssignedBy {
                promotion_uid: by.uid.clone(),
                attempt: by.attempt.clone(),
                stage: by.stage.clone(),
                wave: by.wave.clone(),
                at: by.at,
            }),
            revision: assigned.revision,
        }),
        applied: baseline
            .and_then(|baseline| baseline.applied.as_ref())
            .and_then(|applied| RevisionHash::parse(&applied.hash).ok()),
        observed: said.is_some_and(|status| status.observed_generation == generation),
        ready: was_ready(all, generation),
        access_verified: is(conditions::ACCESS_VERIFIED),
        stalled,
        conditions,
        pin: pins.held.get(key).cloned(),
        wants_upgrade: object
            .labels()
            .get("bulkhead.dev/upgrade")
            .is_some_and(|value| value == "now"),
        braked: all
            .iter()
            .filter(of_now)
            .any(|condition| condition.reason == model::Reason::PolicyBudgetExhausted.as_str()),
    }
}

/// What people ask for by annotations.
pub(crate) fn requests(object: &EnvironmentPromotion) -> Requests {
    let annotation = |name: &str| object.annotations().get(&format!("bulkhead.dev/{name}")).cloned();
    Requests {
        reconcile: annotation("reconcile-requested-at"),
        abort: annotation("abort"),
        retry: annotation("retry"),
        reverify: annotation("reverify"),
        skip_bake: annotation("skip-bake"),
        hold: annotation("hold"),
        requested_by: annotation("requested-by"),
    }
}

/// The older one of those about the same Baseline, if there is one. What is in no cluster yet is younger than all that is.
pub fn conflict<'a>(
    object: &EnvironmentPromotion,
    all: impl Iterator<Item = &'a Arc<EnvironmentPromotion>>,
) -> Option<String> {
    let age = |object: &EnvironmentPromotion| {
        let created = object.metadata.creation_timestamp.as_ref();
        let created = created.map_or(Timestamp::MAX, |time| time.0);
        (created, object.name_any())
    };
    all.filter(|other| other.spec.baseline_ref.name == object.spec.baseline_ref.name)
        .map(|other| age(other))
        .min()
        .map(|(_, name)| name)
        .filter(|oldest| *oldest != object.name_any())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const HASH: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// An account whose revision is the second one it was given; `seen`: of which one its conditions speak.
    fn account(type_: &str, seen: Option<i64>) -> Arc<AwsAccount> {
        let condition = |type_: &str| {
            json!({
                "type": type_, "status": "True", "reason": "R", "message": "m", "observedGeneration": 3,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        let mut object = json!({
            "apiVersion": "bulkhead.dev/v1alpha1", "kind": "AwsAccount",
            "metadata": {"name": "heron-prod", "namespace": "aviary", "generation": 3},
            "spec": {
                "workload": "birds", "environment": "prod", "purpose": "p", "owner": {"team": "t", "contact": "t@e.co"},
            },
            "status": {
                "observedGeneration": 3, "accountId": "100000000001",
                "conditions": [condition(type_), condition("AccessVerified")],
                "baseline": {
                    "name": "standard",
                    "assigned": {"revision": "standard-0123456789", "hash": HASH, "sequence": 2, "by": "Automatic"},
                    "applied": {"revision": "standard-0123456789", "hash": HASH, "at": "2026-01-01T00:00:00Z"},
                },
            },
        });
        if let Some(seen) = seen {
            object["status"]["baseline"]["observedSequence"] = Value::from(seen);
        }
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn target_of(type_: &str, seen: Option<i64>) -> Target {
        let key = AccountKey::new("aviary", "heron-prod");
        target(&key, &account(type_, seen), &Pins::default())
    }

    #[test]
    fn what_was_said_of_an_earlier_revision_says_nothing_of_this_one() {
        let ready = target_of("Ready", Some(2));
        assert!(ready.ready && ready.observed && ready.access_verified);
        let stalled = target_of("Stalled", Some(2));
        assert_eq!(stalled.stalled, Some(("R".to_owned(), "m".to_owned())));
        assert!(stalled.assigned.is_some() && stalled.applied.is_some());
        for seen in [None, Some(1)] {
            let ready = target_of("Ready", seen);
            assert!(
                !ready.ready && !ready.observed && !ready.access_verified,
                "{seen:?}"
            );
            assert_eq!(ready.conditions, BTreeMap::new());
            assert_eq!(ready.assigned, stalled.assigned);
            assert_eq!(target_of("Stalled", seen).stalled, None, "{seen:?}");
        }
    }
}
