//! `bulkhead policy eval`, as people and pipelines run it.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

fn eval(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bulkhead"))
        .args(["policy", "eval"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn cases() -> Value {
    let full = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "FullAWSAccess", "Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let regions = json!({"Version": "2012-10-17", "Statement": {
    "Sid": "Regions", "Effect": "Deny", "NotAction": ["iam:*", "sts:*"], "Resource": "*",
    "Condition": {
        "StringNotEquals": {"aws:RequestedRegion": ["eu-central-1"]},
        "ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/breakglass"},
    }}});
    let case = |name: &str, role: &str, action: &str, region: &str, expect: &str| {
        json!({
            "name": name,
            "policies": [[full], [full, regions], [full]],
            "request": {
                "principal": format!("arn:aws:sts::111122223333:assumed-role/{role}/me"),
                "action": action, "resource": "*", "region": region,
            },
            "expect": expect,
        })
    };
    let mut management = case(
        "the management account",
        "a",
        "ec2:RunInstances",
        "us-east-1",
        "Allow",
    );
    management["org"] = json!({"managementAccount": "111122223333"});
    let mut listed = case(
        "an \"allow list\"",
        "a",
        "ec2:RunInstances",
        "eu-central-1",
        "Deny",
    );
    listed["policies"] = json!([[full], []]);
    json!([
        case("elsewhere", "app", "ec2:RunInstances", "us-east-1", "Deny"),
        case("at home", "app", "ec2:RunInstances", "eu-central-1", "Allow"),
        case("global", "app", "iam:ListRoles", "us-east-1", "Allow"),
        case("in need", "breakglass", "ec2:RunInstances", "us-east-1", "Allow"),
        management,
        listed,
    ])
}

#[test]
fn each_case_is_a_line_of_json_and_all_that_is_expected_holds() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cases.json");
    std::fs::write(&file, cases().to_string()).unwrap();
    let lines = concat!(
        r#"{"name":"elsewhere","decision":"Deny","by":["Regions"]}"#,
        "\n",
        r#"{"name":"at home","decision":"Allow","by":["FullAWSAccess"]}"#,
        "\n",
        r#"{"name":"global","decision":"Allow","by":["FullAWSAccess"]}"#,
        "\n",
        r#"{"name":"in need","decision":"Allow","by":["FullAWSAccess"]}"#,
        "\n",
        r#"{"name":"the management account","decision":"Allow","by":[]}"#,
        "\n",
        r#"{"name":"an \"allow list\"","decision":"Deny","by":["implicit"]}"#,
        "\n",
    );
    let file = file.to_str().unwrap();
    for (arguments, input) in [
        (vec![file], String::new()),
        (vec![file, "-o", "json"], String::new()),
        (vec!["-"], cases().to_string()),
    ] {
        let output = eval(&arguments, &input);
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        assert_eq!(text(&output.stdout), lines, "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn what_does_not_come_out_as_expected_is_told_and_exit_status_1() {
    let mut cases = cases();
    cases[0]["expect"] = "Allow".into();
    cases[1].as_object_mut().unwrap().remove("expect");
    cases[5]["expect"] = "Allow".into();
    let output = eval(&["-"], &cases.to_string());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout).lines().count(), 6);
    assert_eq!(
        text(&output.stderr),
        "error: \"elsewhere\": expected Allow, is Deny by Regions\n\
         error: \"an \\\"allow list\\\"\": expected Allow, is Deny by implicit\n"
    );
}

#[test]
fn bad_input_is_one_line_with_its_path_and_exit_status_2() {
    let changed = |pointer: &str, name: &str, value: Value| {
        let mut cases = cases();
        cases.pointer_mut(pointer).unwrap()[name] = value;
        cases.to_string()
    };
    for (input, said) in [
        (
            changed("/3/policies/0/0/Statement/0", "Action", json!("everything")),
            "standard input: [3].policies[0][0].Statement[0].Action is \"everything\": must be * or service:Name",
        ),
        (
            changed("/3/policies/1/1/Statement", "NotPrincipal", json!("*")),
            "standard input: [3].policies[1][1].Statement.NotPrincipal is \"*\": NotPrincipal is not allowed",
        ),
        (
            changed("/2", "expects", json!("Deny")),
            "standard input: [2].expects is \"Deny\": there is no such field",
        ),
        (
            r#"[{"name": "a", "name": "b"}]"#.to_owned(),
            "standard input: [0] is \"name\" twice: a name may stand once",
        ),
        (
            "[\n{]".to_owned(),
            "standard input: the document: malformed JSON: key must be a string at line 2",
        ),
    ] {
        let output = eval(&["-"], &input);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(output.stdout.is_empty(), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.starts_with(&format!("error: {said}")), "{told}");
    }
    let output = eval(&["/nonexistent/cases.json"], "");
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(
        told.starts_with("error: /nonexistent/cases.json: No such file"),
        "{told}"
    );
}

#[test]
fn an_empty_list_has_not_passed() {
    let output = eval(&["-"], "[]");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "error: standard input: no cases: the list is empty\n"
    );
}

#[test]
fn the_example_is_decided_as_it_says() {
    let output = eval(&["../../examples/guardrails/cases/instances.json"], "");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let decided: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let by: Vec<&Value> = decided.iter().map(|case| &case["by"]).collect();
    assert_eq!(
        by,
        [&json!(["NoLargeInstances"]), &json!(["implicit"]), &json!([])]
    );
}
