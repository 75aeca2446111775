//! Guardrails, policies and assertions of a Baseline, and the revisions they become.

use crate::{
    rules::{accepted, refused},
    server::{baseline, revision, with},
};
use serde_json::{Value, json};

/// The example of the documentation.
fn guarded() -> Value {
    let environment = json!({
        "name": "prod", "organizationalUnit": "Workloads/Prod",
        "guardrails": [
            {"name": "denyLeaveOrganization"},
            {"name": "allowedRegions", "parameters": {"regions": ["eu-west-1", "eu-central-1"], "deep": {"er": [1, true]}}},
        ],
        "policies": [{
            "name": "no-expensive", "type": "SERVICE_CONTROL_POLICY",
            "document": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "ec2:*", "Resource": "*"}]},
        }],
        "assertions": [{
            "name": "break-glass works", "expect": "Allow", "principal": "arn:aws:iam::*:role/break-glass",
            "action": "iam:CreateRole", "resource": "*",
        }],
    });
    with(baseline(), "/spec/environments/0", environment)
}

fn named(count: usize, more: &Value) -> Value {
    (0..count)
        .map(|i| with(more.clone(), "/name", json!(format!("n{i}"))))
        .collect()
}

#[test]
fn a_baseline_may_guard() {
    accepted(
        "Baseline",
        &guarded(),
        vec![
            ("/spec/updatePolicy", json!("Automatic")),
            ("/spec/updatePolicy", json!("OnPromotion")),
            ("/spec/revisionHistoryLimit", json!(100)),
            ("/spec/mandatoryTags/0/change", json!("Immutable")),
            ("/spec/mandatoryTags/0/change", json!("Approved")),
            ("/spec/environments/0/guardrails", named(20, &json!({}))),
            ("/spec/environments/0/policies/0/type", json!("SOMETHING_OF_2031")),
            (
                "/spec/environments/0/policies",
                named(10, &json!({"type": "TAG_POLICY", "document": {}})),
            ),
            (
                "/spec/environments/0/assertions/0/principal",
                json!("arn:aws:sts::123456789012:assumed-role/deploy/ci"),
            ),
            (
                "/spec/environments/0/assertions/0/resource",
                json!("arn:aws:s3:::bucket/key"),
            ),
            ("/spec/environments/0/assertions/0/region", json!("eu-west-1")),
            (
                "/spec/environments/0/assertions/0/context",
                json!({"ec2:InstanceType": ["t3.micro"], "aws:TagKeys": []}),
            ),
            (
                "/status",
                json!({
                    "latestRevision": {"name": "river-0123456789", "hash": "sha256:x"},
                    "environments": [{
                        "name": "prod", "revision": {"name": "river-0123456789", "hash": "sha256:x"},
                        "policies": [{"type": "TAG_POLICY", "documents": 1, "maxDocuments": 2, "characters": 3, "maxCharacters": 4}],
                    }],
                    "accounts": {"total": 3, "byRevision": [{"revision": "river-0123456789", "total": 3}]},
                }),
            ),
        ],
    );
}

#[test]
fn guards_are_refused_with_field_rule_and_value() {
    let assertion = |field: &str| format!("/spec/environments/0/assertions/0/{field}");
    refused(
        "Baseline",
        &guarded(),
        vec![
            (
                "/spec/updatePolicy",
                json!("Sometimes"),
                &["spec.updatePolicy", "unsupported value \"Sometimes\""],
            ),
            (
                "/spec/revisionHistoryLimit",
                json!(0),
                &["spec.revisionHistoryLimit", "0 is too small"],
            ),
            (
                "/spec/mandatoryTags/0/change",
                json!("Never"),
                &["change", "unsupported value \"Never\""],
            ),
            (
                "/spec/environments/0/guardrails/0/name",
                json!("deny-leave"),
                &["guardrails", "letters and digits", "\"deny-leave\""],
            ),
            (
                "/spec/environments/0/guardrails/1/parameters",
                json!(["eu-west-1"]),
                &["parameters", "object"],
            ),
            (
                "/spec/environments/0/guardrails/1/name",
                json!("denyLeaveOrganization"),
                &["guardrails", "duplicate"],
            ),
            (
                "/spec/environments/0/guardrails",
                named(21, &json!({})),
                &["guardrails", "number of items 21"],
            ),
            (
                "/spec/environments/0/policies/0/type",
                json!("scp"),
                &["policies", "SERVICE_CONTROL_POLICY", "\"scp\""],
            ),
            (
                "/spec/environments/0/policies/0/document",
                json!("{}"),
                &["document", "object"],
            ),
            (
                "/spec/environments/0/policies/0/document",
                json!(null),
                &["required value \"document\""],
            ),
            (
                "/spec/environments/0/policies",
                named(11, &json!({"type": "TAG_POLICY", "document": {}})),
                &["policies", "number of items 11"],
            ),
            (&assertion("name"), json!(" "), &["assertions.name", "not blank"]),
            (
                &assertion("name"),
                json!("x".repeat(129)),
                &["assertions", "length"],
            ),
            (
                &assertion("expect"),
                json!("Maybe"),
                &["expect", "unsupported value \"Maybe\""],
            ),
            (
                &assertion("principal"),
                json!("break-glass"),
                &["assertions.principal", "ARN of a principal", "\"break-glass\""],
            ),
            (
                &assertion("principal"),
                json!("arn:aws:iam::*:role/*"),
                &["assertions.principal", "role/*"],
            ),
            (
                &assertion("action"),
                json!("iam:*"),
                &["assertions.action", "without wildcards", "\"iam:*\""],
            ),
            (
                &assertion("resource"),
                json!("bucket"),
                &["assertions.resource", "an ARN, or *", "\"bucket\""],
            ),
            (
                &assertion("region"),
                json!("EU"),
                &["assertions.region", "\"EU\""],
            ),
            (
                &assertion("context"),
                json!({"aws:TagKeys": "owner"}),
                &["context", "array"],
            ),
        ],
    );
}

#[test]
fn a_revision_may_say_all_this() {
    let environment = |name: &str| format!("/spec/environments/0/{name}");
    accepted(
        "BaselineRevision",
        &revision(),
        vec![
            (
                &environment("policies"),
                json!([{
                    "name": "bulkhead-acme-dev-0123456789", "type": "SERVICE_CONTROL_POLICY", "content": "{}",
                    "parts": ["guardrails[allowedRegions]"],
                }]),
            ),
            (
                &environment("assertions"),
                json!([{
                    "name": "n", "expect": "Deny", "principal": "arn:aws:iam::*:root", "action": "iam:CreateRole",
                    "resource": "*",
                }]),
            ),
            (&environment("readinessGates"), json!(["net.example.com/Up"])),
            (
                "/spec/mandatoryTags",
                json!([{
                    "key": "class", "fromTag": "class", "pattern": "^[ab]$", "allowedValues": ["a", "b"],
                    "change": "Approved",
                }]),
            ),
        ],
    );
}

#[test]
fn a_revision_is_refused_with_field_rule_and_value() {
    refused(
        "BaselineRevision",
        &revision(),
        vec![
            (
                "/metadata/name",
                json!("river-0123456780"),
                &["metadata.name must be spec.baseline, - and the first 10"],
            ),
            (
                "/spec/baseline",
                json!("lake"),
                &["metadata.name must be spec.baseline, - and the first 10"],
            ),
            ("/spec/hash", json!("sha256:0123"), &["spec.hash", "length"]),
            (
                "/spec/hash",
                json!(format!("sha256:0123456789{}", "X".repeat(54))),
                &["spec.hash", "lower-case", "XXX"],
            ),
            (
                "/spec/environments",
                json!([]),
                &["spec.environments", "number of items 0"],
            ),
            ("/status", json!({}), &["status", "unknown field"]),
        ],
    );
}
