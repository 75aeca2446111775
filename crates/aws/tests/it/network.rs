//! Real sockets and the real clock: can a failed connection be told from a lost answer?

use aws::{Aws, Options, Timeouts};
use aws_config::SdkConfig;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use executor::{ErrorClass, Organizations};
use std::time::Duration;
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpListener};

fn client(scheme: &str, port: u16, connect: Duration, read: Duration) -> Aws {
    let credentials = Credentials::new("AKID", "secret", None, None, "test");
    let config = SdkConfig::builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let options = Options {
        endpoint_url: Some(format!("{scheme}://127.0.0.1:{port}")),
        timeouts: Timeouts {
            connect,
            read,
            mutation: read,
        },
        ..Options::default()
    };
    Aws::from_sdk_config(&config, &options)
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(300);

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn class(aws: &Aws) -> ErrorClass {
    aws.describe_organization().await.unwrap_err().class
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let (listener, port) = listener().await;
    drop(listener);
    assert_eq!(
        class(&client("http", port, LONG, LONG)).await,
        ErrorClass::Unreachable
    );
    assert_eq!(
        class(&client("https", port, LONG, LONG)).await,
        ErrorClass::Unreachable
    );
}

#[tokio::test]
async fn a_handshake_that_does_not_end_or_fails_is_unreachable() {
    let (listener, port) = listener().await;
    let hang = async {
        let (_connection, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = hang => {}
        class = async { class(&client("https", port, SHORT, LONG)).await } => {
            assert_eq!(class, ErrorClass::Unreachable);
        }
    }
    let fail = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        connection
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    };
    let aws = client("https", port, LONG, LONG);
    let ((), class) = tokio::join!(fail, class(&aws));
    assert_eq!(class, ErrorClass::Unreachable);
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_is_a_lost_answer() {
    for answer in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Organi",
    ] {
        let (listener, port) = listener().await;
        let aws = client("http", port, LONG, LONG);
        let broken = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            assert!(connection.read(&mut buffer).await.unwrap() > 0);
            connection.write_all(answer).await.unwrap();
        };
        let ((), class) = tokio::join!(broken, class(&aws));
        assert_eq!(class, ErrorClass::AnswerLost);
    }
}

#[tokio::test]
async fn a_service_that_keeps_silent_is_a_timeout() {
    let (listener, port) = listener().await;
    let aws = client("http", port, LONG, SHORT);
    let silent = async {
        let (_connection, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = silent => {}
        class = class(&aws) => assert_eq!(class, ErrorClass::Timeout),
    }
}
