//! The evaluator on its own.

use orgsim::{ScpVerdict, evaluate_scp_cases};
use serde_json::{Value, json};

const USER: &str = "arn:aws:iam::222222222222:user/path/ann";
const SESSION: &str = "arn:aws:sts::222222222222:assumed-role/Admin/ann";

fn full() -> Value {
    policy(&json!({"Effect": "Allow", "Action": "*", "Resource": "*"}))
}

fn policy(statement: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statement})
}

fn decide(policies: &Value, request: &Value) -> ScpVerdict {
    let case = json!([{"name": "x", "policies": policies, "request": request,
        "org": {"managementAccount": "111111111111"}}]);
    evaluate_scp_cases(&case.to_string()).unwrap().remove(0)
}

/// Whether a request of this principal is denied by a statement with this condition.
fn denied(principal: &str, condition: &Value, context: &Value) -> bool {
    let deny = json!({"Sid": "no", "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition});
    let request = json!({"principal": principal, "principalTags": {"Team": "blue"}, "action": "s3:GetObject",
        "resource": "arn:aws:s3:::bucket/blue/key", "region": "eu-central-1", "context": context});
    decide(&json!([[full(), policy(&deny)]]), &request).decision == "Deny"
}

#[test]
fn levels_and_statements() {
    let allow_s3 = policy(&json!({"Effect": "Allow", "Action": "S3:get*", "Resource": "arn:aws:s3:::*"}));
    let deny = policy(&json!([
        {"Sid": "Outside", "Effect": "Deny", "NotAction": ["s3:*", "iam:*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:*", "NotResource": ["arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket"]},
    ]));
    let request =
        |action: &str, resource: &str| json!({"principal": USER, "action": action, "resource": resource});
    let object = "arn:aws:s3:::bucket/key";
    for (policies, request, decision, by) in [
        (
            json!([]),
            request("s3:GetObject", object),
            "Deny",
            &["implicit"][..],
        ),
        (
            json!([[]]),
            request("s3:GetObject", object),
            "Deny",
            &["implicit"],
        ),
        (
            json!([[full()], [full()]]),
            request("s3:GetObject", object),
            "Allow",
            &[],
        ),
        (
            json!([[full()], [], [full()]]),
            request("s3:GetObject", object),
            "Deny",
            &["implicit"],
        ),
        (
            json!([[full()], [allow_s3, full()]]),
            request("iam:GetRole", "*"),
            "Allow",
            &[],
        ),
        (
            json!([[full()], [allow_s3]]),
            request("iam:GetRole", "*"),
            "Deny",
            &["implicit"],
        ),
        (
            json!([[full()], [allow_s3]]),
            request("s3:GETOBJECT", object),
            "Allow",
            &[],
        ),
        (
            json!([[full()], [allow_s3]]),
            request("s3:PutObject", object),
            "Deny",
            &["implicit"],
        ),
        (
            json!([[deny, full()], [full()]]),
            request("ec2:RunInstances", "*"),
            "Deny",
            &["Outside"],
        ),
        (
            json!([[full()], [full(), deny]]),
            request("iam:GetRole", "*"),
            "Allow",
            &[],
        ),
        (
            json!([[full()], [full(), deny]]),
            request("s3:GetObject", object),
            "Allow",
            &[],
        ),
        (
            json!([[full()], [full(), deny]]),
            request("s3:GetObject", "arn:aws:s3:::other/key"),
            "Deny",
            &["level 1, policy 1, statement 1"],
        ),
        (
            json!([[deny]]),
            request("ec2:RunInstances", "*"),
            "Deny",
            &["Outside"],
        ),
    ] {
        let verdict = decide(&policies, &request);
        assert_eq!(verdict.decision, decision, "{policies} {request}");
        assert_eq!(verdict.by, by, "{policies} {request}");
    }
}

#[test]
fn on_whom_nothing_acts() {
    for (principal, decision) in [
        ("arn:aws:iam::111111111111:user/root-admin", "Allow"),
        ("arn:aws:sts::111111111111:assumed-role/Admin/x", "Allow"),
        (
            "arn:aws:iam::222222222222:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX",
            "Allow",
        ),
        (
            "arn:aws:sts::222222222222:assumed-role/AWSServiceRoleForX/y",
            "Allow",
        ),
        ("arn:aws:iam::222222222222:role/service-role/x", "Deny"),
        ("arn:aws:iam::222222222222:root", "Deny"),
        (SESSION, "Deny"),
    ] {
        let request = json!({"principal": principal, "action": "s3:GetObject"});
        let verdict = decide(&json!([[]]), &request);
        assert_eq!(verdict.decision, decision, "{principal}");
        let by = if decision == "Allow" { "exempt" } else { "implicit" };
        assert_eq!(verdict.by, [by], "{principal}");
    }
}

#[test]
fn the_context_knows_the_path_of_a_role() {
    let decided = |principal: &str, arn: &str| {
        let request =
            json!({"principal": principal, "action": "s3:GetObject", "context": {"aws:principalArn": [arn]}});
        decide(&json!([[]]), &request).by
    };
    let linked = "arn:aws:iam::222222222222:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX";
    assert_eq!(decided(SESSION, linked), ["exempt"]);
    let session = "arn:aws:sts::222222222222:assumed-role/AWSServiceRoleForX/y";
    let imposter = "arn:aws:iam::222222222222:role/team/AWSServiceRoleForX";
    assert_eq!(decided(session, imposter), ["implicit"]);
}

#[test]
fn what_follows_from_the_request() {
    let equals = |key: &str, value: &str| json!({"StringEquals": {key: value}});
    for (principal, condition, expected) in [
        (
            SESSION,
            equals("aws:PrincipalArn", "arn:aws:iam::222222222222:role/Admin"),
            true,
        ),
        (USER, equals("AWS:principalarn", USER), true),
        (SESSION, equals("aws:PrincipalAccount", "222222222222"), true),
        (SESSION, equals("aws:PrincipalType", "AssumedRole"), true),
        (USER, equals("aws:PrincipalType", "User"), true),
        (
            "arn:aws:iam::222222222222:root",
            equals("aws:PrincipalType", "Account"),
            true,
        ),
        (USER, equals("aws:username", "ann"), true),
        (USER, equals("aws:PrincipalIsAWSService", "false"), true),
        (SESSION, json!({"Null": {"aws:username": "true"}}), true),
        (USER, equals("aws:RequestedRegion", "eu-central-1"), true),
        (USER, equals("aws:PrincipalTag/team", "blue"), true),
        (USER, json!({"Null": {"aws:SourceIp": "true"}}), true),
        (
            USER,
            equals("aws:PrincipalTag/Team", "${aws:PrincipalTag/Team}"),
            true,
        ),
    ] {
        assert_eq!(denied(principal, &condition, &json!({})), expected, "{condition}");
    }
    let overridden = json!({"aws:principalARN": ["arn:aws:iam::1:role/x"], "aws:PrincipalTag/Team": "red"});
    assert!(denied(
        USER,
        &equals("aws:PrincipalArn", "arn:aws:iam::1:role/x"),
        &overridden
    ));
    assert!(denied(USER, &equals("aws:PrincipalTag/Team", "red"), &overridden));
}

#[test]
fn conditions_are_all_needed() {
    let both = json!({"StringEquals": {"aws:RequestedRegion": "eu-central-1", "aws:username": "bob"}});
    assert!(!denied(USER, &both, &json!({})));
    assert!(denied(USER, &both, &json!({"aws:username": ["bob"]})));
    let operators = json!({"StringEquals": {"aws:username": "ann"}, "Bool": {"aws:SecureTransport": false}});
    assert!(!denied(USER, &operators, &json!({})));
    assert!(denied(USER, &operators, &json!({"aws:SecureTransport": [false]})));
    let numeric = json!({"NumericGreaterThan": {"s3:max-keys": 10}});
    assert!(denied(USER, &numeric, &json!({"s3:max-keys": 11})));
}

#[test]
fn variables_in_resources() {
    let of = |version: &str, resource: &str, tags: Value| {
        let policy = json!({"Version": version, "Statement": {"Effect": "Allow", "Action": "*", "Resource": resource}});
        let request = json!({"principal": USER, "principalTags": tags, "action": "s3:GetObject",
            "resource": "arn:aws:s3:::bucket/blue/key"});
        decide(&json!([[policy]]), &request).decision
    };
    let resource = "arn:aws:s3:::bucket/${aws:PrincipalTag/Team}/*";
    assert_eq!(of("2012-10-17", resource, json!({"Team": "blue"})), "Allow");
    assert_eq!(of("2012-10-17", resource, json!({"Team": "red"})), "Deny");
    assert_eq!(of("2012-10-17", resource, json!({})), "Deny");
    assert_eq!(of("2008-10-17", resource, json!({"Team": "blue"})), "Deny");
    let default = "arn:aws:s3:::bucket/${aws:PrincipalTag/Team, 'blue'}/*";
    assert_eq!(of("2012-10-17", default, json!({})), "Allow");
}

#[test]
fn expectations_and_names() {
    let request = json!({"principal": USER, "action": "s3:GetObject"});
    let cases = json!([
        {"name": "holds", "policies": [[full()]], "request": request, "expect": "Allow"},
        {"name": "fails", "policies": [[full()]], "request": request, "expect": "Deny"},
        {"policies": [[full()]], "request": request},
    ]);
    let verdicts = evaluate_scp_cases(&cases.to_string()).unwrap();
    let brief: Vec<_> = verdicts
        .iter()
        .map(|verdict| (verdict.name.as_str(), verdict.as_expected))
        .collect();
    assert_eq!(
        brief,
        [("holds", Some(true)), ("fails", Some(false)), ("case 2", None)]
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let request = json!({"principal": USER, "action": "s3:GetObject"});
    let of = |policy: Value| {
        json!([{"name": "x", "policies": [[full()], [policy]], "request": request}]).to_string()
    };
    for (cases, place, rule) in [
        ("{".to_owned(), "cases", "JSON list"),
        (json!([{"policies": []}]).to_string(), "case 0", "request"),
        (of(json!([])), "case 0, level 1, policy 0", "JSON object"),
        (
            of(json!({"Version": "2012-10-17"})),
            "case 0, level 1, policy 0",
            "Statement must be",
        ),
        (
            of(policy(
                &json!({"Effect": "Deny", "NotPrincipal": "*", "Action": "*", "Resource": "*"}),
            )),
            "case 0, level 1, policy 0",
            "NotPrincipal is not supported",
        ),
        (
            of(policy(&json!([{"Effect": "Deny", "Action": "*"}]))),
            "case 0, level 1, policy 0",
            "statement 0: needs either Resource or NotResource",
        ),
        (
            of(policy(
                &json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Is": {"a": "b"}}}),
            )),
            "case 0, level 1, policy 0",
            "Is is not a condition operator",
        ),
        (
            json!([{"policies": [], "request": {"principal": USER, "action": "a:b", "context": {"k": {}}}}])
                .to_string(),
            "case 0, context k",
            "list of values",
        ),
    ] {
        let error = evaluate_scp_cases(&cases).unwrap_err();
        assert_eq!(error.place, place, "{cases}");
        assert!(error.rule.contains(rule), "{cases}: {error}");
    }
}
