//! Condition operators. Source: IAM User Guide, "IAM JSON policy elements: Condition operators".

/// A condition operator, taken apart: `ForAnyValue:StringNotLikeIfExists` is a quantifier, a comparison that is negated, and
/// what an absent key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operator {
    /// `ForAllValues:`, `ForAnyValue:` or neither.
    pub quantifier: Option<Quantifier>,
    /// What is compared, and how.
    pub comparison: Comparison,
    /// `StringNotEquals` and the like: no value may match.
    pub negated: bool,
    /// `...IfExists`: an absent key satisfies the condition.
    pub if_exists: bool,
}

/// Which of the request's values must match, for keys that have several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantifier {
    /// Every one of them; so it holds when there is none.
    AllValues,
    /// One of them; so it does not hold when there is none.
    AnyValue,
}

/// How one value of the request is compared with one of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Comparison {
    /// Exactly the same text.
    StringEquals,
    /// The same text but for upper and lower case.
    StringEqualsIgnoreCase,
    /// Text that a pattern with `*` and `?` covers.
    StringLike,
    /// Equal numbers.
    NumericEquals,
    /// The request's number is lower.
    NumericLessThan,
    /// The request's number is lower or equal.
    NumericLessThanEquals,
    /// The request's number is greater.
    NumericGreaterThan,
    /// The request's number is greater or equal.
    NumericGreaterThanEquals,
    /// The same moment.
    DateEquals,
    /// The request's moment is earlier.
    DateLessThan,
    /// The request's moment is earlier or the same.
    DateLessThanEquals,
    /// The request's moment is later.
    DateGreaterThan,
    /// The request's moment is later or the same.
    DateGreaterThanEquals,
    /// `true` or `false`.
    Bool,
    /// The same bytes, in base64.
    BinaryEquals,
    /// An address within a range.
    IpAddress,
    /// An ARN whose six parts are each covered by those of a pattern. `ArnEquals` and `ArnLike` are the same.
    Arn,
    /// Is the key absent?
    Null,
}

/// Every operator without its affixes, whether it is negated, and what it compares.
const OPERATORS: [(&str, bool, Comparison); 27] = {
    use Comparison as C;
    [
        ("StringEquals", false, C::StringEquals),
        ("StringNotEquals", true, C::StringEquals),
        ("StringEqualsIgnoreCase", false, C::StringEqualsIgnoreCase),
        ("StringNotEqualsIgnoreCase", true, C::StringEqualsIgnoreCase),
        ("StringLike", false, C::StringLike),
        ("StringNotLike", true, C::StringLike),
        ("NumericEquals", false, C::NumericEquals),
        ("NumericNotEquals", true, C::NumericEquals),
        ("NumericLessThan", false, C::NumericLessThan),
        ("NumericLessThanEquals", false, C::NumericLessThanEquals),
        ("NumericGreaterThan", false, C::NumericGreaterThan),
        ("NumericGreaterThanEquals", false, C::NumericGreaterThanEquals),
        ("DateEquals", false, C::DateEquals),
        ("DateNotEquals", true, C::DateEquals),
        ("DateLessThan", false, C::DateLessThan),
        ("DateLessThanEquals", false, C::DateLessThanEquals),
        ("DateGreaterThan", false, C::DateGreaterThan),
        ("DateGreaterThanEquals", false, C::DateGreaterThanEquals),
        ("Bool", false, C::Bool),
        ("BinaryEquals", false, C::BinaryEquals),
        ("IpAddress", false, C::IpAddress),
        ("NotIpAddress", true, C::IpAddress),
        ("ArnEquals", false, C::Arn),
        ("ArnNotEquals", true, C::Arn),
        ("ArnLike", false, C::Arn),
        ("ArnNotLike", true, C::Arn),
        ("Null", false, C::Null),
    ]
};

impl Operator {
    /// Reads an operator's name; `None`: AWS knows none of that name.
    ///
    /// `Null` asks whether a key exists and takes neither `IfExists` nor a quantifier.
    pub fn parse(name: &str) -> Option<Self> {
        let (quantifier, rest) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(Quantifier::AllValues), rest),
            Some(("ForAnyValue", rest)) => (Some(Quantifier::AnyValue), rest),
            Some(_) => return None,
            None => (None, name),
        };
        let (base, if_exists) = match rest.strip_suffix("IfExists") {
            Some(base) => (base, true),
            None => (rest, false),
        };
        let (_, negated, comparison) = OPERATORS.iter().find(|(known, ..)| *known == base)?;
        let bare = quantifier.is_none() && !if_exists;
        (*comparison != Comparison::Null || bare).then_some(Self {
            quantifier,
            comparison: *comparison,
            negated: *negated,
            if_exists,
        })
    }
}
