//! Structural schemas: reading them from a CRD, pruning, defaulting.

use crate::{reads::Reads, rules::Rule};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Why a schema cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    #[error("{path}: {message}")]
    Malformed { path: String, message: String },
    #[error("{path}: kubesim does not implement {what}")]
    Unsupported { path: String, what: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

impl Type {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// `x-kubernetes-list-type`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListType {
    #[default]
    Atomic,
    Set,
    Map(Vec<String>),
}

/// `additionalProperties`.
#[derive(Debug, Default)]
pub(crate) enum Additional {
    #[default]
    None,
    Any,
    Schema(Box<Schema>),
}

/// Keywords as they stand in the CRD. An unknown keyword is an error: kubesim must not pass over a rule in silence.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a keyword of its own")]
struct Raw {
    #[serde(rename = "type")]
    types: Option<Type>,
    format: Option<String>,
    nullable: bool,
    properties: BTreeMap<String, Raw>,
    additional_properties: Option<RawAdditional>,
    items: Option<Box<Raw>>,
    default: Option<Value>,
    required: Vec<String>,
    #[serde(rename = "enum")]
    enumeration: Vec<Value>,
    pattern: Option<String>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    exclusive_minimum: bool,
    exclusive_maximum: bool,
    multiple_of: Option<f64>,
    min_items: Option<u64>,
    max_items: Option<u64>,
    min_properties: Option<u64>,
    max_properties: Option<u64>,
    all_of: Vec<Raw>,
    any_of: Vec<Raw>,
    one_of: Vec<Raw>,
    not: Option<Box<Raw>>,
    #[serde(rename = "x-kubernetes-int-or-string")]
    int_or_string: bool,
    #[serde(rename = "x-kubernetes-preserve-unknown-fields")]
    preserve: bool,
    #[serde(rename = "x-kubernetes-list-type")]
    list_type: Option<String>,
    #[serde(rename = "x-kubernetes-list-map-keys")]
    list_map_keys: Vec<String>,
    #[serde(rename = "x-kubernetes-map-type")]
    map_type: Option<String>,
    #[serde(rename = "x-kubernetes-validations")]
    validations: Vec<crate::rules::RawRule>,
    // For readers only.
    description: serde::de::IgnoredAny,
    title: serde::de::IgnoredAny,
    example: serde::de::IgnoredAny,
    external_docs: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawAdditional {
    Flag(bool),
    Schema(Box<Raw>),
}

/// One node of a structural schema.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a keyword of its own")]
pub(crate) struct Schema {
    pub(crate) types: Option<Type>,
    pub(crate) format: Option<String>,
    pub(crate) nullable: bool,
    pub(crate) properties: BTreeMap<String, Schema>,
    pub(crate) additional: Additional,
    pub(crate) items: Option<Box<Schema>>,
    pub(crate) default: Option<Value>,
    pub(crate) required: Vec<String>,
    pub(crate) enumeration: Vec<Value>,
    pub(crate) pattern: Option<Regex>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) exclusive_maximum: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
    pub(crate) all_of: Vec<Schema>,
    pub(crate) any_of: Vec<Schema>,
    pub(crate) one_of: Vec<Schema>,
    pub(crate) not: Option<Box<Schema>>,
    pub(crate) int_or_string: bool,
    pub(crate) preserve: bool,
    pub(crate) list: ListType,
    pub(crate) atomic_map: bool,
    pub(crate) rules: Vec<Rule>,
    /// What the rules of this node read of it.
    pub(crate) reads: Reads,
    /// Whether there are rules at or below this node.
    pub(crate) has_rules: bool,
    /// Whether no rule at or below can fail where the value is what it was.
    pub(crate) is_settled: bool,
    /// Whether `allOf`, `anyOf`, `oneOf` or `not` stand at or below this node.
    pub(crate) has_branches: bool,
}

/// Formats the real server validates and kubesim does not: a schema that uses one is refused at installation.
const UNSUPPORTED_FORMATS: [&str; 24] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "date",
    "duration",
    "k8s-short-name",
    "k8s-long-name",
];

impl Schema {
    /// Reads a schema node and everything below it.
    pub(crate) fn parse(json: &Value) -> Result<Self, SchemaError> {
        let raw: Raw = serde_path(json)?;
        Self::from_raw(raw, "openAPIV3Schema")
    }

    fn from_raw(raw: Raw, path: &str) -> Result<Self, SchemaError> {
        let below = |raw: Option<Box<Raw>>, step: &str| {
            raw.map(|raw| Self::from_raw(*raw, &format!("{path}.{step}")).map(Box::new))
                .transpose()
        };
        let branches = |raws: Vec<Raw>, step: &str| {
            raws.into_iter()
                .enumerate()
                .map(|(i, raw)| Self::from_raw(raw, &format!("{path}.{step}[{i}]")))
                .collect::<Result<Vec<_>, _>>()
        };
        if let Some(format) = raw
            .format
            .as_deref()
            .filter(|format| UNSUPPORTED_FORMATS.contains(format))
        {
            return Err(SchemaError::Unsupported {
                path: path.into(),
                what: format!("format {format}"),
            });
        }
        let list = match raw.list_type.as_deref() {
            None | Some("atomic") => ListType::Atomic,
            Some("set") => ListType::Set,
            Some("map") => ListType::Map(raw.list_map_keys),
            Some(other) => return Err(malformed(path, &format!("unknown list type {other}"))),
        };
        let pattern = raw
            .pattern
            .map(|pattern| Regex::new(&pattern).map_err(|error| malformed(path, &error.to_string())))
            .transpose()?;
        let rules = Rule::compile_all(raw.validations, path)?;
        let mut schema = Self {
            types: raw.types,
            format: raw.format,
            nullable: raw.nullable,
            properties: raw
                .properties
                .into_iter()
                .map(|(name, raw)| {
                    let path = format!("{path}.properties[{name}]");
                    Ok((name, Self::from_raw(raw, &path)?))
                })
                .collect::<Result<_, _>>()?,
            additional: match raw.additional_properties {
                None | Some(RawAdditional::Flag(false)) => Additional::None,
                Some(RawAdditional::Flag(true)) => Additional::Any,
                Some(RawAdditional::Schema(raw)) => Additional::Schema(Box::new(Self::from_raw(
                    *raw,
                    &format!("{path}.additionalProperties"),
                )?)),
            },
            items: below(raw.items, "items")?,
            default: raw.default,
            required: raw.required,
            enumeration: raw.enumeration,
            pattern,
            min_length: raw.min_length,
            max_length: raw.max_length,
            minimum: raw.minimum,
            maximum: raw.maximum,
            exclusive_minimum: raw.exclusive_minimum,
            exclusive_maximum: raw.exclusive_maximum,
            multiple_of: raw.multiple_of,
            min_items: raw.min_items,
            max_items: raw.max_items,
            min_properties: raw.min_properties,
            max_properties: raw.max_properties,
            all_of: branches(raw.all_of, "allOf")?,
            any_of: branches(raw.any_of, "anyOf")?,
            one_of: branches(raw.one_of, "oneOf")?,
            not: below(raw.not, "not")?,
            int_or_string: raw.int_or_string,
            preserve: raw.preserve,
            list,
            atomic_map: raw.map_type.as_deref() == Some("atomic"),
            reads: crate::rules::reads(&rules),
            rules,
            ..Self::default()
        };
        schema.sum_up();
        Ok(schema)
    }

    /// Fills in what is known of a node from the nodes below it.
    fn sum_up(&mut self) {
        let additional = match &self.additional {
            Additional::Schema(schema) => Some(&**schema),
            Additional::None | Additional::Any => None,
        };
        let members: Vec<&Self> = self.properties.values().chain(additional).collect();
        let items = self.items.as_deref();
        let any = |is: fn(&Self) -> bool| members.iter().copied().chain(items).any(is);
        self.has_rules = !self.rules.is_empty() || any(|schema| schema.has_rules);
        let own_branches = [&self.all_of, &self.any_of, &self.one_of];
        self.has_branches = self.not.is_some()
            || own_branches.into_iter().any(|branches| !branches.is_empty())
            || any(|schema| schema.has_branches);
        // Elements of sets and atomic lists have no old value, so what lies within them counts as changed.
        let items_settled = items.is_none_or(|items| match self.list {
            ListType::Map(_) => items.is_settled,
            ListType::Set | ListType::Atomic => !items.has_rules,
        });
        self.is_settled = !self.rules.iter().any(Rule::is_transition)
            && members.iter().all(|schema| schema.is_settled)
            && items_settled;
    }

    /// Shows every rule at or below this node.
    pub(crate) fn each_rule(&self, show: &mut dyn FnMut(&Rule)) {
        self.rules.iter().for_each(&mut *show);
        let additional = match &self.additional {
            Additional::Schema(schema) => Some(&**schema),
            Additional::None | Additional::Any => None,
        };
        let items = self.items.as_deref();
        for below in self.properties.values().chain(additional).chain(items) {
            below.each_rule(show);
        }
    }

    /// The schema of a member of an object, `None` when it is not declared.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        match (self.properties.get(name), &self.additional) {
            (Some(schema), _) => Some(schema),
            (None, Additional::Schema(schema)) => Some(schema),
            _ => None,
        }
    }

    /// Whether members that are not declared are kept.
    pub(crate) fn keeps_unknown(&self) -> bool {
        self.preserve || matches!(self.additional, Additional::Any)
    }

    /// The defaults of the key fields take part in an element's identity, so `{port: 80}` is `{port: 80, protocol: TCP}`.
    pub(crate) fn key_of(&self, keys: &[String], element: &Value) -> BTreeMap<String, Value> {
        let items = self.items.as_deref();
        keys.iter()
            .filter_map(|key| {
                let value = element
                    .get(key)
                    .or_else(|| items?.properties.get(key)?.default.as_ref())?;
                Some((key.clone(), value.clone()))
            })
            .collect()
    }

    /// Drops the members the schema does not declare and returns their paths.
    pub(crate) fn prune(&self, value: &mut Value) -> Vec<String> {
        let mut unknown = vec![];
        // Mostly there are none, and writing down every path on the way costs more than looking.
        if !self.knows(value) {
            self.prune_below(value, "", &mut unknown);
        }
        unknown
    }

    /// Whether every member of a value, at any depth, would stay.
    fn knows(&self, value: &Value) -> bool {
        match value {
            Value::Object(members) => members.iter().all(|(name, value)| match self.member(name) {
                Some(schema) => schema.knows(value),
                None => self.keeps_unknown(),
            }),
            Value::Array(elements) => {
                let items = self.items.as_deref();
                items.is_none_or(|items| elements.iter().all(|element| items.knows(element)))
            }
            _ => true,
        }
    }

    fn prune_below(&self, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                members.retain(|name, value| {
                    let at = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    if let Some(schema) = self.member(name) {
                        schema.prune_below(value, &at, unknown);
                        true
                    } else if self.keeps_unknown() {
                        true
                    } else {
                        unknown.push(at);
                        false
                    }
                });
            }
            Value::Array(elements) => {
                for (i, element) in elements.iter_mut().enumerate() {
                    if let Some(items) = &self.items {
                        items.prune_below(element, &format!("{path}[{i}]"), unknown);
                    }
                }
            }
            _ => {}
        }
    }

    /// Drops nulls from members that are not nullable (`PruneNonNullableNullsWithoutDefaults`), then fills in the defaults.
    pub(crate) fn apply_defaults(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|name, value| {
                    !value.is_null() || self.member(name).is_none_or(|schema| schema.nullable)
                });
                for (name, schema) in &self.properties {
                    if let Some(default) = &schema.default
                        && !members.contains_key(name)
                    {
                        members.insert(name.clone(), default.clone());
                    }
                }
                for (name, value) in members {
                    if let Some(schema) = self.member(name) {
                        schema.apply_defaults(value);
                    }
                }
            }
            Value::Array(elements) => {
                if let Some(items) = &self.items {
                    for element in elements {
                        if element.is_null()
                            && !items.nullable
                            && let Some(default) = &items.default
                        {
                            *element = default.clone();
                        }
                        items.apply_defaults(element);
                    }
                }
            }
            _ => {}
        }
    }
}

fn malformed(path: &str, message: &str) -> SchemaError {
    SchemaError::Malformed {
        path: path.into(),
        message: message.into(),
    }
}

fn serde_path(json: &Value) -> Result<Raw, SchemaError> {
    // A root without properties still has the three every object has.
    let empty = Value::Object(Map::new());
    let json = if json.is_null() { &empty } else { json };
    Raw::deserialize(json).map_err(|error| malformed("openAPIV3Schema", &error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema(json: &Value) -> Schema {
        Schema::parse(json).unwrap()
    }

    #[test]
    fn only_what_cannot_fail_is_settled() {
        let leaf = json!({"type": "string", "x-kubernetes-validations": [{"rule": "self != ''"}]});
        let transition = json!({"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]});
        let object = |leaf: &Value| json!({"type": "object", "properties": {"a": leaf}});
        let list = |kind: &str, leaf: &Value| {
            let mut list = json!({"type": "array", "items": object(leaf), "x-kubernetes-list-type": kind});
            if kind == "map" {
                list["x-kubernetes-list-map-keys"] = json!(["a"]);
            }
            list
        };
        let map = json!({"type": "object", "additionalProperties": leaf});
        for (json, settled) in [
            (object(&leaf), true),
            (map, true),
            (list("map", &leaf), true),
            // What lies within an element of these has no old value, so it counts as changed.
            (list("atomic", &leaf), false),
            (list("set", &leaf), false),
            (list("atomic", &json!({"type": "string"})), true),
            // These judge the change, even the change to what it was.
            (object(&transition), false),
            (list("map", &transition), false),
        ] {
            let schema = schema(&json!({"type": "object", "properties": {"x": json}}));
            assert_eq!(schema.is_settled, settled, "{json}");
            assert_eq!(
                schema.has_rules,
                json.to_string().contains("validations"),
                "{json}"
            );
        }
    }

    #[test]
    fn branches_are_known_wherever_they_stand() {
        let branch = json!({"not": {"required": ["b"]}, "type": "object"});
        for json in [
            branch.clone(),
            json!({"type": "object", "properties": {"a": branch}}),
            json!({"type": "object", "additionalProperties": branch}),
            json!({"type": "array", "items": branch}),
            json!({"type": "string", "anyOf": [{"pattern": "a"}]}),
            json!({"type": "string", "oneOf": [{"pattern": "a"}]}),
            json!({"type": "string", "allOf": [{"pattern": "a"}]}),
        ] {
            assert!(schema(&json).has_branches, "{json}");
        }
        assert!(!schema(&json!({"type": "object", "properties": {"a": {"type": "string"}}})).has_branches);
    }
}
