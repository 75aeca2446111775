//! Discovery and actions. That the operator does what they ask is seen in `played`.

use super::{
    files::{directory, script, yaml},
    lua::{act, discover, merged},
    played::versions,
    table::ACTIONS,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const KINDS: [&str; 2] = ["AwsAccount", "EnvironmentPromotion"];

fn all(kind: &str) -> Vec<String> {
    let mut all: Vec<String> = ACTIONS
        .iter()
        .filter(|one| one.kind == kind)
        .map(|one| one.name.to_owned())
        .collect();
    all.sort();
    all
}

#[test]
fn t02_every_state_offers_what_would_do_something() {
    for kind in KINDS {
        let discovery = script(kind, "actions/discovery.lua");
        let directory = directory(kind).join("actions");
        let tests = yaml(&directory.join("action_test.yaml"));
        for test in tests["discoveryTests"].as_array().unwrap() {
            let object = yaml(&directory.join(test["inputPath"].as_str().unwrap()));
            let (enabled, disabled) = discover(&discovery, &object);
            for action in test["result"].as_array().unwrap() {
                let list = if action["disabled"] == true {
                    &disabled
                } else {
                    &enabled
                };
                let name = action["name"].as_str().unwrap().to_owned();
                assert!(list.contains(&name), "{kind} {}: {name}", test["inputPath"]);
            }
        }
    }
}

#[test]
fn t02_an_action_patches_one_annotation_or_label() {
    for kind in KINDS {
        let directory = directory(kind).join("actions");
        let tests = yaml(&directory.join("action_test.yaml"));
        for test in tests["actionTests"].as_array().unwrap() {
            let of = |field: &str| test[field].as_str().unwrap();
            let object = yaml(&directory.join(of("inputPath")));
            let patch = act(
                &script(kind, &format!("actions/{}/action.lua", of("action"))),
                &object,
            )
            .unwrap();
            let expected = yaml(&directory.join(of("expectedOutputPath")));
            assert_eq!(
                merged(&object, &patch),
                expected,
                "{kind} {}: {patch}",
                of("action")
            );
        }
    }
    for action in ACTIONS {
        let kind = action.kind;
        let object = yaml(&directory(kind).join(format!("testdata/{}.yaml", action.fixture)));
        let patch = act(
            &script(kind, &format!("actions/{}/action.lua", action.name)),
            &object,
        )
        .unwrap();
        assert_eq!(patch, action.patch(), "{kind} {}", action.name);
        assert!(action.place == "annotations" || kind == "AwsAccount");
    }
}

#[test]
fn t02_what_is_offered_can_be_done_and_touches_nothing_else_whatever_was_written() {
    let mut offered: BTreeSet<(String, String)> = BTreeSet::new();
    for object in versions() {
        let kind = object["kind"].as_str().unwrap();
        if !KINDS.contains(&kind) {
            continue;
        }
        let (enabled, disabled) = discover(&script(kind, "actions/discovery.lua"), object);
        let mut both = [enabled.clone(), disabled].concat();
        both.sort();
        assert_eq!(both, all(kind));
        for action in enabled {
            let patch = act(&script(kind, &format!("actions/{action}/action.lua")), object).unwrap();
            let place = if kind == "AwsAccount" {
                "labels"
            } else {
                "annotations"
            };
            assert_eq!(keys(&patch), ["metadata"], "{action}: {patch}");
            assert_eq!(keys(&patch["metadata"]), [place], "{action}: {patch}");
            offered.insert((kind.to_owned(), action));
        }
    }
    let wanted = ACTIONS
        .iter()
        .map(|one| (one.kind.to_owned(), one.name.to_owned()))
        .collect();
    assert_eq!(offered, wanted);
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn t02_what_is_not_there_to_be_done_is_refused() {
    let object = yaml(&directory("EnvironmentPromotion").join("testdata/succeeded.yaml"));
    for (action, why) in [
        ("abort", "no attempt is under way"),
        ("reverify", "no attempt is under way"),
    ] {
        let told = act(
            &script("EnvironmentPromotion", &format!("actions/{action}/action.lua")),
            &object,
        )
        .unwrap_err();
        assert!(told.contains(why), "{told}");
    }
    let baking = yaml(&directory("EnvironmentPromotion").join("testdata/baking.yaml"));
    let told = act(
        &script("EnvironmentPromotion", "actions/reverify/action.lua"),
        &baking,
    )
    .unwrap_err();
    assert!(told.contains("no gate is without a verdict"), "{told}");
}

/// A bake that was cut short leaves its gate without a verdict, and nobody has to look at that any more.
#[test]
fn t02_a_gate_of_a_wave_that_is_past_is_not_meant() {
    let mut object = yaml(&directory("EnvironmentPromotion").join("testdata/inconclusive.yaml"));
    let script = script("EnvironmentPromotion", "actions/reverify/action.lua");
    let gates = object["status"]["stages"][1]["gates"].as_array_mut().unwrap();
    let mut past = gates[0].clone();
    past["name"] = "earlier".into();
    past["runAt"] = "BeforeStage".into();
    gates.insert(0, past);
    let patch = act(&script, &object).unwrap();
    assert_eq!(
        patch["metadata"]["annotations"]["bulkhead.dev/reverify"],
        "prod/prod-checks@a-1#0001-01-01T00:00:00Z"
    );
    let waves = object["status"]["stages"][1]["waves"].as_array_mut().unwrap();
    waves[0]["state"] = "Succeeded".into();
    waves[1]["state"] = "Baking".into();
    let told = act(&script, &object).unwrap_err();
    assert!(told.contains("no gate is without a verdict"), "{told}");
}

/// Argo CD puts back what an action has emptied.
#[test]
fn t02_a_hold_that_is_the_only_annotation_is_released_too() {
    let held = json!({"metadata": {"name": "p", "annotations": {"bulkhead.dev/hold": "incident"}}});
    let patch = act(
        &script("EnvironmentPromotion", "actions/release/action.lua"),
        &held,
    )
    .unwrap();
    assert_eq!(patch, json!({"metadata": {"annotations": null}}));
    let bare = json!({"metadata": {"name": "p"}});
    let patch = act(&script("EnvironmentPromotion", "actions/hold/action.lua"), &bare).unwrap();
    assert_eq!(
        patch,
        json!({"metadata": {"annotations": {"bulkhead.dev/hold": "held in Argo CD"}}})
    );
    let account = json!({"metadata": {"name": "a"}});
    let patch = act(&script("AwsAccount", "actions/upgrade/action.lua"), &account).unwrap();
    assert_eq!(
        patch,
        json!({"metadata": {"labels": {"bulkhead.dev/upgrade": "now"}}})
    );
}
