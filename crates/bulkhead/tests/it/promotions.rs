//! What people ask of a promotion, and who may, on a real API server. Its status is written by hand: how the operator
//! answers is tested elsewhere.

use controlplane::User;
use serde_json::{Value, json};

use crate::{
    cluster::{Answer, Cluster},
    wait::eventually,
};

/// Alice may approve, Bob releases, Erin is called in emergencies, and Carol may only create Approvals.
pub(crate) const ALICE: &str = "alice";
pub(crate) const BOB: &str = "bob";
const CAROL: &str = "carol";
pub(crate) const ERIN: &str = "erin";

const PATH: &str = "/apis/bulkhead.dev/v1alpha1/environmentpromotions/guardrails";
const APPROVALS: &str = "/apis/bulkhead.dev/v1alpha1/approvals";
const REVISION: &str = "standard-3f9c2ab41d";

pub(crate) fn refused(answer: &Answer, pieces: &[&str]) {
    assert_eq!(answer.status, Some(1), "{answer:?}");
    assert!(
        answer.stdout.is_empty() || answer.stdout.starts_with("Promotion: "),
        "{answer:?}"
    );
    for piece in pieces {
        assert!(answer.stderr.contains(piece), "{answer:?} lacks {piece:?}");
    }
}

fn rights() -> Vec<Value> {
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    let rule = |resource: &str, verbs: &[&str]| json!({"apiGroups": ["bulkhead.dev"], "resources": [resource], "verbs": verbs});
    let named = |resource: &str, verb: &str| {
        let mut rule = rule(resource, &[verb]);
        rule["resourceNames"] = json!(["guardrails"]);
        rule
    };
    let read = rule("environmentpromotions", &["get", "list"]);
    let release = rule("environmentpromotions", &["create", "patch", "update"]);
    let decide = rule("approvals", &["create", "get", "list"]);
    let roles = [
        (
            ALICE,
            vec![read.clone(), decide.clone(), named("promotions", "approve")],
        ),
        (
            BOB,
            vec![
                read.clone(),
                release.clone(),
                decide.clone(),
                named("promotions", "approve"),
            ],
        ),
        (CAROL, vec![read.clone(), decide]),
        (
            ERIN,
            vec![read, release, named("environmentpromotions", "skip-bake")],
        ),
    ];
    let bound = roles.into_iter().flat_map(|(user, rules)| {
        [
            json!({"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": user}, "rules": rules}),
            json!({
                "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": user},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": user},
                "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
            }),
        ]
    });
    bound.collect()
}

fn stages() -> Value {
    json!([{
        "name": "prod", "environment": "prod",
        "strategy": {"type": "Canary", "canary": {"first": 1, "bakeTime": "1h"}},
        "approval": {"required": 1, "groups": ["platform"], "excludeAuthor": true},
    }])
}

fn promotion(by: &str) -> Value {
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "EnvironmentPromotion",
        "metadata": {"name": "guardrails", "annotations": {"bulkhead.dev/requested-by": by}},
        "spec": {"baselineRef": {"name": "standard"}, "revision": REVISION, "stages": stages()},
    })
}

fn digest(digit: &str) -> String {
    format!("sha256:{}", digit.repeat(64))
}

/// The operator says this.
fn say(cluster: &Cluster, phase: &str, change: impl FnOnce(&mut Value)) {
    let stalled = matches!(phase, "Stopped" | "Aborted" | "RolledBack");
    let condition = |kind: &str, status: &str| {
        json!({
            "type": kind, "status": status, "reason": phase, "message": "m", "observedGeneration": 1,
            "lastTransitionTime": "2026-09-01T08:00:00Z",
        })
    };
    let mut status = json!({
        "observedGeneration": 1, "phase": phase, "message": "m", "stage": "prod",
        "targetRevision": {"name": REVISION, "hash": digest("3")},
        "attempt": {
            "id": "a-1", "startedAt": "2026-09-01T08:00:00Z", "requestedBy": BOB, "specSnapshotHash": digest("5"),
            "stages": stages(),
        },
        "stages": [{
            "name": "prod", "environment": "prod", "state": phase, "enteredAt": "2026-09-01T08:00:00Z",
            "waves": [{"name": "canary", "state": "Pending"}, {"name": "rest", "state": "Pending"}],
        }],
        "awaiting": [],
        "conditions": [condition("Ready", "False"), condition(if stalled { "Stalled" } else { "Reconciling" }, "True")],
    });
    change(&mut status);
    let patch = json!({"status": status}).to_string();
    cluster
        .kubectl(&[
            "patch",
            "envpromo",
            "guardrails",
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ])
        .ok();
}

fn annotation(cluster: &Cluster, name: &str) -> Value {
    cluster.get(PATH).unwrap()["metadata"]["annotations"][format!("bulkhead.dev/{name}")].clone()
}

/// A cluster with these people, and with the policies in force.
pub(crate) fn start() -> Option<Cluster> {
    let users = [
        User::new(ALICE, &["platform"]),
        User::new(BOB, &["platform"]),
        User::new(CAROL, &["platform"]),
        User::new(ERIN, &[]),
    ];
    let cluster = Cluster::start_for(&users)?;
    cluster.apply(&rights());
    for file in ["deploy/approval-policy.yaml", "deploy/promotion-policy.yaml"] {
        cluster.kubectl(&["apply", "-f", file]).ok();
    }
    // A policy holds some moments after it was stored.
    let create = ["create", "--dry-run=server", "-f", "-"];
    eventually("the policy is in force", 30, || {
        let answer = cluster.kubectl_as(BOB, &create, &promotion(ALICE));
        if answer.stderr.contains("must name the one who asks, bob") {
            Ok(())
        } else {
            Err(format!("{answer:?}"))
        }
    });
    eventually("the policy on Approvals is in force", 30, || {
        let approval = approval(CAROL, &digest("d"));
        let answer = cluster.kubectl_as(CAROL, &create, &approval);
        if answer.stderr.contains("needs the verb approve") {
            Ok(())
        } else {
            Err(format!("{answer:?}"))
        }
    });
    Some(cluster)
}

fn approval(approver: &str, digest: &str) -> Value {
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Approval", "metadata": {"generateName": "guardrails-"},
        "spec": {
            "action": "Promotion", "decision": "Approve", "digest": digest, "approver": approver,
            "subject": {"kind": "EnvironmentPromotion", "name": "guardrails"},
        },
    })
}

#[test]
fn promotions_are_shown_and_steered_by_who_may() {
    let Some(cluster) = start() else {
        return;
    };
    cluster
        .kubectl_as(BOB, &["create", "-f", "-"], &promotion(BOB))
        .ok();
    shown(&cluster);
    decided(&cluster);
    steered(&cluster);
    retried(&cluster);
}

fn shown(cluster: &Cluster) {
    let told = cluster.bulkhead(ALICE, &["promotions"]).ok();
    assert!(
        told.starts_with("NAME         BASELINE   REVISION   PHASE     STAGE   PROGRESS     AGE\nguardrails"),
        "{told}"
    );
    let told = cluster.bulkhead(ALICE, &["promotion", "guardrails"]).ok();
    assert!(
        told.contains("Waits for: the operator, which has not looked at the spec as it is now"),
        "{told}"
    );
    refused(
        &cluster.bulkhead(ALICE, &["promotion", "guardrail"]),
        &["there is no EnvironmentPromotion \"guardrail\"; `kubectl bulkhead promotions` lists them"],
    );
    refused(
        &cluster.bulkhead(BOB, &["abort", "guardrails"]),
        &["no attempt is under way: not looked at yet by the operator"],
    );
}

fn decided(cluster: &Cluster) {
    refused(
        &cluster.bulkhead(ALICE, &["approve", "promotion", "guardrails"]),
        &["EnvironmentPromotion guardrails awaits no approval"],
    );
    say(cluster, "WaitingApproval", |status| {
        let summary = "standard-3f9c2ab41d enters prod; 3 accounts change: +1 SCP statement";
        status["awaiting"] = json!([{"action": "Promotion", "digest": digest("d"), "summary": summary}]);
    });
    let approve = ["approve", "promotion", "guardrails"];
    let old = digest("0");
    refused(
        &cluster.bulkhead(ALICE, &[&approve[..], &["--digest", &old]].concat()),
        &[&old, "is not what EnvironmentPromotion guardrails waits for now"],
    );
    refused(
        &cluster.bulkhead(BOB, &approve),
        &["you asked for attempt a-1 yourself"],
    );
    refused(
        &cluster.bulkhead(CAROL, &approve),
        &[
            "you may not create this Approval",
            "carol needs the verb approve on promotions.bulkhead.dev for guardrails",
        ],
    );
    // Behind the plugin's back: not in another's name, and the author is compared where the decision names them.
    let create = ["create", "-f", "-"];
    let answer = cluster.kubectl_as(CAROL, &create, &approval(ALICE, &digest("d")));
    refused(
        &answer,
        &["must be the one who creates the Approval, carol; got alice"],
    );
    assert!(cluster.objects(APPROVALS).is_empty());
    let now = digest("d");
    let told = cluster
        .bulkhead(
            ALICE,
            &[&approve[..], &["--digest", &now, "--comment", "reviewed"]].concat(),
        )
        .ok();
    assert!(
        told.starts_with("Promotion: standard-3f9c2ab41d enters prod; 3 accounts change: +1 SCP statement\n"),
        "{told}"
    );
    assert!(
        told.contains("approved as alice: approval.bulkhead.dev/guardrails-"),
        "{told}"
    );
    let mut made = cluster.objects(APPROVALS).remove(0)["spec"].take();
    assert_eq!(made["subject"].take()["kind"], "EnvironmentPromotion");
    assert_eq!(
        made,
        json!({
            "action": "Promotion", "approver": ALICE, "comment": "reviewed", "decision": "Approve", "digest": now,
            "group": "platform", "requestedBy": BOB, "subject": null,
        })
    );
    // Whoever asked may still say no.
    let told = cluster.bulkhead(BOB, &["reject", "promotion", "guardrails"]).ok();
    assert!(told.contains("rejected as bob"), "{told}");
}

fn steered(cluster: &Cluster) {
    cluster
        .bulkhead(BOB, &["hold", "guardrails", "--reason", "incident 42"])
        .ok();
    assert_eq!(annotation(cluster, "hold"), "incident 42");
    refused(
        &cluster.bulkhead(BOB, &["hold", "guardrails", "--reason", "incident 42"]),
        &["it is held already: incident 42"],
    );
    let told = cluster.bulkhead(ALICE, &["promotion", "guardrails"]).ok();
    assert!(told.contains("Held:      incident 42\n"), "{told}");
    refused(
        &cluster.bulkhead(ALICE, &["release", "guardrails"]),
        &["you may not ask this of the EnvironmentPromotion"],
    );
    cluster.bulkhead(BOB, &["release", "guardrails"]).ok();
    assert_eq!(annotation(cluster, "hold"), Value::Null);
    refused(
        &cluster.bulkhead(BOB, &["release", "guardrails"]),
        &["it is not held"],
    );

    refused(
        &cluster.bulkhead(ERIN, &["skip-bake", "guardrails"]),
        &["no wave bakes now: WaitingApproval: m"],
    );
    say(cluster, "Baking", |status| {
        let stage = &mut status["stages"][0];
        stage["startedAt"] = "2026-09-01T08:00:00Z".into();
        stage["waves"][0]["state"] = "Baking".into();
    });
    refused(
        &cluster.bulkhead(BOB, &["skip-bake", "guardrails"]),
        &["bob needs the verb skip-bake on environmentpromotions.bulkhead.dev for guardrails"],
    );
    assert_eq!(annotation(cluster, "skip-bake"), Value::Null);
    let told = cluster
        .bulkhead(ERIN, &["skip-bake", "guardrails", "prod/canary"])
        .ok();
    assert!(
        told.starts_with("guardrails: the bake of prod/canary is to end now"),
        "{told}"
    );
    assert_eq!(annotation(cluster, "skip-bake"), "a-1/prod/canary");
    refused(
        &cluster.bulkhead(BOB, &["retry", "guardrails"]),
        &["attempt a-1 is under way (Baking: m)"],
    );
    refused(
        &cluster.bulkhead(BOB, &["reverify", "guardrails", "prod/smoke"]),
        &["gate prod/smoke does not run now; no gate does"],
    );
    refused(
        &cluster.bulkhead(BOB, &["abort", "guardrails", "--attempt", "a-7"]),
        &["the attempt under way is a-1, not a-7"],
    );
    cluster.bulkhead(BOB, &["abort", "guardrails"]).ok();
    assert_eq!(annotation(cluster, "abort"), "a-1");
}

/// Who retries is the author of what begins, and nobody else can be made it.
fn retried(cluster: &Cluster) {
    say(cluster, "Aborted", |status| {
        status["attempt"]["outcome"] =
            json!({"result": "Aborted", "reason": "Aborted", "message": "m", "at": "2026-09-01T09:00:00Z"});
    });
    let retry = json!({"metadata": {"annotations": {"bulkhead.dev/retry": "again"}}}).to_string();
    let arguments = [
        "patch",
        "envpromo",
        "guardrails",
        "--type=merge",
        "-p",
        retry.as_str(),
    ];
    let answer = cluster.kubectl_as(ERIN, &arguments, &Value::Null);
    refused(&answer, &["must name the one who asks, erin", "got bob"]);
    cluster.bulkhead(ERIN, &["retry", "guardrails"]).ok();
    assert_eq!(annotation(cluster, "requested-by"), ERIN);
    assert!(annotation(cluster, "retry").as_str().unwrap().ends_with('Z'));
    let managers = cluster
        .kubectl(&[
            "get",
            "envpromo",
            "guardrails",
            "--show-managed-fields",
            "-o",
            "json",
        ])
        .ok();
    assert!(
        managers.contains("\"manager\": \"kubectl-bulkhead\""),
        "{managers}"
    );
    let json: Value = serde_json::from_str(
        &cluster
            .bulkhead(ALICE, &["promotion", "guardrails", "-o", "json"])
            .ok(),
    )
    .unwrap();
    assert_eq!(json["phase"], "Aborted");
    assert_eq!(
        json["next"]["commands"],
        json!(["kubectl bulkhead retry guardrails"])
    );
}
