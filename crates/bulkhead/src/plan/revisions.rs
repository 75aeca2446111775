//! What one revision of a Baseline says and another does not. Pure.
//!
//! Policies are compared by statement: in which document a statement stands changes no verdict.

use super::{promotions::Travel, snapshot::Objects};
use api::{BaselineRevisionSpec, RevisionEnvironment, RevisionTag};
use desired::{Decoded, Resolved};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A Baseline whose content is another one than it was.
#[derive(Debug, Serialize)]
pub(crate) struct RevisionChange {
    pub(crate) baseline: String,
    /// Absent: the Baseline is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    pub(crate) to: String,
    /// The earlier revision is not at hand, so all of the new one is shown as added.
    pub(crate) unknown: bool,
    /// How it gets to accounts that have another revision. Absent: at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) travels: Option<Travel>,
    pub(crate) environments: Vec<EnvironmentChange>,
    pub(crate) tags: Vec<RuleChange>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvironmentChange {
    pub(crate) name: String,
    /// The environment is in this revision only, or in the earlier one only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<Change>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) organizational_unit: Option<[String; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) access_role_name: Option<[String; 2]>,
    pub(crate) policies: Vec<StatementChange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Change {
    Added,
    Removed,
    Changed,
}

/// A statement, or the whole document where a type has no statements.
#[derive(Debug, Serialize)]
pub(crate) struct StatementChange {
    #[serde(rename = "type")]
    pub(crate) policy_type: String,
    /// Its `Sid`, or the part of the Baseline it comes from.
    pub(crate) statement: String,
    /// The parts of the Baseline it may come from: `guardrails[protectVpc]`, `policies[no-expensive]`.
    pub(crate) parts: Vec<String>,
    pub(crate) change: Change,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Value>,
}

/// A mandatory tag.
#[derive(Debug, Serialize)]
pub(crate) struct RuleChange {
    pub(crate) key: String,
    pub(crate) change: Change,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Value>,
}

/// Every Baseline whose newest revision is not the one its status knows.
/// `travel`: how the change of a Baseline to a revision gets to its accounts.
pub(crate) fn changes(
    resolved: &Resolved,
    objects: &Objects,
    travel: impl Fn(&str, &str) -> Option<Travel>,
) -> Vec<RevisionChange> {
    let contents = resolved.revisions.iter();
    contents
        .filter_map(|(name, spec)| {
            let from = latest(objects, &spec.baseline);
            if from.as_deref() == Some(name.as_str()) {
                return None;
            }
            let earlier = from.as_ref().and_then(|from| match objects.revisions.get(from) {
                Some(Decoded::Good(revision)) => Some(revision.spec.clone()),
                Some(Decoded::Poison(_)) | None => None,
            });
            Some(RevisionChange {
                baseline: spec.baseline.clone(),
                to: name.to_string(),
                unknown: from.is_some() && earlier.is_none(),
                travels: travel(&spec.baseline, name.as_str()),
                environments: environments(earlier.as_ref(), spec),
                tags: rules(earlier.as_ref(), spec),
                from,
            })
        })
        .collect()
}

/// The revision that the status of a Baseline knows.
fn latest(objects: &Objects, baseline: &str) -> Option<String> {
    let Some(Decoded::Good(object)) = objects.baselines.get(baseline) else {
        return None;
    };
    let status = object.status.as_ref()?;
    status.latest_revision.as_ref().map(|latest| latest.name.clone())
}

fn environments(
    before: Option<&BaselineRevisionSpec>,
    after: &Arc<BaselineRevisionSpec>,
) -> Vec<EnvironmentChange> {
    let named = |spec: &'_ BaselineRevisionSpec| -> BTreeMap<String, RevisionEnvironment> {
        let environments = spec.environments.iter();
        environments.map(|e| (e.name.clone(), e.clone())).collect()
    };
    let (before, after) = (before.map(named).unwrap_or_default(), named(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| environment(name, before.get(name), after.get(name)))
        .collect()
}

fn environment(
    name: &str,
    before: Option<&RevisionEnvironment>,
    after: Option<&RevisionEnvironment>,
) -> Option<EnvironmentChange> {
    let (one, other) = (statements(before), statements(after));
    let (one_from, other_from) = (parts(before), parts(after));
    let differs = |field: fn(&RevisionEnvironment) -> &String| {
        let values = [field(before?).clone(), field(after?).clone()];
        (values[0] != values[1]).then_some(values)
    };
    let found = EnvironmentChange {
        name: name.to_owned(),
        change: match (before, after) {
            (None, Some(_)) => Some(Change::Added),
            (Some(_), None) => Some(Change::Removed),
            _ => None,
        },
        organizational_unit: differs(|environment| &environment.organizational_unit),
        access_role_name: differs(|environment| &environment.access_role_name),
        policies: compared(&one, &other)
            .map(
                |((policy_type, statement), change, before, after)| StatementChange {
                    policy_type: policy_type.clone(),
                    statement: statement.clone(),
                    parts: {
                        let key = (policy_type.clone(), statement.clone());
                        let known = other_from.get(&key).or(one_from.get(&key));
                        known.cloned().unwrap_or_default()
                    },
                    change,
                    before,
                    after,
                },
            )
            .collect(),
    };
    let same = found.change.is_none()
        && found.organizational_unit.is_none()
        && found.access_role_name.is_none()
        && found.policies.is_empty();
    (!same).then_some(found)
}

/// Statements by type and name. Those without a `Sid` are called after where they come from and what they say.
fn statements(environment: Option<&RevisionEnvironment>) -> BTreeMap<(String, String), Value> {
    let told = told(environment).into_iter();
    told.map(|(key, (statement, _))| (key, statement)).collect()
}

/// Where each of them comes from.
fn parts(environment: Option<&RevisionEnvironment>) -> BTreeMap<(String, String), Vec<String>> {
    let told = told(environment).into_iter();
    told.map(|(key, (_, parts))| (key, parts)).collect()
}

/// The parts of a document that one of its statements may come from. A guardrail's statement is called after it; what is
/// called otherwise is nobody's but a policy's.
fn origin(parts: &[String], sid: Option<&str>) -> Vec<String> {
    let named = |part: &&String| {
        let name = part
            .strip_prefix("guardrails[")
            .and_then(|rest| rest.strip_suffix(']'));
        let number = name.zip(sid).and_then(|(name, sid)| sid.strip_prefix(name));
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let others = |part: &&String| !part.starts_with("guardrails[");
    let found = parts.iter().find(named);
    let found: Vec<String> = found.map_or_else(
        || parts.iter().filter(others).cloned().collect(),
        |part| vec![part.clone()],
    );
    if found.is_empty() { parts.to_vec() } else { found }
}

/// Statements with where they come from.
type Told = BTreeMap<(String, String), (Value, Vec<String>)>;

fn told(environment: Option<&RevisionEnvironment>) -> Told {
    let mut found = Told::new();
    for policy in environment
        .into_iter()
        .flat_map(|environment| &environment.policies)
    {
        let document: Value = serde_json::from_str(&policy.content).unwrap_or_default();
        let from = policy.parts.join(", ");
        let list = match &document["Statement"] {
            Value::Array(list) => list.clone(),
            Value::Null => {
                found.insert(
                    (policy.policy_type.clone(), from),
                    (document, policy.parts.clone()),
                );
                continue;
            }
            single => vec![single.clone()],
        };
        for statement in list {
            let parts = origin(&policy.parts, statement["Sid"].as_str());
            let mut name = statement["Sid"]
                .as_str()
                .map_or_else(|| format!("a statement of {from}"), str::to_owned);
            // A name is a document's own: two documents may use it for two statements.
            while found
                .get(&(policy.policy_type.clone(), name.clone()))
                .is_some_and(|(other, _)| *other != statement)
            {
                name.push('\'');
            }
            found.insert((policy.policy_type.clone(), name), (statement, parts));
        }
    }
    found
}

fn rules(before: Option<&BaselineRevisionSpec>, after: &BaselineRevisionSpec) -> Vec<RuleChange> {
    let named = |spec: &BaselineRevisionSpec| -> BTreeMap<String, Value> {
        let rule = |tag: &RevisionTag| (tag.key.clone(), serde_json::to_value(tag).unwrap_or_default());
        spec.mandatory_tags.iter().map(rule).collect()
    };
    let (before, after) = (before.map(named).unwrap_or_default(), named(after));
    compared(&before, &after)
        .map(|(key, change, before, after)| RuleChange {
            key: key.clone(),
            change,
            before,
            after,
        })
        .collect()
}

/// What is in one of them only, or another in each.
fn compared<'m, K: Ord>(
    before: &'m BTreeMap<K, Value>,
    after: &'m BTreeMap<K, Value>,
) -> impl Iterator<Item = (&'m K, Change, Option<Value>, Option<Value>)> {
    let keys: BTreeSet<&K> = before.keys().chain(after.keys()).collect();
    keys.into_iter().filter_map(|key| {
        let (one, other) = (before.get(key).cloned(), after.get(key).cloned());
        let change = match (&one, &other) {
            (one, other) if one == other => return None,
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ => Change::Changed,
        };
        Some((key, change, one, other))
    })
}
