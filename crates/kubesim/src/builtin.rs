//! What the built-in kinds do beyond their schema: defaults, checks, immutability.

use crate::{
    failure::{Cause, Failure},
    object::{is_empty, meta},
    resource::Resource,
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Gives an object of a built-in kind the form its Go struct would give it.
pub(crate) fn normalise(resource: &Resource, object: &mut Value) -> Result<(), Failure> {
    if resource.custom {
        return Ok(());
    }
    for (path, name) in [
        ("/spec", "acquireTime"),
        ("/spec", "renewTime"),
        ("", "eventTime"),
        ("/series", "lastObservedTime"),
    ] {
        let known = matches!(resource.kind.as_str(), "Lease" | "Event");
        let Some(time) = object
            .pointer_mut(path)
            .filter(|_| known)
            .and_then(|node| node.get_mut(name))
        else {
            continue;
        };
        let text = time.as_str().unwrap_or_default();
        let parsed = micro_time(text).ok_or_else(|| {
            Failure::bad_request(format!(
                "{0} in version \"v1\" cannot be handled as a {0}: parsing time {text:?} as \"2006-01-02T15:04:05.000000Z07:00\"",
                resource.kind
            ))
        })?;
        *time = json!(parsed.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
    }
    if let Some(members) = object.as_object_mut() {
        members.retain(|_, value| !is_empty(value));
        for (name, value) in resource.zero.as_object().into_iter().flatten() {
            members.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    if resource.kind == "Namespace" {
        let name = meta(object, "name").to_owned();
        if !name.is_empty() {
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(name);
        }
    }
    Ok(())
}

/// `metav1.MicroTime` takes exactly six digits of a second.
fn micro_time(text: &str) -> Option<Timestamp> {
    let fraction = text.split_once('.')?.1;
    let digits = fraction.chars().take_while(char::is_ascii_digit).count();
    text.parse().ok().filter(|_| digits == 6)
}

/// What the strategy of a kind sets on create.
pub(crate) fn prepare_create(resource: &Resource, object: &mut Value) {
    if resource.kind == "Namespace" && !resource.custom {
        object["spec"] = json!({"finalizers": ["kubernetes"]});
        object["status"] = json!({"phase": "Active"});
    }
}

/// The checks of a kind that are not in its schema.
pub(crate) fn validate(resource: &Resource, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    if resource.custom {
        return vec![];
    }
    match resource.kind.as_str() {
        "ConfigMap" => config_map(new, old),
        "Lease" => lease(new),
        "Event" => event(new, old),
        _ => vec![],
    }
}

fn config_map(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = vec![];
    for member in ["data", "binaryData"] {
        for name in new[member]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
        {
            let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if name.is_empty() || name.len() > 253 || !name.chars().all(legal) {
                let detail = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' \
                    (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
                causes.push(Cause::invalid(format!("{member}[{name}]"), &json!(name), detail));
            }
        }
    }
    if let Some(old) = old.filter(|old| old["immutable"] == true) {
        if new["immutable"] != true {
            causes.push(Cause::forbidden(
                "immutable",
                "field is immutable when `immutable` is set",
            ));
        }
        for member in ["data", "binaryData"]
            .into_iter()
            .filter(|member| new[*member] != old[*member])
        {
            causes.push(Cause::forbidden(
                member,
                "field is immutable when `immutable` is set",
            ));
        }
    }
    causes
}

fn lease(new: &Value) -> Vec<Cause> {
    let mut causes = vec![];
    let spec = &new["spec"];
    if spec["leaseDurationSeconds"]
        .as_i64()
        .is_some_and(|seconds| seconds <= 0)
    {
        let field = "spec.leaseDurationSeconds";
        causes.push(Cause::invalid(
            field,
            &spec["leaseDurationSeconds"],
            "must be greater than 0",
        ));
    }
    if spec["leaseTransitions"].as_i64().is_some_and(|count| count < 0) {
        let field = "spec.leaseTransitions";
        causes.push(Cause::invalid(
            field,
            &spec["leaseTransitions"],
            "must be greater than or equal to 0",
        ));
    }
    causes
}

/// The server validates events as core objects, so the fields have their core names.
fn event(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = vec![];
    if let Some(old) = old {
        for (name, core) in [
            ("regarding", "involvedObject"),
            ("reason", "reason"),
            ("note", "message"),
            ("type", "type"),
            ("eventTime", "eventTime"),
            ("action", "action"),
            ("related", "related"),
            ("reportingController", "reportingController"),
            ("reportingInstance", "reportingInstance"),
        ] {
            if new.get(name) != old.get(name) {
                causes.push(Cause::invalid(core, &new[name], "field is immutable"));
            }
        }
        return causes;
    }
    let regarding = new["regarding"]["namespace"].as_str().unwrap_or_default();
    // Events about cluster-scoped objects live in one of two namespaces; about others, anywhere.
    if regarding.is_empty() && !matches!(meta(new, "namespace"), "default" | "kube-system") {
        causes.push(Cause::invalid(
            "involvedObject.namespace",
            &json!(regarding),
            "does not match event.namespace",
        ));
    }
    for name in [
        "eventTime",
        "reportingController",
        "reportingInstance",
        "action",
        "reason",
    ] {
        if new[name].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(name, ""));
        }
    }
    for (name, core, limit) in [
        ("action", "action", 128),
        ("reason", "reason", 128),
        ("reportingInstance", "reportingInstance", 128),
        ("note", "message", 1024),
    ] {
        if new[name].as_str().unwrap_or_default().len() > limit {
            causes.push(Cause::invalid(
                core,
                &json!(""),
                &format!("can have at most {limit} characters"),
            ));
        }
    }
    let kind = new["type"].as_str().unwrap_or_default();
    if !matches!(kind, "Normal" | "Warning") {
        causes.push(Cause::invalid(
            "type",
            &json!(""),
            &format!("has invalid value: {kind}"),
        ));
    }
    causes
}
