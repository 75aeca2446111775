//! CreateAccount: asynchronous, without an idempotency token, always into the root.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::accounts::{Account, bad_token, page_request, with_token};
use super::{Event, World, check};
use crate::clock::after;
use crate::debug::{AccountState, FailureReason};
use crate::wire::organizations::{
    CreateAccountInput, DescribeCreateAccountStatusInput, ListCreateAccountStatusInput,
};
use crate::wire::{ApiError, shapes};

/// Creations in flight per organization: AWS Organizations user guide, orgs_reference_limits.
const IN_FLIGHT: u64 = 5;

const DEFAULT_ROLE: &str = "OrganizationAccountAccessRole";

/// An email whose local part ends in this and a reason (`a+fails-internal-failure@..`) fails so: for demonstrations,
/// where nobody can reach the debug address first.
const TRIGGER: &str = "+fails-";

/// One accepted request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Creation {
    pub(crate) id: String,
    /// Order of acceptance.
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) email: String,
    role_name: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) requested_at: Timestamp,
    /// Until then ListCreateAccountStatus does not show it.
    listed_from: Timestamp,
    planned_failure: Option<FailureReason>,
    pub(crate) outcome: Option<Outcome>,
}

/// How a request ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    at: Timestamp,
    /// The new account's id.
    pub(crate) result: Result<String, FailureReason>,
}

impl Creation {
    pub(crate) fn state(&self) -> &'static str {
        match &self.outcome {
            None => "IN_PROGRESS",
            Some(outcome) if outcome.result.is_ok() => "SUCCEEDED",
            Some(_) => "FAILED",
        }
    }

    fn shape(&self) -> shapes::CreateAccountStatus {
        let outcome = self.outcome.as_ref();
        shapes::CreateAccountStatus {
            id: self.id.clone(),
            account_name: self.name.clone(),
            state: self.state(),
            requested_timestamp: shapes::EpochSeconds(self.requested_at),
            completed_timestamp: outcome.map(|outcome| shapes::EpochSeconds(outcome.at)),
            account_id: outcome.and_then(|outcome| outcome.result.clone().ok()),
            failure_reason: outcome.and_then(|outcome| outcome.result.as_ref().err().map(|r| r.name())),
        }
    }
}

impl World {
    pub(crate) fn create_account(&mut self, input: &CreateAccountInput) -> Result<Value, ApiError> {
        let email = check::required("Email", input.email.as_ref())?;
        check::email(email)?;
        let name = check::required("AccountName", input.account_name.as_ref())?;
        check::account_name(name)?;
        let role_name = input.role_name.as_deref().unwrap_or(DEFAULT_ROLE);
        check_role_name(role_name)?;
        if let Some(billing) = &input.iam_user_access_to_billing {
            check::choice("IamUserAccessToBilling", billing, &["ALLOW", "DENY"])?;
        }
        let tags = check::tags(input.tags.as_deref())?;
        self.finalized()?;
        self.check_creation_limits()?;

        let mut creation = self.new_creation(email, name, role_name, tags);
        creation.planned_failure = self.failing_creations.pop_front().or_else(|| triggered(email));
        let answer = json!({"CreateAccountStatus": creation.shape()});
        let duration = self
            .random
            .create_durations
            .duration(self.settings.create_duration);
        self.schedule(duration, Event::CreationEnds(creation.id.clone()));
        self.records.creations.insert(creation.id.clone(), creation);
        Ok(answer)
    }

    fn new_creation(
        &mut self,
        email: &str,
        name: &str,
        role_name: &str,
        tags: BTreeMap<String, String>,
    ) -> Creation {
        self.sequence += 1;
        let lag = self.random.listing_lags.duration(self.settings.listing_lag);
        Creation {
            id: format!("car-{}", self.random.creation_ids.lower(32)),
            number: self.sequence,
            name: name.to_owned(),
            email: email.to_owned(),
            role_name: role_name.to_owned(),
            tags,
            requested_at: self.now,
            listed_from: after(self.now, lag),
            planned_failure: None,
            outcome: None,
        }
    }

    /// Another tool's account, at once; the caller has checked everything.
    pub(crate) fn add_foreign_account(
        &mut self,
        email: &str,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> String {
        let mut creation = self.new_creation(email, name, DEFAULT_ROLE, tags);
        let account = self.add_created_account(&creation);
        creation.outcome = Some(Outcome {
            at: self.now,
            result: Ok(account.clone()),
        });
        self.records.creations.insert(creation.id.clone(), creation);
        account
    }

    /// Creations in flight and the account quota.
    fn check_creation_limits(&self) -> Result<(), ApiError> {
        let in_flight = self
            .records
            .creations
            .values()
            .filter(|creation| creation.outcome.is_none())
            .count();
        let most = self.settings.limits.factor().map(|factor| factor * IN_FLIGHT);
        if most.is_some_and(|most| u64::try_from(in_flight).is_ok_and(|in_flight| in_flight >= most)) {
            return Err(ApiError::constraint(
                "ACCOUNT_CREATION_RATE_LIMIT_EXCEEDED",
                "You have exceeded the number of accounts that you can create at the same time",
            ));
        }
        if self.is_full() {
            return Err(ApiError::constraint(
                "ACCOUNT_NUMBER_LIMIT_EXCEEDED",
                "You have exceeded the allowed number of accounts in your organization",
            ));
        }
        Ok(())
    }

    /// The request's duration is over: an account, or the reason there is none.
    pub(crate) fn end_creation(&mut self, id: &str) {
        let Some(creation) = self.records.creations.get(id).cloned() else {
            return;
        };
        let result = match self.creation_failure(&creation) {
            Some(reason) => Err(reason),
            None => Ok(self.add_created_account(&creation)),
        };
        let outcome = Outcome { at: self.now, result };
        if let Some(creation) = self.records.creations.get_mut(id) {
            creation.outcome = Some(outcome);
        }
    }

    /// A second request with an email is accepted, and fails: with CONCURRENT_ACCOUNT_MODIFICATION while an earlier one
    /// is in progress, with EMAIL_ALREADY_EXISTS once there is an account.
    fn creation_failure(&self, creation: &Creation) -> Option<FailureReason> {
        let email = creation.email.to_lowercase();
        let is_rival = |other: &&Creation| {
            other.outcome.is_none() && other.number < creation.number && other.email.to_lowercase() == email
        };
        let of_email = self.email_failure(&creation.email);
        if creation.planned_failure.is_some() {
            creation.planned_failure
        } else if of_email.is_some() {
            of_email
        } else if self.records.creations.values().any(|other| is_rival(&other)) {
            Some(FailureReason::ConcurrentAccountModification)
        } else if self.is_full() {
            Some(FailureReason::AccountLimitExceeded)
        } else {
            None
        }
    }

    /// Why no account can have this email.
    pub(crate) fn email_failure(&self, email: &str) -> Option<FailureReason> {
        if !check::is_documented_email(email) {
            Some(FailureReason::InvalidEmail)
        } else if self.used_emails.contains(&email.to_lowercase()) {
            Some(FailureReason::EmailAlreadyExists)
        } else {
            None
        }
    }

    /// Never one that is or was in the organization.
    pub(crate) fn new_account_id(&mut self) -> String {
        let mut id = self.random.account_ids.account_id();
        while self.records.accounts.contains_key(&id) || self.outside.contains_key(&id) {
            id = self.random.account_ids.account_id();
        }
        id
    }

    fn add_created_account(&mut self, creation: &Creation) -> String {
        let id = self.new_account_id();
        let listing_lag = self.random.listing_lags.duration(self.settings.listing_lag);
        let access_lag = self.random.access_lags.duration(self.settings.access_lag);
        let account = Account {
            id: id.clone(),
            name: creation.name.clone(),
            email: creation.email.clone(),
            state: AccountState::Active,
            parent: self.settings.root_id.clone(),
            role_name: Some(creation.role_name.clone()),
            invited: false,
            joined_at: self.now,
            listed_from: after(self.now, listing_lag),
            accessible_from: after(self.now, access_lag),
        };
        self.used_emails.insert(creation.email.to_lowercase());
        self.records.accounts.insert(id.clone(), account);
        self.attach_managed(&id);
        if !creation.tags.is_empty() {
            self.set_tags(&id, &creation.tags);
        }
        id
    }

    pub(crate) fn describe_create_account_status(
        &self,
        input: &DescribeCreateAccountStatusInput,
    ) -> Result<Value, ApiError> {
        let id = input.create_account_request_id.as_ref();
        let id = check::id("CreateAccountRequestId", id, check::is_creation)?;
        let creation = self
            .records
            .creations
            .get(id)
            .filter(|creation| self.is_tracked(creation));
        let Some(creation) = creation else {
            let message = "We can't find a create account request with the ID that you specified";
            return Err(ApiError::new("CreateAccountStatusNotFoundException", message));
        };
        Ok(json!({"CreateAccountStatus": creation.shape()}))
    }

    pub(crate) fn list_create_account_status(
        &mut self,
        input: &ListCreateAccountStatusInput,
    ) -> Result<Value, ApiError> {
        let states = input.states.clone().unwrap_or_default();
        for state in &states {
            check::choice("States", state, &["IN_PROGRESS", "SUCCEEDED", "FAILED"])?;
        }
        let scope = format!("ListCreateAccountStatus {}", states.join(","));
        let request = page_request(scope, &input.page)?;
        let (now, retention) = (self.now, self.settings.creation_retention);
        let wanted = |creation: &&Creation| {
            creation.listed_from <= now
                && is_tracked(creation, retention, now)
                && (states.is_empty() || states.iter().any(|state| state == creation.state()))
        };
        let listed = self.records.creations.values().filter(wanted);
        let page = self
            .pager
            .page(&request, listed.map(|creation| creation.id.as_str()));
        let page = page.map_err(|_| bad_token())?;
        let creations = page.keys.iter().filter_map(|id| self.records.creations.get(id));
        let shapes: Vec<_> = creations.map(Creation::shape).collect();
        Ok(with_token(
            json!({"CreateAccountStatuses": shapes}),
            page.next_token,
        ))
    }

    fn is_tracked(&self, creation: &Creation) -> bool {
        is_tracked(creation, self.settings.creation_retention, self.now)
    }
}

fn is_tracked(creation: &Creation, retention: Duration, now: Timestamp) -> bool {
    let ended = creation.outcome.as_ref().map(|outcome| outcome.at);
    ended.is_none_or(|at| now < after(at, retention))
}

/// `[\w+=,.@-]{1,64}`, and not the prefix of service-linked roles.
fn check_role_name(name: &str) -> Result<(), ApiError> {
    check::length("RoleName", name, 1, 64)?;
    if !name.chars().all(check::is_name_character) {
        return Err(check::pattern("RoleName"));
    }
    if name.starts_with("AWSServiceRoleFor") {
        let message = "You provided a role name that isn't valid: AWSServiceRoleFor is reserved";
        return Err(ApiError::invalid_input("INVALID_ROLE_NAME", message));
    }
    Ok(())
}

fn triggered(email: &str) -> Option<FailureReason> {
    let (local, _) = email.split_once('@')?;
    let (_, reason) = local.rsplit_once(TRIGGER)?;
    let reason = reason.to_ascii_uppercase().replace('-', "_");
    FailureReason::ALL
        .into_iter()
        .find(|known| known.name() == reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_may_name_its_failure() {
        let reason = triggered("team+fails-internal-failure@example.com");
        assert_eq!(reason, Some(FailureReason::InternalFailure));
        assert_eq!(triggered("team+fails-nonsense@example.com"), None);
        assert_eq!(triggered("team@example.com"), None);
    }
}
