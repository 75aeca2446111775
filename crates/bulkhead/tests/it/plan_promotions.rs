//! What `plan` and `simulate` say of promotions, pins and tags that a person decides about.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::{
    manifests::{account, namespace, with},
    plan::{Files, ID, guarded, revision, run, settled},
};

fn promotion(stages: &Value) -> Value {
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "EnvironmentPromotion", "metadata": {"name": "travel"},
        "spec": {"baselineRef": {"name": "standard"}, "revisionPolicy": "Automatic", "stages": stages},
    })
}

/// A promotion as people write it, with a mistake of each kind that the API server cannot see.
const MISTAKES: &str = "\
apiVersion: bulkhead.dev/v1alpha1
kind: EnvironmentPromotion
metadata:
  name: travel
spec:
  baselineRef: {name: standard}
  revisionPolicy: Automatic
  stages:
  - name: dev
    environment: dev
    gates:
    - name: fine
      runAt: [AfterWave]
      type: Condition
      condition: {type: AccessVerified}
    - name: broken
      runAt: [AfterWave]
      type: HTTP
      http:
        url: https://checks.example.com/
        successCondition: result ==
  - name: late
    environment: nowhere
    windows:
    - {type: Allow, schedule: \"0 9 * * 1-4\", duration: 6h}
    - type: Allow
      schedule: \"0 9 * * 1-4\"
      duration: 6h
      timeZone: Europe/Atlantis
";

/// What is told of each, with its line.
const TOLD: [[&str; 2]; 3] = [
    [
        "promotion.yaml:21: ",
        "spec.stages[dev].gates[broken].http.successCondition: is CEL over `result`, not \"result ==\"",
    ],
    [
        "promotion.yaml:29: ",
        "spec.stages[late].windows[1].timeZone: is the IANA name of a time zone, such as `Europe/Berlin`, not \"Europe/Atlantis\"",
    ],
    [
        "promotion.yaml:23: ",
        "spec.stages[late].environment: Baseline standard has no environment nowhere",
    ],
];

fn tells_all(text: &str) {
    for [place, what] in TOLD {
        let told = |line: &str| line.contains(place) && line.contains(what);
        assert!(text.lines().any(told), "{place}{what} is not in\n{text}");
    }
}

#[test]
fn all_mistakes_of_a_promotion_are_told_with_their_lines() {
    let files = Files::new();
    files.write("all.yaml", &[guarded(&json!(["eu-west-1"]))]);
    let path = files.path("manifests").join("promotion.yaml");
    fs::write(&path, MISTAKES).unwrap();
    let (status, said, error) = files.plan(None, &[]);
    assert_eq!((status, error.as_str()), (Some(1), ""), "{said}");
    assert!(said.contains("! EnvironmentPromotion travel\n"), "{said}");
    tells_all(&said);
    assert!(said.ends_with(" 1 refused.\n"), "{said}");
    let (_, said, _) = files.plan(None, &["-o", "json"]);
    let plan: Value = serde_json::from_str(&said).unwrap();
    let objections = plan["promotions"][0]["objections"].as_array().unwrap();
    assert_eq!(objections.len(), 3);
    assert_eq!(objections[0]["reason"], "Invalid");

    let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
    let (status, said, error) = run(command.arg("simulate").arg(files.path("manifests")));
    assert_eq!((status, said.as_str()), (Some(2), ""), "{error}");
    assert_eq!(error.lines().count(), 3, "{error}");
    tells_all(&error);

    // With what the API server refuses, in the same breath.
    let wrong = "    environment: dev\n    maxFailures: many\n    progressDeadline: soon\n";
    fs::write(&path, MISTAKES.replace("    environment: dev\n", wrong)).unwrap();
    let (status, said, error) = files.plan(None, &[]);
    assert_eq!((status, said.as_str()), (Some(1), ""), "{error}");
    for (place, words) in [
        ("promotion.yaml:11: ", "maxFailures"),
        ("promotion.yaml:12: ", "progressDeadline"),
        ("promotion.yaml:23: ", "successCondition: is CEL"),
        ("promotion.yaml:31: ", "timeZone"),
    ] {
        let told = |line: &str| line.contains(place) && line.contains(words);
        assert!(error.lines().any(told), "{place}{words} is not in\n{error}");
    }
    let (status, _, again) = run(Command::new(env!("CARGO_BIN_EXE_bulkhead"))
        .arg("simulate")
        .arg(files.path("manifests")));
    assert_eq!((status, again), (Some(2), error));
}

#[test]
fn a_wave_that_leaves_accounts_out_and_a_pin_without_an_end_are_told_at_their_lines() {
    let files = Files::new();
    let waves = json!([{"name": "one", "targets": 1}, {"name": "half", "targets": "50%"}]);
    let stages = json!([
        {"name": "first", "environment": "dev"},
        {"name": "last", "environment": "prod", "strategy": {"type": "Waves", "waves": waves}},
    ]);
    let pin = json!({"revision": "standard-0123456789", "reason": "an audit"});
    let pinned = with(account("team-a", "otter", "dev"), "/spec/baselinePin", pin);
    files.write("all.yaml", &[guarded(&json!(["eu-west-1"]))]);
    let pretty = |object: &Value| format!("{object:#}");
    let path = |name: &str| files.path("manifests").join(name);
    fs::write(path("promotion.json"), pretty(&promotion(&stages))).unwrap();
    fs::write(path("account.json"), pretty(&pinned)).unwrap();
    let (status, said, error) = files.plan(None, &[]);
    assert_eq!((status, said.as_str()), (Some(1), ""), "{error}");
    let line = |name: &str, text: &str| {
        let file = fs::read_to_string(path(name)).unwrap();
        let at = file.lines().position(|line| line.contains(text)).unwrap() + 1;
        format!("{name}:{at}: ")
    };
    for (place, words) in [
        (
            line("promotion.json", "\"50%\""),
            "is `100%`, because the wave is the last, not 50%",
        ),
        (
            line("promotion.json", "\"strategy\""),
            "the last wave must be 100%",
        ),
        (line("account.json", "\"baselinePin\""), "expiresAt"),
    ] {
        let told = |told: &str| told.contains(&place) && told.contains(words);
        assert!(error.lines().any(told), "{place}{words} is not in\n{error}");
    }
}

#[test]
fn whom_gates_may_ask_is_judged_where_the_configuration_is_given() {
    let files = Files::new();
    let http = json!({"url": "https://checks.example.com/", "successCondition": "result"});
    let gate = json!({"name": "checks", "runAt": ["AfterStage"], "type": "HTTP", "http": http});
    let query = json!({"query": "up", "successCondition": "size(result) > 0"});
    let other = json!({"name": "up", "runAt": ["AfterStage"], "type": "Prometheus", "prometheus": query});
    let stages = json!([{"name": "dev", "environment": "dev", "gates": [gate, other]}]);
    files.write("all.yaml", &[guarded(&json!(["eu-west-1"])), promotion(&stages)]);
    assert_eq!(files.plan(None, &[]).0, Some(2));
    let config = files.path("bulkhead.yaml");
    let config = config.to_str().unwrap();
    fs::write(config, "{installation: example, defaultBaseline: standard}").unwrap();
    let (status, said, _) = files.plan(None, &["--config", config]);
    assert_eq!(status, Some(1), "{said}");
    for words in [
        "spec.stages[dev].gates[checks].http.url: has a host that `gates.allowedHosts`",
        "spec.stages[dev].gates[up].prometheus.address: ",
    ] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
    let gates = "gates: {allowedHosts: [checks.example.com, p.example.com], prometheusAddress: 'https://p.example.com'}";
    let text = format!("{{installation: example, defaultBaseline: standard, {gates}}}");
    fs::write(config, text).unwrap();
    let (status, said, _) = files.plan(None, &["--config", config]);
    assert_eq!(status, Some(2), "{said}");
}

#[test]
fn a_promotion_of_no_baseline_is_refused_and_one_of_a_revision_to_come_waits() {
    let files = Files::new();
    let stages = json!([{"name": "dev", "environment": "dev"}]);
    files.write("all.yaml", &[promotion(&stages)]);
    let (status, said, _) = files.plan(None, &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("all.yaml:1: refused: TargetNotFound: spec.baselineRef: there is no Baseline standard")
    );

    let mut manual = promotion(&stages);
    manual["spec"]["revisionPolicy"] = json!("Manual");
    manual["spec"]["revision"] = json!("standard-0123456789");
    files.write("all.yaml", &[guarded(&json!(["eu-west-1"])), manual]);
    let (status, said, _) = files.plan(None, &[]);
    assert_eq!(status, Some(2), "{said}");
    assert!(
        said.contains("? EnvironmentPromotion travel\n") && said.contains("waits: RevisionNotFound: "),
        "{said}"
    );
}

/// The objects of `settled`, with accounts in prod beside: one that follows, one that is pinned.
fn with_prod(files: &Files, pin: &Value) -> Value {
    let mut observed = settled(files, &guarded(&json!(["eu-west-1"])));
    let name = observed["objects"][2]["metadata"]["name"].clone();
    let hash = observed["objects"][2]["spec"]["hash"].clone();
    observed["takenAt"] = json!("2026-11-01T00:00:00Z");
    // Of AWS nothing is known, so nothing is said of it.
    observed.as_object_mut().unwrap().remove("organization");
    let objects = observed["objects"].as_array_mut().unwrap();
    objects[0] = namespace("team-a", &json!({"team": "a", "tier": "production"}));
    for (number, pinned) in [(1, false), (2, false), (3, true)] {
        let mut other = account("team-a", &format!("heron-{number}"), "prod");
        other["metadata"]["uid"] = json!(format!("uid-{number}"));
        let assigned =
            json!({"revision": name, "hash": hash, "sequence": 1, "by": "Automatic", "tagKeys": []});
        other["status"] = json!({
            "accountId": format!("22222222000{number}"), "email": format!("aws+team-a.heron-{number}@example.com"),
            "baseline": {"assigned": assigned},
        });
        if pinned {
            other["spec"]["baselinePin"] = pin.clone();
            other["spec"]["baselinePin"]["revision"] = name.clone();
        }
        objects.push(other);
    }
    observed
}

#[test]
fn a_change_travels_in_the_order_of_stages_and_leaves_pinned_accounts_out() {
    let files = Files::new();
    let pin = json!({"reason": "an audit", "expiresAt": "2026-11-20T00:00:00Z"});
    let observed = with_prod(&files, &pin);
    let stages = json!([{"name": "first", "environment": "dev"}, {"name": "prod", "environment": "prod"}]);
    let mut held = promotion(&stages);
    held["metadata"]["annotations"] = json!({"bulkhead.dev/hold": "incident 42"});
    let changed = guarded(&json!(["eu-west-1", "us-east-1"]));
    files.write("all.json.yaml", &[changed.clone(), held]);
    let (status, said, error) = files.plan(Some(&observed), &[]);
    assert_eq!((status, error.as_str()), (Some(2), ""), "{said}");
    let before = revision(&guarded(&json!(["eu-west-1"])));
    let before = before["metadata"]["name"].as_str().unwrap();
    for words in [
        "\n    travels by EnvironmentPromotion travel: first (environment dev) (1 account), then prod (2 accounts, 1 pinned); \
         not now: it is held: incident 42\n",
        &format!(
            "= team-a/heron-3  account 222222220003\n    pinned to {before} until 2026-11-20T00:00:00Z: an audit\n"
        ),
        " 1 Baseline to change, 1 EnvironmentPromotion to change, 0 refused.\n",
    ] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }

    // Without a promotion, and not at once: nobody brings it.
    let waits = with(changed, "/spec/updatePolicy", json!("OnPromotion"));
    files.write("all.json.yaml", &[waits]);
    let (_, said, _) = files.plan(Some(&observed), &[]);
    let nobody = "\n    no EnvironmentPromotion is about it: accounts keep the revision they have\n";
    assert!(said.contains(nobody), "{said}");
}

/// A change of the promotion alone begins an attempt, or keeps one from beginning.
#[test]
fn a_promotion_that_asks_for_something_else_is_a_change() {
    let files = Files::new();
    let pin = json!({"reason": "an audit", "expiresAt": "2026-11-20T00:00:00Z"});
    let mut observed = with_prod(&files, &pin);
    let stages = json!([{"name": "dev", "environment": "dev"}, {"name": "prod", "environment": "prod"}]);
    let there = promotion(&stages);
    let objects = observed["objects"].as_array_mut().unwrap();
    objects.push(there.clone());
    let same_in_other_words = with(there.clone(), "/spec/suspend", json!(false));
    files.write("all.json.yaml", std::slice::from_ref(&same_in_other_words));
    let (status, said, error) = files.plan(Some(&observed), &[]);
    assert_eq!((status, error.as_str()), (Some(0), ""), "{said}");

    let mut held = with(there.clone(), "/spec/suspend", json!(true));
    held["metadata"]["annotations"] = json!({"bulkhead.dev/hold": "incident 42", "theirs": "x"});
    files.write("all.json.yaml", std::slice::from_ref(&held));
    let (status, said, error) = files.plan(Some(&observed), &[]);
    assert_eq!((status, error.as_str()), (Some(2), ""), "{said}");
    for words in [
        "~ EnvironmentPromotion travel\n",
        "\"bulkhead.dev/hold\": \"incident 42\"\n",
        "+     \"suspend\": true\n",
        " 1 EnvironmentPromotion to change, 0 refused.\n",
    ] {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
    assert!(!said.contains("theirs"), "{said}");
    let (_, said, _) = files.plan(Some(&observed), &["-o", "json"]);
    let plan: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (
            &plan["promotionChanges"][0]["change"],
            &plan["summary"]["promotions"]
        ),
        (&json!("Changed"), &json!(1))
    );
    assert_eq!(plan["promotionChanges"][0]["after"]["spec"]["suspend"], true);

    // Released: the file had the annotation when it was applied, and has it no more.
    let applied = json!({"metadata": {"annotations": {"bulkhead.dev/hold": "incident 42"}}});
    let last = observed["objects"].as_array_mut().unwrap().last_mut().unwrap();
    last["metadata"]["annotations"] = json!({
        "bulkhead.dev/hold": "incident 42", "bulkhead.dev/abort": "a-1",
        "kubectl.kubernetes.io/last-applied-configuration": applied.to_string(),
    });
    files.write("all.json.yaml", std::slice::from_ref(&there));
    let (status, said, _) = files.plan(Some(&observed), &[]);
    assert_eq!(status, Some(2), "{said}");
    assert!(
        said.contains("-       \"bulkhead.dev/hold\": \"incident 42\"\n"),
        "{said}"
    );
    assert!(
        !said.contains("- EnvironmentPromotion") && !said.contains("a-1"),
        "what others wrote stays\n{said}"
    );

    // It is gone.
    files.write("all.json.yaml", &[guarded(&json!(["eu-west-1"]))]);
    let (status, said, _) = files.plan(Some(&observed), &["--prune"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("- EnvironmentPromotion travel\n"), "{said}");
}

#[test]
fn a_pin_is_judged_as_the_operator_does() {
    let files = Files::new();
    let until = |time: &str| json!({"reason": "an audit", "expiresAt": time});
    let changed = guarded(&json!(["eu-west-1", "us-east-1"]));
    // Longer than maxPinDuration, of an account that stands in the files.
    let observed = with_prod(&files, &until("2027-11-20T00:00:00Z"));
    let mut heron = observed["objects"][6].clone();
    heron.as_object_mut().unwrap().remove("status");
    heron["metadata"].as_object_mut().unwrap().remove("uid");
    files.write("all.json.yaml", &[changed.clone(), heron.clone()]);
    let (status, said, _) = files.plan(Some(&observed), &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains(
            "! team-a/heron-3\n    refused: PinNotAllowed: spec.baselinePin.expiresAt: must be within 720h"
        ),
        "{said}"
    );

    // One that is over says nothing: the account gets what all get.
    let observed = with_prod(&files, &until("2026-10-20T00:00:00Z"));
    files.write("all.json.yaml", std::slice::from_ref(&changed));
    let (_, said, _) = files.plan(Some(&observed), &[]);
    assert!(!said.contains("pinned"), "{said}");

    // A revision that nobody has.
    heron["spec"]["baselinePin"] = until("2026-11-20T00:00:00Z");
    heron["spec"]["baselinePin"]["revision"] = json!("standard-9999999999");
    files.write("all.json.yaml", &[changed, heron]);
    let (status, said, _) = files.plan(Some(&observed), &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("there is no BaselineRevision \"standard-9999999999\""),
        "{said}"
    );
    // Of which nothing can be known without a cluster.
    let mut heron = account("team-a", "heron-3", "prod");
    heron["spec"]["baselinePin"] = until("2999-11-20T00:00:00Z");
    heron["spec"]["baselinePin"]["revision"] = json!("standard-9999999999");
    files.write("all.json.yaml", &[guarded(&json!(["eu-west-1"])), heron]);
    let (status, said, _) = files.plan(None, &[]);
    assert_eq!(status, Some(2), "{said}");
    assert!(
        said.contains("whether it may have that only the cluster knows"),
        "{said}"
    );
}

#[test]
fn tags_that_a_person_decides_about_are_no_plain_changes() {
    let files = Files::new();
    for (rule, words, numbers) in [
        (
            "Approved",
            "    ~ tag cost-center: \"4711\" -> \"4712\" (waits for an Approval)\n",
            "0 to change, 0 to move, 1 waiting, 0 refused.",
        ),
        (
            "Immutable",
            "    ~ tag cost-center: \"4711\" -> \"4712\" (refused: it never changes)\n",
            "0 to change, 0 to move, 1 refused.",
        ),
    ] {
        let baseline = with(
            guarded(&json!(["eu-west-1"])),
            "/spec/mandatoryTags/0/change",
            json!(rule),
        );
        let observed = settled(&files, &baseline);
        let otter = with(
            account("team-a", "otter", "dev"),
            "/spec/costCenter",
            json!("4712"),
        );
        files.write("all.json.yaml", &[otter]);
        let (status, said, error) = files.plan(Some(&observed), &[]);
        let expected = if rule == "Approved" { 2 } else { 1 };
        assert_eq!((status, error.as_str()), (Some(expected), ""), "{said}");
        assert!(said.contains(ID) && said.contains(words), "{said}");
        assert!(said.contains(numbers), "{said}");
    }
}

#[test]
fn a_baseline_that_is_refused_is_told_once_and_not_by_each_account() {
    let files = Files::new();
    let mut objects = vec![
        namespace("team-a", &json!({"team": "a"})),
        guarded(&json!("nowhere")),
    ];
    objects.extend((0..7).map(|number| account("team-a", &format!("otter-{number}"), "dev")));
    files.write("all.yaml", &objects);
    let (status, said, _) = files.plan(None, &[]);
    assert_eq!(status, Some(1), "{said}");
    assert_eq!(said.matches("was not accepted").count(), 0, "{said}");
    assert!(!said.contains("team-a/otter-"), "{said}");
    assert!(said.contains("\n    keeps waiting: 7 new accounts\n"), "{said}");
    assert!(said.ends_with("7 waiting, 1 refused.\n"), "{said}");
}
