//! Which pins hold, and what is said of those that do not.

use crate::{
    targets::{baseline, given, revision, spec, store},
    world::{World, otter, with},
};
use api::{AwsAccount, EnvironmentPromotion};
use desired::{Decoded, Pinning};
use jiff::{SignedDuration, Timestamp};
use model::{Revision, RevisionHash};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

fn noon() -> Timestamp {
    "2026-09-07T12:00:00Z".parse().unwrap()
}

/// What is said at noon of a pin of `otter-dev`.
fn judged(
    world: &World,
    promotions: &[Value],
    revision: &str,
    expires_at: &str,
) -> Option<Result<Revision, String>> {
    let Decoded::Good(object) = &world.accounts[&otter()] else {
        unreachable!("it was put there");
    };
    let pin = json!({"revision": revision, "reason": "an audit", "expiresAt": expires_at});
    let object = with(
        serde_json::to_value(object.as_ref()).unwrap(),
        "/spec/baselinePin",
        pin,
    );
    let object: AwsAccount = serde_json::from_value(object).unwrap();
    let promotions: BTreeMap<String, Decoded<EnvironmentPromotion>> = promotions
        .iter()
        .map(|object| {
            let object: EnvironmentPromotion = serde_json::from_value(object.clone()).unwrap();
            ("river".to_owned(), Decoded::Good(Arc::new(object)))
        })
        .collect();
    let pinning = Pinning {
        baselines: &world.baselines,
        promotions: &promotions,
        at_hand: &|name| {
            let Decoded::Good(object) = world.revisions.get(name.as_str())? else {
                return None;
            };
            let hash = RevisionHash::parse(&object.spec.hash).unwrap();
            Revision::new(&object.spec.baseline, hash).ok()
        },
        default_baseline: Some("river"),
        now: Some(noon()),
    };
    pinning.judge(&object)
}

/// An account that has `Old`, which is also what dev has, with `New` and `Other` at hand.
fn world() -> (World, Revision, Revision, Revision) {
    let mut world = World::new();
    let [old, new, other] = ["Old", "New", "Other"].map(|unit| store(&mut world, &spec(unit)));
    baseline(&mut world, spec("New"), Some(&new), Some(&new));
    given(&mut world, &old);
    (world, old, new, other)
}

const EVENING: &str = "2026-09-07T18:00:00Z";

#[test]
fn what_the_account_has_or_what_has_succeeded_where_it_is_can_be_kept() {
    let (world, old, new, other) = world();
    for allowed in [&old, &new] {
        assert_eq!(
            judged(&world, &[], allowed.name.as_str(), EVENING),
            Some(Ok(allowed.clone()))
        );
    }
    let why = judged(&world, &[], other.name.as_str(), EVENING)
        .unwrap()
        .unwrap_err();
    let expected = format!(
        "spec.baselinePin.revision: {:?} is not one that the account has, nor one that succeeded in environment \"dev\" of \
         Baseline \"river\"",
        other.name.as_str()
    );
    assert_eq!(why, expected);
}

#[test]
fn what_a_promotion_remembers_of_the_environment_has_succeeded_there() {
    let (world, _, _, other) = world();
    let promotion = |field: &str, environment: &str, value: Value| {
        let mut stage = json!({"name": "first", "environment": environment, "state": "Succeeded"});
        stage[field] = value;
        let mut object = json!({
            "apiVersion": "bulkhead.dev/v1alpha1", "kind": "EnvironmentPromotion", "metadata": {"name": "river"},
            "spec": {
                "baselineRef": {"name": "river"}, "revisionPolicy": "Automatic",
                "stages": [{"name": "first", "environment": environment, "strategy": {"type": "AllAtOnce"}}],
            },
        });
        object["status"] = json!({"observedGeneration": 1, "stages": [stage]});
        object
    };
    let current = json!({"name": other.name.as_str(), "hash": other.hash.as_str()});
    let previous = json!(other.name.as_str());
    let held = |promotion: Value| {
        judged(&world, &[promotion], other.name.as_str(), EVENING)
            .unwrap()
            .is_ok()
    };
    assert!(held(promotion("currentRevision", "dev", current.clone())));
    assert!(held(promotion("previousRevision", "dev", previous)));
    assert!(!held(promotion("currentRevision", "prod", current)));
}

#[test]
fn a_pin_lasts_as_long_as_the_baseline_lets_it() {
    let (mut world, old, _, _) = world();
    let at = |hours: i64| (noon() + SignedDuration::from_hours(hours)).to_string();
    let name = old.name.as_str();
    assert_eq!(judged(&world, &[], name, &at(0)), None, "it has ended");
    assert!(judged(&world, &[], name, &at(720)).unwrap().is_ok());
    let why = judged(&world, &[], name, &at(721)).unwrap().unwrap_err();
    assert!(
        why.starts_with("spec.baselinePin.expiresAt: must be within "),
        "{why}"
    );
    let short = with(spec("New"), "/maxPinDuration", json!("2h"));
    baseline(&mut world, short, None, Some(&revision(&spec("New"))));
    assert!(judged(&world, &[], name, &at(2)).unwrap().is_ok());
    assert!(judged(&world, &[], name, &at(3)).unwrap().is_err());
}

#[test]
fn what_is_no_revision_at_hand_is_named() {
    let (world, ..) = world();
    for unknown in ["river-0000000000", "river"] {
        assert_eq!(
            judged(&world, &[], unknown, EVENING),
            Some(Err(format!(
                "spec.baselinePin.revision: there is no BaselineRevision {unknown:?}"
            )))
        );
    }
}
