//! Values seen through their schema: field sets, comparison, merge, removal (structured-merge-diff, `typed`).

use super::fields::{FieldSet, Step, field_step, key_step, show, value_step};
use crate::schema::{ListType, Schema, Type};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How a value takes part in a merge.
enum Shape<'a> {
    Leaf,
    Struct(&'a Map<String, Value>),
    List(&'a [Value]),
}

fn shape<'a>(schema: Option<&Schema>, value: &'a Value) -> Shape<'a> {
    match value {
        Value::Object(members) if !schema.is_some_and(|schema| schema.atomic_map) => Shape::Struct(members),
        Value::Array(elements) if schema.is_some_and(|schema| schema.list != ListType::Atomic) => {
            Shape::List(elements)
        }
        _ => Shape::Leaf,
    }
}

/// The identity of an element of a set or a list map.
fn step_of(list: &Schema, element: &Value) -> Step {
    match &list.list {
        ListType::Map(keys) => key_step(&list.key_of(keys, element)),
        _ => value_step(element),
    }
}

fn items(schema: Option<&Schema>) -> Option<&Schema> {
    schema.and_then(|schema| schema.items.as_deref())
}

fn member<'a>(schema: Option<&'a Schema>, name: &str) -> Option<&'a Schema> {
    schema.and_then(|schema| schema.member(name))
}

fn declares(schema: Option<&Schema>, name: &str) -> bool {
    schema.is_some_and(|schema| schema.properties.contains_key(name))
}

fn below(path: &[Step], step: Step) -> Vec<Step> {
    let mut path = path.to_vec();
    path.push(step);
    path
}

/// The fields a configuration sets (`ToFieldSet`).
pub(crate) fn field_set(schema: &Schema, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    collect(Some(schema), value, &mut vec![], &mut set);
    set
}

fn collect(schema: Option<&Schema>, value: &Value, path: &mut Vec<Step>, set: &mut FieldSet) {
    match (shape(schema, value), schema) {
        (Shape::Struct(members), _) => {
            for (name, value) in members {
                path.push(field_step(name));
                collect(member(schema, name), value, path, set);
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                if empty || !declares(schema, name) {
                    set.insert(path);
                }
                path.pop();
            }
        }
        (Shape::List(elements), Some(list)) => {
            for element in elements {
                path.push(step_of(list, element));
                collect(items(schema), element, path, set);
                set.insert(path);
                path.pop();
            }
        }
        _ => set.insert(path),
    }
}

/// What a write did to an object.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) added: FieldSet,
    pub(crate) modified: FieldSet,
    pub(crate) removed: FieldSet,
}

impl Comparison {
    pub(crate) fn map(self, keep: impl Fn(FieldSet) -> FieldSet) -> Self {
        Self {
            added: keep(self.added),
            modified: keep(self.modified),
            removed: keep(self.removed),
        }
    }
}

/// Compares two states of an object (`Compare`).
pub(crate) fn compare(schema: &Schema, old: &Value, new: &Value) -> Comparison {
    let mut comparison = Comparison::default();
    differ(Some(schema), Some(old), Some(new), &[], &mut comparison);
    comparison
}

fn differ(
    schema: Option<&Schema>,
    old: Option<&Value>,
    new: Option<&Value>,
    path: &[Step],
    out: &mut Comparison,
) {
    if old == new {
        return; // A difference is at a leaf or in what is there, and equal values have neither.
    }
    let old_shape = old.map(|value| shape(schema, value));
    let new_shape = new.map(|value| shape(schema, value));
    let leaf;
    match (old_shape, new_shape, schema) {
        (a @ (None | Some(Shape::Struct(_))), b @ (None | Some(Shape::Struct(_))), _) => {
            let empty = Map::new();
            let members = |shape| match shape {
                Some(Shape::Struct(members)) => members,
                _ => &empty,
            };
            let (old, new) = (members(a), members(b));
            leaf = old.is_empty() && new.is_empty();
            let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let path = below(path, field_step(name));
                differ(member(schema, name), old.get(name), new.get(name), &path, out);
            }
        }
        (a @ (None | Some(Shape::List(_))), b @ (None | Some(Shape::List(_))), Some(list)) => {
            let (old, new) = (index(list, a.as_ref()), index(list, b.as_ref()));
            leaf = old.is_empty() && new.is_empty();
            let mut steps: Vec<&Step> = old.keys().chain(new.keys()).collect();
            steps.sort();
            steps.dedup();
            for step in steps {
                differ(
                    items(schema),
                    old.get(step).copied(),
                    new.get(step).copied(),
                    &below(path, step.clone()),
                    out,
                );
            }
        }
        _ => leaf = true,
    }
    match (old, new) {
        (None, Some(_)) => out.added.insert(path),
        (Some(_), None) => out.removed.insert(path),
        (Some(old), Some(new)) if leaf && old != new => out.modified.insert(path),
        _ => {}
    }
}

/// The elements of a list by their identity.
fn index<'a>(list: &Schema, shape: Option<&Shape<'a>>) -> BTreeMap<Step, &'a Value> {
    match shape {
        Some(Shape::List(elements)) => elements.iter().map(|e| (step_of(list, e), e)).collect(),
        _ => BTreeMap::new(),
    }
}

/// Lays a configuration over the live object (`Merge`): the configuration wins, list elements keep the live order.
pub(crate) fn merge(schema: Option<&Schema>, live: &Value, config: &Value) -> Value {
    match (shape(schema, live), shape(schema, config), schema) {
        (Shape::Struct(live), Shape::Struct(config), _) => {
            let mut out = live.clone();
            for (name, value) in config {
                let merged = match live.get(name) {
                    Some(live) => merge(member(schema, name), live, value),
                    None => value.clone(),
                };
                out.insert(name.clone(), merged);
            }
            Value::Object(out)
        }
        (Shape::List(live), Shape::List(config), Some(list)) => Value::Array(merge_lists(list, live, config)),
        _ => config.clone(),
    }
}

/// Elements both sides have come in the order of the configuration, the others stay where the live list has them
/// (`mergingWalker.visitListItems`).
fn merge_lists(list: &Schema, live: &[Value], config: &[Value]) -> Vec<Value> {
    let items = list.items.as_deref();
    let index = |elements: &[Value]| -> Vec<Step> { elements.iter().map(|e| step_of(list, e)).collect() };
    let (left, right) = (index(live), index(config));
    let merged = |step: &Step| {
        let old = left.iter().position(|s| s == step).map(|i| &live[i]);
        let new = right.iter().position(|s| s == step).map(|i| &config[i]);
        match (old, new) {
            (Some(old), Some(new)) => merge(items, old, new),
            (old, new) => new.or(old).cloned().unwrap_or_default(),
        }
    };
    let mut shared = right.iter().filter(|step| left.contains(step));
    let mut next_shared = shared.next();
    let (mut l, mut r) = (0, 0);
    let mut done: Vec<&Step> = vec![];
    let mut out = vec![];
    while l < left.len() || r < right.len() {
        if l < left.len() && r < right.len() {
            let step = &left[l];
            if *step == right[r] {
                done.push(step);
                out.push(merged(step));
                (l, r) = (l + 1, r + 1);
                next_shared = shared.next();
                continue;
            }
            if right.contains(step) && next_shared.is_some_and(|next| next != step) {
                l += 1; // Shared, but its turn comes with the configuration's order.
                continue;
            }
        }
        if l < left.len() {
            let step = &left[l];
            if !right.contains(step) {
                out.push(live[l].clone());
                l += 1;
                continue;
            } else if done.contains(&step) {
                l += 1;
            }
        }
        if r < right.len() {
            let step = &right[r];
            done.push(step);
            out.push(merged(step));
            r += 1;
            if next_shared == Some(step) {
                next_shared = shared.next();
            }
        }
    }
    out
}

/// Takes the paths of a set out of a value (`RemoveItems`); a node left empty is gone altogether.
pub(crate) fn remove(schema: Option<&Schema>, value: &Value, set: &FieldSet) -> Value {
    match (shape(schema, value), schema) {
        (Shape::Struct(members), _) => {
            let mut out = Map::new();
            for (name, value) in members {
                let step = field_step(name);
                if set.has(&step) {
                    continue;
                }
                let value = set
                    .below(&step)
                    .map(|set| remove(member(schema, name), value, set));
                out.insert(name.clone(), value.unwrap_or_else(|| members[name].clone()));
            }
            if out.is_empty() && !members.is_empty() {
                Value::Null
            } else {
                Value::Object(out)
            }
        }
        (Shape::List(elements), Some(list)) => {
            let mut out = vec![];
            for element in elements {
                let step = step_of(list, element);
                if !set.has(&step) {
                    out.push(
                        set.below(&step)
                            .map_or_else(|| element.clone(), |set| remove(items(schema), element, set)),
                    );
                }
            }
            if out.is_empty() && !elements.is_empty() {
                Value::Null
            } else {
                Value::Array(out)
            }
        }
        _ => value.clone(),
    }
}

/// Why a value is no instance of the schema, in the words of structured-merge-diff.
pub(crate) fn type_errors(schema: &Schema, value: &Value) -> Vec<String> {
    let mut errors = vec![];
    check(schema, value, "", &mut errors);
    errors
}

fn check(schema: &Schema, value: &Value, path: &str, errors: &mut Vec<String>) {
    if value.is_null() || schema.int_or_string {
        return;
    }
    let got = match value {
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        _ => "map",
    };
    match (schema.types, value) {
        (Some(Type::Object), Value::Object(members)) => {
            for (name, value) in members {
                let path = format!("{path}.{name}");
                match schema.member(name) {
                    Some(schema) => check(schema, value, &path, errors),
                    None if schema.keeps_unknown() => {}
                    None => errors.push(format!("{path}: field not declared in schema")),
                }
            }
        }
        (Some(Type::Array), Value::Array(elements)) => check_list(schema, elements, path, errors),
        (Some(Type::Object), _) => errors.push(format!("{path}: expected map, got {got}")),
        (Some(Type::Array), _) => errors.push(format!("{path}: expected list, got {got}")),
        (Some(Type::Integer | Type::Number), other) if !other.is_number() => {
            errors.push(format!("{path}: expected numeric (int or float), got {got}"));
        }
        (Some(Type::String), other) if !other.is_string() => {
            errors.push(format!("{path}: expected string, got {got}"));
        }
        (Some(Type::Boolean), other) if !other.is_boolean() => {
            errors.push(format!("{path}: expected boolean, got {got}"));
        }
        _ => {}
    }
}

fn check_list(schema: &Schema, elements: &[Value], path: &str, errors: &mut Vec<String>) {
    let mut seen: Vec<Step> = vec![];
    for (i, element) in elements.iter().enumerate() {
        let at = match &schema.list {
            ListType::Atomic => format!("{path}[{i}]"),
            ListType::Map(keys) if schema.key_of(keys, element).is_empty() => {
                let keys: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
                errors.push(format!(
                    "{path}: element {i}: associative list with keys has an element that omits all key fields [{}] \
                     (and doesn't have default values for any key fields)",
                    keys.join(" ")
                ));
                continue;
            }
            _ => {
                let step = step_of(schema, element);
                if seen.contains(&step) {
                    errors.push(format!("{path}: duplicate entries for key {}", show(&step)));
                    continue;
                }
                seen.push(step.clone());
                format!("{path}{}", show(&step))
            }
        };
        if let Some(items) = &schema.items {
            check(items, element, &at, errors);
        }
    }
}
