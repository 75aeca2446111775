//! What stands in a condition, or in a text with variables: whether AWS, and the evaluator, can read it at all.
//!
//! The evaluator passes over what it cannot read, as nothing equals it. A policy that says something else than its author
//! meant is not attached to hundreds of accounts.

use super::{Comparison, Defect, Operator, Rule, Statement, defect::join, is_resource};
use crate::evaluate::value::{Range, moment, number, truth};

/// Checks keys, values and variables of a statement.
pub(super) fn conditions(statement: &Statement) -> Result<(), Defect> {
    for (name, keys) in &statement.conditions {
        let Some(operator) = Operator::parse(name) else {
            continue;
        };
        for (key, values) in keys {
            let path = join(&join("Condition", name), key);
            if !is_key(key) {
                return Err(Defect::new(path, Rule::ConditionKey, format!("{key:?}")));
            }
            for (index, text) in values.iter().enumerate() {
                value(operator.comparison, text).map_err(|rule| {
                    Defect::new(item(&path, index, values.len()), rule, format!("{text:?}"))
                })?;
            }
        }
    }
    Ok(())
}

/// The place of a value: one alone is written without a list.
pub(super) fn item(path: &str, index: usize, of: usize) -> String {
    if of == 1 {
        path.to_owned()
    } else {
        format!("{path}[{index}]")
    }
}

/// `aws:PrincipalArn`, `ec2:ResourceTag/team`, `token.actions.githubusercontent.com:sub`.
fn is_key(key: &str) -> bool {
    key.split_once(':').is_some_and(|(prefix, name)| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/');
        !prefix.is_empty() && prefix.bytes().all(plain) && !name.trim().is_empty()
    })
}

/// A value under an operator. Only texts and ARNs can have variables (IAM User Guide, "Variables and tags").
fn value(comparison: Comparison, text: &str) -> Result<(), Rule> {
    use Comparison as C;
    let (holds, what) = match comparison {
        C::StringEquals | C::StringEqualsIgnoreCase | C::StringLike => return variables(text),
        C::Arn => {
            variables(text)?;
            (text.starts_with("${") || is_resource(text), "* or an ARN")
        }
        C::NumericEquals
        | C::NumericLessThan
        | C::NumericLessThanEquals
        | C::NumericGreaterThan
        | C::NumericGreaterThanEquals => (number(text).is_some(), "a number"),
        C::DateEquals
        | C::DateLessThan
        | C::DateLessThanEquals
        | C::DateGreaterThan
        | C::DateGreaterThanEquals => (
            moment(text).is_some(),
            "a date such as 2026-01-31T12:30:00Z, or seconds since 1970",
        ),
        C::Bool | C::Null => (truth(text).is_some(), "true or false"),
        C::BinaryEquals => (is_base64(text), "base64"),
        C::IpAddress => (
            Range::parse(text).is_some(),
            "an address or a range such as 203.0.113.0/24",
        ),
    };
    if holds { Ok(()) } else { Err(Rule::Value(what)) }
}

fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let digit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    !digits.is_empty()
        && text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.bytes().all(digit)
}

/// Every `${` begins a variable: `${*}`, `${?}`, `${$}`, `${key}` or `${key, 'default'}`.
pub(super) fn variables(text: &str) -> Result<(), Rule> {
    let mut rest = text;
    while let Some((_, named)) = rest.split_once("${") {
        let (name, after) = named.split_once('}').ok_or(Rule::Variable)?;
        let (key, default) = match name.split_once(',') {
            Some((key, default)) => (key.trim(), Some(default.trim())),
            None => (name, None),
        };
        let quoted =
            |default: &str| default.len() >= 2 && default.starts_with('\'') && default.ends_with('\'');
        let named = is_key(key) || (default.is_none() && matches!(key, "*" | "?" | "$"));
        if !named || default.is_some_and(|default| !quoted(default)) {
            return Err(Rule::Variable);
        }
        rest = after;
    }
    Ok(())
}
