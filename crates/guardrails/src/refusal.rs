//! Why an environment of a Baseline cannot become policies.

use crate::policy;
use std::fmt;

/// One thing wrong with an environment of a Baseline: where, and what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", Prefix(path))]
pub struct Refusal {
    /// Path into the environment, members of lists by their name: `guardrails[allowedRegions].parameters.regions[0]`,
    /// `policies[no-expensive].document.Statement[1].NotPrincipal`. `exemptPrincipals[0]` is in the configuration.
    /// Empty: the environment as a whole.
    pub path: String,
    /// What is wrong there.
    pub problem: Problem,
}

impl Refusal {
    pub(crate) fn new(path: impl Into<String>, problem: Problem) -> Self {
        Self {
            path: path.into(),
            problem,
        }
    }

    pub(crate) fn invalid(
        path: impl Into<String>,
        rule: impl Into<String>,
        value: impl fmt::Display,
    ) -> Self {
        let (rule, value) = (rule.into(), value.to_string());
        Self::new(path, Problem::Invalid { rule, value })
    }

    /// A defect of a document that stands at this path.
    pub(crate) fn document(path: &str, defect: policy::Defect) -> Self {
        let policy::Defect { path, rule, value } = defect.under(path);
        Self::new(path, Problem::Document { rule, value })
    }
}

struct Prefix<'a>(&'a str);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            path => write!(f, "{path}: "),
        }
    }
}

/// What can be wrong; [`Problem::reason`] has one word for each kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The catalogue has no guardrail of this name.
    #[error("there is no guardrail {name:?}; {}", Nearest(nearest))]
    UnknownGuardrail {
        /// The name as given.
        name: String,
        /// The names almost like it, best first; perhaps none.
        nearest: Vec<String>,
    },
    /// The guardrail has no parameter of this name.
    #[error("there is no such parameter; {}", Known(known))]
    UnknownParameter {
        /// The parameters it has.
        known: Vec<String>,
    },
    /// Two members of a list have this name.
    #[error("stands there twice")]
    Twice,
    /// A parameter without a default was not given.
    #[error("is required: {expected}")]
    Missing {
        /// What it must be.
        expected: &'static str,
    },
    /// Another type is needed.
    #[error("must be {expected}, and is {found}")]
    WrongType {
        /// What it must be.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// A value that breaks a rule.
    #[error("is {value}: {rule}")]
    Invalid {
        /// The rule: `must be ...`, `must have ...`.
        rule: String,
        /// What was given.
        value: String,
    },
    /// The content of a document breaks a rule of its type.
    #[error("{}", Broken(rule, value.as_deref()))]
    Document {
        /// The rule.
        rule: policy::Rule,
        /// What stands there; `None`: nothing does.
        value: Option<String>,
    },
    /// A document is larger than AWS takes it.
    #[error("too large: {} of {} characters", Thousands(*characters), Thousands(*most))]
    TooLarge {
        /// Characters it has, minified.
        characters: usize,
        /// Characters it may have.
        most: usize,
    },
    /// More documents than an account has room for.
    #[error("too many policies of type {policy_type}: {} of {}: {why}", Thousands(*documents), Thousands(*most))]
    TooManyPolicies {
        /// Their type.
        policy_type: String,
        /// How many there are, packed.
        documents: usize,
        /// How many there may be: half the free slots of an account, because a change attaches the new ones beside the
        /// old ones.
        most: usize,
        /// Where that number comes from, and what takes most.
        why: String,
    },
}

impl Problem {
    /// One word for it.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::UnknownGuardrail { .. } => "UnknownGuardrail",
            Self::UnknownParameter { .. } => "UnknownParameter",
            Self::Twice | Self::Missing { .. } | Self::WrongType { .. } | Self::Invalid { .. } => {
                "InvalidValue"
            }
            Self::Document { .. } => "InvalidDocument",
            Self::TooLarge { .. } => "TooLarge",
            Self::TooManyPolicies { .. } => "TooManyPolicies",
        }
    }
}

struct Nearest<'a>(&'a [String]);

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("`kubectl bulkhead guardrails` lists all there are"),
            near => write!(f, "did you mean {}?", near.join(" or ")),
        }
    }
}

struct Known<'a>(&'a [String]);

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("the guardrail has none"),
            known => write!(f, "it has {}", known.join(", ")),
        }
    }
}

struct Broken<'a>(&'a policy::Rule, Option<&'a str>);

impl fmt::Display for Broken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(value) => write!(f, "is {value}: {}", self.0),
            None => write!(f, "is missing: {}", self.0),
        }
    }
}

/// A number as people read it: 12,011.
pub(crate) struct Thousands(pub(crate) usize);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        let shown: Vec<String> = [7, 123, 1_000, 12_011, 1_234_567]
            .map(|number| Thousands(number).to_string())
            .to_vec();
        assert_eq!(shown, ["7", "123", "1,000", "12,011", "1,234,567"]);
    }
}
