//! What one revision changes against another, in one line.

use api::{BaselineRevisionSpec, RevisionEnvironment};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What an account of this environment notices of the change: `+1 -1 SERVICE_CONTROL_POLICY statements, +1 tags`.
pub fn describe(
    environment: &str,
    from: Option<&BaselineRevisionSpec>,
    to: Option<&BaselineRevisionSpec>,
) -> String {
    let Some(to) = to else {
        return "the revision is not at hand".to_owned();
    };
    let Some(from) = from else {
        return "what the accounts have now is not at hand".to_owned();
    };
    let (old, new) = (place(from, environment), place(to, environment));
    let mut changes = Vec::new();
    let (before, after) = (statements(old), statements(new));
    let types: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for policy_type in types {
        let none = BTreeSet::new();
        let (before, after) = (
            before.get(policy_type).unwrap_or(&none),
            after.get(policy_type).unwrap_or(&none),
        );
        count(
            &mut changes,
            after.difference(before).count(),
            before.difference(after).count(),
            &format!("{policy_type} statements"),
        );
    }
    let tags = |spec: &BaselineRevisionSpec| -> BTreeSet<String> {
        let rules = spec.mandatory_tags.iter();
        rules
            .filter_map(|rule| serde_json::to_string(rule).ok())
            .collect()
    };
    let (before, after) = (tags(from), tags(to));
    count(
        &mut changes,
        after.difference(&before).count(),
        before.difference(&after).count(),
        "tag rules",
    );
    let unit = |place: Option<&RevisionEnvironment>| place.map(|place| place.organizational_unit.clone());
    if let (Some(old), Some(new)) = (unit(old), unit(new))
        && old != new
    {
        changes.push(format!("organizational unit {old} -> {new}"));
    }
    if changes.is_empty() {
        "nothing that accounts notice".to_owned()
    } else {
        changes.join(", ")
    }
}

fn place<'r>(spec: &'r BaselineRevisionSpec, environment: &str) -> Option<&'r RevisionEnvironment> {
    spec.environments.iter().find(|place| place.name == environment)
}

/// Statements by type of policy; a document of another kind counts as one.
fn statements(place: Option<&RevisionEnvironment>) -> BTreeMap<String, BTreeSet<String>> {
    let mut statements: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for policy in place.into_iter().flat_map(|place| &place.policies) {
        let known = statements.entry(policy.policy_type.clone()).or_default();
        let document: Option<Value> = serde_json::from_str(&policy.content).ok();
        match document.as_ref().and_then(|document| document.get("Statement")) {
            Some(Value::Array(parts)) => known.extend(parts.iter().map(ToString::to_string)),
            Some(part) => drop(known.insert(part.to_string())),
            None => drop(known.insert(policy.content.clone())),
        }
    }
    statements
}

fn count(changes: &mut Vec<String>, added: usize, removed: usize, what: &str) {
    match (added, removed) {
        (0, 0) => {}
        (added, 0) => changes.push(format!("+{added} {what}")),
        (0, removed) => changes.push(format!("-{removed} {what}")),
        (added, removed) => changes.push(format!("+{added} -{removed} {what}")),
    }
}
