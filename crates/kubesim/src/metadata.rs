//! Validation of `metadata`, on create and on update (apimachinery, `ValidateObjectMeta*`).

use crate::{
    failure::Cause,
    object::{finalizers, is_deleting, meta},
    resource::Resource,
};
use serde_json::{Value, json};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
    and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
    start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
    with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
    '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex \
    used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn is_label(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= 63
        && edge(text.chars().next())
        && edge(text.chars().last())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_name_part(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.chars().next())
        && edge(text.chars().last())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// `prefix/name`, the form of label keys, annotation keys and finalizers.
fn qualified_name_error(text: &str) -> Option<&'static str> {
    let (prefix, name) = text
        .split_once('/')
        .map_or((None, text), |(prefix, name)| (Some(prefix), name));
    if prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
        return Some("prefix part a lowercase RFC 1123 subdomain is expected");
    }
    (!is_name_part(name)).then_some(NAME_PART)
}

/// The causes for which metadata is refused.
pub(crate) fn validate(resource: &Resource, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = vec![];
    let name = meta(new, "name");
    if name.is_empty() {
        causes.push(Cause::required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else if resource.kind == "Namespace" && !resource.custom {
        if !is_label(name) {
            causes.push(Cause::invalid("metadata.name", &json!(name), LABEL));
        }
    } else if !is_subdomain(name) {
        causes.push(Cause::invalid("metadata.name", &json!(name), SUBDOMAIN));
    }
    for (member, is_labels) in [("labels", true), ("annotations", false)] {
        for (key, value) in new["metadata"][member].as_object().into_iter().flatten() {
            let field = format!("metadata.{member}");
            let lower = key.to_lowercase();
            // Annotation keys may have upper case letters in the prefix.
            if let Some(error) = qualified_name_error(if is_labels { key } else { &lower }) {
                causes.push(Cause::invalid(field.clone(), &json!(key), error));
            }
            let text = value.as_str().unwrap_or_default();
            if is_labels && !text.is_empty() && !is_name_part(text) {
                causes.push(Cause::invalid(field, value, LABEL_VALUE));
            }
        }
    }
    for finalizer in finalizers(new) {
        if let Some(error) = qualified_name_error(&finalizer) {
            causes.push(Cause::invalid("metadata.finalizers", &json!(finalizer), error));
        }
    }
    owners(new, &mut causes);
    if let Some(old) = old {
        update(new, old, &mut causes);
    }
    causes
}

fn owners(new: &Value, causes: &mut Vec<Cause>) {
    let list = new["metadata"]["ownerReferences"].as_array();
    let mut controllers = 0;
    for (i, owner) in list.into_iter().flatten().enumerate() {
        for (name, detail) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if owner[name].as_str().unwrap_or_default().is_empty() {
                let field = format!("metadata.ownerReferences[{i}].{name}");
                causes.push(Cause::invalid(field, &json!(""), detail));
            }
        }
        controllers += usize::from(owner["controller"] == true);
    }
    if controllers > 1 {
        let detail = "Only one reference can have Controller set to true";
        causes.push(Cause::invalid("metadata.ownerReferences", &json!([]), detail));
    }
}

fn update(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    for name in ["uid", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        if new["metadata"][name] != old["metadata"][name] {
            let field = format!("metadata.{name}");
            causes.push(Cause::invalid(
                field,
                &new["metadata"][name],
                "field is immutable",
            ));
        }
    }
    if is_deleting(old) {
        let before = finalizers(old);
        let added: Vec<String> = finalizers(new)
            .into_iter()
            .filter(|name| !before.contains(name))
            .map(|name| format!("{name:?}"))
            .collect();
        if !added.is_empty() {
            causes.push(Cause::forbidden(
                "metadata.finalizers",
                &format!(
                    "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                    added.join(", ")
                ),
            ));
        }
    }
}
