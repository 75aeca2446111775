use super::*;
use crate::{cases, evaluate::Decision};
use serde_json::json;
use std::{collections::BTreeSet, fs, path::Path};

fn parameters(value: Value) -> Parameters {
    serde_json::from_value(value).unwrap()
}

fn statements(name: &str, given: Value) -> Result<Vec<Statement>, Refusal> {
    let guardrail = Catalogue::bundled().get(name)?;
    guardrail.statements(&parameters(given), &cases::exemptions().unwrap())
}

#[test]
fn every_file_of_the_directory_is_in_the_catalogue_under_its_name() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue");
    let files: BTreeSet<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let listed: BTreeSet<String> = FILES.iter().map(|(name, _)| format!("{name}.yaml")).collect();
    assert_eq!(files, listed);
    for (name, text) in FILES {
        let guardrail = Guardrail::parse(text).unwrap_or_else(|error| panic!("{name}.yaml: {error}"));
        assert_eq!(guardrail.name(), name);
    }
    assert_eq!(Catalogue::bundled().iter().count(), FILES.len());
}

#[test]
fn every_guardrail_says_what_it_is_for_and_compiles_with_its_example() {
    for guardrail in Catalogue::bundled().iter() {
        let name = guardrail.name();
        assert!(guardrail.title().len() <= 60, "{name}");
        let sentences = guardrail.why().matches(". ").count() + 1;
        assert!(
            (2..=4).contains(&sentences) && guardrail.why().ends_with('.'),
            "{name}: {sentences}"
        );
        assert!(guardrail.policy_type().is_additive(), "{name}");
        for parameter in guardrail.parameters() {
            assert!(
                parameter.description().ends_with('.'),
                "{name}: {}",
                parameter.name()
            );
        }
        let exemptions = cases::exemptions().unwrap();
        guardrail.statements(guardrail.example(), &exemptions).unwrap();
    }
}

#[test]
fn every_guardrail_that_exempts_has_cases_for_the_exempted_and_for_who_looks_like_them() {
    let exempt = |principal: &str| {
        let of_operator = principal.contains(":assumed-role/OrganizationAccountAccessRole/");
        of_operator
            || principal.ends_with(":role/OrganizationAccountAccessRole")
            || principal.ends_with(":role/break-glass")
    };
    let alike = |principal: &str| {
        principal.ends_with(":role/team/OrganizationAccountAccessRole")
            || principal.ends_with(":role/team/break-glass")
    };
    for guardrail in Catalogue::bundled().iter() {
        let name = guardrail.name();
        let of = |expect| guardrail.cases().iter().filter(move |case| case.expect == expect);
        assert!(
            of(Decision::Deny).count() >= 3 && of(Decision::Allow).count() >= 3,
            "{name}"
        );
        let names: BTreeSet<&str> = guardrail.cases().iter().map(|case| case.name.as_str()).collect();
        assert_eq!(
            names.len(),
            guardrail.cases().len(),
            "{name}: a name stands twice"
        );
        if guardrail.exempts() {
            let exempted: BTreeSet<&str> = of(Decision::Allow)
                .map(|case| case.principal.as_str())
                .filter(|principal| exempt(principal))
                .collect();
            assert!(exempted.len() >= 2, "{name}: {exempted:?}");
            assert!(of(Decision::Deny).any(|case| alike(&case.principal)), "{name}");
        }
    }
}

#[test]
fn exactly_the_exempted_roles_are_exempted_by_every_statement() {
    for guardrail in Catalogue::bundled().iter() {
        let exemptions = cases::exemptions().unwrap();
        for statement in guardrail.statements(guardrail.example(), &exemptions).unwrap() {
            let condition = statement.conditions.get("ArnNotLike");
            if guardrail.exempts() {
                let arns = &condition.unwrap()["aws:PrincipalArn"];
                assert_eq!(arns, exemptions.patterns(), "{}", guardrail.name());
            } else {
                assert_eq!(condition, None, "{}", guardrail.name());
                assert!(guardrail.why_not_exempt().is_some());
            }
        }
    }
}

#[test]
fn no_hole_is_left() {
    for guardrail in Catalogue::bundled().iter() {
        for case in guardrail.cases() {
            let text = cases::document(guardrail, &case.parameters).unwrap().to_text();
            for hole in ["${partition}", "${item}", "\"parameter\"", "\"exemptions\""] {
                assert!(!text.contains(hole), "{}: {text}", guardrail.name());
            }
        }
    }
}

#[test]
fn holes_are_filled() {
    let one = &statements(
        "allowedRegions",
        json!({"regions": ["eu-west-1"], "globalActions": ["bedrock:*"]}),
    )
    .unwrap()[0];
    let crate::policy::Selection::Not(actions) = &one.actions else {
        panic!("{one:?}")
    };
    assert!(actions.contains(&"bedrock:*".to_owned()) && actions.contains(&"iam:*".to_owned()));
    assert_eq!(
        one.conditions["StringNotEquals"]["aws:RequestedRegion"],
        ["eu-west-1"]
    );

    let tags = statements(
        "requireResourceTags",
        json!({"keys": ["owner", "cost-center"], "instances": false, "volumes": false}),
    )
    .unwrap();
    let keys: Vec<&String> = tags
        .iter()
        .flat_map(|statement| statement.conditions["Null"].keys())
        .collect();
    assert_eq!(keys, ["aws:RequestTag/cost-center", "aws:RequestTag/owner"]);

    let hops = statements("requireImdsV2", json!({"maxHopLimit": 5})).unwrap();
    let limit = hops
        .iter()
        .find_map(|statement| statement.conditions.get("NumericGreaterThan"))
        .unwrap();
    assert_eq!(limit["ec2:MetadataHttpPutResponseHopLimit"], ["5"]);

    let values = statements("protectMandatoryTags", json!({"keys": ["owner"]})).unwrap();
    let written = values
        .iter()
        .find_map(|statement| statement.conditions.get("StringNotEquals"))
        .unwrap();
    assert_eq!(written["aws:RequestTag/owner"], ["${aws:ResourceTag/owner}"]);
}

#[test]
fn what_is_wrong_with_parameters_is_said_with_its_place() {
    for (name, given, expected) in [
        (
            "allowedRegion",
            json!({}),
            "guardrails[allowedRegion]: there is no guardrail \"allowedRegion\"; did you mean allowedRegions?",
        ),
        (
            "allowedRegions",
            json!({"region": ["eu-west-1"]}),
            "guardrails[allowedRegions].parameters.region: there is no such parameter; it has regions, globalActions",
        ),
        (
            "protectVpc",
            json!({"strict": true}),
            "guardrails[protectVpc].parameters.strict: there is no such parameter; the guardrail has none",
        ),
        (
            "allowedRegions",
            json!({}),
            "guardrails[allowedRegions].parameters.regions: is required: a list of Regions",
        ),
        (
            "allowedRegions",
            json!({"regions": "eu-west-1"}),
            "guardrails[allowedRegions].parameters.regions: must be a list of Regions, and is \"eu-west-1\"",
        ),
        (
            "allowedRegions",
            json!({"regions": null}),
            "guardrails[allowedRegions].parameters.regions: must be a list of Regions, and is null",
        ),
        (
            "allowedRegions",
            json!({"regions": ["eu-west-1", 3]}),
            "guardrails[allowedRegions].parameters.regions[1]: must be a text, and is 3",
        ),
        (
            "allowedRegions",
            json!({"regions": []}),
            "guardrails[allowedRegions].parameters.regions: is an empty list: must have at least 1 item",
        ),
        (
            "allowedRegions",
            json!({"regions": ["eu-west-1", "EU (Ireland)"]}),
            "guardrails[allowedRegions].parameters.regions[1]: is \"EU (Ireland)\": must be a Region such as eu-west-1",
        ),
        (
            "allowedRegions",
            json!({"regions": ["eu-wset-1"]}),
            "guardrails[allowedRegions].parameters.regions[0]: is \"eu-wset-1\": must be a Region such as eu-west-1",
        ),
        (
            "allowedRegions",
            json!({"regions": ["eu-*"]}),
            "guardrails[allowedRegions].parameters.regions[0]: is \"eu-*\": must be a Region such as eu-west-1",
        ),
        (
            "requireImdsV2",
            json!({"maxHopLimit": 0}),
            "guardrails[requireImdsV2].parameters.maxHopLimit: is 0: must be at least 1 and at most 64",
        ),
        (
            "requireImdsV2",
            json!({"maxHopLimit": 1.5}),
            "guardrails[requireImdsV2].parameters.maxHopLimit: must be a whole number, and is 1.5",
        ),
        (
            "requireImdsV2",
            json!({"denyCredentialsOfVersion1": "no"}),
            "guardrails[requireImdsV2].parameters.denyCredentialsOfVersion1: must be true or false, and is \"no\"",
        ),
        (
            "denyExternalSharing",
            json!({"trustedAccounts": ["12345"]}),
            "guardrails[denyExternalSharing].parameters.trustedAccounts[0]: is \"12345\": must be 12 digits",
        ),
        (
            "protectBaselineRoles",
            json!({"roles": ["arn:aws:iam::*:user/alice"]}),
            "guardrails[protectBaselineRoles].parameters.roles[0]: is \"arn:aws:iam::*:user/alice\": must match ^arn:aws:iam",
        ),
        (
            "protectBaselineRoles",
            json!({"roles": ["arn:aws:iam::*:role/*"]}),
            "guardrails[protectBaselineRoles].parameters.roles[0]: is \"arn:aws:iam::*:role/*\": must match ",
        ),
        (
            "protectBaselineRoles",
            json!({"roles": ["role/audit"]}),
            "guardrails[protectBaselineRoles].parameters.roles[0]: is \"role/audit\": must be arn:aws:",
        ),
        (
            "requireResourceTags",
            json!({"keys": ["aws:name"]}),
            "guardrails[requireResourceTags].parameters.keys[0]: is \"aws:name\": must be 1..128 letters, ",
        ),
        (
            "requireResourceTags",
            json!({"keys": ["owner"], "actions": ["*"]}),
            "guardrails[requireResourceTags].parameters.actions[0]: is \"*\": must be service:Name, ",
        ),
    ] {
        let refusal = statements(name, given.clone()).unwrap_err();
        assert!(
            refusal.to_string().starts_with(expected),
            "{name} {given}: {refusal}"
        );
    }
}

#[test]
fn a_file_that_contradicts_itself_is_refused() {
    let file = |parameters: &str, statement: &str, exempt: &str| {
        format!(
            "name: x\ntitle: x\nwhy: x\ntype: SERVICE_CONTROL_POLICY\n{exempt}\nparameters: {parameters}\n\
             statements: [{statement}]\nexample: {{}}\ncases: {{denied: [], allowed: []}}\n"
        )
    };
    let statement = r#"{Effect: Deny, Action: "*", Resource: "*"}"#;
    assert!(Guardrail::parse(&file("[]", statement, "")).is_ok());
    for (text, word) in [
        (file("[]", statement, "exempt: false"), "exemptReason"),
        (file("[]", statement, "exemptReason: x"), "exemptReason"),
        (file("[]", statement, "exempts: true"), "exempts"),
        (
            file("[{name: p, type: boolean, description: x}]", statement, ""),
            "p is required, or has a default",
        ),
        (
            file(
                "[{name: p, type: number, default: 1, description: x}]",
                statement,
                "",
            ),
            "number",
        ),
        (
            file(
                "[]",
                r#"{Effect: Deny, Action: "*", Resource: {parameter: p}}"#,
                "",
            ),
            "p is mentioned",
        ),
        (
            file("[]", r#"{when: p, Effect: Deny, Action: "*", Resource: "*"}"#, ""),
            "p is mentioned",
        ),
        (
            file("[]", r#"{when: 3, Effect: Deny, Action: "*", Resource: "*"}"#, ""),
            "when is 3",
        ),
    ] {
        let error = Guardrail::parse(&text).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
