//! The SDK against a service in the same process: no sockets, so tokio's paused clock drives both sides.
//!
//! The answers pass through the SDK's own serialization, signing and deserialization; only the connection is replaced.

use crate::{Aws, InvocationIds, Options};
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::BodyExt;
use std::{fmt, future::Future, io, time::SystemTime};

pub use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// The simulated network gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LostAnswer {
    /// The connection was refused: the service never saw the request.
    #[error("connection refused")]
    Refused,
    /// The connection broke after the request was sent: the service may have acted on it.
    #[error("connection broke")]
    Broken,
}

/// An HTTP client for the SDK that hands each request to `handle`. `handle` runs inside the SDK's call: if that is
/// dropped or times out, so is the handler's future, at whatever point it has reached.
pub fn http_client<F, Fut>(handle: F) -> SharedHttpClient
where
    F: Fn(http::Request<Bytes>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<http::Response<Bytes>, LostAnswer>> + Send + 'static,
{
    SharedHttpClient::new(InProcess(handle))
}

/// An [`Aws`] on a simulated service: `http` from [`http_client`], `now` the simulation's clock, which must be the one
/// that the service goes by. Credentials are fixed and made up, invocation ids counted, timeouts the usual ones.
pub fn simulated(http: SharedHttpClient, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Aws {
    let credentials = Credentials::new("AKIDSIMULATION000000", "simulated", None, None, "simulation");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .time_source(SharedTimeSource::new(Now(now)))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    Aws::from_sdk_config(
        &config,
        &Options {
            invocation_ids: InvocationIds::Counted,
            ..Options::default()
        },
    )
}

/// A time source from a function.
struct Now<F>(F);

impl<F> fmt::Debug for Now<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Now")
    }
}

impl<F: Fn() -> SystemTime + Send + Sync> TimeSource for Now<F> {
    fn now(&self) -> SystemTime {
        (self.0)()
    }
}

#[derive(Clone)]
struct InProcess<F>(F);

impl<F> fmt::Debug for InProcess<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

impl<F, Fut> HttpClient for InProcess<F>
where
    F: Fn(http::Request<Bytes>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<http::Response<Bytes>, LostAnswer>> + Send + 'static,
{
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl<F, Fut> HttpConnector for InProcess<F>
where
    F: Fn(http::Request<Bytes>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<http::Response<Bytes>, LostAnswer>> + Send + 'static,
{
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let handle = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request
                .try_into_http1x()
                .map_err(|error| ConnectorError::user(error.into()))?;
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(ConnectorError::user)?;
            let request = http::Request::from_parts(head, body.to_bytes());
            let response = handle(request)
                .await
                .map_err(|lost| ConnectorError::io(io_error(lost).into()))?;
            HttpResponse::try_from(response.map(SdkBody::from))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// As a socket would say it, so that `classify` needs no case for simulations.
fn io_error(lost: LostAnswer) -> io::Error {
    let kind = match lost {
        LostAnswer::Refused => io::ErrorKind::ConnectionRefused,
        LostAnswer::Broken => io::ErrorKind::ConnectionReset,
    };
    io::Error::new(kind, lost)
}
