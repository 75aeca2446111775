//! Statements with holes, and what fills them.

use super::Parameters;
use crate::exemptions::PARTITION;
use serde_json::{Map, Value};

/// One statement of a file.
#[derive(Clone, Debug)]
pub(super) struct Template {
    when: Option<String>,
    unless: Option<String>,
    for_each: Option<Value>,
    statement: Map<String, Value>,
}

/// What fills the holes.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) parameters: &'a Parameters,
    pub(super) exemptions: &'a [String],
    pub(super) item: Option<&'a str>,
}

impl Template {
    pub(super) fn new(mut statement: Map<String, Value>) -> Result<Self, String> {
        let mut name = |key: &str| match statement.remove(key) {
            None => Ok(None),
            Some(Value::String(name)) => Ok(Some(name)),
            Some(other) => Err(format!("{key} is {other}: must be the name of a parameter")),
        };
        Ok(Self {
            when: name("when")?,
            unless: name("unless")?,
            for_each: statement.remove("forEach"),
            statement,
        })
    }

    /// The names of all parameters it mentions.
    pub(super) fn mentions(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.when.iter().chain(&self.unless).map(String::as_str).collect();
        names.extend(self.for_each.as_ref().and_then(Value::as_str));
        for value in self.statement.values() {
            mentioned(value, &mut names);
        }
        names
    }

    /// The statements it makes.
    pub(super) fn statements(&self, scope: &Scope<'_>) -> Vec<Value> {
        let on = |name: &Option<String>| name.as_ref().map(|name| is_on(scope.parameters.get(name)));
        if on(&self.when) == Some(false) || on(&self.unless) == Some(true) {
            return Vec::new();
        }
        let make = |item| {
            let scope = Scope { item, ..*scope };
            Value::Object(object(&self.statement, &scope))
        };
        let items = match &self.for_each {
            None => return vec![make(None)],
            Some(Value::String(name)) => scope.parameters.get(name),
            literal => literal.as_ref(),
        };
        let items = items.and_then(Value::as_array).map(Vec::as_slice);
        let texts = items.unwrap_or_default().iter().filter_map(Value::as_str);
        texts.map(|item| make(Some(item))).collect()
    }
}

fn is_on(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(on)) => *on,
        Some(Value::Array(items)) => !items.is_empty(),
        _ => false,
    }
}

/// The name in `{parameter: NAME}`.
fn hole(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let (name, of) = object.iter().next()?;
    matches!(name.as_str(), "parameter" | "exemptions").then_some((name.as_str(), of))
}

fn mentioned<'a>(value: &'a Value, names: &mut Vec<&'a str>) {
    match (hole(value), value) {
        (Some((_, Value::String(name))), _) => names.push(name),
        (None, Value::Array(items)) => items.iter().for_each(|item| mentioned(item, names)),
        (None, Value::Object(members)) => members.values().for_each(|value| mentioned(value, names)),
        _ => {}
    }
}

fn object(members: &Map<String, Value>, scope: &Scope<'_>) -> Map<String, Value> {
    let filled = members
        .iter()
        .map(|(key, value)| (text(key, scope), fill(value, scope)));
    filled.collect()
}

fn fill(value: &Value, scope: &Scope<'_>) -> Value {
    match (hole(value), value) {
        (Some(("parameter", name)), _) => {
            let value = name.as_str().and_then(|name| scope.parameters.get(name));
            // Nothing is what no statement can hold, should the file mention what it does not declare.
            value.cloned().unwrap_or_default()
        }
        (Some(_), _) => scope.exemptions.into(),
        (None, Value::Array(items)) => {
            let spliced = items
                .iter()
                .flat_map(|item| match (hole(item), fill(item, scope)) {
                    (Some(_), Value::Array(values)) => values,
                    (_, value) => vec![value],
                });
            spliced.collect()
        }
        (None, Value::Object(members)) => object(members, scope).into(),
        (None, Value::String(words)) => text(words, scope).into(),
        (None, other) => other.clone(),
    }
}

fn text(words: &str, scope: &Scope<'_>) -> String {
    let words = words.replace("${partition}", PARTITION);
    match scope.item {
        Some(item) => words.replace("${item}", item),
        None => words,
    }
}
