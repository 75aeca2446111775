//! The leadership term ends between the start of a call and its first byte.

use crate::fake::ok;
use aws::{Aws, Options, inprocess};
use aws_config::SdkConfig;
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, future},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bytes::Bytes;
use executor::{AwsError, ErrorClass, Fence, Organizations};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};

const TERM: Duration = Duration::from_secs(12);

fn term() -> Fence {
    let fence = Fence::default();
    fence.open_until(Instant::now() + TERM);
    fence
}

/// Credentials that are there at once, and with which the term ends: signing needs them, so the call was begun before.
#[derive(Debug)]
struct EndOfTerm(Option<Fence>);

impl ProvideCredentials for EndOfTerm {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        if let Some(fence) = &self.0 {
            fence.close();
        }
        future::ProvideCredentials::ready(Ok(Credentials::new("AKID", "secret", None, None, "test")))
    }
}

fn client(http: Option<SharedHttpClient>, endpoint_url: Option<String>, ends: Option<Fence>) -> Aws {
    let mut config = SdkConfig::builder();
    config.set_http_client(http);
    let config = config
        .credentials_provider(SharedCredentialsProvider::new(EndOfTerm(ends)))
        .build();
    let options = Options {
        endpoint_url,
        ..Options::default()
    };
    Aws::from_sdk_config(&config, &options)
}

/// A service that counts what reaches it, with bodies of the announced length only.
fn counting() -> (SharedHttpClient, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let http = inprocess::http_client(move |request: http::Request<Bytes>| {
        count.fetch_add(1, Ordering::Relaxed);
        assert!(!request.body().is_empty());
        async move { Ok(http::Response::new(Bytes::from(ok("{}").body))) }
    });
    (http, seen)
}

async fn tag(aws: &Aws) -> Result<(), AwsError> {
    aws.tag_resource(
        "r-a1b2",
        &BTreeMap::from([("team".to_owned(), "herons".to_owned())]),
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn inside_of_a_term_a_mutation_is_sent() {
    let (http, seen) = counting();
    let fence = term();
    fence.around(tag(&client(Some(http), None, None))).await.unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_term_that_ends_while_the_call_is_built_keeps_it_from_being_sent() {
    let (http, seen) = counting();
    let fence = term();
    assert!(fence.permits());
    let aws = client(Some(http), None, Some(fence.clone()));
    let class = fence.around(tag(&aws)).await.unwrap_err().class;
    assert_eq!(class, ErrorClass::TermOver);
    assert!(!class.effect_unknown());
    assert_eq!(seen.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_read_needs_no_term() {
    let (http, seen) = counting();
    let aws = client(Some(http), None, None);
    let answer = Box::pin(Fence::default().around(aws.list_accounts(None))).await;
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

/// What a real socket receives before the client hangs up; answers what is complete.
async fn received(listener: TcpListener) -> String {
    let (mut connection, _) = listener.accept().await.unwrap();
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = connection.read(&mut buffer).await.unwrap_or(0);
        all.extend_from_slice(&buffer[..read]);
        if all.ends_with(b"}") {
            let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
            connection.write_all(answer).await.unwrap();
        }
        if read == 0 || all.ends_with(b"}") {
            return String::from_utf8(all).unwrap();
        }
    }
}

#[tokio::test]
async fn not_a_byte_of_it_reaches_the_socket() {
    for ends in [false, true] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let fence = term();
        let call = async {
            let aws = client(None, Some(url), ends.then(|| fence.clone()));
            fence.around(tag(&aws)).await
        };
        let (answer, request) = tokio::join!(call, received(listener));
        if ends {
            assert_eq!(answer.unwrap_err().class, ErrorClass::TermOver);
            assert_eq!(request, "");
        } else {
            answer.unwrap();
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            let length = format!("content-length: {}", body.len());
            assert!(head.to_lowercase().contains(&length), "{head}");
            assert!(body.contains("herons"), "{body}");
        }
    }
}
