//! What a policy's content must be: the grammar of SCPs and RCPs (user guide, orgs_manage_policies_scps_syntax and
//! _rcps_syntax), and of the declarative types as far as their operators go. Each fault is said for a person.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::policy_types::{RESOURCE_CONTROL, SERVICE_CONTROL};
use super::scp::{Document, is_operator};

/// The operators of declarative policies.
const OPERATORS: [&str; 4] = [
    "@@assign",
    "@@append",
    "@@remove",
    "@@operators_allowed_for_child_policies",
];

/// The content's first fault.
pub(crate) fn check(policy_type: &str, content: &str) -> Result<(), String> {
    let value: Value =
        serde_json::from_str(content).map_err(|error| format!("The content is not JSON: {error}"))?;
    let Value::Object(document) = &value else {
        return Err("The content must be a JSON object".to_owned());
    };
    match policy_type {
        SERVICE_CONTROL => {
            check_iam(document, check_scp_statement)?;
            // What is stored can be evaluated.
            Document::parse(&value).map(drop)
        }
        RESOURCE_CONTROL => check_iam(document, check_rcp_statement),
        _ => check_operators(document),
    }
}

fn check_iam(
    document: &Map<String, Value>,
    check_statement: fn(&Map<String, Value>) -> Result<(), String>,
) -> Result<(), String> {
    known_keys(document, &["Version", "Statement"])?;
    if document.get("Version").and_then(Value::as_str) != Some("2012-10-17") {
        return Err("Version must be \"2012-10-17\"".to_owned());
    }
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.iter().collect(),
        Some(statement @ Value::Object(_)) => vec![statement],
        _ => return Err("Statement must be a statement or a list of them".to_owned()),
    };
    let mut sids = BTreeSet::new();
    for statement in statements {
        let Value::Object(statement) = statement else {
            return Err("A statement must be a JSON object".to_owned());
        };
        match statement.get("Sid") {
            None => {}
            // IAM user guide, reference_policies_elements_sid.
            Some(Value::String(sid)) if sid.contains(|c: char| !c.is_ascii_alphanumeric()) => {
                return Err(format!(
                    "Sid {sid:?} has other characters than letters and digits"
                ));
            }
            Some(Value::String(sid)) if sids.insert(sid) => {}
            Some(Value::String(sid)) => return Err(format!("Sid {sid:?} is not unique")),
            Some(_) => return Err("Sid must be a string".to_owned()),
        }
        check_statement(statement)?;
        check_resource(statement)?;
        check_condition(statement)?;
    }
    Ok(())
}

fn known_keys(object: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(format!("{key} is not supported here")),
    }
}

fn check_scp_statement(statement: &Map<String, Value>) -> Result<(), String> {
    known_keys(
        statement,
        &[
            "Sid",
            "Effect",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ],
    )?;
    if !matches!(effect(statement), Some("Allow" | "Deny")) {
        return Err("Effect must be Allow or Deny".to_owned());
    }
    let actions = one_of(statement, "Action", "NotAction")?;
    match actions
        .iter()
        .find(|action| **action != "*" && !names_service(action))
    {
        None => Ok(()),
        Some(action) => Err(format!("{action:?} is neither \"*\" nor service:action")),
    }
}

fn check_rcp_statement(statement: &Map<String, Value>) -> Result<(), String> {
    known_keys(
        statement,
        &[
            "Sid",
            "Effect",
            "Principal",
            "Action",
            "Resource",
            "NotResource",
            "Condition",
        ],
    )?;
    if effect(statement) != Some("Deny") {
        return Err("Effect must be Deny".to_owned());
    }
    if statement.get("Principal").and_then(Value::as_str) != Some("*") {
        return Err("Principal must be \"*\"".to_owned());
    }
    let actions = strings(statement, "Action")?.ok_or("A statement needs Action")?;
    match actions.iter().find(|action| !names_service(action)) {
        None => Ok(()),
        Some(action) => Err(format!("{action:?} must name a service: service:action")),
    }
}

fn effect(statement: &Map<String, Value>) -> Option<&str> {
    statement.get("Effect").and_then(Value::as_str)
}

fn names_service(action: &str) -> bool {
    let Some((service, action)) = action.split_once(':') else {
        return false;
    };
    // Neither tells upper from lower case (IAM user guide, reference_policies_elements_action).
    let service_ok = service.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let action_ok = action
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "*?_-".contains(c));
    !service.is_empty() && !action.is_empty() && service_ok && action_ok
}

fn check_resource(statement: &Map<String, Value>) -> Result<(), String> {
    let resources = one_of(statement, "Resource", "NotResource")?;
    match resources
        .iter()
        .find(|resource| **resource != "*" && !resource.starts_with("arn:"))
    {
        None => Ok(()),
        Some(resource) => Err(format!("{resource:?} is neither \"*\" nor an ARN")),
    }
}

fn check_condition(statement: &Map<String, Value>) -> Result<(), String> {
    let Some(condition) = statement.get("Condition") else {
        return Ok(());
    };
    let is_value = |value: &Value| match value {
        Value::String(_) | Value::Bool(_) | Value::Number(_) => true,
        Value::Array(values) => values.iter().all(|value| !value.is_object() && !value.is_array()),
        Value::Null | Value::Object(_) => false,
    };
    let is_operand = |keys: &Value| {
        let keys = keys.as_object();
        keys.is_some_and(|keys| !keys.is_empty() && keys.values().all(is_value))
    };
    let operators = condition.as_object();
    if let Some(operators) = operators.filter(|operators| operators.values().all(is_operand)) {
        return match operators.keys().find(|name| !is_operator(name)) {
            None => Ok(()),
            Some(name) => Err(format!("{name} is not a condition operator")),
        };
    }
    Err("Condition must be {operator: {key: value or list of values}}".to_owned())
}

/// The values of whichever of the two members is there; exactly one must be.
fn one_of<'a>(statement: &'a Map<String, Value>, plain: &str, negated: &str) -> Result<Vec<&'a str>, String> {
    match (strings(statement, plain)?, strings(statement, negated)?) {
        (Some(values), None) | (None, Some(values)) => Ok(values),
        _ => Err(format!("A statement needs either {plain} or {negated}")),
    }
}

/// A string or a list of strings, not empty.
fn strings<'a>(statement: &'a Map<String, Value>, member: &str) -> Result<Option<Vec<&'a str>>, String> {
    let wrong = || format!("{member} must be a string or a list of strings");
    match statement.get(member) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(vec![value.as_str()])),
        Some(Value::Array(values)) if !values.is_empty() => {
            let values: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
            values.map(Some).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}

fn check_operators(object: &Map<String, Value>) -> Result<(), String> {
    for (key, value) in object {
        if key.starts_with("@@") {
            if !OPERATORS.contains(&key.as_str()) {
                return Err(format!("{key} is not an operator"));
            }
            if key != "@@assign" && !value.is_array() {
                return Err(format!("{key} must be a list"));
            }
        } else if let Value::Object(inner) = value {
            check_operators(inner)?;
        } else {
            return Err(format!(
                "{key} must be a JSON object; values stand under an operator"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scp(statement: &Value) -> Result<(), String> {
        let document = json!({"Version": "2012-10-17", "Statement": statement});
        check(SERVICE_CONTROL, &document.to_string())
    }

    fn rcp(statement: &Value) -> Result<(), String> {
        let document = json!({"Version": "2012-10-17", "Statement": [statement]});
        check(RESOURCE_CONTROL, &document.to_string())
    }

    #[test]
    fn scps_take_the_full_language_since_2025() {
        for good in [
            json!({"Effect": "Deny", "Action": "*", "Resource": "*"}),
            json!({"Effect": "Deny", "Action": "S3:GetObject", "Resource": "*"}),
            json!([{"Sid": "a", "Effect": "Allow", "NotAction": ["iam:*", "sts:Get*"], "Resource": "arn:aws:s3:::x"},
                   {"Sid": "b", "Effect": "Allow", "Action": "s3:*Object", "NotResource": ["arn:aws:s3:::y"],
                    "Condition": {"StringEquals": {"aws:RequestedRegion": ["eu-central-1"]}}}]),
        ] {
            assert_eq!(scp(&good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_scps_may_not_have() {
        for (bad, says) in [
            (json!([]), "Statement must be"),
            (json!([1]), "must be a JSON object"),
            (
                json!({"Effect": "Deny", "Action": "*"}),
                "either Resource or NotResource",
            ),
            (
                json!({"Effect": "Deny", "Resource": "*"}),
                "either Action or NotAction",
            ),
            (
                json!({"Effect": "Deny", "Action": "*", "NotAction": "*", "Resource": "*"}),
                "either Action",
            ),
            (
                json!({"Effect": "deny", "Action": "*", "Resource": "*"}),
                "Effect must be",
            ),
            (
                json!({"Effect": "Deny", "Action": "s3", "Resource": "*"}),
                "neither",
            ),
            (
                json!({"Effect": "Deny", "Action": [], "Resource": "*"}),
                "list of strings",
            ),
            (
                json!({"Effect": "Deny", "Action": "*", "Resource": "bucket"}),
                "nor an ARN",
            ),
            (
                json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Principal": "*"}),
                "Principal is not supported",
            ),
            (
                json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Bool": 1}}),
                "Condition must be",
            ),
            (
                json!([{"Sid": "a", "Effect": "Deny", "Action": "*", "Resource": "*"},
                    {"Sid": "a", "Effect": "Deny", "Action": "*", "Resource": "*"}]),
                "not unique",
            ),
            (
                json!({"Sid": "a-b", "Effect": "Deny", "Action": "*", "Resource": "*"}),
                "letters and digits",
            ),
            (
                json!({"Effect": "Deny", "Action": "*", "Resource": "*", "NotPrincipal": "*"}),
                "NotPrincipal is not supported",
            ),
            (
                json!({"Effect": "Deny", "Action": "*", "Resource": "*",
                    "Condition": {"StringEqual": {"aws:PrincipalArn": "a"}}}),
                "StringEqual is not a condition operator",
            ),
            (
                json!({"Effect": "Deny", "Action": "*", "Resource": "*",
                    "Condition": {"stringEquals": {"aws:PrincipalArn": "a"}}}),
                "stringEquals is not a condition operator",
            ),
            (
                json!({"Effect": "Deny", "Action": "*", "Resource": "*",
                    "Condition": {"ForAllValues:Null": {"aws:PrincipalArn": "true"}}}),
                "ForAllValues:Null is not a condition operator",
            ),
            (
                json!({"Effect": "Deny", "Action": "*:Get", "Resource": "*"}),
                "neither",
            ),
            (
                json!({"Effect": "Deny", "Action": "*", "Resource": "*",
                    "Condition": {"StringEquals": {"aws:PrincipalArn": [null]}}}),
                "list of values",
            ),
        ] {
            let said = scp(&bad).unwrap_err();
            assert!(said.contains(says), "{bad}: {said}");
        }
        for (content, says) in [
            ("{not json", "not JSON"),
            ("[]", "must be a JSON object"),
            (r#"{"Statement": []}"#, "Version must be"),
            (
                r#"{"Version": "2012-10-17", "Id": "x", "Statement": []}"#,
                "Id is not supported",
            ),
        ] {
            let said = check(SERVICE_CONTROL, content).unwrap_err();
            assert!(said.contains(says), "{content}: {said}");
        }
    }

    #[test]
    fn rcps_deny_everybody_something_of_a_service() {
        let good =
            json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "NotResource": "arn:aws:s3:::x"});
        assert_eq!(rcp(&good), Ok(()));
        for (member, value, says) in [
            ("Effect", json!("Allow"), "Effect must be Deny"),
            ("Principal", json!({"AWS": "*"}), "Principal must be"),
            ("Action", json!("*"), "must name a service"),
            ("NotAction", json!("s3:*"), "NotAction is not supported"),
        ] {
            let mut bad = good.clone();
            bad[member] = value;
            let said = rcp(&bad).unwrap_err();
            assert!(said.contains(says), "{bad}: {said}");
        }
    }

    #[test]
    fn declarative_policies_are_made_of_operators() {
        let tag = r#"{"tags":{"team":{"tag_key":{"@@assign":"Team"},"tag_value":{"@@append":["a"]}}}}"#;
        assert_eq!(check("TAG_POLICY", tag), Ok(()));
        for (content, says) in [
            (r#"{"tags":{"@@set":{}}}"#, "not an operator"),
            (r#"{"tags":{"team":"x"}}"#, "under an operator"),
            (r#"{"tags":{"@@append":"x"}}"#, "must be a list"),
        ] {
            let said = check("TAG_POLICY", content).unwrap_err();
            assert!(said.contains(says), "{content}: {said}");
        }
    }
}
