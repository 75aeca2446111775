//! Documents are read as written, written as short as they can be, and refused with path, rule and value.

use super::*;
use model::PolicyType;
use serde_json::json;

fn parsed(value: &serde_json::Value) -> Document {
    Document::parse(value).unwrap()
}

/// A document of one statement that is sound but for `changes`.
fn with(changes: &serde_json::Value) -> serde_json::Value {
    let mut statement = json!({"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"});
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            statement.as_object_mut().unwrap().remove(name);
        } else {
            statement[name] = value.clone();
        }
    }
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

#[test]
fn a_document_is_written_without_a_character_too_many_and_always_in_the_same_order() {
    let value = json!({
        "Statement": [{
            "Condition": {
                "StringNotLike": {"aws:PrincipalArn": ["arn:aws:iam::*:role/a", "arn:aws:iam::*:role/b"]},
                "Bool": {"aws:ViaAWSService": [false]},
                "NumericLessThan": {"aws:MultiFactorAuthAge": 3600},
            },
            "Resource": ["*"], "NotAction": ["iam:*", "sts:*"], "Effect": "Deny", "Sid": "Some",
        }],
        "Id": "of \"mine\"", "Version": "2012-10-17",
    });
    let document = parsed(&value);
    let text = concat!(
        r#"{"Version":"2012-10-17","Id":"of \"mine\"","Statement":[{"Sid":"Some","Effect":"Deny","#,
        r#""NotAction":["iam:*","sts:*"],"Resource":"*","Condition":{"Bool":{"aws:ViaAWSService":"false"},"#,
        r#""NumericLessThan":{"aws:MultiFactorAuthAge":"3600"},"#,
        r#""StringNotLike":{"aws:PrincipalArn":["arn:aws:iam::*:role/a","arn:aws:iam::*:role/b"]}}}]}"#,
    );
    assert_eq!(document.to_text(), text);
    assert_eq!(Document::parse_text(text).unwrap(), document);
    assert_eq!(parsed(&document.to_value()), document);
    assert_eq!(json(text).unwrap(), document.to_value());
}

#[test]
fn a_single_statement_needs_no_list_and_an_empty_sid_is_none() {
    let document = parsed(&json!({
        "Statement": {"Sid": "", "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}},
    }));
    assert_eq!(document.statements.len(), 1);
    assert_eq!(document.statements[0].sid, None);
    assert_eq!(
        document.to_text(),
        r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#
    );
}

#[test]
fn a_document_that_breaks_a_rule_is_refused_with_path_rule_and_value() {
    let key = "Statement[0].Condition.StringLike.aws:PrincipalArn";
    for (value, said) in [
        (json!([]), "the document is []: must be an object".to_owned()),
        (
            json!({"Statement": []}),
            "Statement is []: must be at least one statement".into(),
        ),
        (
            json!({"Version": "2012-10-17"}),
            "Statement is missing: a document has statements".into(),
        ),
        (
            json!({"Version": "2020-01-01", "Statement": []}),
            "Version is \"2020-01-01\": must be \"2012-10-17\" or".into(),
        ),
        (
            json!({"version": "2012-10-17"}),
            "version is \"2012-10-17\": AWS knows no such element here; it knows Version".into(),
        ),
        (
            json!({"Statement": [7]}),
            "Statement[0] is 7: must be an object".into(),
        ),
        (
            with(&json!({"Effect": "deny"})),
            "Statement[0].Effect is \"deny\": must be \"Allow\" or \"Deny\"".into(),
        ),
        (
            with(&json!({"Effect": null})),
            "Statement[0].Effect is missing: every statement".into(),
        ),
        (
            with(&json!({"Action": null})),
            "Statement[0].Action is missing: every statement has Action or NotAction".into(),
        ),
        (
            with(&json!({"Resource": null})),
            "Statement[0].Resource is missing: every statement has Resource or NotResource".into(),
        ),
        (
            with(&json!({"NotAction": "a:b"})),
            "Statement[0].NotAction is \"a:b\": Action and NotAction exclude".into(),
        ),
        (
            with(&json!({"NotResource": "*"})),
            "Statement[0].NotResource is \"*\": Resource and NotResource exclude".into(),
        ),
        (
            with(&json!({"NotPrincipal": "*"})),
            "Statement[0].NotPrincipal is \"*\": NotPrincipal is not allowed".into(),
        ),
        (
            with(&json!({"Principal": {"AWS": "*"}})),
            "Statement[0].Principal is {\"AWS\":\"*\"}: must be \"*\"".into(),
        ),
        (
            with(&json!({"Conditions": {}})),
            "Statement[0].Conditions is {}: AWS knows no such element".into(),
        ),
        (
            with(&json!({"Action": ["s3:*", "s3"]})),
            "Statement[0].Action[1] is \"s3\": must be * or service:Name".into(),
        ),
        (
            with(&json!({"Action": "s3:"})),
            "Statement[0].Action is \"s3:\": must be * or service:Name".into(),
        ),
        (
            with(&json!({"Action": "s3:${aws:username}"})),
            "Statement[0].Action is \"s3:${aws:username}\": must be".into(),
        ),
        (
            with(&json!({"Action": []})),
            "Statement[0].Action is []: must be at least one value".into(),
        ),
        (
            with(&json!({"Action": [7]})),
            "Statement[0].Action[0] is 7: must be a string".into(),
        ),
        (
            with(&json!({"Resource": "bucket"})),
            "Statement[0].Resource is \"bucket\": must be * or an ARN".into(),
        ),
        (
            with(&json!({"Resource": ["arn:aws:s3"]})),
            "Statement[0].Resource[0] is \"arn:aws:s3\": must be * or".into(),
        ),
        (
            with(&json!({"Condition": {"StringLikes": {}}})),
            "Statement[0].Condition.StringLikes is \"StringLikes\": AWS knows no such condition operator"
                .into(),
        ),
        (
            with(&json!({"Condition": {"NullIfExists": {}}})),
            "Statement[0].Condition.NullIfExists is".into(),
        ),
        (
            with(&json!({"Condition": {"ForNoValue:StringLike": {}}})),
            "Statement[0].Condition.ForNoValue:StringLike is".into(),
        ),
        (
            with(&json!({"Condition": {"StringLike": {}}})),
            "Statement[0].Condition.StringLike is {}: must be at least one".into(),
        ),
        (
            with(&json!({"Condition": {"StringLike": []}})),
            "Statement[0].Condition.StringLike is []: must be an object".into(),
        ),
        (
            with(&json!({"Condition": {"StringLike": {"aws:PrincipalArn": []}}})),
            format!("{key} is []: must be at least one value"),
        ),
        (
            with(&json!({"Condition": {"StringLike": {"aws:PrincipalArn": ["a", null]}}})),
            format!("{key}[1] is null: must be a string, a number"),
        ),
        (
            with(&json!({"Sid": 7})),
            "Statement[0].Sid is 7: must be a string".into(),
        ),
    ] {
        let defect = Document::parse(&value).unwrap_err().to_string();
        assert!(
            defect.starts_with(&said),
            "{value}: {defect:?} does not begin with {said:?}"
        );
    }
}

#[test]
fn a_sid_stands_once_in_a_document() {
    let statement = json!({"Sid": "Same", "Effect": "Deny", "Action": "*", "Resource": "*"});
    let defect = Document::parse(&json!({"Statement": [statement, statement]})).unwrap_err();
    assert_eq!(
        defect.to_string(),
        "Statement[1].Sid is \"Same\": a Sid may stand once in a document, and Statement[0] has it too"
    );
}

#[test]
fn a_name_that_stands_twice_is_refused_and_not_merged() {
    for (text, path) in [
        (r#"{"Statement": [], "Statement": []}"#, ""),
        (
            r#"{"Statement": [{"Effect": "Deny", "Action": "a:b", "Effect": "Allow"}]}"#,
            "Statement[0]",
        ),
        (
            r#"{"Statement": [{}, {"Condition": {"Bool": {"k": true, "k": false}}}]}"#,
            "Statement[1].Condition.Bool",
        ),
    ] {
        let defect = Document::parse_text(text).unwrap_err();
        assert_eq!((defect.path.as_str(), defect.rule), (path, Rule::DuplicateName));
    }
}

#[test]
fn malformed_json_is_refused_with_its_place() {
    for (text, place) in [
        ("{\n  \"Version\": ]", "line 2"),
        ("{} {}", "column 4"),
        ("", "line 1"),
    ] {
        let defect = Document::parse_text(text).unwrap_err().to_string();
        assert!(defect.starts_with("the document: malformed JSON: "), "{defect}");
        assert!(defect.contains(place), "{defect}");
    }
}

#[test]
fn a_long_value_is_shown_shortened() {
    let defect = Document::parse(&with(&json!({"Action": "x".repeat(5000)}))).unwrap_err();
    assert!(defect.to_string().len() < 250, "{defect}");
}

/// What the grammar of the type says to a document of one statement.
fn graded(policy_type: &str, changes: &serde_json::Value) -> Result<(), String> {
    let policy_type = PolicyType::parse(policy_type).unwrap();
    grammar(&policy_type, &parsed(&with(changes))).map_err(|defect| defect.to_string())
}

#[test]
fn service_control_policies_name_no_principal() {
    let scp = PolicyType::SERVICE_CONTROL;
    assert_eq!(graded(scp, &json!({})), Ok(()));
    assert_eq!(graded(scp, &json!({"Effect": "Allow", "Action": "*"})), Ok(()));
    let said = graded(scp, &json!({"Principal": "*"})).unwrap_err();
    assert!(said.starts_with("Statement[0].Principal is \"*\": service control policies have no Principal"));
    let said = graded(scp, &json!({"Sid": "deny-it"})).unwrap_err();
    assert!(said.starts_with("Statement[0].Sid is \"deny-it\""), "{said}");
    let unversioned = parsed(&json!({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}));
    let said = grammar(&PolicyType::service_control(), &unversioned).unwrap_err();
    assert!(said.to_string().starts_with("Version is missing: "), "{said}");
}

#[test]
fn resource_control_policies_only_deny_named_services_and_never_sts() {
    let rcp = |changes: &serde_json::Value| graded(PolicyType::RESOURCE_CONTROL, changes);
    let any = |mut changes: serde_json::Value| {
        changes["Principal"] = "*".into();
        rcp(&changes)
    };
    assert_eq!(any(json!({})), Ok(()));
    assert_eq!(
        any(json!({"Resource": null, "NotResource": "arn:aws:s3:::open/*"})),
        Ok(())
    );
    assert_eq!(any(json!({"Action": ["s3:*", "sqs:*", "kms:Decrypt"]})), Ok(()));
    assert!(
        rcp(&json!({}))
            .unwrap_err()
            .starts_with("Statement[0].Principal is missing")
    );
    assert!(
        any(json!({"Effect": "Allow"}))
            .unwrap_err()
            .starts_with("Statement[0].Effect")
    );
    let not = any(json!({"Action": null, "NotAction": "s3:*"})).unwrap_err();
    assert!(not.starts_with("Statement[0].NotAction is [\"s3:*\"]"), "{not}");
    for action in ["s*:*", "*:*", "s?s:Get*", "?ts:*"] {
        let said = any(json!({"Action": ["s3:*", action]})).unwrap_err();
        let path =
            format!("Statement[0].Action[1] is {action:?}: must be * or service:Name: a service is letters");
        assert!(said.starts_with(&path), "{said}");
    }
    for action in ["*", "sts:AssumeRole", "STS:*"] {
        let said = any(json!({"Action": ["s3:*", action]})).unwrap_err();
        let path = format!("Statement[0].Action[1] is {action:?}: resource control policies");
        assert!(said.starts_with(&path), "{said}");
    }
    assert_eq!(graded("TAG_POLICY", &json!({"Principal": "*"})), Ok(()));
}

#[test]
fn what_cannot_be_read_is_refused_with_path_and_value() {
    let scp = PolicyType::SERVICE_CONTROL;
    let under =
        |operator: &str, value: serde_json::Value| json!({"Condition": {operator: {"aws:Key": value}}});
    for (changes, expected) in [
        (
            json!({"Action": "*:Get"}),
            "Action is \"*:Get\": must be * or service:Name",
        ),
        (json!({"Action": "s3.x:Get"}), "Action is \"s3.x:Get\": must be"),
        (
            json!({"Action": ["s3:Get", "s3:Get.Object"]}),
            "Action[1] is \"s3:Get.Object\": must be",
        ),
        (
            json!({"Resource": "ar*:aws:s3:::x"}),
            "Resource is \"ar*:aws:s3:::x\": must be * or begin with arn:",
        ),
        (
            json!({"Resource": "arn:aws:s3:::${aws:username"}),
            "Resource is \"arn:aws:s3:::${aws:username\": a variable is ${key}",
        ),
        (
            under("Bool", json!("maybe")),
            "Condition.Bool.aws:Key is \"maybe\": must be true or false",
        ),
        (
            under("Null", json!("no")),
            "Condition.Null.aws:Key is \"no\": must be true or false",
        ),
        (
            under("IpAddress", json!(["10.0.0.0/8", "10.0.0.0/99"])),
            "Condition.IpAddress.aws:Key[1] is \"10.0.0.0/99\": must be an address",
        ),
        (
            under("NotIpAddress", json!("300.1.1.1")),
            "Condition.NotIpAddress.aws:Key is \"300.1.1.1\"",
        ),
        (
            under("NumericLessThan", json!("ten")),
            "Condition.NumericLessThan.aws:Key is \"ten\": must be a number",
        ),
        (
            under("DateLessThanIfExists", json!("soon")),
            "Condition.DateLessThanIfExists.aws:Key is \"soon\": must be a date",
        ),
        (
            under("BinaryEquals", json!("?")),
            "Condition.BinaryEquals.aws:Key is \"?\": must be base64",
        ),
        (
            under("ArnNotLike", json!("role/x")),
            "Condition.ArnNotLike.aws:Key is \"role/x\": must be * or an ARN",
        ),
        (
            under("StringLike", json!("${aws:username, x}")),
            "Condition.StringLike.aws:Key is \"${aws:username, x}\": a variable",
        ),
        (
            under("StringLike", json!("${username}")),
            "Condition.StringLike.aws:Key is \"${username}\": a variable",
        ),
        (
            json!({"Condition": {"StringEquals": {"PrincipalArn": "x"}}}),
            "Condition.StringEquals.PrincipalArn is \"PrincipalArn\": a condition key",
        ),
        (
            json!({"Condition": {"StringEquals": {"": "x"}}}),
            "Condition.StringEquals is \"\": a condition key",
        ),
    ] {
        let said = graded(scp, &changes).unwrap_err();
        assert!(said.starts_with(&format!("Statement[0].{expected}")), "{said}");
    }
    for changes in [
        json!({"Action": ["S3:GetObject", "s3-object-lambda:Get*"]}),
        json!({"Resource": ["arn:aws:s3:::${aws:PrincipalTag/team, 'none'}/*", "arn:*"]}),
        under("Bool", json!(["true", "False", false])),
        under("IpAddress", json!(["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"])),
        under("NumericLessThan", json!(["10", 1.5])),
        under(
            "DateGreaterThan",
            json!(["2026-01-31T12:30:00Z", "2026-01", "1769862600"]),
        ),
        under("BinaryEquals", json!("QmluYXJ5VmFsdWU=")),
        under(
            "ArnLike",
            json!([
                "*",
                "arn:aws:iam::*:role/${aws:username}",
                "${aws:PrincipalTag/arn}"
            ]),
        ),
        under("StringEquals", json!(["${$}", "${*}", "${saml:aud}", "{x}"])),
        json!({"Condition": {"StringEquals": {"token.actions.githubusercontent.com:sub": "x", "aws:PrincipalTag/a b": "y"}}}),
    ] {
        assert_eq!(graded(scp, &changes), Ok(()), "{changes}");
    }
    let named = parsed(
        &json!({"Version": "2012-10-17", "Id": "mine", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}),
    );
    let said = grammar(&PolicyType::service_control(), &named)
        .unwrap_err()
        .to_string();
    assert_eq!(said, "Id is \"mine\": policies of an organization have no Id");
}

#[test]
fn wildcards_stand_for_any_text_and_for_one_character() {
    for (pattern, text) in [
        ("*", ""),
        ("", ""),
        ("a*", "a"),
        ("a*c*e", "abcde"),
        ("*b*b", "abab"),
        ("a?c", "aäc"),
        ("??", "äö"),
        ("*ä?", "xäö"),
        ("**x", "x"),
    ] {
        assert!(covers(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [
        ("", "a"),
        ("?", ""),
        ("a*c", "abcd"),
        ("A", "a"),
        ("a?c", "ac"),
        ("?", "äö"),
        ("*b*bb", "abab"),
    ] {
        assert!(!covers(pattern, text), "{pattern} {text}");
    }
    // A pattern that would take for ever if each * were tried anew.
    assert!(!covers(&"*a".repeat(200), &format!("{}b", "a".repeat(2000))));
}
