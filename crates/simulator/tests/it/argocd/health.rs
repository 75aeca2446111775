//! health.lua, and how it agrees with kstatus and kubectl.

use super::{
    files::{KINDS, directory, script, testdata, yaml},
    kstatus::{Kstatus, kstatus, waited_for},
    lua::{BOTH, Libraries, health},
    played::{played, versions},
    table::{FIXTURES, MALFORMED},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn name(object: &Value) -> String {
    format!("{}: {:#}", object["kind"], object["status"])
}

#[test]
fn t01_health_of_every_fixture_in_both_library_modes() {
    for kind in KINDS {
        let tests = yaml(&directory(kind).join("health_test.yaml"));
        let tests = tests["tests"].as_array().unwrap();
        assert!(tests.len() >= 4, "{kind}");
        for test in tests {
            let object = yaml(&directory(kind).join(test["inputPath"].as_str().unwrap()));
            assert_eq!(object["kind"], kind);
            for libraries in BOTH {
                let (status, message) = health(&script(kind, "health.lua"), &object, libraries).unwrap();
                let found = json!({"status": status, "message": message});
                assert_eq!(
                    found, test["healthStatus"],
                    "{kind} {} {libraries:?}",
                    test["inputPath"]
                );
            }
        }
    }
}

#[test]
fn one_script_for_every_kind_and_none_for_kinds_without_a_status() {
    let one = script("EnvironmentPromotion", "health.lua");
    for kind in KINDS {
        assert_eq!(script(kind, "health.lua"), one, "{kind}");
    }
    let above = directory("AwsAccount").join("..");
    let kinds: BTreeSet<String> = std::fs::read_dir(above)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(kinds, KINDS.map(str::to_owned).into());
    let with_status = api::crds().into_iter().filter(|crd| {
        let versions = &crd.spec.versions;
        versions.iter().any(|version| {
            version
                .subresources
                .as_ref()
                .is_some_and(|all| all.status.is_some())
        })
    });
    let with_status: BTreeSet<String> = with_status.map(|crd| crd.spec.names.kind).collect();
    assert_eq!(with_status, kinds);
}

#[test]
fn t04_kstatus_of_every_fixture() {
    for fixture in FIXTURES {
        let object = yaml(&directory(fixture.kind).join(format!("testdata/{}.yaml", fixture.name)));
        let found = kstatus(&object).map_or_else(|_| "error".to_owned(), |status| format!("{status:?}"));
        assert_eq!(found, fixture.kstatus, "{}/{}", fixture.kind, fixture.name);
        let mut leaving = object.clone();
        leaving["metadata"]["deletionTimestamp"] = "2026-09-07T10:00:00Z".into();
        assert_eq!(kstatus(&leaving), Ok(Kstatus::Terminating));
    }
}

#[track_caller]
fn agree(object: &Value, of: &str) -> String {
    let script = script(object["kind"].as_str().unwrap(), "health.lua");
    let (status, _) = health(&script, object, Libraries::Closed).unwrap();
    let judged = kstatus(object).unwrap();
    assert_eq!(
        status == "Healthy",
        judged == Kstatus::Current,
        "{of}: {status}, {judged:?}"
    );
    assert_eq!(
        status == "Degraded",
        judged == Kstatus::Failed,
        "{of}: {status}, {judged:?}"
    );
    status
}

#[test]
fn t05_health_and_kstatus_agree_on_success_and_failure() {
    for kind in KINDS {
        for (name, object) in testdata(kind) {
            if !MALFORMED.contains(&name.as_str()) {
                agree(&object, &name);
            }
        }
    }
    // And of every version of every object that was written, those included that nobody thought of.
    let seen: Vec<String> = versions()
        .iter()
        .filter(|object| object["metadata"]["deletionTimestamp"].is_null())
        .map(|object| {
            format!(
                "{} {}",
                object["kind"].as_str().unwrap(),
                agree(object, &name(object))
            )
        })
        .collect();
    assert!(seen.len() > 300, "{}", seen.len());
    let seen: BTreeSet<&str> = seen.iter().map(String::as_str).collect();
    for health in ["Healthy", "Suspended", "Progressing", "Degraded"] {
        for kind in ["AwsAccount", "EnvironmentPromotion"] {
            assert!(
                seen.contains(format!("{kind} {health}").as_str()),
                "{kind} was never {health}: {seen:?}"
            );
        }
    }
}

#[test]
fn t07_kubectl_does_not_take_an_old_generation_for_done() {
    let (mut stale, mut done) = (0, 0);
    for object in versions() {
        let judged = kstatus(object).unwrap();
        let generation = object["metadata"]["generation"].as_i64().unwrap();
        let observed = object["status"]["observedGeneration"].as_i64().unwrap_or(-1);
        let ready = waited_for(object, "Ready");
        if observed < generation {
            let was = object["status"]["conditions"].as_array().into_iter().flatten();
            stale += usize::from(
                was.clone()
                    .any(|one| one["type"] == "Ready" && one["status"] == "True"),
            );
            for type_ in ["Ready", "Succeeded", "Stalled", "Accepted"] {
                assert!(!waited_for(object, type_), "{type_}: {}", name(object));
            }
        }
        assert_eq!(ready, judged == Kstatus::Current, "{}", name(object));
        assert_eq!(
            waited_for(object, "Stalled"),
            judged == Kstatus::Failed,
            "{}",
            name(object)
        );
        if object["kind"] == "EnvironmentPromotion" {
            // Of an attempt; a plan that is shown is no attempt.
            let succeeded = waited_for(object, "Succeeded");
            assert!(!succeeded || object["status"]["attempt"]["outcome"]["result"] == "Succeeded");
            done += usize::from(succeeded);
        }
    }
    assert!(stale > 3 && done > 0, "{stale} {done}");
}

#[test]
fn t26_a_message_is_one_line_the_same_each_time_and_quickly_made() {
    for object in versions() {
        let script = script(object["kind"].as_str().unwrap(), "health.lua");
        let (_, message) = health(&script, object, Libraries::Closed).unwrap();
        assert!(!message.contains(char::is_control), "{message:?}");
        // Every time that is named is a moment.
        for word in [" ago", " left", "remaining", "so far"] {
            assert!(!message.contains(word), "{message}");
        }
    }
}

#[test]
fn t26_64_kilobytes_of_status_cost_little_and_change_nothing() {
    for kind in KINDS {
        let all = testdata(kind);
        let (_, object) = all
            .iter()
            .find(|(name, _)| name == "ready" || name == "succeeded")
            .unwrap();
        let mut big = object.clone();
        let conditions = big["status"]["conditions"].as_array_mut().unwrap();
        while serde_json::to_string(conditions).unwrap().len() < 64 * 1024 {
            let other = json!({
                "type": format!("Other{}", conditions.len()), "status": "True", "reason": "Other", "message": "m",
                "lastTransitionTime": "2026-09-07T10:00:00Z",
            });
            conditions.insert(0, other);
        }
        let script = script(kind, "health.lua");
        let small = health(&script, object, Libraries::Closed).unwrap();
        // The harness ends what takes longer than Argo CD waits.
        for libraries in [BOTH, BOTH].concat() {
            assert_eq!(health(&script, &big, libraries).unwrap(), small, "{kind}");
        }
    }
}

#[test]
fn t22_what_the_operator_makes_has_no_tracking_label_or_annotation() {
    let tracked = |object: &Value| {
        let text = object["metadata"].to_string();
        text.contains("app.kubernetes.io/instance") || text.contains("argocd.argoproj.io/tracking-id")
    };
    assert!(
        versions()
            .iter()
            .any(|object| object["kind"] == "Baseline" && tracked(object))
    );
    let made = &played().made;
    let kinds: BTreeSet<&str> = made.iter().filter_map(|object| object["kind"].as_str()).collect();
    for kind in ["BaselineRevision", "ConfigMap", "Event", "Lease", "Organization"] {
        assert!(kinds.contains(kind), "{kind}: {kinds:?}");
    }
    for object in made {
        assert!(!tracked(object), "{object:#}");
    }
}

/// `healthCheckExprs` of the README, as Flux evaluates them: after its check of the generation, in its order.
fn flux(object: &Value, expressions: &Value) -> &'static str {
    if object["status"]["observedGeneration"] != object["metadata"]["generation"] {
        return "InProgress";
    }
    let holds = |which: &str| {
        let program = cel::Program::compile(expressions[which].as_str().unwrap()).unwrap();
        let mut context = cel::Context::default();
        context.add_variable("status", &object["status"]).unwrap();
        program.execute(&context).unwrap() == cel::Value::Bool(true)
    };
    match (holds("failed"), holds("current")) {
        (true, _) => "Failed",
        (_, true) => "Current",
        _ => "InProgress",
    }
}

#[test]
fn flux_waits_until_a_promotion_is_accepted_with_the_expressions_of_the_readme() {
    let readme = std::fs::read_to_string("../../README.md").unwrap();
    let (_, from) = readme.split_once("healthCheckExprs:\n").unwrap();
    let (text, _) = from.split_once("```").unwrap();
    let expressions: Value = serde_saphyr::from_str(text).unwrap();
    let expressions = &expressions[0];
    assert_eq!(expressions["kind"], "EnvironmentPromotion");
    assert_eq!(
        expressions["apiVersion"],
        format!("{}/{}", api::GROUP, api::VERSION)
    );
    for fixture in FIXTURES
        .iter()
        .filter(|fixture| fixture.kind == "EnvironmentPromotion")
    {
        if MALFORMED.contains(&fixture.name) {
            continue;
        }
        let object = yaml(&directory(fixture.kind).join(format!("testdata/{}.yaml", fixture.name)));
        let wanted = match (fixture.kstatus, fixture.name) {
            ("Failed", _) => "Failed",
            // Not accepted yet.
            (_, "never-seen" | "stale" | "stale-stalled" | "revision-not-found") => "InProgress",
            _ => "Current",
        };
        assert_eq!(flux(&object, expressions), wanted, "{}", fixture.name);
    }
}
