//! `bulkhead controller` by itself: what it says to bad configuration, and its probes.

use std::{fs, path::Path, process::Command, time::Duration};

use serde_json::json;

use crate::process::{Operator, config};

/// Exit status and what went to standard error.
fn run(config: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bulkhead"))
        .args([
            "controller",
            "--metrics-addr=127.0.0.1:0",
            "--kubeconfig=/nonexistent",
            "--config",
        ])
        .arg(config)
        .output()
        .unwrap();
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn bad_configuration_is_one_line_that_names_it_and_exit_status_2() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    for (text, words) in [
        ("installation: acme\nawz: {}\n", vec!["awz"]),
        ("installation: acme\naws: {awsShar: 0.5}\n", vec!["aws.awsShar"]),
        (
            "installation: acme\ncreation: {grace: soon}\n",
            vec!["creation.grace", "line 2"],
        ),
        (
            "installation: acme\ncreation: {poll: 10ms}\n",
            vec!["creation.poll", "at least 1s"],
        ),
        (
            "installation: acme\nleaderElection: {leaseDuration: 10s, renewDeadline: 8s, retryPeriod: 1s}\n",
            vec!["leaderElection.renewDeadline", "8s"],
        ),
        (
            "installation: acme\naws: {awsShare: 2}\n",
            vec!["aws.awsShare is 2"],
        ),
        ("installation: Not Acme\n", vec!["installation", "Not Acme"]),
        ("mode: Enforce\n", vec!["installation"]),
        ("installation: [\n", vec!["config.yaml"]),
        ("", vec![]),
    ] {
        fs::write(&path, text).unwrap();
        let (status, said) = run(&path);
        assert_eq!(status, Some(2), "{text:?}: {said}");
        assert_eq!(
            said.lines().count(),
            1,
            "{text:?} is answered with more than a line:\n{said}"
        );
        assert!(said.starts_with("error: "), "{said}");
        for word in words.into_iter().chain(["config.yaml"]) {
            assert!(said.contains(word), "{text:?}: {word:?} is not in {said:?}");
        }
    }
    let missing = directory.path().join("missing.yaml");
    let (status, said) = run(&missing);
    assert_eq!((status, said.lines().count()), (Some(2), 1), "{said}");
    assert!(
        said.contains("missing.yaml") && said.contains("No such file"),
        "{said}"
    );
}

#[test]
fn probes_and_metrics_answer_even_without_kubernetes() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    // Port 9 is "discard": nobody listens there.
    let nowhere = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
    });
    fs::write(path("config.yaml"), config("http://127.0.0.1:9").to_string()).unwrap();
    fs::write(path("kubeconfig"), nowhere.to_string()).unwrap();
    let operator = Operator::start_with("operator", &path("config.yaml"), &path("kubeconfig"), &[]);
    let (status, _, body) = operator.http("/healthz");
    assert_eq!((status, body.as_str()), (200, "ok"));
    let (status, text) = operator.ready();
    assert_eq!(status, 503);
    for word in [
        "waiting",
        "awsaccounts",
        "baselines",
        "organizations",
        "namespaces",
        "configmaps",
    ] {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
    let (status, head, body) = operator.http("/metrics");
    assert_eq!(status, 200);
    assert!(
        head.to_lowercase()
            .contains("content-type: application/openmetrics-text"),
        "{head}"
    );
    for line in ["# TYPE bulkhead_leader gauge", "bulkhead_leader 0", "# EOF"] {
        assert!(
            body.lines().any(|found| found == line),
            "{line:?} is not in\n{body}"
        );
    }
    assert_eq!(operator.http("/").0, 404);
    let took = operator.stop();
    assert!(took < Duration::from_secs(5), "stopping took {took:?}");
}
