//! One HTTP exchange: the host is checked, the time and the size are limited, no redirect is followed.

use crate::{hosts, message};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header::LOCATION};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use jiff::SignedDuration;
use promotion::Span;
use std::{error::Error, time::Duration};
use tower::{Service, ServiceExt as _};

/// Any error of a transport.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Bytes of an answer at most.
pub const BODY_LIMIT: usize = 1024 * 1024;
/// How long an answer may take where a gate says nothing.
pub const DEFAULT_TIMEOUT: SignedDuration = SignedDuration::from_secs(10);
/// The longest a gate may ask for.
pub const LONGEST_TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The host is not allowed.
    #[error(transparent)]
    Refused(#[from] hosts::Refusal),
    /// The endpoint is slow, or whoever wrote the gate gives it too little time.
    #[error("{host} gave no answer within {within:#}")]
    Timeout { host: String, within: SignedDuration },
    /// Whoever wrote the gate names the place itself: the host there may not be an allowed one.
    #[error("{host} answered {status} and points to {to}; redirects are not followed")]
    Redirect {
        host: String,
        status: StatusCode,
        to: String,
    },
    /// The answer is no measurement.
    #[error("the answer of {0} has more than {BODY_LIMIT} bytes")]
    TooLarge(String),
    /// The endpoint cannot be reached, or is not who it should be. Tried again.
    #[error("{host} cannot be asked: {cause}")]
    Transport { host: String, cause: String },
}

/// The time a gate gives its endpoint.
pub(crate) fn timeout(written: Option<&Span>) -> Result<SignedDuration, String> {
    let Some(written) = written else {
        return Ok(DEFAULT_TIMEOUT);
    };
    match written.parse() {
        Some(span) if !span.is_zero() && span <= LONGEST_TIMEOUT => Ok(span),
        _ => Err(format!(
            "timeout {:?} is not a duration above 0 and up to {LONGEST_TIMEOUT:#}",
            written.0
        )),
    }
}

/// Sends the request and reads the answer.
pub(crate) async fn fetch<T, B>(
    transport: &T,
    allowed: &[String],
    request: Request<Full<Bytes>>,
    within: SignedDuration,
) -> Result<(StatusCode, Bytes), FetchError>
where
    T: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
    T::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    hosts::permits(request.uri(), allowed)?;
    let host = request
        .uri()
        .authority()
        .map(ToString::to_string)
        .unwrap_or_default();
    let exchange = exchange(transport.clone(), &host, request);
    match tokio::time::timeout(Duration::try_from(within).unwrap_or_default(), exchange).await {
        Ok(answer) => answer,
        Err(_) => Err(FetchError::Timeout { host, within }),
    }
}

async fn exchange<T, B>(
    transport: T,
    host: &str,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), FetchError>
where
    T: Service<Request<Full<Bytes>>, Response = Response<B>>,
    T::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    let failed = |error: BoxError| FetchError::Transport {
        host: host.to_owned(),
        cause: message::chain(error.as_ref()),
    };
    let response = transport
        .oneshot(request)
        .await
        .map_err(|error| failed(error.into()))?;
    let status = response.status();
    if status.is_redirection() {
        return Err(FetchError::Redirect {
            host: host.to_owned(),
            status,
            to: target(&response),
        });
    }
    let body = Limited::new(response.into_body(), BODY_LIMIT)
        .collect()
        .await
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                FetchError::TooLarge(host.to_owned())
            } else {
                failed(error)
            }
        })?;
    Ok((status, body.to_bytes()))
}

/// The host alone: a path may hold a session.
fn target<B>(response: &Response<B>) -> String {
    let Some(location) = response.headers().get(LOCATION) else {
        return "no Location".to_owned();
    };
    location
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Uri>().ok())
        .map_or_else(
            || "a Location that is no URL".to_owned(),
            |uri| {
                uri.host()
                    .map_or_else(|| "another path of it".to_owned(), str::to_owned)
            },
        )
}
