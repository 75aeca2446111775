//! What AWS decides about a call under service control policies, found out without AWS.
//!
//! Sources: AWS Organizations User Guide, "SCP evaluation" and "Tasks and entities not restricted by SCPs"; IAM User Guide,
//! "IAM JSON policy elements reference" and "Policy evaluation logic". In short:
//!
//! - A `Deny` that matches, at whatever level, decides.
//! - Each level from the root to the account needs an `Allow` that matches; at one level, one of any policy is enough.
//! - Principals of the management account, and roles that services made for themselves, are not bound.
//!
//! What the identity's own policies say is another matter: `Allow` here means that no service control policy is in the way.

mod case;
mod condition;
mod context;
mod doubt;
mod pattern;
#[cfg(test)]
mod tests;
pub(crate) mod value;
mod variables;

pub use case::Case;
pub use context::Request;

use crate::policy::{Document, Effect};
use condition::Condition;
use context::Context;
use model::AccountId;
use pattern::{Actions, Resources};
use std::fmt;

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// Service control policies are not in the way.
    Allow,
    /// They are.
    Deny,
}

impl Decision {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A decision and what made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The decision.
    pub decision: Decision,
    /// The statements that denied, or else those that allowed: their `Sid`s, each once, in the order of the policies; one
    /// without a Sid is `#<level>.<policy>.<statement>`, all counted from 0. Instead, [`IMPLICIT`](Self::IMPLICIT) where
    /// some level allows nothing of the kind, and [`EXEMPT`](Self::EXEMPT) where policies do not bind.
    pub by: Vec<String>,
}

impl Verdict {
    /// Nothing denies, but one level does not allow.
    pub const IMPLICIT: &'static str = "implicit";
    /// The principal is not bound by service control policies.
    pub const EXEMPT: &'static str = "exempt";
}

/// What an evaluation must know of the organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// The management account, whose principals service control policies do not bind.
    pub management_account: AccountId,
}

/// The service control policies on the way from the root to an account, prepared for many evaluations.
#[derive(Clone, Debug)]
pub struct Policies {
    /// From the root to the account.
    levels: Vec<Vec<Statement>>,
}

#[derive(Clone, Debug)]
struct Statement {
    id: String,
    effect: Effect,
    actions: Actions,
    resources: Resources,
    conditions: Vec<Condition>,
}

impl Policies {
    /// Prepares the policies attached at each level, from the root over the OUs to the account.
    ///
    /// `Principal` means nothing in a service control policy and is passed over; [`grammar`](crate::policy::grammar)
    /// refuses it. So is a statement whose condition has an operator AWS does not know, which no parsed document has.
    pub fn prepare<'a, L, D>(levels: L) -> Self
    where
        L: IntoIterator<Item = D>,
        D: IntoIterator<Item = &'a Document>,
    {
        let level = |(level, documents): (usize, D)| {
            let mut statements = Vec::new();
            for (policy, document) in documents.into_iter().enumerate() {
                let ids = document.statements.iter().enumerate();
                statements.extend(ids.filter_map(|(index, statement)| {
                    let variables = document.version.as_deref() == Some("2012-10-17");
                    let id = statement.sid.clone();
                    Some(Statement {
                        id: id.unwrap_or_else(|| format!("#{level}.{policy}.{index}")),
                        effect: statement.effect,
                        actions: Actions::new(&statement.actions),
                        resources: Resources::new(&statement.resources, variables),
                        conditions: condition::conditions(&statement.conditions, variables)?,
                    })
                }));
            }
            statements
        };
        Self {
            levels: levels.into_iter().enumerate().map(level).collect(),
        }
    }

    /// Decides about one request. An organization of which nothing is known has no management account here.
    ///
    /// A level without a policy allows nothing, and neither do no levels at all: AWS sees to it that wherever service
    /// control policies are enabled, each target has one.
    pub fn evaluate(&self, request: &Request, organization: Option<&Organization>) -> Verdict {
        let context = Context::new(request);
        let management = organization.map(|organization| organization.management_account.as_str());
        if context.is_service_linked() || (management.is_some() && context.account() == management) {
            return verdict(Decision::Allow, [Verdict::EXEMPT]);
        }
        let action = request.action.to_ascii_lowercase();
        let (mut denying, mut allowing) = (Vec::new(), Vec::new());
        let mut everywhere = !self.levels.is_empty();
        for level in &self.levels {
            let before = allowing.len();
            for statement in level {
                if statement.matches(&action, &request.resource, &context) {
                    match statement.effect {
                        Effect::Allow => allowing.push(statement.id.as_str()),
                        Effect::Deny => denying.push(statement.id.as_str()),
                    }
                }
            }
            everywhere &= allowing.len() > before;
        }
        if !denying.is_empty() {
            verdict(Decision::Deny, denying)
        } else if everywhere {
            verdict(Decision::Allow, allowing)
        } else {
            verdict(Decision::Deny, [Verdict::IMPLICIT])
        }
    }
}

impl Statement {
    fn matches(&self, action: &str, resource: &str, context: &Context) -> bool {
        self.actions.contain(action)
            && self.resources.contain(resource, context)
            && self.conditions.iter().all(|condition| condition.holds(context))
    }
}

fn verdict<'a>(decision: Decision, by: impl IntoIterator<Item = &'a str>) -> Verdict {
    let mut unique: Vec<String> = Vec::new();
    for id in by {
        if !unique.iter().any(|known| known == id) {
            unique.push(id.to_owned());
        }
    }
    Verdict { decision, by: unique }
}

/// Decides about one request. Whoever has many prepares the [`Policies`] once.
pub fn evaluate(levels: &[Vec<Document>], request: &Request, organization: Option<&Organization>) -> Verdict {
    Policies::prepare(levels).evaluate(request, organization)
}
