//! `Condition`. Sources: IAM User Guide, "IAM JSON policy elements: Condition operators", "Conditions with multiple context
//! keys or values" and "Multivalued context keys".

use super::{
    context::Context,
    pattern::covers_arn,
    value::{Range, base64, moment, number, truth},
    variables::{Template, lower_case},
};
use crate::policy::{Comparison, Conditions, Operator, Quantifier, covers_glyphs};
use jiff::Timestamp;
use std::net::IpAddr;

/// One key under one operator.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    operator: Operator,
    /// In lower case.
    key: String,
    /// Values that are none of what the operator compares are left out: nothing equals them.
    values: Vec<Value>,
}

#[derive(Clone, Debug)]
enum Value {
    Text(Template),
    Number(f64),
    Moment(Timestamp),
    Truth(bool),
    Base64(String),
    Range(Range),
}

/// Prepares `Condition`; an operator that AWS does not know is `None`, which [`Document::parse`](crate::policy::Document)
/// does not let through.
pub(super) fn conditions(conditions: &Conditions, variables: bool) -> Option<Vec<Condition>> {
    let mut prepared = Vec::new();
    for (operator, keys) in conditions {
        let operator = Operator::parse(operator)?;
        for (key, values) in keys {
            let values = values.iter();
            prepared.push(Condition {
                operator,
                key: key.to_lowercase(),
                values: values
                    .filter_map(|text| value(operator.comparison, text, variables))
                    .collect(),
            });
        }
    }
    Some(prepared)
}

fn value(comparison: Comparison, text: &str, variables: bool) -> Option<Value> {
    use Comparison as C;
    match comparison {
        C::StringEquals => Some(Value::Text(Template::parse(text, false, variables))),
        C::StringEqualsIgnoreCase => {
            let template = Template::parse(text, false, variables);
            Some(Value::Text(template.lower_case()))
        }
        C::StringLike | C::Arn => Some(Value::Text(Template::parse(text, true, variables))),
        C::NumericEquals
        | C::NumericLessThan
        | C::NumericLessThanEquals
        | C::NumericGreaterThan
        | C::NumericGreaterThanEquals => number(text).map(Value::Number),
        C::DateEquals
        | C::DateLessThan
        | C::DateLessThanEquals
        | C::DateGreaterThan
        | C::DateGreaterThanEquals => moment(text).map(Value::Moment),
        C::Bool | C::Null => truth(text).map(Value::Truth),
        C::BinaryEquals => Some(Value::Base64(base64(text).to_owned())),
        C::IpAddress => Range::parse(text).map(Value::Range),
    }
}

impl Condition {
    /// Does it hold? A key that is absent satisfies `...IfExists`, `ForAllValues` and what is negated, and nothing else.
    ///
    /// For the quantifiers, a key whose values are empty text has none. Without a quantifier, one of several values of the
    /// request is enough, and where the operator is negated, one that matches is too many.
    pub(super) fn holds(&self, context: &Context) -> bool {
        let Operator {
            quantifier,
            comparison,
            negated,
            if_exists,
        } = self.operator;
        let given = context.values(&self.key);
        if comparison == Comparison::Null {
            let absent = given.is_none();
            let asks = |value: &Value| matches!(value, Value::Truth(asked) if *asked == absent);
            return self.values.iter().any(asks);
        }
        let Some(given) = given else {
            return if_exists
                || match quantifier {
                    Some(quantifier) => quantifier == Quantifier::AllValues,
                    None => negated,
                };
        };
        let matches = |given: &String| self.matches(given, context);
        match quantifier {
            None => given.iter().any(matches) != negated,
            Some(quantifier) if given.iter().all(String::is_empty) => quantifier == Quantifier::AllValues,
            Some(Quantifier::AllValues) => given.iter().all(|given| matches(given) != negated),
            Some(Quantifier::AnyValue) => given.iter().any(|given| matches(given) != negated),
        }
    }

    /// In lower case.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Would it hold if the request's value were the one it names?
    pub(super) fn holds_where_equal(&self) -> bool {
        let asks_for_absent = |value: &Value| matches!(value, Value::Truth(true));
        match self.operator.comparison {
            Comparison::Null => !self.values.iter().all(asks_for_absent),
            _ => !self.operator.negated,
        }
    }

    /// Does it compare with a variable that has no value in the context?
    pub(super) fn has_unknown_variable(&self, context: &Context) -> bool {
        let unknown = |value: &Value| matches!(value, Value::Text(text) if text.resolve(context).is_none());
        self.values.iter().any(unknown)
    }

    /// Does a value of the request match one of the policy's? One whose variable has no value matches nothing.
    fn matches(&self, given: &str, context: &Context) -> bool {
        use Comparison as C;
        let comparison = self.operator.comparison;
        self.values.iter().any(|value| match value {
            Value::Text(template) => template.resolve(context).is_some_and(|pattern| match comparison {
                C::Arn => covers_arn(&pattern, given),
                C::StringEqualsIgnoreCase => {
                    let given: String = given.chars().flat_map(char::to_lowercase).collect();
                    covers_glyphs(&lower_case(&pattern), &given)
                }
                _ => covers_glyphs(&pattern, given),
            }),
            Value::Number(value) => number(given).is_some_and(|given| ordered(comparison, &given, value)),
            Value::Moment(value) => moment(given).is_some_and(|given| ordered(comparison, &given, value)),
            Value::Truth(value) => truth(given) == Some(*value),
            Value::Base64(value) => base64(given) == value,
            Value::Range(range) => given
                .parse::<IpAddr>()
                .is_ok_and(|address| range.contains(address)),
        })
    }
}

fn ordered<T: PartialOrd>(comparison: Comparison, given: &T, value: &T) -> bool {
    use Comparison as C;
    match comparison {
        C::NumericLessThan | C::DateLessThan => given < value,
        C::NumericLessThanEquals | C::DateLessThanEquals => given <= value,
        C::NumericGreaterThan | C::DateGreaterThan => given > value,
        C::NumericGreaterThanEquals | C::DateGreaterThanEquals => given >= value,
        _ => given == value,
    }
}
