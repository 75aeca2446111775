//! Who may decide what Bulkhead will not do alone, on a real API server.

use controlplane::User;
use serde_json::{Value, json};

use crate::{
    aws::Aws,
    cluster::{Answer, Cluster, Object, list},
    manifests::{account, baseline, namespace, with},
    process::{Operator, config},
    wait::eventually,
};

/// Alice may approve in team-a, Bob may only create Approvals.
const ALICE: &str = "alice";
const BOB: &str = "bob";

fn approve(cluster: &Cluster, user: &str, arguments: &[&str]) -> Answer {
    let about = ["approve", "awsaccount", "otter", "-n", "team-a"];
    cluster.bulkhead(user, &[&about, arguments].concat())
}

fn refused(answer: &Answer, pieces: &[&str]) {
    assert_eq!(answer.status, Some(1), "{answer:?}");
    for piece in pieces {
        assert!(answer.stderr.contains(piece), "{answer:?} lacks {piece:?}");
    }
}

/// What approvers need: to read, to create, and for Alice the verb in her namespace.
fn rights() -> Vec<Value> {
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    let subjects = |users: &[&str]| -> Value {
        users
            .iter()
            .map(|user| json!({"apiGroup": group, "kind": "User", "name": user}))
            .collect()
    };
    let rule = |resource: &str, verbs: &[&str]| json!({"apiGroups": ["bulkhead.dev"], "resources": [resource], "verbs": verbs});
    vec![
        json!({
            "apiVersion": version, "kind": "ClusterRole", "metadata": {"name": "approvals"},
            "rules": [rule("approvals", &["create", "get", "list"]), rule("awsaccounts", &["get"])],
        }),
        json!({
            "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": "approvals"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "approvals"},
            "subjects": subjects(&[ALICE, BOB]),
        }),
        json!({
            "apiVersion": version, "kind": "Role", "metadata": {"name": "approver", "namespace": "team-a"},
            "rules": [rule("staterestores", &["approve"])],
        }),
        json!({
            "apiVersion": version, "kind": "RoleBinding", "metadata": {"name": "approver", "namespace": "team-a"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "approver"},
            "subjects": subjects(&[ALICE]),
        }),
    ]
}

/// The status of `otter` is older than what its account carries.
fn set_back(cluster: &Cluster, aws: &Aws) {
    let operator = Operator::start(cluster, "before", &config(&aws.url()), &[]);
    cluster.apply(&[
        namespace("team-a", &json!({"team": "a"})),
        baseline("standard"),
        account("team-a", "otter", "dev"),
    ]);
    cluster.wait_until_all_are_ready();
    let first = cluster.account("team-a", "otter").0["status"]["baseline"].clone();
    assert_eq!(first["assigned"]["sequence"], 1);
    cluster.apply(&[with(
        baseline("standard"),
        "/spec/environments/0/organizationalUnit",
        json!("Workloads/Lab"),
    )]);
    eventually("the second revision", 60, || {
        let object = cluster.account("team-a", "otter");
        let there = object.text("/status/organizationalUnit/path") == "Workloads/Lab";
        let ready = object.standing().0 == "True";
        if there && ready {
            Ok(())
        } else {
            Err(cluster.standing())
        }
    });
    operator.stop();
    let patch = json!({"status": {"baseline": first}}).to_string();
    let arguments = [
        "patch",
        "awsaccount",
        "otter",
        "-n",
        "team-a",
        "--subresource=status",
        "--type=merge",
        "-p",
    ];
    cluster
        .kubectl(&[&arguments[..], &[patch.as_str()]].concat())
        .ok();
}

fn standing_is(cluster: &Cluster, reason: &str) {
    eventually(reason, 60, || {
        let object = cluster.account("team-a", "otter");
        let found = object.condition("Stalled").unwrap_or_default();
        if found["reason"] == reason {
            Ok(())
        } else {
            Err(cluster.standing())
        }
    });
}

#[test]
fn only_who_may_approve_approves_and_only_in_the_own_name() {
    let users = [User::new(ALICE, &["platform"]), User::new(BOB, &[])];
    let Some(cluster) = Cluster::start_for(&users) else {
        return;
    };
    let aws = Aws::start();
    set_back(&cluster, &aws);
    cluster.apply(&rights());
    cluster
        .kubectl(&["apply", "-f", "deploy/approval-policy.yaml"])
        .ok();
    refused(
        &approve(&cluster, ALICE, &[]),
        &["team-a/otter awaits no approval"],
    );
    let operator = Operator::start(&cluster, "after", &config(&aws.url()), &[]);
    standing_is(&cluster, "StateBehindAws");

    let digest = cluster
        .account("team-a", "otter")
        .text("/status/awaiting/0/digest")
        .to_owned();
    let approval = |approver: &str| {
        json!({
            "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Approval", "metadata": {"generateName": "otter-"},
            "spec": {
                "action": "StateRestore", "decision": "Approve", "digest": digest, "approver": approver,
                "subject": {"kind": "AwsAccount", "namespace": "team-a", "name": "otter"},
            },
        })
    };
    // A policy holds some moments after it was stored.
    let create = ["create", "--dry-run=server", "-f", "-"];
    eventually("the policy is in force", 30, || {
        let answer = cluster.kubectl_as(BOB, &create, &approval(BOB));
        if answer.status == Some(0) {
            Err(answer.stdout)
        } else {
            Ok(())
        }
    });
    let verb = "bob needs the verb approve on staterestores.bulkhead.dev in namespace team-a for otter";
    refused(
        &approve(&cluster, BOB, &[]),
        &["you may not create this Approval", verb],
    );
    let create = ["create", "-f", "-"];
    let change = |field: &str, value: &str| {
        let mut object = approval(ALICE);
        object["spec"][field] = value.into();
        object
    };
    for (user, object, piece) in [
        (
            BOB,
            approval(ALICE),
            "must be the one who creates the Approval, bob; got alice",
        ),
        (
            ALICE,
            approval(BOB),
            "must be the one who creates the Approval, alice; got bob",
        ),
        (
            ALICE,
            change("requestedBy", ALICE),
            "must be somebody else than the approver",
        ),
        (
            ALICE,
            change("group", "board"),
            "must be a group of the approver; got board",
        ),
    ] {
        let answer = cluster.kubectl_as(user, &create, &object);
        refused(&answer, &[piece]);
    }
    let elsewhere = with(approval(ALICE), "/spec/subject/namespace", json!("team-b"));
    let answer = cluster.kubectl_as(ALICE, &create, &elsewhere);
    refused(&answer, &["alice needs the verb approve", "in namespace team-b"]);
    let path = "/apis/bulkhead.dev/v1alpha1/approvals";
    assert_eq!(list(&cluster.objects(path))["items"], json!([]));

    let told = approve(
        &cluster,
        ALICE,
        &["--group", "platform", "--comment", "restored by us"],
    )
    .ok();
    assert!(told.starts_with("StateRestore: account "), "{told}");
    assert!(
        told.contains("approved as alice: approval.bulkhead.dev/otter-"),
        "{told}"
    );
    cluster.wait_until_all_are_ready();
    let assigned = cluster.account("team-a", "otter").0["status"]["baseline"]["assigned"].clone();
    assert_eq!(assigned["sequence"], 3);
    refused(
        &approve(&cluster, ALICE, &[]),
        &["awaits no approval", "Ready=True"],
    );
    aws.assert_exactly(1);
    let approval = Object(cluster.objects(path).remove(0));
    let frozen = cluster.kubectl(&[
        "patch",
        "approval",
        &approval.name(),
        "--type=merge",
        "-p",
        r#"{"spec":{"decision":"Reject"}}"#,
    ]);
    refused(&frozen, &["an Approval never changes"]);
    let log = operator.log();
    assert!(!log.contains("orbidden"), "{log}");
    operator.stop();
}
