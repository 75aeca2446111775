//! Policies of every form the grammar has.

use crate::{
    Decided, cases, full_access,
    requests::{ACCOUNTS, ACTIONS, FAMILIES, NAMES, REGIONS, SERVICES, request, spelled},
    verdicts,
};
use proptest::{prelude::*, sample::select, test_runner::TestRunner};
use serde_json::{Map, Value, json};
use std::cell::RefCell;

const ACTION_PATTERNS: &[&str] = &[
    "*",
    "*:*",
    "s3:*",
    "S3:GET*",
    "s?:*Object",
    "s3:?etObject",
    "ec2:run*",
    "ec2:*Instances",
    "iam:*Role",
    "*:Get*",
    "i*m:?etRole",
    "e*:*",
];

const NAME_PATTERNS: &[&str] = &[
    "*",
    "?",
    "a*",
    "*b",
    "a/*",
    "a?b",
    "a/*/c",
    "group:*:b",
    "group?a*",
    "${aws:username}/*",
    "${aws:PrincipalTag/Team}*",
    "${aws:PrincipalTag/team, 'a'}/b",
    "${aws:TagKeys}",
    "${aws:TagKeys, 'blue'}/key",
    "${*}",
    "a${*}",
];

/// One part of an ARN: itself, or with wildcards inside or at its end. Variables stand for nothing there.
fn part(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let wild = select(
        &[
            "*",
            "?",
            "*1",
            "1*",
            "eu-*",
            "us*1",
            "us-east-?",
            "*-*-1",
            "s*",
            "s?",
            "1*3",
            "${aws:PrincipalAccount}",
            "${aws:RequestedRegion}",
        ][..],
    );
    prop_oneof![3 => select(words), 2 => wild, 2 => Just("*")].prop_map(str::to_owned)
}

fn resource_pattern() -> impl Strategy<Value = String> {
    let names = prop_oneof![select(NAMES), select(NAME_PATTERNS)];
    let parts = (
        part(&["aws"]),
        part(SERVICES),
        part(REGIONS),
        part(ACCOUNTS),
        names,
    );
    let arn = parts.prop_map(|(partition, service, region, account, name)| {
        format!("arn:{partition}:{service}:{region}:{account}:{name}")
    });
    let short = select(
        &[
            "arn:*",
            "arn:aws:s3*",
            "arn:aws:*:a",
            "a*:*",
            "arn:aws:s3:*",
            "arn:aws:*:*",
            "arn:aws:e*:b",
            "ar?:aws:*",
        ][..],
    )
    .prop_map(str::to_owned);
    let dense = "arn:aws:s3:::[ab:*?]{0,5}";
    let ragged = "arn:aws:[s3*?]{1,2}:[a1*?]{0,3}:[a1*?]{0,3}:[ab:*?]{0,3}";
    let colons = r"arn:aws:[a*?:]{2,7}\*(:a)?(:\*)?";
    let colons = colons.prop_filter("the grammar has no such ARN", |text| {
        text.ends_with('*') || text.contains("*:")
    });
    prop_oneof![4 => Just("*".to_owned()), 6 => arn, 2 => short, 2 => dense, 3 => ragged, 3 => colons]
}

/// A text or a list, as AWS takes both.
fn one_or_many(mut values: Vec<Value>, list: bool) -> Value {
    if values.len() == 1 && !list {
        values.remove(0)
    } else {
        Value::Array(values)
    }
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
fn selection(
    name: &'static str,
    pattern: impl Strategy<Value = String>,
) -> impl Strategy<Value = (String, Value)> {
    let patterns = prop::collection::vec(pattern.prop_map(Value::from), 1..4);
    (patterns, prop::bool::weighted(0.25), any::<bool>()).prop_map(move |(patterns, not, list)| {
        let name = if not {
            format!("Not{name}")
        } else {
            name.to_owned()
        };
        (name, one_or_many(patterns, list))
    })
}

/// An operator with what may stand before and after it.
fn operator(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let quantifier = prop_oneof![3 => Just(""), 1 => Just("ForAllValues:"), 1 => Just("ForAnyValue:")];
    let suffix = prop_oneof![2 => Just(""), 1 => Just("IfExists")];
    (quantifier, select(names), suffix)
        .prop_map(|(quantifier, name, suffix)| format!("{quantifier}{name}{suffix}"))
}

/// A value as it is written: AWS takes numbers and truth values too.
fn scalar(text: &str, bare: bool) -> Value {
    let value = serde_json::from_str(text).ok();
    let value = value.filter(|value: &Value| bare && (value.is_number() || value.is_boolean()));
    value.unwrap_or_else(|| text.into())
}

type Drawn = (String, &'static str, Vec<Value>);

fn condition() -> impl Strategy<Value = Drawn> {
    let compared = select(FAMILIES).prop_flat_map(|family| {
        let source = prop_oneof![9 => Just(family), 1 => select(FAMILIES)];
        let value = source.prop_flat_map(|family| select(family.written));
        let value = (value, any::<bool>()).prop_map(|(text, bare)| scalar(text, bare));
        let key =
            prop_oneof![9 => Just(family), 1 => select(FAMILIES)].prop_flat_map(|family| select(family.keys));
        (
            operator(family.operators),
            key,
            prop::collection::vec(value, 1..4),
        )
    });
    let absent = (
        select(FAMILIES),
        select(&["true", "false", "False", "maybe"][..]),
        any::<bool>(),
    );
    let absent = absent.prop_flat_map(|(family, text, bare)| {
        let values = vec![scalar(text, bare)];
        (Just("Null".to_owned()), select(family.keys), Just(values))
    });
    prop_oneof![8 => compared, 1 => absent]
}

fn conditions() -> impl Strategy<Value = Value> {
    let one = (condition(), any::<u8>(), any::<bool>());
    prop::collection::vec(one, 0..3).prop_map(|drawn| {
        let mut conditions: Map<String, Value> = Map::new();
        for ((operator, key, values), spelling, list) in drawn {
            let keys = conditions.entry(operator).or_insert_with(|| json!({}));
            keys[spelled(key, spelling)] = one_or_many(values, list);
        }
        conditions.into()
    })
}

fn statement() -> impl Strategy<Value = Value> {
    let actions = selection(
        "Action",
        prop_oneof![select(ACTION_PATTERNS), select(ACTIONS)].prop_map(str::to_owned),
    );
    let resources = selection("Resource", resource_pattern());
    let effect = prop_oneof![3 => Just("Allow"), 2 => Just("Deny")];
    (effect, actions, resources, conditions()).prop_map(
        |(effect, (actions, action), (resources, resource), conditions)| {
            let mut statement = json!({"Effect": effect, actions: action, resources: resource});
            if conditions
                .as_object()
                .is_some_and(|conditions| !conditions.is_empty())
            {
                statement["Condition"] = conditions;
            }
            statement
        },
    )
}

/// A document, in most cases of the version that service control policies have.
fn document() -> impl Strategy<Value = Value> {
    let version = prop_oneof![6 => Just(Some("2012-10-17")), 1 => Just(Some("2008-10-17")), 1 => Just(None)];
    (version, prop::collection::vec(statement(), 1..4), any::<bool>()).prop_map(
        |(version, statements, list)| {
            let mut document = json!({"Statement": one_or_many(statements, list)});
            if let Some(version) = version {
                document["Version"] = version.into();
            }
            document
        },
    )
}

/// A document that an environment may list.
pub(crate) fn own_document() -> impl Strategy<Value = Value> {
    document().prop_map(|mut document| {
        document["Version"] = "2012-10-17".into();
        document
    })
}

/// From the root to the account. Most levels have AWS's own policy, or few requests would be allowed.
fn levels() -> impl Strategy<Value = Value> {
    let level = (prop::bool::weighted(0.7), prop::collection::vec(document(), 0..3));
    let level = level.prop_map(|(full, mut documents)| {
        if full {
            documents.push(full_access());
        }
        documents
    });
    prop::collection::vec(level, 1..5).prop_map(|levels| json!(levels))
}

/// AWS's own policy and one statement, which denies everything that meets one condition or one kind of resources: nothing
/// else hides whether it does.
fn alone() -> impl Strategy<Value = Value> {
    let deny = |name: String, what: Value, condition: Option<Value>| {
        let mut statement = json!({"Effect": "Deny", "Action": "*", name: what});
        if let Some(condition) = condition {
            statement["Condition"] = condition;
        }
        json!([[full_access(), {"Version": "2012-10-17", "Statement": statement}]])
    };
    let condition = (condition(), any::<u8>(), any::<bool>()).prop_map(
        move |((operator, key, values), spelling, list)| {
            let condition = json!({operator: {spelled(key, spelling): one_or_many(values, list)}});
            deny("Resource".to_owned(), "*".into(), Some(condition))
        },
    );
    let resource =
        selection("Resource", resource_pattern()).prop_map(move |(name, what)| deny(name, what, None));
    prop_oneof![2 => condition, 1 => resource]
}

/// Both evaluators on what is drawn; gives what was decided.
fn agree(least: u32, policies: impl Strategy<Value = Value>) -> Vec<Decided> {
    let default = ProptestConfig::default();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: default.cases.max(least),
        failure_persistence: None,
        ..default
    });
    let drawn = (policies, prop::collection::vec(request(), 1..4));
    let seen: RefCell<Vec<Decided>> = RefCell::default();
    runner
        .run(&drawn, |(policies, requests)| {
            let cases = cases(&policies, &requests);
            for (case, (ours, theirs)) in cases.iter().zip(verdicts(&cases)) {
                prop_assert_eq!(ours, theirs, "ours, theirs: {}", case);
                seen.borrow_mut().push(ours);
            }
            Ok(())
        })
        .unwrap_or_else(|failed| panic!("{failed}"));
    seen.into_inner()
}

/// What is drawn is worth its time only as long as all that can be decided comes up often.
fn often(seen: &[Decided], percentages: &[(Decided, usize)]) {
    for (decided, least) in percentages {
        let count = seen.iter().filter(|other| *other == decided).count();
        let all = seen.len();
        assert!(count * 100 >= all * least, "{decided:?}: {count} of {all}");
    }
}

#[test]
fn any_policies_decide_the_same_about_any_request() {
    let seen = agree(3_000, levels());
    let kinds = [
        (Decided::Allowed, 10),
        (Decided::Denied, 10),
        (Decided::Implicitly, 10),
        (Decided::Exempt, 2),
    ];
    often(&seen, &kinds);
}

#[test]
fn any_condition_and_any_resource_alone_decide_the_same() {
    let seen = agree(8_000, alone());
    often(
        &seen,
        &[
            (Decided::Allowed, 20),
            (Decided::Denied, 20),
            (Decided::Exempt, 2),
        ],
    );
}
