//! The `authorizer` of admission policies, answered from a table.
//!
//! kubesim itself lets everyone do everything; the table only answers what a policy asks.

use crate::{request::Identity, rules::to_cel};
use kube_cel::cel::{
    Context, ExecutionError,
    extractors::{Arguments, This},
    objects::{Key, Map, Value as Cel},
};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};

/// Who may do what: user or group, verb, API group, resource; `*` stands for any.
pub(crate) type Grants = BTreeSet<(String, String, String, String)>;

/// The variable `authorizer` for a caller: the permissions that concern it, and the question so far.
pub(crate) fn value(identity: &Identity, grants: &Grants) -> Cel {
    let subjects: Vec<&String> = identity.groups.iter().chain([&identity.user]).collect();
    let mut mine: Vec<[&str; 3]> = grants
        .iter()
        .filter(|(subject, ..)| subjects.contains(&subject))
        .map(|(_, verb, group, resource)| [&**verb, &**group, &**resource])
        .collect();
    if subjects.iter().any(|subject| *subject == "system:masters") {
        mine.push(["*", "*", "*"]);
    }
    to_cel(
        None,
        &json!({"grants": mine, "group": "", "resource": "", "subresource": ""}),
    )
}

/// Registers the methods of the library (Kubernetes documentation, "Kubernetes authorizer library").
pub(crate) fn register(context: &mut Context<'_>) {
    for step in [
        "group",
        "resource",
        "subresource",
        "namespace",
        "name",
        "labelSelector",
        "fieldSelector",
    ] {
        context.add_function(
            step,
            move |This(this): This<Cel>, Arguments(arguments): Arguments| narrow(&this, step, &arguments),
        );
    }
    context.add_function(
        "check",
        |This(this): This<Cel>, Arguments(arguments): Arguments| check(&this, &arguments),
    );
    context.add_function("allowed", |This(this): This<Cel>| {
        field(&this, "allowed").ok_or_else(|| unusable("allowed", &this))
    });
    context.add_function("errored", |This(_): This<Cel>| {
        Ok::<_, ExecutionError>(Cel::Bool(false))
    });
    context.add_function("reason", |This(_): This<Cel>| {
        Ok::<_, ExecutionError>(Cel::String(Arc::default()))
    });
}

fn field(value: &Cel, name: &str) -> Option<Cel> {
    let Cel::Map(map) = value else { return None };
    map.map.get(&Key::String(Arc::new(name.to_owned()))).cloned()
}

fn unusable(function: &str, target: &Cel) -> ExecutionError {
    ExecutionError::NotSupportedAsMethod {
        method: function.to_owned(),
        target: target.clone(),
    }
}

fn narrow(this: &Cel, step: &str, arguments: &[Cel]) -> Result<Cel, ExecutionError> {
    match (this, arguments) {
        (Cel::Map(map), [value @ Cel::String(_)]) if field(this, "grants").is_some() => {
            let mut entries = (*map.map).clone();
            entries.insert(Key::String(Arc::new(step.to_owned())), value.clone());
            Ok(Cel::Map(Map {
                map: Arc::new(entries),
            }))
        }
        _ => Err(unusable(step, this)),
    }
}

fn check(this: &Cel, arguments: &[Cel]) -> Result<Cel, ExecutionError> {
    let text = |value: Option<Cel>| match value {
        Some(Cel::String(text)) => (*text).clone(),
        _ => String::new(),
    };
    let (Some(Cel::List(grants)), [verb]) = (field(this, "grants"), arguments) else {
        return Err(unusable("check", this));
    };
    let resource = text(field(this, "resource"));
    let subresource = text(field(this, "subresource"));
    let resource = if subresource.is_empty() {
        resource
    } else {
        format!("{resource}/{subresource}")
    };
    let asked = [text(Some(verb.clone())), text(field(this, "group")), resource];
    let allowed = grants.iter().any(|grant| {
        let Cel::List(parts) = grant else { return false };
        parts.iter().zip(&asked).all(|(part, asked)| {
            let part = text(Some(part.clone()));
            part == "*" || part == *asked
        })
    });
    Ok(to_cel(None, &json!({"allowed": allowed})))
}
