//! What every failure means. One function, exhaustive over our own closed enum.
//!
//! AWS's `Reason`s are strings of an open set, so what is known of them stands in tables, which the function asks.
//! [`catalogue`](crate::catalogue) goes through all classes and `Reason`s and asks that function for each operation: the reference in the
//! README is printed from there, so it cannot say anything else than what is done.

use crate::error::ErrorClass;
use jiff::SignedDuration;
use model::{Action, Reason};
use serde::Serialize;
use std::fmt;

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
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

impl Disposition {
    /// The condition's reason on the object.
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::AlreadyDone => None,
            Self::Reobserve => Some(Reason::Reobserving),
            Self::Retry(reason) | Self::Wait(reason, _) | Self::Stalled(reason) => Some(reason),
        }
    }

    /// How long the step rests after its n-th failure in a row (from 1), before jitter.
    pub fn rest(self, failures: u32) -> SignedDuration {
        let doubling = |first: SignedDuration, ceiling: SignedDuration| {
            (first * 2_i32.pow(failures.saturating_sub(1).min(12))).min(ceiling)
        };
        match self {
            Self::AlreadyDone => SignedDuration::ZERO,
            // A role becomes usable seconds to minutes after its account: asking is cheap.
            Self::Retry(Reason::AccessPending) => {
                SignedDuration::from_millis(5000 + 333 * i64::from(failures.min(100)))
            }
            Self::Reobserve | Self::Retry(_) => doubling(SECOND, MINUTE),
            Self::Wait(_, rest) => rest,
            Self::Stalled(_) => doubling(SECOND * 15, MINUTE * 10),
        }
    }
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident $text:literal,)*) => {
        /// AWS operations, as far as it matters to what a failure means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Operation { $($(#[$doc])* $name),* }

        impl Operation {
            /// All of them.
            pub const ALL: &'static [Operation] = &[$(Operation::$name),*];
            /// AWS's name, or what several of them have in common.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

operations! {
    /// Whatever changes nothing.
    Read "reads",
    /// AssumeRole into a member account and the calls with its session.
    VerifyAccess "AssumeRole and calls with the session",
    /// CreateAccount.
    CreateAccount "CreateAccount",
    /// CreateOrganizationalUnit.
    CreateOrganizationalUnit "CreateOrganizationalUnit",
    /// MoveAccount.
    MoveAccount "MoveAccount",
    /// TagResource.
    TagResource "TagResource",
    /// UntagResource.
    UntagResource "UntagResource",
    /// CreatePolicy.
    CreatePolicy "CreatePolicy",
    /// UpdatePolicy.
    UpdatePolicy "UpdatePolicy",
    /// DeletePolicy.
    DeletePolicy "DeletePolicy",
    /// AttachPolicy.
    AttachPolicy "AttachPolicy",
    /// DetachPolicy.
    DetachPolicy "DetachPolicy",
    /// EnablePolicyType.
    EnablePolicyType "EnablePolicyType",
    /// CloseAccount.
    CloseAccount "CloseAccount",
    /// InviteAccountToOrganization.
    InviteAccountToOrganization "InviteAccountToOrganization",
    /// CancelHandshake.
    CancelHandshake "CancelHandshake",
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Operation {
    /// The operation that carries this action out; [`Operation::Read`] for those that do not call AWS.
    pub(crate) const fn of(action: &Action) -> Self {
        match action {
            Action::CreateAccount { .. } => Self::CreateAccount,
            Action::CreateOrganizationalUnit { .. } => Self::CreateOrganizationalUnit,
            Action::MoveAccount { .. } => Self::MoveAccount,
            Action::TagAccount { .. } | Action::WriteMark { .. } => Self::TagResource,
            Action::UntagAccount { .. } => Self::UntagResource,
            Action::EnablePolicyType { .. } => Self::EnablePolicyType,
            Action::CreatePolicy { .. } => Self::CreatePolicy,
            Action::UpdatePolicy { .. } => Self::UpdatePolicy,
            Action::DeletePolicy { .. } => Self::DeletePolicy,
            Action::AttachPolicy { .. } => Self::AttachPolicy,
            Action::DetachPolicy { .. } => Self::DetachPolicy,
            Action::VerifyAccess { .. } => Self::VerifyAccess,
            Action::Hold
            | Action::Release
            | Action::Intend(..)
            | Action::Assign { .. }
            | Action::Reread
            | Action::Withdraw { .. }
            | Action::RecordRequest { .. }
            | Action::ApplyOutputs { .. } => Self::Read,
        }
    }
}

/// A `Reason` that is known: on which operations AWS gives it, and what it means there.
pub(crate) type Known = (&'static str, &'static [Operation], Disposition);

use Disposition::{AlreadyDone, Reobserve, Retry, Stalled, Wait};
use Operation as On;

const TAGGING: &[On] = &[
    On::CreateAccount,
    On::CreateOrganizationalUnit,
    On::TagResource,
    On::CreatePolicy,
    On::InviteAccountToOrganization,
];

/// `ConstraintViolationException` (AWS Organizations API). Any other: Stalled.
pub(crate) const CONSTRAINTS: &[Known] = &[
    (
        // Also AWS's answer to more than five in flight.
        "ACCOUNT_CREATION_RATE_LIMIT_EXCEEDED",
        &[On::CreateAccount],
        Wait(
            Reason::AccountCreationRateLimitExceeded,
            SignedDuration::from_secs(30),
        ),
    ),
    (
        "ACCOUNT_NUMBER_LIMIT_EXCEEDED",
        &[On::CreateAccount, On::InviteAccountToOrganization],
        Stalled(Reason::AccountLimitExceeded),
    ),
    (
        "OU_DEPTH_LIMIT_EXCEEDED",
        &[On::CreateOrganizationalUnit],
        Stalled(Reason::OrganizationalUnitLimitExceeded),
    ),
    (
        "OU_NUMBER_LIMIT_EXCEEDED",
        &[On::CreateOrganizationalUnit],
        Stalled(Reason::OrganizationalUnitLimitExceeded),
    ),
    (
        "TAG_POLICY_VIOLATION",
        TAGGING,
        Stalled(Reason::TagPolicyViolation),
    ),
    (
        "MAX_TAG_LIMIT_EXCEEDED",
        TAGGING,
        Stalled(Reason::TagLimitExceeded),
    ),
    (
        "POLICY_CONTENT_LIMIT_EXCEEDED",
        &[On::CreatePolicy, On::UpdatePolicy],
        Stalled(Reason::PolicyLimitExceeded),
    ),
    (
        "POLICY_NUMBER_LIMIT_EXCEEDED",
        &[On::CreatePolicy],
        Stalled(Reason::PolicyLimitExceeded),
    ),
    (
        // Policies of others hold the places; who attached them takes them away.
        "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
        &[On::AttachPolicy],
        Wait(Reason::NoPolicySlot, SignedDuration::from_mins(5)),
    ),
    (
        "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
        &[On::DetachPolicy],
        Stalled(Reason::ConstraintViolation),
    ),
    (
        "SERVICE_ACCESS_NOT_ENABLED",
        &[On::EnablePolicyType],
        Stalled(Reason::PolicyTypeNotAvailable),
    ),
    (
        "CLOSE_ACCOUNT_REQUESTS_LIMIT_EXCEEDED",
        &[On::CloseAccount],
        Wait(
            Reason::CloseAccountRequestsLimitExceeded,
            SignedDuration::from_mins(1),
        ),
    ),
    (
        // A rolling window of 30 days: places come back one by one.
        "CLOSE_ACCOUNT_QUOTA_EXCEEDED",
        &[On::CloseAccount],
        Wait(Reason::CloseAccountQuotaExceeded, SignedDuration::from_hours(6)),
    ),
    (
        "CANNOT_CLOSE_MANAGEMENT_ACCOUNT",
        &[On::CloseAccount],
        Stalled(Reason::ConstraintViolation),
    ),
    (
        "HANDSHAKE_RATE_LIMIT_EXCEEDED",
        &[On::InviteAccountToOrganization],
        Wait(Reason::InvitationLimitExceeded, SignedDuration::from_hours(1)),
    ),
];

/// `HandshakeConstraintViolationException` (AWS Organizations API, InviteAccountToOrganization). Any other: Stalled.
pub(crate) const HANDSHAKES: &[Known] = &[
    (
        "ACCOUNT_NUMBER_LIMIT_EXCEEDED",
        &[On::InviteAccountToOrganization],
        Stalled(Reason::AccountLimitExceeded),
    ),
    (
        "HANDSHAKE_RATE_LIMIT_EXCEEDED",
        &[On::InviteAccountToOrganization],
        Wait(Reason::InvitationLimitExceeded, SignedDuration::from_hours(1)),
    ),
    (
        "ORGANIZATION_MEMBERSHIP_CHANGE_RATE_LIMIT_EXCEEDED",
        &[On::InviteAccountToOrganization],
        Wait(Reason::InvitationLimitExceeded, SignedDuration::from_hours(1)),
    ),
];

/// `InvalidInputException` (AWS Organizations API), and what other services call a bad request. Any other: Stalled.
pub(crate) const INPUTS: &[Known] = &[
    // A page token that has expired: the listing is begun again.
    ("INVALID_NEXT_TOKEN", &[On::Read], Reobserve),
    // AWS's own policies.
    (
        "IMMUTABLE_POLICY",
        &[On::UpdatePolicy, On::DeletePolicy],
        Stalled(Reason::InvalidInput),
    ),
    (
        "NON_DETACHABLE_POLICY",
        &[On::DetachPolicy],
        Stalled(Reason::InvalidInput),
    ),
    (
        "MOVING_ACCOUNT_BETWEEN_DIFFERENT_ROOTS",
        &[On::MoveAccount],
        Stalled(Reason::InvalidInput),
    ),
];

fn known(table: &[Known], reason: &str, otherwise: Reason) -> Disposition {
    let row = table.iter().find(|(known, ..)| *known == reason);
    row.map_or(Stalled(otherwise), |(_, _, disposition)| *disposition)
}

/// The disposition of a failed step. `None` as action stands for reads.
pub fn disposition(action: Option<&Action>, class: &ErrorClass) -> Disposition {
    decide(action.map_or(Operation::Read, Operation::of), class)
}

/// The disposition of a failed call.
pub fn decide(operation: Operation, class: &ErrorClass) -> Disposition {
    match class {
        ErrorClass::Throttled => Retry(Reason::Throttled),
        // Whatever a call may have done shows up in the next look; nothing that is not idempotent is repeated before it.
        ErrorClass::Service
        | ErrorClass::Timeout
        | ErrorClass::AnswerLost
        | ErrorClass::Unreachable
        | ErrorClass::Unclassified(_) => Retry(Reason::AwsUnavailable),
        ErrorClass::ConcurrentModification => Retry(Reason::ConcurrentModification),
        ErrorClass::PolicyChangesInProgress => Wait(Reason::PolicyChangesInProgress, MINUTE),
        ErrorClass::FinalizingOrganization => Wait(Reason::FinalizingOrganization, MINUTE * 5),
        // A fresh role answers AccessDenied for seconds to minutes: the planner counts how long.
        ErrorClass::AccessDenied if operation == On::VerifyAccess => Retry(Reason::AccessPending),
        ErrorClass::AccessDenied => Stalled(Reason::AccessDenied),
        ErrorClass::OrganizationsNotInUse => Stalled(Reason::OrganizationsNotInUse),

        // The account is where it should go (AWS Organizations API, MoveAccount).
        ErrorClass::DuplicateAccount if operation == On::MoveAccount => AlreadyDone,
        ErrorClass::PolicyNotFound if operation == On::DeletePolicy => AlreadyDone,
        // Each is an answer to one operation, and says that what it was to bring about is so.
        ErrorClass::DuplicatePolicyAttachment
        | ErrorClass::PolicyNotAttached
        | ErrorClass::PolicyTypeAlreadyEnabled
        | ErrorClass::AccountAlreadyClosed
        | ErrorClass::HandshakeAlreadyInState => AlreadyDone,

        // After the end of a term the next one looks for itself.
        ErrorClass::TermOver
        | ErrorClass::AccountNotFound
        | ErrorClass::CreateAccountStatusNotFound
        | ErrorClass::TargetNotFound
        | ErrorClass::SourceParentNotFound
        | ErrorClass::DuplicateAccount
        | ErrorClass::DuplicateOrganizationalUnit
        | ErrorClass::PolicyNotFound
        | ErrorClass::DuplicatePolicy
        | ErrorClass::PolicyInUse
        | ErrorClass::EffectivePolicyNotFound
        | ErrorClass::PolicyTypeNotEnabled
        | ErrorClass::Conflict
        | ErrorClass::DuplicateHandshake
        | ErrorClass::HandshakeNotFound
        | ErrorClass::InvalidHandshakeTransition => Reobserve,

        ErrorClass::PolicyTypeNotAvailable => Stalled(Reason::PolicyTypeNotAvailable),
        ErrorClass::MalformedPolicyDocument => Stalled(Reason::MalformedPolicyDocument),
        ErrorClass::AccountOwnerNotVerified => Stalled(Reason::InvitationRefused),
        ErrorClass::ConstraintViolation(reason) => known(CONSTRAINTS, reason, Reason::ConstraintViolation),
        ErrorClass::HandshakeConstraintViolation(reason) => {
            known(HANDSHAKES, reason, Reason::InvitationRefused)
        }
        ErrorClass::InvalidInput(reason) => known(INPUTS, reason, Reason::InvalidInput),
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
            Wait(Reason::AccountCreationRateLimitExceeded, _)
        ));
        assert_eq!(
            disposition(None, &class("ACCOUNT_NUMBER_LIMIT_EXCEEDED")),
            Stalled(Reason::AccountLimitExceeded)
        );
        assert_eq!(
            disposition(None, &class("SOMETHING_NEW")),
            Stalled(Reason::ConstraintViolation)
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
            Retry(Reason::AccessPending)
        );
        assert_eq!(
            disposition(None, &ErrorClass::AccessDenied),
            Stalled(Reason::AccessDenied)
        );
    }

    /// One fact of AWS each, from the operations' own error sections.
    #[test]
    fn the_same_failure_means_what_its_operation_makes_of_it() {
        let constraint = |reason: &str| ErrorClass::ConstraintViolation(reason.into());
        for (operation, class, expected) in [
            (On::MoveAccount, ErrorClass::DuplicateAccount, AlreadyDone),
            (
                On::InviteAccountToOrganization,
                ErrorClass::DuplicateAccount,
                Reobserve,
            ),
            (On::DeletePolicy, ErrorClass::PolicyNotFound, AlreadyDone),
            (On::AttachPolicy, ErrorClass::PolicyNotFound, Reobserve),
            (
                On::AttachPolicy,
                ErrorClass::DuplicatePolicyAttachment,
                AlreadyDone,
            ),
            (On::DetachPolicy, ErrorClass::PolicyNotAttached, AlreadyDone),
            (
                On::EnablePolicyType,
                ErrorClass::PolicyTypeAlreadyEnabled,
                AlreadyDone,
            ),
            (On::CloseAccount, ErrorClass::AccountAlreadyClosed, AlreadyDone),
            (On::CloseAccount, ErrorClass::Conflict, Reobserve),
            (On::CreatePolicy, ErrorClass::DuplicatePolicy, Reobserve),
            (On::DeletePolicy, ErrorClass::PolicyInUse, Reobserve),
            (
                On::CreatePolicy,
                ErrorClass::MalformedPolicyDocument,
                Stalled(Reason::MalformedPolicyDocument),
            ),
            (
                On::CloseAccount,
                constraint("CANNOT_CLOSE_MANAGEMENT_ACCOUNT"),
                Stalled(Reason::ConstraintViolation),
            ),
            (
                On::Read,
                ErrorClass::InvalidInput("INVALID_NEXT_TOKEN".into()),
                Reobserve,
            ),
            (
                On::CreateAccount,
                ErrorClass::InvalidInput("INVALID_ROLE_NAME".into()),
                Stalled(Reason::InvalidInput),
            ),
        ] {
            assert_eq!(decide(operation, &class), expected, "{operation}: {class}");
        }
        for reason in [
            "CLOSE_ACCOUNT_REQUESTS_LIMIT_EXCEEDED",
            "CLOSE_ACCOUNT_QUOTA_EXCEEDED",
        ] {
            assert!(
                matches!(decide(On::CloseAccount, &constraint(reason)), Wait(..)),
                "{reason}"
            );
        }
    }
}
