//! STS: the way into a member account, and the question who one is.

use std::time::Duration;

use super::callers::{Caller, Session, access_denied};
use super::{World, check};
use crate::clock::after;
use crate::debug::AccountState;
use crate::wire::sts::{Answer, AssumeRoleInput};
use crate::wire::{ApiError, Service};

/// A role's default MaxSessionDuration, which the vended role has, and the cap on role chaining.
const LONGEST: u64 = 3_600;

/// GetCallerIdentity needs no permission.
pub(crate) fn identity(caller: &Caller) -> Answer {
    Answer::GetCallerIdentity {
        account: caller.account.clone(),
        arn: caller.arn.clone(),
        user_id: caller.user_id.clone(),
    }
}

impl World {
    pub(crate) fn assume_role(
        &mut self,
        input: &AssumeRoleInput,
        caller: &Caller,
    ) -> Result<Answer, ApiError> {
        let role_arn = input.role_arn.as_deref().unwrap_or_default();
        let Some((account, role)) = parse_role(role_arn) else {
            return Err(validation(format!("{role_arn} is invalid")));
        };
        let session_name = input.role_session_name.as_deref().unwrap_or_default();
        check_name("roleSessionName", session_name)?;
        let duration = check_input(input)?;
        if !self.may_assume(account, role, input, caller) {
            return Err(access_denied(Service::Sts, "AssumeRole", caller, role_arn));
        }
        if duration > LONGEST {
            let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role";
            return Err(validation(message));
        }
        Ok(self.open_session(account, role, session_name, Duration::from_secs(duration)))
    }

    /// The vended role trusts the management account and nothing else; its trust policy allows sts:AssumeRole only.
    fn may_assume(&self, account: &str, role: &str, input: &AssumeRoleInput, caller: &Caller) -> bool {
        let trusted = caller.management && input.source_identity.is_none() && input.tags == 0;
        // An account that left keeps the role and its trust.
        let accounts = &self.records.accounts;
        let known = accounts.get(account).or_else(|| self.outside.get(account));
        let exists = known.is_some_and(|member| {
            let usable = matches!(member.state, AccountState::Active | AccountState::PendingClosure);
            let vended = member.role_name.as_deref() == Some(role);
            usable && vended && member.accessible_from <= self.now
        });
        let roles = &self.settings.management_roles;
        let own = self.is_management(account) && roles.iter().any(|name| name == role);
        trusted && (exists || own)
    }

    fn open_session(&mut self, account: &str, role: &str, name: &str, duration: Duration) -> Answer {
        let access_key_id = format!("ASIA{}", self.random.sessions.upper(16));
        let role_id = format!("AROA{}", self.random.sessions.upper(17));
        let secret_access_key = self.random.sessions.secret(40);
        let session_token = self.random.sessions.secret(180);
        let assumed_role_id = format!("{role_id}:{name}");
        let role = role.rsplit('/').next().unwrap_or(role);
        let arn = format!("arn:aws:sts::{account}:assumed-role/{role}/{name}");
        let expires = after(self.now, duration);
        let session = Session {
            caller: Caller {
                account: account.to_owned(),
                arn: arn.clone(),
                user_id: assumed_role_id.clone(),
                management: self.is_management(account),
            },
            token: session_token.clone(),
            expires,
        };
        self.sessions.insert(access_key_id.clone(), session);
        Answer::AssumeRole {
            access_key_id,
            secret_access_key,
            session_token,
            expiration: expires,
            assumed_role_id,
            arn,
        }
    }
}

/// The account and the role's name (with its path) of `arn:aws:iam::<account>:role/<name>`.
fn parse_role(arn: &str) -> Option<(&str, &str)> {
    let (account, role) = arn.strip_prefix("arn:aws:iam::")?.split_once(":role/")?;
    (check::is_account(account) && !role.is_empty()).then_some((account, role))
}

/// The duration in seconds, or a ValidationError.
fn check_input(input: &AssumeRoleInput) -> Result<u64, ApiError> {
    if let Some(identity) = &input.source_identity {
        check_name("sourceIdentity", identity)?;
    }
    let external_id = input.external_id.as_ref().map_or(2, |id| id.chars().count());
    if !(2..=1224).contains(&external_id) {
        return Err(validation("externalId must have length between 2 and 1224"));
    }
    let policy = input.policy.as_ref().map_or(1, |policy| policy.chars().count());
    if !(1..=2048).contains(&policy) || input.policy_arns > 10 || input.tags > 50 {
        return Err(validation(
            "At most 2048 characters of session policy, 10 managed policies, 50 tags",
        ));
    }
    let text = input.duration_seconds.as_deref().unwrap_or("3600");
    let duration = text
        .parse::<u64>()
        .ok()
        .filter(|seconds| (900..=43_200).contains(seconds));
    duration.ok_or_else(|| validation("durationSeconds must be between 900 and 43200"))
}

/// `[\w+=,.@-]{2,64}`
fn check_name(member: &str, name: &str) -> Result<(), ApiError> {
    let count = name.chars().count();
    if (2..=64).contains(&count) && name.chars().all(check::is_name_character) {
        return Ok(());
    }
    Err(validation(format!(
        "1 validation error detected: Value {name:?} at '{member}' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: [\\w+=,.@-]{{2,64}}"
    )))
}

fn validation(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", message)
}
