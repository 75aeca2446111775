//! What every failure means. One function, exhaustive over our own closed enum.

use crate::error::ErrorClass;
use jiff::SignedDuration;
use model::{Action, Reason};
use serde::Serialize;

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Disposition {
    /// The world is already as wanted: success.
    AlreadyDone,
    /// The plan was made for another world: read again, plan anew.
    Reobserve,
    /// Transient: back off, try again.
    Retry(Reason),
    /// Comes back after a known or long time.
    Wait(Reason, SignedDuration),
    /// A person has to act; tried again slowly.
    Stalled(Reason),
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The disposition of a failed step. `None` as action stands for reads.
pub fn disposition(action: Option<&Action>, class: &ErrorClass) -> Disposition {
    use Disposition::{AlreadyDone, Reobserve, Retry, Stalled, Wait};
    let verify = matches!(action, Some(Action::VerifyAccess { .. }));
    match class {
        ErrorClass::Throttled => Retry(Reason::Throttled),
        // Whatever a call may have done shows up in the next look; nothing that is not idempotent is repeated before it.
        ErrorClass::Service
        | ErrorClass::Timeout
        | ErrorClass::AnswerLost
        | ErrorClass::Unreachable
        | ErrorClass::Unclassified(_) => Retry(Reason::AwsUnavailable),
        ErrorClass::ConcurrentModification => Retry(Reason::ConcurrentModification),
        ErrorClass::FinalizingOrganization => Wait(Reason::FinalizingOrganization, SECOND * 300),
        // A fresh role answers AccessDenied for seconds to minutes: the planner counts how long.
        ErrorClass::AccessDenied if verify => Retry(Reason::AccessPending),
        ErrorClass::AccessDenied => Stalled(Reason::AccessDenied),
        ErrorClass::OrganizationsNotInUse => Stalled(Reason::OrganizationsNotInUse),
        // The account is where it should go (AWS Organizations API, MoveAccount).
        ErrorClass::DuplicateAccount if matches!(action, Some(Action::MoveAccount { .. })) => AlreadyDone,
        ErrorClass::AccountNotFound
        | ErrorClass::CreateAccountStatusNotFound
        | ErrorClass::TargetNotFound
        | ErrorClass::SourceParentNotFound
        | ErrorClass::DuplicateAccount
        | ErrorClass::DuplicateOrganizationalUnit => Reobserve,
        ErrorClass::ConstraintViolation(reason) => match reason.as_str() {
            // Also AWS's answer to more than five in flight.
            "ACCOUNT_CREATION_RATE_LIMIT_EXCEEDED" => {
                Wait(Reason::AccountCreationRateLimitExceeded, SECOND * 30)
            }
            "ACCOUNT_NUMBER_LIMIT_EXCEEDED" => Stalled(Reason::AccountLimitExceeded),
            "OU_DEPTH_LIMIT_EXCEEDED" | "OU_NUMBER_LIMIT_EXCEEDED" => {
                Stalled(Reason::OrganizationalUnitLimitExceeded)
            }
            "TAG_POLICY_VIOLATION" => Stalled(Reason::TagPolicyViolation),
            "MAX_TAG_LIMIT_EXCEEDED" => Stalled(Reason::TagLimitExceeded),
            _ => Stalled(Reason::ConstraintViolation),
        },
        ErrorClass::InvalidInput(_) => Stalled(Reason::InvalidInput),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quota_reasons_decide_not_the_exception() {
        let class = |reason: &str| ErrorClass::ConstraintViolation(reason.into());
        assert!(matches!(
            disposition(None, &class("ACCOUNT_CREATION_RATE_LIMIT_EXCEEDED")),
            Disposition::Wait(Reason::AccountCreationRateLimitExceeded, _)
        ));
        assert_eq!(
            disposition(None, &class("ACCOUNT_NUMBER_LIMIT_EXCEEDED")),
            Disposition::Stalled(Reason::AccountLimitExceeded)
        );
        assert_eq!(
            disposition(None, &class("SOMETHING_NEW")),
            Disposition::Stalled(Reason::ConstraintViolation)
        );
    }

    #[test]
    fn a_fresh_role_is_not_a_matter_for_a_person() {
        let account = model::AccountId::parse("111111111111").unwrap();
        let verify = Action::VerifyAccess {
            account,
            role_arn: String::new(),
        };
        assert_eq!(
            disposition(Some(&verify), &ErrorClass::AccessDenied),
            Disposition::Retry(Reason::AccessPending)
        );
        assert_eq!(
            disposition(None, &ErrorClass::AccessDenied),
            Disposition::Stalled(Reason::AccessDenied)
        );
    }
}
