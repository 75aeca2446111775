//! What policies that inherit by operators come to on an account, compared with what one of them asks for.

use super::defect::join;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The names on the way to a value.
type Path<'d> = Vec<&'d str>;

/// Values that a document asks for.
type Wishes<'d> = Vec<(Path<'d>, Wish<'d>)>;

#[derive(Clone, Copy)]
enum Wish<'d> {
    Assign(&'d Value),
    Append(&'d Value),
    Remove(&'d Value),
}

/// The paths at which the effective policy does not say what these documents of one type, attached to the account itself, ask
/// for. A policy further up may allow those below it fewer operators (AWS Organizations User Guide, "Inheritance operators"),
/// and then they ask in vain. What more than one of the documents speaks of is left out: AWS does not say which of them wins.
/// What is no JSON asks for nothing, and says nothing.
pub fn in_vain(documents: &[&str], effective: &str) -> Vec<String> {
    let read = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    let documents: Vec<Value> = documents.iter().map(|text| read(text)).collect();
    let each: Vec<Wishes<'_>> = documents.iter().map(wishes).collect();
    let effective = &read(effective);
    let spoken_of = |path: &[&str]| {
        let about = |wishes: &&Wishes<'_>| wishes.iter().any(|(other, _)| same(other, path));
        each.iter().filter(about).count()
    };
    let mut vain: BTreeSet<String> = BTreeSet::new();
    for (path, wish) in each.iter().flatten() {
        let holds = holds(*wish, at(effective, path)) || is_told_one_by_one(effective, path);
        if spoken_of(path) == 1 && !holds {
            vain.insert(path.iter().fold(String::new(), |path, name| join(&path, name)));
        }
    }
    vain.into_iter().collect()
}

fn same(one: &[&str], other: &[&str]) -> bool {
    let mut names = one.iter().zip(other);
    one.len() == other.len() && names.all(|(one, other)| one.eq_ignore_ascii_case(other))
}

fn wishes(document: &Value) -> Wishes<'_> {
    let mut found = Vec::new();
    if let Value::Object(members) = document {
        collect(&[], members, &mut found);
    }
    found
}

fn collect<'d>(path: &[&'d str], members: &'d Map<String, Value>, found: &mut Wishes<'d>) {
    for (name, value) in members {
        match (name.as_str(), value) {
            ("@@assign", value) => found.push((path.to_vec(), Wish::Assign(value))),
            ("@@append", value) => found.push((path.to_vec(), Wish::Append(value))),
            ("@@remove", value) => found.push((path.to_vec(), Wish::Remove(value))),
            (name, Value::Object(members)) if !name.starts_with("@@") => {
                collect(&[path, &[name]].concat(), members, found);
            }
            _ => {}
        }
    }
}

/// How a value ends that stands for all there are.
const ALL: &str = "all_supported";

/// Stands for whatever a document does not name, in policies that opt out of AI services. AWS may tell each by itself.
const DEFAULT: &str = "default";

/// The value at a path. AWS writes the names of an effective policy in lower case where case means nothing, as in tag keys.
fn at<'e>(effective: &'e Value, path: &[&str]) -> Option<&'e Value> {
    path.iter().try_fold(effective, |value, name| {
        let mut members = value.as_object()?.iter();
        let (_, inner) = members.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(inner)
    })
}

/// What is asked for under `default` is not told so, but something is told beside it.
fn is_told_one_by_one(effective: &Value, path: &[&str]) -> bool {
    let Some(place) = path.iter().position(|name| *name == DEFAULT) else {
        return false;
    };
    let beside = at(effective, &path[..place]).and_then(Value::as_object);
    beside.is_some_and(|beside| !beside.is_empty() && !beside.contains_key(DEFAULT))
}

fn holds(wish: Wish<'_>, found: Option<&Value>) -> bool {
    let found = items(found);
    // All types of a service, or all Regions, may be told one by one.
    let has = |item: &String| {
        if item == ALL {
            return !found.is_empty();
        }
        let service = item.strip_suffix(ALL).and_then(|item| item.strip_suffix(':'));
        let of_service =
            |found: &String| service.is_some_and(|service| found.split(':').next() == Some(service));
        found.contains(item) || found.iter().any(of_service)
    };
    match wish {
        Wish::Assign(value) => {
            let wanted = items(Some(value));
            let expands = wanted.iter().any(|item| item.ends_with(ALL));
            wanted.iter().all(has) && (expands || found.is_subset(&wanted))
        }
        Wish::Append(value) => items(Some(value)).iter().all(has),
        Wish::Remove(value) => items(Some(value)).is_disjoint(&found),
    }
}

/// The items of a list, in no order; a single value is a list of one. How AWS writes numbers and upper case there is not
/// documented, so neither counts.
fn items(value: Option<&Value>) -> BTreeSet<String> {
    let item = |value: &Value| match value {
        Value::String(text) => text.to_ascii_lowercase(),
        other => other.to_string(),
    };
    match value {
        None => BTreeSet::new(),
        Some(Value::Array(items)) => items.iter().map(item).collect(),
        Some(single) => BTreeSet::from([item(single)]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    fn in_vain(documents: &[&Value], effective: &Value) -> Vec<String> {
        let documents: Vec<String> = documents.iter().map(ToString::to_string).collect();
        let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
        super::in_vain(&documents, &effective.to_string())
    }

    fn ours() -> Value {
        json!({"tags": {"CostCenter": {
            "tag_key": {"@@assign": "CostCenter"},
            "tag_value": {"@@append": ["100", "200"], "@@remove": ["300"]},
            "enforced_for": {"@@assign": ["ec2:instance"], "@@operators_allowed_for_child_policies": ["@@none"]},
        }}})
    }

    #[test]
    fn what_is_asked_for_is_there() {
        let effective = json!({"tags": {"costcenter": {
            "tag_key": "CostCenter", "tag_value": ["50", "200", "100"], "enforced_for": ["ec2:instance"],
        }, "others": {"tag_key": "others"}}});
        assert_eq!(in_vain(&[&ours()], &effective), [] as [&str; 0]);
        let single = json!({"services": {"default": {"opt_out_policy": {"@@assign": "optOut"}}}});
        let told = json!({"services": {"default": {"opt_out_policy": "optOut"}}});
        assert_eq!(in_vain(&[&single], &told), [] as [&str; 0]);
        let one_by_one = json!({"services": {"lex": {"opt_out_policy": "optOut"}}});
        assert_eq!(in_vain(&[&single], &one_by_one), [] as [&str; 0]);
        assert_eq!(
            in_vain(&[&single], &json!({})),
            ["services.default.opt_out_policy"]
        );
        let other = json!({"services": {"default": {"opt_out_policy": "optIn"}}});
        assert_eq!(in_vain(&[&single], &other), ["services.default.opt_out_policy"]);
        let all = json!({"tags": {"a": {"enforced_for": {"@@assign": ["ec2:ALL_SUPPORTED"]}}}});
        let told = json!({"tags": {"a": {"enforced_for": ["ec2:instance", "ec2:volume"]}}});
        assert_eq!(in_vain(&[&all], &told), [] as [&str; 0]);
        let other = json!({"tags": {"a": {"enforced_for": ["s3:bucket"]}}});
        assert_eq!(in_vain(&[&all], &other), ["tags.a.enforced_for"]);
    }

    #[test]
    fn what_is_asked_for_in_vain_is_named() {
        let effective = json!({"tags": {"costcenter": {
            "tag_key": "Costs", "tag_value": ["100", "300"], "enforced_for": ["ec2:instance"],
        }}});
        let vain = in_vain(&[&ours()], &effective);
        assert_eq!(vain, ["tags.CostCenter.tag_key", "tags.CostCenter.tag_value"]);
        assert_eq!(
            in_vain(&[&ours()], &json!({})),
            [
                "tags.CostCenter.enforced_for",
                "tags.CostCenter.tag_key",
                "tags.CostCenter.tag_value"
            ]
        );
    }

    #[test]
    fn names_may_hold_dots_and_what_two_speak_of_is_left_out() {
        let one =
            json!({"tags": {"a.b": {"tag_key": {"@@assign": "a.b"}}, "a": {"tag_key": {"@@assign": "a"}}}});
        let told = json!({"tags": {"a": {"tag_key": "a"}, "a.b": {"tag_key": "a.b"}}});
        assert_eq!(in_vain(&[&one], &told), [] as [&str; 0]);
        let other = json!({"tags": {"A": {"tag_key": {"@@assign": "C"}}}});
        assert_eq!(in_vain(&[&one, &other], &told), [] as [&str; 0]);
        assert_eq!(in_vain(&[&other], &told), ["tags.A.tag_key"]);
    }
}
