//! The evaluator against what AWS's documentation says, sentence by sentence.

mod cases;
mod conditions;
mod properties;
mod variables;

use super::*;
use serde_json::{Value, json};

const MEMBER: &str = "111122223333";
const FULL: &str = "FullAWSAccess";

fn document(statements: &Value) -> Document {
    let statements = match statements {
        Value::Array(_) => statements.clone(),
        one => json!([one]),
    };
    Document::parse(&json!({"Version": "2012-10-17", "Statement": statements})).unwrap()
}

fn full() -> Document {
    document(&json!({"Sid": FULL, "Effect": "Allow", "Action": "*", "Resource": "*"}))
}

fn role(name: &str) -> String {
    format!("arn:aws:iam::{MEMBER}:role/{name}")
}

/// A call of a role of the member.
fn call(action: &str, resource: &str) -> Request {
    Request {
        principal: role("app"),
        action: action.into(),
        resource: resource.into(),
        ..Request::default()
    }
}

fn decided(levels: &[Vec<Document>], request: &Request) -> (Decision, Vec<String>) {
    let Verdict { decision, by } = evaluate(levels, request, None);
    (decision, by)
}

/// Is the request denied by a statement with these elements, where all else is allowed?
fn denies(elements: &Value, request: &Request) -> bool {
    let mut statement = json!({"Sid": "Tested", "Effect": "Deny", "Action": "*", "Resource": "*"});
    for (name, value) in elements.as_object().unwrap() {
        statement[name] = value.clone();
        if let Some(opposite) = name.strip_prefix("Not") {
            statement.as_object_mut().unwrap().remove(opposite);
        }
    }
    match decided(&[vec![full(), document(&statement)]], request) {
        (Decision::Deny, by) if by == ["Tested"] => true,
        (Decision::Allow, by) if by == [FULL] => false,
        other => panic!("{statement}: {other:?}"),
    }
}

#[test]
fn every_level_needs_an_allow_and_any_deny_decides() {
    let allow = |sid: &str, action: &str| {
        document(&json!({"Sid": sid, "Effect": "Allow", "Action": action, "Resource": "*"}))
    };
    let deny = |sid: &str, action: &str| {
        document(&json!({"Sid": sid, "Effect": "Deny", "Action": action, "Resource": "*"}))
    };
    let get = call("s3:GetObject", "arn:aws:s3:::bucket/key");
    use Decision::{Allow, Deny};
    for (levels, decision, by) in [
        (vec![], Deny, vec!["implicit"]),
        (vec![vec![]], Deny, vec!["implicit"]),
        (vec![vec![full()]], Allow, vec![FULL]),
        (vec![vec![full()], vec![]], Deny, vec!["implicit"]),
        (vec![vec![], vec![full()]], Deny, vec!["implicit"]),
        // Each level that allows is told, each statement once.
        (
            vec![vec![full()], vec![full()], vec![allow("Reads", "s3:Get*")]],
            Allow,
            vec![FULL, "Reads"],
        ),
        // An allow list: what it does not name is denied, whatever the other levels allow.
        (
            vec![vec![full()], vec![allow("Ec2", "ec2:*")], vec![full()]],
            Deny,
            vec!["implicit"],
        ),
        // Within one level they add up.
        (
            vec![vec![full()], vec![allow("Ec2", "ec2:*"), allow("S3", "s3:*")]],
            Allow,
            vec![FULL, "S3"],
        ),
        // A deny at any level.
        (
            vec![vec![full(), deny("Root", "s3:*")], vec![full()]],
            Deny,
            vec!["Root"],
        ),
        (
            vec![vec![full()], vec![full(), deny("Leaf", "s3:*")]],
            Deny,
            vec!["Leaf"],
        ),
        (
            vec![
                vec![full(), deny("Root", "s3:*")],
                vec![full()],
                vec![deny("Leaf", "*"), full()],
            ],
            Deny,
            vec!["Root", "Leaf"],
        ),
        // A deny is told even where nothing allows.
        (vec![vec![deny("Root", "*")], vec![]], Deny, vec!["Root"]),
        (vec![vec![full(), deny("Other", "ec2:*")]], Allow, vec![FULL]),
    ] {
        let by: Vec<String> = by.into_iter().map(str::to_owned).collect();
        assert_eq!(decided(&levels, &get), (decision, by), "{levels:?}");
    }
}

#[test]
fn a_statement_without_a_sid_is_named_by_its_place() {
    let unnamed = document(&json!([
        {"Sid": "Named", "Effect": "Deny", "Action": "ec2:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:*", "Resource": "*"},
    ]));
    let levels = [vec![full()], vec![full(), unnamed]];
    let request = call("s3:GetObject", "*");
    assert_eq!(
        decided(&levels, &request),
        (Decision::Deny, vec!["#1.1.1".into()])
    );
}

#[test]
fn an_allow_may_have_conditions_and_be_about_everything_else() {
    let allow = |elements: Value| {
        let mut statement = json!({"Sid": "Tested", "Effect": "Allow"});
        statement
            .as_object_mut()
            .unwrap()
            .extend(elements.as_object().unwrap().clone());
        vec![vec![full()], vec![document(&statement)]]
    };
    let in_region = |region: &str| Request {
        region: Some(region.into()),
        ..call("ec2:RunInstances", "*")
    };
    let only_eu = allow(json!({"Action": "*", "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}}));
    assert_eq!(decided(&only_eu, &in_region("eu-central-1")).0, Decision::Allow);
    assert_eq!(
        decided(&only_eu, &in_region("us-east-1")),
        (Decision::Deny, vec!["implicit".into()])
    );
    let but_iam = allow(json!({"NotAction": "iam:*", "Resource": "*"}));
    assert_eq!(decided(&but_iam, &call("s3:GetObject", "*")).0, Decision::Allow);
    assert_eq!(decided(&but_iam, &call("iam:GetRole", "*")).0, Decision::Deny);
    let but_one = allow(json!({"Action": "s3:*", "NotResource": "arn:aws:s3:::secret/*"}));
    assert_eq!(
        decided(&but_one, &call("s3:GetObject", "arn:aws:s3:::open/a")).0,
        Decision::Allow
    );
    assert_eq!(
        decided(&but_one, &call("s3:GetObject", "arn:aws:s3:::secret/a")).0,
        Decision::Deny
    );
}

#[test]
fn actions_match_with_wildcards_anywhere_and_without_case() {
    for (pattern, action, covered) in [
        ("*", "s3:GetObject", true),
        ("*:*", "s3:GetObject", true),
        ("s3:*", "s3:GetObject", true),
        ("s3:*", "s3-outposts:GetObject", false),
        ("S3:GETOBJECT", "s3:GetObject", true),
        ("s3:getobject", "S3:GetObject", true),
        ("s3:Get*", "s3:PutObject", false),
        ("s3:*Object", "s3:GetObject", true),
        ("s3:*Object", "s3:GetObjectAcl", false),
        ("s3:*Object*", "s3:GetObjectAcl", true),
        ("iam:*AccessKey*", "iam:CreateAccessKey", true),
        ("ec2:?etachVolume", "ec2:DetachVolume", true),
        ("ec2:?etachVolume", "ec2:etachVolume", false),
        ("s?s:*", "sqs:SendMessage", true),
        ("s*:Get*", "sts:GetCallerIdentity", true),
        ("s3:GetObject", "s3:GetObjectAcl", false),
    ] {
        let request = call(action, "*");
        assert_eq!(
            denies(&json!({"Action": pattern}), &request),
            covered,
            "{pattern} {action}"
        );
        assert_eq!(
            denies(&json!({"NotAction": pattern}), &request),
            !covered,
            "not {pattern} {action}"
        );
    }
    let several = json!({"Action": ["ec2:*", "s3:Get*"]});
    assert!(denies(&several, &call("s3:GetObject", "*")));
    let none_of = json!({"NotAction": ["ec2:*", "s3:Get*"]});
    assert!(!denies(&none_of, &call("ec2:RunInstances", "*")));
    assert!(denies(&none_of, &call("iam:GetRole", "*")));
}

#[test]
fn resources_match_with_case_and_a_wildcard_stays_in_its_part_unless_it_ends_it() {
    for (pattern, resource, covered) in [
        ("*", "*", true),
        ("*", "arn:aws:s3:::bucket", true),
        // An action without resources is about *, which no ARN covers.
        ("arn:aws:s3:::*", "*", false),
        ("arn:aws:s3:::bucket", "arn:aws:s3:::bucket", true),
        ("arn:aws:s3:::Bucket", "arn:aws:s3:::bucket", false),
        ("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/a/b", true),
        ("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket", false),
        // The user guide's own list for bucket/*/test/*.
        (
            "arn:aws:s3:::b/*/test/*",
            "arn:aws:s3:::b/1/test/object.jpg",
            true,
        ),
        (
            "arn:aws:s3:::b/*/test/*",
            "arn:aws:s3:::b/1/2/3/test/4/object.jpg",
            true,
        ),
        (
            "arn:aws:s3:::b/*/test/*",
            "arn:aws:s3:::b/1///test///object.jpg",
            true,
        ),
        ("arn:aws:s3:::b/*/test/*", "arn:aws:s3:::b//test/object.jpg", true),
        ("arn:aws:s3:::b/*/test/*", "arn:aws:s3:::b/1/test/", true),
        (
            "arn:aws:s3:::b/*/test/*",
            "arn:aws:s3:::b/1-test/object.jpg",
            false,
        ),
        ("arn:aws:s3:::b/*/test/*", "arn:aws:s3:::b/test/object.jpg", false),
        (
            "arn:aws:iam::*:role/admin",
            "arn:aws:iam::111122223333:role/admin",
            true,
        ),
        (
            "arn:*:iam::*:role/admin",
            "arn:aws-cn:iam::111122223333:role/admin",
            true,
        ),
        (
            "arn:aws:iam::11112222333?:role/a",
            "arn:aws:iam::111122223333:role/a",
            true,
        ),
        (
            "arn:aws:ec2:us-*-1:*:instance/*",
            "arn:aws:ec2:us-east-1:1:instance/i-1",
            true,
        ),
        (
            "arn:aws:ec2:us-*-1:*:instance/*",
            "arn:aws:ec2:us-east-2:1:instance/i-1",
            false,
        ),
        // A * within a part does not pass a colon, one at its end does.
        (
            "arn:aws:ec2:us*1:1:instance/i",
            "arn:aws:ec2:us-east-2:x:1:1:instance/i",
            false,
        ),
        (
            "arn:aws:ec2:us*:instance/i",
            "arn:aws:ec2:us-east-2:1:instance/i",
            true,
        ),
        ("arn:aws:ec2:*:i*x:?", "arn:aws:ec2:a:b:ix:y", true),
        ("arn:aws:iam:?:1:role/a", "arn:aws:iam:::1:role/a", false),
        ("arn:aws:s3*", "arn:aws:s3:::bucket/key", true),
        // The sixth part is one, its colons included.
        (
            "arn:aws:logs:*:*:log-group:a*z:*",
            "arn:aws:logs:r:1:log-group:a:b:z:stream",
            true,
        ),
        (
            "arn:aws:lambda:r:1:function:f",
            "arn:aws:lambda:r:1:function:f:live",
            false,
        ),
        (
            "arn:aws:lambda:r:1:function:f?live",
            "arn:aws:lambda:r:1:function:f:live",
            true,
        ),
    ] {
        let request = call("s3:GetObject", resource);
        assert_eq!(
            denies(&json!({"Resource": pattern}), &request),
            covered,
            "{pattern} {resource}"
        );
        assert_eq!(
            denies(&json!({"NotResource": pattern}), &request),
            !covered,
            "not {pattern} {resource}"
        );
    }
}

#[test]
fn the_management_account_and_service_linked_roles_are_exempt() {
    let nothing = [vec![document(
        &json!({"Effect": "Deny", "Action": "*", "Resource": "*"}),
    )]];
    let organization = Organization {
        management_account: AccountId::parse("999988887777").unwrap(),
    };
    let by = |principal: &str, arn: Option<&str>| {
        let mut request = Request {
            principal: principal.into(),
            ..call("s3:GetObject", "*")
        };
        if let Some(arn) = arn {
            request
                .context
                .insert("AWS:principalarn".into(), vec![arn.into()]);
        }
        evaluate(&nothing, &request, Some(&organization)).by
    };
    let linked = "arn:aws:iam::111122223333:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX";
    for exempt in [
        "arn:aws:iam::999988887777:root",
        "arn:aws:iam::999988887777:user/someone",
        "arn:aws:sts::999988887777:assumed-role/admin/session",
        linked,
        "arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForX/session",
    ] {
        assert_eq!(by(exempt, None), ["exempt"], "{exempt}");
    }
    let session = "arn:aws:sts::111122223333:assumed-role/SomeRole/session";
    assert_eq!(by(session, Some(linked)), ["exempt"]);
    for bound in [
        "arn:aws:iam::111122223333:root",
        "arn:aws:iam::111122223333:role/team/aws-service-role/AWSServiceRoleForX",
        "arn:aws:iam::111122223333:user/aws-service-role/x",
        session,
    ] {
        assert_eq!(by(bound, None), ["#0.0.0"], "{bound}");
    }
    // What the context tells of the role goes before its session's name.
    let imposter = "arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForX/session";
    assert_eq!(by(imposter, Some(&role("team/AWSServiceRoleForX"))), ["#0.0.0"]);
    let management = Request {
        principal: "arn:aws:iam::999988887777:root".into(),
        ..call("s3:GetObject", "*")
    };
    assert_eq!(evaluate(&nothing, &management, None).by, ["#0.0.0"]);
}
