//! What holds for all policies and requests.

use super::*;
use crate::policy::{Conditions, Selection, Statement as Written};
use proptest::prelude::*;

/// Few words, so that patterns and requests meet often.
fn action() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["s3:Get", "s3:Put", "ec2:Run", "ec2:Stop", "iam:Get"]).prop_map(str::to_owned)
}

fn resource() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "*",
        "arn:aws:s3:::a/x",
        "arn:aws:s3:::b/y",
        "arn:aws:ec2:r:1:i/1",
    ])
    .prop_map(str::to_owned)
}

fn selection(patterns: Vec<&'static str>) -> impl Strategy<Value = Selection> {
    let patterns = prop::collection::vec(prop::sample::select(patterns).prop_map(str::to_owned), 1..4);
    (patterns, any::<bool>()).prop_map(|(patterns, not)| {
        if not {
            Selection::Not(patterns)
        } else {
            Selection::Any(patterns)
        }
    })
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let operator = prop::sample::select(vec![
        "StringEquals",
        "StringNotLike",
        "StringLikeIfExists",
        "ForAllValues:StringEquals",
        "ForAnyValue:StringNotEquals",
    ]);
    let key = prop::sample::select(vec!["k", "l"]);
    let values = prop::collection::vec(prop::sample::select(vec!["a", "b*", "${l}"]), 1..3);
    prop::collection::vec((operator, key, values), 0..3).prop_map(|all| {
        let mut conditions = Conditions::new();
        for (operator, key, values) in all {
            let values = values.into_iter().map(str::to_owned).collect();
            let keys = conditions.entry(operator.to_owned()).or_default();
            keys.insert(key.to_owned(), values);
        }
        conditions
    })
}

fn statement() -> impl Strategy<Value = Written> {
    let effect = prop::sample::select(vec![Effect::Allow, Effect::Allow, Effect::Deny]);
    let actions = selection(vec!["*", "s3:*", "S3:get", "*:Get", "ec2:?un", "iam:Get"]);
    let resources = selection(vec![
        "*",
        "arn:aws:s3:::*",
        "arn:aws:s3:::a/${k}",
        "arn:aws:ec2:*",
    ]);
    (effect, actions, resources, conditions()).prop_map(|(effect, actions, resources, conditions)| Written {
        sid: None,
        effect,
        any_principal: false,
        actions,
        resources,
        conditions,
    })
}

fn policy() -> impl Strategy<Value = Document> {
    prop::collection::vec(statement(), 1..4).prop_map(|statements| Document {
        version: Some("2012-10-17".into()),
        id: None,
        statements,
    })
}

fn levels() -> impl Strategy<Value = Vec<Vec<Document>>> {
    prop::collection::vec(prop::collection::vec(policy(), 1..4), 1..4)
}

fn request() -> impl Strategy<Value = Request> {
    let values = || prop::collection::vec(prop::sample::select(vec!["a", "b", "bc", "x", ""]), 0..3);
    (action(), resource(), values(), values()).prop_map(|(action, resource, k, l)| {
        let values = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect();
        Request {
            context: [("K".to_owned(), values(k)), ("L".to_owned(), values(l))].into(),
            ..call(&action, &resource)
        }
    })
}

fn decision(levels: &[Vec<Document>], request: &Request) -> Decision {
    evaluate(levels, request, None).decision
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_statements_policies_and_levels_never_matters(
        (levels, shuffled) in levels().prop_flat_map(|levels| {
            let shuffled = levels.iter().map(|level| {
                let documents = level.iter().map(|document| {
                    let document = document.clone();
                    Just(document.statements.clone()).prop_shuffle().prop_map(move |statements| {
                        Document { statements, ..document.clone() }
                    })
                }).collect::<Vec<_>>();
                documents.prop_flat_map(|documents| Just(documents).prop_shuffle())
            }).collect::<Vec<_>>();
            let shuffled = shuffled.prop_flat_map(|levels| Just(levels).prop_shuffle());
            (Just(levels), shuffled)
        }),
        request in request(),
    ) {
        prop_assert_eq!(decision(&levels, &request), decision(&shuffled, &request));
    }

    #[test]
    fn splitting_a_list_of_actions_over_statements_and_documents_never_matters(
        levels in levels(), request in request(),
    ) {
        let split: Vec<Vec<Document>> = levels.iter().map(|level| {
            level.iter().flat_map(|document| {
                document.statements.iter().flat_map(|statement| match &statement.actions {
                    Selection::Any(actions) => actions.iter().map(|action| Written {
                        actions: Selection::Any(vec![action.clone()]),
                        ..statement.clone()
                    }).collect(),
                    Selection::Not(_) => vec![statement.clone()],
                }).map(|statement| Document { statements: vec![statement], ..document.clone() })
            }).collect()
        }).collect();
        prop_assert_eq!(decision(&levels, &request), decision(&split, &request));
    }

    #[test]
    fn a_deny_stays_one_whatever_is_added(
        levels in levels(), added in policy(), at in any::<prop::sample::Index>(), request in request(),
    ) {
        let denying = |levels: &[Vec<Document>]| {
            let Verdict { decision, by } = evaluate(levels, &request, None);
            decision == Decision::Deny && by != ["implicit"]
        };
        let mut more = levels.clone();
        let at = at.index(more.len());
        more[at].push(added);
        if denying(&levels) {
            prop_assert!(denying(&more));
        }
        more[at].push(document(&json!({"Effect": "Deny", "Action": "*", "Resource": "*"})));
        prop_assert!(denying(&more));
    }

    #[test]
    fn what_only_allows_takes_nothing_away(levels in levels(), request in request()) {
        let mut more = levels.clone();
        for level in &mut more {
            level.push(full());
        }
        if decision(&levels, &request) == Decision::Allow {
            prop_assert_eq!(decision(&more, &request), Decision::Allow);
        }
    }

    #[test]
    fn a_document_is_read_as_it_was_written_and_decides_the_same(document in policy(), request in request()) {
        let read = Document::parse_text(&document.to_text()).unwrap();
        prop_assert_eq!(&read, &document);
        prop_assert_eq!(Document::parse(&document.to_value()).unwrap(), document.clone());
        prop_assert_eq!(decision(&[vec![read]], &request), decision(&[vec![document]], &request));
    }

    #[test]
    fn both_ways_of_matching_agree(
        pattern in "[ab:*?]{0,8}", text in "[ab:]{0,10}", narrow in "[ab:*?]{0,6}",
    ) {
        use crate::policy::{Glyph, covers, covers_glyphs};
        let glyphs: Vec<Glyph> = pattern.chars().map(Glyph::wild).collect();
        prop_assert_eq!(covers(&pattern, &text), covers_glyphs(&glyphs, &text));
        // In a text without colons, a wildcard that stands for none is like any other.
        let text = text.replace(':', "");
        let within = |character| match character {
            '*' => Glyph::ManyWithin,
            '?' => Glyph::OneWithin,
            other => Glyph::Char(other),
        };
        let glyphs: Vec<Glyph> = narrow.chars().map(within).collect();
        prop_assert_eq!(covers(&narrow, &text), covers_glyphs(&glyphs, &text));
    }
}
