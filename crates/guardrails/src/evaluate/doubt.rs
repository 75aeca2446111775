//! What policies may do to a caller of whom not everything is known.
//!
//! A condition on a key whose value is not known may hold, whatever it compares; so a statement that is not provably about
//! somebody else is about this caller too.

use super::{Policies, Statement, condition::Condition, context::Context};
use crate::{evaluate::Request, policy::Effect};

/// Keys that no call of a role has (IAM User Guide, "AWS global condition context keys").
const ABSENT: [&str; 3] = [
    "aws:username",
    "aws:principalservicename",
    "aws:principalservicenameslist",
];

/// Keys with the id of the caller's own organization. Policies name no other, so whatever id they name is that one.
const OWN_ORGANIZATION: [&str; 2] = ["aws:principalorgid", "aws:resourceorgid"];

impl Policies {
    /// The statements that may deny the request: what it does not say is not known.
    pub(crate) fn may_deny(&self, request: &Request) -> Vec<String> {
        let context = Context::new(request);
        let action = request.action.to_ascii_lowercase();
        self.denying(|statement| {
            statement.actions.contain(&action)
                && statement.resources.contain(&request.resource, &context)
                && statement.may_bind(&context)
        })
    }

    /// The statements that may deny something to whoever makes the request, whatever they are about.
    pub(crate) fn may_bind(&self, request: &Request) -> Vec<String> {
        let context = Context::new(request);
        self.denying(|statement| statement.may_bind(&context))
    }

    fn denying(&self, matches: impl Fn(&Statement) -> bool) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for statement in self.levels.iter().flatten() {
            if statement.effect == Effect::Deny && matches(statement) && !ids.contains(&statement.id) {
                ids.push(statement.id.clone());
            }
        }
        ids
    }
}

impl Statement {
    fn may_bind(&self, context: &Context) -> bool {
        self.conditions
            .iter()
            .all(|condition| may_hold(condition, context))
    }
}

fn may_hold(condition: &Condition, context: &Context) -> bool {
    let key = condition.key();
    if OWN_ORGANIZATION.contains(&key) {
        return condition.holds_where_equal();
    }
    let known = context.values(key).is_some() || ABSENT.contains(&key);
    !known || condition.has_unknown_variable(context) || condition.holds(context)
}
