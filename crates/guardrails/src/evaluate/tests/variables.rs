//! Policy variables.

use super::*;

/// A call of the user bob, in whose context `k` is this.
fn bobs(k: &str, resource: &str) -> Request {
    Request {
        principal: format!("arn:aws:iam::{MEMBER}:user/bob"),
        principal_tags: [("dept".to_owned(), "a*".to_owned())].into(),
        context: [
            ("k".to_owned(), vec![k.to_owned()]),
            ("many".to_owned(), vec!["bob".to_owned(), "eve".to_owned()]),
        ]
        .into(),
        ..call("s3:GetObject", resource)
    }
}

#[test]
fn variables_stand_for_values_of_the_request_in_texts_and_arns() {
    for (operator, policy, given, expected) in [
        ("StringEquals", "${aws:username}", "bob", true),
        ("StringEquals", "${AWS:UserName}", "bob", true),
        ("StringEquals", "${aws:username}", "eve", false),
        ("StringEqualsIgnoreCase", "X-${aws:username}", "x-BOB", true),
        ("StringLike", "home/${aws:username}/*", "home/bob/x", true),
        ("StringLike", "home/${aws:username}/*", "home/eve/x", false),
        (
            "ArnLike",
            "arn:aws:iam::*:role/${aws:username}",
            "arn:aws:iam::1:role/bob",
            true,
        ),
        (
            "ArnEquals",
            "${aws:PrincipalArn}",
            "arn:aws:iam::111122223333:user/bob",
            true,
        ),
        ("StringNotEquals", "${aws:username}", "bob", false),
        // Defaults.
        ("StringEquals", "${aws:userid, 'nobody'}", "nobody", true),
        ("StringEquals", "${aws:username, 'nobody'}", "bob", true),
        ("StringEquals", "${aws:userid,''}", "", true),
        // What comes out of a variable is no wildcard.
        ("StringLike", "${aws:PrincipalTag/dept}", "a*", true),
        ("StringLike", "${aws:PrincipalTag/dept}", "abc", false),
        // The characters themselves.
        ("StringLike", "a${*}", "a*", true),
        ("StringLike", "a${*}", "ab", false),
        ("StringLike", "a${?}", "a?", true),
        ("StringLike", "a${?}", "ab", false),
        ("StringEquals", "${$}{aws:username}", "${aws:username}", true),
        // Unresolved: no match, so what is negated holds.
        ("StringEquals", "${aws:userid}", "", false),
        ("StringLike", "*${aws:userid}", "x", false),
        ("StringNotEquals", "${aws:userid}", "x", true),
        // A key with several values is no variable.
        ("StringEquals", "${many}", "bob", false),
        // No end, so no variable.
        ("StringEquals", "${aws:username", "${aws:username", true),
    ] {
        let condition = json!({"Condition": {operator: {"k": policy}}});
        assert_eq!(
            denies(&condition, &bobs(given, "*")),
            expected,
            "{operator} {policy} {given}"
        );
    }
}

#[test]
fn variables_are_replaced_in_the_last_part_of_a_resource() {
    for (pattern, resource, covered) in [
        ("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/bob/x", true),
        ("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/eve/x", false),
        ("arn:aws:s3:::b/${aws:userid}/*", "arn:aws:s3:::b/x/x", false),
        ("arn:aws:s3:::b/${aws:userid, 'x'}/*", "arn:aws:s3:::b/x/x", true),
        ("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/*", true),
        ("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/x", false),
        ("arn:aws:${k}:::b", "arn:aws:s3:::b", false),
    ] {
        let request = bobs("s3", resource);
        assert_eq!(
            denies(&json!({"Resource": pattern}), &request),
            covered,
            "{pattern} {resource}"
        );
        assert_eq!(
            denies(&json!({"NotResource": pattern}), &request),
            !covered,
            "{pattern} {resource}"
        );
    }
}

#[test]
fn other_versions_have_no_variables() {
    for version in [json!({"Version": "2008-10-17"}), json!({})] {
        let mut value = version.clone();
        value["Statement"] = json!({"Sid": "Tested", "Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": {"StringEquals": {"k": "${aws:username}"}}});
        let levels = [vec![full(), Document::parse(&value).unwrap()]];
        assert_eq!(decided(&levels, &bobs("bob", "*")).0, Decision::Allow);
        assert_eq!(decided(&levels, &bobs("${aws:username}", "*")).0, Decision::Deny);
    }
}
