//! Documents as text: every character counts against AWS's limits, so there is none that means nothing.

use super::{Conditions, Document, Effect, Selection, Statement};
use serde_json::{Map, Value, json};

impl Effect {
    /// The word AWS uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        }
    }
}

impl Selection {
    /// The patterns.
    pub fn patterns(&self) -> &[String] {
        match self {
            Self::Any(patterns) | Self::Not(patterns) => patterns,
        }
    }
}

impl Document {
    /// The document as JSON. A list of one is written as its element, where AWS takes both.
    pub fn to_value(&self) -> Value {
        let mut object = Map::new();
        if let Some(version) = &self.version {
            object.insert("Version".into(), version.as_str().into());
        }
        if let Some(id) = &self.id {
            object.insert("Id".into(), id.as_str().into());
        }
        let statements = self
            .statements
            .iter()
            .map(|statement| Value::Object(members(statement).into_iter().collect()));
        object.insert("Statement".into(), statements.collect());
        Value::Object(object)
    }

    /// The document as AWS is given it: without a space, its elements always in the same order (`Version`, `Id`,
    /// `Statement`; within a statement `Sid`, `Effect`, `Principal`, `Action`, `Resource`, `Condition`), so that equal
    /// documents are equal texts. What AWS counts is its characters.
    pub fn to_text(&self) -> String {
        let mut parts = Vec::new();
        if let Some(version) = &self.version {
            parts.push(format!("\"Version\":{}", Value::from(version.as_str())));
        }
        if let Some(id) = &self.id {
            parts.push(format!("\"Id\":{}", Value::from(id.as_str())));
        }
        let statements: Vec<String> = self.statements.iter().map(text).collect();
        parts.push(format!("\"Statement\":[{}]", statements.join(",")));
        format!("{{{}}}", parts.join(","))
    }
}

fn text(statement: &Statement) -> String {
    let members: Vec<String> = members(statement)
        .into_iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// The elements of a statement, in their order.
fn members(statement: &Statement) -> Vec<(String, Value)> {
    let mut members = Vec::new();
    let mut add = |name: &str, value: Value| members.push((name.to_owned(), value));
    if let Some(sid) = &statement.sid {
        add("Sid", sid.as_str().into());
    }
    add("Effect", statement.effect.as_str().into());
    if statement.any_principal {
        add("Principal", "*".into());
    }
    let name = |selection: &Selection, any: &'static str, not: &'static str| match selection {
        Selection::Any(_) => any,
        Selection::Not(_) => not,
    };
    add(
        name(&statement.actions, "Action", "NotAction"),
        one_or_many(statement.actions.patterns()),
    );
    add(
        name(&statement.resources, "Resource", "NotResource"),
        one_or_many(statement.resources.patterns()),
    );
    if !statement.conditions.is_empty() {
        add("Condition", conditions(&statement.conditions));
    }
    members
}

fn conditions(conditions: &Conditions) -> Value {
    let of_operator = |keys: &std::collections::BTreeMap<String, Vec<String>>| -> Value {
        let keys: Map<String, Value> = keys
            .iter()
            .map(|(key, values)| (key.clone(), one_or_many(values)))
            .collect();
        Value::Object(keys)
    };
    let operators: Map<String, Value> = conditions
        .iter()
        .map(|(operator, keys)| (operator.clone(), of_operator(keys)))
        .collect();
    Value::Object(operators)
}

fn one_or_many(values: &[String]) -> Value {
    match values {
        [one] => one.as_str().into(),
        many => json!(many),
    }
}
