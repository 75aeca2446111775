use super::*;
use serde_json::{Value, json};

fn role() -> RoleName {
    RoleName::parse("Access").unwrap()
}

/// A policy of somebody's own with one statement, which stands at `policies[mine].document.Statement[0]`.
fn own(statement: &Value) -> CompiledPolicy {
    from("policies[mine].document.Statement[0]", statement)
}

fn from(origin: &str, statement: &Value) -> CompiledPolicy {
    CompiledPolicy {
        policy_type: PolicyType::service_control(),
        text: json!({"Version": "2012-10-17", "Statement": [statement]}).to_string(),
        parts: vec!["policies[mine]".to_owned()],
        origins: vec![origin.to_owned()],
    }
}

fn proven(policies: &[CompiledPolicy], exempt: &[&str], assertions: &[Assertion]) -> Result<(), String> {
    let exempt: Vec<String> = exempt.iter().map(|&pattern| pattern.to_owned()).collect();
    prove(policies, &role(), &exempt, assertions).map_err(|blame| blame.to_string())
}

fn all() -> Value {
    json!({"Sid": "all", "Effect": "Deny", "Action": "*", "Resource": "*"})
}

fn all_if(condition: &Value) -> Value {
    json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition})
}

fn but_roles() -> Value {
    json!({"Sid": "butRoles", "Effect": "Deny", "Action": ["s3:Put*", "iam:*"], "Resource": "*", "Condition": {
        "ArnNotLike": {"aws:PrincipalArn": ["arn:aws:iam::*:role/Access", "arn:aws:iam::*:role/break-glass"]},
    }})
}

fn leave() -> CompiledPolicy {
    let statement = json!({"Effect": "Deny", "Action": "organizations:LeaveOrganization", "Resource": "*"});
    from("guardrails[denyLeaveOrganization]", &statement)
}

const BREAK_GLASS: &str = "arn:aws:iam::*:role/break-glass";

#[test]
fn a_policy_that_shuts_the_operator_out_is_refused_with_its_place() {
    let said = proven(&[own(&all())], &[], &[]).unwrap_err();
    let expected = "policies[mine].document.Statement[0] denies the operator's role ";
    assert!(said.starts_with(expected), "{said}");
    assert!(said.contains("organizations:DescribeOrganization"), "{said}");
    assert_eq!(proven(&[own(&but_roles()), leave()], &[], &[]), Ok(()));
}

#[test]
fn a_denial_under_a_condition_is_one_unless_the_condition_excludes_the_caller() {
    for condition in [
        json!({"Bool": {"aws:SecureTransport": "true"}}),
        json!({"StringEquals": {"aws:PrincipalOrgID": "o-aa111bb222"}}),
        json!({"Bool": {"aws:MultiFactorAuthPresent": "false"}}),
        json!({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
        json!({"StringEquals": {"aws:PrincipalAccount": "111122223333"}}),
        json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/*"}}),
        json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/*"}}),
        json!({"Null": {"aws:username": "true"}}),
        json!({"StringLike": {"aws:PrincipalArn": "${aws:PrincipalTag/arn}"}}),
    ] {
        let policies = [own(&all_if(&condition))];
        assert!(proven(&policies, &[], &[]).is_err(), "{condition}");
        assert!(proven(&policies, &[BREAK_GLASS], &[]).is_err(), "{condition}");
    }
    for condition in [
        json!({"Bool": {"aws:SecureTransport": "false"}}),
        json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-aa111bb222"}}),
        json!({"StringNotEqualsIfExists": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}}),
        json!({"Bool": {"aws:PrincipalIsAWSService": "true"}}),
        json!({"StringLike": {"aws:username": "*"}}),
        json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}}),
        // One condition that excludes them is enough.
        json!({"Bool": {"aws:MultiFactorAuthPresent": "false"}, "ArnNotLike": {"aws:PrincipalArn": [
            "arn:aws:iam::*:role/Access", BREAK_GLASS,
        ]}}),
    ] {
        assert_eq!(
            proven(&[own(&all_if(&condition))], &[BREAK_GLASS], &[]),
            Ok(()),
            "{condition}"
        );
    }
}

#[test]
fn the_operator_calls_one_region_and_exempt_principals_call_any() {
    for (condition, operator) in [
        (
            json!({"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "eu-central-1"]}}),
            true,
        ),
        (
            json!({"StringNotEquals": {"aws:RequestedRegion": ["us-east-1"]}}),
            true,
        ),
        (
            json!({"StringNotEquals": {"aws:RequestedRegion": ["eu-west-1"]}}),
            false,
        ),
    ] {
        let policies = [own(&all_if(&condition))];
        assert_eq!(proven(&policies, &[], &[]).is_ok(), operator, "{condition}");
        assert!(proven(&policies, &[BREAK_GLASS], &[]).is_err(), "{condition}");
    }
}

#[test]
fn exempt_principals_may_what_others_may_not() {
    let policies = [own(&but_roles()), leave()];
    assert_eq!(proven(&policies, &[BREAK_GLASS], &[]), Ok(()));
    let said = proven(&policies, &["arn:aws:iam::*:role/audit"], &[]).unwrap_err();
    let expected = "policies[mine].document.Statement[0] denies the exempt principal \
                    arn:aws:iam::123456789012:role/audit s3:Put*, which must stay possible whatever else holds";
    assert_eq!(said, expected);
}

#[test]
fn a_sid_makes_no_guardrail() {
    let mut statement = all_if(&json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Access"}}));
    statement["Sid"] = json!("denyRootUser7");
    assert!(proven(&[own(&statement)], &[BREAK_GLASS], &[]).is_err());
}

#[test]
fn an_assertion_that_does_not_hold_names_what_decides() {
    let asked = |allow, principal: &str, action: &str| Assertion {
        name: "a".into(),
        allow,
        principal: principal.into(),
        action: action.into(),
        resource: "*".into(),
        region: None,
        context: BTreeMap::new(),
    };
    let policies = [own(&but_roles())];
    let dev = "arn:aws:iam::*:role/dev";
    for assertion in [
        asked(false, dev, "iam:CreateRole"),
        asked(true, BREAK_GLASS, "iam:CreateRole"),
    ] {
        assert_eq!(proven(&policies, &[], &[assertion]), Ok(()));
    }
    let denied = proven(&policies, &[], &[asked(true, dev, "iam:CreateRole")]).unwrap_err();
    let expected = "expects Allow, and policies[mine].document.Statement[0] denies";
    assert!(denied.contains(expected), "{denied}");
    let allowed = proven(&policies, &[], &[asked(false, dev, "ec2:RunInstances")]).unwrap_err();
    let expected = "expects Deny, and statement FullAWSAccess allows";
    assert!(allowed.contains(expected), "{allowed}");
}

#[test]
fn regions_are_what_every_limit_leaves() {
    let limit = |regions: Value| {
        let statement = json!({"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {
            "StringNotEquals": {"aws:RequestedRegion": regions},
        }});
        Document::parse(&json!({"Version": "2012-10-17", "Statement": [statement]})).unwrap()
    };
    let none = Document::parse(&json!({"Version": "2012-10-17", "Statement": [all()]})).unwrap();
    assert_eq!(regions(&[none]), None);
    let both = [
        limit(json!(["eu-west-1", "eu-central-1"])),
        limit(json!(["eu-west-1", "us-east-1"])),
    ];
    assert_eq!(regions(&both), Some(BTreeSet::from(["eu-west-1".to_owned()])));
}
