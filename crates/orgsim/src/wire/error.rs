//! What the simulated services refuse with: AWS's exception names, `Reason`s and HTTP statuses.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// One refusal, on any of the three services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ApiError {
    /// The exception's wire name.
    pub(crate) code: Cow<'static, str>,
    /// For people; AWS promises nothing about it.
    pub(crate) message: String,
    /// `Reason` of InvalidInputException, ConstraintViolationException and AccessDeniedForDependencyException.
    pub(crate) reason: Option<Cow<'static, str>>,
    /// `Type` of Organizations' TooManyRequestsException.
    pub(crate) throttle: Option<Cow<'static, str>>,
    /// HTTP status.
    pub(crate) status: u16,
}

impl ApiError {
    /// HTTP 400, which is what Organizations answers to everything but ServiceException.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: Cow::Borrowed(code),
            message: message.into(),
            reason: None,
            throttle: None,
            status: 400,
        }
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn invalid_input(reason: &'static str, message: impl Into<String>) -> Self {
        let reason = Some(Cow::Borrowed(reason));
        Self {
            reason,
            ..Self::new("InvalidInputException", message)
        }
    }

    pub(crate) fn constraint(reason: &'static str, message: impl Into<String>) -> Self {
        let reason = Some(Cow::Borrowed(reason));
        Self {
            reason,
            ..Self::new("ConstraintViolationException", message)
        }
    }

    pub(crate) fn unknown_operation(operation: &str) -> Self {
        Self::new(
            "UnknownOperationException",
            format!("The operation {operation:?} is not one this simulator answers"),
        )
    }

    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", message)
    }
}
