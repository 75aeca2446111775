//! CloseAccount: asynchronous; three at a time, and a quota over 30 days.

use std::time::Duration;

use serde_json::{Value, json};

use super::accounts::account_not_found;
use super::{Event, World, check};
use crate::clock::after;
use crate::debug::AccountState;
use crate::wire::ApiError;
use crate::wire::organizations::AccountInput;

/// Closures in flight: AWS Organizations user guide, orgs_reference_limits.
const IN_FLIGHT: usize = 3;

const DAY: Duration = Duration::from_hours(24);

impl World {
    pub(crate) fn close_account(&mut self, input: &AccountInput) -> Result<Value, ApiError> {
        let id = check::id("AccountId", input.account_id.as_ref(), check::is_account)?;
        self.check_closable(id)?;
        self.check_closure_limits()?;
        self.closures.push_back(self.now);
        self.begin_closing(id);
        Ok(json!({}))
    }

    /// A closing account counts as closed: a second call gets the same answer before and after.
    pub(crate) fn check_closable(&self, id: &str) -> Result<(), ApiError> {
        let account = self.records.accounts.get(id).ok_or_else(account_not_found)?;
        if self.is_management(id) {
            return Err(ApiError::constraint(
                "CANNOT_CLOSE_MANAGEMENT_ACCOUNT",
                "You cannot close the management account",
            ));
        }
        let state = account.state;
        if !self.settings.all_features {
            return Err(ApiError::constraint(
                "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE",
                "The operation requires an organization with all features enabled",
            ));
        }
        self.not_delegated(id)?;
        match state {
            AccountState::Active | AccountState::Suspended => Ok(()),
            AccountState::PendingClosure | AccountState::Closed => {
                let message = "You attempted to close an account that is already closed";
                Err(ApiError::new("AccountAlreadyClosedException", message))
            }
        }
    }

    /// Three at once, and the 30-day quota.
    fn check_closure_limits(&mut self) -> Result<(), ApiError> {
        let is_closing = |state: AccountState| state == AccountState::PendingClosure;
        let closing = self
            .records
            .accounts
            .values()
            .filter(|account| is_closing(account.state))
            .count();
        if closing >= IN_FLIGHT {
            return Err(ApiError::constraint(
                "CLOSE_ACCOUNT_REQUESTS_LIMIT_EXCEEDED",
                "You have exceeded the number of close requests in progress",
            ));
        }
        while self
            .closures
            .front()
            .is_some_and(|began| after(*began, 30 * DAY) <= self.now)
        {
            self.closures.pop_front();
        }
        let quota = closure_quota(self.records.accounts.len());
        if self.closures.len() >= quota {
            return Err(ApiError::constraint(
                "CLOSE_ACCOUNT_QUOTA_EXCEEDED",
                "You have exceeded the close account quota for the past 30 days",
            ));
        }
        Ok(())
    }

    pub(crate) fn begin_closing(&mut self, id: &str) {
        let Some(account) = self.records.accounts.get_mut(id) else {
            return;
        };
        account.state = AccountState::PendingClosure;
        let duration = self.random.close_durations.duration(self.settings.close_duration);
        self.schedule(duration, Event::AccountCloses(id.to_owned()));
    }

    pub(crate) fn end_closing(&mut self, id: &str) {
        if let Some(account) = self.records.accounts.get_mut(id) {
            account.state = AccountState::Closed;
            self.schedule(90 * DAY, Event::AccountDeparts(id.to_owned()));
        }
    }

    /// The 90 days are over: the account vanishes. Its id and email are never free again.
    pub(crate) fn depart(&mut self, id: &str) {
        self.forget_account(id);
    }
}

/// Closures in 30 days: up to 250 accounts all of them, beyond that max(250, 20 % of the members), at most 1,000
/// (general reference, ao).
fn closure_quota(accounts: usize) -> usize {
    if accounts <= 250 {
        return accounts;
    }
    (accounts.saturating_sub(1) / 5).clamp(250, 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_follows_the_organization() {
        for (accounts, quota) in [
            (2, 2),
            (250, 250),
            (251, 250),
            (1_501, 300),
            (5_001, 1_000),
            (50_000, 1_000),
        ] {
            assert_eq!(closure_quota(accounts), quota, "{accounts}");
        }
    }
}
