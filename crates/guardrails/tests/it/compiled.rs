//! What is compiled decides what its parts decide, however they were merged and packed.

use crate::{Decided, cases, documents::own_document, full_access, requests::request, verdicts};
use guardrails::{
    Problem,
    cases::{ACCESS_ROLE, EXEMPT_PRINCIPAL, exemptions},
    catalogue::{Catalogue, Guardrail, PROTECT_ACCESS_ROLE, Parameters},
    compile::{GuardrailRef, Input, RawPolicy, compile},
    policy::{Document, grammar},
};
use model::{PolicyType, RoleName};
use proptest::{prelude::*, sample::subsequence, test_runner::TestRunner};
use serde_json::{Value, json};
use std::cell::Cell;

/// The guardrails that are service control policies.
fn available() -> Vec<&'static Guardrail> {
    let all = Catalogue::bundled().iter();
    all.filter(|guardrail| *guardrail.policy_type() == PolicyType::service_control())
        .collect()
}

/// An environment with the parameters of the examples, and its own documents.
fn input(guardrails: &[&Guardrail], own: &[Value]) -> Input {
    let guardrails = guardrails.iter().map(|guardrail| GuardrailRef {
        name: guardrail.name().to_owned(),
        parameters: guardrail.example().clone(),
    });
    let policies = own.iter().enumerate().map(|(index, document)| RawPolicy {
        name: format!("own{index}"),
        policy_type: PolicyType::service_control(),
        document: document.clone(),
    });
    Input {
        environment: "prod".to_owned(),
        guardrails: guardrails.collect(),
        policies: policies.collect(),
        access_role: RoleName::parse(ACCESS_ROLE).unwrap(),
        exempt_principals: vec![EXEMPT_PRINCIPAL.to_owned()],
        reserved_slots: 0,
    }
}

/// Each statement of the catalogue in a document of its own, and the documents as they were given.
fn unpacked(guardrails: &[&Guardrail], own: &[Value]) -> Vec<Value> {
    let exemptions = exemptions().unwrap();
    let mut documents = own.to_vec();
    let mut add = |guardrail: &Guardrail, parameters: &Parameters| {
        for statement in guardrail.statements(parameters, &exemptions).unwrap() {
            let document = Document {
                version: Some("2012-10-17".to_owned()),
                id: None,
                statements: vec![statement],
            };
            documents.push(document.to_value());
        }
    };
    for guardrail in guardrails {
        add(guardrail, guardrail.example());
    }
    let protected = guardrails
        .iter()
        .any(|guardrail| guardrail.name() == PROTECT_ACCESS_ROLE);
    if !protected && guardrails.iter().any(|guardrail| guardrail.exempts()) {
        let protection = Catalogue::bundled().get(PROTECT_ACCESS_ROLE).unwrap();
        add(protection, &Parameters::new());
    }
    documents
}

/// Requests of the catalogue's cases, by anybody, and requests about nothing in particular.
fn requests() -> impl Strategy<Value = Vec<Value>> {
    let known: Vec<Value> = available()
        .iter()
        .flat_map(|guardrail| guardrail.cases())
        .map(guardrails::cases::Case::request_value)
        .collect();
    let known =
        (prop::sample::select(known), request(), any::<bool>()).prop_map(|(mut known, drawn, by_other)| {
            if by_other {
                known["principal"] = drawn["principal"].clone();
            }
            known
        });
    prop::collection::vec(prop_oneof![3 => known, 1 => request()], 4..8)
}

/// The evaluators understand more than AWS takes.
fn is_legal(document: &Value) -> bool {
    let read = Document::parse(document);
    read.and_then(|document| grammar(&PolicyType::service_control(), &document))
        .is_ok()
}

#[test]
fn packing_changes_no_verdict_of_either_evaluator() {
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let guardrails = available();
    let most = guardrails.len();
    let drawn = (
        subsequence(guardrails, 0..=most),
        prop::collection::vec(own_document().prop_filter("AWS refuses it", is_legal), 0..3),
        requests(),
    );
    let (merged, denied, allowed) = (Cell::new(0), Cell::new(0), Cell::new(0));
    runner
        .run(&drawn, |(guardrails, own, requests)| {
            let compiled = match compile(&input(&guardrails, &own)) {
                Ok(compiled) => compiled,
                Err(refusal) => {
                    let too_much = matches!(refusal.problem, Problem::TooManyPolicies { .. });
                    prop_assert!(too_much, "{}", refusal);
                    return Err(TestCaseError::reject("does not fit"));
                }
            };
            let packed: Vec<Value> = compiled
                .policies
                .iter()
                .map(|policy| serde_json::from_str(&policy.text).unwrap())
                .collect();
            let unpacked = unpacked(&guardrails, &own);
            merged.set(merged.get() + usize::from(packed.len() < unpacked.len()));
            let level = |mut documents: Vec<Value>| {
                documents.push(full_access());
                json!([[full_access()], documents])
            };
            let both = [level(packed), level(unpacked)].map(|levels| verdicts(&cases(&levels, &requests)));
            let [packed, unpacked] = both;
            for ((request, packed), unpacked) in requests.iter().zip(packed).zip(unpacked) {
                let (ours, theirs) = packed;
                prop_assert_eq!(ours, theirs, "packed, ours and theirs: {}", request);
                prop_assert_eq!(packed, unpacked, "packed and unpacked: {}", request);
                denied.set(denied.get() + usize::from(ours == Decided::Denied));
                allowed.set(allowed.get() + usize::from(ours == Decided::Allowed));
            }
            Ok(())
        })
        .unwrap_or_else(|failed| panic!("{failed}"));
    let counts = (merged.get(), denied.get(), allowed.get());
    assert!(counts.0 > 200 && counts.1 > 200 && counts.2 > 200, "{counts:?}");
}
