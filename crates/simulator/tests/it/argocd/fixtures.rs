//! The fixtures as files: taken from what was written, with the lists of tests in upstream's format that follow from the
//! table.

use super::{
    files::{KINDS, directory, testdata},
    lua::merged,
    played::versions,
    table::{
        ACTIONS, Action, FIXTURES, Fixture,
        Source::{Changed, Written},
    },
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

fn condition<'a>(object: &'a Value, type_: &str) -> &'a Value {
    let all = object["status"]["conditions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    all.iter()
        .find(|condition| condition["type"] == type_)
        .unwrap_or(&Value::Null)
}

fn source(fixture: &Fixture) -> Value {
    match fixture.source {
        Written(phase, reason, with) => {
            let fits = |object: &&Value| {
                object["kind"] == fixture.kind
                    && object["status"]["observedGeneration"] == object["metadata"]["generation"]
                    && (phase.is_empty() || object["status"]["phase"] == phase)
                    && condition(object, "Ready")["reason"] == reason
                    && object["status"]["conditions"].to_string().contains(with)
            };
            let found = versions().iter().find(fits);
            let mut object = found
                .unwrap_or_else(|| panic!("no {} {} was written", fixture.kind, fixture.name))
                .clone();
            object["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("managedFields");
            object
        }
        Changed(name, change) => {
            let mut all = FIXTURES.iter();
            let from = all
                .find(|other| other.kind == fixture.kind && other.name == name)
                .unwrap();
            let mut object = source(from);
            change(&mut object);
            object
        }
    }
}

/// What of an object does not depend on hashes, ids and times.
fn shape(object: &Value) -> Value {
    let status = &object["status"];
    let conditions: Vec<Value> = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| json!([one["type"], one["status"], one["reason"]]))
        .collect();
    let keys = |object: &Value| {
        object
            .as_object()
            .map(|map| map.keys().cloned().collect::<BTreeSet<String>>())
    };
    json!({
        "conditions": conditions, "phase": status["phase"], "stage": status["stage"], "wave": status["wave"],
        "status": keys(status), "metadata": keys(&object["metadata"]), "spec": keys(&object["spec"]),
    })
}

fn file(kind: &str, path: &str) -> PathBuf {
    directory(kind).join(path)
}

fn write(path: &PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// What the health of a fixture says: by the rules of the API, not by the script.
fn message(fixture: &Fixture, object: &Value) -> String {
    let status = &object["status"];
    if status["observedGeneration"].is_null() {
        return "Waiting for Bulkhead to look at it".to_owned();
    }
    if status["observedGeneration"] != object["metadata"]["generation"] {
        return "Waiting for Bulkhead to look at the latest generation".to_owned();
    }
    let type_ = match fixture.health {
        "Healthy" => "Ready",
        "Suspended" => "Waiting",
        "Degraded" => "Stalled",
        _ => "Reconciling",
    };
    let condition = condition(object, type_);
    let of = |field: &str| condition[field].as_str().unwrap().to_owned();
    format!("{}: {}", of("reason"), of("message"))
}

fn list(kind: &str) -> impl Iterator<Item = &'static Fixture> {
    FIXTURES.iter().filter(move |fixture| fixture.kind == kind)
}

fn stored(kind: &str, name: &str) -> Value {
    let all = testdata(kind);
    let found = all.into_iter().find(|(known, _)| known == name);
    found
        .unwrap_or_else(|| panic!("{kind} has no testdata/{name}.yaml"))
        .1
}

fn health_test(kind: &str) -> String {
    let mut text = "tests:\n".to_owned();
    for fixture in list(kind) {
        let message = message(fixture, &stored(kind, fixture.name));
        let _ = write!(
            text,
            "- inputPath: testdata/{}.yaml\n  healthStatus:\n    status: {}\n    message: {}\n",
            fixture.name,
            fixture.health,
            Value::from(message)
        );
    }
    text
}

fn action_test(kind: &str) -> String {
    let mut all: Vec<&str> = ACTIONS
        .iter()
        .filter(|one| one.kind == kind)
        .map(|one| one.name)
        .collect();
    all.sort_unstable();
    let mut text = "discoveryTests:\n".to_owned();
    for fixture in list(kind) {
        let _ = write!(
            text,
            "- inputPath: ../testdata/{}.yaml\n  result:\n",
            fixture.name
        );
        for action in &all {
            let _ = writeln!(
                text,
                "  - {{name: {action}, disabled: {}}}",
                !fixture.actions.contains(action)
            );
        }
    }
    text.push_str("actionTests:\n");
    for Action { name, fixture, .. } in ACTIONS.iter().filter(|one| one.kind == kind) {
        let _ = write!(
            text,
            "- action: {name}\n  inputPath: ../testdata/{fixture}.yaml\n  expectedOutputPath: testdata/{name}.yaml\n"
        );
    }
    text
}

/// What follows from the table and the fixtures, by name of the file.
pub(crate) fn derived(kind: &str) -> Vec<(String, String)> {
    let mut files = vec![("health_test.yaml".to_owned(), health_test(kind))];
    if ACTIONS.iter().any(|one| one.kind == kind) {
        files.push(("actions/action_test.yaml".to_owned(), action_test(kind)));
    }
    for action in ACTIONS.iter().filter(|one| one.kind == kind) {
        let text = serde_saphyr::to_string(&merged(&stored(kind, action.fixture), &action.patch())).unwrap();
        files.push((format!("actions/testdata/{}.yaml", action.name), text));
    }
    files
}

#[test]
fn fixtures_are_what_the_operator_writes() {
    let record = std::env::var_os("BULKHEAD_RECORD").is_some();
    if record {
        for kind in KINDS {
            let _ = fs::remove_dir_all(file(kind, "testdata"));
        }
        for fixture in FIXTURES {
            let path = file(fixture.kind, &format!("testdata/{}.yaml", fixture.name));
            write(&path, &serde_saphyr::to_string(&source(fixture)).unwrap());
        }
        for kind in KINDS {
            for (path, text) in derived(kind) {
                write(&file(kind, &path), &text);
            }
        }
    }
    for fixture in FIXTURES {
        assert_eq!(
            shape(&stored(fixture.kind, fixture.name)),
            shape(&source(fixture)),
            "{}/{}: the operator writes something else; see the head of mod.rs",
            fixture.kind,
            fixture.name
        );
    }
}

#[test]
fn the_lists_of_tests_follow_from_the_table() {
    for kind in KINDS {
        let named: Vec<String> = testdata(kind).into_iter().map(|(name, _)| name).collect();
        let mut wanted: Vec<&str> = list(kind).map(|fixture| fixture.name).collect();
        wanted.sort_unstable();
        assert_eq!(named, wanted, "{kind}");
        for (path, text) in derived(kind) {
            let found = fs::read_to_string(file(kind, &path)).unwrap();
            assert_eq!(found, text, "{kind}/{path}: see the head of mod.rs");
        }
    }
}
