//! The CustomResourceDefinitions themselves.

use crate::server::schema;
use kube_cel::compile_schema;
use serde_json::{Value, json};

const KINDS: [&str; 6] = [
    "EnvironmentPromotion",
    "Approval",
    "AwsAccount",
    "Baseline",
    "BaselineRevision",
    "Organization",
];
/// Those that have a status writer.
const WITH_STATUS: [&str; 4] = ["EnvironmentPromotion", "AwsAccount", "Baseline", "Organization"];

fn each_node(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, property) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        each_node(property, &format!("{path}.{name}"), visit);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(inner) {
            each_node(inner, &format!("{path}[]"), visit);
        }
    }
}

#[test]
fn names_scope_and_columns() {
    let shapes: Vec<Value> = api::crds()
        .iter()
        .map(|crd| {
            let version = &crd.spec.versions[0];
            let columns = version.additional_printer_columns.iter().flatten();
            json!({
                "name": crd.metadata.name, "scope": crd.spec.scope, "short": crd.spec.names.short_names,
                "categories": crd.spec.names.categories, "version": version.name,
                "columns": columns.map(|c| format!("{}{}", c.name, if c.priority.is_some() { " (wide)" } else { "" })).collect::<Vec<_>>(),
                "selectable": version.selectable_fields.iter().flatten().map(|f| f.json_path.clone()).collect::<Vec<_>>(),
                "status": version.subresources.as_ref().is_some_and(|s| s.status.is_some()),
            })
        })
        .collect();
    assert_eq!(
        shapes,
        [
            json!({
                "name": "approvals.bulkhead.dev", "scope": "Cluster", "short": ["apv"],
                "categories": ["bulkhead"], "version": "v1alpha1", "status": false, "selectable": [],
                "columns": ["Action", "Kind", "Namespace", "Subject", "Decision", "Approver", "Age", "Expires (wide)",
                    "Digest (wide)", "Comment (wide)"],
            }),
            json!({
                "name": "awsaccounts.bulkhead.dev", "scope": "Namespaced", "short": ["awsacct"],
                "categories": ["bulkhead"], "version": "v1alpha1", "status": true,
                "columns": ["Account", "Env", "OU", "Revision", "Ready", "Reason", "Age", "Email (wide)", "State (wide)", "Owner (wide)"],
                "selectable": [".spec.environment", ".spec.workload", ".status.accountId"],
            }),
            json!({
                "name": "baselines.bulkhead.dev", "scope": "Cluster", "short": ["bl"],
                "categories": ["bulkhead"], "version": "v1alpha1", "status": true, "selectable": [],
                "columns": ["Accepted", "Ready", "Revision", "Accounts", "Ready Accounts", "Age", "Reason (wide)"],
            }),
            json!({
                "name": "baselinerevisions.bulkhead.dev", "scope": "Cluster", "short": ["blrev"],
                "categories": ["bulkhead"], "version": "v1alpha1", "status": false, "selectable": [],
                "columns": ["Baseline", "Age"],
            }),
            json!({
                "name": "environmentpromotions.bulkhead.dev", "scope": "Cluster", "short": ["envpromo"],
                "categories": ["bulkhead"], "version": "v1alpha1", "status": true, "selectable": [],
                "columns": ["Revision", "Phase", "Stage", "Wave", "Ready", "Reason", "Age", "Stable (wide)", "Updated (wide)",
                    "BakeEnds (wide)", "Attempt (wide)"],
            }),
            json!({
                "name": "organizations.bulkhead.dev", "scope": "Cluster", "short": ["awsorg"],
                "categories": ["bulkhead"], "version": "v1alpha1", "status": true, "selectable": [],
                "columns": ["Organization", "Installation", "Ready", "Reason", "Age"],
            }),
        ]
    );
}

#[test]
fn an_object_is_in_progress_before_its_first_status() {
    for kind in ["Approval", "BaselineRevision"] {
        assert!(schema(kind)["properties"].get("status").is_none(), "{kind}");
    }
    for kind in WITH_STATUS {
        assert_eq!(
            schema(kind)["properties"]["status"]["default"],
            json!({"observedGeneration": -1}),
            "{kind}"
        );
    }
}

#[test]
fn nothing_else_has_a_default_and_nothing_is_nullable() {
    for kind in KINDS {
        each_node(&schema(kind), "", &mut |path, node| {
            assert!(
                path == ".status" || node.get("default").is_none(),
                "{kind}{path} has a default"
            );
            assert!(node.get("nullable").is_none(), "{kind}{path} is nullable");
            let either = node.get("x-kubernetes-int-or-string") == Some(&json!(true));
            assert!(either || node.get("type").is_some(), "{kind}{path} has no type");
            let format = node.get("format").and_then(Value::as_str);
            assert!(
                matches!(format, None | Some("int64" | "date-time")),
                "{kind}{path} has format {format:?}"
            );
        });
    }
}

#[test]
fn every_field_is_described_and_every_list_says_what_it_is() {
    for kind in KINDS {
        each_node(&schema(kind), "", &mut |path, node| {
            assert!(
                path.ends_with("[]") || node.get("description").is_some(),
                "{kind}{path} has no description"
            );
            if node["type"] == "array" {
                assert!(
                    node.get("x-kubernetes-list-type").is_some(),
                    "{kind}{path} has no list type"
                );
                assert!(
                    path.starts_with(".status") || node.get("maxItems").is_some(),
                    "{kind}{path} is unbounded"
                );
            }
            if node["type"] == "string" && path.starts_with(".spec") {
                let bounded = node.get("maxLength").is_some() || node.get("enum").is_some();
                assert!(bounded, "{kind}{path} is unbounded");
            }
        });
    }
}

#[test]
fn every_rule_compiles_and_has_a_message() {
    let mut rules = 0;
    for kind in KINDS {
        let schema = schema(kind);
        assert!(!compile_schema(&schema).has_errors(), "{kind}");
        each_node(&schema, "", &mut |path, node| {
            for rule in node
                .get("x-kubernetes-validations")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                rules += 1;
                let message = rule["message"].as_str().unwrap();
                let whole = message.len() > 20 && !message.ends_with([' ', '"', ';', ':']);
                assert!(whole && !message.contains("got"), "{kind}{path}: {message:?}");
            }
        });
    }
    assert!(rules > 30, "{rules}");
}

#[test]
fn what_is_judged_elsewhere_is_kept_as_it_is_and_written_as_a_whole() {
    let mut free = Vec::new();
    for kind in KINDS {
        each_node(&schema(kind), kind, &mut |path, node| {
            if node.get("x-kubernetes-preserve-unknown-fields").is_some() {
                assert_eq!(node["x-kubernetes-map-type"], "atomic", "{path}");
                free.push(path.to_owned());
            }
        });
    }
    assert_eq!(
        free,
        [
            "EnvironmentPromotion.spec.stages[].gates[].job.template",
            "EnvironmentPromotion.status.attempt.stages[]",
            "Baseline.spec.environments[].guardrails[].parameters",
            "Baseline.spec.environments[].policies[].document",
        ]
    );
}
