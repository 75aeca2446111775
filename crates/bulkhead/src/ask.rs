//! What commands that people run ask of the API server.

use crate::kubernetes;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{Api, Client, api::PostParams};
use std::{future::Future, io};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(transparent)]
    Kubernetes(#[from] kubernetes::Error),
    #[error("you may not {what}: {message}")]
    Forbidden { what: &'static str, message: String },
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

/// Sorts the answer to one request.
pub(crate) fn answer<T>(what: &'static str, result: Result<T, kube::Error>) -> Result<T, AskError> {
    result.map_err(|error| match error {
        kube::Error::Api(status) if status.code == 403 => AskError::Forbidden {
            what,
            message: status.message.clone(),
        },
        kube::Error::Api(status) if status.code == 409 => AskError::Changed,
        error => AskError::Failed {
            what,
            source: Box::new(error),
        },
    })
}

/// Who the API server takes us for.
pub(crate) async fn user(client: &Client) -> Result<String, AskError> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await;
    let review = answer("ask who you are", review)?;
    let user = review.status.and_then(|status| status.user_info);
    user.and_then(|user| user.username).ok_or(AskError::Nobody)
}

/// Runs one command to its end.
pub(crate) fn wait_for<T, E: From<AskError>>(command: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(AskError::Runtime)?;
    runtime.block_on(command)
}
