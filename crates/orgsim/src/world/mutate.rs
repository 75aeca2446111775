//! Another tool's hand; see [`Mutation`].

use std::collections::BTreeMap;

use super::policy_types::policy_type;
use super::{World, check};
use crate::debug::{AccountState, FailureReason, MutateError, Mutation};
use crate::wire::organizations::TagInput;
use crate::wire::{ApiError, known_operation, operations};

/// STS answers it to everybody.
const UNDENIABLE: &str = "GetCallerIdentity";

impl World {
    pub(crate) fn mutate(&mut self, mutation: Mutation) -> Result<(), MutateError> {
        let result = self.apply_mutation(mutation);
        self.changed();
        result
    }

    fn apply_mutation(&mut self, mutation: Mutation) -> Result<(), MutateError> {
        match mutation {
            Mutation::Move { account, to } => self.mutate_move(&account, &to),
            Mutation::Tag { resource, tags } => {
                let tags = checked_tags("tag.tags", &tags)?;
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
                if let Some(account) = self.records.accounts.get_mut(&account) {
                    account.state = AccountState::Suspended;
                }
                Ok(())
            }
            Mutation::Detach { policy, target } => {
                let field = self.blame(&policy, ["detach.policy", "detach.target"]);
                self.detach(&policy, &target).map_err(refused(field))
            }
            Mutation::AttachPolicy { policy, target } => {
                let field = self.blame(&policy, ["attachPolicy.policy", "attachPolicy.target"]);
                self.attach(&policy, &target).map_err(refused(field))
            }
            Mutation::EditPolicy { policy, content } => {
                let field = self.blame(&policy, ["editPolicy.policy", "editPolicy.content"]);
                let edited = self.edit_policy(&policy, None, None, Some(&content));
                edited.map(drop).map_err(refused(field))
            }
            Mutation::CreatePolicy {
                r#type,
                name,
                content,
                description,
                tags,
            } => {
                let tags = checked_tags("createPolicy.tags", &tags)?;
                let kind = policy_type("type", Some(&r#type)).map_err(refused("createPolicy.type"))?;
                let added = self.add_policy(kind, &name, &description, &content, &tags);
                added.map(drop).map_err(refused("createPolicy"))
            }
            Mutation::DeletePolicy { policy } => self
                .remove_policy(&policy)
                .map_err(refused("deletePolicy.policy")),
            Mutation::AcceptHandshake { handshake } => self
                .accept_handshake(&handshake)
                .map_err(refused("acceptHandshake.handshake")),
            Mutation::DeclineHandshake { handshake } => self
                .decline_handshake(&handshake)
                .map_err(refused("declineHandshake.handshake")),
            Mutation::Deny { operations } => {
                let operations = known_operations("deny.operations", &operations)?;
                self.denied.extend(operations.into_iter().map(str::to_owned));
                Ok(())
            }
            Mutation::Allow { operations } => {
                let operations = known_operations("allow.operations", &operations)?;
                self.denied
                    .retain(|operation| !operations.contains(&operation.as_str()));
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
            Mutation::CreateUnit { parent, name } => {
                check::length("Name", &name, 1, 128).map_err(refused("createUnit.name"))?;
                let field = if self.parent_exists(&parent).is_err() {
                    "createUnit.parent"
                } else {
                    "createUnit.name"
                };
                let added = self.add_unit(&parent, &name, &BTreeMap::new());
                added.map(drop).map_err(refused(field))
            }
            Mutation::CreateAccount {
                email,
                name,
                tags,
                parent,
            } => self.mutate_create_account(&email, &name, &tags, parent),
            Mutation::DrainBuckets {} => {
                self.buckets.drain(self.now);
                Ok(())
            }
            Mutation::OtherTraffic { percent } => {
                if percent > 100 {
                    return Err(MutateError::new("otherTraffic.percent", "must be 0 to 100"));
                }
                if percent > 0 {
                    self.buckets.drain(self.now);
                }
                self.buckets.share(percent, self.now);
                Ok(())
            }
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
        self.changed();
    }

    /// The field to name in a refusal: the policy's when there is none, else the other one.
    fn blame(&self, policy: &str, [of_policy, other]: [&'static str; 2]) -> &'static str {
        if self.policy(policy).is_ok() {
            other
        } else {
            of_policy
        }
    }

    fn mutate_move(&mut self, account: &str, to: &str) -> Result<(), MutateError> {
        self.account(account).map_err(refused("move.account"))?;
        self.parent_exists(to).map_err(refused("move.to"))?;
        self.set_parent(account, to);
        Ok(())
    }

    fn mutate_create_account(
        &mut self,
        email: &str,
        name: &str,
        tags: &BTreeMap<String, String>,
        parent: Option<String>,
    ) -> Result<(), MutateError> {
        let tags = checked_tags("createAccount.tags", tags)?;
        let parent = parent.unwrap_or_else(|| self.settings.root_id.clone());
        self.parent_exists(&parent)
            .map_err(refused("createAccount.parent"))?;
        check::account_name(name).map_err(refused("createAccount.name"))?;
        check::email(email).map_err(refused("createAccount.email"))?;
        if let Some(reason) = self.email_failure(email) {
            return Err(MutateError::new("createAccount.email", reason.name()));
        }
        if self.is_full() {
            let rule = FailureReason::AccountLimitExceeded.name();
            return Err(MutateError::new("createAccount", rule));
        }
        let account = self.add_foreign_account(email, name, tags);
        self.set_parent(&account, &parent);
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
            .entry(operation.to_owned())
            .or_default()
            .push_back(failure);
        Ok(())
    }
}

fn checked_tags(
    field: &'static str,
    tags: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, MutateError> {
    let tag = |(key, value): (&String, &String)| TagInput {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    let input: Vec<_> = tags.iter().map(tag).collect();
    check::tags(Some(&input)).map_err(refused(field))
}

fn refused(field: &'static str) -> impl Fn(ApiError) -> MutateError {
    move |error| MutateError::new(field, format!("{}: {}", error.code, error.message))
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
