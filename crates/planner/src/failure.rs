//! CreateAccount requests that AWS ended without an account.

use crate::{
    creation::{as_wanted, begin_next, keep_blocked, pending, repeat},
    planning::Planning,
};
use jiff::{SignedDuration, Timestamp};
use model::{DesiredAccount, JournalEntry, Read, Reason, Stage};

/// A FailureReason is asked about again after this long.
const HEARTBEAT: SignedDuration = SignedDuration::from_hours(1);
/// What depends on somebody giving up an email is asked again after this long.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What AWS's FailureReason means (AWS Organizations API, CreateAccountStatus).
pub(crate) fn failed(
    planning: &mut Planning<'_>,
    desired: &DesiredAccount,
    entry: &JournalEntry,
    failure: &str,
    since: Timestamp,
) -> Stage {
    let Some(creation) = &entry.creation else {
        return Stage::Unknown;
    };
    let question = matches!(
        failure,
        "EMAIL_ALREADY_EXISTS" | "CONCURRENT_ACCOUNT_MODIFICATION"
    );
    if question
        && planning
            .input
            .observed
            .look
            .is_none_or(|(_, began)| began < since)
    {
        // Never an answer by itself: an earlier attempt of ours may have had its effect.
        planning.read(Read::Look);
        return pending(
            Reason::CreationOutcomeUnknown,
            "AWS says the email is in use; looking whether by this object's own account",
        );
    }
    if !as_wanted(desired, creation) {
        // An earlier attempt may still be at work: its email stays the one that is asked for, until AWS had the time to
        // show what became of it.
        let shown = since
            .checked_add(planning.input.limits.creation_grace)
            .unwrap_or(Timestamp::MAX);
        let free = match failure {
            "CONCURRENT_ACCOUNT_MODIFICATION" => false,
            "EMAIL_ALREADY_EXISTS" if creation.attempt > 1 => planning
                .input
                .observed
                .look
                .is_some_and(|(_, began)| began >= shown),
            _ => true,
        };
        if free {
            return begin_next(planning, desired, entry);
        }
        if planning.input.now >= shown {
            planning.read(Read::Look);
        } else {
            planning.plan.wake_at(shown);
        }
    }
    let again = |patience: SignedDuration| since.checked_add(patience).unwrap_or(Timestamp::MAX);
    let (stage, again) = match failure {
        "EMAIL_ALREADY_EXISTS" => {
            let message = format!(
                "AWS says that the email {} is already used by an AWS account, in this organization or outside it; make an object of another name, or have the platform team change the template. Bulkhead asks again every day",
                creation.email
            );
            (Stage::Blocked(Reason::EmailInUse, message), again(DAY))
        }
        "CONCURRENT_ACCOUNT_MODIFICATION" => {
            let message = "AWS is still working on an earlier request for this account; looking again, then trying again";
            (
                pending(Reason::CreationOutcomeUnknown, message),
                again(planning.input.limits.creation_grace),
            )
        }
        "INTERNAL_FAILURE" => {
            let message = "AWS reported an internal failure while creating the account; trying again";
            let attempts = u32::try_from(creation.attempt.clamp(1, 6)).unwrap_or(6);
            (
                pending(Reason::AwsUnavailable, message),
                again(SignedDuration::from_secs(30) * (1 << (attempts - 1))),
            )
        }
        "ACCOUNT_LIMIT_EXCEEDED" => {
            let message = "AWS's quota of accounts in this organization is used up; ask AWS to raise it (Service Quotas, L-E619E033). Bulkhead tries again every hour";
            (
                Stage::Blocked(Reason::AccountLimitExceeded, message.into()),
                again(HEARTBEAT),
            )
        }
        "INVALID_EMAIL" => {
            let message = format!("AWS refuses the email {}", creation.email);
            (Stage::Blocked(Reason::InvalidEmail, message), again(DAY))
        }
        "MISSING_BUSINESS_VALIDATION"
        | "FAILED_BUSINESS_VALIDATION"
        | "PENDING_BUSINESS_VALIDATION"
        | "UNKNOWN_BUSINESS_VALIDATION"
        | "INVALID_IDENTITY_FOR_BUSINESS_VALIDATION"
        | "MISSING_PAYMENT_INSTRUMENT"
        | "INVALID_PAYMENT_INSTRUMENT"
        | "INVALID_ADDRESS" => {
            let message = format!(
                "AWS refuses to create accounts until the organization's data is in order: {failure}. Bulkhead tries again every hour"
            );
            (
                Stage::Blocked(Reason::BusinessValidationFailed, message),
                again(HEARTBEAT),
            )
        }
        other => {
            let message =
                format!("AWS could not create the account: {other}. Bulkhead tries again every hour");
            (Stage::Blocked(Reason::CreationFailed, message), again(HEARTBEAT))
        }
    };
    if again <= planning.input.now {
        return keep_blocked(stage, repeat(planning, desired, entry));
    }
    planning.plan.wake_at(again);
    stage
}
