//! What holds in every world.

use crate::world::{World, creation, manifest, river, with};
use desired::Decoded;
use model::{AccountKey, Reason};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn key() -> impl Strategy<Value = AccountKey> {
    (
        prop::sample::select(vec!["team-otter", "team-heron", "nowhere"]),
        prop::sample::select(vec!["a", "b", "c"]),
    )
        .prop_map(|(namespace, name)| AccountKey::new(namespace, name))
}

fn email() -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop::sample::select(vec![
        "ferry@example.com",
        "FERRY@example.com",
        "raft@example.com",
        "bad",
    ]))
    .prop_map(|email| email.map(str::to_owned))
}

fn status() -> impl Strategy<Value = Value> {
    let mail = prop::sample::select(vec!["ferry@example.com", "raft@example.com"]);
    (prop::bool::ANY, prop::option::of(mail)).prop_map(|(vended, mail)| {
        let mut status = json!({});
        if vended {
            status["accountId"] = json!("123456789012");
        }
        if let Some(mail) = mail {
            status["creation"] = creation(mail);
        }
        status
    })
}

/// One object, good or bad in one of many ways; `None` cannot be decoded.
fn object() -> impl Strategy<Value = (AccountKey, Option<Value>)> {
    let environment = prop::sample::select(vec!["dev", "dev", "dev", "prod", "qa"]);
    let baseline = prop::sample::select(vec!["river", "river", "river", "broken", "absent"]);
    let tags = prop::sample::select(vec![
        json!({}),
        json!({"data-class": "public"}),
        json!({"color": "red"}),
    ]);
    let flags = (
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        prop::bool::ANY,
    );
    (
        key(),
        environment,
        baseline,
        tags,
        email(),
        status(),
        flags,
        1..4_u8,
    )
        .prop_map(
            |(key, environment, baseline, tags, email, status, (poison, deleting, held), day)| {
                let mut object = manifest(&key);
                object["spec"]["environment"] = json!(environment);
                object["spec"]["baselineRef"] = json!({"name": baseline});
                object["spec"]["tags"] = tags;
                object["status"] = status;
                object["metadata"]["creationTimestamp"] = json!(format!("2026-01-0{day}T00:00:00Z"));
                if let Some(email) = email {
                    object["spec"]["email"] = json!(email);
                }
                if deleting {
                    object["metadata"]["deletionTimestamp"] = json!("2026-02-01T00:00:00Z");
                }
                if held {
                    object["metadata"]["finalizers"] = json!(["bulkhead.dev/account"]);
                }
                (key, (!poison).then_some(object))
            },
        )
}

fn world(objects: &[(AccountKey, Option<Value>)]) -> World {
    let mut world = World::new();
    world.baseline("river", with(river(), "/allowExplicitEmail", json!(true)));
    world.baseline("broken", with(river(), "/emailTemplate", json!("none")));
    for (key, object) in objects {
        match object {
            Some(object) => drop(world.account(key, object.clone())),
            None => drop(world.accounts.insert(key.clone(), Decoded::Poison("bad".into()))),
        }
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn every_object_has_exactly_one_verdict_and_no_email_is_given_twice(objects in prop::collection::vec(object(), 0..10)) {
        let world = world(&objects);
        let resolved = world.resolve();
        for (key, decoded) in &world.accounts {
            let verdicts = [
                resolved.desired.accounts.contains_key(key),
                resolved.desired.leaving.contains_key(key),
                resolved.rejections.contains_key(key),
            ];
            prop_assert_eq!(verdicts.iter().filter(|given| **given).count(), 1, "{}", key);
            prop_assert_eq!(resolved.journal.contains_key(key), matches!(decoded, Decoded::Good(_)));
        }
        let emails: BTreeSet<String> = resolved.desired.accounts.values().map(|a| a.email.folded()).collect();
        prop_assert_eq!(emails.len(), resolved.desired.accounts.len());
        prop_assert!(resolved.rejections.values().all(|r| r.reason != Reason::InternalError));
    }

    #[test]
    fn the_order_of_objects_never_matters(
        (objects, shuffled) in prop::collection::btree_map(key(), object(), 0..8).prop_flat_map(|objects| {
            let objects: Vec<_> = objects.into_iter().map(|(key, (_, object))| {
                let object = object.map(|object| with(with(object, "/metadata/name", json!(key.name)), "/metadata/namespace", json!(key.namespace)));
                (key, object)
            }).collect();
            (Just(objects.clone()), Just(objects).prop_shuffle())
        })
    ) {
        prop_assert_eq!(world(&objects).resolve(), world(&shuffled).resolve());
    }

    #[test]
    fn an_object_changes_nothing_for_the_others_but_who_gets_an_email(
        objects in prop::collection::vec(object(), 1..10)
    ) {
        let with_all = world(&objects);
        let mut without = with_all.clone();
        let (gone, _) = without.accounts.pop_first().unwrap();
        let (with_all, without) = (with_all.resolve(), without.resolve());
        prop_assert_eq!(&with_all.baselines, &without.baselines);
        for key in without.journal.keys() {
            prop_assert_ne!(key, &gone);
            prop_assert_eq!(&with_all.journal[key], &without.journal[key]);
            let conflict = |r: Option<&desired::Rejection>| r.is_some_and(|r| r.reason == Reason::EmailConflict);
            if conflict(with_all.rejections.get(key)) || conflict(without.rejections.get(key)) {
                continue;
            }
            prop_assert_eq!(with_all.rejections.get(key), without.rejections.get(key));
            prop_assert_eq!(with_all.desired.accounts.get(key), without.desired.accounts.get(key));
            prop_assert_eq!(with_all.desired.leaving.get(key), without.desired.leaving.get(key));
        }
    }
}
