//! Everything that is wrong is told at once, and the spec is accepted when none of it is left.

use super::{full, hosts, with};
use model::{Revision, RevisionHash};
use promotion::{Program, RevisionFact, RevisionPolicy, Spec, StageSpec, Supersede, Terms, Why, objections};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Parts of the full stage that are wrong, and where that is told.
fn wrong() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        (
            "/strategy/waves/2/targets",
            json!("50%"),
            "strategy.waves[rest].targets",
        ),
        ("/maxFailures", json!("120%"), "maxFailures"),
        ("/progressDeadline", json!("soon"), "progressDeadline"),
        ("/approval/required", json!(0), "approval.required"),
        (
            "/windows/0/timeZone",
            json!("Mars/Olympus"),
            "windows[0].timeZone",
        ),
        ("/windows/1/schedule", json!("0 25 * * *"), "windows[1].schedule"),
        ("/gates/0/interval", json!("1s"), "gates[compliant].interval"),
        (
            "/gates/1/http/url",
            json!("https://elsewhere.org/"),
            "gates[synthetic].http.url",
        ),
        (
            "/gates/3/job/template/extra",
            json!(1),
            "gates[probe].job.template",
        ),
        ("/optIn/deadline", json!("0s"), "optIn.deadline"),
    ]
}

fn paths(stages: &Value) -> Vec<String> {
    let stages: Vec<StageSpec> = serde_json::from_value(stages.clone()).unwrap();
    let refusals = Program::refusals(&stages, &hosts(), &|_| Ok(()), &|_| Ok(()));
    refusals.into_iter().map(|refusal| refusal.path).collect()
}

#[test]
fn every_part_that_is_wrong_is_told() {
    let stage = wrong()
        .into_iter()
        .fold(full(), |stage, (pointer, value, _)| with(stage, pointer, value));
    let other = json!({"name": "late", "environment": "late", "maxFailures": -1});
    let found: BTreeSet<String> = paths(&json!([stage, other])).into_iter().collect();
    let mut expected: BTreeSet<String> = wrong()
        .iter()
        .map(|(_, _, path)| format!("spec.stages[prod].{path}"))
        .collect();
    expected.insert("spec.stages[late].maxFailures".to_owned());
    assert_eq!(found, expected);
}

#[test]
fn one_part_that_is_wrong_is_told_once() {
    assert_eq!(paths(&json!([full()])), [] as [&str; 0]);
    for (pointer, value, path) in wrong() {
        let found = paths(&json!([with(full(), pointer, value)]));
        assert_eq!(found, [format!("spec.stages[prod].{path}")], "{pointer}");
    }
}

#[test]
fn a_gate_of_a_bake_is_wrong_only_where_there_is_none() {
    let bake = "spec.stages[prod].gates[compliant].runAt";
    let waves = json!([{"name": "all", "targets": "100%"}]);
    let stage = with(full(), "/strategy/waves", waves);
    assert_eq!(paths(&json!([stage])), [bake]);
    // Of waves that cannot be, nobody knows whether they bake.
    let waves = json!([{"name": "all", "targets": "10%"}]);
    let stage = with(full(), "/strategy/waves", waves);
    assert_eq!(
        paths(&json!([stage])),
        ["spec.stages[prod].strategy.waves[all].targets"]
    );
}

fn revision() -> Revision {
    let hash = RevisionHash::parse(&format!("sha256:{}", "0123456789abcdef".repeat(4))).unwrap();
    Revision::new("standard", hash).unwrap()
}

/// What a spec with these stages is told, of a Baseline that has these environments.
fn told(stages: Value, environments: Option<&[&str]>, change: impl FnOnce(&mut Spec)) -> Vec<(Why, String)> {
    let mut spec = Spec {
        baseline: "standard".to_owned(),
        revision: None,
        revision_policy: RevisionPolicy::Automatic,
        suspend: false,
        supersede: Supersede::Never,
        history_limit: 10,
        dry_run: false,
        stages: serde_json::from_value(stages).unwrap(),
    };
    change(&mut spec);
    let known: Option<BTreeMap<String, Option<Revision>>> =
        environments.map(|names| names.iter().map(|name| ((*name).to_owned(), None)).collect());
    let fact = RevisionFact {
        revision: revision(),
        environments: ["prod".to_owned()].into(),
    };
    let found = objections(&Terms {
        spec: &spec,
        conflict: None,
        environments: known.as_ref(),
        latest: Some(&revision()),
        revisions: &BTreeMap::from([(revision().name, fact)]),
        allowed_hosts: &hosts(),
        condition: &|_| Ok(()),
        gate: &|_| Ok(()),
    });
    for objection in &found {
        assert!(objection.message.contains(&objection.path) || objection.path == "spec.revision");
    }
    found
        .into_iter()
        .map(|objection| (objection.why, objection.path))
        .collect()
}

#[test]
fn what_is_wrong_with_stages_baseline_and_revision_is_told_at_once() {
    let nothing = |_: &mut Spec| {};
    assert_eq!(told(json!([full()]), Some(&["prod"]), nothing), []);
    let bad = with(full(), "/maxFailures", json!(-1));
    let failures = || (Why::Invalid, "spec.stages[prod].maxFailures".to_owned());
    let nowhere = || (Why::TargetNotFound, "spec.stages[prod].environment".to_owned());
    assert_eq!(
        told(json!([bad]), Some(&["dev"]), nothing),
        [failures(), nowhere()]
    );
    assert_eq!(
        told(json!([bad]), None, nothing),
        [(Why::TargetNotFound, "spec.baselineRef".to_owned()), failures()]
    );
    let manual = |spec: &mut Spec| spec.revision_policy = RevisionPolicy::Manual;
    assert_eq!(
        told(json!([bad]), Some(&["prod"]), manual),
        [failures(), (Why::Invalid, "spec.revision".to_owned())]
    );
    let other = json!([full(), {"name": "dev", "environment": "dev"}]);
    assert_eq!(
        told(other, Some(&["prod", "dev"]), nothing),
        [(Why::TargetNotFound, "spec.stages[dev].environment".to_owned())],
        "the revision has no such environment"
    );
}
