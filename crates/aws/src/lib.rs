//! The ports of the executor, implemented with the AWS SDK.
//!
//! [`Aws`] is AWS Organizations, STS and the tagging API as [`executor::Organizations`] and [`executor::Access`] want
//! them: one API call per method, no paging, no pacing, and **no SDK retries for any call**. The SDK would send a slow
//! CreateAccount several times, although AWS gives it no idempotency token, and repeated reads would bypass the
//! executor's pacer.
//!
//! ```text
//! organizations.rs, policies.rs, access.rs
//!                               the ports, one line of wire per method
//! convert.rs                    answers to our own types; what does not parse is a MalformedAnswer
//! classify.rs, names.rs         every failure to one ErrorClass; the only place that knows AWS's error names
//! fence.rs                      the leadership term at the moment of sending
//! call.rs                       what happens around each call: duration, log line, observer
//! inprocess.rs                  the SDK against a service in the same process, on a virtual clock
//! ```
//!
//! Rules in this crate cite their source: *API* is the AWS Organizations (or STS, or Resource Groups Tagging) API
//! reference, *UG* the AWS Organizations user guide, *SDK* the documentation of the Rust SDK.

mod access;
mod call;
mod classify;
mod convert;
mod fence;
pub mod inprocess;
mod names;
mod organizations;
mod policies;

pub use call::{CallObserver, CallRecord};
pub use inprocess::simulated;
pub use names::{creation_failure_reasons, exceptions};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_runtime::invocation_id::{InvocationId, InvocationIdGenerator, SharedInvocationIdGenerator};
use aws_sdk_organizations::config::{AppName, StalledStreamProtectionConfig};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use std::{
    error::Error as StdError,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How long a call may take. A call that runs out of time ends as [`executor::ErrorClass::Timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect, TLS included.
    pub connect: Duration,
    /// For a call that only reads.
    pub read: Duration,
    /// For a call that changes something: short, because an unknown outcome is looked up anyway.
    pub mutation: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            read: Duration::from_secs(10),
            mutation: Duration::from_secs(4),
        }
    }
}

/// Where the header `amz-sdk-invocation-id` comes from. No AWS service acts on it (SDK: it ties the attempts of one
/// call together), but a transcript of requests should be the same on each run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvocationIds {
    /// Random UUIDs, the SDK's default.
    #[default]
    Random,
    /// Counted from 1, for simulations.
    Counted,
}

/// How to reach AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Sends all three services to this URL: for simulators. Credentials are looked up as without it.
    pub endpoint_url: Option<String>,
    /// Region of all calls. AWS Organizations and its tags are answered in one region per partition only (UG, "Endpoints
    /// and quotas"; GetResources in another region lists no accounts): `us-east-1`, in GovCloud `us-gov-west-1`. STS is
    /// called there too: its regional endpoints are equal, and sessions from them are valid in every region (API, STS,
    /// "Managing AWS STS in an AWS Region").
    pub region: String,
    /// How long calls may take.
    pub timeouts: Timeouts,
    /// Where invocation ids come from.
    pub invocation_ids: InvocationIds,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoint_url: None,
            region: "us-east-1".to_owned(),
            timeouts: Timeouts::default(),
            invocation_ids: InvocationIds::default(),
        }
    }
}

/// Why no client could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The endpoint URL is unusable: whoever configures the operator has to correct it.
    #[error("the endpoint URL {0:?} is not of the form http(s)://host[:port]")]
    EndpointUrl(String),
}

/// AWS Organizations, STS and the tagging API. Cheap to clone.
#[derive(Clone)]
pub struct Aws {
    organizations: aws_sdk_organizations::Client,
    sts: aws_sdk_sts::Client,
    tagging: aws_sdk_resourcegroupstagging::Client,
    timeouts: Timeouts,
    observer: Option<CallObserver>,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the clients: they hold credentials.
        f.debug_struct("Aws")
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// One client; a macro, because each service has a `config::Builder` of its own.
macro_rules! client {
    ($service:ident, $config:expr, $options:expr) => {{
        let mut builder = $service::config::Builder::from($config)
            // Dated, not `latest`: a version of the SDK may not change timeouts or retries by itself.
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new($options.region.clone()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeout_config($options.timeouts, $options.timeouts.read))
            // Every call is bounded as a whole, so the watch on slow bodies adds nothing but timers.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        builder.set_app_name(AppName::new("bulkhead").ok());
        if let Some(url) = &$options.endpoint_url {
            builder.set_endpoint_url(Some(url.clone()));
        }
        if $options.invocation_ids == InvocationIds::Counted {
            builder.set_invocation_id_generator(Some(SharedInvocationIdGenerator::new(Counted::default())));
        }
        $service::Client::from_conf(builder.build())
    }};
}

impl Aws {
    /// With the credentials of the environment: the SDK's default chain of environment variables, shared files, web
    /// identity (IRSA), container credentials (EKS Pod Identity) and instance metadata. Nothing is sent yet.
    pub async fn from_environment(options: &Options) -> Result<Self, Error> {
        if let Some(url) = &options.endpoint_url {
            check_endpoint(url)?;
        }
        // The region is set, so that the chain does not ask instance metadata for it.
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(options.region.clone()))
            .load()
            .await;
        Ok(Self::from_sdk_config(&config, options))
    }

    /// With a configuration that holds credentials and, where wanted, an HTTP client, a time source and a sleep.
    /// Retries, timeouts, region and behavior version are always ours.
    pub fn from_sdk_config(config: &SdkConfig, options: &Options) -> Self {
        Self {
            organizations: client!(aws_sdk_organizations, config, options),
            sts: client!(aws_sdk_sts, config, options),
            tagging: client!(aws_sdk_resourcegroupstagging, config, options),
            timeouts: options.timeouts,
            observer: None,
        }
    }

    /// Has each call reported to `observer` when it has ended.
    #[must_use]
    pub fn with_observer(mut self, observer: CallObserver) -> Self {
        self.observer = Some(observer);
        self
    }
}

/// What one call may take as a whole; with one attempt per call this is also the attempt's time.
fn timeout_config(timeouts: Timeouts, whole: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(timeouts.connect)
        .operation_timeout(whole)
        .build()
}

/// Refused at the start rather than at each call, where the SDK reports it as a failure of the connection.
fn check_endpoint(url: &str) -> Result<(), Error> {
    let uri = url.parse::<http::Uri>();
    let usable = |uri: http::Uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|h| !h.is_empty())
    };
    if uri.is_ok_and(usable) {
        Ok(())
    } else {
        Err(Error::EndpointUrl(url.to_owned()))
    }
}

/// Invocation ids 1, 2, 3... in the form of a UUID.
#[derive(Debug, Default)]
struct Counted(AtomicU64);

impl InvocationIdGenerator for Counted {
    fn generate(&self) -> Result<Option<InvocationId>, Box<dyn StdError + Send + Sync>> {
        let number = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Some(InvocationId::new(format!(
            "00000000-0000-0000-0000-{number:012x}"
        ))))
    }
}
