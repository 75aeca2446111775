//! Condition operators: IAM user guide, reference_policies_elements_condition_operators and
//! reference_policies_condition-logic-multiple-context-keys-or-values.

use std::cmp::Ordering;
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Context;
use super::matching::{Pattern, Reading};

/// `ForAllValues:` or `ForAnyValue:`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    All,
    Any,
}

/// One operator on one key.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// Lowercase.
    key: String,
    quantifier: Option<Quantifier>,
    if_exists: bool,
    negated: bool,
    test: Test,
}

/// What a value of the request is held against: the values of the policy, any of which will do. One that cannot be
/// read as what the operator compares matches nothing.
#[derive(Clone, Debug)]
enum Test {
    Text {
        patterns: Vec<Pattern>,
        fold: bool,
    },
    Arn(Vec<Pattern>),
    Number(Comparison, Vec<f64>),
    Date(Comparison, Vec<Timestamp>),
    Bool(Vec<bool>),
    Binary(Vec<String>),
    Ip(Vec<Network>),
    /// Whether the key is missing.
    Null(Vec<bool>),
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }

    /// By the operator's name without its kind; NotEquals is the negation of Equals.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "Equals" | "NotEquals" => Self::Equal,
            "LessThan" => Self::Less,
            "LessThanEquals" => Self::LessOrEqual,
            "GreaterThan" => Self::Greater,
            "GreaterThanEquals" => Self::GreaterOrEqual,
            _ => return None,
        })
    }
}

/// Whether there is such an operator, with its prefix and suffix.
pub(crate) fn is_operator(name: &str) -> bool {
    Condition::new(name, "", &[], false).is_some()
}

impl Condition {
    /// None when there is no such operator; AWS tells upper from lower case in them. `variables` says whether the document's version has them.
    pub(super) fn new(operator: &str, key: &str, values: &[String], variables: bool) -> Option<Self> {
        let (quantifier, name) = if let Some(rest) = operator.strip_prefix("ForAllValues:") {
            (Some(Quantifier::All), rest)
        } else if let Some(rest) = operator.strip_prefix("ForAnyValue:") {
            (Some(Quantifier::Any), rest)
        } else {
            (None, operator)
        };
        let (if_exists, name) = match name.strip_suffix("IfExists") {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        // A missing key is all that Null is about.
        if name == "Null" && (if_exists || quantifier.is_some()) {
            return None;
        }
        Some(Self {
            key: key.to_lowercase(),
            quantifier,
            if_exists,
            negated: name.contains("Not"),
            test: Test::new(name, values, variables)?,
        })
    }

    pub(super) fn holds(&self, context: &Context) -> bool {
        let values = context.values(&self.key);
        if let Test::Null(wanted) = &self.test {
            return wanted.contains(&values.is_empty());
        }
        let without = match self.quantifier {
            Some(Quantifier::All) => true,
            Some(Quantifier::Any) => false,
            None => self.negated,
        };
        if values.is_empty() {
            return self.if_exists || without;
        }
        // To the quantifiers, a key with nothing but empty text has no values; but it exists.
        if self.quantifier.is_some() && values.iter().all(String::is_empty) {
            return without;
        }
        let holds = |value: &String| self.test.matches(value, context) != self.negated;
        match (self.quantifier, self.negated) {
            (Some(Quantifier::All), _) | (None, true) => values.iter().all(holds),
            (Some(Quantifier::Any), _) | (None, false) => values.iter().any(holds),
        }
    }
}

impl Test {
    /// `name` without prefix and suffix.
    fn new(name: &str, values: &[String], variables: bool) -> Option<Self> {
        let patterns = |wildcards, fold| {
            let reading = Reading {
                wildcards,
                variables,
                fold,
            };
            values.iter().map(|value| Pattern::new(value, reading)).collect()
        };
        let text = |wildcards, fold| Self::Text {
            patterns: patterns(wildcards, fold),
            fold,
        };
        Some(match name {
            "StringEquals" | "StringNotEquals" => text(false, false),
            "StringEqualsIgnoreCase" | "StringNotEqualsIgnoreCase" => text(false, true),
            "StringLike" | "StringNotLike" => text(true, false),
            // The two behave alike: both take wildcards.
            "ArnEquals" | "ArnLike" | "ArnNotEquals" | "ArnNotLike" => Self::Arn(patterns(true, false)),
            "Bool" => Self::Bool(values.iter().filter_map(|value| boolean(value)).collect()),
            "Null" => Self::Null(values.iter().filter_map(|value| boolean(value)).collect()),
            "BinaryEquals" => Self::Binary(values.iter().map(|value| unpadded(value).to_owned()).collect()),
            "IpAddress" | "NotIpAddress" => {
                Self::Ip(values.iter().filter_map(|value| Network::parse(value)).collect())
            }
            _ => {
                if let Some(rest) = name.strip_prefix("Numeric") {
                    let values = values.iter().filter_map(|value| number(value)).collect();
                    Self::Number(Comparison::named(rest)?, values)
                } else {
                    let comparison = Comparison::named(name.strip_prefix("Date")?)?;
                    Self::Date(
                        comparison,
                        values.iter().filter_map(|value| date(value)).collect(),
                    )
                }
            }
        })
    }

    /// Whether the value matches any of the policy's; the negation is the caller's.
    fn matches(&self, value: &str, context: &Context) -> bool {
        match self {
            Self::Text { patterns, fold } => {
                // Each character for itself: the whole text would make a sigma at its end another than in the pattern.
                let value: Vec<char> = if *fold {
                    value.chars().flat_map(char::to_lowercase).collect()
                } else {
                    value.chars().collect()
                };
                patterns.iter().any(|pattern| pattern.matches(&value, context))
            }
            Self::Arn(patterns) => {
                let value: Vec<char> = value.chars().collect();
                patterns
                    .iter()
                    .any(|pattern| pattern.matches_arn(&value, context))
            }
            Self::Number(comparison, values) => number(value).is_some_and(|value| {
                let mut orderings = values.iter().filter_map(|other| value.partial_cmp(other));
                orderings.any(|ordering| comparison.holds(ordering))
            }),
            Self::Date(comparison, values) => date(value).is_some_and(|value| {
                let mut orderings = values.iter().map(|other| value.cmp(other));
                orderings.any(|ordering| comparison.holds(ordering))
            }),
            Self::Bool(values) => boolean(value).is_some_and(|value| values.contains(&value)),
            Self::Binary(values) => values.iter().any(|other| other == unpadded(value)),
            Self::Ip(networks) => value
                .parse()
                .is_ok_and(|address: IpAddr| networks.iter().any(|network| network.contains(address))),
            Self::Null(_) => false,
        }
    }
}

fn boolean(text: &str) -> Option<bool> {
    text.to_lowercase().parse().ok()
}

fn number(text: &str) -> Option<f64> {
    let numeric = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    text.parse().ok().filter(|_| text.chars().all(numeric))
}

/// Base64 stands for the same bytes with its padding and without.
fn unpadded(text: &str) -> &str {
    text.trim_end_matches('=')
}

/// A moment in one of the forms the W3C made of ISO 8601, or seconds since 1970. A time has a zone; a year, a month and a
/// day are their beginning in UTC.
fn date(text: &str) -> Option<Timestamp> {
    if text.contains('T') {
        return text.parse().ok();
    }
    let day = match text.len() {
        4 => format!("{text}-01-01"),
        7 if text.contains('-') => format!("{text}-01"),
        10 if text.contains('-') => text.to_owned(),
        _ => return Timestamp::from_second(text.parse().ok()?).ok(),
    };
    let day: Date = day.parse().ok()?;
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// An address range in CIDR notation; a lone address is a range of one.
#[derive(Clone, Debug)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            None => (text, None),
            Some((address, prefix)) => (address, Some(prefix)),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), str::parse).ok()?;
        (prefix <= longest).then_some(Self { address, prefix })
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = u32::from(network) ^ u32::from(address);
                differing.leading_zeros() >= self.prefix
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = u128::from(network) ^ u128::from(address);
                differing.leading_zeros() >= self.prefix
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the operator holds on key `k` with these values of the request, none for a missing key.
    fn holds(operator: &str, policy: &[&str], request: &[&str]) -> bool {
        let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let mut context = Context::default();
        context.set("K", owned(request));
        context.set_one("aws:username", "ann");
        let condition = Condition::new(operator, "k", &owned(policy), true);
        condition.expect("an operator").holds(&context)
    }

    #[test]
    fn every_operator_on_one_value() {
        for (operator, policy, request, expected) in [
            ("StringEquals", "a*", "a*", true),
            ("StringEquals", "a*", "ab", false),
            ("StringEquals", "A", "a", false),
            ("StringEquals", "${aws:username}", "ann", true),
            ("StringNotEquals", "a", "b", true),
            ("StringNotEquals", "a", "a", false),
            ("StringEqualsIgnoreCase", "Ä", "ä", true),
            ("StringEqualsIgnoreCase", "ΑΣ", "ΑΣ", true),
            ("StringEqualsIgnoreCase", "${aws:username}", "ANN", true),
            ("StringNotEqualsIgnoreCase", "A", "a", false),
            ("StringLike", "a*", "ab", true),
            ("StringLike", "a*", "Ab", false),
            ("StringNotLike", "a?", "ab", false),
            ("NumericEquals", "1.0", "1", true),
            ("NumericNotEquals", "1", "2", true),
            ("NumericLessThan", "10", "9", true),
            ("NumericLessThan", "10", "10", false),
            ("NumericLessThanEquals", "10", "10", true),
            ("NumericGreaterThan", "-1", "0", true),
            ("NumericGreaterThanEquals", "1", "0.9", false),
            ("NumericEquals", "nan", "nan", false),
            (
                "DateEquals",
                "2026-01-05T01:00:00+01:00",
                "2026-01-05T00:00:00Z",
                true,
            ),
            ("DateNotEquals", "2026-01-05", "2026-01-06", true),
            ("DateLessThan", "2026-01-06", "2026-01-05T23:59:59Z", true),
            ("DateLessThanEquals", "2026-01", "2026-01-01T00:00Z", true),
            ("DateEquals", "2026", "2026-01-01T00:00:00Z", true),
            ("DateEquals", "2026-01-01", "1767225600", true),
            ("DateEquals", "2026-01-01T00:00:00", "2026-01-01T00:00:00Z", false),
            (
                "DateEquals",
                "2026-01-01 00:00:00Z",
                "2026-01-01T00:00:00Z",
                false,
            ),
            ("DateGreaterThan", "1767571200", "2026-01-05T00:00:00Z", false),
            (
                "DateGreaterThanEquals",
                "1767571200",
                "2026-01-05T00:00:00Z",
                true,
            ),
            ("Bool", "true", "True", true),
            ("Bool", "false", "true", false),
            ("Bool", "true", "yes", false),
            ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", true),
            ("BinaryEquals", "QmluYXJ5", "qmluyxj5", false),
            ("BinaryEquals", "QQ==", "QQ", true),
            ("IpAddress", "203.0.113.0/24", "203.0.113.9", true),
            ("IpAddress", "203.0.113.0/24", "203.0.114.9", false),
            ("IpAddress", "203.0.113.9", "203.0.113.9", true),
            ("IpAddress", "2001:db8::/32", "2001:db8:1::1", true),
            ("IpAddress", "0.0.0.0/0", "2001:db8::1", false),
            ("NotIpAddress", "203.0.113.0/24", "203.0.114.9", true),
            (
                "ArnEquals",
                "arn:aws:iam::*:role/x",
                "arn:aws:iam::1:role/x",
                true,
            ),
            ("ArnLike", "arn:aws:iam::1:role/*", "arn:aws:iam::1:user/x", false),
            (
                "ArnNotEquals",
                "arn:aws:iam::1:role/*",
                "arn:aws:iam::1:role/x",
                false,
            ),
            ("ArnNotLike", "arn:aws:iam::1:role/*", "nonsense", true),
            ("Null", "true", "a", false),
            ("Null", "false", "a", true),
            ("StringLikeIfExists", "a*", "ab", true),
        ] {
            assert_eq!(
                holds(operator, &[policy], &[request]),
                expected,
                "{operator} {policy} {request}"
            );
        }
    }

    #[test]
    fn a_missing_key() {
        for (operator, expected) in [
            ("StringEquals", false),
            ("StringNotEquals", true),
            ("ArnNotLike", true),
            ("NotIpAddress", true),
            ("NumericNotEquals", true),
            ("Bool", false),
            ("StringEqualsIfExists", true),
            ("StringNotEqualsIfExists", true),
            ("BoolIfExists", true),
            ("ForAllValues:StringEquals", true),
            ("ForAllValues:StringNotEquals", true),
            ("ForAnyValue:StringEquals", false),
            ("ForAnyValue:StringNotEquals", false),
            ("ForAnyValue:StringEqualsIfExists", true),
        ] {
            assert_eq!(holds(operator, &["x"], &[]), expected, "{operator}");
        }
        assert!(holds("Null", &["true"], &[]) && !holds("Null", &["false"], &[]));
    }

    #[test]
    fn nothing_but_empty_text_is_no_value_to_the_quantifiers() {
        for (operator, request, expected) in [
            ("ForAllValues:StringEquals", &[""][..], true),
            ("ForAllValues:StringNotEquals", &["", ""], true),
            ("ForAnyValue:StringLike", &[""], false),
            ("ForAnyValue:StringNotEquals", &[""], false),
            ("ForAnyValue:StringLikeIfExists", &[""], false),
            ("ForAnyValue:StringLike", &["", "a"], true),
            ("StringLike", &[""], true),
            ("StringNotLike", &[""], false),
        ] {
            assert_eq!(
                holds(operator, &["*"], request),
                expected,
                "{operator} {request:?}"
            );
        }
    }

    #[test]
    fn several_values_on_both_sides() {
        for (operator, request, expected) in [
            ("StringEquals", &["a", "c"][..], true),
            ("StringNotEquals", &["a", "c"], false),
            ("StringNotEquals", &["c", "d"], true),
            ("ForAllValues:StringEquals", &["a", "b"], true),
            ("ForAllValues:StringEquals", &["a", "c"], false),
            ("ForAllValues:StringNotEquals", &["c", "d"], true),
            ("ForAllValues:StringNotEquals", &["a", "d"], false),
            ("ForAnyValue:StringEquals", &["c", "b"], true),
            ("ForAnyValue:StringEquals", &["c", "d"], false),
            ("ForAnyValue:StringNotEquals", &["a", "c"], true),
            ("ForAnyValue:StringNotEquals", &["a", "b"], false),
        ] {
            assert_eq!(
                holds(operator, &["a", "b"], request),
                expected,
                "{operator} {request:?}"
            );
        }
    }

    #[test]
    fn what_is_no_operator() {
        for name in [
            "",
            "StringEqual",
            "ForAnyValue:Null",
            "stringEquals",
            "NullIfExists",
            "ForSome:StringEquals",
            "BoolNot",
            "Date",
        ] {
            assert!(!is_operator(name), "{name}");
        }
    }
}
