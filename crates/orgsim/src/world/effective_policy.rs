//! DescribeEffectivePolicy: what the declarative policies from the root down to an account come to together.
//!
//! `@@assign`, `@@append`, `@@remove` and `@@operators_allowed_for_child_policies` are merged. Not simulated: wildcards
//! over keys, defaults that a policy's type defines, and the checks of a type's own schema. Several policies of one
//! target are merged in order of their ids, which AWS does not document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::callers::Caller;
use super::policy_types::{RESOURCE_CONTROL, SERVICE_CONTROL, policy_type};
use super::{World, check};
use crate::wire::organizations::EffectivePolicyInput;
use crate::wire::{ApiError, shapes};

const ALLOWED: &str = "@@operators_allowed_for_child_policies";

impl World {
    pub(crate) fn describe_effective_policy(
        &self,
        input: &EffectivePolicyInput,
        caller: &Caller,
    ) -> Result<Value, ApiError> {
        let kind = policy_type("PolicyType", input.policy_type.as_ref())?.name;
        if kind == SERVICE_CONTROL || kind == RESOURCE_CONTROL {
            let message = "Only management policies have an effective policy";
            return Err(ApiError::invalid_input("INVALID_ENUM_POLICY_TYPE", message));
        }
        let target = input.target_id.as_ref().unwrap_or(&caller.account);
        if check::is_parent(target) {
            let message = "The effective policy can be asked for accounts only";
            return Err(ApiError::invalid_input("TARGET_NOT_SUPPORTED", message));
        }
        let target = check::id("TargetId", Some(target), check::is_account)?;
        let account = self.records.accounts.get(target);
        let account = account.ok_or_else(super::tags::target_not_found)?;
        let mut merged = Node::default();
        let mut path = self.unit_path(&account.parent);
        path.insert(0, self.settings.root_id.clone());
        path.push(target.to_owned());
        for level in &path {
            for policy in self.attached(kind, level) {
                let content = self.records.policies.get(policy).map(|policy| &policy.content);
                let document = content.and_then(|content| serde_json::from_str(content).ok());
                merged.merge(&document.unwrap_or_default(), &Operators::all());
            }
        }
        let content = merged.value();
        if !self.is_enabled(kind) || content.as_object().is_none_or(Map::is_empty) {
            let message = "If you ran this action on the management account, this policy type is not enabled. If you \
                           ran the action on a member account, the account doesn't have an effective policy";
            return Err(ApiError::new("EffectivePolicyNotFoundException", message));
        }
        Ok(json!({"EffectivePolicy": {
            "PolicyContent": content.to_string(),
            "LastUpdatedTimestamp": shapes::EpochSeconds(self.now),
            "TargetId": target,
            "PolicyType": kind,
        }}))
    }
}

/// The operators a policy further down may use.
#[derive(Clone)]
struct Operators(Option<BTreeSet<String>>);

impl Operators {
    /// Nobody has restricted anything.
    fn all() -> Self {
        Self(None)
    }

    fn allow(&self, operator: &str) -> bool {
        self.0.as_ref().is_none_or(|allowed| allowed.contains(operator))
    }

    /// No more than both allow.
    fn and(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (None, _) => other.clone(),
            (_, None) => self.clone(),
            (Some(one), Some(other)) => Self(Some(one.intersection(other).cloned().collect())),
        }
    }

    /// `["@@all"]`, `["@@none"]`, or a list of operators.
    fn read(value: &Value) -> Self {
        let names = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        if names.contains("@@all") {
            return Self::all();
        }
        Self(Some(names))
    }
}

impl Default for Operators {
    fn default() -> Self {
        Self::all()
    }
}

/// One key of the merged policy.
#[derive(Default)]
struct Node {
    /// What the policies merged so far allow those below.
    allowed: Operators,
    value: Option<Value>,
    children: BTreeMap<String, Node>,
}

impl Node {
    fn merge(&mut self, policy: &Map<String, Value>, inherited: &Operators) {
        let allowed = self.allowed.and(inherited);
        for (key, value) in policy {
            match (key.as_str(), value) {
                ("@@assign", value) if allowed.allow("@@assign") => self.value = Some(value.clone()),
                ("@@append", Value::Array(items)) if allowed.allow("@@append") => self.append(items),
                ("@@remove", Value::Array(items)) if allowed.allow("@@remove") => self.remove(items),
                (ALLOWED, value) => self.allowed = allowed.and(&Operators::read(value)),
                (key, Value::Object(inner)) if !key.starts_with("@@") => {
                    self.children
                        .entry(key.to_owned())
                        .or_default()
                        .merge(inner, &allowed);
                }
                _ => {}
            }
        }
    }

    /// Each value once, in order of arrival. A single value is a list of one.
    fn append(&mut self, items: &[Value]) {
        let mut list = match self.value.take() {
            None => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(single) => vec![single],
        };
        for item in items {
            if !list.contains(item) {
                list.push(item.clone());
            }
        }
        self.value = Some(Value::Array(list));
    }

    fn remove(&mut self, items: &[Value]) {
        if let Some(Value::Array(list)) = &mut self.value {
            list.retain(|item| !items.contains(item));
        }
    }

    /// Without operators; keys that came to nothing are left out.
    fn value(&self) -> Value {
        if let Some(value) = &self.value {
            return value.clone();
        }
        let children = self
            .children
            .iter()
            .map(|(key, node)| (key.clone(), node.value()));
        let some = children.filter(|(_, value)| value.as_object().is_none_or(|object| !object.is_empty()));
        Value::Object(some.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(policies: &[Value]) -> Value {
        let mut node = Node::default();
        for policy in policies {
            node.merge(policy.as_object().unwrap(), &Operators::all());
        }
        node.value()
    }

    #[test]
    fn the_nearer_policy_assigns_and_appends() {
        let root = json!({"tags": {"team": {"tag_key": {"@@assign": "team"}, "tag_value": {"@@assign": ["a", "b"]}}}});
        let unit = json!({"tags": {"team": {"tag_key": {"@@assign": "Team"},
                                            "tag_value": {"@@append": ["c", "a"], "@@remove": ["b"]}}}});
        let expected = json!({"tags": {"team": {"tag_key": "Team", "tag_value": ["a", "c"]}}});
        assert_eq!(merged(&[root, unit]), expected);
    }

    #[test]
    fn a_child_cannot_do_what_its_parent_forbids() {
        let root = json!({"tags": {"@@operators_allowed_for_child_policies": ["@@append"],
                                   "team": {"tag_value": {"@@assign": ["a"]}}}});
        let unit = json!({"tags": {"@@operators_allowed_for_child_policies": ["@@all"],
                                   "team": {"tag_value": {"@@assign": ["x"], "@@append": ["b"]}}}});
        let account = json!({"tags": {"team": {"tag_value": {"@@assign": ["y"], "@@remove": ["a"]}}}});
        let expected = json!({"tags": {"team": {"tag_value": ["a", "b"]}}});
        assert_eq!(merged(&[root, unit, account]), expected);
        let none = json!({"tags": {"@@operators_allowed_for_child_policies": ["@@none"]}});
        let set = json!({"tags": {"team": {"tag_key": {"@@assign": "T"}}}});
        assert_eq!(merged(&[none, set]), json!({}));
    }
}
