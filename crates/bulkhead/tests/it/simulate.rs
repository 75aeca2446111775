//! `bulkhead simulate --faults`: the example of the README, and what it says to bad input; and what `--scenario` says to it.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

struct Answer {
    status: Option<i32>,
    out: String,
    err: String,
}

fn simulate(faults: &Path, more: &[&str]) -> Answer {
    run(|command| command.args(["examples/acme", "--faults"]).arg(faults).args(more))
}

fn run(arguments: impl FnOnce(&mut Command) -> &mut Command) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
    command
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .arg("simulate");
    let output = arguments(&mut command).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Answer {
        status: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

#[test]
fn the_example_survives_and_says_what_it_survived() {
    let example = Path::new("examples/faults/lost-answers.yaml");
    let json = simulate(example, &["-o", "json"]);
    assert_eq!(json.status, Some(0), "{}", json.err);
    let report: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(report["aws"]["accounts"], 6);
    let lost = report["faults"]["aws"]["answerLost"].as_u64().unwrap();
    let broken = report["faults"]["kubernetes"]["watchBroken"].as_u64().unwrap();
    assert!(lost > 2 && broken > 0, "{}", report["faults"]);

    let table = simulate(example, &[]);
    assert_eq!(table.status, Some(0), "{}", table.err);
    for words in [
        "6 of 6 accounts Ready",
        "6 accounts, 6 CreateAccount calls",
        "Faults hit ",
        &format!("answerLost {lost}"),
        &format!("watchBroken {broken}"),
    ] {
        assert!(table.out.contains(words), "{words:?} is not in\n{}", table.out);
    }
}

#[test]
fn a_bad_plan_is_one_line_that_names_the_place_and_exit_status_2() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan.yaml");
    for (text, words) in [
        ("version: [", "plan.yaml: document: must be YAML or JSON, not "),
        ("", "plan.yaml: document: must be a mapping, not null"),
        ("version: 2", "plan.yaml: version: must be 1, not 2"),
        ("aws: {rules: []}", "plan.yaml: version: must be 1, not absent"),
        (
            "version: 1\nAWS: {}",
            "plan.yaml: document: must have no fields but version, aws, kubernetes, not AWS",
        ),
        (
            "version: 1\naws: {version: 3, rules: []}",
            "plan.yaml: aws.version: must be 1, not 3",
        ),
        (
            "version: 1\naws: {rules: [{fault: fire}]}",
            "plan.yaml: aws.rules[0].fault: must be one of throttle, ",
        ),
        (
            "version: 1\naws: {rules: [{fault: slow, operations: [Fly]}]}",
            "plan.yaml: aws.rules[0].operations[0]: must be reads, writes or one of ",
        ),
        (
            "version: 1\nkubernetes: {rules: [{fault: slow, often: 3}]}",
            "plan.yaml: kubernetes.rules[0]: must have no fields but fault, ",
        ),
        (
            "version: 1\nkubernetes: {rules: [{fault: slow, resources: [baselines]}]}",
            "not baselines; did you mean baselines.bulkhead.dev?",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let Answer { status, out, err } = simulate(&path, &[]);
        assert_eq!((status, out.as_str()), (Some(2), ""), "{text:?}: {err}");
        assert_eq!(err.lines().count(), 1, "{text:?}: {err}");
        assert!(
            err.starts_with("error: ") && err.contains(words),
            "{words:?} is not in {err:?}"
        );
    }
    let missing = simulate(&directory.path().join("missing.yaml"), &[]);
    assert_eq!(missing.status, Some(2));
    assert!(
        missing.err.contains("missing.yaml: No such file"),
        "{}",
        missing.err
    );
}

#[test]
fn a_bad_scenario_is_refused_with_its_file_and_key_and_exit_status_2() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("scene.yaml");
    let bad = "apiVersion: bulkhead.dev/v1alpha1\nkind: Baseline\nmetadata: {name: b}\nspec: {colour: red}\n";
    fs::write(directory.path().join("bad.yaml"), bad).unwrap();
    for (text, words) in [
        ("steps: [", "scene.yaml: "),
        ("stpes: []", "scene.yaml: "),
        ("start: noon", "scene.yaml: start: "),
        ("steps: [{after: soon}]", "scene.yaml: steps[0].after: "),
        (
            "steps: [{after: -1m}]",
            "scene.yaml: steps[0].after: must not be negative",
        ),
        (
            "steps: [{approve: {promotion: p, who: alice}}]",
            "scene.yaml: steps[0].approve",
        ),
        (
            "expect: [{promotion: p, phase: Done}]",
            "scene.yaml: expect[0].phase: ",
        ),
        (
            "approvers: {alice: []}\nsteps: [{approve: {promotion: p, as: alicia}}]",
            "scene.yaml: steps[0].approve.as: \"alicia\" is not among approvers: it names alice",
        ),
        (
            "steps: [{annotate: {promotion: p, set: {hold: null}}}]",
            "hold: must be a text, not null",
        ),
        (
            "steps: [{annotate: {promotion: p, set: {holt: x}}}]",
            "; did you mean hold?",
        ),
        ("expect: [{}]", "scene.yaml: expect[0]: names nothing"),
        ("config: {gates: {hosts: []}}", "scene.yaml: configuration: "),
        (
            "answers: [{contains: x, prometheus: [0], body: y}]",
            "scene.yaml: answers[0]: prometheus and body exclude each other",
        ),
        ("apply: [{file: none.yaml}]", "none.yaml: No such file"),
        ("apply: [{file: bad.yaml}]", "bad.yaml:4: "),
    ] {
        fs::write(&path, text).unwrap();
        let Answer { status, out, err } = run(|command| command.arg("--scenario").arg(&path));
        assert_eq!((status, out.as_str()), (Some(2), ""), "{text:?}: {err}");
        assert!(
            err.starts_with("error: ") && err.contains(words),
            "{words:?} is not in {err:?}"
        );
    }
    let none = run(|command| command);
    assert_eq!(none.status, Some(2), "{}", none.err);
}

#[test]
fn what_does_not_come_is_said_and_the_exit_status_is_1() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("scene.yaml");
    let text = "limit: 10m\nsteps: [{when: {promotion: standard, phase: Baking}}]\n\
                expect: [{environment: prod, onNewest: 1}]\n";
    fs::write(&path, text).unwrap();
    let Answer { status, err, .. } = run(|command| command.arg("--scenario").arg(&path));
    assert_eq!(status, Some(1), "{err}");
    for words in [
        "scene.yaml: steps[0], waits: there is no promotion standard",
        "environment prod: 0 accounts have the newest revision, not 1",
    ] {
        assert!(err.contains(words), "{words:?} is not in {err:?}");
    }
}

#[test]
fn an_approval_that_nothing_waits_for_is_said_with_what_waits_instead() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("scene.yaml");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/promotion");
    let apply = ["namespace.yaml", "baseline.yaml", "promotion.yaml"]
        .map(|name| format!("- {{file: {}}}\n", example.join(name).display()))
        .concat();
    let text = format!(
        "limit: 2h\napprovers: {{alice: [cloud-platform]}}\napply:\n{apply}\
         config: {{gates: {{allowedHosts: [p.example.com], prometheusAddress: 'https://p.example.com'}}}}\n\
         steps:\n- {{after: 1m}}\n- {{after: 1h, approve: {{promotion: standard, as: alice}}}}\n\
         - {{reject: {{promotion: other, as: alice}}}}\n"
    );
    fs::write(&path, text).unwrap();
    let Answer { status, err, .. } = run(|command| command.arg("--scenario").arg(&path));
    assert_eq!(status, Some(1), "{err}");
    for words in [
        "scene.yaml: steps[1]: Approve by alice: nothing waits for an Approval; promotion standard is ",
        "scene.yaml: steps[2]: Reject by alice: nothing waits for an Approval; there is no promotion other",
    ] {
        assert!(err.contains(words), "{words:?} is not in {err:?}");
    }
}
