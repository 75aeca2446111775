//! Objects as people write them.

use serde_json::{Value, json};

const VERSION: &str = "bulkhead.dev/v1alpha1";

pub(crate) fn namespace(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

/// An AwsAccount that asks for nothing special.
pub(crate) fn account(namespace: &str, name: &str, environment: &str) -> Value {
    json!({
        "apiVersion": VERSION, "kind": "AwsAccount",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "workload": "otter", "environment": environment, "purpose": "Otter tracking",
            "owner": {"team": "otter", "contact": "otter@example.com"}, "costCenter": "4711",
        },
    })
}

/// So many AwsAccounts that ask for nothing special, in the namespace `team-otter`, with all they need: the namespace
/// and the Baseline `standard` come first.
pub(crate) fn romp(accounts: usize) -> Vec<Value> {
    let mut objects = vec![
        namespace("team-otter", &json!({"team": "otter"})),
        baseline("standard"),
    ];
    objects.extend((0..accounts).map(|n| account("team-otter", &format!("otter-{n:02}"), "dev")));
    objects
}

/// `object` with a value at a JSON pointer whose parent is there.
pub(crate) fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[name] = value;
    object
}

/// `object` without a field of its spec.
pub(crate) fn without(mut object: Value, field: &str) -> Value {
    object["spec"].as_object_mut().unwrap().remove(field).unwrap();
    object
}

/// A Baseline with `dev` for everybody and `prod` for namespaces of tier production.
pub(crate) fn baseline(name: &str) -> Value {
    json!({
        "apiVersion": VERSION, "kind": "Baseline",
        "metadata": {"name": name},
        "spec": {
            "namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]},
            "updatePolicy": "Automatic",
            "emailTemplate": "aws+{namespace}.{name}@example.com",
            "allowExplicitEmail": true,
            "environments": [
                {"name": "dev", "organizationalUnit": "Workloads/Dev"},
                {
                    "name": "prod", "organizationalUnit": "Workloads/Prod",
                    "namespaceSelector": {"matchLabels": {"tier": "production"}},
                },
            ],
            "mandatoryTags": [{"key": "cost-center", "valueFrom": {"field": "costCenter"}, "pattern": "^[0-9]{4}$"}],
        },
    })
}
