//! Everything people and AWS get wrong: told on the right object, at no cost, without harm to others, and over as soon
//! as it is put right.

use std::{net::TcpListener, time::Duration};

use orgsim::Mutation;
use serde_json::{Value, json};

use crate::{
    aws::Aws,
    cluster::Cluster,
    honesty::Witness,
    manifests::{account, baseline, namespace, with, without},
    process::{Operator, config},
    wait::{always, equal, eventually},
};

/// How an object stands, that its message says these words, and that an Event of this reason is on it.
fn is_told(cluster: &Cluster, object: &str, reason: &str, abnormal: &[&str], words: &[&str]) {
    let (namespace, name) = object.split_once('/').unwrap();
    eventually(&format!("{object} tells {reason}"), 40, || {
        let found = cluster.account(namespace, name);
        let (ready, why, there) = found.standing();
        equal(
            &(ready.as_str(), why.as_str(), there.as_slice()),
            &("False", reason, abnormal),
        )?;
        let message = found.condition("Ready").unwrap()["message"]
            .as_str()
            .unwrap()
            .to_owned();
        match words.iter().find(|word| !message.contains(**word)) {
            Some(word) => Err(format!("{word:?} is not in {message:?}")),
            None => equal(&found.text("/status/nextStep"), &message.as_str()),
        }
    });
    let kind = if abnormal.contains(&"Stalled") {
        "Warning"
    } else {
        "Normal"
    };
    eventually(&format!("an Event {reason} on {object}"), 5, || {
        let events = cluster.events(namespace, name);
        let told = events
            .iter()
            .any(|(k, r, note)| k == kind && r == reason && words.iter().all(|word| note.contains(word)));
        if told { Ok(()) } else { Err(format!("{events:?}")) }
    });
}

fn stalls(cluster: &Cluster, object: &str, reason: &str, words: &[&str]) {
    is_told(cluster, object, reason, &["Stalled"], words);
}

fn waits(cluster: &Cluster, object: &str, reason: &str, words: &[&str]) {
    is_told(cluster, object, reason, &["Reconciling", "Waiting"], words);
}

fn becomes_ready(cluster: &Cluster, object: &str) {
    let (namespace, name) = object.split_once('/').unwrap();
    let target = format!("awsaccount/{name}");
    let answer = cluster.kubectl(&[
        "wait",
        "--for=condition=Ready",
        "-n",
        namespace,
        &target,
        "--timeout=60s",
    ]);
    assert_eq!(
        answer.status,
        Some(0),
        "{}\n{}",
        answer.stderr,
        cluster.standing()
    );
}

/// Applies an object that must be refused, with these words.
fn is_refused_at_apply(cluster: &Cluster, object: &Value, words: &[&str]) {
    let answer = cluster.kubectl_with(&["apply", "-f", "-"], object);
    assert_eq!(answer.status, Some(1), "was accepted: {object}");
    for word in words {
        assert!(
            answer.stderr.contains(word),
            "{word:?} is not in {:?}",
            answer.stderr
        );
    }
}

fn what_the_api_server_refuses(cluster: &Cluster) {
    cluster.apply(&[namespace("team-a", &json!({"team": "a", "tier": "production"}))]);
    let bad = |field: &str, value: Value| with(account("team-a", "refused", "dev"), field, value);
    is_refused_at_apply(
        cluster,
        &bad("/spec/email", json!("otter.example.com")),
        &["spec.email", "otter.example.com", "one @"],
    );
    is_refused_at_apply(
        cluster,
        &bad("/spec/enviroment", json!("dev")),
        &["strict decoding error", "unknown field \"spec.enviroment\""],
    );
    let mut deep = baseline("deep");
    deep["spec"]["environments"][0]["organizationalUnit"] = json!("A/B/C/D/E/F");
    is_refused_at_apply(
        cluster,
        &deep,
        &[
            "spec.environments[0].organizationalUnit",
            "at most 5 names",
            "A/B/C/D/E/F",
        ],
    );
    assert!(
        cluster
            .get("/apis/bulkhead.dev/v1alpha1/baselines/deep")
            .is_none()
    );
}

/// AWS is not there when the operator starts.
fn an_outage_is_waited_out(cluster: &Cluster) -> (Aws, Operator) {
    // The port is free when asked for, and the simulator takes it a moment later.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let operator = Operator::start(cluster, "operator", &config(&format!("http://{address}")), &[]);
    cluster.apply(&[
        namespace("team-a", &json!({"team": "a", "tier": "production"})),
        namespace("team-b", &json!({"team": "b"})),
        namespace("outsiders", &json!({})),
        baseline("standard"),
        account("team-a", "early", "dev"),
    ]);
    waits(cluster, "team-a/early", "AwsUnavailable", &[]);
    assert_eq!(
        operator.ready().0,
        200,
        "restarting the operator does not bring AWS back"
    );
    let aws = Aws::serve(Aws::organization(|_| {}), address);
    becomes_ready(cluster, "team-a/early");
    (aws, operator)
}

fn taken() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "taken", "namespace": "team-a"},
        "data": {"theirs": "yes"},
    })
}

fn foreign_map(cluster: &Cluster) -> Value {
    let map = cluster.get("/api/v1/namespaces/team-a/configmaps/taken").unwrap();
    json!([
        map["metadata"]["resourceVersion"],
        map["data"],
        map["metadata"]["managedFields"]
    ])
}

fn long_name() -> String {
    format!("a-name-so-long-that-the-address-has-more-than-{}", "64")
}

fn many_mistakes_at_once(cluster: &Cluster, aws: &Aws) {
    let dev = |namespace: &str, name: &str| account(namespace, name, "dev");
    cluster.apply(&[taken()]);
    let untouched = foreign_map(cluster);
    cluster.apply(&[
        account("team-a", "nowhere", "qa"),
        with(
            dev("team-a", "mail-first"),
            "/spec/email",
            json!("shared@example.com"),
        ),
        with(
            dev("team-b", "mail-second"),
            "/spec/email",
            json!("Shared@Example.com"),
        ),
        dev("team-b", &long_name()),
        without(dev("team-a", "untagged"), "costCenter"),
        with(dev("team-a", "mistagged"), "/spec/costCenter", json!("47")),
        account("team-b", "not-theirs", "prod"),
        dev("outsiders", "stranger"),
        with(
            dev("team-a", "lonely"),
            "/spec/baselineRef",
            json!({"name": "elsewhere"}),
        ),
        with(
            dev("team-a", "outputs"),
            "/spec/outputs",
            json!({"configMapName": "taken"}),
        ),
        account("team-a", "healthy", "prod"),
    ]);
    stalls(
        cluster,
        "team-a/nowhere",
        "UnknownEnvironment",
        &["spec.environment", "\"qa\"", "dev, prod"],
    );
    stalls(
        cluster,
        "team-b/mail-second",
        "EmailConflict",
        &["Shared@Example.com"],
    );
    stalls(
        cluster,
        &format!("team-b/{}", long_name()),
        "InvalidEmail",
        &["emailTemplate", "64"],
    );
    stalls(
        cluster,
        "team-a/untagged",
        "MissingTagValue",
        &["spec.costCenter", "cost-center"],
    );
    stalls(
        cluster,
        "team-a/mistagged",
        "TagValueNotAllowed",
        &["spec.costCenter", "\"47\"", "^[0-9]{4}$"],
    );
    stalls(
        cluster,
        "team-b/not-theirs",
        "EnvironmentNotAllowed",
        &["team-b", "\"prod\"", "tier"],
    );
    stalls(
        cluster,
        "outsiders/stranger",
        "NamespaceNotAllowed",
        &["outsiders", "team"],
    );
    waits(
        cluster,
        "team-a/lonely",
        "BaselineNotFound",
        &["spec.baselineRef.name", "elsewhere"],
    );
    becomes_ready(cluster, "team-a/healthy");
    becomes_ready(cluster, "team-a/mail-first");
    stalls(cluster, "team-a/outputs", "OutputsConflict", &["taken"]);
    assert_eq!(
        foreign_map(cluster),
        untouched,
        "somebody else's ConfigMap was written to"
    );
    let vended: Vec<String> = aws.members().into_keys().collect();
    assert_eq!(
        vended,
        ["early", "healthy", "mail-first", "outputs"],
        "a mistake cost an AWS account"
    );
    assert_eq!(aws.count("CreateAccount"), 4);
    let first = cluster.account("team-a", "mail-first");
    assert_eq!(first.text("/status/email"), "shared@example.com");
}

fn each_is_put_right(cluster: &Cluster) {
    let dev = |namespace: &str, name: &str| account(namespace, name, "dev");
    let mut standard = baseline("standard");
    let environments = standard["spec"]["environments"].as_array_mut().unwrap();
    environments.push(json!({"name": "qa", "organizationalUnit": "Workloads/Qa"}));
    // Emails are immutable, so these two are written anew.
    cluster
        .kubectl(&[
            "delete",
            "-n",
            "team-b",
            "awsaccount",
            "mail-second",
            &long_name(),
            "--timeout=20s",
        ])
        .ok();
    cluster
        .kubectl(&["delete", "-n", "team-a", "configmap", "taken"])
        .ok();
    cluster.apply(&[
        standard,
        baseline("elsewhere"),
        namespace("team-b", &json!({"team": "b", "tier": "production"})),
        namespace("outsiders", &json!({"team": "insiders"})),
        with(
            dev("team-b", "mail-second"),
            "/spec/email",
            json!("own@example.com"),
        ),
        with(
            dev("team-b", &long_name()),
            "/spec/email",
            json!("short@example.com"),
        ),
        dev("team-a", "untagged"),
        dev("team-a", "mistagged"),
    ]);
    let long = format!("team-b/{}", long_name());
    let healed = [
        "team-a/nowhere",
        "team-b/mail-second",
        &long,
        "team-a/untagged",
        "team-a/mistagged",
        "team-b/not-theirs",
        "outsiders/stranger",
        "team-a/lonely",
    ];
    for object in healed {
        becomes_ready(cluster, object);
    }
}

fn aws_says_no(cluster: &Cluster, aws: &Aws) {
    let operations = vec!["CreateAccount".to_owned()];
    let (accounts, ready) = (aws.members().len(), |name: &str| {
        cluster.account("team-a", name).standing().0
    });
    // The Baseline was edited before: everybody has its new revision by now.
    for object in ["team-a/healthy", "team-a/early"] {
        becomes_ready(cluster, object);
    }
    aws.orgsim
        .mutate(Mutation::Deny {
            operations: operations.clone(),
        })
        .unwrap();
    cluster.apply(&[account("team-a", "denied", "dev")]);
    stalls(
        cluster,
        "team-a/denied",
        "AccessDenied",
        &["CreateAccount", "credentials"],
    );
    always("nobody else is touched by it", Duration::from_secs(2), || {
        equal(
            &(ready("healthy"), ready("early")),
            &("True".into(), "True".into()),
        )
    });
    assert_eq!(aws.members().len(), accounts);
    assert!(
        aws.count("CreateAccount") < 40,
        "a denied call is repeated slowly"
    );
    aws.orgsim.mutate(Mutation::Allow { operations }).unwrap();
    becomes_ready(cluster, "team-a/denied");
}

#[test]
fn mistakes_are_told_cost_nothing_and_heal() {
    let Some(cluster) = Cluster::start() else { return };
    let witness = Witness::begin(&cluster);
    what_the_api_server_refuses(&cluster);
    let (aws, operator) = an_outage_is_waited_out(&cluster);
    many_mistakes_at_once(&cluster, &aws);
    each_is_put_right(&cluster);
    aws_says_no(&cluster, &aws);
    // The last to heal: a ConfigMap of somebody else is not watched, so the operator looks once a minute.
    cluster.wait_until_all_are_ready();
    let map = cluster.get("/api/v1/namespaces/team-a/configmaps/taken").unwrap();
    assert_eq!(
        map["data"]["accountId"],
        cluster.account("team-a", "outputs").0["status"]["accountId"]
    );
    aws.assert_exactly(cluster.accounts().len());
    operator.stop();
    witness.judge();
}
