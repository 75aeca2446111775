//! What AWS calls its errors.

use aws_sdk_organizations::types::CreateAccountFailureReason;
use executor::ErrorClass;

/// The names of exceptions, by class. Sources: the error sections of each operation in the AWS Organizations, STS and
/// Resource Groups Tagging API references, and the "Common errors" that all services share. The reference in the README
/// is printed from this table, too.
static NAMES: &[(ErrorClass, &[&str])] = &[
    (
        ErrorClass::Throttled,
        &[
            // Organizations (HTTP 400); tagging; STS and the gateways in front of every service.
            "TooManyRequestsException",
            "ThrottledException",
            "Throttling",
            "ThrottlingException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
        ],
    ),
    (
        ErrorClass::Service,
        &[
            // Organizations; tagging; common errors.
            "ServiceException",
            "InternalServiceException",
            "InternalFailure",
            "InternalError",
            "InternalServerError",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ],
    ),
    (
        ErrorClass::ConcurrentModification,
        &["ConcurrentModificationException"],
    ),
    (
        ErrorClass::FinalizingOrganization,
        &["FinalizingOrganizationException"],
    ),
    (
        ErrorClass::AccessDenied,
        &[
            // Organizations; the call was refused before anything was done.
            "AccessDeniedException",
            "AccessDeniedForDependencyException",
            // STS and common errors: no permission, or credentials that are missing, wrong or expired.
            "AccessDenied",
            "NotAuthorized",
            "UnauthorizedOperation",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
            "ExpiredToken",
            "ExpiredTokenException",
            "RequestExpired",
            "RequestExpiredException",
            // An account that is not ready yet: seen for minutes after its creation, besides AccessDenied.
            "OptInRequired",
            "SubscriptionRequiredException",
            // STS, AssumeRole: STS is switched off in this region for this account.
            "RegionDisabledException",
        ],
    ),
    (
        ErrorClass::OrganizationsNotInUse,
        &["AWSOrganizationsNotInUseException"],
    ),
    (ErrorClass::AccountNotFound, &["AccountNotFoundException"]),
    (
        ErrorClass::CreateAccountStatusNotFound,
        &["CreateAccountStatusNotFoundException"],
    ),
    (
        ErrorClass::TargetNotFound,
        &[
            "ParentNotFoundException",
            "DestinationParentNotFoundException",
            "ChildNotFoundException",
            "OrganizationalUnitNotFoundException",
            "RootNotFoundException",
            "TargetNotFoundException",
        ],
    ),
    (
        ErrorClass::SourceParentNotFound,
        &["SourceParentNotFoundException"],
    ),
    (ErrorClass::DuplicateAccount, &["DuplicateAccountException"]),
    (
        ErrorClass::DuplicateOrganizationalUnit,
        &["DuplicateOrganizationalUnitException"],
    ),
    (
        ErrorClass::PolicyChangesInProgress,
        &["PolicyChangesInProgressException"],
    ),
    (ErrorClass::PolicyNotFound, &["PolicyNotFoundException"]),
    (ErrorClass::DuplicatePolicy, &["DuplicatePolicyException"]),
    (
        ErrorClass::DuplicatePolicyAttachment,
        &["DuplicatePolicyAttachmentException"],
    ),
    (ErrorClass::PolicyNotAttached, &["PolicyNotAttachedException"]),
    (ErrorClass::PolicyInUse, &["PolicyInUseException"]),
    (
        ErrorClass::EffectivePolicyNotFound,
        &["EffectivePolicyNotFoundException"],
    ),
    (
        ErrorClass::PolicyTypeNotEnabled,
        &["PolicyTypeNotEnabledException"],
    ),
    (
        ErrorClass::PolicyTypeAlreadyEnabled,
        &["PolicyTypeAlreadyEnabledException"],
    ),
    (
        ErrorClass::PolicyTypeNotAvailable,
        &["PolicyTypeNotAvailableForOrganizationException"],
    ),
    (
        ErrorClass::MalformedPolicyDocument,
        &["MalformedPolicyDocumentException"],
    ),
    (
        ErrorClass::AccountAlreadyClosed,
        &["AccountAlreadyClosedException"],
    ),
    (ErrorClass::Conflict, &["ConflictException"]),
    (ErrorClass::DuplicateHandshake, &["DuplicateHandshakeException"]),
    (ErrorClass::HandshakeNotFound, &["HandshakeNotFoundException"]),
    (
        ErrorClass::HandshakeAlreadyInState,
        &["HandshakeAlreadyInStateException"],
    ),
    (
        ErrorClass::InvalidHandshakeTransition,
        &["InvalidHandshakeTransitionException"],
    ),
    (
        ErrorClass::AccountOwnerNotVerified,
        &["AccountOwnerNotVerifiedException"],
    ),
    // These three carry a `Reason`.
    (
        ErrorClass::HandshakeConstraintViolation(String::new()),
        &["HandshakeConstraintViolationException"],
    ),
    (
        ErrorClass::ConstraintViolation(String::new()),
        &["ConstraintViolationException"],
    ),
    (
        ErrorClass::InvalidInput(String::new()),
        &[
            "InvalidInputException",
            // Tagging; STS and common errors; Organizations in a partition that lacks the operation. None has a Reason.
            "InvalidParameterException",
            "ValidationError",
            "ValidationException",
            "InvalidParameterValue",
            "InvalidParameterCombination",
            "InvalidQueryParameter",
            "MissingParameter",
            "MalformedQueryString",
            "PackedPolicyTooLarge",
            "MalformedPolicyDocument",
            "UnsupportedAPIEndpointException",
        ],
    ),
];

/// The class of an exception, with its `Reason`; none for a name that is not known.
pub(crate) fn named(code: &str, reason: Option<String>) -> Option<ErrorClass> {
    let (class, _) = NAMES.iter().find(|(_, names)| names.contains(&code))?;
    let reason = || reason.unwrap_or_else(|| code.to_owned());
    Some(match class {
        ErrorClass::ConstraintViolation(_) => ErrorClass::ConstraintViolation(reason()),
        ErrorClass::HandshakeConstraintViolation(_) => ErrorClass::HandshakeConstraintViolation(reason()),
        ErrorClass::InvalidInput(_) => ErrorClass::InvalidInput(reason()),
        other => other.clone(),
    })
}

/// The names by which AWS reports failures of this class, the one of AWS Organizations first. Empty for failures that AWS
/// has no name for.
pub fn exceptions(class: &ErrorClass) -> &'static [&'static str] {
    NAMES
        .iter()
        .find(|(named, _)| named.kind() == class.kind())
        .map_or(&[], |(_, names)| names)
}

/// Every `FailureReason` of a CreateAccount request that the SDK knows (API, CreateAccountStatus).
pub const fn creation_failure_reasons() -> &'static [&'static str] {
    CreateAccountFailureReason::values()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_for_two_classes_and_only_the_wire_has_failures_without_one() {
        let mut names: Vec<&str> = NAMES.iter().flat_map(|(_, names)| *names).copied().collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        let nameless = ErrorClass::KINDS
            .iter()
            .filter(|kind| !NAMES.iter().any(|(class, _)| class.kind() == **kind));
        let wire = ["Timeout", "Unreachable", "TermOver", "AnswerLost", "Unclassified"];
        assert_eq!(nameless.copied().collect::<Vec<_>>(), wire);
    }

    #[test]
    fn every_name_is_classified_as_the_table_says() {
        for (class, names) in NAMES {
            for name in *names {
                let found = named(name, Some("WHY".into())).unwrap();
                assert_eq!(found.kind(), class.kind(), "{name}");
                let carries = found.to_string().ends_with(", WHY");
                let may = matches!(
                    class,
                    ErrorClass::ConstraintViolation(_)
                        | ErrorClass::HandshakeConstraintViolation(_)
                        | ErrorClass::InvalidInput(_)
                );
                assert_eq!(carries, may, "{name}: {found}");
            }
        }
    }
}
