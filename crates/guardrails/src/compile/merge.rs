//! Fewer statements that decide the same.

use crate::policy::{Document, Selection, Statement, covers};

/// Joins statements that differ in their actions alone, or in their resources alone, drops what stands twice and what a
/// wildcard beside it covers, and brings the rest into one order.
///
/// No statement grows beyond `most` characters, the size of a whole document: it could not be given to AWS.
pub(super) fn merge(statements: Vec<Statement>, most: usize) -> Vec<Statement> {
    let mut statements: Vec<Statement> = statements.into_iter().map(normal).collect();
    statements.sort();
    statements.dedup();
    while let Some((one, other, joined)) = joinable(&statements, most) {
        // `other` comes after `one`.
        statements.remove(other);
        statements.remove(one);
        statements.push(joined);
        statements.sort();
        statements.dedup();
    }
    statements
}

fn joinable(statements: &[Statement], most: usize) -> Option<(usize, usize, Statement)> {
    (0..statements.len()).find_map(|one| {
        (one + 1..statements.len()).find_map(|other| {
            let joined = join(&statements[one], &statements[other])?;
            (size(&joined) <= most).then_some((one, other, joined))
        })
    })
}

/// The one statement that decides what both decide.
fn join(one: &Statement, other: &Statement) -> Option<Statement> {
    let alike = one.effect == other.effect
        && one.any_principal == other.any_principal
        && one.conditions == other.conditions;
    if !alike {
        return None;
    }
    // `NotAction` names what is left alone, so two lists of it have no union.
    let union = |one: &Selection, other: &Selection| match (one, other) {
        (Selection::Any(one), Selection::Any(other)) => {
            Some(Selection::Any(one.iter().chain(other).cloned().collect()))
        }
        _ => None,
    };
    let joined = if one.resources == other.resources {
        Statement {
            actions: union(&one.actions, &other.actions)?,
            ..one.clone()
        }
    } else if one.actions == other.actions {
        Statement {
            resources: union(&one.resources, &other.resources)?,
            ..one.clone()
        }
    } else {
        return None;
    };
    Some(normal(joined))
}

/// The statement with its lists sorted, and without what they say twice.
pub(super) fn normal(statement: Statement) -> Statement {
    let actions = |patterns: Vec<String>| smallest(patterns, str::to_ascii_lowercase, covered);
    // What an ARN's wildcard covers depends on the ARN's parts; that `*` covers all does not.
    let resources = |patterns: Vec<String>| {
        smallest(patterns, str::to_owned, |pattern, other| {
            other == "*" || pattern == other
        })
    };
    let mut conditions = statement.conditions;
    for values in conditions.values_mut().flat_map(|keys| keys.values_mut()) {
        values.sort();
        values.dedup();
    }
    Statement {
        actions: each(statement.actions, actions),
        resources: each(statement.resources, resources),
        conditions,
        ..statement
    }
}

fn each(selection: Selection, change: impl Fn(Vec<String>) -> Vec<String>) -> Selection {
    match selection {
        Selection::Any(patterns) => Selection::Any(change(patterns)),
        Selection::Not(patterns) => Selection::Not(change(patterns)),
    }
}

/// The patterns that no other one makes needless, sorted. `read`: as AWS reads them.
fn smallest(
    mut patterns: Vec<String>,
    read: impl Fn(&str) -> String,
    covered: impl Fn(&str, &str) -> bool,
) -> Vec<String> {
    patterns.sort();
    patterns.dedup();
    let read: Vec<String> = patterns.iter().map(|pattern| read(pattern)).collect();
    let mut kept: Vec<String> = Vec::new();
    for (index, pattern) in patterns.into_iter().enumerate() {
        // Of two that cover each other (they differ in upper and lower case) the first stays.
        let needless = read.iter().enumerate().any(|(place, other)| {
            place != index && covered(&read[index], other) && (place < index || !covered(other, &read[index]))
        });
        if !needless {
            kept.push(pattern);
        }
    }
    kept
}

/// Does `other` cover all that `pattern` covers? Never yes when it does not; no in some cases where it does.
fn covered(pattern: &str, other: &str) -> bool {
    // A `*` covers the wildcards of the pattern like any other text; a `?` would take a `*` for one character.
    (!other.contains('?') || !pattern.contains('*')) && covers(other, pattern)
}

/// Characters of a document with this statement alone.
pub(super) fn size(statement: &Statement) -> usize {
    document(vec![statement.clone()]).to_text().chars().count()
}

/// A document of these statements.
pub(super) fn document(statements: Vec<Statement>) -> Document {
    Document {
        version: Some("2012-10-17".to_owned()),
        id: None,
        statements,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn statements(value: &Value) -> Vec<Statement> {
        let document = json!({"Version": "2012-10-17", "Statement": value});
        Document::parse(&document).unwrap().statements
    }

    fn deny(actions: &[&str], resource: &str) -> Value {
        json!({"Effect": "Deny", "Action": actions, "Resource": resource})
    }

    #[test]
    fn statements_that_differ_in_one_thing_become_one() {
        let many = statements(&json!([
            deny(&["ec2:B"], "*"),
            deny(&["ec2:A"], "*"),
            deny(&["s3:A"], "arn:aws:s3:::a"),
            deny(&["s3:A"], "arn:aws:s3:::b"),
            deny(&["s3:B"], "arn:aws:s3:::b"),
        ]));
        let few = statements(&json!([
            deny(&["ec2:A", "ec2:B"], "*"),
            {"Effect": "Deny", "Action": "s3:A", "Resource": "arn:aws:s3:::a"},
            deny(&["s3:A", "s3:B"], "arn:aws:s3:::b"),
        ]));
        let merged = merge(many, 10_240);
        assert_eq!(merged.len(), 3, "{merged:?}");
        for statement in &merged {
            let known = few.contains(statement)
                || *statement
                    == statements(&json!([{"Effect": "Deny", "Action": "s3:A",
                    "Resource": ["arn:aws:s3:::a", "arn:aws:s3:::b"]}]))[0]
                || *statement == statements(&json!([deny(&["s3:B"], "arn:aws:s3:::b")]))[0];
            assert!(known, "{statement:?}");
        }
    }

    #[test]
    fn what_differs_in_more_or_in_what_is_left_alone_stays() {
        let apart = statements(&json!([
            deny(&["ec2:A"], "*"),
            {"Effect": "Allow", "Action": "ec2:B", "Resource": "*"},
            {"Effect": "Deny", "Action": "ec2:C", "Resource": "*", "Condition": {"Bool": {"a:B": "true"}}},
            {"Effect": "Deny", "NotAction": "ec2:D", "Resource": "*"},
            {"Effect": "Deny", "NotAction": "ec2:E", "Resource": "*"},
            deny(&["ec2:F"], "arn:aws:s3:::a"),
        ]));
        assert_eq!(merge(apart.clone(), 10_240).len(), apart.len());
    }

    #[test]
    fn nothing_grows_beyond_a_document() {
        let many = statements(&json!([deny(&["ec2:A"], "*"), deny(&["ec2:B"], "*")]));
        let whole = size(&merge(many.clone(), 10_240)[0]);
        assert_eq!(merge(many.clone(), whole).len(), 1);
        assert_eq!(merge(many, whole - 1).len(), 2);
    }

    #[test]
    fn a_wildcard_covers_what_stands_beside_it() {
        let merged = merge(
            statements(&json!([deny(
                &[
                    "ec2:*Gateway",
                    "ec2:CreateNatGateway",
                    "EC2:createnatgateway",
                    "ec2:*NatGateway",
                    "ec2:Get?",
                    "ec2:Get*s"
                ],
                "*"
            )])),
            10_240,
        );
        assert_eq!(
            merged[0].actions.patterns(),
            ["ec2:*Gateway", "ec2:Get*s", "ec2:Get?"]
        );
        for (pattern, other, expected) in [
            ("s3:get*", "s3:*", true),
            ("s3:*", "s3:get*", false),
            ("s3:get?", "s3:get*", true),
            ("s3:get*", "s3:get?", false),
            ("s3:get?", "s3:get??", false),
            ("s3:geta", "s3:get?", true),
            ("s3:a*b*c", "s3:a*c", true),
        ] {
            assert_eq!(covered(pattern, other), expected, "{pattern} {other}");
        }
    }
}
