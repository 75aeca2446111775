use super::*;
use crate::cases;
use serde_json::json;

fn guardrail(name: &str, parameters: Value) -> GuardrailRef {
    GuardrailRef {
        name: name.into(),
        parameters: serde_json::from_value(parameters).unwrap(),
    }
}

fn raw(name: &str, policy_type: &str, document: Value) -> RawPolicy {
    RawPolicy {
        name: name.into(),
        policy_type: PolicyType::parse(policy_type).unwrap(),
        document,
    }
}

fn service(name: &str, statements: &Value) -> RawPolicy {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    raw(name, PolicyType::SERVICE_CONTROL, document)
}

fn input(guardrails: Vec<GuardrailRef>, policies: Vec<RawPolicy>) -> Input {
    Input {
        environment: "prod".into(),
        guardrails,
        policies,
        access_role: RoleName::parse(cases::ACCESS_ROLE).unwrap(),
        exempt_principals: vec![cases::EXEMPT_PRINCIPAL.into()],
        reserved_slots: 1,
    }
}

/// Every guardrail with its example.
fn whole_catalogue() -> Vec<GuardrailRef> {
    Catalogue::bundled()
        .iter()
        .map(|guardrail| GuardrailRef {
            name: guardrail.name().into(),
            parameters: guardrail.example().clone(),
        })
        .collect()
}

/// About this many characters of statement.
fn long(action: &str, characters: usize) -> Value {
    let actions: Vec<String> = (0..characters / 20)
        .map(|index| format!("{action}:Action{index:08}"))
        .collect();
    json!([{"Effect": "Deny", "Action": actions, "Resource": "*"}])
}

fn parts(compiled: &Compiled) -> Vec<Vec<&str>> {
    let parts = |policy: &'_ CompiledPolicy| policy.parts.len();
    assert!(compiled.policies.iter().all(|policy| parts(policy) > 0));
    let parts = compiled
        .policies
        .iter()
        .map(|policy| policy.parts.iter().map(String::as_str).collect());
    parts.collect()
}

#[test]
fn a_guardrail_becomes_one_small_document_with_its_name_in_it() {
    let compiled = compile(&input(
        vec![guardrail("denyLeaveOrganization", json!({}))],
        vec![],
    ))
    .unwrap();
    let policy = &compiled.policies[0];
    assert_eq!(
        policy.text,
        r#"{"Version":"2012-10-17","Statement":[{"Sid":"denyLeaveOrganization","Effect":"Deny","Action":["organizations:AcceptHandshake","organizations:LeaveOrganization"],"Resource":"*"}]}"#
    );
    assert_eq!(parts(&compiled), [["guardrails[denyLeaveOrganization]"]]);
    let budget = &compiled.budgets[&PolicyType::service_control()];
    let expected = Budget {
        documents: 1,
        most_documents: 4,
        characters: vec![policy.text.len()],
        most_characters: 10_240,
    };
    assert_eq!(*budget, expected);
}

#[test]
fn whoever_is_exempted_is_protected_too() {
    let compiled = compile(&input(vec![guardrail("protectVpc", json!({}))], vec![])).unwrap();
    assert_eq!(
        parts(&compiled),
        [["guardrails[protectAccessRole]", "guardrails[protectVpc]"]]
    );
    let own = guardrail(
        "protectAccessRole",
        json!({"policies": ["arn:aws:iam::*:policy/platform"]}),
    );
    let compiled = compile(&input(vec![guardrail("protectVpc", json!({})), own], vec![])).unwrap();
    assert!(
        compiled.policies[0]
            .text
            .contains("arn:aws:iam::*:policy/platform")
    );
    // Nobody is exempted from this one.
    let compiled = compile(&input(vec![guardrail("denyRootUser", json!({}))], vec![])).unwrap();
    assert_eq!(parts(&compiled), [["guardrails[denyRootUser]"]]);
    assert_eq!(compile(&input(vec![], vec![])).unwrap().policies, []);
}

#[test]
fn the_whole_catalogue_takes_three_documents() {
    let compiled = compile(&input(whole_catalogue(), vec![])).unwrap();
    let budget = &compiled.budgets[&PolicyType::service_control()];
    assert_eq!(
        (budget.documents, budget.most_documents),
        (3, 4),
        "one is left for documents of one's own: {budget:?}"
    );
    let mut all: Vec<&str> = parts(&compiled).concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 15);
}

#[test]
fn an_own_document_shares_one_only_if_that_saves_one() {
    let vpc = || vec![guardrail("protectVpc", json!({}))];
    let small = service(
        "no-expensive",
        &json!([{"Sid": "Expensive", "Effect": "Deny", "Action": "x:Y", "Resource": "*"}]),
    );
    let compiled = compile(&input(vpc(), vec![small.clone()])).unwrap();
    assert_eq!(compiled.policies.len(), 1);
    let large = service("large", &long("x", 9_000));
    let compiled = compile(&input(vpc(), vec![large.clone()])).unwrap();
    assert_eq!(
        parts(&compiled),
        [
            vec!["guardrails[protectAccessRole]", "guardrails[protectVpc]"],
            vec!["policies[large]"],
        ]
    );
    // Two documents anyway: nothing is gained by mixing.
    let compiled = compile(&input(vec![], vec![large, service("larger", &long("y", 9_000))])).unwrap();
    assert_eq!(parts(&compiled), [["policies[large]"], ["policies[larger]"]]);
}

#[test]
fn a_sid_that_stands_twice_takes_no_document_of_its_own() {
    let one =
        |sid: &str, action: &str| json!([{"Sid": sid, "Effect": "Deny", "Action": action, "Resource": "*"}]);
    // The console calls the first statement of every document so.
    let policies = (0..5)
        .map(|index| service(&format!("p{index}"), &one("Statement1", &format!("x:A{index}"))))
        .collect();
    let compiled = compile(&input(vec![], policies)).unwrap();
    assert_eq!(compiled.policies.len(), 1);
    let text = &compiled.policies[0].text;
    assert_eq!(text.matches("Statement1").count(), 1, "{text}");
    assert_eq!(Document::parse_text(text).unwrap().statements.len(), 5);
    let origins: Vec<String> = (0..5)
        .map(|index| format!("policies[p{index}].document.Statement[0]"))
        .collect();
    assert_eq!(compiled.policies[0].origins, origins);
    // What a guardrail is called stays.
    let own = service("mine", &one("denyRootUser", "x:A"));
    let compiled = compile(&input(vec![guardrail("denyRootUser", json!({}))], vec![own])).unwrap();
    let document = Document::parse_text(&compiled.policies[0].text).unwrap();
    let sids: Vec<Option<&str>> = document
        .statements
        .iter()
        .map(|statement| statement.sid.as_deref())
        .collect();
    assert_eq!(sids, [Some("denyRootUser"), None]);
    assert_eq!(
        compiled.policies[0].origins,
        ["guardrails[denyRootUser]", "policies[mine].document.Statement[0]"]
    );
}

#[test]
fn what_is_said_twice_is_written_once() {
    let same = |name: &str, sid: &str| {
        let mut statements = long("x", 9_000);
        statements[0]["Sid"] = json!(sid);
        service(name, &statements)
    };
    let compiled = compile(&input(vec![], vec![same("a", "One"), same("b", "Two")])).unwrap();
    assert_eq!(parts(&compiled), [["policies[a]", "policies[b]"]]);
    assert_eq!(
        compiled.policies[0].origins,
        ["policies[a].document.Statement[0]"]
    );
    // A statement that another document has too, in other words.
    let both = json!([
        {"Effect": "Deny", "Action": ["x:A", "x:*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "x:B", "Resource": "arn:aws:x:::b"},
    ]);
    let one = json!([{"Effect": "Deny", "Action": "x:*", "Resource": "*"}]);
    let compiled = compile(&input(vec![], vec![service("a", &one), service("b", &both)])).unwrap();
    assert_eq!(compiled.policies[0].text.matches("Effect").count(), 2);
    assert_eq!(
        compiled.policies[0].origins,
        [
            "policies[a].document.Statement[0]",
            "policies[b].document.Statement[1]"
        ]
    );
}

#[test]
fn a_name_that_ends_in_a_digit_is_not_counted_on() {
    let compiled = compile(&input(vec![guardrail("requireImdsV2", json!({}))], vec![])).unwrap();
    let text = &compiled.policies[0].text;
    assert!(text.contains("\"requireImdsV2Part1\""), "{text}");
    assert!(!text.contains("\"requireImdsV21\""), "{text}");
}

#[test]
fn a_guardrail_larger_than_a_document_is_spread() {
    let keys: Vec<String> = (0..10)
        .map(|index| format!("{index}{}", "k".repeat(120)))
        .collect();
    let tags = vec![guardrail("protectMandatoryTags", json!({"keys": keys}))];
    let compiled = compile(&input(tags, vec![])).unwrap();
    assert!(compiled.policies.len() > 1);
    let spread = |policy: &CompiledPolicy| {
        policy
            .parts
            .contains(&"guardrails[protectMandatoryTags]".to_owned())
    };
    assert!(compiled.policies.iter().filter(|policy| spread(policy)).count() > 1);
    // Twelve statements: two for all keys, one for each.
    for number in 1..=12 {
        let sid = format!("\"protectMandatoryTags{number}\"");
        assert_eq!(
            compiled
                .policies
                .iter()
                .filter(|policy| policy.text.contains(&sid))
                .count(),
            1,
            "{sid}"
        );
    }
}

#[test]
fn resource_control_policies_are_packed_into_the_one_there_is_room_for() {
    let deny = |action: &str| {
        json!({"Version": "2012-10-17", "Statement":
            {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*"}})
    };
    let policies = vec![
        raw("a", PolicyType::RESOURCE_CONTROL, deny("s3:GetObject")),
        raw("b", PolicyType::RESOURCE_CONTROL, deny("kms:Decrypt")),
    ];
    let compiled = compile(&input(vec![], policies)).unwrap();
    assert_eq!(parts(&compiled), [["policies[a]", "policies[b]"]]);
    let budget = compiled.budgets.values().next().unwrap();
    assert_eq!((budget.most_documents, budget.most_characters), (1, 5_120));
}

#[test]
fn documents_of_other_types_are_minified_and_stay_as_they_are() {
    let tags = json!({"tags": {"z": {"tag_key": {"@@assign": "Z"}}, "a": {"tag_key": {"@@assign": "A"}}}});
    let future = json!({"rules": []});
    let policies = vec![
        raw("tags", "TAG_POLICY", tags),
        raw("future", "QUANTUM_POLICY", future),
    ];
    let compiled = compile(&input(vec![guardrail("denyRootUser", json!({}))], policies)).unwrap();
    let types: Vec<&str> = compiled
        .policies
        .iter()
        .map(|policy| policy.policy_type.as_str())
        .collect();
    assert_eq!(types, ["QUANTUM_POLICY", "SERVICE_CONTROL_POLICY", "TAG_POLICY"]);
    let expected = r#"{"tags":{"a":{"tag_key":{"@@assign":"A"}},"z":{"tag_key":{"@@assign":"Z"}}}}"#;
    assert_eq!(compiled.policies[2].text, expected);
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_number() {
    let root = || guardrail("denyRootUser", json!({}));
    let statement = json!([
        {"Effect": "Deny", "Action": "x:Y", "Resource": "*"},
        {"Effect": "Deny", "NotPrincipal": {"AWS": "*"}, "Action": "x:Y", "Resource": "*"},
    ]);
    let sts = json!({"Version": "2012-10-17", "Statement":
        [{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"}]});
    let many = (0..5)
        .map(|index| service(&format!("p{index}"), &long(&format!("x{index}"), 9_000)))
        .collect();
    let tag = |name: &str| raw(name, "TAG_POLICY", json!({"tags": {}}));
    for (input, reason, expected) in [
        (
            input(vec![guardrail("protectVPC", json!({}))], vec![]),
            "UnknownGuardrail",
            "guardrails[protectVPC]: there is no guardrail \"protectVPC\"; did you mean protectVpc?",
        ),
        (
            input(vec![guardrail("allowedRegions", json!({"regions": [1]}))], vec![]),
            "InvalidValue",
            "guardrails[allowedRegions].parameters.regions[0]: must be a text, and is 1",
        ),
        (
            input(vec![root(), root()], vec![]),
            "InvalidValue",
            "guardrails[denyRootUser]: stands there twice",
        ),
        (
            input(vec![], vec![tag("t"), service("t", &long("x", 20))]),
            "InvalidValue",
            "policies[t]: stands there twice",
        ),
        (
            input(vec![], vec![service("no-expensive", &statement)]),
            "InvalidDocument",
            "policies[no-expensive].document.Statement[1].NotPrincipal: is ",
        ),
        (
            input(vec![], vec![raw("enter", PolicyType::RESOURCE_CONTROL, sts)]),
            "InvalidDocument",
            "policies[enter].document.Statement[0].Action: is \"sts:AssumeRole\": ",
        ),
        (
            input(vec![], vec![raw("t", "TAG_POLICY", json!([]))]),
            "InvalidDocument",
            "policies[t].document: is []: must be an object that is not empty",
        ),
        (
            input(vec![], vec![tag("t"), tag("u")]),
            "TooManyPolicies",
            "policies: too many policies of type TAG_POLICY: 2 of 1: two would override each other, so make one of policies[t] and \
             policies[u]",
        ),
        (
            input(vec![], many),
            "TooManyPolicies",
            "too many policies of type SERVICE_CONTROL_POLICY: 5 of 4: AWS has 10 places on an account, 1 of them is for its own \
             policy that allows everything, policies.reservedSlots keeps 1, and half of the rest is free for the new \
             documents while old and new ones overlap; the largest are policies[p0] (",
        ),
        (
            Input {
                reserved_slots: 9,
                ..input(vec![root()], vec![])
            },
            "TooManyPolicies",
            "too many policies of type SERVICE_CONTROL_POLICY: 1 of 0: AWS has 10 places on an account, ",
        ),
        (
            Input {
                exempt_principals: vec!["arn:aws:iam::*:role/*".into()],
                ..input(vec![root()], vec![])
            },
            "InvalidValue",
            "exemptPrincipals[0]: is ",
        ),
    ] {
        let refusal = compile(&input).unwrap_err();
        assert!(refusal.to_string().starts_with(expected), "{refusal}");
        assert_eq!(refusal.problem.reason(), reason);
    }
}

#[test]
fn the_size_is_exact_to_the_character() {
    let with = |padding: usize| {
        let statement =
            json!([{"Sid": "S".repeat(padding), "Effect": "Deny", "Action": "x:Y", "Resource": "*"}]);
        compile(&input(vec![], vec![service("p", &statement)]))
    };
    let empty = with(1).unwrap().policies[0].text.len() - 1;
    let full = with(10_240 - empty).unwrap();
    assert_eq!(full.policies[0].text.len(), 10_240);
    let refusal = with(10_241 - empty).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "policies[p].document: too large: 10,241 of 10,240 characters"
    );
    // Other types have other sizes.
    let opt_out = raw(
        "ai",
        "AISERVICES_OPT_OUT_POLICY",
        json!({"services": {"s".repeat(2_600): {}}}),
    );
    let refusal = compile(&input(vec![], vec![opt_out])).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "policies[ai].document: too large: 2,620 of 2,500 characters"
    );
}

#[test]
fn one_statement_that_fills_more_than_a_document_is_refused() {
    let actions: Vec<String> = (0..50).map(|index| format!("x:{index:0>250}")).collect();
    let tags = guardrail(
        "requireResourceTags",
        json!({"keys": ["owner"], "actions": actions}),
    );
    let refusal = compile(&input(vec![tags], vec![])).unwrap_err();
    assert_eq!(refusal.path, "guardrails[requireResourceTags]");
    assert!(
        matches!(
            refusal.problem,
            Problem::TooLarge {
                characters: 12_000..,
                most: 10_240
            }
        ),
        "{refusal}"
    );
}
