//! As much of an API server as these tests need: a structural schema, strictly, and its CEL rules.

use kube_cel::{CompiledSchema, Validator, compile_schema};
use regex::Regex;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, rc::Rc};

thread_local! {
    static KINDS: BTreeMap<String, Rc<(Value, CompiledSchema)>> = api::crds()
        .into_iter()
        .map(|crd| {
            let schema = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
            let schema = serde_json::to_value(schema).unwrap();
            let compiled = compile_schema(&schema);
            (crd.spec.names.kind, Rc::new((schema, compiled)))
        })
        .collect();
}

fn kind(kind: &str) -> Rc<(Value, CompiledSchema)> {
    KINDS.with(|kinds| Rc::clone(&kinds[kind]))
}

/// The schema of a kind, as `crds/` publishes it.
pub(crate) fn schema(name: &str) -> Value {
    kind(name).0.clone()
}

/// Everything the server would say against creating `object`, or, with `old`, against the update. Like the server, it
/// runs no rules on an object that does not fit the schema.
pub(crate) fn refusals(name: &str, object: &Value, old: Option<&Value>) -> Vec<String> {
    let kind = kind(name);
    let mut findings = Vec::new();
    walk(&kind.0, object, String::new(), &mut findings);
    if findings.is_empty()
        && let Err(errors) = Validator::new().validate_compiled(&kind.1, object, old)
    {
        findings.extend(
            errors
                .as_slice()
                .iter()
                .map(|e| format!("{}: {}", e.field_path, e.message)),
        );
    }
    findings
}

fn walk(schema: &Value, value: &Value, path: String, findings: &mut Vec<String>) {
    let mut say = |what: String| findings.push(format!("{path}: {what}"));
    let limit = |name: &str| {
        schema
            .get(name)
            .and_then(Value::as_u64)
            .map(|n| usize::try_from(n).unwrap())
    };
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        say(format!("unsupported value {value}"));
    }
    if schema.get("x-kubernetes-int-or-string") == Some(&json!(true)) {
        if !(value.is_i64() || value.is_string()) {
            say(format!("must be an integer or a string, is {value}"));
        }
        return;
    }
    match (schema.get("type").and_then(Value::as_str), value) {
        (Some("string"), Value::String(text)) => {
            let length = text.chars().count();
            if limit("minLength").is_some_and(|n| length < n)
                || limit("maxLength").is_some_and(|n| length > n)
            {
                say(format!("bad length {length}"));
            }
            if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
                && !Regex::new(pattern).unwrap().is_match(text)
            {
                say(format!("should match {pattern}"));
            }
        }
        (Some("integer"), Value::Number(number)) => {
            let number = number.as_f64().unwrap();
            if schema
                .get("minimum")
                .and_then(Value::as_f64)
                .is_some_and(|min| number < min)
            {
                say(format!("{number} is too small"));
            }
        }
        (Some("boolean"), Value::Bool(_)) => {}
        (Some("array"), Value::Array(items)) => {
            if limit("minItems").is_some_and(|n| items.len() < n)
                || limit("maxItems").is_some_and(|n| items.len() > n)
            {
                say(format!("bad number of items {}", items.len()));
            }
            let keys: Option<Vec<_>> = schema
                .get("x-kubernetes-list-map-keys")
                .and_then(Value::as_array)
                .map(|keys| {
                    items
                        .iter()
                        .map(|i| {
                            keys.iter()
                                .map(|k| i.get(k.as_str().unwrap()))
                                .collect::<Vec<_>>()
                        })
                        .collect()
                });
            if keys.is_some_and(|keys| keys.iter().enumerate().any(|(i, key)| keys[..i].contains(key))) {
                say("duplicate value".to_owned());
            }
            for (i, item) in items.iter().enumerate() {
                walk(&schema["items"], item, format!("{path}[{i}]"), findings);
            }
        }
        (Some("object"), Value::Object(fields)) => {
            for name in schema
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                if !fields.contains_key(name.as_str().unwrap()) {
                    say(format!("required value {name}"));
                }
            }
            if limit("maxProperties").is_some_and(|n| fields.len() > n) {
                say(format!("too many properties {}", fields.len()));
            }
            if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true)) {
                return;
            }
            for (name, field) in fields {
                let at = format!("{path}.{name}");
                if let Some(property) = schema.get("properties").and_then(|p| p.get(name)) {
                    walk(property, field, at, findings);
                } else if let Some(additional) = schema.get("additionalProperties") {
                    walk(additional, field, at, findings);
                } else if !(path.is_empty() && ["apiVersion", "kind", "metadata"].contains(&name.as_str())) {
                    findings.push(format!("{at}: unknown field"));
                }
            }
        }
        (expected, _) => say(format!("must be {expected:?}, is {value}")),
    }
}

/// An AwsAccount with nothing optional.
pub(crate) fn account() -> Value {
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "AwsAccount",
        "metadata": {"name": "otter-dev", "namespace": "team-otter"},
        "spec": {
            "workload": "otter", "environment": "dev", "purpose": "Otter tracking",
            "owner": {"team": "otter", "contact": "otter@example.com"},
        },
    })
}

/// A Baseline with one environment and one mandatory tag.
pub(crate) fn baseline() -> Value {
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Baseline",
        "metadata": {"name": "river"},
        "spec": {
            "namespaceSelector": {},
            "emailTemplate": "aws+{namespace}.{name}@example.com",
            "environments": [{"name": "dev", "organizationalUnit": "Workloads/Dev"}],
            "mandatoryTags": [{"key": "owner", "valueFrom": {"field": "owner.team"}}],
        },
    })
}

/// A BaselineRevision with nothing optional.
pub(crate) fn revision() -> Value {
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "BaselineRevision",
        "metadata": {"name": "river-0123456789"},
        "spec": {
            "baseline": "river", "hash": format!("sha256:{}", "0123456789abcdef".repeat(4)),
            "environments": [
                {"name": "dev", "organizationalUnit": "Workloads/Dev", "accessRoleName": "OrganizationAccountAccessRole"},
            ],
        },
    })
}

/// An Approval with nothing optional.
pub(crate) fn approval() -> Value {
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "Approval",
        "metadata": {"name": "otter-dev-1"},
        "spec": {
            "action": "StateRestore",
            "subject": {"kind": "AwsAccount", "namespace": "team-otter", "name": "otter-dev"},
            "digest": format!("sha256:{}", "0123456789abcdef".repeat(4)),
            "decision": "Approve", "approver": "alice@example.com",
        },
    })
}

/// An EnvironmentPromotion that uses most of what there is.
pub(crate) fn promotion() -> Value {
    json!({
        "apiVersion": "bulkhead.dev/v1alpha1", "kind": "EnvironmentPromotion",
        "metadata": {"name": "standard"},
        "spec": {
            "baselineRef": {"name": "standard"},
            "revision": "standard-3f9c2ab41d",
            "stages": [
                {"name": "dev", "environment": "dev"},
                {
                    "name": "prod", "environment": "prod",
                    "strategy": {
                        "type": "Waves",
                        "waves": [
                            {"name": "one-box", "targets": 1, "bakeTime": "1h"},
                            {"name": "ten-percent", "targets": "10%", "bakeTime": "12h"},
                            {"name": "rest", "targets": "100%", "bakeTime": "1h30m"},
                        ],
                        "maxConcurrency": "33%", "targetDeadline": "15m",
                    },
                    "maxFailures": "5%",
                    "failurePolicy": {"onTestFailure": "Rollback", "onBakeFailure": "Stop"},
                    "approval": {"required": 2, "groups": ["cloud-platform"], "excludeAuthor": true, "timeout": "168h"},
                    "windows": [{"type": "Allow", "schedule": "0 9 * * 1-4", "duration": "6h", "timeZone": "Europe/Berlin"}],
                    "gates": [
                        {
                            "name": "compliant", "runAt": ["AfterWave", "DuringBake"], "type": "Prometheus",
                            "prometheus": {"query": "sum(x)", "successCondition": "result[0] == 0.0"},
                            "interval": "5m", "count": 3,
                        },
                        {
                            "name": "checks", "runAt": ["AfterStage"], "type": "HTTP",
                            "http": {"url": "https://checks.example.com/x?y=1", "jsonPath": "$.n", "successCondition": "result == 0"},
                        },
                        {"name": "vpc", "runAt": ["AfterWave"], "type": "Condition", "condition": {"type": "network.example.com/VpcReady"}},
                        {"name": "smoke", "runAt": ["BeforeStage"], "type": "Job", "job": {"template": {"spec": {"template": {}}}}},
                    ],
                },
            ],
        },
    })
}

/// `object` with the field at `pointer` set (or, with null, removed).
pub(crate) fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = make(&mut object, parent);
    match (parent, name.parse::<usize>()) {
        (Value::Array(items), Ok(index)) => items[index] = value,
        (Value::Object(fields), _) if value.is_null() => drop(fields.remove(name)),
        (Value::Object(fields), _) => drop(fields.insert(name.replace("~1", "/"), value)),
        (other, _) => panic!("{pointer} is inside {other}"),
    }
    object
}

fn make<'v>(object: &'v mut Value, pointer: &str) -> &'v mut Value {
    pointer
        .split('/')
        .skip(1)
        .fold(object, |value, name| match value {
            Value::Array(items) => &mut items[name.parse::<usize>().unwrap()],
            Value::Object(fields) => fields.entry(name).or_insert_with(|| Value::Object(Map::new())),
            other => panic!("{pointer} is inside {other}"),
        })
}
