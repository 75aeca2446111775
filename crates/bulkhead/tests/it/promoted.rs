//! A promotion from its first attempt to its last, steered with the plugin: the operator answers what people ask, and the
//! plugin understands what the operator writes.

use serde_json::{Value, json};

use crate::{
    aws::Aws,
    cluster::Cluster,
    manifests::{account, baseline, namespace, with},
    process::{Operator, config},
    promotions::{ALICE, BOB, ERIN, refused, start},
    wait::eventually,
};

const NAME: &str = "guardrails";

fn promotion() -> Value {
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "EnvironmentPromotion",
        "metadata": {"name": NAME, "annotations": {"bulkhead.dev/requested-by": BOB}},
        "spec": {"baselineRef": {"name": "standard"}, "revisionPolicy": "Automatic", "stages": [
            {"name": "dev", "environment": "dev"},
            {
                "name": "prod", "environment": "prod",
                "approval": {"required": 1, "groups": ["platform"], "excludeAuthor": true},
            },
        ]},
    })
}

/// What the plugin says of it, as JSON.
fn view(cluster: &Cluster) -> Value {
    let told = cluster.bulkhead(ALICE, &["promotion", NAME, "-o", "json"]).ok();
    serde_json::from_str(&told).unwrap()
}

/// Waits until it stands so, for this attempt.
fn until(cluster: &Cluster, phase: &str, reason: &str, attempt: &str) -> Value {
    eventually(&format!("{attempt} is {phase} ({reason})"), 60, || {
        let view = view(cluster);
        let found = [&view["phase"], &view["reason"], &view["attempt"]["id"]];
        if found == [phase, reason, attempt] {
            Ok(view)
        } else {
            Err(cluster.bulkhead(ALICE, &["promotion", NAME]).stdout)
        }
    })
}

/// The Baseline has another content.
fn change(cluster: &Cluster, unit: &str) {
    let changed = with(
        baseline("standard"),
        "/spec/environments/0/organizationalUnit",
        json!(unit),
    );
    cluster.apply(&[changed]);
}

fn digest(view: &Value) -> &str {
    view["awaiting"]["digest"].as_str().unwrap()
}

#[test]
fn a_promotion_goes_as_people_say() {
    let Some(cluster) = start() else {
        return;
    };
    let aws = Aws::start();
    let operator = Operator::start(&cluster, "operator", &config(&aws.url()), &[]);
    cluster.apply(&[
        namespace("team-a", &json!({"team": "a", "tier": "production"})),
        baseline("standard"),
        account("team-a", "otter", "dev"),
        account("team-a", "heron", "prod"),
    ]);
    cluster.wait_until_all_are_ready();
    cluster.kubectl_as(BOB, &["create", "-f", "-"], &promotion()).ok();
    // Every account has it already.
    let first = until(&cluster, "Succeeded", "Promoted", "a-1");
    approved(&cluster);
    held_and_rejected(&cluster);
    retried(&cluster, &first);
    let log = operator.log();
    assert!(!log.contains("orbidden"), "{log}");
    operator.stop();
}

fn approved(cluster: &Cluster) {
    change(cluster, "Workloads/Lab");
    let waits = until(cluster, "WaitingApproval", "AwaitingApproval", "a-2");
    assert_eq!(
        waits["next"]["waitsFor"],
        "1 more approval of platform, not of bob"
    );
    assert_eq!(waits["next"]["then"], "prod starts with wave all");
    assert_eq!(waits["attempt"]["requestedBy"], BOB);
    assert_eq!(
        (
            &waits["stages"][0]["state"],
            &waits["stages"][0]["targets"]["updated"]
        ),
        (&json!("Succeeded"), &json!(1))
    );
    let approve = ["approve", "promotion", NAME, "--digest", digest(&waits)];
    refused(
        &cluster.bulkhead(BOB, &approve),
        &["you asked for attempt a-2 yourself"],
    );
    let told = cluster.bulkhead(ALICE, &approve).ok();
    assert!(told.contains(waits["plan"]["digest"].as_str().unwrap()), "{told}");
    let done = until(cluster, "Succeeded", "Promoted", "a-2");
    assert_eq!(done["history"][0]["approvedBy"], json!(["prod: alice"]));
    assert_eq!(done["revision"], done["stableRevision"]);
    let told = cluster.bulkhead(ALICE, &["promotions"]).ok();
    assert!(told.contains("2/2 stages"), "{told}");
    refused(&cluster.bulkhead(ALICE, &approve), &["awaits no approval"]);
    refused(
        &cluster.bulkhead(BOB, &["retry", NAME]),
        &["has passed all stages; there is nothing to retry"],
    );
}

fn held_and_rejected(cluster: &Cluster) {
    cluster
        .bulkhead(BOB, &["hold", NAME, "--reason", "incident 42"])
        .ok();
    change(cluster, "Workloads/Attic");
    let held = until(cluster, "Paused", "Suspended", "a-2");
    assert_eq!(held["next"]["waitsFor"], "the hold to be released (incident 42)");
    refused(
        &cluster.bulkhead(BOB, &["abort", NAME]),
        &["no attempt is under way"],
    );
    cluster.bulkhead(BOB, &["release", NAME]).ok();
    until(cluster, "WaitingApproval", "AwaitingApproval", "a-3");
    cluster.bulkhead(ALICE, &["reject", "promotion", NAME]).ok();
    let stopped = until(cluster, "Stopped", "ApprovalRejected", "a-3");
    assert_eq!(
        stopped["next"]["commands"],
        json!(["kubectl bulkhead retry guardrails"])
    );
}

/// Whoever retries is the author; who was may approve then.
fn retried(cluster: &Cluster, first: &Value) {
    cluster.bulkhead(BOB, &["retry", NAME]).ok();
    let waits = until(cluster, "WaitingApproval", "AwaitingApproval", "a-4");
    refused(
        &cluster.bulkhead(BOB, &["retry", NAME]),
        &["attempt a-4 is under way"],
    );
    cluster.bulkhead(BOB, &["abort", NAME, "--attempt", "a-4"]).ok();
    until(cluster, "Aborted", "Aborted", "a-4");
    cluster.bulkhead(ERIN, &["retry", NAME]).ok();
    let again = until(cluster, "WaitingApproval", "AwaitingApproval", "a-5");
    assert_eq!(again["attempt"]["requestedBy"], ERIN);
    assert_ne!(digest(&again), digest(&waits));
    refused(
        &cluster.bulkhead(BOB, &["approve", "promotion", NAME, "--digest", digest(&waits)]),
        &["is not what EnvironmentPromotion guardrails waits for now"],
    );
    cluster.bulkhead(BOB, &["approve", "promotion", NAME]).ok();
    let done = until(cluster, "Succeeded", "Promoted", "a-5");
    assert_ne!(done["stableRevision"], first["stableRevision"]);
    let results: Vec<&str> = done["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["result"].as_str().unwrap())
        .collect();
    assert_eq!(
        results,
        ["Succeeded", "Aborted", "Stopped", "Succeeded", "Succeeded"]
    );
}
