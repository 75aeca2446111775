//! The published roles for people and GitOps tools, asked of a real API server.

use serde_json::{Value, json};

use crate::cluster::Cluster;

/// Who has which roles in the whole cluster.
const PEOPLE: [(&str, &[&str]); 6] = [
    ("vera", &["bulkhead-viewer"]),
    ("bob", &["bulkhead-release-operator"]),
    ("erin", &["bulkhead-emergency"]),
    ("alice", &["bulkhead-approver", "bulkhead-approver-of-promotions"]),
    ("argo", &["bulkhead-gitops"]),
    ("tess", &["bulkhead-approver"]),
];

/// Who may do what; the resource with its group, for some are no kinds.
const MAY: [(&str, &str, &str); 14] = [
    ("vera", "list", "awsaccounts"),
    ("vera", "watch", "approvals"),
    ("bob", "patch", "environmentpromotions"),
    ("erin", "patch", "environmentpromotions"),
    ("erin", "skip-bake", "environmentpromotions"),
    ("alice", "create", "approvals"),
    ("alice", "approve", "promotions"),
    ("alice", "get", "environmentpromotions"),
    ("argo", "create", "awsaccounts"),
    ("argo", "patch", "environmentpromotions"),
    ("argo", "delete", "baselines"),
    ("tess", "create", "approvals"),
    ("tess -n team-a", "approve", "tagchanges"),
    ("tess -n team-a", "approve", "staterestores"),
];

const MAY_NOT: [(&str, &str, &str); 20] = [
    ("vera", "patch", "environmentpromotions"),
    ("bob", "skip-bake", "environmentpromotions"),
    ("bob", "delete", "environmentpromotions"),
    ("bob", "patch", "environmentpromotions/status"),
    ("bob", "create", "approvals"),
    ("erin", "approve", "promotions"),
    ("erin", "patch", "environmentpromotions/status"),
    ("alice", "patch", "approvals"),
    ("alice", "update", "approvals"),
    ("alice", "delete", "approvals"),
    ("alice", "patch", "environmentpromotions"),
    ("alice", "approve", "tagchanges"),
    ("argo", "create", "baselinerevisions"),
    ("argo", "delete", "baselinerevisions"),
    ("argo", "patch", "awsaccounts/status"),
    ("argo", "create", "approvals"),
    ("argo", "approve", "promotions"),
    ("argo", "pin", "awsaccounts"),
    ("tess", "approve", "promotions"),
    ("tess -n team-b", "approve", "tagchanges"),
];

#[test]
fn the_published_roles_give_what_they_say_and_no_more() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    cluster.kubectl(&["apply", "-f", "deploy/roles.yaml"]).ok();
    let group = "rbac.authorization.k8s.io";
    let binding = |kind: &str, name: &str, user: &str, role: &str| {
        json!({
            "apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        })
    };
    let mut objects = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}})];
    for (user, roles) in PEOPLE {
        let bound = roles
            .iter()
            .map(|role| binding("ClusterRoleBinding", &format!("{user}-{role}"), user, role));
        objects.extend(bound);
    }
    let mut own = binding("RoleBinding", "tess", "tess", "bulkhead-approver-of-accounts");
    own["metadata"]["namespace"] = "team-a".into();
    objects.push(own);
    cluster.apply(&objects);
    for (all, wanted) in [(&MAY[..], true), (&MAY_NOT[..], false)] {
        for (who, verb, resource) in all {
            assert_eq!(
                may(&cluster, who, verb, resource),
                wanted,
                "{who}: {verb} {resource}"
            );
        }
    }
}

/// What the API server says. `kubectl auth can-i` will not do: of a resource that is no kind it forgets the group.
fn may(cluster: &Cluster, who: &str, verb: &str, resource: &str) -> bool {
    let (user, namespace) = who.split_once(" -n ").unwrap_or((who, ""));
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": {
            "group": "bulkhead.dev", "resource": resource, "subresource": subresource, "verb": verb,
            "namespace": namespace,
        }},
    });
    let answer = cluster
        .kubectl_with(&["create", "-f", "-", "-o", "json"], &review)
        .ok();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer["status"]["allowed"].as_bool().unwrap()
}
