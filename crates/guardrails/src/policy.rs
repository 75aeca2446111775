//! The elements of a policy document, read and written as AWS does.
//!
//! Sources: IAM User Guide, "IAM JSON policy elements reference"; AWS Organizations User Guide, "SCP syntax" and "RCP syntax".
//! Where AWS takes one text or a list, a list is kept; what has no order is sorted only when it is compiled, so that a
//! document of somebody's own is given to AWS in the order it was written in.

mod condition;
mod declarative;
mod defect;
mod effective;
mod grammar;
mod json;
mod operator;
mod read;
mod wildcard;
mod write;

pub use declarative::declarative;
pub(crate) use defect::join;
pub use defect::{Defect, Rule};
pub use effective::in_vain;
pub use grammar::grammar;
pub(crate) use grammar::service_control;
pub use json::json;
pub use operator::{Comparison, Operator, Quantifier};
use read::is_resource;
pub use wildcard::covers;
pub(crate) use wildcard::{Glyph, covers_glyphs};

use std::collections::BTreeMap;

/// `Effect` of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// What matches is allowed, as far as nothing denies it.
    Allow,
    /// What matches is denied, whatever allows it.
    Deny,
}

/// Patterns, and whether a statement is about what matches one of them or about everything else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selection {
    /// `Action` or `Resource`: what matches one of these.
    Any(Vec<String>),
    /// `NotAction` or `NotResource`: what matches none of these.
    Not(Vec<String>),
}

/// `Condition`: by operator as written (`StringNotLikeIfExists`, `ForAnyValue:StringLike`), by key, the values. All operators
/// and all keys must hold; of the values of one key, one.
pub type Conditions = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    /// `Sid`: a name within the document.
    pub sid: Option<String>,
    /// `Effect`.
    pub effect: Effect,
    /// `Principal` is `*`: every resource control policy says so, and no service control policy.
    pub any_principal: bool,
    /// `Action` or `NotAction`.
    pub actions: Selection,
    /// `Resource` or `NotResource`.
    pub resources: Selection,
    /// `Condition`; empty: always.
    pub conditions: Conditions,
}

/// One document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// `Version`: `2012-10-17`, which policy variables need, or an older one.
    pub version: Option<String>,
    /// `Id`: a name, without a meaning to AWS.
    pub id: Option<String>,
    /// `Statement`.
    pub statements: Vec<Statement>,
}

#[cfg(test)]
mod tests;
