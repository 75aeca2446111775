//! Two evaluators, written apart from each other from AWS's documentation: ours, and that of the simulated AWS. Where they
//! differ, one of them is wrong about AWS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]

mod compiled;
mod documents;
mod regions;
mod requests;

use guardrails::evaluate::{Case, Decision, Verdict};
use orgsim::{ScpVerdict, evaluate_scp_cases};
use serde_json::{Value, json};

/// What was decided, and of what kind it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decided {
    Allowed,
    /// Service control policies do not bind the principal.
    Exempt,
    /// By a statement.
    Denied,
    /// By no statement: some level allows nothing of the kind.
    Implicitly,
}

fn decided(denied: bool, by: &[String]) -> Decided {
    match (denied, by) {
        (false, [one]) if one == Verdict::EXEMPT => Decided::Exempt,
        (false, _) => Decided::Allowed,
        (true, [one]) if one == Verdict::IMPLICIT => Decided::Implicitly,
        (true, _) => Decided::Denied,
    }
}

/// What the two evaluators decide about each of the cases, ours first.
fn verdicts(cases: &[Value]) -> Vec<(Decided, Decided)> {
    // A name may stand once in a list.
    let named = cases.iter().enumerate().map(|(at, case)| {
        let mut case = case.clone();
        case["name"] = at.to_string().into();
        case
    });
    let text = named.collect::<Value>().to_string();
    let ours = Case::parse_list(&text).unwrap();
    let theirs = evaluate_scp_cases(&text).unwrap();
    assert_eq!((ours.len(), theirs.len()), (cases.len(), cases.len()));
    let pairs = ours.iter().zip(&theirs);
    pairs
        .map(|(ours, ScpVerdict { decision, by, .. })| {
            let verdict = ours.verdict();
            assert!(["Allow", "Deny"].contains(&decision.as_str()), "{decision}");
            (
                decided(verdict.decision == Decision::Deny, &verdict.by),
                decided(decision == "Deny", by),
            )
        })
        .collect()
}

/// A case for each request under the same policies, by level.
fn cases(policies: &Value, requests: &[Value]) -> Vec<Value> {
    let case = |request| {
        json!({"policies": policies, "request": request,
            "org": {"managementAccount": requests::MANAGEMENT}})
    };
    requests.iter().map(case).collect()
}

/// AWS's own policy.
fn full_access() -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
}

#[test]
fn every_case_of_the_catalogue_is_decided_by_both_as_it_says() {
    let file = guardrails::cases::eval_file().unwrap();
    let cases = file.as_array().unwrap();
    assert!(cases.len() > 100, "{} cases", cases.len());
    for (case, (ours, theirs)) in cases.iter().zip(verdicts(cases)) {
        let expected = match case["expect"].as_str().unwrap() {
            "Allow" => Decided::Allowed,
            _ => Decided::Denied,
        };
        assert_eq!((ours, theirs), (expected, expected), "{}", case["name"]);
    }
}

#[test]
fn no_levels_at_all_allow_nothing() {
    let request =
        json!({"principal": "arn:aws:iam::111122223333:root", "action": "s3:GetObject", "resource": "*"});
    let none = cases(&json!([]), &[request]);
    assert_eq!(verdicts(&none), [(Decided::Implicitly, Decided::Implicitly)]);
}
