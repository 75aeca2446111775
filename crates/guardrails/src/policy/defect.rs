//! What is wrong with a document, and where.

use std::fmt;

/// The longest value that is shown, in characters: an error is one line.
const SHOWN: usize = 80;

/// One thing wrong with a document: where, which rule, and what stands there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Defect {
    /// Path into the document, `Statement[2].Condition.StringLike`; indices from 0; empty: the document as a whole.
    pub path: String,
    /// The rule that is broken.
    pub rule: Rule,
    /// What stands there, shortened; `None`: nothing does.
    pub value: Option<String>,
}

/// What a document must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// The text is no JSON.
    #[error("malformed JSON: {0}")]
    Json(String),
    /// JSON lets a name stand twice; which one counts is anybody's guess.
    #[error("a name may stand once in an object")]
    DuplicateName,
    /// Two cases of one list have the same name.
    #[error("a name may stand once in a list of cases, and [{0}] has it too")]
    DuplicateCase(usize),
    /// Another kind of JSON value is needed.
    #[error("must be {0}")]
    Shape(&'static str),
    /// AWS knows no such element.
    #[error("AWS knows no such element here; it knows {0}")]
    UnknownElement(&'static str),
    /// A case has no such field.
    #[error("there is no such field; there are {0}")]
    UnknownField(&'static str),
    /// An element every document or statement has.
    #[error("{0}")]
    Missing(&'static str),
    /// `Action` with `NotAction`, or `Resource` with `NotResource`.
    #[error("{0} and {1} exclude each other")]
    Both(&'static str, &'static str),
    /// `NotPrincipal` is in the grammar of neither type of policy.
    #[error("NotPrincipal is not allowed in policies of an organization")]
    NotPrincipal,
    /// A principal that is not everybody.
    #[error(
        "must be \"*\": policies of an organization name no principals; use a condition on aws:PrincipalArn"
    )]
    Principal,
    /// `Version`.
    #[error("must be \"2012-10-17\" or \"2008-10-17\"")]
    Version,
    /// `Effect`.
    #[error("must be \"Allow\" or \"Deny\", in this spelling")]
    Effect,
    /// Two statements of one document have the same `Sid`.
    #[error("a Sid may stand once in a document, and Statement[{0}] has it too")]
    DuplicateSid(usize),
    /// `Action`, `NotAction`.
    #[error("must be * or service:Name, where * and ? are wildcards")]
    Action,
    /// `Resource`, `NotResource`.
    #[error("must be * or an ARN of six parts (a * that ends a part can stand for those that are missing)")]
    Resource,
    /// An action that policies of an organization cannot have.
    #[error(
        "must be * or service:Name: a service is letters, digits and -, and wildcards stand in the name alone"
    )]
    Service,
    /// A resource that policies of an organization cannot have.
    #[error("must be * or begin with arn:")]
    Arn,
    /// A key of a condition.
    #[error("a condition key is prefix:name, such as aws:PrincipalArn")]
    ConditionKey,
    /// A value of a condition that its operator cannot compare.
    #[error("must be {0}, or nothing ever equals it")]
    Value(&'static str),
    /// A variable that AWS does not replace.
    #[error("a variable is ${{key}} or ${{key, 'default'}}, and ${{$}} stands for $ itself")]
    Variable,
    /// Condition operators.
    #[error("AWS knows no such condition operator")]
    Operator,
    /// A rule of one type of policies.
    #[error("{0} {1}")]
    Type(&'static str, &'static str),
}

impl Defect {
    pub(crate) fn new(path: impl Into<String>, rule: Rule, value: impl fmt::Display) -> Self {
        Self {
            path: path.into(),
            rule,
            value: Some(shortened(&value.to_string())),
        }
    }

    pub(crate) fn missing(path: impl Into<String>, rule: Rule) -> Self {
        Self {
            path: path.into(),
            rule,
            value: None,
        }
    }

    /// The same defect of a document that is part of something: `policies[1]` and `Statement[0].Action` make
    /// `policies[1].Statement[0].Action`.
    #[must_use]
    pub fn under(mut self, parent: &str) -> Self {
        self.path = join(parent, &self.path);
        self
    }
}

/// The path of a part: names are joined with a dot, indices are not.
pub(crate) fn join(parent: &str, child: &str) -> String {
    if parent.is_empty() || child.is_empty() || child.starts_with('[') {
        format!("{parent}{child}")
    } else {
        format!("{parent}.{child}")
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "the document"
        } else {
            &self.path
        };
        match (&self.rule, &self.value) {
            (Rule::Json(_), _) => write!(f, "{path}: {}", self.rule),
            (rule, Some(value)) => write!(f, "{path} is {value}: {rule}"),
            (rule, None) => write!(f, "{path} is missing: {rule}"),
        }
    }
}
