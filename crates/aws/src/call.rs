//! What happens around each call.

use crate::{Aws, classify};
use aws_sdk_organizations::{config::http::HttpResponse, error::SdkError, operation::RequestId};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use executor::{AwsError, ErrorClass};
use std::{error::Error, sync::Arc, time::Duration};
use tokio::time::Instant;

/// One call that has ended. All labels come from closed sets, so they fit metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// `organizations`, `sts` or `tagging`.
    pub service: &'static str,
    /// AWS's name of the operation.
    pub operation: &'static str,
    /// `Ok`, or the name of the [`ErrorClass`] without what it carries.
    pub outcome: &'static str,
    /// How long it took, by tokio's clock: virtual when that is paused.
    pub duration: Duration,
}

/// Told of each call once, when it has ended. A call whose future was dropped is not reported.
pub type CallObserver = Arc<dyn Fn(&CallRecord) + Send + Sync>;

/// A failed call, before the operation's name is added.
pub(crate) struct Failure {
    pub(crate) class: ErrorClass,
    pub(crate) message: String,
    pub(crate) request_id: Option<String>,
}

/// An answer that arrived and parsed as AWS's shape, but is not what was asked for.
pub(crate) struct Unfit {
    /// Name of the finding, as in [`ErrorClass::Unclassified`].
    pub(crate) class: &'static str,
    pub(crate) message: String,
}

/// Which API, and which call of it.
pub(crate) struct Operation {
    pub(crate) service: &'static str,
    pub(crate) name: &'static str,
}

impl Aws {
    /// Makes one call and takes in its answer. `reason` finds the typed `Reason` of a service's exception.
    pub(crate) async fn call<O, E, T>(
        &self,
        operation: Operation,
        request: impl Future<Output = Result<O, SdkError<E, HttpResponse>>>,
        reason: impl FnOnce(E) -> Option<String>,
        read: impl FnOnce(O) -> Result<T, Unfit>,
    ) -> Result<T, AwsError>
    where
        O: RequestId,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let Operation { service, name } = operation;
        let began = Instant::now();
        let (result, request_id) = match request.await {
            Ok(output) => {
                let request_id = output.request_id().map(str::to_owned);
                let result = read(output).map_err(|Unfit { class, message }| Failure {
                    class: ErrorClass::Unclassified(class.to_owned()),
                    message,
                    request_id: request_id.clone(),
                });
                (result, request_id)
            }
            Err(error) => {
                let failure = classify::failure(error, reason);
                let request_id = failure.request_id.clone();
                (Err(failure), request_id)
            }
        };
        let duration = began.elapsed();
        let outcome = result.as_ref().err().map_or("Ok", |failure| failure.class.kind());
        // Neither the message nor what was sent: they may hold emails and names.
        tracing::debug!(
            service,
            operation = name,
            outcome,
            request_id,
            ?duration,
            "AWS call"
        );
        if let Some(observe) = &self.observer {
            observe(&CallRecord {
                service,
                operation: name,
                outcome,
                duration,
            });
        }
        result.map_err(
            |Failure {
                 class,
                 message,
                 request_id,
             }| AwsError {
                operation: name,
                class,
                message,
                request_id,
            },
        )
    }
}
