//! The published rules are enough.

use serde_json::json;

use crate::{
    aws::Aws,
    cluster::Cluster,
    manifests::{account, baseline, namespace, with},
    process::{Operator, config},
    wait::eventually,
};

#[test]
fn the_published_rules_are_enough_to_vend() {
    // With this plugin a controller needs a right of its own to write owner references that block deletion.
    let plugin = "--enable-admission-plugins=OwnerReferencesPermissionEnforcement";
    let Some(cluster) = Cluster::start_with(&[plugin]) else {
        return;
    };
    for (verb, resource) in [
        ("delete", "awsaccounts"),
        ("update", "awsaccounts"),
        ("patch", "baselines"),
        ("get", "secrets"),
        ("delete", "configmaps"),
        ("create", "namespaces"),
    ] {
        let answer = cluster.kubectl_as_operator(&["auth", "can-i", verb, resource, "-A"]);
        assert_eq!(answer.stdout.trim(), "no", "the operator may {verb} {resource}");
    }
    let aws = Aws::start();
    let operator = Operator::start(&cluster, "operator", &config(&aws.url()), &[]);
    cluster.apply(&[
        namespace("team-a", &json!({"team": "a"})),
        baseline("standard"),
        with(
            account("team-a", "otter", "dev"),
            "/spec/outputs",
            json!({"configMapName": "otter-account"}),
        ),
    ]);
    cluster.wait_until_all_are_ready();
    aws.assert_exactly(1);
    assert!(
        cluster
            .get("/api/v1/namespaces/team-a/configmaps/otter-account")
            .is_some()
    );
    assert!(
        cluster
            .get("/apis/bulkhead.dev/v1alpha1/organizations/acme")
            .is_some()
    );
    eventually("the Events were allowed", 5, || {
        let events = cluster.events("team-a", "otter");
        let ready = events.iter().any(|(_, reason, _)| reason == "Ready");
        if ready { Ok(()) } else { Err(format!("{events:?}")) }
    });
    cluster
        .kubectl(&["delete", "-n", "team-a", "awsaccount", "otter", "--timeout=20s"])
        .ok();
    let log = operator.log();
    for word in ["forbidden", "Forbidden"] {
        assert!(!log.contains(word), "{word:?} is in the log:\n{log}");
    }
    operator.stop();
}
