//! What commands that people run ask of the API server.

use crate::{complain, kubernetes, output};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{Api, Client, api::PostParams, core::Status};
use std::{future::Future, io, process::ExitCode, time::Duration};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(transparent)]
    Kubernetes(#[from] kubernetes::Error),
    #[error("you may not {what}: {message}")]
    Forbidden { what: &'static str, message: String },
    #[error("{what}: the API server does not know who you are; log in to the cluster again ({message})")]
    Unknown { what: &'static str, message: String },
    #[error(
        "{what}: the cluster does not serve that: Bulkhead's CustomResourceDefinitions are not installed; is it the right \
         --context?"
    )]
    NotServed { what: &'static str },
    #[error("{what}: {message}; was it deleted meanwhile?")]
    Gone { what: &'static str, message: String },
    #[error("{what}: the API server cannot be reached; is it the right --kubeconfig and --context?")]
    Unreachable {
        what: &'static str,
        source: Box<kube::Error>,
    },
    #[error("{what}: no answer of the API server within {} s; whether it was done is not known", PATIENCE.as_secs())]
    Silent { what: &'static str },
    #[error("{what} failed")]
    Failed {
        what: &'static str,
        source: Box<kube::Error>,
    },
    #[error("the object changed while it was looked at; try again")]
    Changed,
    #[error("the API server does not say who you are")]
    Nobody,
    #[error("the runtime could not be started")]
    Runtime(#[source] io::Error),
}

/// Waits for the answer to one request, and sorts it.
pub(crate) async fn answer<T>(
    what: &'static str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, AskError> {
    let Ok(result) = tokio::time::timeout(PATIENCE, request).await else {
        return Err(AskError::Silent { what });
    };
    result.map_err(|error| sorted(what, error))
}

/// As [`answer`], of one object: `None` where there is none of this name.
pub(crate) async fn found<T>(
    what: &'static str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<Option<T>, AskError> {
    let Ok(result) = tokio::time::timeout(PATIENCE, request).await else {
        return Err(AskError::Silent { what });
    };
    match result {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(status)) if status.code == 404 && names_an_object(&status) => Ok(None),
        Err(error) => Err(sorted(what, error)),
    }
}

/// Is it an object that was not found? A path that is not served is not found as well, but names none.
fn names_an_object(status: &Status) -> bool {
    let details = status.details.as_ref();
    details.is_some_and(|details| !details.name.is_empty())
}

fn sorted(what: &'static str, error: kube::Error) -> AskError {
    match error {
        kube::Error::Api(status) => {
            let message = status.message.clone();
            match status.code {
                401 => AskError::Unknown { what, message },
                403 => AskError::Forbidden { what, message },
                404 if names_an_object(&status) => AskError::Gone { what, message },
                404 => AskError::NotServed { what },
                409 => AskError::Changed,
                _ => AskError::Failed {
                    what,
                    source: Box::new(kube::Error::Api(status)),
                },
            }
        }
        error @ (kube::Error::HyperError(_) | kube::Error::Service(_)) => AskError::Unreachable {
            what,
            source: Box::new(error),
        },
        error => AskError::Failed {
            what,
            source: Box::new(error),
        },
    }
}

/// Who the API server takes us for.
pub(crate) async fn user(client: &Client) -> Result<String, AskError> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let (params, question) = (PostParams::default(), SelfSubjectReview::default());
    let review = answer("ask who you are", api.create(&params, &question)).await?;
    let user = review.status.and_then(|status| status.user_info);
    user.and_then(|user| user.username).ok_or(AskError::Nobody)
}

/// Tells what came of a command: standard output and exit status 0, or a complaint and 1.
pub(crate) fn told<E: std::error::Error>(result: Result<String, E>) -> ExitCode {
    match result {
        Ok(told) => output::result(&told, ExitCode::SUCCESS, ExitCode::FAILURE),
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Runs one command to its end.
pub(crate) fn wait_for<T, E: From<AskError>>(command: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(AskError::Runtime)?;
    runtime.block_on(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_ever() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let silent = || std::future::pending::<Result<(), kube::Error>>();
        let error = runtime.block_on(answer("list promotions", silent())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "list promotions: no answer of the API server within 30 s; whether it was done is not known"
        );
        let error = runtime.block_on(found("read it", silent())).unwrap_err();
        assert!(matches!(error, AskError::Silent { what: "read it" }));
    }

    #[test]
    fn an_object_that_is_gone_is_not_a_kind_that_is_not_served() {
        let not_found = |name: &str| {
            let status: Status = serde_json::from_value(serde_json::json!({
                "status": "Failure", "code": 404, "reason": "NotFound", "message": "not found: x", "details": {"name": name},
            }))
            .unwrap();
            sorted("approve x", kube::Error::Api(Box::new(status)))
        };
        assert_eq!(
            not_found("x").to_string(),
            "approve x: not found: x; was it deleted meanwhile?"
        );
        assert!(matches!(not_found(""), AskError::NotServed { what: "approve x" }));
    }
}
