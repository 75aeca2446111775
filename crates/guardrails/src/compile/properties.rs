//! What holds for every input: compiling changes no verdict, no order matters, the budget is kept.

use super::*;
use crate::{
    cases,
    evaluate::{Policies, Request},
    policy::{Conditions, Effect, Selection},
};
use proptest::{prelude::*, sample::subsequence};
use serde_json::json;

fn document(statements: Vec<Statement>) -> Document {
    merge::document(statements)
}

fn full_access() -> Document {
    let allow = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    Document::parse(&json!({"Version": "2012-10-17", "Statement": allow})).unwrap()
}

/// The root with AWS's policy, and the account with these documents; with AWS's own or without, as whoever lists what is
/// allowed has it.
fn policies(documents: &[Document], full: bool) -> Policies {
    let mut account = documents.to_vec();
    if full {
        account.push(full_access());
    }
    Policies::prepare([&vec![full_access()], &account])
}

const ACTIONS: [&str; 14] = [
    "*",
    "s3:*",
    "s3:Get*",
    "S3:getobject",
    "s3:GetObject",
    "s3:Get?bject",
    "s3:*Object",
    "ec2:*",
    "ec2:Run*",
    "ec2:RunInstances",
    "ec2:?unInstances",
    "iam:CreateUser",
    "iam:Create*",
    "iam:*User",
];
const RESOURCES: [&str; 6] = [
    "*",
    "arn:aws:s3:::a/*",
    "arn:aws:s3:::a/o",
    "arn:aws:s3:::?/o",
    "arn:aws:iam::*:user/smtp/*",
    "arn:aws:ec2:*:*:instance/*",
];
const REQUESTED: [(&str, &str); 6] = [
    ("s3:GetObject", "arn:aws:s3:::a/o"),
    ("s3:GetObject", "arn:aws:s3:::b/o"),
    ("s3:PutObject", "arn:aws:s3:::a/p"),
    (
        "ec2:RunInstances",
        "arn:aws:ec2:eu-west-1:111122223333:instance/*",
    ),
    ("iam:CreateUser", "arn:aws:iam::111122223333:user/smtp/mail"),
    ("iam:DeleteUser", "arn:aws:iam::111122223333:user/alice"),
];
const PRINCIPALS: [&str; 4] = [
    "arn:aws:iam::111122223333:role/developer",
    "arn:aws:iam::111122223333:role/team/break-glass",
    "arn:aws:iam::111122223333:role/break-glass",
    "arn:aws:sts::111122223333:assumed-role/OrganizationAccountAccessRole/bulkhead",
];
const REGIONS: [&str; 3] = ["eu-west-1", "us-east-1", "eu-central-1"];

fn selection(patterns: &'static [&'static str]) -> impl Strategy<Value = Selection> {
    let chosen = subsequence(patterns, 1..=4).prop_shuffle();
    (chosen, prop::bool::weighted(0.2)).prop_map(|(chosen, not)| {
        let chosen = chosen.into_iter().map(str::to_owned).collect();
        if not {
            Selection::Not(chosen)
        } else {
            Selection::Any(chosen)
        }
    })
}

fn statement() -> impl Strategy<Value = Statement> {
    let condition = prop::option::weighted(0.5, (prop::bool::ANY, subsequence(&REGIONS, 1..=2)));
    let deny = prop::bool::weighted(0.8);
    (deny, selection(&ACTIONS), selection(&RESOURCES), condition).prop_map(
        |(deny, actions, resources, condition)| Statement {
            sid: None,
            effect: if deny { Effect::Deny } else { Effect::Allow },
            any_principal: false,
            actions,
            resources,
            conditions: condition
                .into_iter()
                .map(|(not, regions)| {
                    let operator = if not { "StringNotEquals" } else { "StringEquals" };
                    let regions = regions.into_iter().map(str::to_owned).collect();
                    (
                        operator.to_owned(),
                        BTreeMap::from([("aws:RequestedRegion".to_owned(), regions)]),
                    )
                })
                .collect(),
        },
    )
}

/// Requests that the statements above tell apart, and those of the catalogue's cases.
fn request() -> impl Strategy<Value = Request> {
    let cases: Vec<Request> = Catalogue::bundled()
        .iter()
        .flat_map(|guardrail| guardrail.cases().iter().map(cases::Case::request))
        .collect();
    let made = (
        prop::sample::select(&REQUESTED[..]),
        prop::sample::select(&PRINCIPALS[..]),
        prop::option::of(prop::sample::select(&REGIONS[..])),
    );
    let made = made.prop_map(|((action, resource), principal, region)| Request {
        principal: principal.into(),
        action: action.into(),
        resource: resource.into(),
        region: region.map(str::to_owned),
        ..Request::default()
    });
    prop_oneof![made, prop::sample::select(cases)]
}

/// Documents of somebody's own: some small, some that fill half a document, some with a Sid that others have too.
fn raw(index: usize) -> impl Strategy<Value = RawPolicy> {
    let padding = prop_oneof![Just(0_usize), 1..400_usize];
    (
        prop::collection::vec(statement(), 1..4),
        padding,
        prop::bool::weighted(0.3),
    )
        .prop_map(move |(mut statements, padding, named)| {
            if named {
                statements[0].sid = Some("Mine".into());
            }
            if padding > 0 {
                statements.push(Statement {
                    sid: None,
                    effect: Effect::Deny,
                    any_principal: false,
                    actions: Selection::Any(
                        (0..padding)
                            .map(|number| format!("x:Action{index}n{number}"))
                            .collect(),
                    ),
                    resources: Selection::Any(vec!["*".into()]),
                    conditions: Conditions::new(),
                });
            }
            RawPolicy {
                name: format!("own{index}"),
                policy_type: PolicyType::service_control(),
                document: document(statements).to_value(),
            }
        })
}

/// Guardrails with the parameters of their cases, and documents of somebody's own.
fn environment() -> impl Strategy<Value = Input> {
    let names: Vec<&'static Guardrail> = Catalogue::bundled().iter().collect();
    let most = names.len();
    let guardrails = subsequence(names, 0..=most).prop_flat_map(|chosen| {
        let refs: Vec<_> = chosen.into_iter().map(guardrail_ref).collect();
        refs.prop_shuffle()
    });
    let policies = (0..5_usize).prop_flat_map(|count| (0..count).map(raw).collect::<Vec<_>>());
    (guardrails, policies).prop_map(|(guardrails, policies)| Input {
        environment: "prod".into(),
        guardrails,
        policies,
        access_role: RoleName::parse(cases::ACCESS_ROLE).unwrap(),
        exempt_principals: vec![cases::EXEMPT_PRINCIPAL.into()],
        reserved_slots: 1,
    })
}

fn guardrail_ref(guardrail: &'static Guardrail) -> impl Strategy<Value = GuardrailRef> + Clone {
    let parameters: Vec<Parameters> = guardrail
        .cases()
        .iter()
        .map(|case| case.parameters.clone())
        .collect();
    prop::sample::select(parameters).prop_map(|parameters| GuardrailRef {
        name: guardrail.name().into(),
        parameters,
    })
}

/// Each statement in a document of its own, as nobody would give them to AWS.
fn unpacked(input: &Input) -> Vec<Document> {
    let exemptions = Exemptions::new(&input.access_role, &input.exempt_principals).unwrap();
    let mut documents = Vec::new();
    for (guardrail, parameters) in listed(&input.guardrails).unwrap() {
        let statements = guardrail.statements(parameters, &exemptions).unwrap();
        documents.extend(statements.into_iter().map(|statement| document(vec![statement])));
    }
    for raw in &input.policies {
        let statements = Document::parse(&raw.document).unwrap().statements;
        documents.extend(statements.into_iter().map(|statement| document(vec![statement])));
    }
    documents
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiling_changes_no_verdict_and_keeps_the_budget(
        input in environment(), full in prop::bool::ANY, requests in prop::collection::vec(request(), 40),
    ) {
        let compiled = match compile(&input) {
            Ok(compiled) => compiled,
            Err(refusal) => {
                prop_assert_eq!(refusal.problem.reason(), "TooManyPolicies", "{}", refusal);
                return Ok(());
            }
        };
        for budget in compiled.budgets.values() {
            prop_assert!(budget.documents <= budget.most_documents && budget.documents == budget.characters.len());
            prop_assert!(budget.characters.iter().all(|characters| *characters <= budget.most_characters));
        }
        let packed: Vec<Document> = compiled.policies.iter().map(|policy| Document::parse_text(&policy.text).unwrap()).collect();
        for document in &packed {
            prop_assert_eq!(grammar(&PolicyType::service_control(), document), Ok(()));
        }
        let (packed, unpacked) = (policies(&packed, full), policies(&unpacked(&input), full));
        for request in requests {
            let (one, other) = (packed.evaluate(&request, None), unpacked.evaluate(&request, None));
            prop_assert_eq!(one.decision, other.decision, "{:?}: {:?}, {:?}", request, one, other);
        }
    }

    #[test]
    fn no_order_matters(
        (input, guardrails, policies) in environment().prop_flat_map(|input| {
            let guardrails = Just(input.guardrails.clone()).prop_shuffle();
            let policies = Just(input.policies.clone()).prop_shuffle();
            (Just(input), guardrails, policies)
        })
    ) {
        let shuffled = Input { guardrails, policies, ..input.clone() };
        prop_assert_eq!(compile(&input), compile(&shuffled));
    }

    #[test]
    fn merging_changes_no_verdict_and_no_order_matters(
        (statements, shuffled) in prop::collection::vec(statement(), 1..8)
            .prop_flat_map(|statements| (Just(statements.clone()), Just(statements).prop_shuffle())),
        full in prop::bool::ANY, requests in prop::collection::vec(request(), 40),
    ) {
        let merged = merge::merge(statements.clone(), 10_240);
        prop_assert!(merged.len() <= statements.len());
        prop_assert_eq!(&merged, &merge::merge(shuffled, 10_240));
        let (one, other) = (policies(&[document(merged)], full), policies(&[document(statements)], full));
        for request in requests {
            prop_assert_eq!(one.evaluate(&request, None).decision, other.evaluate(&request, None).decision, "{:?}", request);
        }
    }
}
