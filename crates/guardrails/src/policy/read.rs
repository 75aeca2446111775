//! Reading a document, or saying where it breaks which rule.

use super::{
    Conditions, Defect, Document, Effect, Operator, Rule, Selection, Statement, covers, defect::join, json,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

type Object = Map<String, Value>;

impl Document {
    /// Reads a document. What only one type of policies forbids is up to [`grammar`](super::grammar).
    ///
    /// Stricter than AWS in one thing: a list that names nothing is refused, because AWS accepts it and then does nothing.
    pub fn parse(value: &Value) -> Result<Self, Defect> {
        let object = object("", value)?;
        known(
            object,
            "",
            &["Version", "Id", "Statement"],
            "Version, Id and Statement",
        )?;
        let version = optional_text(object, "Version")?;
        if let Some(version) = &version
            && !["2012-10-17", "2008-10-17"].contains(&version.as_str())
        {
            return Err(Defect::new(
                "Version",
                Rule::Version,
                Value::from(version.as_str()),
            ));
        }
        let statements: Vec<(String, &Value)> = match object.get("Statement") {
            None => {
                return Err(Defect::missing(
                    "Statement",
                    Rule::Missing("a document has statements"),
                ));
            }
            Some(Value::Array(list)) if list.is_empty() => {
                return Err(Defect::new(
                    "Statement",
                    Rule::Shape("at least one statement"),
                    "[]",
                ));
            }
            Some(Value::Array(list)) => list
                .iter()
                .enumerate()
                .map(|(index, value)| (format!("Statement[{index}]"), value))
                .collect(),
            // AWS takes a single statement without a list.
            Some(value) => vec![("Statement".to_owned(), value)],
        };
        let statements = statements
            .iter()
            .map(|(path, value)| statement(value).map_err(|defect| defect.under(path)))
            .collect::<Result<Vec<Statement>, Defect>>()?;
        unique_sids(&statements)?;
        Ok(Self {
            version,
            id: optional_text(object, "Id")?,
            statements,
        })
    }

    /// Reads a document from its text; a name that stands twice in an object is refused.
    pub fn parse_text(text: &str) -> Result<Self, Defect> {
        Self::parse(&json(text)?)
    }
}

fn unique_sids(statements: &[Statement]) -> Result<(), Defect> {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, statement) in statements.iter().enumerate() {
        let Some(sid) = &statement.sid else { continue };
        if let Some(other) = first.insert(sid, index) {
            let path = format!("Statement[{index}].Sid");
            return Err(Defect::new(
                path,
                Rule::DuplicateSid(other),
                Value::from(sid.as_str()),
            ));
        }
    }
    Ok(())
}

const ELEMENTS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

fn statement(value: &Value) -> Result<Statement, Defect> {
    let statement = object("", value)?;
    known(
        statement,
        "",
        &ELEMENTS,
        "Sid, Effect, Principal, Action, NotAction, Resource, NotResource and Condition",
    )?;
    if let Some(value) = statement.get("NotPrincipal") {
        return Err(Defect::new("NotPrincipal", Rule::NotPrincipal, value));
    }
    let any_principal = match statement.get("Principal") {
        None => false,
        Some(Value::String(all)) if all == "*" => true,
        Some(other) => return Err(Defect::new("Principal", Rule::Principal, other)),
    };
    let effect = match statement.get("Effect") {
        Some(Value::String(effect)) if effect == "Allow" => Effect::Allow,
        Some(Value::String(effect)) if effect == "Deny" => Effect::Deny,
        Some(other) => return Err(Defect::new("Effect", Rule::Effect, other)),
        None => {
            let rule = Rule::Missing("every statement has an Effect");
            return Err(Defect::missing("Effect", rule));
        }
    };
    let actions = selection(
        statement,
        ["Action", "NotAction"],
        "every statement has Action or NotAction",
    )?;
    check(
        statement,
        ["Action", "NotAction"],
        &actions,
        is_action,
        &Rule::Action,
    )?;
    let resources = selection(
        statement,
        ["Resource", "NotResource"],
        "every statement has Resource or NotResource",
    )?;
    check(
        statement,
        ["Resource", "NotResource"],
        &resources,
        is_resource,
        &Rule::Resource,
    )?;
    Ok(Statement {
        // Generators write an empty Sid for none, and AWS takes it so.
        sid: optional_text(statement, "Sid")?.filter(|sid| !sid.is_empty()),
        effect,
        any_principal,
        actions,
        resources,
        conditions: conditions(statement.get("Condition"))?,
    })
}

/// `Action` or `NotAction`, `Resource` or `NotResource`: one of them, and not both.
fn selection(
    statement: &Object,
    [any, not]: [&'static str; 2],
    needed: &'static str,
) -> Result<Selection, Defect> {
    match (statement.get(any), statement.get(not)) {
        (Some(value), None) => texts(any, value).map(Selection::Any),
        (None, Some(value)) => texts(not, value).map(Selection::Not),
        (None, None) => Err(Defect::missing(any, Rule::Missing(needed))),
        (Some(_), Some(value)) => Err(Defect::new(not, Rule::Both(any, not), value)),
    }
}

/// Do all patterns have the shape they must have?
fn check(
    statement: &Object,
    [any, not]: [&str; 2],
    selection: &Selection,
    holds: fn(&str) -> bool,
    rule: &Rule,
) -> Result<(), Defect> {
    let name = match selection {
        Selection::Any(_) => any,
        Selection::Not(_) => not,
    };
    let listed = matches!(statement.get(name), Some(Value::Array(_)));
    let broken = selection
        .patterns()
        .iter()
        .enumerate()
        .find(|(_, pattern)| !holds(pattern));
    broken.map_or(Ok(()), |(index, pattern)| {
        let path = if listed {
            format!("{name}[{index}]")
        } else {
            name.to_owned()
        };
        Err(Defect::new(path, rule.clone(), Value::from(pattern.as_str())))
    })
}

/// `*`, or a service and a name in which `*` and `?` are wildcards. A name can have characters that no wildcard is.
fn is_action(pattern: &str) -> bool {
    let word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'*' | b'?'))
    };
    pattern == "*"
        || pattern
            .split_once(':')
            .is_some_and(|(service, name)| word(service) && word(name))
}

/// `*`, or an ARN pattern; a `*` that ends a part goes beyond it, so it can stand for parts that are missing.
pub(super) fn is_resource(pattern: &str) -> bool {
    pattern == "*"
        || pattern.split_once(':').is_some_and(|(first, rest)| {
            covers(first, "arn")
                && (rest.matches(':').count() >= 4 || rest.ends_with('*') || rest.contains("*:"))
        })
}

fn conditions(value: Option<&Value>) -> Result<Conditions, Defect> {
    let Some(value) = value else {
        return Ok(Conditions::new());
    };
    let mut conditions = Conditions::new();
    for (operator, keys) in object("Condition", value)? {
        let path = join("Condition", operator);
        if Operator::parse(operator).is_none() {
            return Err(Defect::new(path, Rule::Operator, Value::from(operator.as_str())));
        }
        let keys = object(&path, keys)?;
        if keys.is_empty() {
            return Err(Defect::new(path, Rule::Shape("at least one condition key"), "{}"));
        }
        let mut read = BTreeMap::new();
        for (key, values) in keys {
            read.insert(key.clone(), scalars(&join(&path, key), values)?);
        }
        conditions.insert(operator.clone(), read);
    }
    Ok(conditions)
}

fn object<'a>(path: &str, value: &'a Value) -> Result<&'a Object, Defect> {
    value
        .as_object()
        .ok_or_else(|| Defect::new(path, Rule::Shape("an object"), value))
}

fn known(object: &Object, path: &str, names: &[&str], told: &'static str) -> Result<(), Defect> {
    match object.iter().find(|(name, _)| !names.contains(&name.as_str())) {
        Some((name, value)) => Err(Defect::new(join(path, name), Rule::UnknownElement(told), value)),
        None => Ok(()),
    }
}

fn optional_text(object: &Object, name: &str) -> Result<Option<String>, Defect> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(Defect::new(name, Rule::Shape("a string"), other)),
    }
}

/// A text or a list of them.
fn texts(path: &str, value: &Value) -> Result<Vec<String>, Defect> {
    let text = |path: &str, value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(Defect::new(path, Rule::Shape("a string"), other)),
    };
    list(path, value, text)
}

/// A value or a list of them: condition values may be numbers and truth values, which AWS takes as their text.
fn scalars(path: &str, value: &Value) -> Result<Vec<String>, Defect> {
    let text = |path: &str, value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        other => Err(Defect::new(
            path,
            Rule::Shape("a string, a number, true or false"),
            other,
        )),
    };
    list(path, value, text)
}

fn list(
    path: &str,
    value: &Value,
    read: impl Fn(&str, &Value) -> Result<String, Defect>,
) -> Result<Vec<String>, Defect> {
    match value {
        Value::Array(list) if list.is_empty() => {
            Err(Defect::new(path, Rule::Shape("at least one value"), "[]"))
        }
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(index, value)| read(&format!("{path}[{index}]"), value))
            .collect(),
        one => Ok(vec![read(path, one)?]),
    }
}
