//! Schema validation in the words of the server (kube-openapi), with ratcheting on updates.

use crate::{
    failure::Cause,
    rules::correlate,
    schema::{ListType, Schema, Type},
};
use serde_json::{Number, Value, json};

/// Validates a value and everything below it.
pub(crate) struct Validation<'a> {
    /// What stands before every path in `field` but not in the texts: the server validates `.status` on its own.
    prefix: &'a str,
    causes: Vec<Cause>,
}

impl<'a> Validation<'a> {
    /// The violations of `new`. With `old`, those of parts that have not changed are left out (KEP-4008).
    pub(crate) fn run(schema: &Schema, prefix: &'a str, new: &Value, old: Option<&Value>) -> Vec<Cause> {
        let mut validation = Self {
            prefix,
            causes: vec![],
        };
        validation.node(schema, new, old, "", old == Some(new));
        validation.causes
    }

    fn field(&self, path: &str) -> String {
        match (self.prefix, path) {
            ("", path) => path.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, path) => format!("{prefix}.{path}"),
        }
    }

    fn invalid(&mut self, path: &str, value: &Value, detail: &str) {
        let cause = Cause::invalid(self.field(path), value, &format!("{path} in body {detail}"));
        self.causes.push(cause);
    }

    fn node(&mut self, schema: &Schema, new: &Value, old: Option<&Value>, path: &str, unchanged: bool) {
        // What has not changed may stay as it is; only the branches are judged again.
        if new.is_null() && schema.nullable || unchanged && !schema.has_branches {
            return;
        }
        if !type_fits(schema, new) {
            if !unchanged {
                self.wrong_type(schema, new, path);
            }
            return;
        }
        if !unchanged {
            self.scalar(schema, new, path);
            self.bounds(schema, new, path);
        }
        self.branches(schema, new, path);
        match new {
            Value::Object(members) => {
                for (name, value) in members {
                    let Some(schema) = schema.member(name) else {
                        continue;
                    };
                    let old = old.and_then(|old| old.get(name));
                    let unchanged = unchanged || old == Some(value);
                    if unchanged && !schema.has_branches {
                        continue;
                    }
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    self.node(schema, value, old, &path, unchanged);
                }
            }
            Value::Array(elements) => {
                let Some(items) = schema.items.as_deref() else {
                    return;
                };
                for (i, value) in elements.iter().enumerate() {
                    let old = correlate(schema, old, value);
                    self.node(
                        items,
                        value,
                        old,
                        &format!("{path}[{i}]"),
                        unchanged || old == Some(value),
                    );
                }
            }
            _ => {}
        }
    }

    fn wrong_type(&mut self, schema: &Schema, value: &Value, path: &str) {
        let fraction = schema.types == Some(Type::Integer) && value.is_f64();
        let format = schema
            .format
            .as_deref()
            .filter(|format| fraction && matches!(*format, "int32" | "int64"));
        let (expected, actual) = match (schema.int_or_string, format) {
            (true, _) => ("integer,string", type_name(value)),
            (false, Some(format)) => (format, "float64"),
            (false, None) => (schema.types.map_or("", Type::name), type_name(value)),
        };
        let actual = json!(actual);
        let message = format!("Invalid value: {actual}: {path} in body must be of type {expected}: {actual}");
        self.causes
            .push(Cause::new("FieldValueTypeInvalid", self.field(path), message));
        if fraction {
            self.not_this_integer(schema, path);
        }
    }

    fn not_this_integer(&mut self, schema: &Schema, path: &str) {
        let format = schema
            .format
            .as_deref()
            .map_or("(default format)".to_owned(), |format| {
                format!("with format {format}")
            });
        self.causes.push(nowhere(&format!(
            "Checked value must be of type integer {format} in {path}"
        )));
    }

    fn scalar(&mut self, schema: &Schema, value: &Value, path: &str) {
        if !schema.enumeration.is_empty() && !schema.enumeration.contains(value) {
            let supported: Vec<String> = schema.enumeration.iter().map(Value::to_string).collect();
            let message = format!(
                "Unsupported value: {value}: supported values: {}",
                supported.join(", ")
            );
            self.causes
                .push(Cause::new("FieldValueNotSupported", self.field(path), message));
        }
        match value {
            Value::String(text) => self.text(schema, text, path),
            Value::Number(number) => self.number(schema, number, path),
            _ => {}
        }
    }

    fn text(&mut self, schema: &Schema, text: &str, path: &str) {
        let value = json!(text);
        let length = text.chars().count() as u64;
        // The server stops at the first of these three.
        if let Some(max) = schema.max_length.filter(|max| length > *max) {
            let message = format!("Too long: may not be more than {max} bytes");
            self.causes
                .push(Cause::new("FieldValueTooLong", self.field(path), message));
        } else if let Some(min) = schema.min_length.filter(|min| length < *min) {
            self.invalid(path, &value, &format!("should be at least {min} chars long"));
        } else if let Some(pattern) = schema.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            self.invalid(path, &value, &format!("should match '{}'", pattern.as_str()));
        }
        if schema.format.as_deref() == Some("date-time") && text.parse::<jiff::Timestamp>().is_err() {
            self.invalid(path, &value, &format!("must be of type date-time: {value}"));
        }
    }

    fn number(&mut self, schema: &Schema, number: &Number, path: &str) {
        let value = Value::Number(number.clone());
        let float = number.as_f64().unwrap_or_default();
        if schema.format.as_deref() == Some("int32")
            && number.as_i64().is_some_and(|i| i32::try_from(i).is_err())
        {
            self.not_this_integer(schema, path);
        }
        // Bounds are Go floats: 0.0 prints as 0.
        if let Some(min) = schema.minimum {
            if schema.exclusive_minimum && float <= min {
                self.invalid(path, &value, &format!("should be greater than {min}"));
            } else if float < min {
                self.invalid(path, &value, &format!("should be greater than or equal to {min}"));
            }
        }
        if let Some(max) = schema.maximum {
            if schema.exclusive_maximum && float >= max {
                self.invalid(path, &value, &format!("should be less than {max}"));
            } else if float > max {
                self.invalid(path, &value, &format!("should be less than or equal to {max}"));
            }
        }
        if let Some(step) = schema.multiple_of
            && (float / step).fract() != 0.0
        {
            self.invalid(path, &value, &format!("should be a multiple of {step}"));
        }
    }

    fn bounds(&mut self, schema: &Schema, value: &Value, path: &str) {
        let (length, min, max, noun) = match value {
            Value::Array(elements) => (elements.len() as u64, schema.min_items, schema.max_items, "items"),
            Value::Object(members) => (
                members.len() as u64,
                schema.min_properties,
                schema.max_properties,
                "properties",
            ),
            _ => return,
        };
        if let Some(min) = min.filter(|min| length < *min) {
            self.invalid(
                path,
                &json!(length),
                &format!("should have at least {min} {noun}"),
            );
        }
        if let Some(max) = max.filter(|max| length > *max) {
            let message = format!("Too many: {length}: must have at most {max} items");
            self.causes
                .push(Cause::new("FieldValueTooMany", self.field(path), message));
        }
        if let Value::Object(members) = value {
            for name in schema.required.iter().filter(|name| !members.contains_key(*name)) {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                self.causes.push(Cause::required(self.field(&path), ""));
            }
        }
        if let (Value::Array(elements), ListType::Set | ListType::Map(_)) = (value, &schema.list) {
            self.duplicates(schema, elements, path);
        }
    }

    /// Sets and list maps hold each element or key once (`ValidateListSetsAndMaps`).
    fn duplicates(&mut self, schema: &Schema, elements: &[Value], path: &str) {
        let identity = |element: &Value| match &schema.list {
            ListType::Map(keys) => json!(schema.key_of(keys, element)),
            _ => element.clone(),
        };
        let mut seen: Vec<Value> = vec![];
        for (i, element) in elements.iter().enumerate() {
            let key = identity(element);
            if seen.contains(&key) {
                let field = self.field(&format!("{path}[{i}]"));
                self.causes.push(Cause::duplicate(field, &key));
            } else {
                seen.push(key);
            }
        }
    }

    /// `allOf`, `anyOf`, `oneOf`, `not`: reported without a field, and never ratcheted.
    fn branches(&mut self, schema: &Schema, value: &Value, path: &str) {
        let attempt = |branch: &Schema| {
            let mut validation = Validation {
                prefix: self.prefix,
                causes: vec![],
            };
            validation.node(branch, value, None, path, false);
            validation.causes
        };
        let quoted = json!(path);
        let mut found = vec![];
        let failed: Vec<Vec<Cause>> = schema
            .all_of
            .iter()
            .map(attempt)
            .filter(|c| !c.is_empty())
            .collect();
        if !failed.is_empty() {
            found.extend(failed.into_iter().flatten());
            found.push(nowhere(&format!(
                "{quoted} must validate all the schemas (allOf)"
            )));
        }
        let any: Vec<Vec<Cause>> = schema.any_of.iter().map(attempt).collect();
        if !any.is_empty() && any.iter().all(|causes| !causes.is_empty()) {
            found.push(nowhere(&format!(
                "{quoted} must validate at least one schema (anyOf)"
            )));
            found.extend(any.into_iter().next().unwrap_or_default());
        }
        let one: Vec<Vec<Cause>> = schema.one_of.iter().map(attempt).collect();
        if !one.is_empty() {
            let valid = one.iter().filter(|causes| causes.is_empty()).count();
            let text = format!("{quoted} must validate one and only one schema (oneOf).");
            if valid == 0 {
                found.push(nowhere(&format!("{text} Found none valid")));
                found.extend(one.into_iter().next().unwrap_or_default());
            } else if valid > 1 {
                found.push(nowhere(&format!("{text} Found {valid} valid alternatives")));
            }
        }
        if schema
            .not
            .as_deref()
            .is_some_and(|branch| attempt(branch).is_empty())
        {
            found.push(nowhere(&format!("{quoted} must not validate the schema (not)")));
        }
        self.causes.extend(found);
    }
}

fn nowhere(detail: &str) -> Cause {
    Cause::invalid("<nil>", &json!(""), detail)
}

fn type_fits(schema: &Schema, value: &Value) -> bool {
    if schema.int_or_string {
        return value.is_string() || value.is_i64() || value.is_u64();
    }
    match schema.types {
        None => true,
        Some(Type::Object) => value.is_object(),
        Some(Type::Array) => value.is_array(),
        Some(Type::String) => value.is_string(),
        Some(Type::Integer) => value.is_i64() || value.is_u64(),
        Some(Type::Number) => value.is_number(),
        Some(Type::Boolean) => value.is_boolean(),
    }
}

pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
