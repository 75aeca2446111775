//! Failures of AWS calls, as a closed set of our own (the SDK's enums are open).

use std::fmt;

macro_rules! error_classes {
    ($($(#[$doc:meta])* $name:ident $(($carries:ty))?,)*) => {
        /// What kind of failure an AWS call ended with. `aws` maps exception names and `Reason`s to it; unknown ones become
        /// [`ErrorClass::Unclassified`], which is retried and counted.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum ErrorClass { $($(#[$doc])* $name $(($carries))?),* }

        impl ErrorClass {
            /// The names of all classes, in order of declaration.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($name)),*];
            /// The class's name, without what it carries.
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name)),* }
            }
        }
    };
}

error_classes! {
    /// `TooManyRequestsException` (HTTP 400), `ThrottledException`, STS `Throttling`. Not executed.
    Throttled,
    /// `ServiceException` or another 5xx: the effect is unknown.
    Service,
    /// No answer in time: the effect is unknown.
    Timeout,
    /// The connection could not be made: nothing was sent.
    Unreachable,
    /// The leadership term was over when the request was about to be written: nothing was sent.
    TermOver,
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
    /// `PolicyChangesInProgressException`: AWS is still at an earlier change of policies. Not executed.
    PolicyChangesInProgress,
    /// `PolicyNotFoundException`.
    PolicyNotFound,
    /// `DuplicatePolicyException`: a policy of this type has this name.
    DuplicatePolicy,
    /// `DuplicatePolicyAttachmentException`: on AttachPolicy it is attached already.
    DuplicatePolicyAttachment,
    /// `PolicyNotAttachedException`: on DetachPolicy it is not attached.
    PolicyNotAttached,
    /// `PolicyInUseException`: on DeletePolicy it is still attached somewhere.
    PolicyInUse,
    /// `EffectivePolicyNotFoundException`: policies of this type come to nothing on the account.
    EffectivePolicyNotFound,
    /// `PolicyTypeNotEnabledException`: the root does not have this type of policies switched on.
    PolicyTypeNotEnabled,
    /// `PolicyTypeAlreadyEnabledException`: on EnablePolicyType it is on already.
    PolicyTypeAlreadyEnabled,
    /// `PolicyTypeNotAvailableForOrganizationException`: the organization does not have all features.
    PolicyTypeNotAvailable,
    /// `MalformedPolicyDocumentException`.
    MalformedPolicyDocument,
    /// `AccountAlreadyClosedException`: on CloseAccount.
    AccountAlreadyClosed,
    /// `ConflictException`: on CloseAccount the account is in another state than the call needs.
    Conflict,
    /// `DuplicateHandshakeException`: the account has an open invitation already.
    DuplicateHandshake,
    /// `HandshakeNotFoundException`.
    HandshakeNotFound,
    /// `HandshakeAlreadyInStateException`: on CancelHandshake it is cancelled already.
    HandshakeAlreadyInState,
    /// `InvalidHandshakeTransitionException`: on CancelHandshake it has ended in another way.
    InvalidHandshakeTransition,
    /// `AccountOwnerNotVerifiedException`: the management account's email is not verified, so it cannot invite.
    AccountOwnerNotVerified,
    /// `HandshakeConstraintViolationException` with its `Reason`.
    HandshakeConstraintViolation(String),
    /// `ConstraintViolationException` with its `Reason`.
    ConstraintViolation(String),
    /// `InvalidInputException` with its `Reason`, and validation errors of other services.
    InvalidInput(String),
    /// Another exception, by name.
    Unclassified(String),
}

/// How much of AWS's message is told, in characters: it names tag keys or places in a document, which come first.
const MESSAGE: usize = 256;

/// A failed AWS call. Shown, it is one line that stays the same at each try.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct AwsError {
    /// The operation that failed, AWS's name.
    pub operation: &'static str,
    /// What kind of failure.
    pub class: ErrorClass,
    /// AWS's message: for logs, it may name ids. Shown to people only where nothing else says what they have to change: a
    /// violated tag policy, a document that AWS does not accept.
    pub message: String,
    /// AWS's request id: for logs only, never for status, which it would change at each try.
    pub request_id: Option<String>,
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.operation, self.class)?;
        if !self.class.is_told_by_its_message() || self.message.trim().is_empty() {
            return Ok(());
        }
        f.write_str(": ")?;
        let words = self.message.split_whitespace();
        let line = words.collect::<Vec<_>>().join(" ");
        f.write_str(&line.chars().take(MESSAGE).collect::<String>())
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Throttled => f.write_str("throttled by AWS"),
            Self::Service => f.write_str("AWS reported an internal error"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Unreachable => f.write_str("AWS could not be reached"),
            Self::TermOver => f.write_str("the leadership term is over"),
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
            Self::PolicyChangesInProgress => f.write_str("PolicyChangesInProgressException"),
            Self::PolicyNotFound => f.write_str("PolicyNotFoundException"),
            Self::DuplicatePolicy => f.write_str("DuplicatePolicyException"),
            Self::DuplicatePolicyAttachment => f.write_str("DuplicatePolicyAttachmentException"),
            Self::PolicyNotAttached => f.write_str("PolicyNotAttachedException"),
            Self::PolicyInUse => f.write_str("PolicyInUseException"),
            Self::EffectivePolicyNotFound => f.write_str("EffectivePolicyNotFoundException"),
            Self::PolicyTypeNotEnabled => f.write_str("PolicyTypeNotEnabledException"),
            Self::PolicyTypeAlreadyEnabled => f.write_str("PolicyTypeAlreadyEnabledException"),
            Self::PolicyTypeNotAvailable => f.write_str("PolicyTypeNotAvailableForOrganizationException"),
            Self::MalformedPolicyDocument => f.write_str("MalformedPolicyDocumentException"),
            Self::AccountAlreadyClosed => f.write_str("AccountAlreadyClosedException"),
            Self::Conflict => f.write_str("ConflictException"),
            Self::DuplicateHandshake => f.write_str("DuplicateHandshakeException"),
            Self::HandshakeNotFound => f.write_str("HandshakeNotFoundException"),
            Self::HandshakeAlreadyInState => f.write_str("HandshakeAlreadyInStateException"),
            Self::InvalidHandshakeTransition => f.write_str("InvalidHandshakeTransitionException"),
            Self::AccountOwnerNotVerified => f.write_str("AccountOwnerNotVerifiedException"),
            Self::HandshakeConstraintViolation(reason) => {
                write!(f, "HandshakeConstraintViolationException, {reason}")
            }
            Self::ConstraintViolation(reason) => write!(f, "ConstraintViolationException, {reason}"),
            Self::InvalidInput(reason) => write!(f, "InvalidInputException, {reason}"),
            Self::Unclassified(code) => write!(f, "{code}"),
        }
    }
}

impl ErrorClass {
    /// Does AWS's message alone say what a person has to change?
    fn is_told_by_its_message(&self) -> bool {
        match self {
            Self::MalformedPolicyDocument => true,
            Self::ConstraintViolation(reason) => reason == "TAG_POLICY_VIOLATION",
            _ => false,
        }
    }

    /// Can the call have had its effect although it failed? If so, nothing that is not idempotent may be repeated
    /// before the world was looked at.
    pub const fn effect_unknown(&self) -> bool {
        match self {
            Self::Service | Self::Timeout | Self::AnswerLost | Self::Unclassified(_) => true,
            Self::Throttled
            | Self::Unreachable
            | Self::TermOver
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
            | Self::PolicyChangesInProgress
            | Self::PolicyNotFound
            | Self::DuplicatePolicy
            | Self::DuplicatePolicyAttachment
            | Self::PolicyNotAttached
            | Self::PolicyInUse
            | Self::EffectivePolicyNotFound
            | Self::PolicyTypeNotEnabled
            | Self::PolicyTypeAlreadyEnabled
            | Self::PolicyTypeNotAvailable
            | Self::MalformedPolicyDocument
            | Self::AccountAlreadyClosed
            | Self::Conflict
            | Self::DuplicateHandshake
            | Self::HandshakeNotFound
            | Self::HandshakeAlreadyInState
            | Self::InvalidHandshakeTransition
            | Self::AccountOwnerNotVerified
            | Self::HandshakeConstraintViolation(_)
            | Self::ConstraintViolation(_)
            | Self::InvalidInput(_) => false,
        }
    }
}
