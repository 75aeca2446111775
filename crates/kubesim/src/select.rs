//! Label and field selectors.

use crate::{failure::Failure, resource::Resource};
use serde_json::Value;

/// One requirement on a label.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Greater(String, i64),
    Less(String, i64),
}

impl Requirement {
    fn holds(&self, labels: &Value) -> bool {
        let get = |key: &str| labels.get(key).and_then(Value::as_str);
        let number = |key: &str| get(key).and_then(|text| text.parse::<i64>().ok());
        match self {
            Self::Exists(key) => get(key).is_some(),
            Self::Absent(key) => get(key).is_none(),
            Self::In(key, values) => get(key).is_some_and(|label| values.iter().any(|value| value == label)),
            Self::NotIn(key, values) => {
                get(key).is_none_or(|label| values.iter().all(|value| value != label))
            }
            Self::Greater(key, bound) => number(key).is_some_and(|label| label > *bound),
            Self::Less(key, bound) => number(key).is_some_and(|label| label < *bound),
        }
    }
}

/// A label selector.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labels(Vec<Requirement>);

impl Labels {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn hold(&self, labels: &Value) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels))
    }

    /// Reads the `LabelSelector` of an object.
    pub(crate) fn from_selector(selector: &Value) -> Result<Self, Failure> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut out = vec![];
        for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
            out.push(Requirement::In(key.clone(), vec![text(value)]));
        }
        for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
            let key = text(&expression["key"]);
            let values = || {
                expression["values"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(text)
                    .collect()
            };
            out.push(match expression["operator"].as_str().unwrap_or_default() {
                "In" => Requirement::In(key, values()),
                "NotIn" => Requirement::NotIn(key, values()),
                "Exists" => Requirement::Exists(key),
                "DoesNotExist" => Requirement::Absent(key),
                other => return Err(unreadable(other, "In, NotIn, Exists or DoesNotExist")),
            });
        }
        Ok(Self(out))
    }
}

/// What a list or a watch is narrowed to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) namespace: Option<String>,
    labels: Labels,
    /// Path, value, and whether it must be equal.
    fields: Vec<(String, String, bool)>,
}

impl Selection {
    pub(crate) fn parse(
        resource: &Resource,
        namespace: Option<&str>,
        labels: Option<&str>,
        fields: Option<&str>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            labels: labels
                .map(parse_labels)
                .transpose()?
                .map(Labels)
                .unwrap_or_default(),
            fields: fields
                .map(|text| parse_fields(resource, text))
                .transpose()?
                .unwrap_or_default(),
        })
    }

    /// Whether a selector was given; `remainingItemCount` is left out then.
    pub(crate) fn is_narrowed(&self) -> bool {
        !self.labels.is_empty() || !self.fields.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        self.namespace
            .as_ref()
            .is_none_or(|namespace| metadata["namespace"] == **namespace)
            && self.labels.hold(&metadata["labels"])
            && self
                .fields
                .iter()
                .all(|(path, value, equal)| (field_text(object, path) == *value) == *equal)
    }
}

/// A missing field selects like an empty one.
fn field_text(object: &Value, path: &str) -> String {
    match path.split('.').try_fold(object, |node, step| node.get(step)) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn parse_fields(resource: &Resource, text: &str) -> Result<Vec<(String, String, bool)>, Failure> {
    let mut out = vec![];
    for term in text.split(',').filter(|term| !term.is_empty()) {
        let (path, value, equal) = if let Some((path, value)) = term.split_once("!=") {
            (path, value, false)
        } else if let Some((path, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            (path, value, true)
        } else {
            let message = format!("invalid selector: '{text}'; can't understand '{term}'");
            return Err(Failure::bad_request(message));
        };
        let known = path == "metadata.name"
            || (path == "metadata.namespace" && resource.namespaced)
            || resource.selectable.iter().any(|field| field == path);
        if !known {
            return Err(Failure::bad_request(format!("field label not supported: {path}")));
        }
        out.push((path.to_owned(), value.to_owned(), equal));
    }
    Ok(out)
}

/// Words and punctuation of a label selector.
fn tokens(text: &str) -> Vec<String> {
    let mut out: Vec<String> = vec![];
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if !matches!(c, '(' | ')' | ',' | '=' | '!' | '<' | '>' | ' ' | '\t') {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            out.push(std::mem::take(&mut word));
        }
        match (c, characters.peek()) {
            (' ' | '\t', _) => {}
            ('=' | '!', Some('=')) => {
                characters.next();
                out.push(format!("{c}="));
            }
            _ => out.push(c.to_string()),
        }
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

fn is_word(token: &str) -> bool {
    !matches!(token, "(" | ")" | "," | "=" | "==" | "!=" | "!" | "<" | ">" | "")
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, Failure> {
    let tokens = tokens(text);
    let mut at = tokens.iter().map(String::as_str).peekable();
    let mut out = vec![];
    while let Some(first) = at.next() {
        if first == "," && !out.is_empty() {
            continue;
        }
        let requirement = if first == "!" {
            Requirement::Absent(word(at.next())?.to_owned())
        } else {
            let key = word(Some(first))?.to_owned();
            match at.peek().copied() {
                None | Some(",") => Requirement::Exists(key),
                Some("=" | "==") => {
                    at.next();
                    Requirement::In(key, vec![value(&mut at)])
                }
                Some("!=") => {
                    at.next();
                    Requirement::NotIn(key, vec![value(&mut at)])
                }
                Some("in") => {
                    at.next();
                    Requirement::In(key, values(&mut at)?)
                }
                Some("notin") => {
                    at.next();
                    Requirement::NotIn(key, values(&mut at)?)
                }
                Some(sign @ (">" | "<")) => {
                    at.next();
                    let bound = word(at.next())?;
                    let bound = bound.parse().map_err(|_| unreadable(bound, "an integer"))?;
                    if sign == ">" {
                        Requirement::Greater(key, bound)
                    } else {
                        Requirement::Less(key, bound)
                    }
                }
                Some(other) => return Err(unreadable(other, "in, notin, =, ==, !=, gt, lt")),
            }
        };
        out.push(requirement);
        if let Some(next) = at.peek().copied().filter(|next| *next != ",") {
            return Err(Failure::bad_request(format!(
                "found '{next}', expected: ',' or 'end of string'"
            )));
        }
    }
    Ok(out)
}

fn word(token: Option<&str>) -> Result<&str, Failure> {
    let token = token.unwrap_or_default();
    if is_word(token) {
        Ok(token)
    } else {
        Err(unreadable(token, "identifier"))
    }
}

/// The value after `=`, which may be empty.
fn value<'a>(at: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> String {
    at.next_if(|token| is_word(token)).unwrap_or_default().to_owned()
}

fn values<'a>(at: &mut impl Iterator<Item = &'a str>) -> Result<Vec<String>, Failure> {
    match at.next() {
        Some("(") => {}
        other => return Err(unreadable(other.unwrap_or_default(), "'('")),
    }
    let mut out = vec![];
    loop {
        match at.next() {
            Some(")") => return Ok(out),
            Some(",") => {}
            Some(token) if is_word(token) => out.push(token.to_owned()),
            other => return Err(unreadable(other.unwrap_or_default(), "',', ')' or identifier")),
        }
    }
}

fn unreadable(found: &str, expected: &str) -> Failure {
    Failure::bad_request(format!(
        "unable to parse requirement: found '{found}', expected: {expected}"
    ))
}
