//! Leaving the organization: RemoveAccountFromOrganization, LeaveOrganization, and what goes with an account that is gone.

use std::time::Duration;

use serde_json::{Value, json};

use super::callers::Caller;
use super::{World, check};
use crate::clock::after;
use crate::wire::ApiError;
use crate::wire::organizations::AccountInput;

/// A created account must be so old before it may leave: user guide, orgs_manage_accounts_remove.
const WAIT: Duration = Duration::from_hours(4 * 24);

impl World {
    /// The account goes on outside, with its email and the access role, but without its tags. Payment, contact and
    /// phone checks are not simulated.
    pub(crate) fn remove_account(&mut self, input: &AccountInput) -> Result<Value, ApiError> {
        let id = check::id("AccountId", input.account_id.as_ref(), check::is_account)?;
        self.leave(id)?;
        Ok(json!({}))
    }

    /// A member leaves by itself, by the same rules.
    pub(crate) fn leave_organization(&mut self, caller: &Caller) -> Result<Value, ApiError> {
        self.leave(&caller.account)?;
        Ok(json!({}))
    }

    fn leave(&mut self, id: &str) -> Result<(), ApiError> {
        let account = self.account(id)?.clone();
        if self.is_management(id) {
            let message = "You can't remove a management account from an organization";
            return Err(ApiError::new("MasterCannotLeaveOrganizationException", message));
        }
        self.not_delegated(id)?;
        if !account.invited && self.now < after(account.joined_at, WAIT) {
            return Err(ApiError::constraint(
                "WAIT_PERIOD_ACTIVE",
                "You must wait until at least four days after the account was created",
            ));
        }
        self.forget_account(id);
        self.outside.insert(id.to_owned(), account);
        Ok(())
    }

    /// `CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG` for an account that administers a service.
    pub(crate) fn not_delegated(&self, id: &str) -> Result<(), ApiError> {
        if !self.is_delegated_administrator(id) {
            return Ok(());
        }
        Err(ApiError::constraint(
            "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG",
            "The account is registered as a delegated administrator; deregister it first",
        ))
    }

    /// Nothing in the organization knows the account any more.
    pub(crate) fn forget_account(&mut self, id: &str) {
        self.records.accounts.remove(id);
        self.records.tags.remove(id);
        self.records.tag_index.remove(id);
        self.records.delegated.remove(id);
        self.forget_target(id);
    }
}
