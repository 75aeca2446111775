//! The real AWS SDK on an organization in this process: no sockets, so tokio's paused clock drives everything.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_organizations::config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_sdk_organizations::types::{Account, CreateAccountStatus, Tag};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::shared::IntoShared;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use orgsim::{Limits, Orgsim, Settings, tokio_clock};

/// Nothing lags, nothing is throttled, nothing is random but ids: a test turns on what it is about.
pub(crate) fn calm() -> Settings {
    let none = (Duration::ZERO, Duration::ZERO);
    Settings {
        limits: Limits::Off,
        create_duration: seconds(5),
        access_lag: none,
        listing_lag: none,
        close_duration: seconds(60),
        latency: none,
        empty_page_percent: 0,
        ..Settings::default()
    }
}

/// A range of one value.
pub(crate) fn seconds(seconds: u64) -> (Duration, Duration) {
    (Duration::from_secs(seconds), Duration::from_secs(seconds))
}

pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// One organization and the SDK's three clients on it.
pub(crate) struct World {
    pub(crate) orgsim: Orgsim,
    pub(crate) organizations: aws_sdk_organizations::Client,
    pub(crate) tagging: aws_sdk_resourcegroupstagging::Client,
    pub(crate) sts: aws_sdk_sts::Client,
}

macro_rules! client {
    ($service:ident, $orgsim:expr, $credentials:expr, $region:expr, $retries:expr) => {
        $service::Client::from_conf(
            $service::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new($region))
                .credentials_provider($credentials.clone())
                .http_client(InProcess($orgsim.clone()))
                .retry_config($retries)
                .sleep_impl(TokioSleep::new())
                .time_source(VirtualTime(tokio::time::Instant::now()))
                .build(),
        )
    };
}

impl World {
    /// Clients of the management account, without retries.
    pub(crate) fn new(settings: Settings) -> Self {
        let clock = tokio_clock(settings.start);
        let orgsim = Orgsim::new(settings, clock);
        Self::of(orgsim, &Credentials::for_tests(), "us-east-1")
    }

    /// Clients with these credentials on an organization that exists.
    pub(crate) fn of(orgsim: Orgsim, credentials: &Credentials, region: &'static str) -> Self {
        let retries = RetryConfig::disabled();
        Self {
            organizations: client!(
                aws_sdk_organizations,
                orgsim,
                credentials,
                region,
                retries.clone()
            ),
            tagging: client!(
                aws_sdk_resourcegroupstagging,
                orgsim,
                credentials,
                region,
                retries.clone()
            ),
            sts: client!(aws_sdk_sts, orgsim, credentials, region, retries),
            orgsim,
        }
    }

    /// A client that retries as the SDK does by default.
    pub(crate) fn retrying(&self) -> aws_sdk_organizations::Client {
        let credentials = Credentials::for_tests();
        let retries = RetryConfig::standard().with_max_attempts(10);
        client!(
            aws_sdk_organizations,
            self.orgsim,
            credentials,
            "us-east-1",
            retries
        )
    }

    /// Asks for an account called `name` at `<name>@example.com`.
    pub(crate) async fn request(&self, name: &str) -> String {
        let created = self
            .organizations
            .create_account()
            .email(format!("{name}@example.com"))
            .account_name(name)
            .send()
            .await
            .unwrap();
        created.create_account_status.unwrap().id.unwrap()
    }

    pub(crate) async fn creation(&self, id: &str) -> CreateAccountStatus {
        let status = self
            .organizations
            .describe_create_account_status()
            .create_account_request_id(id)
            .send()
            .await
            .unwrap();
        status.create_account_status.unwrap()
    }

    /// An account that exists; takes as long as the longest creation of [`calm`].
    pub(crate) async fn account(&self, name: &str) -> String {
        let request = self.request(name).await;
        pass(5).await;
        self.creation(&request).await.account_id.unwrap()
    }

    pub(crate) async fn describe(&self, id: &str) -> Account {
        let described = self
            .organizations
            .describe_account()
            .account_id(id)
            .send()
            .await
            .unwrap();
        described.account.unwrap()
    }

    pub(crate) async fn unit(&self, parent: &str, name: &str) -> String {
        let created = self
            .organizations
            .create_organizational_unit()
            .parent_id(parent)
            .name(name)
            .send()
            .await
            .unwrap();
        created.organizational_unit.unwrap().id.unwrap()
    }

    /// Every account ListAccounts shows, page by page.
    pub(crate) async fn listed(&self) -> Vec<String> {
        let mut pages = self.organizations.list_accounts().into_paginator().send();
        let mut ids = Vec::new();
        while let Some(page) = pages.next().await {
            ids.extend(
                page.unwrap()
                    .accounts
                    .unwrap_or_default()
                    .into_iter()
                    .map(|account| account.id.unwrap()),
            );
        }
        ids
    }

    pub(crate) fn root(&self) -> String {
        self.orgsim.root_id().to_owned()
    }
}

pub(crate) fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().unwrap()
}

#[derive(Clone, Debug)]
struct InProcess(Orgsim);

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let orgsim = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request
                .try_into_http1x()
                .map_err(|error| ConnectorError::user(error.into()))?;
            let (parts, body) = request.into_parts();
            let bytes = Bytes::copy_from_slice(body.bytes().unwrap_or_default());
            let response = orgsim.handle(http::Request::from_parts(parts, bytes)).await;
            let response = response.map_err(|lost| ConnectorError::io(lost.into()))?;
            HttpResponse::try_from(response.map(SdkBody::from))
                .map_err(|error| ConnectorError::user(error.into()))
        })
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.clone().into_shared()
    }
}

/// Signatures carry it; nobody checks them.
#[derive(Debug)]
struct VirtualTime(tokio::time::Instant);

impl TimeSource for VirtualTime {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.0.elapsed()
    }
}

/// The wire code of a refusal, and its `Reason` where the SDK's type has one.
#[macro_export]
macro_rules! refusal {
    ($result:expr) => {{
        use aws_sdk_organizations::error::ProvideErrorMetadata as _;
        let error = $result.err().expect("a refusal");
        error.code().unwrap_or_default().to_owned()
    }};
}

/// The `Reason` of a ConstraintViolationException or InvalidInputException, from the SDK's typed error.
#[macro_export]
macro_rules! reason {
    ($result:expr, $error:path) => {{
        match $result.err().expect("a refusal").into_service_error() {
            $error(error) => error.reason().map(|reason| reason.as_str().to_owned()),
            other => panic!("{other:?}"),
        }
    }};
}
