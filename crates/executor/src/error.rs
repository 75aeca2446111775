//! Failures of AWS calls, as a closed set of our own (the SDK's enums are open).

use std::fmt;

/// What kind of failure an AWS call ended with. `aws` maps exception names and `Reason`s to it; unknown ones become
/// [`ErrorClass::Unclassified`], which is retried and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// `TooManyRequestsException` (HTTP 400), `ThrottledException`, STS `Throttling`. Not executed.
    Throttled,
    /// `ServiceException` or another 5xx: the effect is unknown.
    Service,
    /// No answer in time: the effect is unknown.
    Timeout,
    /// The connection could not be made: nothing was sent.
    Unreachable,
    /// The connection broke, or the answer could not be read: the effect is unknown.
    AnswerLost,
    /// `ConcurrentModificationException`: the target is being changed by another request. Not executed.
    ConcurrentModification,
    /// `FinalizingOrganizationException`: the organization is being set up, up to an hour. Not executed.
    FinalizingOrganization,
    /// `AccessDeniedException`, `AccessDeniedForDependencyException`, STS `AccessDenied`; also unusable credentials.
    AccessDenied,
    /// `AWSOrganizationsNotInUseException`.
    OrganizationsNotInUse,
    /// `AccountNotFoundException`.
    AccountNotFound,
    /// `CreateAccountStatusNotFoundException`.
    CreateAccountStatusNotFound,
    /// `ParentNotFoundException`, `DestinationParentNotFoundException`, `ChildNotFoundException`,
    /// `OrganizationalUnitNotFoundException`, `RootNotFoundException`, `TargetNotFoundException`.
    TargetNotFound,
    /// `SourceParentNotFoundException`: on MoveAccount the account is not where we thought.
    SourceParentNotFound,
    /// `DuplicateAccountException`: on MoveAccount the account is already there.
    DuplicateAccount,
    /// `DuplicateOrganizationalUnitException`: a sibling has this name.
    DuplicateOrganizationalUnit,
    /// `ConstraintViolationException` with its `Reason`.
    ConstraintViolation(String),
    /// `InvalidInputException` with its `Reason`, and validation errors of other services.
    InvalidInput(String),
    /// Another exception, by name.
    Unclassified(String),
}

/// A failed AWS call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct AwsError {
    /// The operation that failed, AWS's name.
    pub operation: &'static str,
    /// What kind of failure.
    pub class: ErrorClass,
    /// AWS's message: for logs, it may name ids.
    pub message: String,
    /// AWS's request id: for logs only, never for status, which it would change at each try.
    pub request_id: Option<String>,
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.operation, self.class)
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Throttled => f.write_str("throttled by AWS"),
            Self::Service => f.write_str("AWS reported an internal error"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Unreachable => f.write_str("AWS could not be reached"),
            Self::AnswerLost => f.write_str("the answer was lost"),
            Self::ConcurrentModification => f.write_str("ConcurrentModificationException"),
            Self::FinalizingOrganization => f.write_str("FinalizingOrganizationException"),
            Self::AccessDenied => f.write_str("AccessDeniedException"),
            Self::OrganizationsNotInUse => f.write_str("AWSOrganizationsNotInUseException"),
            Self::AccountNotFound => f.write_str("AccountNotFoundException"),
            Self::CreateAccountStatusNotFound => f.write_str("CreateAccountStatusNotFoundException"),
            Self::TargetNotFound => f.write_str("the target was not found"),
            Self::SourceParentNotFound => f.write_str("SourceParentNotFoundException"),
            Self::DuplicateAccount => f.write_str("DuplicateAccountException"),
            Self::DuplicateOrganizationalUnit => f.write_str("DuplicateOrganizationalUnitException"),
            Self::ConstraintViolation(reason) => write!(f, "ConstraintViolationException, {reason}"),
            Self::InvalidInput(reason) => write!(f, "InvalidInputException, {reason}"),
            Self::Unclassified(code) => write!(f, "{code}"),
        }
    }
}

impl ErrorClass {
    /// Can the call have had its effect although it failed? If so, nothing that is not idempotent may be repeated
    /// before the world was looked at.
    pub const fn effect_unknown(&self) -> bool {
        match self {
            Self::Service | Self::Timeout | Self::AnswerLost | Self::Unclassified(_) => true,
            Self::Throttled
            | Self::Unreachable
            | Self::ConcurrentModification
            | Self::FinalizingOrganization
            | Self::AccessDenied
            | Self::OrganizationsNotInUse
            | Self::AccountNotFound
            | Self::CreateAccountStatusNotFound
            | Self::TargetNotFound
            | Self::SourceParentNotFound
            | Self::DuplicateAccount
            | Self::DuplicateOrganizationalUnit
            | Self::ConstraintViolation(_)
            | Self::InvalidInput(_) => false,
        }
    }
}
