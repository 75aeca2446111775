//! Documents that are not made of statements: tag policies, backup policies and the like.

use super::{Defect, Rule, defect::join};
use model::PolicyType;
use serde_json::{Map, Value};

/// What stands at the top of a document, by type. Source: AWS Organizations User Guide, "syntax and examples" of each type.
const TOP: [(&str, &str); 11] = [
    ("AISERVICES_OPT_OUT_POLICY", "services"),
    ("BACKUP_POLICY", "plans"),
    ("BEDROCK_POLICY", "bedrock"),
    ("CHATBOT_POLICY", "chatbot"),
    ("DECLARATIVE_POLICY_EC2", "ec2_attributes"),
    ("INSPECTOR_POLICY", "inspector"),
    ("NETWORK_SECURITY_DIRECTOR_POLICY", "network_security_director"),
    ("S3_POLICY", "s3_attributes"),
    ("SECURITYHUB_POLICY", "securityhub"),
    ("TAG_POLICY", "tags"),
    ("UPGRADE_ROLLOUT_POLICY", "upgrade_rollout"),
];

const ALLOWED_FOR_CHILDREN: &str = "@@operators_allowed_for_child_policies";
const OPERATORS: &str = "@@assign, @@append, @@remove and @@operators_allowed_for_child_policies";

/// Checks a document of a type that inherits by operators, as far as AWS's own rules are known: what stands at its top, and
/// that every value stands under an operator (AWS Organizations User Guide, "Inheritance operators"). Of a type that is not
/// known here, AWS knows more: it has to be an object that is not empty.
pub fn declarative(policy_type: &PolicyType, document: &Value) -> Result<(), Defect> {
    let members = document.as_object().filter(|members| !members.is_empty());
    let Some(members) = members else {
        return Err(Defect::new(
            "",
            Rule::Shape("an object that is not empty"),
            document,
        ));
    };
    let Some((_, top)) = TOP.iter().find(|(known, _)| *known == policy_type.as_str()) else {
        return Ok(());
    };
    match members.iter().find(|(name, _)| name != top) {
        Some((name, value)) => Err(Defect::new(name, Rule::UnknownElement(top), value)),
        None => nested("", members),
    }
}

/// Members are names, which hold objects, and operators, which hold values.
fn nested(path: &str, members: &Map<String, Value>) -> Result<(), Defect> {
    for (name, value) in members {
        let path = join(path, name);
        if name.starts_with("@@") {
            operator(&path, name, value)?;
        } else if let Value::Object(members) = value {
            nested(&path, members)?;
        } else {
            let rule = Rule::Shape("an object: values stand under an operator, such as {\"@@assign\": ...}");
            return Err(Defect::new(path, rule, value));
        }
    }
    Ok(())
}

fn operator(path: &str, name: &str, value: &Value) -> Result<(), Defect> {
    let rule = match name {
        "@@assign" => Rule::Shape("a value or a list of values"),
        "@@append" | "@@remove" => Rule::Shape("a list of values"),
        ALLOWED_FOR_CHILDREN => {
            Rule::Shape("a list of \"@@all\", \"@@none\", \"@@assign\", \"@@append\" and \"@@remove\"")
        }
        _ => return Err(Defect::new(path, Rule::UnknownElement(OPERATORS), value)),
    };
    let plain = |value: &Value| matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
    let listed = |value: &Value| {
        ["@@all", "@@none", "@@assign", "@@append", "@@remove"]
            .iter()
            .any(|known| value == known)
    };
    let holds = match (value, name) {
        (Value::Array(values), ALLOWED_FOR_CHILDREN) => !values.is_empty() && values.iter().all(listed),
        (Value::Array(values), _) => values.iter().all(plain),
        (value, "@@assign") => plain(value),
        _ => false,
    };
    if holds {
        return Ok(());
    }
    Err(Defect::new(path, rule, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(policy_type: &str, document: &Value) -> Result<(), String> {
        let policy_type = PolicyType::parse(policy_type).unwrap();
        declarative(&policy_type, document).map_err(|defect| defect.to_string())
    }

    #[test]
    fn documents_of_awss_own_guide_are_accepted() {
        for (policy_type, document) in [
            (
                "TAG_POLICY",
                json!({"tags": {"costcenter": {
                    "tag_key": {"@@assign": "CostCenter", "@@operators_allowed_for_child_policies": ["@@none"]},
                    "tag_value": {"@@assign": ["100", "200"]},
                    "enforced_for": {"@@append": ["secretsmanager:*"], "@@remove": ["ec2:instance"]},
                }}}),
            ),
            (
                "BACKUP_POLICY",
                json!({"plans": {"Monthly": {
                    "regions": {"@@assign": ["eu-north-1"]},
                    "rules": {"Hourly": {
                        "start_backup_window_minutes": {"@@assign": 480},
                        "enable_continuous_backup": {"@@assign": false},
                    }},
                }}}),
            ),
            (
                "AISERVICES_OPT_OUT_POLICY",
                json!({"services": {
                    "@@operators_allowed_for_child_policies": ["@@none"],
                    "default": {"opt_out_policy": {"@@assign": "optOut"}},
                }}),
            ),
            (
                "S3_POLICY",
                json!({"s3_attributes": {"public_access_block_configuration": {"@@assign": "all"}}}),
            ),
            ("QUANTUM_POLICY", json!({"rules": {"a": 1}})),
        ] {
            assert_eq!(said(policy_type, &document), Ok(()), "{document}");
        }
    }

    #[test]
    fn what_aws_would_refuse_is_refused_with_its_place() {
        for (policy_type, document, expected) in [
            (
                "TAG_POLICY",
                json!([]),
                "the document is []: must be an object that is not empty",
            ),
            (
                "QUANTUM_POLICY",
                json!({}),
                "the document is {}: must be an object",
            ),
            (
                "TAG_POLICY",
                json!({"tagz": {"a": 1}}),
                "tagz is {\"a\":1}: AWS knows no such element here; it knows tags",
            ),
            (
                "BACKUP_POLICY",
                json!({"plans": "x"}),
                "plans is \"x\": must be an object: values stand under an operator",
            ),
            (
                "TAG_POLICY",
                json!({"tags": {"a": {"tag_key": "A"}}}),
                "tags.a.tag_key is \"A\": must be an object",
            ),
            (
                "TAG_POLICY",
                json!({"tags": {"a": {"tag_key": {"@@set": "A"}}}}),
                "tags.a.tag_key.@@set is \"A\": AWS knows no such element here; it knows @@assign",
            ),
            (
                "TAG_POLICY",
                json!({"tags": {"a": {"tag_value": {"@@append": "A"}}}}),
                "tags.a.tag_value.@@append is \"A\": must be a list of values",
            ),
            (
                "TAG_POLICY",
                json!({"tags": {"a": {"tag_value": {"@@assign": [{"b": 1}]}}}}),
                "tags.a.tag_value.@@assign is [{\"b\":1}]: must be a value or a list",
            ),
            (
                "TAG_POLICY",
                json!({"tags": {"@@operators_allowed_for_child_policies": ["@@some"]}}),
                "tags.@@operators_allowed_for_child_policies is [\"@@some\"]: must be a list of \"@@all\"",
            ),
        ] {
            let defect = said(policy_type, &document).unwrap_err();
            assert!(defect.starts_with(expected), "{defect}");
        }
    }
}
