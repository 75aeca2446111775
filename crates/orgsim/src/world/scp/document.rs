//! A policy document as it is evaluated.

use serde_json::{Map, Value};

use super::ScpRequest;
use super::conditions::Condition;
use super::matching::{Pattern, Reading};

/// One policy. Reading is more generous than AWS's grammar, which `policy_grammar.rs` knows.
#[derive(Debug, Default)]
pub(crate) struct Document {
    statements: Vec<Statement>,
}

#[derive(Debug)]
pub(crate) struct Statement {
    sid: Option<String>,
    allow: bool,
    actions: Patterns,
    resources: Patterns,
    conditions: Vec<Condition>,
}

/// The values of `Action` and `Resource`, or of their negated sisters.
#[derive(Debug)]
struct Patterns {
    negated: bool,
    patterns: Vec<Pattern>,
}

impl Document {
    /// What is wrong is said for a person.
    pub(crate) fn parse(value: &Value) -> Result<Self, String> {
        let document = value.as_object().ok_or("a policy must be a JSON object")?;
        // Older versions have no policy variables.
        let variables = document.get("Version").and_then(Value::as_str) == Some("2012-10-17");
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(statement @ Value::Object(_)) => vec![statement],
            _ => return Err("Statement must be a statement or a list of them".to_owned()),
        };
        let statements = statements.into_iter().enumerate().map(|(number, statement)| {
            Statement::parse(statement, variables).map_err(|fault| format!("statement {number}: {fault}"))
        });
        Ok(Self {
            statements: statements.collect::<Result<_, _>>()?,
        })
    }

    /// The statements that apply to the request, with their numbers.
    pub(super) fn applying(&self, request: &ScpRequest) -> impl Iterator<Item = (usize, &Statement)> {
        let statements = self.statements.iter().enumerate();
        statements.filter(|(_, statement)| statement.applies(request))
    }
}

impl Statement {
    fn parse(value: &Value, variables: bool) -> Result<Self, String> {
        let statement = value.as_object().ok_or("must be a JSON object")?;
        if let Some(principal) = ["Principal", "NotPrincipal"]
            .into_iter()
            .find(|key| statement.contains_key(*key))
        {
            return Err(format!(
                "{principal} is not supported in a service control policy"
            ));
        }
        let allow = match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err("Effect must be Allow or Deny".to_owned()),
        };
        let actions = Reading {
            wildcards: true,
            variables: false,
            fold: true,
        };
        Ok(Self {
            sid: statement.get("Sid").and_then(Value::as_str).map(str::to_owned),
            allow,
            actions: Patterns::parse(statement, ["Action", "NotAction"], |text| {
                Pattern::new(text, actions)
            })?,
            resources: Patterns::parse(statement, ["Resource", "NotResource"], |text| {
                Pattern::resource(text, variables)
            })?,
            conditions: conditions(statement.get("Condition"), variables)?,
        })
    }

    pub(super) fn sid(&self) -> Option<&str> {
        self.sid.as_deref().filter(|sid| !sid.is_empty())
    }

    pub(super) fn is_allow(&self) -> bool {
        self.allow
    }

    fn applies(&self, request: &ScpRequest) -> bool {
        self.actions.cover(&request.action, request)
            && self.resources.cover(&request.resource, request)
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(&request.context))
    }
}

impl Patterns {
    fn parse(
        statement: &Map<String, Value>,
        names: [&str; 2],
        pattern: impl Fn(&str) -> Pattern,
    ) -> Result<Self, String> {
        let [plain, negated] = names;
        let (name, value) = match (statement.get(plain), statement.get(negated)) {
            (Some(value), None) => (plain, value),
            (None, Some(value)) => (negated, value),
            _ => return Err(format!("needs either {plain} or {negated}")),
        };
        let texts: Option<Vec<&str>> = match value {
            Value::String(text) => Some(vec![text]),
            Value::Array(texts) => texts.iter().map(Value::as_str).collect(),
            _ => None,
        };
        let texts = texts.ok_or_else(|| format!("{name} must be a string or a list of strings"))?;
        Ok(Self {
            negated: name == negated,
            patterns: texts.into_iter().map(pattern).collect(),
        })
    }

    fn cover(&self, value: &[char], request: &ScpRequest) -> bool {
        let mut patterns = self.patterns.iter();
        patterns.any(|pattern| pattern.matches(value, &request.context)) != self.negated
    }
}

fn conditions(value: Option<&Value>, variables: bool) -> Result<Vec<Condition>, String> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    let operators = value.as_object().ok_or("Condition must be a JSON object")?;
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        let keys = keys
            .as_object()
            .ok_or_else(|| format!("{operator} must be a JSON object"))?;
        for (key, values) in keys {
            let values = scalars(values)
                .ok_or_else(|| format!("{operator} {key} must be a value or a list of values"))?;
            let condition = Condition::new(operator, key, &values, variables);
            conditions.push(condition.ok_or_else(|| format!("{operator} is not a condition operator"))?);
        }
    }
    Ok(conditions)
}

/// A string, number or boolean, or a list of them, as texts.
pub(super) fn scalars(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => text(value).map(|text| vec![text]),
    }
}
