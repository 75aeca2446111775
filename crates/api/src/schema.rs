//! The CustomResourceDefinitions, and the schemas that schemars cannot derive.

use crate::{Approval, Awaiting, AwsAccount, Baseline, BaselineRevision, EnvironmentPromotion, Organization};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use schemars::{Schema, SchemaGenerator, json_schema};

/// The CustomResourceDefinitions of every kind, ready to be applied.
///
/// Optional fields are not nullable: an explicit null would keep the server from applying a default, and nullable nodes
/// lose their type in OpenAPI v2.
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![
        Approval::crd(),
        AwsAccount::crd(),
        Baseline::crd(),
        BaselineRevision::crd(),
        EnvironmentPromotion::crd(),
        Organization::crd(),
    ];
    for crd in &mut crds {
        for version in &mut crd.spec.versions {
            if let Some(schema) = version
                .schema
                .as_mut()
                .and_then(|s| s.open_api_v3_schema.as_mut())
            {
                clean(schema);
            }
        }
    }
    crds
}

fn clean(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.title = None;
    for rule in schema.x_kubernetes_validations.iter_mut().flatten() {
        if rule.message.is_none() {
            rule.message = rule.message_expression.as_deref().and_then(fallback);
        }
    }
    schema
        .properties
        .iter_mut()
        .flat_map(|p| p.values_mut())
        .for_each(clean);
    match schema.items.as_mut() {
        Some(JSONSchemaPropsOrArray::Schema(items)) => clean(items),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(clean),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = schema.additional_properties.as_mut() {
        clean(values);
    }
}

/// The server shows `message` where `messageExpression` fails, which it does when a value has a line break: then the
/// rule without the value, which is how every expression of [`crate::rules`] begins.
fn fallback(expression: &str) -> Option<String> {
    let literal = expression.split('\'').nth(1)?;
    Some(
        literal
            .rsplit_once(';')
            .map_or(literal, |(rule, _value)| rule)
            .to_owned(),
    )
}

/// A point in time as Kubernetes writes it.
pub(crate) fn timestamp(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

/// The same in a spec, where every string has a bound.
pub(crate) fn short_timestamp(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time", "maxLength": 40})
}

/// `status.awaiting`: a list map, because an object can wait for decisions of several kinds at once, and for one of each.
pub(crate) fn awaiting(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["action"],
        "items": generator.subschema_for::<Awaiting>(),
    })
}

/// `spec.tags`.
pub(crate) fn tags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 50,
        "additionalProperties": {"type": "string", "maxLength": 256},
    })
}

/// Entries of `allowedTagKeys`.
pub(crate) fn tag_key_patterns(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 100,
        "items": {"type": "string", "minLength": 1, "maxLength": 128},
    })
}

/// Entries of `allowedValues`.
pub(crate) fn tag_value_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "maxItems": 100, "items": {"type": "string", "maxLength": 256}})
}

/// An object whose fields are judged elsewhere: parameters by the catalogue, documents by AWS's rules. Whoever writes it
/// writes all of it: half a policy document of each of two field managers would be nobody's.
pub(crate) fn free_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

/// Condition keys of a request.
pub(crate) fn context(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 20,
        "additionalProperties": {
            "type": "array",
            "x-kubernetes-list-type": "atomic",
            "maxItems": 20,
            "items": {"type": "string", "maxLength": 1024},
        },
    })
}

/// Stages as an attempt runs with them: judged in `spec`, and kept as they were.
pub(crate) fn snapshot(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "atomic",
        "items": {"type": "object", "x-kubernetes-map-type": "atomic", "x-kubernetes-preserve-unknown-fields": true},
    })
}

/// A number or a percentage.
pub(crate) fn int_or_percent(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "x-kubernetes-int-or-string": true,
        "maxLength": 6,
    })
}

/// A duration as `metav1.Duration` writes it.
pub(crate) fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 24,
        "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
    })
}

/// Names of groups.
pub(crate) fn groups(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "set",
        "maxItems": 20,
        "items": {"type": "string", "minLength": 1, "maxLength": 512},
    })
}

/// Points at which a gate runs.
pub(crate) fn run_at(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "set",
        "minItems": 1,
        "maxItems": 4,
        "items": generator.subschema_for::<crate::RunAt>(),
    })
}

/// Status of a condition.
pub(crate) fn condition_status(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["True", "False", "Unknown"]})
}

/// Methods of an HTTP gate.
pub(crate) fn http_method(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["GET", "POST"]})
}

/// A list of texts in a BaselineRevision, in an order that nobody else changes.
pub(crate) fn texts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "atomic",
        "maxItems": 100,
        "items": {"type": "string", "maxLength": 512},
    })
}

/// `metav1.LabelSelector`, with the bounds that CEL's cost estimate needs.
pub(crate) fn label_selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "description": "Labels that must have exactly these values.",
                "type": "object",
                "maxProperties": 32,
                "additionalProperties": {"type": "string", "maxLength": 63},
            },
            "matchExpressions": {
                "description": "Conditions on labels, which must all hold.",
                "type": "array",
                "x-kubernetes-list-type": "atomic",
                "maxItems": 32,
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": {"description": "Key of the label.", "type": "string", "minLength": 1, "maxLength": 317},
                        "operator": {
                            "description": "In and NotIn compare with `values`; Exists and DoesNotExist look at the key alone.",
                            "type": "string",
                            "maxLength": 12,
                            "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
                        },
                        "values": {
                            "description": "Values for In and NotIn.",
                            "type": "array",
                            "x-kubernetes-list-type": "atomic",
                            "maxItems": 100,
                            "items": {"type": "string", "maxLength": 63},
                        },
                    },
                },
            },
        },
    })
}

/// A list map of `metav1.Condition`, with the bounds that Kubernetes itself publishes for it.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "description": "What the condition is about.",
                    "type": "string",
                    "maxLength": 316,
                    "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
                },
                "status": {
                    "description": "True, False or Unknown.",
                    "type": "string",
                    "enum": ["True", "False", "Unknown"],
                },
                "reason": {
                    "description": "Why, in one word.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                },
                "message": {"description": "Why, for a person.", "type": "string", "maxLength": 32768},
                "lastTransitionTime": {
                    "description": "When the status last changed.",
                    "type": "string",
                    "format": "date-time",
                },
                "observedGeneration": {
                    "description": "The `metadata.generation` the condition was computed for.",
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                },
            },
        },
    })
}
