//! Every failure of a call to one [`ErrorClass`]; with `names`, the only place that knows what AWS calls them.
//!
//! What matters most is whether a call can have had its effect
//! ([`effect_unknown`](ErrorClass::effect_unknown)). In doubt it can: a name that is not in the table is
//! [`ErrorClass::Unclassified`], and a connection that failed in an unknown way is [`ErrorClass::AnswerLost`].

use crate::{call::Failure, fence::TermOver, names::named};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_organizations::{
    Error as Exception, config::http::HttpResponse, error::SdkError, operation::RequestId,
};
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use executor::ErrorClass;
use hyper_util::client::legacy;
use std::{error::Error, io, iter};

/// What went wrong. `reason` finds the typed `Reason` in a service's own exception.
pub(crate) fn failure<E>(
    error: SdkError<E, HttpResponse>,
    reason: impl FnOnce(E) -> Option<String>,
) -> Failure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let request_id = error.request_id().map(str::to_owned);
    let (class, message) = match error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            let code = context.err().code().map(str::to_owned);
            let message = context.err().message().unwrap_or_default().to_owned();
            let reason = reason(context.into_err());
            (exception(code.as_deref(), reason, status), message)
        }
        // A request that lacks something the SDK demands: nothing was sent, and another try changes nothing.
        SdkError::ConstructionFailure(_) => (
            ErrorClass::InvalidInput("RequestNotBuilt".to_owned()),
            chain(&error),
        ),
        SdkError::TimeoutError(_) => (ErrorClass::Timeout, chain(&error)),
        SdkError::DispatchFailure(ref context) => {
            let class = context
                .as_connector_error()
                .map_or(ErrorClass::AnswerLost, connection);
            (class, chain(&error))
        }
        // A proxy's page, or half an answer. Not the chain: it may quote the body, which may hold a session's secrets.
        SdkError::ResponseError(context) => {
            let status = context.raw().status().as_u16();
            (
                exception(None, None, status),
                format!("HTTP {status}: the answer could not be read"),
            )
        }
        // The SDK's enum is open.
        _ => (
            ErrorClass::AnswerLost,
            "a failure of a kind that is not known".to_owned(),
        ),
    };
    Failure {
        class,
        message,
        request_id,
    }
}

/// The typed `Reason` of an exception of AWS Organizations (API, ConstraintViolationException, InvalidInputException,
/// HandshakeConstraintViolationException).
/// Never guessed from the message.
pub(crate) fn organizations_reason(exception: impl Into<Exception>) -> Option<String> {
    match exception.into() {
        Exception::ConstraintViolationException(it) => it.reason().map(|reason| reason.as_str().to_owned()),
        Exception::HandshakeConstraintViolationException(it) => {
            it.reason().map(|reason| reason.as_str().to_owned())
        }
        Exception::InvalidInputException(it) => it.reason().map(|reason| reason.as_str().to_owned()),
        _ => None,
    }
}

/// The class of an answer that is an error: by the name of the exception, else by the HTTP status.
fn exception(code: Option<&str>, reason: Option<String>, status: u16) -> ErrorClass {
    let known = code.and_then(|code| named(code, reason));
    match (known, code) {
        (Some(class), _) => class,
        // The Account API and proxies say it by status alone.
        (None, _) if status == 429 => ErrorClass::Throttled,
        (None, _) if status >= 500 => ErrorClass::Service,
        // AWS did what was asked and said something that could not be read; the SDK may call that a service error too.
        (None, _) if (200..300).contains(&status) => ErrorClass::AnswerLost,
        (None, Some(code)) => ErrorClass::Unclassified(code.to_owned()),
        (None, None) => ErrorClass::Unclassified(format!("Http{status}")),
    }
}

/// A call that got no answer at all.
///
/// Did AWS see the request? The SDK does not tell: its io error is the same for a connection that was refused and for
/// one that broke (the connector knows, but `ConnectorError` shows it in its Debug text only). So the chain of causes
/// decides, and everything that does not prove that nothing was sent is an answer lost.
fn connection(error: &ConnectorError) -> ErrorClass {
    if causes(error).any(<dyn Error>::is::<TermOver>) {
        return ErrorClass::TermOver;
    }
    if let Some(class) = causes(error).find_map(|cause| cause.downcast_ref().map(credentials)) {
        return class;
    }
    if causes(error).any(never_connected) {
        ErrorClass::Unreachable
    } else if error.is_timeout() {
        ErrorClass::Timeout
    } else {
        ErrorClass::AnswerLost
    }
}

/// Certainly before the first byte of the request: name resolution, TCP and TLS handshakes are one phase of the HTTP
/// client, which marks its errors. A refused connection says so itself, also without that client.
fn never_connected(cause: &(dyn Error + 'static)) -> bool {
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    cause
        .downcast_ref::<legacy::Error>()
        .is_some_and(legacy::Error::is_connect)
        || cause.downcast_ref::<io::Error>().is_some_and(refused)
}

/// Without credentials nothing is signed, so nothing was sent, whatever happened. The question is who has to act: a
/// source of credentials that could not be reached or is busy recovers by itself, everything else is a person's.
fn credentials(error: &CredentialsError) -> ErrorClass {
    let recovers = match error {
        CredentialsError::ProviderTimedOut(_) => true,
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => false,
        _ => causes(error).any(|cause| {
            cause
                .downcast_ref::<ConnectorError>()
                .is_some_and(|error| error.is_io() || error.is_timeout())
                || cause
                    .downcast_ref::<SdkError<AssumeRoleWithWebIdentityError, HttpResponse>>()
                    .is_some_and(busy)
        }),
    };
    if recovers {
        ErrorClass::Unreachable
    } else {
        ErrorClass::AccessDenied
    }
}

/// STS did not refuse to exchange the web identity (IRSA), it only could not do so now.
fn busy(error: &SdkError<AssumeRoleWithWebIdentityError, HttpResponse>) -> bool {
    match error {
        SdkError::ServiceError(context) => matches!(
            exception(context.err().code(), None, context.raw().status().as_u16()),
            ErrorClass::Throttled | ErrorClass::Service | ErrorClass::AnswerLost
        ),
        SdkError::ConstructionFailure(_) => false,
        _ => true,
    }
}

/// The error and what caused it, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// The error with its causes on one line, without any Debug text.
fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_organizations::{
        operation::create_account::CreateAccountError,
        types::{
            ConstraintViolationExceptionReason, InvalidInputExceptionReason,
            error::{ConstraintViolationException, InvalidInputException},
        },
    };
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::{body::SdkBody, error::ErrorMetadata};
    use std::time::Duration;

    #[test]
    fn names_and_statuses() {
        let unclassified = |name: &str| ErrorClass::Unclassified(name.into());
        let invalid = |name: &str| ErrorClass::InvalidInput(name.into());
        for (code, status, class) in [
            (Some("TooManyRequestsException"), 400, ErrorClass::Throttled),
            (Some("TooManyRequestsException"), 429, ErrorClass::Throttled),
            (Some("ThrottledException"), 400, ErrorClass::Throttled),
            (Some("Throttling"), 400, ErrorClass::Throttled),
            (Some("Throttling"), 503, ErrorClass::Throttled),
            (None, 429, ErrorClass::Throttled),
            (Some("ServiceException"), 500, ErrorClass::Service),
            (Some("InternalFailure"), 500, ErrorClass::Service),
            (Some("SomethingNew"), 502, ErrorClass::Service),
            (None, 503, ErrorClass::Service),
            (None, 200, ErrorClass::AnswerLost),
            (
                Some("ConcurrentModificationException"),
                400,
                ErrorClass::ConcurrentModification,
            ),
            (
                Some("FinalizingOrganizationException"),
                400,
                ErrorClass::FinalizingOrganization,
            ),
            (Some("AccessDeniedException"), 400, ErrorClass::AccessDenied),
            (
                Some("AccessDeniedForDependencyException"),
                400,
                ErrorClass::AccessDenied,
            ),
            (Some("AccessDenied"), 403, ErrorClass::AccessDenied),
            (Some("ExpiredToken"), 403, ErrorClass::AccessDenied),
            (Some("InvalidClientTokenId"), 403, ErrorClass::AccessDenied),
            (
                Some("SubscriptionRequiredException"),
                400,
                ErrorClass::AccessDenied,
            ),
            (
                Some("AWSOrganizationsNotInUseException"),
                400,
                ErrorClass::OrganizationsNotInUse,
            ),
            (Some("AccountNotFoundException"), 400, ErrorClass::AccountNotFound),
            (
                Some("CreateAccountStatusNotFoundException"),
                400,
                ErrorClass::CreateAccountStatusNotFound,
            ),
            (Some("ParentNotFoundException"), 400, ErrorClass::TargetNotFound),
            (
                Some("DestinationParentNotFoundException"),
                400,
                ErrorClass::TargetNotFound,
            ),
            (Some("ChildNotFoundException"), 400, ErrorClass::TargetNotFound),
            (
                Some("OrganizationalUnitNotFoundException"),
                400,
                ErrorClass::TargetNotFound,
            ),
            (Some("RootNotFoundException"), 400, ErrorClass::TargetNotFound),
            (Some("TargetNotFoundException"), 400, ErrorClass::TargetNotFound),
            (
                Some("SourceParentNotFoundException"),
                400,
                ErrorClass::SourceParentNotFound,
            ),
            (
                Some("DuplicateAccountException"),
                400,
                ErrorClass::DuplicateAccount,
            ),
            (
                Some("DuplicateOrganizationalUnitException"),
                400,
                ErrorClass::DuplicateOrganizationalUnit,
            ),
            (
                Some("InvalidInputException"),
                400,
                invalid("InvalidInputException"),
            ),
            (
                Some("InvalidParameterException"),
                400,
                invalid("InvalidParameterException"),
            ),
            (Some("ValidationError"), 400, invalid("ValidationError")),
            (
                Some("UnsupportedAPIEndpointException"),
                400,
                invalid("UnsupportedAPIEndpointException"),
            ),
            (
                Some("UnknownOperationException"),
                400,
                unclassified("UnknownOperationException"),
            ),
            (
                Some("SerializationException"),
                400,
                unclassified("SerializationException"),
            ),
            (None, 403, unclassified("Http403")),
            (None, 302, unclassified("Http302")),
        ] {
            assert_eq!(
                exception(code, None, status),
                class,
                "{code:?} with HTTP {status}"
            );
        }
    }

    fn service_error(source: CreateAccountError) -> SdkError<CreateAccountError, HttpResponse> {
        let raw = HttpResponse::new(StatusCode::try_from(400).unwrap(), SdkBody::empty());
        SdkError::service_error(source, raw)
    }

    #[test]
    fn reasons_are_read_from_the_typed_field_and_unknown_ones_are_kept() {
        let meta = |code| {
            ErrorMetadata::builder()
                .code(code)
                .message("ACCOUNT_NUMBER_LIMIT_EXCEEDED, says the text")
                .build()
        };
        for (reason, expected) in [
            (
                Some("ACCOUNT_CREATION_RATE_LIMIT_EXCEEDED"),
                "ACCOUNT_CREATION_RATE_LIMIT_EXCEEDED",
            ),
            (Some("A_REASON_OF_NEXT_YEAR"), "A_REASON_OF_NEXT_YEAR"),
            (None, "ConstraintViolationException"),
        ] {
            let exception = ConstraintViolationException::builder()
                .set_reason(reason.map(ConstraintViolationExceptionReason::from))
                .meta(meta("ConstraintViolationException"))
                .build();
            let error = service_error(CreateAccountError::ConstraintViolationException(exception));
            let failure = failure(error, organizations_reason);
            assert_eq!(failure.class, ErrorClass::ConstraintViolation(expected.into()));
            assert!(!failure.class.effect_unknown());
        }
        let exception = InvalidInputException::builder()
            .reason(InvalidInputExceptionReason::InvalidEmailAddressTarget)
            .meta(meta("InvalidInputException"))
            .build();
        let error = service_error(CreateAccountError::InvalidInputException(exception));
        let class = failure(error, organizations_reason).class;
        assert_eq!(
            class,
            ErrorClass::InvalidInput("INVALID_EMAIL_ADDRESS_TARGET".into())
        );
    }

    #[test]
    fn a_connection_counts_as_never_made_only_if_that_is_certain() {
        let io = |kind| ConnectorError::io(io::Error::from(kind).into());
        for (error, class) in [
            (io(io::ErrorKind::ConnectionRefused), ErrorClass::Unreachable),
            (io(io::ErrorKind::ConnectionReset), ErrorClass::AnswerLost),
            (io(io::ErrorKind::BrokenPipe), ErrorClass::AnswerLost),
            (io(io::ErrorKind::UnexpectedEof), ErrorClass::AnswerLost),
            (ConnectorError::timeout("read".into()), ErrorClass::Timeout),
            (ConnectorError::other("?".into(), None), ErrorClass::AnswerLost),
            (ConnectorError::user("?".into()), ErrorClass::AnswerLost),
        ] {
            assert_eq!(connection(&error), class, "{error:?}");
        }
    }

    #[test]
    fn without_credentials_nothing_was_sent() {
        let sts = |code: &str, status: u16| {
            let source = AssumeRoleWithWebIdentityError::generic(ErrorMetadata::builder().code(code).build());
            let raw = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty());
            CredentialsError::provider_error(SdkError::service_error(source, raw))
        };
        let unreachable = io::Error::from(io::ErrorKind::ConnectionReset).into();
        for (error, class) in [
            (CredentialsError::not_loaded("none"), ErrorClass::AccessDenied),
            (
                CredentialsError::invalid_configuration("bad"),
                ErrorClass::AccessDenied,
            ),
            (
                CredentialsError::provider_timed_out(Duration::from_secs(5)),
                ErrorClass::Unreachable,
            ),
            (
                CredentialsError::provider_error("refused"),
                ErrorClass::AccessDenied,
            ),
            (
                CredentialsError::provider_error(ConnectorError::io(unreachable)),
                ErrorClass::Unreachable,
            ),
            (sts("AccessDenied", 403), ErrorClass::AccessDenied),
            (sts("InvalidIdentityToken", 400), ErrorClass::AccessDenied),
            (sts("Throttling", 400), ErrorClass::Unreachable),
            (sts("ServiceUnavailable", 503), ErrorClass::Unreachable),
        ] {
            let text = format!("{error:?}");
            let class_found = connection(&ConnectorError::other(error.into(), None));
            assert!(!class_found.effect_unknown(), "{text}");
            assert_eq!(class_found, class, "{text}");
        }
    }

    #[test]
    fn failures_on_our_side_of_the_wire() {
        type Error = SdkError<CreateAccountError, HttpResponse>;
        let invalid = ErrorClass::InvalidInput("RequestNotBuilt".into());
        let answer = HttpResponse::new(StatusCode::try_from(200).unwrap(), SdkBody::from("SECRET"));
        for (error, class) in [
            (Error::construction_failure("no email"), invalid),
            (Error::timeout_error("4 s"), ErrorClass::Timeout),
            (
                Error::response_error("SECRET at offset 0", answer),
                ErrorClass::AnswerLost,
            ),
        ] {
            let failure = failure(error, organizations_reason);
            assert_eq!(failure.class, class);
            assert!(!failure.message.contains("SECRET"), "{}", failure.message);
        }
    }
}
