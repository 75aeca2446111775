use super::*;
use crate::{
    compile::{CompiledPolicy, GuardrailRef, Input, compile},
    evaluate::{self, Policies},
};
use std::iter;

#[test]
fn the_file_has_every_case_in_the_format_of_policy_eval() {
    let file = eval_file().unwrap();
    let cases: usize = Catalogue::bundled()
        .iter()
        .map(|guardrail| guardrail.cases().len())
        .sum();
    let list = file.as_array().unwrap();
    assert_eq!(list.len(), cases);
    let first = &list[0];
    assert_eq!(first["name"], "allowedRegions: an instance elsewhere");
    assert_eq!(first["expect"], "Deny");
    assert_eq!(first["request"]["region"], "us-east-1");
    assert_eq!(first["policies"].as_array().unwrap().len(), 2);
    assert_eq!(first["policies"][1][1]["Statement"][0]["Sid"], "allowedRegions");
}

/// AWS's own policy, which is attached at every level.
fn full_access() -> Document {
    Document::parse(&json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }))
    .unwrap()
}

/// The root and the account with these documents.
fn levels(documents: Vec<Document>) -> Policies {
    let account: Vec<Document> = iter::once(full_access()).chain(documents).collect();
    Policies::prepare([&vec![full_access()], &account])
}

fn compiled(guardrails: &[(&str, &Parameters)]) -> Policies {
    let listed = |(name, parameters): &(&str, &Parameters)| GuardrailRef {
        name: (*name).to_owned(),
        parameters: (*parameters).clone(),
    };
    let compiled = compile(&Input {
        environment: "prod".into(),
        guardrails: guardrails.iter().map(listed).collect(),
        policies: vec![],
        access_role: RoleName::parse(ACCESS_ROLE).unwrap(),
        exempt_principals: vec![EXEMPT_PRINCIPAL.into()],
        reserved_slots: 1,
    })
    .unwrap();
    let parse = |policy: &CompiledPolicy| Document::parse_text(&policy.text).unwrap();
    levels(compiled.policies.iter().map(parse).collect())
}

#[test]
fn every_case_is_decided_as_it_must_be_and_by_its_guardrail() {
    for guardrail in Catalogue::bundled().iter() {
        for case in guardrail.cases() {
            let (name, of) = (guardrail.name(), &case.name);
            let alone = levels(vec![document(guardrail, &case.parameters).unwrap()]);
            let verdict = alone.evaluate(&case.request(), None);
            assert_eq!(verdict.decision, case.expect, "{name}: {of}: {verdict:?}");
            let named = |sid: &String| {
                let rest = sid.strip_prefix(name);
                let rest = rest.map(|rest| rest.strip_prefix("Part").unwrap_or(rest));
                rest.is_some_and(|rest| rest.parse::<u8>().is_ok() || rest.is_empty())
            };
            assert!(
                case.expect == Decision::Allow || verdict.by.iter().all(named),
                "{name}: {of}: {verdict:?}"
            );
            // Without it the request is allowed: what denies it is the guardrail, not the absence of an Allow.
            assert_eq!(
                levels(vec![]).evaluate(&case.request(), None).decision,
                Decision::Allow
            );
        }
    }
}

#[test]
fn every_case_is_decided_likewise_when_its_guardrail_is_compiled() {
    for guardrail in Catalogue::bundled().iter() {
        for case in guardrail.cases() {
            let policies = compiled(&[(guardrail.name(), &case.parameters)]);
            let verdict = policies.evaluate(&case.request(), None);
            assert_eq!(
                verdict.decision,
                case.expect,
                "{}: {}: {verdict:?}",
                guardrail.name(),
                case.name
            );
        }
    }
}

#[test]
fn under_the_whole_catalogue_the_denied_stay_denied_and_the_exempted_exempted() {
    let all: Vec<(&str, &Parameters)> = Catalogue::bundled()
        .iter()
        .map(|guardrail| (guardrail.name(), guardrail.example()))
        .collect();
    let policies = compiled(&all);
    let exempt = [
        "OrganizationAccountAccessRole/bulkhead",
        ":role/OrganizationAccountAccessRole",
        "::111122223333:role/break-glass",
    ];
    let mut decided = 0;
    for guardrail in Catalogue::bundled().iter() {
        for case in guardrail.cases() {
            let verdict = policies.evaluate(&case.request(), None);
            let exempted = exempt.iter().any(|end| case.principal.ends_with(end));
            let same = case.parameters == *guardrail.example();
            let expected = match case.expect {
                Decision::Deny if same => Decision::Deny,
                Decision::Allow if exempted => Decision::Allow,
                // Other parameters, or something another guardrail may well deny.
                _ => continue,
            };
            decided += 1;
            assert_eq!(
                verdict.decision,
                expected,
                "{}: {}: {verdict:?}",
                guardrail.name(),
                case.name
            );
        }
    }
    assert!(decided > 120, "{decided}");
}

#[test]
fn the_file_is_read_by_the_evaluator_and_holds() {
    let text = eval_file().unwrap().to_string();
    let cases = evaluate::Case::parse_list(&text).unwrap();
    assert!(cases.len() > 200, "{}", cases.len());
    for case in cases {
        assert_eq!(Some(case.verdict().decision), case.expect, "{}", case.name);
    }
}
