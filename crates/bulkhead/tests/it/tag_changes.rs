//! Mandatory tags whose values change only when somebody approves, or never.

use controlplane::User;
use serde_json::{Value, json};

use crate::{
    aws::Aws,
    cluster::{Answer, Cluster},
    guarded::attentive,
    honesty::Witness,
    manifests::{account, baseline, namespace, with},
    wait::{equal, eventually},
};

/// May approve changes of tags in team-a.
const ALICE: &str = "alice";
/// May see them, and create Approvals.
const BOB: &str = "bob";

fn rights() -> Vec<Value> {
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    let user = |name: &str| json!({"apiGroup": group, "kind": "User", "name": name});
    let rule = |resource: &str, verbs: &[&str]| json!({"apiGroups": ["bulkhead.dev"], "resources": [resource], "verbs": verbs});
    let people = json!({"name": "approvals"});
    let approver = json!({"name": "approver", "namespace": "team-a"});
    let role = |kind: &str, name: &str| json!({"apiGroup": group, "kind": kind, "name": name});
    vec![
        json!({
            "apiVersion": version, "kind": "ClusterRole", "metadata": people,
            "rules": [rule("approvals", &["create", "get", "list"]), rule("awsaccounts", &["get"])],
        }),
        json!({
            "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": people,
            "roleRef": role("ClusterRole", "approvals"), "subjects": [user(ALICE), user(BOB)],
        }),
        json!({
            "apiVersion": version, "kind": "Role", "metadata": approver, "rules": [rule("tagchanges", &["approve"])],
        }),
        json!({
            "apiVersion": version, "kind": "RoleBinding", "metadata": approver,
            "roleRef": role("Role", "approver"), "subjects": [user(ALICE)],
        }),
    ]
}

fn approve(cluster: &Cluster, user: &str) -> Answer {
    cluster.bulkhead(user, &["approve", "awsaccount", "otter", "-n", "team-a"])
}

/// A Baseline with one tag of each kind.
fn tagged() -> Value {
    let tags = json!([
        {"key": "cost-center", "valueFrom": {"field": "costCenter"}, "change": "Approved"},
        {"key": "team", "valueFrom": {"field": "owner.team"}, "change": "Immutable"},
        {"key": "purpose", "valueFrom": {"field": "purpose"}},
    ]);
    with(baseline("standard"), "/spec/mandatoryTags", tags)
}

fn otter(cost_center: &str, team: &str, purpose: &str) -> Value {
    let object = with(
        account("team-a", "otter", "dev"),
        "/spec/costCenter",
        json!(cost_center),
    );
    let object = with(object, "/spec/owner/team", json!(team));
    with(object, "/spec/purpose", json!(purpose))
}

/// The values of the three keys in AWS.
fn values(aws: &Aws) -> [String; 3] {
    let tags = aws.members().remove("otter").unwrap().tags;
    ["cost-center", "team", "purpose"].map(|key| tags.get(key).cloned().unwrap_or_default())
}

/// Ready's status and reason, and that its message has these words.
fn stands(cluster: &Cluster, ready: &str, reason: &str, words: &[&str]) {
    eventually(reason, 40, || {
        let object = cluster.account("team-a", "otter");
        equal(
            &object.0["status"]["observedGeneration"],
            &object.0["metadata"]["generation"],
        )?;
        let (status, found, _) = object.standing();
        equal(&(status.as_str(), found.as_str()), &(ready, reason))
            .map_err(|why| format!("{why}\n{}", cluster.standing()))?;
        let condition = object.condition("Ready").unwrap();
        let message = condition["message"].as_str().unwrap();
        let missing = words.iter().find(|word| !message.contains(**word));
        missing.map_or(Ok(()), |word| Err(format!("{word:?} is not in {message:?}")))
    });
}

fn a_change_awaits_an_approval(cluster: &Cluster, aws: &Aws) {
    cluster.apply(&[otter("4712", "otter", "Otter counting")]);
    stands(
        cluster,
        "False",
        "TagChangeAwaitingApproval",
        &[
            "cost-center",
            "4711",
            "4712",
            "bulkhead approve awsaccount otter -n team-a",
        ],
    );
    // A free tag does not wait for the other one.
    eventually("the free tag has its new value", 20, || {
        equal(
            &values(aws),
            &["4711", "otter", "Otter counting"].map(str::to_owned),
        )
    });
    let object = cluster.account("team-a", "otter");
    let awaiting = object.0["status"]["awaiting"].as_array().unwrap();
    assert_eq!(awaiting.len(), 1, "{awaiting:?}");
    assert_eq!(awaiting[0]["action"], "TagChange");
    let digest = awaiting[0]["digest"].as_str().unwrap();
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
    let id = object.text("/status/accountId");
    let summary = format!("account {id}: cost-center \"4711\" -> \"4712\"");
    assert_eq!(awaiting[0]["summary"], summary);

    eventually("bob may not approve", 30, || {
        let refused = approve(cluster, BOB);
        let verb = "bob needs the verb approve on tagchanges.bulkhead.dev in namespace team-a for otter";
        equal(&refused.status, &Some(1))?;
        if refused.stderr.contains(verb) {
            Ok(())
        } else {
            Err(refused.stderr)
        }
    });
    assert_eq!(values(aws)[0], "4711");
    let told = approve(cluster, ALICE).ok();
    assert!(told.starts_with(&format!("TagChange: {summary}\n")), "{told}");
    stands(cluster, "True", "Ready", &[]);
    assert_eq!(values(aws), ["4712", "otter", "Otter counting"]);
    let object = cluster.account("team-a", "otter");
    assert_eq!(object.0["status"].get("awaiting"), None);
    assert_eq!(object.text("/status/tags/managed/cost-center"), "4712");

    // An Approval is good for one change: the way back needs another one.
    cluster.apply(&[otter("4711", "otter", "Otter counting")]);
    stands(cluster, "False", "TagChangeAwaitingApproval", &["cost-center"]);
    assert_eq!(values(aws)[0], "4712");
    cluster.apply(&[otter("4712", "otter", "Otter counting")]);
    stands(cluster, "True", "Ready", &[]);
}

fn an_immutable_tag_stays(cluster: &Cluster, aws: &Aws) {
    cluster.apply(&[otter("4712", "beaver", "Otter counting")]);
    stands(
        cluster,
        "False",
        "TagImmutable",
        &["\"team\"", "\"otter\"", "\"beaver\"", "set its source back"],
    );
    let standing = cluster.account("team-a", "otter").standing();
    assert_eq!(standing.2, ["Stalled"]);
    assert_eq!(values(aws)[1], "otter");
    let refused = approve(cluster, ALICE);
    assert_eq!(refused.status, Some(1));
    assert!(
        refused.stderr.contains("awaits no approval"),
        "{}",
        refused.stderr
    );
    cluster.apply(&[otter("4712", "otter", "Otter counting")]);
    stands(cluster, "True", "Ready", &[]);
    assert_eq!(values(aws), ["4712", "otter", "Otter counting"]);
}

/// A character that AWS does not take in tags: nothing is called, and the account keeps what it has.
fn a_value_that_aws_refuses_is_not_sent(cluster: &Cluster, aws: &Aws) {
    let before = aws.mutations();
    cluster.apply(&[otter("4712", "otter", "Otters & beavers")]);
    stands(
        cluster,
        "False",
        "TagValueNotAllowed",
        &["spec.purpose", "Otters & beavers"],
    );
    assert_eq!(aws.mutations(), before);
    assert_eq!(values(aws)[2], "Otter counting");
    cluster.apply(&[otter("4712", "otter", "Otter counting")]);
    stands(cluster, "True", "Ready", &[]);
    assert_eq!(aws.mutations(), before);
}

#[test]
fn tags_change_freely_by_approval_or_never() {
    let users = [User::new(ALICE, &[]), User::new(BOB, &[])];
    let Some(cluster) = Cluster::start_for(&users) else {
        return;
    };
    let witness = Witness::begin(&cluster);
    let aws = Aws::start();
    cluster.apply(&[namespace("team-a", &json!({"team": "a"}))]);
    cluster.apply(&rights());
    cluster
        .kubectl(&["apply", "-f", "deploy/approval-policy.yaml"])
        .ok();
    let operator = attentive(&cluster, &aws);
    cluster.apply(&[tagged(), otter("4711", "otter", "Otter tracking")]);
    cluster.wait_until_all_are_ready();
    assert_eq!(values(&aws), ["4711", "otter", "Otter tracking"]);
    a_change_awaits_an_approval(&cluster, &aws);
    an_immutable_tag_stays(&cluster, &aws);
    a_value_that_aws_refuses_is_not_sent(&cluster, &aws);
    aws.assert_exactly(1);
    operator.stop();
    witness.judge();
}
