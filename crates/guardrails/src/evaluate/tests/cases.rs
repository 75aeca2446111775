//! Cases are read strictly: what is wrong is named by its path.

use super::*;

fn sound() -> Value {
    json!([{
        "name": "nobody leaves",
        "policies": [
            [full().to_value()],
            [full().to_value(), {"Version": "2012-10-17", "Statement": {
                "Sid": "Stay", "Effect": "Deny", "Action": "organizations:LeaveOrganization", "Resource": "*",
            }}],
        ],
        "request": {
            "principal": "arn:aws:sts::111122223333:assumed-role/admin/me",
            "principalTags": {"team": "a"},
            "action": "organizations:LeaveOrganization",
            "resource": "*",
            "region": "us-east-1",
            "context": {"aws:ViaAWSService": ["false"], "k": [true, 7]},
        },
        "org": {"managementAccount": "999988887777"},
        "expect": "Deny",
    }])
}

#[test]
fn a_case_is_read_with_all_its_fields() {
    let cases = Case::parse_list(&sound().to_string()).unwrap();
    let [case] = cases.as_slice() else {
        panic!("{cases:?}")
    };
    assert_eq!(case.name, "nobody leaves");
    assert_eq!(case.expect, Some(Decision::Deny));
    assert_eq!(case.request.region.as_deref(), Some("us-east-1"));
    assert_eq!(case.request.principal_tags["team"], "a");
    assert_eq!(case.request.context["k"], ["true", "7"]);
    assert_eq!(
        case.verdict(),
        Verdict {
            decision: Decision::Deny,
            by: vec!["Stay".into()]
        }
    );
    let mut least = sound();
    least[0]["request"] = json!({
        "principal": "arn:aws:iam::999988887777:root", "action": "s3:GetObject", "resource": "*",
    });
    assert_eq!(
        Case::parse_list(&least.to_string()).unwrap()[0].verdict().by,
        ["exempt"]
    );
    least[0]
        .as_object_mut()
        .unwrap()
        .retain(|name, _| !["org", "expect"].contains(&name.as_str()));
    assert_eq!(
        Case::parse_list(&least.to_string()).unwrap()[0].verdict().by,
        [FULL]
    );
    assert_eq!(Case::parse_list("[]").unwrap(), []);
}

#[test]
fn a_case_that_is_wrong_is_refused_with_its_path() {
    for (pointer, value, said) in [
        (
            "/0/policies/1/1/Statement/Action",
            json!("organizations"),
            "[0].policies[1][1].Statement.Action is \"organizations\": must be * or service:Name",
        ),
        (
            "/0/policies/1/1/Statement/Principal",
            json!("*"),
            "[0].policies[1][1].Statement[0].Principal is \"*\": service control policies",
        ),
        (
            "/0/policies/0",
            json!({}),
            "[0].policies[0] is {}: must be a list of documents",
        ),
        (
            "/0/policies",
            json!("*"),
            "[0].policies is \"*\": must be a list with a list",
        ),
        (
            "/0/expect",
            json!("deny"),
            "[0].expect is \"deny\": must be \"Allow\" or \"Deny\"",
        ),
        (
            "/0/expected",
            json!("Deny"),
            "[0].expected is \"Deny\": there is no such field; there are name,",
        ),
        (
            "/0/request/tags",
            json!({}),
            "[0].request.tags is {}: there is no such field; there are principal,",
        ),
        (
            "/0/request/principal",
            json!("arn:aws:iam::111122223333:rool/x"),
            "[0].request.principal is \"arn:aws:iam::111122223333:rool/x\": must be the ARN of",
        ),
        (
            "/0/request/principal",
            json!("arn:aws:iam::12:role/x"),
            "[0].request.principal is \"arn:aws:iam::12:role/x\": must be the ARN of",
        ),
        (
            "/0/request/action",
            json!("s3: Get Object:x"),
            "[0].request.action is \"s3: Get Object:x\": must be service:Name, without wildcards",
        ),
        (
            "/0/request/resource",
            json!(""),
            "[0].request.resource is \"\": must be an ARN, or * where there is none",
        ),
        (
            "/0/request/principal",
            json!("admin"),
            "[0].request.principal is \"admin\": must be the ARN of",
        ),
        (
            "/0/request/action",
            json!("s3:*"),
            "[0].request.action is \"s3:*\": must be service:Name",
        ),
        (
            "/0/request/action",
            json!("s3"),
            "[0].request.action is \"s3\": must be service:Name",
        ),
        (
            "/0/request/context/k",
            json!("x"),
            "[0].request.context.k is \"x\": must be a list of values",
        ),
        (
            "/0/request/context/k",
            json!([null]),
            "[0].request.context.k[0] is null: must be a string",
        ),
        (
            "/0/request/context/K",
            json!(["x"]),
            "[0].request.context.k is the same key as \"K\" but for upper",
        ),
        (
            "/0/request/region",
            json!(1),
            "[0].request.region is 1: must be a string",
        ),
        (
            "/0/org/managementAccount",
            json!("12"),
            "[0].org.managementAccount is \"12\": must be 12 digits",
        ),
        (
            "/0/org/id",
            json!("o-1"),
            "[0].org.id is \"o-1\": there is no such field",
        ),
        ("/0", json!(1), "[0] is 1: must be an object"),
    ] {
        let mut cases = sound();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = cases.pointer_mut(parent).unwrap();
        match parent {
            Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
            object => object[name] = value,
        }
        let defect = Case::parse_list(&cases.to_string()).unwrap_err().to_string();
        assert!(defect.starts_with(said), "{pointer}: {defect:?}");
    }
    for name in ["name", "policies", "request"] {
        let mut cases = sound();
        cases[0].as_object_mut().unwrap().remove(name);
        let defect = Case::parse_list(&cases.to_string()).unwrap_err().to_string();
        assert!(
            defect.starts_with(&format!("[0].{name} is missing: a case has")),
            "{defect}"
        );
    }
    let twice = r#"[{"name": "a", "policies": [[{"Version": "a", "Version": "b"}]]}]"#;
    let defect = Case::parse_list(twice).unwrap_err().to_string();
    assert!(
        defect.starts_with("[0].policies[0][0] is \"Version\" twice: a name may stand once"),
        "{defect}"
    );
    let defect = Case::parse_list("{}").unwrap_err().to_string();
    assert_eq!(defect, "the document is {}: must be a list of cases");
}

#[test]
fn two_cases_of_one_name_are_refused_with_the_name_and_both_places() {
    let mut cases = sound();
    let list = cases.as_array_mut().unwrap();
    list.truncate(1);
    let named = |name: &str| {
        let mut case = list[0].clone();
        case["name"] = json!(name);
        case
    };
    let cases = json!([named("a"), named("b"), named("c"), named("b")]);
    let defect = Case::parse_list(&cases.to_string()).unwrap_err().to_string();
    let said = "[3].name is \"b\": a name may stand once in a list of cases, and [1] has it too";
    assert_eq!(defect, said);
    let cases = json!([named("a"), named("b"), named("B")]);
    assert_eq!(Case::parse_list(&cases.to_string()).unwrap().len(), 3);
}
