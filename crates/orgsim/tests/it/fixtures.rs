//! Golden transcripts in the shapes of AWS's API reference: plain JSON in, plain JSON out, member by member.
//!
//! `{name:kind}` stands for a value of a kind; the same name means the same value, also in later requests.

use std::collections::BTreeMap;

use orgsim::Orgsim;
use serde::Deserialize;
use serde_json::Value;

use crate::sdk::{calm, pass};
use crate::wire::{call, orgsim};

#[derive(Deserialize)]
struct Step {
    operation: String,
    request: Value,
    status: u16,
    answer: Value,
    /// Seconds that pass afterwards.
    #[serde(default)]
    wait: u64,
}

async fn play(orgsim: &Orgsim, transcript: &str) {
    let steps: Vec<Step> = serde_json::from_str(transcript).unwrap();
    let mut names = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        let place = format!("step {index}, {}", step.operation);
        let request = fill(&step.request, &names);
        let (status, answer) = call(orgsim, &step.operation, &request).await;
        assert_eq!(status, step.status, "{place}: {answer}");
        // Names first: an ARN may stand before the id it contains.
        bind(&place, &step.answer, &answer, &mut names);
        check(&place, &step.answer, &answer, &names);
        pass(step.wait).await;
    }
}

/// `{name:kind}` as its two parts.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('{')?.strip_suffix('}')?.split_once(':')
}

fn fill(value: &Value, names: &BTreeMap<String, Value>) -> Value {
    match value {
        Value::String(text) => match placeholder(text) {
            Some((name, _)) => names[name].clone(),
            None => value.clone(),
        },
        Value::Array(items) => items.iter().map(|item| fill(item, names)).collect(),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| (key.clone(), fill(value, names));
            members.iter().map(member).collect()
        }
        other => other.clone(),
    }
}

fn bind(place: &str, expected: &Value, got: &Value, names: &mut BTreeMap<String, Value>) {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            for (key, value) in expected {
                bind(&format!("{place}.{key}"), value, &got[key], names);
            }
        }
        (Value::Array(expected), Value::Array(got)) => {
            for (expected, got) in expected.iter().zip(got) {
                bind(place, expected, got, names);
            }
        }
        (Value::String(text), got) => {
            if let Some((name, kind)) = placeholder(text) {
                let known = names.entry(name.to_owned()).or_insert_with(|| got.clone());
                assert_eq!(known, got, "{place}");
                assert!(is_of_kind(kind, got), "{place}: {got} is no {kind}");
            }
        }
        _ => {}
    }
}

fn check(place: &str, expected: &Value, got: &Value, names: &BTreeMap<String, Value>) {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            let keys = |members: &serde_json::Map<String, Value>| {
                let mut keys: Vec<String> = members.keys().cloned().collect();
                keys.sort();
                keys
            };
            assert_eq!(keys(expected), keys(got), "{place}");
            for (key, value) in expected {
                check(&format!("{place}.{key}"), value, &got[key], names);
            }
        }
        (Value::Array(expected), Value::Array(got)) => {
            assert_eq!(expected.len(), got.len(), "{place}: {got:?}");
            for (expected, got) in expected.iter().zip(got) {
                check(place, expected, got, names);
            }
        }
        (Value::String(text), _) if placeholder(text).is_some() => {}
        _ => assert_eq!(expected, &expand(got, names), "{place}"),
    }
}

/// Known ids inside a longer text (an ARN, a path) are written by their name again.
fn expand(got: &Value, names: &BTreeMap<String, Value>) -> Value {
    let Value::String(text) = got else {
        return got.clone();
    };
    let mut text = text.clone();
    for (name, value) in names {
        if let Value::String(value) = value {
            text = text.replace(value, &format!("<{name}>"));
        }
    }
    Value::String(text)
}

fn is_of_kind(kind: &str, value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    match kind {
        "time" => value.is_f64(),
        "request" => text.starts_with("car-"),
        "account" => text.len() == 12 && text.chars().all(|digit| digit.is_ascii_digit()),
        "unit" => text.starts_with("ou-a1b2-"),
        "text" => !text.is_empty(),
        other => panic!("no such kind: {other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn organization() {
    play(&orgsim(calm()), include_str!("fixtures/organization.json")).await;
}

#[tokio::test(start_paused = true)]
async fn account() {
    play(&orgsim(calm()), include_str!("fixtures/account.json")).await;
}

#[tokio::test(start_paused = true)]
async fn refusals() {
    play(&orgsim(calm()), include_str!("fixtures/refusals.json")).await;
}
