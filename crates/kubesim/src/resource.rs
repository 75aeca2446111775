//! The resources kubesim serves: custom ones from CRDs, and the few built-in kinds an operator touches.

use crate::{
    failure::Subject,
    patterns::Patterns,
    schema::{Schema, SchemaError},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// Why a CustomResourceDefinition was not installed.
#[derive(Debug, thiserror::Error)]
pub enum CrdError {
    /// The document is no CustomResourceDefinition of `apiextensions.k8s.io/v1`; the author of the CRD should act.
    #[error("not a CustomResourceDefinition: {0}")]
    Malformed(String),
    /// The schema cannot be read; the author of the CRD should act.
    #[error("{crd}: {source}")]
    Schema {
        /// The name of the CRD.
        crd: String,
        /// What is wrong, and where.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The CRD is legal, but kubesim does not imitate what it uses.
    #[error("{crd}: kubesim does not implement {what}")]
    Unsupported {
        /// The name of the CRD.
        crd: String,
        /// The feature.
        what: String,
    },
}

/// A CustomResourceDefinition that has been read: its schema, its CEL rules and their regular expressions. Clones share
/// them, so that many servers, also on several threads, cost one compilation.
#[derive(Clone, Debug)]
pub struct CompiledCrd {
    pub(crate) resource: Arc<Resource>,
    pub(crate) patterns: Patterns,
}

impl CompiledCrd {
    /// Reads a CRD of `apiextensions.k8s.io/v1` with one served version, as JSON.
    pub fn new(crd: &Value) -> Result<Self, CrdError> {
        let resource = Resource::from_crd(crd)?;
        let patterns = Patterns::default();
        resource
            .schema
            .each_rule(&mut |rule| rule.compile_patterns(&patterns));
        Ok(Self {
            resource: Arc::new(resource),
            patterns,
        })
    }
}

/// One served resource.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) namespaced: bool,
    pub(crate) has_status: bool,
    /// Custom resources are stricter than built-in ones in several places (PUT, strategic merge patch, `kind`).
    pub(crate) custom: bool,
    /// Field selectors beyond the name and the namespace.
    pub(crate) selectable: Vec<String>,
    pub(crate) schema: Schema,
    /// What a Go struct of this kind always has, even when the client leaves it out.
    pub(crate) zero: Value,
}

impl Resource {
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Whether the strategy counts generations.
    pub(crate) fn has_generation(&self) -> bool {
        self.custom || self.group == "admissionregistration.k8s.io"
    }

    /// `details` of most errors: the plural.
    pub(crate) fn subject(&self, name: &str) -> Subject {
        Subject::new(&self.group, &self.plural, name)
    }

    /// `details` of validation errors: the kind.
    pub(crate) fn kind_subject(&self, name: &str) -> Subject {
        Subject::new(&self.group, &self.kind, name)
    }

    pub(crate) fn display(&self) -> String {
        self.subject("").qualified()
    }

    /// Reads a CRD. One served version; anything it uses beyond the supported schema is an error.
    pub(crate) fn from_crd(crd: &Value) -> Result<Self, CrdError> {
        let parsed = Crd::deserialize(crd).map_err(|error| CrdError::Malformed(error.to_string()))?;
        if parsed.kind != "CustomResourceDefinition" || parsed.api_version != "apiextensions.k8s.io/v1" {
            return Err(CrdError::Malformed(format!(
                "{} {}",
                parsed.api_version, parsed.kind
            )));
        }
        let name = parsed.metadata.name;
        let unsupported = |what: &str| CrdError::Unsupported {
            crd: name.clone(),
            what: what.to_owned(),
        };
        let mut served = parsed.spec.versions.into_iter().filter(|version| version.served);
        let (Some(version), None) = (served.next(), served.next()) else {
            return Err(unsupported("a CRD with more or fewer than one served version"));
        };
        if version.subresources.scale.is_some() {
            return Err(unsupported("the scale subresource"));
        }
        let failed = |error: SchemaError| match error {
            SchemaError::Unsupported { path, what } => CrdError::Unsupported {
                crd: name.clone(),
                what: format!("{what} ({path})"),
            },
            malformed @ SchemaError::Malformed { .. } => CrdError::Schema {
                crd: name.clone(),
                source: Box::new(malformed),
            },
        };
        let schema = Schema::parse(&version.schema.open_apiv3_schema).map_err(failed)?;
        let schema = with_object_fields(schema).map_err(failed)?;
        let names = parsed.spec.names;
        Ok(Self {
            group: parsed.spec.group,
            version: version.name,
            list_kind: names.list_kind.unwrap_or_else(|| format!("{}List", names.kind)),
            kind: names.kind,
            plural: names.plural,
            namespaced: parsed.spec.scope == "Namespaced",
            has_status: version.subresources.status.is_some(),
            custom: true,
            selectable: version
                .selectable_fields
                .into_iter()
                .map(|field| field.json_path.trim_start_matches('.').to_owned())
                .collect(),
            schema,
            zero: json!({}),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Crd {
    api_version: String,
    kind: String,
    metadata: CrdName,
    spec: CrdSpec,
}

#[derive(Deserialize)]
struct CrdName {
    name: String,
}

#[derive(Deserialize)]
struct CrdSpec {
    group: String,
    scope: String,
    names: CrdNames,
    versions: Vec<CrdVersion>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CrdNames {
    kind: String,
    plural: String,
    list_kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CrdVersion {
    name: String,
    served: bool,
    schema: CrdSchema,
    #[serde(default)]
    subresources: CrdSubresources,
    #[serde(default)]
    selectable_fields: Vec<CrdField>,
}

#[derive(Deserialize)]
struct CrdSchema {
    #[serde(rename = "openAPIV3Schema")]
    open_apiv3_schema: Value,
}

#[derive(Deserialize, Default)]
struct CrdSubresources {
    status: Option<Value>,
    scale: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CrdField {
    json_path: String,
}

/// `ObjectMeta`, with the list and map types of its Go tags.
fn object_meta() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    json!({"type": "object", "properties": {
        "name": text, "generateName": text, "namespace": text, "selfLink": text, "uid": text, "resourceVersion": text,
        "generation": {"type": "integer"},
        "creationTimestamp": text, "deletionTimestamp": text, "deletionGracePeriodSeconds": {"type": "integer"},
        "labels": texts, "annotations": texts,
        "finalizers": {"type": "array", "items": text, "x-kubernetes-list-type": "set"},
        "ownerReferences": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
            "items": {"type": "object", "x-kubernetes-map-type": "atomic",
                "required": ["apiVersion", "kind", "name", "uid"], "properties": {
                "apiVersion": text, "kind": text, "name": text, "uid": text,
                "controller": {"type": "boolean"}, "blockOwnerDeletion": {"type": "boolean"},
            }},
        },
        "managedFields": {"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
    }})
}

fn with_object_fields(mut schema: Schema) -> Result<Schema, SchemaError> {
    let restricted = |schema: &Schema| !schema.properties.is_empty() || !schema.rules.is_empty();
    if schema.properties.get("metadata").is_some_and(restricted) {
        return Err(SchemaError::Unsupported {
            path: "openAPIV3Schema.properties[metadata]".into(),
            what: "restrictions on metadata outside CEL".into(),
        });
    }
    for name in ["apiVersion", "kind"] {
        schema
            .properties
            .insert(name.into(), Schema::parse(&json!({"type": "string"}))?);
    }
    schema
        .properties
        .insert("metadata".into(), Schema::parse(&object_meta())?);
    Ok(schema)
}

/// All served resources by group and plural.
pub(crate) type Registry = BTreeMap<(String, String), Arc<Resource>>;

/// Namespace, ConfigMap, Lease, Event, and the admission policies. Their schemas say what their Go structs say.
pub(crate) fn built_in() -> Result<Vec<Resource>, SchemaError> {
    let text = json!({"type": "string"});
    let number = json!({"type": "integer"});
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let atomic = |properties: Value| json!({"type": "object", "x-kubernetes-map-type": "atomic", "properties": properties});
    let texts = json!({"type": "object", "additionalProperties": text});
    let reference = atomic(json!({
        "apiVersion": text, "kind": text, "name": text, "namespace": text, "uid": text,
        "resourceVersion": text, "fieldPath": text,
    }));
    let resource = |group: &str, plural: &str, kind: &str, schema: Value, zero: Value| {
        Ok(Resource {
            group: group.into(),
            version: "v1".into(),
            plural: plural.into(),
            kind: kind.into(),
            list_kind: format!("{kind}List"),
            namespaced: matches!(kind, "ConfigMap" | "Lease" | "Event"),
            has_status: kind == "Namespace",
            custom: false,
            selectable: if kind == "Namespace" {
                vec!["status.phase".into()]
            } else {
                vec![]
            },
            schema: with_object_fields(Schema::parse(&schema)?)?,
            zero,
        })
    };
    let namespace = object(json!({
        "spec": object(json!({"finalizers": {"type": "array", "items": text}})),
        "status": object(json!({
            "phase": text,
            "conditions": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
                "items": object(json!({
                    "type": text, "status": text, "reason": text, "message": text, "lastTransitionTime": text,
                }))},
        })),
    }));
    let config_map = object(json!({"data": texts, "binaryData": texts, "immutable": {"type": "boolean"}}));
    let lease = object(json!({"spec": object(json!({
        "holderIdentity": text, "leaseDurationSeconds": number, "acquireTime": text, "renewTime": text,
        "leaseTransitions": number, "preferredHolder": text, "strategy": text,
    }))}));
    let event = object(json!({
        "eventTime": text, "reportingController": text, "reportingInstance": text, "action": text, "reason": text,
        "note": text, "type": text, "regarding": reference, "related": reference,
        "series": object(json!({"count": number, "lastObservedTime": text})),
        "deprecatedSource": object(json!({"component": text, "host": text})),
        "deprecatedFirstTimestamp": text, "deprecatedLastTimestamp": text, "deprecatedCount": number,
    }));
    let [policy, binding] = admission_policies();
    let admission = "admissionregistration.k8s.io";
    Ok(vec![
        resource(
            admission,
            "validatingadmissionpolicies",
            "ValidatingAdmissionPolicy",
            policy,
            json!({}),
        )?,
        resource(
            admission,
            "validatingadmissionpolicybindings",
            "ValidatingAdmissionPolicyBinding",
            binding,
            json!({}),
        )?,
        resource(
            "",
            "namespaces",
            "Namespace",
            namespace,
            json!({"spec": {}, "status": {}}),
        )?,
        resource("", "configmaps", "ConfigMap", config_map, json!({}))?,
        resource(
            "coordination.k8s.io",
            "leases",
            "Lease",
            lease,
            json!({"spec": {}}),
        )?,
        resource(
            "events.k8s.io",
            "events",
            "Event",
            event,
            json!({"regarding": {}, "deprecatedSource": {}}),
        )?,
    ])
}

fn admission_policies() -> [Value; 2] {
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": text});
    let selector = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "default": {}});
    let rules = json!({"type": "array", "items": {"type": "object", "properties": {
        "apiGroups": texts, "apiVersions": texts, "operations": texts, "resources": texts, "resourceNames": texts,
        "scope": {"type": "string", "default": "*"},
    }}});
    let scope = json!({"type": "object", "x-kubernetes-map-type": "atomic", "properties": {
        "resourceRules": rules, "excludeResourceRules": rules, "namespaceSelector": selector,
        "objectSelector": selector, "matchPolicy": {"type": "string", "default": "Equivalent"},
    }});
    let named = json!({
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "required": ["name"], "properties": {"name": text, "expression": text}},
    });
    let opaque = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let policy = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "failurePolicy": {"type": "string", "default": "Fail"}, "matchConstraints": scope, "paramKind": opaque,
        "matchConditions": named, "variables": named,
        "auditAnnotations": {"type": "array", "items": opaque},
        "validations": {"type": "array", "items": {"type": "object", "properties": {
            "expression": text, "message": text, "messageExpression": text, "reason": text,
        }}},
    }}, "status": opaque}});
    let binding = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "policyName": text, "paramRef": opaque, "matchResources": scope,
        "validationActions": {"type": "array", "items": text, "x-kubernetes-list-type": "set"},
    }}}});
    [policy, binding]
}
