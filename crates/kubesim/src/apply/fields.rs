//! Sets of field paths and their `FieldsV1` form (structured-merge-diff, `fieldpath`).

use crate::schema::Schema;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One step of a path, as `FieldsV1` writes it: `f:<name>`, `k:<keys>`, `v:<value>`.
pub(crate) type Step = String;

pub(crate) fn field_step(name: &str) -> Step {
    format!("f:{name}")
}

pub(crate) fn key_step(key: &BTreeMap<String, Value>) -> Step {
    format!("k:{}", json!(key))
}

pub(crate) fn value_step(value: &Value) -> Step {
    format!("v:{value}")
}

fn is_field(step: &str, names: &[&str]) -> bool {
    step.strip_prefix("f:")
        .is_some_and(|field| names.contains(&field))
}

/// A set of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    members: BTreeSet<Step>,
    children: BTreeMap<Step, FieldSet>,
}

impl FieldSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Self::is_empty)
    }

    pub(crate) fn insert(&mut self, path: &[Step]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    pub(crate) fn has(&self, step: &str) -> bool {
        self.members.contains(step)
    }

    /// The paths below a step, `None` when there are none.
    pub(crate) fn below(&self, step: &str) -> Option<&Self> {
        self.children.get(step).filter(|child| !child.is_empty())
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.members.extend(other.members.iter().cloned());
        for (step, child) in &other.children {
            let merged = out
                .children
                .get(step)
                .map_or_else(|| child.clone(), |mine| mine.union(child));
            out.children.insert(step.clone(), merged);
        }
        out
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        Self {
            members: self.members.intersection(&other.members).cloned().collect(),
            children: self.pair(other, |mine, theirs| {
                theirs.map(|theirs| mine.intersection(theirs))
            }),
        }
    }

    pub(crate) fn difference(&self, other: &Self) -> Self {
        Self {
            members: self.members.difference(&other.members).cloned().collect(),
            children: self.pair(other, |mine, theirs| {
                Some(theirs.map_or_else(|| mine.clone(), |t| mine.difference(t)))
            }),
        }
    }

    fn pair(
        &self,
        other: &Self,
        combine: impl Fn(&Self, Option<&Self>) -> Option<Self>,
    ) -> BTreeMap<Step, Self> {
        self.children
            .iter()
            .filter_map(|(step, child)| Some((step.clone(), combine(child, other.children.get(step))?)))
            .filter(|(_, child)| !child.is_empty())
            .collect()
    }

    /// Whether an apply that owns this set leaves nothing to prune of an earlier one that owned `last`.
    ///
    /// That is so when every path of `last` is here. An element of a list map without any field of its own is left to
    /// the long way: its keys are defaults, so it may lose what identifies it.
    pub(crate) fn covers(&self, last: &Self) -> bool {
        last.is_empty() || self.holds(last) && !self.has_bare_elements()
    }

    fn holds(&self, other: &Self) -> bool {
        other.members.is_subset(&self.members)
            && other.children.iter().all(|(step, theirs)| {
                theirs.is_empty() || self.children.get(step).is_some_and(|mine| mine.holds(theirs))
            })
    }

    fn has_bare_elements(&self) -> bool {
        self.members
            .iter()
            .any(|step| step.starts_with("k:") && self.below(step).is_none())
            || self.children.values().any(Self::has_bare_elements)
    }

    /// Only what lies at or below one of the fields.
    pub(crate) fn only(&self, names: &[&str]) -> Self {
        self.filter(|step| is_field(step, names))
    }

    /// All but what lies at or below the fields.
    pub(crate) fn without(&self, names: &[&str]) -> Self {
        self.filter(|step| !is_field(step, names))
    }

    fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self {
            members: self.members.iter().filter(|step| keep(step)).cloned().collect(),
            children: self
                .children
                .iter()
                .filter(|(step, _)| keep(step))
                .map(|(s, c)| (s.clone(), c.clone()))
                .collect(),
        }
    }

    /// Every declared field on the way to a path becomes a member too; map entries and list elements do not.
    pub(crate) fn with_named_fields(&self, schema: Option<&Schema>) -> Self {
        let mut members = self.members.clone();
        let mut children = BTreeMap::new();
        for (step, child) in &self.children {
            let name = step.strip_prefix("f:");
            if name.is_some_and(|name| schema.is_some_and(|schema| schema.properties.contains_key(name))) {
                members.insert(step.clone());
            }
            let below = match name {
                Some(name) => schema.and_then(|schema| schema.member(name)),
                None => schema.and_then(|schema| schema.items.as_deref()),
            };
            children.insert(step.clone(), child.with_named_fields(below));
        }
        Self { members, children }
    }

    /// The paths in the order in which conflicts are reported: members before children.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut out: Vec<String> = self.members.iter().map(|step| show(step)).collect();
        for (step, child) in &self.children {
            out.extend(
                child
                    .paths()
                    .into_iter()
                    .map(|rest| format!("{}{rest}", show(step))),
            );
        }
        out
    }

    /// `FieldsV1`.
    pub(crate) fn to_json(&self) -> Value {
        let mut out = Map::new();
        for step in &self.members {
            out.insert(step.clone(), json!({}));
        }
        for (step, child) in &self.children {
            let mut fields = child.to_json();
            if self.members.contains(step) {
                fields["."] = json!({});
            }
            out.insert(step.clone(), fields);
        }
        Value::Object(out)
    }

    /// Reads `FieldsV1`; a leaf is a member, and so is a node with `.`.
    pub(crate) fn from_json(json: &Value) -> Self {
        let mut out = Self::default();
        for (step, below) in json.as_object().into_iter().flatten() {
            let Some(fields) = below.as_object().filter(|_| step != ".") else {
                continue;
            };
            if fields.is_empty() || fields.contains_key(".") {
                out.members.insert(step.clone());
            }
            let child = Self::from_json(below);
            if !child.is_empty() {
                out.children.insert(step.clone(), child);
            }
        }
        out
    }
}

/// A step as the server prints it: `.name`, `[key="a"]`, `[="a"]`.
pub(crate) fn show(step: &str) -> String {
    if let Some(name) = step.strip_prefix("f:") {
        return format!(".{name}");
    }
    if let Some(keys) = step.strip_prefix("k:") {
        let keys: BTreeMap<String, Value> = serde_json::from_str(keys).unwrap_or_default();
        let parts: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
        return format!("[{}]", parts.join(","));
    }
    format!("[={}]", step.strip_prefix("v:").unwrap_or(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_covers_its_parts() {
        let set = |json: Value| FieldSet::from_json(&json);
        let all = set(json!({"f:a": {"f:b": {}, "f:c": {}}, "f:l": {"k:{\"t\":1}": {".": {}, "f:t": {}}}}));
        for part in [
            json!({}),
            json!({"f:a": {"f:b": {}}}),
            json!({"f:l": {"k:{\"t\":1}": {".": {}}}}),
        ] {
            assert!(all.covers(&set(part.clone())), "{part}");
        }
        for other in [
            json!({"f:a": {".": {}, "f:b": {}}}),
            json!({"f:d": {}}),
            json!({"f:l": {"k:{\"t\":2}": {".": {}}}}),
        ] {
            assert!(!all.covers(&set(other.clone())), "{other}");
        }
        // An element with nothing of its own may lose its identity with what others take away.
        let bare = set(json!({"f:l": {"k:{\"t\":1}": {}}}));
        assert!(!bare.covers(&bare) && bare.covers(&FieldSet::default()));
    }
}
