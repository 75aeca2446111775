//! Another tool's hand; see [`Mutation`].

use super::{World, check};
use crate::debug::{AccountState, FailureReason, MutateError, Mutation};
use crate::wire::ApiError;
use crate::wire::organizations::{Request as Organizations, TagInput};
use crate::wire::{sts, tagging};

/// STS answers it to everybody.
const UNDENIABLE: &str = "GetCallerIdentity";

impl World {
    pub(crate) fn mutate(&mut self, mutation: Mutation) -> Result<(), MutateError> {
        match mutation {
            Mutation::Move { account, to } => self.mutate_move(&account, &to),
            Mutation::Tag { resource, tags } => {
                let tag = |(key, value): (&String, &String)| TagInput {
                    key: Some(key.clone()),
                    value: Some(value.clone()),
                };
                let input: Vec<_> = tags.iter().map(tag).collect();
                let tags = check::tags(Some(&input)).map_err(refused("tag.tags"))?;
                self.add_tags(&resource, &tags).map_err(refused("tag.resource"))
            }
            Mutation::Untag { resource, keys } => self
                .remove_tags(&resource, &keys)
                .map_err(refused("untag.resource")),
            Mutation::Close { account } => {
                self.check_closable(&account).map_err(refused("close.account"))?;
                self.begin_closing(&account);
                Ok(())
            }
            Mutation::Suspend { account } => {
                self.account(&account).map_err(refused("suspend.account"))?;
                if self.is_management(&account) {
                    return Err(MutateError::new("suspend.account", "must be a member account"));
                }
                if let Some(account) = self.accounts.get_mut(&account) {
                    account.state = AccountState::Suspended;
                }
                Ok(())
            }
            Mutation::Detach { policy, target } => {
                let rule =
                    format!("nothing is attached to {target}: policies are not simulated yet ({policy})");
                Err(MutateError::new("detach.policy", rule))
            }
            Mutation::Deny { operations } => {
                let operations = known_operations("deny.operations", &operations)?;
                self.denied.extend(operations);
                Ok(())
            }
            Mutation::Allow { operations } => {
                let operations = known_operations("allow.operations", &operations)?;
                self.denied.retain(|operation| !operations.contains(operation));
                Ok(())
            }
            Mutation::FailNextCreation(reason) => {
                self.fail_next_creation(reason);
                Ok(())
            }
            Mutation::FailNext {
                operation,
                error,
                reason,
            } => self.mutate_fail_next(&operation, error, reason),
            Mutation::ForeignEmail(email) => {
                if !check::is_email(&email) {
                    return Err(MutateError::new("foreignEmail", "must be an email address"));
                }
                self.used_emails.insert(email.to_lowercase());
                Ok(())
            }
        }
    }

    pub(crate) fn fail_next_creation(&mut self, reason: FailureReason) {
        self.failing_creations.push_back(reason);
    }

    fn mutate_move(&mut self, account: &str, to: &str) -> Result<(), MutateError> {
        self.account(account).map_err(refused("move.account"))?;
        self.parent_exists(to).map_err(refused("move.to"))?;
        self.set_parent(account, to);
        Ok(())
    }

    fn mutate_fail_next(
        &mut self,
        operation: &str,
        error: String,
        reason: Option<String>,
    ) -> Result<(), MutateError> {
        let operation = known_operation(operation)
            .ok_or_else(|| MutateError::new("failNext.operation", unknown(operation)))?;
        // Organizations answers HTTP 400 to everything else; so does the rest, near enough for an injected fault.
        let status = match error.as_str() {
            "ServiceException" | "InternalServiceException" | "InternalFailure" => 500,
            "AccessDenied" | "ExpiredToken" => 403,
            _ => 400,
        };
        let failure = ApiError {
            code: error.into(),
            message: "Asked for at the debug address".to_owned(),
            reason: reason.map(Into::into),
            throttle: None,
            status,
        };
        self.failing_calls
            .entry(operation)
            .or_default()
            .push_back(failure);
        Ok(())
    }
}

fn refused(field: &'static str) -> impl Fn(ApiError) -> MutateError {
    move |error| MutateError::new(field, format!("{}: {}", error.code, error.message))
}

fn operations() -> impl Iterator<Item = &'static str> {
    let json = Organizations::OPERATIONS
        .iter()
        .chain(tagging::Request::OPERATIONS);
    json.chain(sts::Request::OPERATIONS).copied()
}

/// With or without the service before a colon.
fn known_operation(name: &str) -> Option<&'static str> {
    let name = name.split_once(':').map_or(name, |(_, operation)| operation);
    operations().find(|operation| *operation == name)
}

fn known_operations(field: &str, names: &[String]) -> Result<Vec<&'static str>, MutateError> {
    let mut known = Vec::new();
    for name in names {
        if name == "*" {
            known.extend(operations().filter(|operation| *operation != UNDENIABLE));
            continue;
        }
        let operation = known_operation(name).ok_or_else(|| MutateError::new(field, unknown(name)))?;
        if operation == UNDENIABLE {
            return Err(MutateError::new(field, "GetCallerIdentity cannot be denied"));
        }
        known.push(operation);
    }
    Ok(known)
}

fn unknown(name: &str) -> String {
    let all: Vec<&str> = operations().collect();
    format!("{name:?} is not one of {}", all.join(", "))
}
