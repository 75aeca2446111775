//! Condition operators, quantifiers, absent keys, derived keys.

use super::*;

/// Does a condition hold for these values of the key `k`?
fn holds(operator: &str, policy: &Value, given: Option<&[&str]>) -> bool {
    let mut request = call("s3:GetObject", "*");
    if let Some(given) = given {
        let given = given.iter().map(|value| (*value).to_owned()).collect();
        request.context.insert("K".into(), given);
    }
    denies(&json!({"Condition": {operator: {"k": policy}}}), &request)
}

#[test]
fn operators_compare_as_documented() {
    for (operator, policy, yes, no) in [
        ("StringEquals", json!("a*"), vec!["a*"], vec!["ab", "A*", ""]),
        (
            "StringEqualsIgnoreCase",
            json!("AbÄ"),
            vec!["aBä", "AbÄ"],
            vec!["abc"],
        ),
        (
            "StringLike",
            json!("a*c?"),
            vec!["acd", "abbcx"],
            vec!["ac", "Acd"],
        ),
        ("StringLike", json!("?*"), vec!["a"], vec![""]),
        (
            "NumericEquals",
            json!(10),
            vec!["10", "10.0", "1e1"],
            vec!["11", "ten", ""],
        ),
        (
            "NumericLessThan",
            json!("10"),
            vec!["9.5", "-1"],
            vec!["10", "11", "x"],
        ),
        (
            "NumericLessThanEquals",
            json!("10"),
            vec!["10", "9"],
            vec!["10.1"],
        ),
        (
            "NumericGreaterThan",
            json!("10"),
            vec!["10.1"],
            vec!["10", "inf", "nan"],
        ),
        (
            "NumericGreaterThanEquals",
            json!("10"),
            vec!["10", "11"],
            vec!["9.9"],
        ),
        (
            "DateEquals",
            json!("2026-01-02T00:00:00Z"),
            vec![
                "2026-01-02T00:00:00Z",
                "2026-01-02T01:00:00+01:00",
                "2026-01-02",
                "1767312000",
                "2026-01-02T00:00Z",
            ],
            vec![
                "2026-01-02T00:00:01Z",
                "yesterday",
                "",
                "2026-01-02-03",
                "2026-1-2",
            ],
        ),
        (
            "DateEquals",
            json!("2026"),
            vec!["2026-01-01", "2026-01", "1767225600"],
            vec!["2027"],
        ),
        (
            "DateLessThan",
            json!("2026-01-02"),
            vec!["2026-01-01T23:59:59.9Z"],
            vec!["2026-01-02", "2026-02-01"],
        ),
        (
            "DateLessThanEquals",
            json!("2026-01-02"),
            vec!["2026-01-02"],
            vec!["2026-01-02T00:00:01Z"],
        ),
        (
            "DateGreaterThan",
            json!("1767312000"),
            vec!["2026-01-03"],
            vec!["2026-01-02", "2026-01-01"],
        ),
        (
            "DateGreaterThanEquals",
            json!(1_767_312_000),
            vec!["2026-01-02"],
            vec!["2026-01-01"],
        ),
        ("Bool", json!(true), vec!["true", "True"], vec!["false", "yes"]),
        ("Bool", json!("false"), vec!["false"], vec!["true"]),
        (
            "BinaryEquals",
            json!("QmluYXJ5"),
            vec!["QmluYXJ5"],
            vec!["qmluyxj5"],
        ),
        ("BinaryEquals", json!("QQ=="), vec!["QQ==", "QQ"], vec!["QR=="]),
        (
            "IpAddress",
            json!("203.0.113.0/24"),
            vec!["203.0.113.0", "203.0.113.255"],
            vec!["203.0.114.0", "::1", "host"],
        ),
        (
            "IpAddress",
            json!("203.0.113.7"),
            vec!["203.0.113.7"],
            vec!["203.0.113.8"],
        ),
        ("IpAddress", json!("0.0.0.0/0"), vec!["1.2.3.4"], vec!["::1"]),
        (
            "IpAddress",
            json!("2001:DB8:1234:5678::/64"),
            vec!["2001:db8:1234:5678::1"],
            vec!["2001:db8:1234:5679::1", "1.2.3.4"],
        ),
        ("IpAddress", json!("::/0"), vec!["2001:db8::1"], vec!["1.2.3.4"]),
        ("IpAddress", json!("1.2.3.4/33"), vec![], vec!["1.2.3.4"]),
        (
            "ArnLike",
            json!("arn:aws:iam::*:role/team/*"),
            vec!["arn:aws:iam::1:role/team/a/b"],
            vec!["arn:aws:iam::1:role/x", "text"],
        ),
        (
            "ArnEquals",
            json!("arn:aws:iam::*:role/a?"),
            vec!["arn:aws:iam::1:role/ab"],
            vec!["arn:aws:iam::1:role/a", "arn:aws:iam::1:role/AB"],
        ),
        // The user guide's example of what ArnLike does not match and StringLike does.
        (
            "ArnLike",
            json!("arn:aws:s:*:111122223333:finance/*"),
            vec!["arn:aws:s:us-east-2:111122223333:finance/d"],
            vec!["arn:aws:s:us-east-2:999999999999:store/abc:111122223333:finance/d"],
        ),
        (
            "StringLike",
            json!("arn:aws:s:*:111122223333:finance/*"),
            vec!["arn:aws:s:us-east-2:999999999999:store/abc:111122223333:finance/d"],
            vec![],
        ),
        ("ArnLike", json!("*"), vec!["arn:aws:iam::1:root"], vec!["root"]),
        (
            "ArnLike",
            json!("arn:aws:iam:*"),
            vec![],
            vec!["arn:aws:iam::1:root"],
        ),
    ] {
        let negated = match operator {
            "BinaryEquals" | "Bool" => None,
            "IpAddress" => Some("NotIpAddress".to_owned()),
            "StringLike" => Some("StringNotLike".to_owned()),
            "ArnLike" => Some("ArnNotLike".to_owned()),
            other => other
                .ends_with("Equals")
                .then(|| other.replacen("Equals", "NotEquals", 1))
                .filter(|name| !name.contains("Than")),
        }
        .or_else(|| (operator == "StringEqualsIgnoreCase").then(|| "StringNotEqualsIgnoreCase".into()));
        for (values, expected) in [(yes, true), (no, false)] {
            for value in values {
                let case = format!("{operator} {policy} {value:?}");
                assert_eq!(holds(operator, &policy, Some(&[value])), expected, "{case}");
                assert_eq!(
                    holds(&format!("{operator}IfExists"), &policy, Some(&[value])),
                    expected,
                    "{case}"
                );
                if let Some(negated) = &negated {
                    assert_eq!(
                        holds(negated, &policy, Some(&[value])),
                        !expected,
                        "{negated} {case}"
                    );
                }
                // With one value that is no empty text, a quantifier changes nothing.
                if !value.is_empty() {
                    for quantifier in ["ForAllValues", "ForAnyValue"] {
                        let operator = format!("{quantifier}:{operator}");
                        assert_eq!(
                            holds(&operator, &policy, Some(&[value])),
                            expected,
                            "{quantifier} {case}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn one_of_several_values_of_the_policy_is_enough_and_none_may_match_what_is_negated() {
    let values = json!(["a", "b"]);
    for (given, like) in [("a", true), ("b", true), ("c", false)] {
        assert_eq!(holds("StringEquals", &values, Some(&[given])), like, "{given}");
        assert_eq!(
            holds("StringNotEquals", &values, Some(&[given])),
            !like,
            "{given}"
        );
    }
    let ranges = json!(["10.0.0.0/8", "192.168.0.0/16"]);
    assert!(!holds("NotIpAddress", &ranges, Some(&["192.168.3.4"])));
    assert!(holds("NotIpAddress", &ranges, Some(&["8.8.8.8"])));
}

#[test]
fn an_absent_key_satisfies_what_is_negated_if_exists_and_for_all_values() {
    for (operator, holds_absent) in [
        ("StringEquals", false),
        ("StringLike", false),
        ("StringNotEquals", true),
        ("StringNotEqualsIgnoreCase", true),
        ("StringNotLike", true),
        ("NumericLessThan", false),
        ("NumericNotEquals", true),
        ("DateGreaterThan", false),
        ("DateNotEquals", true),
        ("Bool", false),
        ("BinaryEquals", false),
        ("IpAddress", false),
        ("NotIpAddress", true),
        ("ArnLike", false),
        ("ArnNotEquals", true),
        ("ArnNotLike", true),
    ] {
        let value = json!("true");
        assert_eq!(holds(operator, &value, None), holds_absent, "{operator}");
        // A key without a value is absent too.
        assert_eq!(holds(operator, &value, Some(&[])), holds_absent, "{operator}");
        assert!(holds(&format!("{operator}IfExists"), &value, None), "{operator}");
        assert!(
            holds(&format!("ForAllValues:{operator}"), &value, None),
            "{operator}"
        );
        assert!(
            !holds(&format!("ForAnyValue:{operator}"), &value, None),
            "{operator}"
        );
        assert!(
            holds(&format!("ForAnyValue:{operator}IfExists"), &value, None),
            "{operator}"
        );
    }
}

#[test]
fn null_asks_whether_a_key_is_absent() {
    for (asked, absent, present) in [
        (json!("true"), true, false),
        (json!(false), false, true),
        (json!(["true", "false"]), true, true),
        (json!("maybe"), false, false),
    ] {
        assert_eq!(holds("Null", &asked, None), absent, "{asked}");
        assert_eq!(holds("Null", &asked, Some(&[])), absent, "{asked}");
        assert_eq!(holds("Null", &asked, Some(&["x"])), present, "{asked}");
        assert_eq!(holds("Null", &asked, Some(&[""])), present, "{asked}");
    }
}

#[test]
fn quantifiers_look_at_each_value_of_the_request() {
    let policy = json!(["PostDateTime", "Message", "Tags"]);
    for (given, all, any, all_not, any_not) in [
        (vec!["PostDateTime"], true, true, false, false),
        (vec!["PostDateTime", "Message"], true, true, false, false),
        (vec!["PostDateTime", "UserName"], false, true, false, true),
        (vec!["UserName", "Id"], false, false, true, true),
        (vec![], true, false, true, false),
        // Empty text is an empty set, says the user guide.
        (vec![""], true, false, true, false),
        (vec!["", "UserName"], false, false, true, true),
    ] {
        let with = |operator: &str| holds(operator, &policy, Some(&given));
        assert_eq!(with("ForAllValues:StringEquals"), all, "{given:?}");
        assert_eq!(with("ForAnyValue:StringEquals"), any, "{given:?}");
        assert_eq!(with("ForAllValues:StringNotEquals"), all_not, "{given:?}");
        assert_eq!(with("ForAnyValue:StringNotEquals"), any_not, "{given:?}");
    }
}

#[test]
fn without_a_quantifier_one_of_several_values_is_enough_or_too_many() {
    assert!(holds("StringEquals", &json!("a"), Some(&["x", "a"])));
    assert!(!holds("StringNotEquals", &json!("a"), Some(&["x", "a"])));
    assert!(holds("StringNotEquals", &json!("a"), Some(&["x", "y"])));
}

#[test]
fn all_operators_and_all_keys_must_hold_and_keys_have_no_case() {
    let request = Request {
        region: Some("eu-central-1".into()),
        context: [("ec2:InstanceType".to_owned(), vec!["t3.micro".to_owned()])].into(),
        ..call("ec2:RunInstances", "*")
    };
    let with = |condition: Value| denies(&json!({"Condition": condition}), &request);
    assert!(with(
        json!({"StringEquals": {"AWS:requestedregion": "eu-central-1", "EC2:INSTANCETYPE": "t3.micro"}})
    ));
    assert!(!with(
        json!({"StringEquals": {"aws:RequestedRegion": "eu-central-1", "ec2:InstanceType": "t2.micro"}})
    ));
    assert!(!with(json!({
        "StringEquals": {"aws:RequestedRegion": "eu-central-1"},
        "StringNotLike": {"ec2:InstanceType": "t3.*"},
    })));
    assert!(with(json!({
        "StringEquals": {"aws:RequestedRegion": "eu-central-1"},
        "StringNotLike": {"ec2:InstanceType": "t2.*"},
    })));
}

#[test]
fn keys_that_follow_from_the_principal_are_derived_unless_given() {
    let account = |arn: &str| arn.replace("::A:", &format!("::{MEMBER}:"));
    for (principal, key, value) in [
        (
            "arn:aws:iam::A:root",
            "aws:PrincipalArn",
            Some("arn:aws:iam::A:root"),
        ),
        ("arn:aws:iam::A:root", "aws:PrincipalType", Some("Account")),
        ("arn:aws:iam::A:root", "aws:username", None),
        (
            "arn:aws:iam::A:user/team/bob",
            "aws:PrincipalArn",
            Some("arn:aws:iam::A:user/team/bob"),
        ),
        ("arn:aws:iam::A:user/team/bob", "aws:PrincipalType", Some("User")),
        ("arn:aws:iam::A:user/team/bob", "aws:username", Some("bob")),
        (
            "arn:aws:iam::A:user/team/bob",
            "aws:PrincipalAccount",
            Some(MEMBER),
        ),
        ("arn:aws:iam::A:user/team/bob", "aws:userid", None),
        (
            "arn:aws:iam::A:role/team/x",
            "aws:PrincipalArn",
            Some("arn:aws:iam::A:role/team/x"),
        ),
        (
            "arn:aws:iam::A:role/team/x",
            "aws:PrincipalType",
            Some("AssumedRole"),
        ),
        (
            "arn:aws-cn:sts::A:assumed-role/x/bob",
            "aws:PrincipalArn",
            Some("arn:aws-cn:iam::A:role/x"),
        ),
        (
            "arn:aws:sts::A:assumed-role/x/bob",
            "aws:PrincipalType",
            Some("AssumedRole"),
        ),
        ("arn:aws:sts::A:assumed-role/x/bob", "aws:username", None),
        (
            "arn:aws:sts::A:federated-user/bob",
            "aws:PrincipalArn",
            Some("arn:aws:sts::A:federated-user/bob"),
        ),
        (
            "arn:aws:sts::A:federated-user/bob",
            "aws:PrincipalType",
            Some("FederatedUser"),
        ),
        (
            "arn:aws:sts::A:federated-user/bob",
            "aws:PrincipalIsAWSService",
            Some("false"),
        ),
        ("arn:aws:iam::A:role/x", "aws:RequestedRegion", None),
        ("arn:aws:iam::A:role/x", "aws:PrincipalTag/Team", Some("red")),
        ("arn:aws:iam::A:role/x", "aws:PrincipalTag/other", None),
        ("*", "aws:PrincipalType", Some("Anonymous")),
        ("*", "aws:PrincipalArn", None),
    ] {
        let mut request = Request {
            principal: account(principal),
            principal_tags: [("team".to_owned(), "red".to_owned())].into(),
            ..call("s3:GetObject", "*")
        };
        let absent = json!({"Condition": {"Null": {key: "true"}}});
        match value {
            Some(value) => {
                let equal = json!({"Condition": {"StringEquals": {key: account(value)}}});
                assert!(denies(&equal, &request), "{principal} {key}");
            }
            None => assert!(denies(&absent, &request), "{principal} {key}"),
        }
        let given = json!({"Condition": {"StringEquals": {key: "given"}}});
        request.context.insert(key.to_uppercase(), vec!["given".into()]);
        assert!(denies(&given, &request), "{principal} {key}");
        request.context.insert(key.to_uppercase(), vec![]);
        assert!(denies(&absent, &request), "{principal} {key}");
    }
}
